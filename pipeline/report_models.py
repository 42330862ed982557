"""The models side by side: which one was chosen and why, the search over settings, what more history brings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models import metrics
from models.intervals import bootstrap_intervals, paired_difference
from models.selection import Trial
from models.tuning import TuningTrial
from pipeline.plots import CurveMark
from pipeline.record import TrainingRecord
from pipeline.report_figures import Cell, Row, Table, cell, formed, rows_of, sized
from pipeline.report_gain import sizes_words
from pipeline.report_words import RUNGS, TREE_SETTINGS

__all__ = [
    "choice_words",
    "curve_marks",
    "curve_table",
    "curve_words",
    "rung_table",
    "tuning_table",
    "tuning_words",
]

Float64 = NDArray[np.float64]
BEST_TRIALS = 5
WORSE = "clearly worse in development"
UNSTEADY = "its order did not hold in development"
PARTS = {0.125: "an eighth", 0.25: "a quarter", 0.5: "a half", 1.0: "all"}
HELPS = 0.005  # of AUC, when the conversions double
FIGURES: dict[str, Callable[..., float]] = {
    "auc": metrics.auc,
    "average_precision": metrics.average_precision,
    "lift_at_10": partial(metrics.lift_at, share=0.1),
    "log_loss": metrics.log_loss,
    "brier": metrics.brier,
}
FORMS = {"auc": "3", "average_precision": "3", "lift_at_10": "x", "log_loss": "4", "brier": "4"}


def rung_table(record: TrainingRecord) -> Table:
    """Each rung: its log loss in development against the best, and its figures on the test."""
    evaluation = record.evaluation
    best = _best(evaluation.selection.trials)
    head = (
        "Model", "Development: log loss", "Against the best", "Test: AUC", "Average precision", "Lift, top 10 %",
        "Log loss", "Brier",
    )  # fmt: skip
    rows = [
        Row(
            (RUNGS[trial.rung], *_in_development(record, trial, best), *_on_test(record, trial.rung)),
            meaning=_stood(trial, best),
            is_chosen=trial.rung == evaluation.recipe.rung,
        )
        for trial in evaluation.selection.trials
    ]
    n_rows, size = len(evaluation.out_of_fold.rows), sizes_words(record)
    return Table(
        "The models side by side",
        head,
        tuple(rows),
        tag="chosen",
        note=f"Development: {n_rows:,} rows, each predicted by a fit that had not seen it; paired with the best on the "
        f"same rows, below 0 is better. Test: {size} All are fitted once, on development, and none is refitted or has "
        "its level followed. Below each figure: its 95 % interval.",
    )


def _in_development(record: TrainingRecord, trial: Trial, best: Trial) -> tuple[Cell, ...]:
    evaluation, model = record.evaluation, record.project.model
    clusters = record.dataset.timeline.cluster[evaluation.out_of_fold.rows]
    against: Cell = "the best"
    if trial is not best:
        against = cell(
            paired_difference(trial.losses, best.losses, clusters, model.bootstrap, model.seed), "+4"
        )
    whole = paired_difference(
        trial.losses, np.zeros(len(trial.losses)), clusters, model.bootstrap, model.seed
    )
    return cell(whole, "4"), against


def _on_test(record: TrainingRecord, rung: str) -> tuple[Cell, ...]:
    evaluation, model = record.evaluation, record.project.model
    rows = evaluation.test_rows
    found = bootstrap_intervals(
        FIGURES, record.dataset.y[rows], expit(evaluation.log_odds_by_rung[rung]),
        record.dataset.timeline.cluster[rows], model.bootstrap, model.seed,
    )  # fmt: skip
    return tuple(cell(found[name], form) for name, form in FORMS.items())


def _best(trials: tuple[Trial, ...]) -> Trial:
    """The one with the least loss of those in the running."""
    return min((t for t in trials if not t.clearly_worse), key=lambda trial: float(trial.losses.mean()))


def choice_words(record: TrainingRecord) -> str:
    """Why this rung was chosen: the one-standard-error rule in words."""
    trials, chosen = record.evaluation.selection.trials, record.evaluation.recipe.rung
    if len(trials) == 1:
        return f"Only one model was tried: {RUNGS[chosen].lower()}."
    best, said = _best(trials), [f"Chosen: {RUNGS[chosen].lower()}"]
    if chosen == best.rung:
        held = " of those whose order held" if any(_stood(each, best) == UNSTEADY for each in trials) else ""
        said[0] += f", the best in development{held}; no simpler one came as close as chance explains."
    else:
        said[0] += (
            f". It is simpler than the {RUNGS[best.rung].lower()}, the best in development, and not clearly worse."
        )
    for words in (WORSE, UNSTEADY):
        named = [RUNGS[trial.rung].lower() for trial in trials if _stood(trial, best) == words]
        said += [f"{', '.join(named).capitalize()}: {words}."] if named else []
    said.append(
        "A more complex model has to win by more than one standard error of the paired log loss in development."
    )
    return " ".join(said)


def _stood(trial: Trial, best: Trial) -> str:
    """Why a rung is out of the running; a smaller loss than the best's can't be the reason."""
    if not trial.clearly_worse:
        return ""
    return WORSE if trial.losses.mean() > best.losses.mean() else UNSTEADY


def tuning_words(record: TrainingRecord) -> str:
    """What a search over the trees' settings found; empty where there was none."""
    tuning = record.evaluation.tuning
    if tuning is None:
        return ""
    own, best = tuning.trials[0], tuning.best_trial
    pruned = sum(each.state == "pruned" for each in tuning.trials)
    said = (
        f"A search over the trees' settings made {len(tuning.trials)} trials, {pruned} of them stopped early for being "
        "behind. "
    )
    if best.number == own.number:
        return f"{said}None beat the project's own settings (log loss {own.loss:.4f}), so these are used."
    return (
        f"{said}The best came to a log loss of {best.loss:.4f} in development, the project's own settings to "
        f"{own.loss:.4f}; the best are used."
    )


