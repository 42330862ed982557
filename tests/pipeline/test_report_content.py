"""What report and card both say of a record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.asof import NEVER
from models.gate import Check
from models.intervals import Interval
from pipeline.record import TrainingRecord
from pipeline.report_content import (
    base_rate_words,
    checks,
    headline,
    period,
    slice_rows,
    words_of_the_verdict,
)
from tests.pipeline.report_record import judged, refused, trained, with_intervals


@pytest.fixture(scope="module")
def record() -> TrainingRecord:
    """The record of a small world."""
    return trained()


def test_a_base_rate_that_moved_is_said_with_what_it_does(record: TrainingRecord) -> None:
    sizes = {
        **record.evaluation.sizes,
        "development": replace(record.evaluation.sizes["development"], rows=1_000, conversions=60),
        "test": replace(record.evaluation.sizes["test"], rows=1_000, conversions=310),
    }
    moved = judged(record, sizes=sizes)

    words = base_rate_words(with_intervals(moved, calibration_ratio=Interval(0.2, 0.15, 0.25)))

    assert words.startswith(
        "The share that converts moved: 6.0 % of the rows converted in development, 31 % in the test."
    )
    assert "too low on the latter: 0.20 sales promised for each that came" in words
    assert "The probabilities followed it" in base_rate_words(
        with_intervals(moved, calibration_ratio=Interval(1.0, 0.9, 1.1))
    )


def test_a_base_rate_that_stayed_is_said_too(record: TrainingRecord) -> None:
    same = {name: replace(each, rows=1_000, conversions=60) for name, each in record.evaluation.sizes.items()}

    assert base_rate_words(judged(record, sizes=same)).startswith(
        "The share that converts hardly moved: 6.0 %"
    )


def test_the_headline_is_the_sentence_of_the_verdict_or_a_refusal(record: TrainingRecord) -> None:
    assert record.words[1].startswith(headline(record))
    assert headline(refused(record)).startswith("No model")


def test_what_other_parts_of_the_page_say_is_not_said_on_top(record: TrainingRecord) -> None:
    on_top = words_of_the_verdict(record)

    assert on_top[0] == record.words[0]
    assert not any(each.startswith(("Working the top", "The data ends", "Rows left out")) for each in on_top)
    assert set(record.evaluation.notes) <= set(on_top)


def test_what_was_held_against_the_champion_comes_last(record: TrainingRecord) -> None:
    check = Check("log_loss_against_champion", "not_shown", 0.0, -0.1, 0.1, (0.0,), "Words.")

    bands = replace(check, name="band_stability")

    found = checks(replace(record, champion_check=check, bands_check=bands))

    assert found[-1][0] == "Bands against the champion"
    assert found[-2] == ("Against the present champion", "not_shown", "not shown", "Words.")
    assert len(found) == len(checks(record)) + 2


def test_the_slices_have_their_period_and_size(record: TrainingRecord) -> None:
    development, gap, test = slice_rows(record)

    assert (development.name, gap.name, test.name) == ("development", "gap", "test")
    assert test.rows == len(record.evaluation.test_rows)
    assert development.period < test.period
    assert period(np.full(3, NEVER)) == ""
