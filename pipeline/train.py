"""The training run: tables to examples, a judged recipe, the final fit, its bundle, the verdict."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.builder import build_features, learn_catalogue
from features.catalogue import Catalogue
from features.contracts import Tables
from features.errors import NoModelError
from models.bundle import Bundle, load_bundle
from models.calibration import row_log_loss
from models.gate import Check, judge_champion
from models.ladder import Recipe, fit_rung
from models.split import slices_of
from models.trainer import Evaluation, Examples, evaluate
from pipeline.config import Project
from pipeline.dataset import Dataset, check_quarantine, labelled_dataset
from pipeline.final_fit import FinalFit, question_of
from pipeline.leak_hunt import LeakHunt, hunt_leaks
from pipeline.record import TrainingRecord, Verdict
from pipeline.tables import load_tables
from pipeline.verdict import verdict_words

__all__ = ["Trained", "development_examples", "train_project"]

Tell = Callable[[str], None]


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
            "by_age": {
                str(age): [each.value, each.low, each.high] for age, each in evaluation.by_age.items()
            },
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
    from pipeline.global_views import write_global_views
    from pipeline.report import write_report

    tables = tables or load_tables(project, tell)
    check_quarantine(project, tables)
    tell("looking for leaks")
    project, hunt = hunt_leaks(project, tables)
    dataset = labelled_dataset(project, tables)
    leads, won = len(np.unique(dataset.lead_code)), int(dataset.y.sum())
    tell(f"{len(dataset.y):,} examples of {leads:,} leads, {won:,} conversions")
    champion = _champion(project, tell)
    examples, catalogue = development_examples(project, dataset, tell)
    anchors = champion.scorer.anchors if champion and not project.bands.re_anchor else None
    try:
        evaluation = evaluate(examples, catalogue, project.plan, anchors, tell)
    except NoModelError as error:
        raise NoModelError(f"{error}{_table_instead(project, dataset, tables, hunt, tell)}") from error
    check = _against_champion(champion, evaluation, dataset, examples, catalogue, project)
    verdict = _verdict(evaluation, check)
    with tempfile.TemporaryDirectory() as scratch:
        outcome = FinalFit(project, dataset, tables, hunt, evaluation, verdict, champion)
        bundle = outcome.write(Path(scratch) / "bundle", tell)
        record = TrainingRecord(
            project=project, dataset=dataset, catalogue=outcome.catalogue, evaluation=evaluation, bundle=bundle,
            champion_check=check, verdict=verdict,
            words=(*verdict_words(verdict, evaluation, check, dataset), *hunt.words()),
            quarantined=_quarantined(tables), cleaned=dataset.data.events.removed,
            warnings=tuple(each.message for each in tables.warnings) + evaluation.notes, digests=tables.digests,
        )  # fmt: skip
        folder = _place(project, bundle)
    tell("writing the report")
    report = write_report(record, folder)
    views = write_global_views(bundle, dataset, folder, tell)
    tell("logging to MLflow")
    logged = tracking.log_training(record, [report.html, *report.plots, *views])
    if logged.registered_version is not None and verdict != "refused":
        tracking.set_alias(project, logged.registered_version, verdict)
    return Trained(record, folder, report.html, logged.registered_version, logged.run_id)


def development_examples(project: Project, dataset: Dataset, tell: Tell) -> tuple[Examples, Catalogue]:
    """All examples, their features as development alone would have chosen them."""
    development = slices_of(dataset.timeline, project.split).development
    catalogue = learn_catalogue(dataset.data, dataset.rows.take(development), dataset.sources)
    tell(f"building {len(catalogue)} features")
    X = build_features(dataset.data, dataset.rows, catalogue, dataset.sources)
    examples = Examples(
        X, dataset.y, dataset.timeline, dataset.lead_code, dataset.account, dataset.rows.age, dataset.amount,
        dataset.n_open,
    )  # fmt: skip
    return examples, catalogue


def _table_instead(project: Project, dataset: Dataset, tables: Tables, hunt: LeakHunt, tell: Tell) -> str:
    """Where there is too little to learn from, the user's points table still scores."""
    with tempfile.TemporaryDirectory() as scratch:
        fit = FinalFit(project, dataset, tables, hunt, None, "refused", None)
        bundle = fit.write(Path(scratch) / "bundle", tell)
        if bundle is None:
            return ""
        folder = _place(project, bundle)
    return f"\nThe points table can score meanwhile (points, no probability): --bundle {folder / 'bundle'}"


def _champion(project: Project, tell: Tell) -> Bundle | None:
    """The champion's bundle, if it answers the same question: target, horizon and entity."""
    from pipeline import tracking

    if tracking.champion_version(project) is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        bundle = load_bundle(tracking.fetch_bundle(project, "champion", Path(scratch)))
    if bundle.manifest["question"] != question_of(project):
        tell(
            "the champion answers another question (target, horizon or snapshots): a new line of versions starts"
        )
        return None
    return bundle


def _against_champion(
    champion: Bundle | None,
    evaluation: Evaluation,
    dataset: Dataset,
    examples: Examples,
    catalogue: Catalogue,
    project: Project,
) -> Check | None:
    """Paired log losses on the test; the champion's recipe is fitted again on what came before it.

    The champion's own fit may have seen the test, so it is its recipe, features and calibration that
    compete. Where the tables no longer hold its attributes, its recipe makes do with the new features.
    """
    if champion is None:
        return None
    kept = champion.manifest["recipe"]
    recipe = Recipe(kept["rung"], kept["penalty"], kept["rounds"], tuple(kept["weights"]))
    X = examples.X
    if set(champion.sources.usable()) <= set(dataset.data.leads.columns):
        catalogue = champion.scorer.catalogue
        X = build_features(dataset.data, dataset.rows, catalogue, champion.sources)
    if recipe.rung == "points" and len(catalogue.columns(["points"])) == 0:
        return None
    rows, test = evaluation.slices.development, evaluation.test_rows
    rung = fit_rung(recipe, X[rows], examples.y[rows], catalogue, project.model)
    odds = champion.scorer.calibration.log_odds(rung.margin(X[test]))
    y, clusters = examples.y[test], examples.timeline.cluster[test]
    return judge_champion(row_log_loss(y, evaluation.test_log_odds), row_log_loss(y, odds), clusters)


def _verdict(evaluation: Evaluation, check: Check | None) -> Verdict:
    if evaluation.is_refused:
        return "refused"
    is_better = check is None or check.status == "passed"
    return "champion" if evaluation.is_calibrated and is_better else "challenger"


def _quarantined(tables: Tables) -> dict[str, int]:
    rows = tables.quarantine[tables.quarantine["table"] == "leads"]
    return {str(code): int(count) for code, count in rows["code"].value_counts().sort_index().items()}


def _place(project: Project, bundle: Bundle | None) -> Path:
    """Put what was made under its version's name; the same model made again replaces itself."""
    folder = project.output_folder / "models" / (bundle.model_version if bundle else "refused")
    folder.mkdir(parents=True, exist_ok=True)
    if bundle is not None:
        shutil.rmtree(folder / "bundle", ignore_errors=True)
        shutil.copytree(bundle.folder, folder / "bundle")
    return folder