def tuning_table(record: TrainingRecord) -> Table | None:
    """The best trials and the project's own settings; None without a search."""
    tuning = record.evaluation.tuning
    if tuning is None:
        return None
    complete = sorted(
        (each for each in tuning.trials if each.state == "complete"), key=lambda each: (each.loss, each.number)
    )  # fmt: skip
    shown = complete[:BEST_TRIALS]
    if tuning.trials[0] not in shown:
        shown.append(tuning.trials[0])
    rows = [Row(_trial_cells(each), is_chosen=each is tuning.best_trial) for each in shown]
    names = [TREE_SETTINGS.get(name, name) for name in tuning.trials[0].values]
    return Table(
        "The best trials",
        ("Trial", "Log loss", *names),
        tuple(rows),
        tag="used",
        note=f"n = {len(record.evaluation.out_of_fold.rows):,} rows of development, out of fold. The best of many "
        "trials looks better than it is: the test above, not this table, tells how good the model is. Trials keep no "
        "losses by row and so have no interval.",
    )


def _trial_cells(trial: TuningTrial) -> tuple[Cell, ...]:
    name = "the project's own" if trial.number == 0 else f"trial {trial.number + 1}"
    values = (f"{value:.2f}" if isinstance(value, float) else f"{value:,}" for value in trial.values.values())
    return (name, f"{trial.loss:.4f}", *values)


def curve_marks(record: TrainingRecord) -> list[CurveMark]:
    """The learning curve for the picture."""
    return [
        CurveMark(each.conversions, each.auc.value, each.auc.low, each.auc.high)
        for each in record.evaluation.curve
    ]


def curve_table(record: TrainingRecord) -> Table | None:
    """The learning curve as figures; None without points."""
    rows: list[tuple[Cell, ...]] = [
        (
            PARTS.get(each.share, formed(each.share, "%")),
            *sized(each.rows, each.conversions),
            cell(each.auc, "3"),
        )
        for each in record.evaluation.curve
    ]
    if not rows:
        return None
    head = ("Of development", "Rows", "Conversions", "AUC on the test, 95 % interval")
    return Table(
        "The model on less history", head, rows_of(rows),
        note=f"Whole accounts, else leads, are drawn from all of the time. Test: {sizes_words(record)}",
    )  # fmt: skip


def curve_words(record: TrainingRecord) -> str:
    """What doubling the conversions brought, and whether more history would help."""
    curve = record.evaluation.curve
    if len(curve) < 2:
        return "There are too few conversions to learn from parts of them: what more history would bring is not shown."
    less, whole = curve[-2], curve[-1]
    times = whole.conversions / less.conversions
    often = "twice" if 1.9 <= times <= 2.1 else f"{times:.1f} times"
    doublings = np.log2([each.conversions for each in curve])
    gain = float(np.polyfit(doublings, [each.auc.value for each in curve], 1)[0])
    said = (
        f"{often.capitalize()} the conversions ({less.conversions:,} to {whole.conversions:,}) took the AUC from "
        f"{less.auc.value:.3f} to {whole.auc.value:.3f}; over the whole curve a doubling brings {gain:+.3f}"
    )
    if gain >= HELPS:
        return f"{said}: more history would still help."
    return f"{said}: more history of the same kind would hardly help; other data about the leads might."
