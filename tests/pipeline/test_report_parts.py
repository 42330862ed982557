"""The test by month and by segment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.record import TrainingRecord
from pipeline.report_figures import Mark
from pipeline.report_parts import part_tables, parts_words, period_points
from tests.pipeline.report_record import trained


@pytest.fixture(scope="module")
def record() -> TrainingRecord:
    """The record of a small world."""
    return trained()


def test_months_come_first_and_share_out_the_test(record: TrainingRecord) -> None:
    months, *segments = part_tables(record)

    assert months.title == "By month"
    assert sum(int(str(each.cells[1]).replace(",", "")) for each in months.rows) == len(
        record.evaluation.test_rows
    )
    assert segments
    assert "By band" not in [each.title for each in segments]
    assert all(isinstance(row.cells[-1], Mark) for each in segments for row in each.rows)


def test_what_is_off_is_named_and_what_is_too_small_is_counted(record: TrainingRecord) -> None:
    segment = next(each for each in record.slices if each.kind not in {"month", "band"})
    good = replace(segment, check=replace(segment.check, status="passed"))
    weak = replace(segment, kind="channel", name="fairs", check=replace(segment.check, status="failed"))
    small = replace(segment, check=replace(segment.check, status="not_shown"))

    said = parts_words(replace(record, slices=(good, weak, small)))

    assert said == ("Off in 1 of 3 parts and segments: channel fairs. 1 have too few conversions to tell.")
    assert parts_words(replace(record, slices=(good,))).startswith("None of the 1 parts and segments")
    assert parts_words(replace(record, slices=())).startswith("Nothing parts this test")


def test_parts_of_an_undated_test_have_short_names_in_the_picture(record: TrainingRecord) -> None:
    month = next(each for each in record.slices if each.kind == "month")
    parts = tuple(replace(month, kind="period", name=f"part {each} of 8") for each in (1, 2))

    points = period_points(replace(record, slices=parts))

    assert [each.name for each in points] == ["part 1", "part 2"]
    assert points[0].low <= points[0].came <= points[0].high
