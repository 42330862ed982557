"""How the model ages: figures by how often it is refitted, and what became of the level of the probabilities."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.asof import NEVER
from features.durations import MICROSECONDS
from models import metrics
from models.calibration import row_log_loss
from models.intervals import Interval, bootstrap_intervals, paired_difference
from models.prior_shift import PriorShift
from models.rolling import Rolling
from pipeline.record import TrainingRecord
from pipeline.report_figures import Cell, Row, Table, cell, formed, sized

__all__ = ["headline_words", "refit_table", "refit_words", "shift_words"]

Float64 = NDArray[np.float64]
FORMS = {"auc": "3", "log_loss": "4", "ece": "4", "calibration_ratio": "2"}
FIGURES = {
    "auc": metrics.auc,
    "log_loss": metrics.log_loss,
    "ece": metrics.ece,
    "calibration_ratio": metrics.calibration_ratio,
}


def refit_table(record: TrainingRecord) -> Table | None:
    """The test at each rhythm of refitting, with the level as learned and followed; None without origins."""
    rolling = record.evaluation.rolling
    if rolling is None:
        return None
    cadences = sorted({*rolling.cadences, record.evaluation.cadence}, reverse=True)
    rows = [_row(record, rolling, every, is_followed) for every in cadences for is_followed in (False, True)]
    head = (
        "Refitted", "Level", "Rows", "AUC", "Log loss", "Against the one in use", "Calibration error",
        "Promised / came",
    )  # fmt: skip
    size = record.evaluation.sizes["test"]
    return Table(
        "The same test, refitted more or less often",
        head,
        tuple(rows),
        texts=("Level",),
        note=f"n = {size.rows:,} rows, {size.leads:,} leads, {size.conversions:,} conversions in each row; "
        f"{len(rolling.start)} blocks. Below each figure: its 95 % interval. Against the one in use: its log loss less "
        "that of the row marked so, on the same rows; below 0 is better.",
        shown=16,
    )


def _row(record: TrainingRecord, rolling: Rolling, every: int, is_followed: bool) -> Row:
    evaluation = record.evaluation
    odds = rolling.corrected(every) if is_followed else rolling.uncorrected(every)
    n_boot, seed = record.project.model.bootstrap, record.project.model.seed
    found = bootstrap_intervals(FIGURES, rolling.y, expit(odds), rolling.cluster, n_boot, seed)
    is_used = (every, is_followed) == (evaluation.cadence, evaluation.has_shift)
    against: Cell = "in use" if is_used else "the same"
    if not np.array_equal(odds, evaluation.test_log_odds):
        loss, used = (row_log_loss(rolling.y, each) for each in (odds, evaluation.test_log_odds))
        against = cell(paired_difference(loss, used, rolling.cluster, n_boot, seed), "+4")
    cells = {name: cell(found[name], form) for name, form in FORMS.items()}
    level = "follows the outcomes" if is_followed else "as learned"
    return Row(
        (
            refit_words(record, every), level, *sized(len(odds)), cells["auc"], cells["log_loss"], against,
            cells["ece"], cells["calibration_ratio"],
        ),
        is_chosen=is_used,
    )  # fmt: skip


def refit_words(record: TrainingRecord, every: int) -> str:
    """How often, in words: blocks of the test, and what they come to in days or leads."""
    rolling = record.evaluation.rolling
    if rolling is None or every >= len(rolling.start):
        return "never"
    blocks = "every block" if every == 1 else f"every {every} blocks"
    as_of = record.dataset.rows.as_of[record.evaluation.test_rows]
    if len(as_of) and (as_of != NEVER).all():
        days = float(np.median(np.diff(rolling.start))) * every / MICROSECONDS["d"]
        return f"{blocks} (about {_days(days)})"
    return f"{blocks} (about {_rounded(len(as_of) * every / len(rolling.start)):,} leads)"


def headline_words(record: TrainingRecord) -> str:
    """Which row of the table the figures of the report are, and which settings would change it."""
    evaluation = record.evaluation
    if evaluation.rolling is None:
        return (
            "The figures are those of one fit on development. "
            + ("rolling.blocks = 1 asks for no more." if record.dataset.timeline.is_ordered else
               "Nothing gives these leads a time order, so how the model ages can't be shown; static.order would.")
        )  # fmt: skip
    level = "its level following the outcomes" if evaluation.has_shift else "its level as learned"
    how = refit_words(record, evaluation.cadence)
    rhythm = "never refitted" if how == "never" else f"refitted {how}"
    return (
        f"The figures of this report are those of a model {rhythm}, {level}. Settings that change it: "
        f"rolling.refit_every = {evaluation.refit_every} (blocks between refits, 0 is never), rolling.blocks = "
        f"{record.project.rolling.blocks} (parts of the test), rolling.prior_shift = "
        f"{str(evaluation.has_shift).lower()} (follow the level)."
    )


def shift_words(record: TrainingRecord) -> str:
    """What became of the level of the model in use, for a manager."""
    evaluation = record.evaluation
    if evaluation.rolling is None:
        return "The level is that of development; following it takes a time order and rolling.blocks of 2 or more."
    if not evaluation.has_shift:
        return "The level stays as it was learned: rolling.prior_shift = false."
    shift = evaluation.shift
    if shift.past == 0:
        return "The level stays as it was learned: there are too few past blocks to tell whether following it pays."
    if shift.rows == 0:
        return "The level stays as it was learned: the newest blocks hold too few conversions to tell another one."
    return _judged_words(shift)


def _judged_words(shift: PriorShift) -> str:
    half = 1.96 * shift.raw_error
    found = Interval(math.exp(shift.raw), math.exp(shift.raw - half), math.exp(shift.raw + half))
    said = (
        f"The newest outcomes ({shift.rows:,} rows, {shift.conversions:,} conversions) say that the odds of a sale are "
        f"{formed(found.value, '2')} times what was learned ({formed(found.low, '2')} to {formed(found.high, '2')})"
    )
    if shift.proposed == 0.0:
        return f"{said}. That is no more than chance explains: the level stays as it was learned."
    replayed = f"on the past {shift.past} blocks, replayed with what was known then"
    if shift.value == 0.0:
        return (
            f"{said}. That is not followed, for it has not paid {replayed}: log loss {-shift.gain:+.4f} a row, newer "
            "blocks counting more."
        )
    return (
        f"{said}. It is followed, at {formed(math.exp(shift.value), '2')} times to allow for chance, for that has paid "
        f"{replayed}: log loss {-shift.gain:+.4f} a row, newer blocks counting more."
    )


def _days(days: float) -> str:
    number = round(days) if days >= 2 else round(days, 1)
    return f"{number:g} {'day' if number == 1 else 'days'}"


def _rounded(number: float) -> int:
    """To two digits: an "about" should not look exact."""
    size: int = 10 ** max(0, math.floor(math.log10(max(number, 1.0))) - 1)
    return round(number / size) * size
