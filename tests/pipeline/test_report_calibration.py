"""Promised against what came: groups, bands, figures of the probabilities."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from models.gate import Check, Status
from models.intervals import Interval
from models.sheets import Sheets
from models.slices import SliceFigures
from pipeline.record import TrainingRecord
from pipeline.report_calibration import (
    answer,
    band_table,
    calibration_table,
    group_table,
    noise_words,
    reliability_points,
)
from pipeline.report_figures import Ranged
from tests.pipeline.report_record import judged, refused, trained, with_intervals


@pytest.fixture(scope="module")
def record() -> TrainingRecord:
    """The record of a small world."""
    return trained()


def part(promised: float, came: Interval, status: Status) -> SliceFigures:
    """A slice by hand."""
    nothing = Interval(math.nan, math.nan, math.nan)
    check = Check("slice A", status, 1.0, 0.9, 1.1, (1.0,), "words")
    return SliceFigures("segment", "A", 100, 90, 40, promised, came, nothing, nothing, check)


def test_the_bands_share_out_the_test_and_promise_less_as_they_fall(record: TrainingRecord) -> None:
    table = band_table(record)

    assert table is not None
    size = record.evaluation.sizes["test"]
    assert [each.cells[0] for each in table.rows] == ["SQL", "MQL", "below"]
    rows, _, won = (
        [int(str(each.cells[place]).replace(",", "")) for each in table.rows] for place in (5, 6, 7)
    )
    assert (sum(rows), sum(won)) == (size.rows, size.conversions)
    assert "SQL at" in table.note


def test_with_sheets_the_lines_are_said_to_be_those_of_the_shared_one(record: TrainingRecord) -> None:
    anchors = record.evaluation.anchors
    sheets = Sheets("segment", {"b2b": anchors})
    on_it = np.zeros(len(record.evaluation.test_rows), dtype=np.int64)

    alone, beside = band_table(record), band_table(judged(record, sheets=sheets, test_sheet=on_it))

    assert alone is not None
    assert beside is not None
    assert "sheet" not in alone.note
    assert beside.note.startswith("On the shared sheet MQL begins at")
    assert beside.note.endswith("see the score sheets.")


def test_a_refused_model_has_no_bands(record: TrainingRecord) -> None:
    assert band_table(refused(record)) is None
    assert band_table(replace(record, verdict="refused")) is None


def test_the_bins_share_out_the_test(record: TrainingRecord) -> None:
    points = reliability_points(record)

    assert sum(each.n_rows for each in points) == record.evaluation.sizes["test"].rows
    assert all(each.low <= each.observed <= each.high for each in points)
    assert len(group_table(points).rows) == len(points)


@pytest.mark.parametrize(
    ("promised", "status", "key", "words"),
    [
        (0.30, "passed", "good", "as promised"),
        (0.30, "not_shown", "open", "too few to tell"),
        (0.10, "failed", "bad", "more came"),
        (0.60, "failed", "bad", "fewer came"),
        (0.45, "passed", "open", "fewer came, perhaps by chance"),
    ],
)
def test_an_answer_follows_the_check_and_then_the_interval(
    promised: float, status: Status, key: str, words: str
) -> None:
    found = answer(part(promised, Interval(0.3, 0.2, 0.4), status))

    assert (found.key, found.words) == (key, words)


def test_skill_is_the_share_of_the_constants_loss_that_is_saved(record: TrainingRecord) -> None:
    evaluation = record.evaluation
    y, p = record.dataset.y[evaluation.test_rows], expit(evaluation.test_log_odds)
    rate = evaluation.sizes["development"].rate
    skill = 1 - np.mean((p - y) ** 2) / np.mean((rate - y) ** 2)

    found = {each.cells[0]: each.cells[1] for each in calibration_table(record).rows}

    shown = found["Brier score, skill"]
    assert isinstance(shown, Ranged)
    assert float(shown.value.removesuffix(" %")) == pytest.approx(100 * skill, abs=0.51)
    assert " to " in shown.interval
    assert {"Promised / came", "Calibration slope", "Calibration shift", "Log loss, skill"} <= set(found)


def test_the_calibration_error_is_held_against_chance(record: TrainingRecord) -> None:
    quiet = judged(with_intervals(record, ece=Interval(0.006, 0.005, 0.02)), ece_floor=0.009)

    said = noise_words(quiet)

    assert "error is 0.006; a perfectly calibrated model would show up to 0.009 by chance" in said
    assert "within what chance explains" in said
    assert "more than what chance" in noise_words(judged(quiet, ece_floor=0.005))
    assert noise_words(judged(quiet, ece_floor=math.nan)).startswith("There are too few rows")
