"""What working the top of the list brings, in figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from features.asof import NEVER
from features.durations import MICROSECONDS
from models.intervals import Interval
from pipeline.record import TrainingRecord
from pipeline.report_figures import Ranged, cell
from pipeline.report_gain import beside, curves, gain_points, ranking_table, score_moments, work_table
from tests.pipeline.report_record import judged, trained, with_intervals, without_points


@pytest.fixture(scope="module")
def record() -> TrainingRecord:
    """The record of a small world."""
    return trained()


def test_the_interval_of_the_gain_curve_holds_the_figure(record: TrainingRecord) -> None:
    (point,) = gain_points(record, shares=(0.2,))

    assert point.found == record.evaluation.intervals["recall_at_20"].value
    assert point.low <= point.found <= point.high


def test_the_best_tenth_is_counted_by_hand(record: TrainingRecord) -> None:
    evaluation = record.evaluation
    y = record.dataset.y[evaluation.test_rows][np.argsort(-evaluation.test_log_odds, kind="stable")]
    top = int(np.ceil(len(y) / 10))
    found = Ranged(f"{y[:top].sum() / y.sum():.0%}".replace("%", " %"), "")

    row = next(each for each in work_table(record).rows if each.cells[0] == "10 %")

    moments = len(np.unique(record.dataset.rows.as_of[evaluation.test_rows]))
    assert row.cells[1] == f"{top:,}"
    assert row.cells[2] == f"{round(top / moments):,}"
    assert isinstance(row.cells[3], Ranged)
    assert row.cells[3].value == found.value
    assert isinstance(row.cells[4], Ranged)
    assert row.cells[4].value == f"{y[:top].mean():.0%}".replace("%", " %")


def test_the_figures_of_the_top_fifth_are_those_of_the_verdict(record: TrainingRecord) -> None:
    row = next(each for each in work_table(record).rows if each.cells[0] == "20 %")

    assert row.cells[3] == cell(record.evaluation.intervals["recall_at_20"], "%")


def test_the_points_table_stands_beside_unless_there_is_none_or_it_was_chosen(record: TrainingRecord) -> None:
    assert "Points table finds" in work_table(record).head
    assert list(curves(record)) == ["Logistic regression", "Points table"]
    assert "Points table finds" not in work_table(without_points(record)).head
    assert list(curves(without_points(record))) == ["Logistic regression"]

    selection = record.evaluation.selection
    chosen = judged(record, selection=replace(selection, recipe=replace(selection.recipe, rung="points")))
    assert beside(chosen) is None
    assert list(curves(chosen)) == ["Points table"]


def test_a_capacity_that_is_set_has_its_precision(record: TrainingRecord) -> None:
    capacity = with_intervals(record, precision_at_capacity=Interval(0.31, 0.2, 0.4))

    assert "Buyers within capacity" not in [each.cells[0] for each in ranking_table(record).rows]
    assert ("Buyers within capacity", Ranged("31 %", "20 % to 40 %")) in [
        each.cells for each in ranking_table(capacity).rows
    ]


def snapshots(record: TrainingRecord, **changes: Any) -> TrainingRecord:
    """The record with other snapshots."""
    settings = record.project.snapshots.model_copy(update=changes)
    return replace(record, project=record.project.model_copy(update={"snapshots": settings}))


def test_the_rhythm_of_scoring_is_said_where_there_is_one(record: TrainingRecord) -> None:
    rows = record.dataset.rows
    undated = replace(record.dataset, rows=replace(rows, as_of=np.full_like(rows.as_of, NEVER)))
    rhythms = {every: snapshots(record, every=every * MICROSECONDS["h"]) for every in (12, 24)}

    said = {every: score_moments(each) for every, each in rhythms.items()}

    assert score_moments(record) == (3, "every 14 days")
    assert said == {12: (3, "every 12h"), 24: (3, "a day")}
    assert score_moments(snapshots(record, mode="age")) is None
    assert score_moments(replace(record, dataset=undated)) is None


def test_ages_and_new_accounts_have_their_own_figures(record: TrainingRecord) -> None:
    measured = judged(
        record,
        by_age={7 * MICROSECONDS["d"]: Interval(0.7, 0.6, 0.8)},
        unseen_accounts=Interval(0.65, 0.55, 0.75),
    )

    cells = [each.cells for each in ranking_table(measured).rows]

    assert ("AUC 7d after creation", Ranged("0.700", "0.600 to 0.800")) in cells
    assert ("AUC on new accounts", Ranged("0.650", "0.550 to 0.750")) in cells
