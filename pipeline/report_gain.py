"""What working the top of the list brings: buyers found, hit rate and lift, beside the points table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.asof import NEVER
from features.durations import MICROSECONDS, format_duration
from models.intervals import Interval, bootstrap_intervals
from models.metrics import gain_curve, lift_at, precision_at, recall_at
from pipeline.plots import GainPoint
from pipeline.record import TrainingRecord
from pipeline.report_figures import Cell, Row, Table, cell, formed, rows_of, sized
from pipeline.report_words import METRICS, RANKING, RUNGS

__all__ = [
    "beside",
    "curves",
    "gain_points",
    "ranking_table",
    "score_moments",
    "work_table",
]

Float64 = NDArray[np.float64]
WORKED = (0.05, 0.1, 0.2, 0.3, 0.5)
CURVE_SHARES = (
    0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
)  # fmt: skip
MOST_REPLICATES = 200


def gain_points(
    record: TrainingRecord, log_odds: Float64 | None = None, shares: Sequence[float] = CURVE_SHARES
) -> list[GainPoint]:
    """Share of the buyers found by working the best share of the rows, with clustered intervals."""
    odds = record.evaluation.test_log_odds if log_odds is None else log_odds
    found = _drawn(record, odds, shares, min(record.project.model.bootstrap, MOST_REPLICATES))
    return [
        GainPoint(share, each.value, each.low, each.high)
        for share, each in zip(shares, found.values(), strict=True)
    ]


def curves(record: TrainingRecord) -> dict[str, tuple[Float64, Float64]]:
    """The gain curve of the model as it would be run, and that of the points table where there is one."""
    evaluation = record.evaluation
    y, table = record.dataset.y[evaluation.test_rows], beside(record)
    found = {RUNGS[evaluation.recipe.rung]: gain_curve(y, evaluation.test_log_odds)}
    return found if table is None else {**found, RUNGS["points"]: gain_curve(y, table)}


def beside(record: TrainingRecord) -> Float64 | None:
    """(test,) log-odds of the points table, where there is one and another rung was chosen."""
    evaluation = record.evaluation
    return None if evaluation.recipe.rung == "points" else evaluation.log_odds_by_rung.get("points")


def work_table(record: TrainingRecord) -> Table:
    """What sales finds by working the best 5, 10, 20, 30 or 50 % of the list."""
    evaluation, table = record.evaluation, beside(record)
    n = evaluation.sizes["test"].rows
    tops = {share: max(1, int(np.ceil(share * n - 1e-9))) for share in WORKED}
    n_boot = record.project.model.bootstrap  # that of the verdict: one figure has one interval
    more = {f"hits {share}": partial(precision_at, k=top) for share, top in tops.items()}
    more |= {f"lift {share}": partial(lift_at, share=share) for share in WORKED}
    found = _drawn(record, evaluation.test_log_odds, WORKED, n_boot, more)
    of_table = {} if table is None else _drawn(record, table, WORKED, n_boot)
    moments, rows = score_moments(record), []
    for share, top in tops.items():
        cells: list[Cell] = [formed(share, "%") if share >= 0.1 else f"{share:.0%}".replace("%", " %")]
        cells += sized(top) if moments is None else sized(top, round(top / moments[0]))
        cells += [
            cell(found[str(share)], "%"),
            cell(found[f"hits {share}"], "%"),
            cell(found[f"lift {share}"], "x"),
        ]
        rows.append((*cells, *([cell(of_table[str(share)], "%")] if of_table else [])))
    each_time = () if moments is None else (f"Leads {moments[1]}",)
    head = ("Best of the list", "Rows worked", *each_time, "Buyers found", "Of these buy", "Lift")
    return Table(
        "If sales work the top of the list",
        (*head, *(["Points table finds"] if of_table else [])),
        rows_of(rows),
        note=f"{sizes_words(record)} Below each figure: its 95 % interval. Lift: buyers found against as many leads "
        "in any order.",
    )


def sizes_words(record: TrainingRecord) -> str:
    """The n of all figures of the whole test."""
    size = record.evaluation.sizes["test"]
    return f"n = {size.rows:,} rows, {size.leads:,} leads, {size.conversions:,} conversions."


def score_moments(record: TrainingRecord) -> tuple[int, str] | None:
    """How many moments the test scores, and how often that is in words; None without a rhythm."""
    if record.project.snapshots.mode != "calendar":
        return None
    as_of = record.dataset.rows.as_of[record.evaluation.test_rows]
    known = np.unique(as_of[as_of != NEVER])
    if len(known) == 0:
        return None
    days, rest = divmod(record.project.snapshots.every, MICROSECONDS["d"])
    if rest:
        return len(known), f"every {format_duration(record.project.snapshots.every)}"
    return len(known), "a day" if days == 1 else f"every {days} days"


def ranking_table(record: TrainingRecord) -> Table:
    """How well the list is ordered, each figure with its interval; also by age and on new accounts."""
    evaluation = record.evaluation
    rows = [
        Row((words, cell(evaluation.intervals[name], form)), meaning)
        for name, (words, form, meaning) in METRICS.items()
        if name in RANKING and name in evaluation.intervals
    ]
    rows += [
        Row(
            (f"AUC {format_duration(age)} after creation", cell(each, "3")),
            "of leads scored at that age alone",
        )
        for age, each in sorted(evaluation.by_age.items())
    ]
    if evaluation.unseen_accounts is not None:
        meaning = "of leads whose account the model had never met"
        rows.append(Row(("AUC on new accounts", cell(evaluation.unseen_accounts, "3")), meaning))
    return Table(
        "How well the list is ordered",
        ("Figure", "Value, 95 % interval"),
        tuple(rows),
        note=sizes_words(record),
        shown=20,
    )


def _drawn(
    record: TrainingRecord, log_odds: Float64, shares: Sequence[float], n_boot: int,
    more: Mapping[str, partial[float]] | None = None,
) -> dict[str, Interval]:  # fmt: skip
    evaluation = record.evaluation
    return bootstrap_intervals(
        {**{str(share): partial(recall_at, share=share) for share in shares}, **(more or {})},
        record.dataset.y[evaluation.test_rows],
        expit(log_odds),
        record.dataset.timeline.cluster[evaluation.test_rows],
        n_boot=n_boot,
        seed=record.project.model.seed,
    )
