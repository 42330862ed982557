"""Ranges as people write them."""

from __future__ import annotations

import math

import pytest

from features.points_bands import PointsBand, band_bounds, read_band, read_number

INF = math.inf


@pytest.mark.parametrize(
    ("text", "low", "high", "is_open"),
    [
        ("500-999", 500, 999, False), ("500 \N{EN DASH} 999", 500, 999, False),
        ("500 to 999 employees", 500, 999, False),
        ("1,000 - 5,000", 1000, 5000, False), ("1k-5k", 1000, 5000, False), ("1.000+", 1000, INF, False),
        ("1000+", 1000, INF, False), ("1000 and more", 1000, INF, False), ("Over 1000", 1000, INF, False),
        (">= 1000", 1000, INF, False), ("At least 20 people", 20, INF, False), ("UNDER 50", 0, 50, True),
        ("<50", 0, 50, True), ("less than 50", 0, 50, True), ("up to 49", 0, 49, False), ("<= 49", 0, 49, False),
        ("0.5-0.9", 0.5, 0.9, False), ("3", 3, 3, False),
    ],
)  # fmt: skip
def test_a_range_is_read_however_it_is_written(text: str, low: float, high: float, is_open: bool) -> None:
    assert read_band(text) == PointsBand(low, high, is_open)


@pytest.mark.parametrize(
    "text", ["C-level", "", "(unknown)", "IT", "2024-01", "999-500", "under 0", "Team 20+", "365 Suite"]
)
def test_a_text_that_is_no_range_stays_a_text(text: str) -> None:
    assert read_band(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.125", 0.125), ("1,000", 1000), ("1.000.000", 1_000_000), ("2,5", None), ("-5", -5), ("inf", None)],
)
def test_a_number_may_have_marks_between_thousands_but_no_decimal_comma(
    text: str, number: float | None
) -> None:
    assert read_number(text) == number


def test_bands_that_touch_leave_no_gap_and_a_gap_gets_no_points() -> None:
    bands = [(PointsBand(0, 50, is_open=True), 1.0), (PointsBand(50, 99), 2.0), (PointsBand(200, 200), 3.0)]

    assert band_bounds(bands) == {"0": 1.0, "50": 2.0, "100": 0.0, "200": 3.0, "201": 0.0}


def test_bands_between_decimals_may_share_their_end_or_stop_at_the_last_digit() -> None:
    assert band_bounds([(PointsBand(0.0, 0.9), 1.0), (PointsBand(1.0, INF), 2.0)]) == {"0": 1.0, "1": 2.0}
    assert band_bounds([(PointsBand(0.0, 2.5), 1.0), (PointsBand(2.5, INF), 2.0)]) == {"0": 1.0, "2.5": 2.0}


@pytest.mark.parametrize("other", [PointsBand(5, 20), PointsBand(1, 3), PointsBand(0, INF)])
def test_bands_that_share_numbers_are_refused(other: PointsBand) -> None:
    with pytest.raises(ValueError, match="share numbers"):
        band_bounds([(PointsBand(1, 10), 1.0), (other, 2.0)])
