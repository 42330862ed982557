"""Refits and the level, in words and figures."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from features.asof import NEVER
from models.evaluation import Evaluation
from models.prior_shift import NO_SHIFT, PriorShift
from pipeline.record import TrainingRecord
from pipeline.report_figures import Ranged, cell
from pipeline.report_rolling import headline_words, refit_table, refit_words, shift_words
from tests.pipeline.report_record import judged, trained, unordered


@pytest.fixture(scope="module")
def record() -> TrainingRecord:
    """The record of a small world."""
    return trained()


def shifted(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch, **values: Any) -> str:
    """What is said of a shift by hand."""
    found = PriorShift(
        **{"raw": math.log(1.3), "raw_error": 0.05, "rows": 900, "conversions": 80, "past": 16, **values}
    )
    monkeypatch.setattr(Evaluation, "shift", property(lambda _: found))
    return shift_words(record)


def test_every_rhythm_stands_with_and_without_the_level_followed_and_one_is_in_use(
    record: TrainingRecord,
) -> None:
    table = refit_table(record)

    assert table is not None
    blocks = ["never", "every 2 blocks (about 28 days)", "every block (about 14 days)"]
    assert [each.cells[0] for each in table.rows] == [each for each in blocks for _ in range(2)]
    assert {each.cells[1] for each in table.rows} == {"as learned", "follows the outcomes"}
    assert [each.is_chosen for each in table.rows].count(True) == 1


def test_the_row_in_use_says_the_figures_of_the_report(record: TrainingRecord) -> None:
    table = refit_table(record)

    assert table is not None
    (row,) = [each for each in table.rows if each.is_chosen]
    assert row.cells[3] == cell(record.evaluation.intervals["auc"], "3")
    assert row.cells[4] == cell(record.evaluation.intervals["log_loss"], "4")
    assert row.cells[5] == "in use"


def test_another_rhythm_is_held_against_the_one_in_use_on_the_same_rows(record: TrainingRecord) -> None:
    rolling = record.evaluation.rolling
    assert rolling is not None
    every_block = judged(record, refit_every=1, test_log_odds=rolling.corrected(1))

    table = refit_table(every_block)

    assert table is not None
    (row,) = [each for each in table.rows if each.is_chosen]
    assert row.cells[0] == refit_words(record, 1)
    others = [each.cells[5] for each in table.rows if not each.is_chosen]
    assert any(isinstance(each, Ranged) and each.value[0] in "+-" for each in others)


def test_a_rhythm_is_said_in_days_or_in_leads(record: TrainingRecord) -> None:
    rows = record.dataset.rows
    undated = replace(
        record, dataset=replace(record.dataset, rows=replace(rows, as_of=np.full_like(rows.as_of, NEVER)))
    )

    assert refit_words(record, 64) == "never"
    assert refit_words(record, 1).startswith("every block (about ")
    assert refit_words(record, 1).endswith(" days)")
    assert refit_words(undated, 1).endswith(" leads)")


def test_the_settings_that_change_the_rhythm_are_named(record: TrainingRecord) -> None:
    said = headline_words(record)

    assert "a model never refitted, its level following the outcomes" in said
    assert "rolling.refit_every = 0" in said
    assert "rolling.blocks = 4" in said
    assert "rolling.prior_shift = true" in said


def test_one_fit_alone_says_why(record: TrainingRecord) -> None:
    assert "time order" in headline_words(unordered(record))
    assert "rolling.blocks = 1" in headline_words(judged(record, rolling=None))
    assert (
        shift_words(unordered(record))
        == "The level is that of development; following it takes a time order and rolling.blocks of 2 or more."
    )
    assert refit_table(unordered(record)) is None


def test_a_level_that_is_followed_says_what_speaks_for_it(
    record: TrainingRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = shifted(record, monkeypatch, value=0.26, proposed=0.26, gain=0.0021)

    assert "(900 rows, 80 conversions) say that the odds of a sale are 1.30 times" in said
    assert "(1.18 to 1.43)" in said
    assert "It is followed, at 1.30 times" in said
    assert "paid on the past 16 blocks" in said
    assert "log loss -0.0021 a row" in said


def test_a_level_that_is_not_followed_says_why(
    record: TrainingRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "it has not paid on the past 16 blocks" in shifted(
        record, monkeypatch, value=0.0, proposed=0.2, gain=-0.001
    )
    assert "no more than chance explains" in shifted(record, monkeypatch, gain=0.001)
    assert "too few conversions" in shifted(record, monkeypatch, rows=0, gain=0.001)
    monkeypatch.setattr(Evaluation, "shift", property(lambda _: NO_SHIFT))
    assert "too few past blocks" in shift_words(record)
    assert "rolling.prior_shift = false" in shift_words(judged(record, has_shift=False))
