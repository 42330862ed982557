"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from features.durations import MICROSECONDS, Duration, format_duration, parse_duration

DURATION = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("15m", 900),
        ("1h", 3600),
        ("7d", 604_800),
        ("2w", 1_209_600),
        (" 7 d ", 604_800),
        ("0d", 0),
    ],
)
def test_a_whole_number_and_a_unit_are_a_duration(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds * 1_000_000


@pytest.mark.parametrize(
    "text", ["", "d", "30", "1.5h", "-7d", "7 days", "1d12h", "1M", "٣", None, True, 1.0]
)
def test_anything_else_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="write a whole number and a unit, such as 15m"):
        parse_duration(text)


@given(st.integers(0, 10_000), st.sampled_from(sorted(MICROSECONDS)))
def test_what_is_written_is_read_back_exactly(number: int, unit: str) -> None:
    duration = parse_duration(f"{number}{unit}")

    assert parse_duration(format_duration(duration)) == duration
    assert DURATION.validate_python(DURATION.dump_python(duration)) == duration


def test_a_bare_number_in_the_project_file_is_no_duration() -> None:
    with pytest.raises(ValidationError, match="such as 15m"):
        DURATION.validate_python(30)


def test_a_duration_of_millions_of_years_is_refused() -> None:
    with pytest.raises(ValidationError, match="longer than 1000 years"):
        DURATION.validate_python("99999999999w")
