"""The training run: tables to examples, a judged recipe, the final fit, its bundle, the verdict."""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.builder import build_features, learn_catalogue
from features.catalogue import Catalogue
from features.contracts import Tables
from features.points import preset_lines
from models.bands import POINTS_TABLE_ANCHORS
from models.bundle import GOLDEN_ROWS, Bundle, load_bundle, write_bundle
from models.calibration import IDENTITY, row_log_loss
from models.classifier import PointsRung
from models.gate import Check, judge_champion
from models.grades import fit_grades
from models.ladder import Recipe, fit_rung
from models.scorer import Scorer
from models.trainer import Evaluation, Examples, evaluate
from pipeline.config import Project
from pipeline.dataset import Dataset, labelled_dataset
from pipeline.record import TrainingRecord, Verdict
from pipeline.tables import load_tables
from pipeline.verdict import verdict_words

__all__ = ["Trained", "train_project"]

Float64 = NDArray[np.float64]
Tell = Callable[[str], None]
GRADED_ROWS = 5_000


@dataclass(frozen=True)
class Trained:
    """A finished training and where things lie.

    Attributes
    ----------
    folder : holds `bundle/`, `report.html` and the plots.
    registered : the version in the registry, None if refused.
    """

    record: TrainingRecord
    folder: Path
    report: Path
    registered: str | None
    run_id: str | None

    def to_json(self) -> dict[str, Any]:
        """The keys that other programs rely on."""
        evaluation = self.record.evaluation
        values = {name: each.value for name, each in evaluation.intervals.items()}
        bundle = self.record.bundle
        return {
            "verdict": self.record.verdict,
            "rung": evaluation.recipe.rung,
            "model_version": bundle.model_version if bundle else None,
            "registered": self.registered,
            "n_test": evaluation.sizes["test"].rows,
            "n_conversions": evaluation.sizes["test"].conversions,
            **{key: values[key] for key in ("auc", "average_precision", "log_loss", "brier", "ece")},
            "calibration_ratio": values["calibration_ratio"],
            "lift_at_10": values["lift_at_10"],
            "report": str(self.report),
            "bundle": str(self.folder / "bundle") if bundle else None,
            "by_age": {str(age): [each.value, each.low, each.high] for age, each in evaluation.by_age.items()},
            "intervals": {name: [each.low, each.high] for name, each in evaluation.intervals.items()},
            "words": list(self.record.words),
        }


def train_project(project: Project, tell: Tell, tables: Tables | None = None) -> Trained:
    """Train, judge, write and register a model.

    The test is read once. A model that is no better than the base rate is refused: nothing is
    registered, the report says why. The final fit uses all mature rows with the recipe, calibration and
    anchors that development chose.

    Raises
    ------
    LeadScoringError
        Of the kind that fits: bad input, a wrong project file, too few conversions.
    """
    from pipeline import tracking
    from pipeline.report import write_report

    tables = tables or load_tables(project, tell)
    dataset = labelled_dataset(project, tables)
    tell(f"{len(dataset.y):,} examples of {len(np.unique(dataset.lead_code)):,} leads, {int(dataset.y.sum()):,} conversions")
    champion = _champion(project, tell)
    evaluation, examples, catalogue = _evaluate(project, dataset, champion, tell)
    check = _against_champion(champion, evaluation, examples, catalogue, project)
    verdict = _verdict(evaluation, check)
    with tempfile.TemporaryDirectory() as scratch:
        bundle, final = _final_bundle(project, dataset, evaluation, verdict, champion, tables, Path(scratch), tell)
        record = TrainingRecord(
            project=project, dataset=dataset, catalogue=final, evaluation=evaluation, bundle=bundle,
            champion_check=check, verdict=verdict, words=verdict_words(verdict, evaluation, check, dataset),
            quarantined=_quarantined(tables), cleaned=dataset.data.events.removed,
            warnings=tuple(each.message for each in tables.warnings) + evaluation.notes, digests=tables.digests,
        )  # fmt: skip
        folder = _place(project, record, Path(scratch))
    tell("writing the report")
    report = write_report(record, folder)
    tell("logging to MLflow")
    logged = tracking.log_training(record, [report.html, *report.plots])
    if logged.registered_version is not None:
        tracking.set_alias(project, logged.registered_version, verdict)
    return Trained(record, folder, report.html, logged.registered_version, logged.run_id)


def _evaluate(
    project: Project, dataset: Dataset, champion: Bundle | None, tell: Tell
) -> tuple[Evaluation, Examples, Catalogue]:
    from models.split import slices_of

    development = slices_of(dataset.timeline, project.split).development
    catalogue = learn_catalogue(dataset.data, dataset.rows.take(development), dataset.sources)
    tell(f"building {len(catalogue)} features")
    X = build_features(dataset.data, dataset.rows, catalogue, dataset.sources)
    examples = Examples(X, dataset.y, dataset.timeline, dataset.lead_code, dataset.account, dataset.rows.age)
    anchors = champion.scorer.anchors if champion and not project.bands.re_anchor else None
    found = evaluate(
        examples, catalogue, project.split, project.model, project.bands, project.gate, anchors, tell
    )
    return found, examples, catalogue


def _champion(project: Project, tell: Tell) -> Bundle | None:
    """The champion's bundle, if it answers the same question: target, horizon and entity."""
    from pipeline import tracking

    if tracking.champion_version(project) is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        bundle = load_bundle(tracking.fetch_bundle(project, "champion", Path(scratch)))
    if bundle.manifest["question"] != _question(project):
        tell("the champion answers another question (target, horizon or snapshots): a new line of versions starts")
        return None
    return bundle


