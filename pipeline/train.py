"""The training run: tables to examples, a judged recipe, the final fit, its bundle, the verdict."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from features.builder import build_features, learn_catalogue
from features.catalogue import Catalogue
from features.contracts import Tables
from features.entities import entity_tables, with_derived
from features.errors import LeadScoringError, NoHistoryError, NoModelError
from models.bundle import Bundle
from models.evaluation import Evaluation, Examples
from models.gate import Check
from models.split import slices_of
from models.sub_scores import choose_sub_recipes
from models.trainer import evaluate
from pipeline.against_champion import against_champion, against_its_bands, as_challenger, present_champion
from pipeline.config import Project
from pipeline.dataset import Dataset, check_quarantine, labelled_dataset, unlabelled_dataset
from pipeline.final_fit import FinalFit
from pipeline.half_lives import half_life_words, refuse_unknown_groups, with_half_lives
from pipeline.leak_hunt import LeakHunt, hunt_leaks
from pipeline.ledger.acts import record_act
from pipeline.model_card import model_card
from pipeline.parts import figures_by_part
from pipeline.personas import study_personas
from pipeline.record import TrainingRecord, Verdict
from pipeline.report_feedback import answers_of_sales
from pipeline.tables import load_tables
from pipeline.tracking import champion_version
from pipeline.value import judge_value, value_words, with_amounts, with_open_total
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
            **({"value": self.record.worth.to_json()} if self.record.worth else {}),
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
    tables = tables or load_tables(project, tell)
    check_quarantine(project, tables)
    refuse_unknown_groups(project, tables)
    project = project.model_copy(
        update={"attributes": with_derived(project.attributes, tables, project.target.entity)}
    )
    tell("looking for leaks")
    project, hunt = hunt_leaks(project, tables)
    if tables.origin is not None:  # what the hunt left out may tell nothing of an account or a product either
        tables = entity_tables(tables, project.target, project.attributes)
    try:
        dataset = labelled_dataset(project, tables)
    except NoHistoryError as error:
        _raise_with_table(error, project, unlabelled_dataset(project, tables), tables, hunt, tell)
    project = with_amounts(project, dataset, tell)
    dataset = with_half_lives(project, dataset, tell)
    leads, won = len(np.unique(dataset.lead_code)), int(dataset.y.sum())
    tell(f"{len(dataset.y):,} examples of {leads:,} leads, {won:,} conversions")
    former = champion_version(project)
    champion = present_champion(project, tell)
    anchors = champion.scorer.anchors if champion and not project.bands.re_anchor else None
    try:
        examples, catalogue = development_examples(project, dataset, tell)
        sheets = champion.scorer.sheets if champion and not project.bands.re_anchor else None
        evaluation = evaluate(examples, catalogue, project.plan, anchors, tell, sheets)
    except (NoModelError, NoHistoryError) as error:
        _raise_with_table(error, project, dataset, tables, hunt, tell)
    check = against_champion(champion, evaluation, dataset, examples, catalogue, project)
    halves = (
        choose_sub_recipes(examples, catalogue, evaluation, project.split) if project.score.sub_scores else {}
    )
    worth = judge_value(project, dataset, tables, examples, catalogue, evaluation, tell)
    personas = study_personas(project, dataset, examples, catalogue, evaluation, champion)
    with tempfile.TemporaryDirectory() as scratch:
        fit = FinalFit(
            project, dataset, tables, hunt, evaluation, _verdict(evaluation, check), champion, halves,
            worth=worth, personas=personas,
        )  # fmt: skip
        bundle, bands = _final_bundle(fit, Path(scratch), tell)
        worth = with_open_total(worth, project, tables, bundle)
        verdict: Verdict = bundle.manifest["verdict"] if bundle else "refused"
        words = (
            *verdict_words(verdict, evaluation, check, dataset, project.bands.re_anchor),
            *([bands.words] if bands else []),
            *(value_words(worth) if worth else []),
            *half_life_words(dataset.half_lives),
            *hunt.words(),
        )
        record = TrainingRecord(
            project=project, dataset=dataset, catalogue=fit.catalogue, evaluation=evaluation, bundle=bundle,
            champion_check=check, bands_check=bands, verdict=verdict, words=words, quarantined=_quarantined(tables),
            cleaned=dataset.data.events.removed, digests=tables.digests,
            warnings=tuple(each.message for each in tables.warnings) + evaluation.notes,
            slices=figures_by_part(project, dataset, evaluation), hunt=hunt, worth=worth,
            personas=personas, answers=answers_of_sales(project),
        )  # fmt: skip
        folder = _place(project, bundle)
    return _published(record, folder, tell, former)


def _final_bundle(fit: FinalFit, scratch: Path, tell: Tell) -> tuple[Bundle | None, Check | None]:
    """The bundle of the final fit; one that would move too many leads to other bands waits as a challenger."""
    bundle = fit.write(scratch / "bundle", tell)
    bands = against_its_bands(fit.project, fit.tables, fit.champion, bundle, fit.verdict, tell)
    if bundle is not None and fit.verdict == "champion" and bands is not None and bands.status == "failed":
        bundle = as_challenger(bundle, scratch / "challenger")
    return bundle, bands


def _published(record: TrainingRecord, folder: Path, tell: Tell, former: str | None) -> Trained:
    """Write the report and the card, log the run, register the version."""
    from pipeline import tracking
    from pipeline.global_views import write_global_views
    from pipeline.report import write_report
    from pipeline.tracking_registry import promote_by_gate

    tell("writing the report")
    report = write_report(record, folder)
    card = folder / "model_card.md"
    card.write_text(model_card(record), encoding="utf-8", newline="\n")
    views = write_global_views(record.bundle, record.dataset, folder, tell)
    tell("logging to MLflow")
    logged = tracking.log_training(record, [report.html, card, *report.plots, *views])
    if logged.registered_version is not None and record.bundle is not None:
        number, model = logged.registered_version, record.bundle.model_version
        is_judged = record.verdict == "champion"
        move = promote_by_gate(record.project, number, model, former) if is_judged else None
        lost = None if move is None else record_act(record.project, move, record.bundle)
        record = record if lost is None else replace(record, words=(*record.words, lost))
        if move is None:
            tracking.set_alias(record.project, number, "challenger")
            if is_judged:
                said = (
                    f"The champion changed during this training, so version {number} was not compared with the "
                    "present one and waits as challenger: train again, or lead-scoring promote it on your word."
                )
                record = replace(record, verdict="challenger", words=(said, *record.words[1:]))
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


def _raise_with_table(
    error: LeadScoringError, project: Project, dataset: Dataset, tables: Tables, hunt: LeakHunt, tell: Tell
) -> NoReturn:
    """Raise the error, or where the user's points table can score meanwhile, one that says so."""
    said = _table_instead(project, dataset, tables, hunt, tell)
    if not said:
        raise error
    raise NoModelError(f"{error}{said}") from error


def _table_instead(project: Project, dataset: Dataset, tables: Tables, hunt: LeakHunt, tell: Tell) -> str:
    """Where there is too little to learn from, the user's points table still scores."""
    if len(dataset.rows) == 0:
        return ""
    with tempfile.TemporaryDirectory() as scratch:
        fit = FinalFit(project, dataset, tables, hunt, None, "refused", None)
        bundle = fit.write(Path(scratch) / "bundle", tell)
        if bundle is None:
            return ""
        folder = _place(project, bundle)
    return f"\nThe points table can score meanwhile (points, no probability): --bundle {folder / 'bundle'}"


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
