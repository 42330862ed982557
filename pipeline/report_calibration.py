"""Whether the probabilities hold: groups, bands and figures, each promised against what came."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from models.calibration import row_log_loss
from models.intervals import Interval, paired_difference
from models.metrics import reliability_table
from models.slices import SliceFigures, share_interval
from pipeline.plots import ReliabilityPoint
from pipeline.record import TrainingRecord
from pipeline.report_figures import Cell, Mark, Row, Table, cell, formed, rows_of, sized
from pipeline.report_gain import sizes_words
from pipeline.report_words import CALIBRATION, METRICS

__all__ = ["answer", "band_table", "calibration_table", "group_table", "noise_words", "reliability_points"]

Float64 = NDArray[np.float64]


def reliability_points(record: TrainingRecord) -> list[ReliabilityPoint]:
    """The bins of the calibration error, each with its clustered interval."""
    y, chance = _labels(record), np.asarray(expit(record.evaluation.test_log_odds))
    clusters = record.dataset.timeline.cluster[record.evaluation.test_rows]
    found = []
    for each in reliability_table(y, chance):
        is_in = (chance >= each.p_low) & (chance <= each.p_high)
        came = share_interval(y[is_in], clusters[is_in])
        found.append(ReliabilityPoint(each.predicted, each.observed, came.low, came.high, each.n_rows))
    return found


def group_table(points: list[ReliabilityPoint]) -> Table:
    """The dots of the reliability plot as figures."""
    rows: list[tuple[Cell, ...]] = [
        (
            str(number),
            formed(each.predicted, "%"),
            cell(Interval(each.observed, each.low, each.high), "%"),
            *sized(each.n_rows),
        )
        for number, each in enumerate(points, start=1)
    ]
    return Table(
        "The groups of the picture", ("Group", "Promised", "Came true, 95 % interval", "Rows"), rows_of(rows), shown=20
    )  # fmt: skip


def calibration_table(record: TrainingRecord) -> Table:
    """Level, spread and error of the probabilities, and how much they beat one chance for all."""
    evaluation = record.evaluation
    rows = [
        Row((words, cell(evaluation.intervals[name], form)), meaning)
        for name, (words, form, meaning) in METRICS.items()
        if name in CALIBRATION and name in evaluation.intervals
    ]
    constant = formed(evaluation.sizes["development"].rate, "%")
    for name, of_model, of_constant in _losses(record):
        meaning = f"less wrong than {constant} for every lead, the share in development; above 0 is better"
        rows.append(Row((f"{name}, skill", cell(_skill(record, of_model, of_constant), "%")), meaning))
    return Table(
        "Figures of the probabilities",
        ("Figure", "Value, 95 % interval"),
        tuple(rows),
        note=f"{sizes_words(record)} {noise_words(record)}",
        shown=20,
    )


def noise_words(record: TrainingRecord) -> str:
    """The calibration error against what chance alone would show."""
    error, floor = record.evaluation.intervals["ece"].value, record.evaluation.ece_floor
    if not (math.isfinite(error) and math.isfinite(floor)):
        return "There are too few rows to tell the calibration error from chance."
    within = "within" if error <= floor else "more than"
    return (
        f"The calibration error is {error:.3f}; a perfectly calibrated model would show up to {floor:.3f} by chance "
        f"on this many rows: it is {within} what chance explains. Drawing rows anew adds noise to it, so its interval "
        "lies high."
    )


def _losses(record: TrainingRecord) -> list[tuple[str, Float64, Float64]]:
    """Row losses of the model and of the constant that development's rate is."""
    y, odds = _labels(record), record.evaluation.test_log_odds
    rate = record.evaluation.sizes["development"].rate
    flat = np.full(len(y), logit(rate))
    return [
        ("Log loss", row_log_loss(y, odds), row_log_loss(y, flat)),
        ("Brier score", (expit(odds) - y) ** 2, (rate - y) ** 2),
    ]


def _skill(record: TrainingRecord, of_model: Float64, of_constant: Float64) -> Interval:
    """Share of the constant's loss that the model saves."""
    evaluation = record.evaluation
    clusters = record.dataset.timeline.cluster[evaluation.test_rows]
    model = record.project.model
    found = paired_difference(of_constant, of_model, clusters, n_boot=model.bootstrap, seed=model.seed)
    whole = float(of_constant.mean())
    return Interval(found.value / whole, found.low / whole, found.high / whole)


def band_table(record: TrainingRecord) -> Table | None:
    """Bands from the highest to the lowest; None for a refused model, which gives no probabilities."""
    slices = [each for each in record.slices if each.kind == "band"]
    if record.verdict == "refused" or not slices:
        return None
    won = sum(each.conversions for each in slices)
    rows: list[tuple[Cell, ...]] = [
        (
            each.name,
            formed(each.promised, "%"),
            cell(each.came, "%"),
            answer(each),
            formed(each.conversions / won, "%") if won else "not shown",
            *sized(each.rows, each.leads, each.conversions),
        )
        for each in slices
    ]
    head = (
        "Band",
        "Promised",
        "Came true, 95 % interval",
        "Answer",
        "Of all buyers",
        "Rows",
        "Leads",
        "Converted",
    )
    return Table("What the bands promise", head, rows_of(rows), texts=("Answer",), note=_lines(record))


def answer(part: SliceFigures) -> Mark:
    """Whether a slice kept what was promised: by its check, else by its interval."""
    more = "more" if part.promised < part.came.value else "fewer"
    if part.check.status == "failed":
        return Mark("bad", f"{more} came")
    if part.check.status == "not_shown":
        return Mark("open", "too few to tell")
    if part.came.low <= part.promised <= part.came.high:
        return Mark("good", "as promised")
    return Mark("open", f"{more} came, perhaps by chance")


def _lines(record: TrainingRecord) -> str:
    anchors, names = record.evaluation.anchors, record.project.bands
    moved = f" The {names.sql_name} line was raised to keep the two apart." if anchors.moved else ""
    sheet = "On the shared sheet " if record.evaluation.sheets is not None else ""
    others = " Segments with a sheet of their own have other lines: see the score sheets." if sheet else ""
    return (
        f"{sheet}{names.mql_name} begins at a probability of {anchors.p_mql:.1%} (score 50), {names.sql_name} at "
        f"{anchors.p_sql:.1%} (score 80); found by: {anchors.method}.{moved}{others}"
    ).replace("%", " %")


def _labels(record: TrainingRecord) -> Float64:
    return record.dataset.y[record.evaluation.test_rows]