def _question(project: Project) -> dict[str, Any]:
    target = project.target.model_dump(mode="json")
    label = project.static.model_dump(mode="json") if project.static else None
    return {"mode": project.snapshots.mode, "target": target, "static": label}


def _against_champion(
    champion: Bundle | None, evaluation: Evaluation, examples: Examples, catalogue: Catalogue, project: Project
) -> Check | None:
    """Paired log losses on the test; the champion's recipe is fitted again on what came before it.

    The champion's own fit may have seen the test, so it is its recipe and calibration that compete.
    """
    if champion is None:
        return None
    kept = champion.manifest["recipe"]
    recipe = Recipe(kept["rung"], kept["penalty"], kept["rounds"], tuple(kept["weights"]))
    if recipe.rung == "points" and len(catalogue.columns(["points"])) == 0:
        return None
    rows, test = evaluation.slices.development, evaluation.test_rows
    rung = fit_rung(recipe, examples.X[rows], examples.y[rows], catalogue, project.model)
    odds = champion.scorer.calibration.log_odds(rung.margin(examples.X[test]))
    y, clusters = examples.y[test], examples.timeline.cluster[test]
    return judge_champion(row_log_loss(y, evaluation.test_log_odds), row_log_loss(y, odds), clusters)


def _verdict(evaluation: Evaluation, check: Check | None) -> Verdict:
    if evaluation.is_refused:
        return "refused"
    is_better = check is None or check.status == "passed"
    return "champion" if evaluation.is_calibrated and is_better else "challenger"


def _final_bundle(
    project: Project, dataset: Dataset, evaluation: Evaluation, verdict: Verdict, champion: Bundle | None,
    tables: Tables, scratch: Path, tell: Tell,
) -> tuple[Bundle | None, Catalogue]:  # fmt: skip
    """The recipe on all mature rows; if refused, the bare points table where the user gave one."""
    catalogue = learn_catalogue(dataset.data, dataset.rows, dataset.sources)
    has_table = project.points is not None and preset_lines(project.points)[0] is not None
    if verdict == "refused" and not has_table:
        return None, catalogue
    X = build_features(dataset.data, dataset.rows, catalogue, dataset.sources)
    tell(f"final fit on {len(X):,} rows")
    if verdict == "refused":
        scorer = _points_scorer(project, catalogue, X)
    else:
        rung = fit_rung(evaluation.recipe, X, dataset.y, catalogue, project.model)
        scorer = Scorer(
            rung, evaluation.recipe.rung, catalogue, evaluation.selection.calibration, evaluation.anchors,
            project.bands, fit_grades([0.0], [0.0]),
        )  # fmt: skip
    scorer = replace(scorer, grades=champion.scorer.grades if champion else _grades(scorer, X))
    record = _manifest(project, dataset, evaluation, verdict, tables, catalogue, X)
    return write_bundle(scratch / "bundle", scorer, dataset.sources, X[_spread_rows(len(X))], record), catalogue


def _points_scorer(project: Project, catalogue: Catalogue, X: Float64) -> Scorer:
    """The user's table as it stands: one point is one point, its own lines, no probability."""
    assert project.points is not None
    mql, sql = preset_lines(project.points)
    assert mql is not None
    rules = catalogue.columns(["points"])
    rung = PointsRung(rules, np.zeros(len(rules)), 0.0, 1.0, len(catalogue))
    return Scorer(
        rung, "points", catalogue, IDENTITY, POINTS_TABLE_ANCHORS, project.bands, fit_grades([0.0], [0.0]),
        table_lines=(mql, sql),
    )  # fmt: skip


def _grades(scorer: Scorer, X: Float64) -> Any:
    phi, _ = scorer.rung.contributions(X[_spread_rows(len(X), GRADED_ROWS)])
    return fit_grades(*scorer.grade_sums(phi))


def _spread_rows(n: int, most: int = GOLDEN_ROWS) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def _manifest(
    project: Project, dataset: Dataset, evaluation: Evaluation, verdict: Verdict, tables: Tables,
    catalogue: Catalogue, X: Float64,
) -> dict[str, Any]:  # fmt: skip
    packages = ("numpy", "scipy", "pandas", "scikit-learn", "lightgbm", "mlflow")
    metrics = {name: each.value for name, each in evaluation.intervals.items()}
    other = {
        f.name: float(np.mean(X[:, i] == len(f.levels))) for i, f in enumerate(catalogue.features) if f.is_category
    }
    return {
        "verdict": verdict,
        "question": _question(project),
        "recipe": evaluation.recipe.__dict__ | {"weights": list(evaluation.recipe.weights)},
        "settings": project.model_dump(mode="json"),
        "metrics": metrics if np.isfinite(list(metrics.values())).all() and verdict != "refused" else {},
        "training": {"rows": len(X), "conversions": int(dataset.y.sum()), "leads": len(np.unique(dataset.lead_code))},
        "other_share": other,
        "digests": tables.digests,
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


def _quarantined(tables: Tables) -> dict[str, int]:
    rows = tables.quarantine[tables.quarantine["table"] == "leads"]
    return {str(code): int(count) for code, count in rows["code"].value_counts().sort_index().items()}


def _place(project: Project, record: TrainingRecord, scratch: Path) -> Path:
    """Move what was made under its version's name; a version made before is replaced by the same bytes."""
    name = record.bundle.model_version if record.bundle else "refused"
    folder = project.output_folder / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    if record.bundle is not None:
        shutil.rmtree(folder / "bundle", ignore_errors=True)
        shutil.copytree(scratch / "bundle", folder / "bundle")
    return folder
