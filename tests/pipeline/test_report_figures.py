"""Figures as text: one form for each, wherever it is printed."""

from __future__ import annotations

import math

import pytest

from models.intervals import Interval
from pipeline.report_figures import Mark, Ranged, Row, Table, cell, formed, ranged, sized


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.665, "%", "66 %"), (0.0664, "%", "6.6 %"), (-0.031, "%", "-3.1 %"), (2.449, "x", "2.4×"),
        (0.81234, "3", "0.812"), (0.0012, "+4", "+0.0012"), (-0.5, "+1", "-0.5"), (math.nan, "%", "not shown"),
    ],
)  # fmt: skip
def test_a_figure_has_the_digits_of_its_form(value: float, form: str, text: str) -> None:
    assert formed(value, form) == text


def test_an_interval_that_can_not_be_shown_is_said_in_words() -> None:
    assert ranged(Interval(0.5, math.nan, math.nan), "2") == ("0.50", "too few to tell")
    assert cell(Interval(0.5, 0.4, 0.6), "2") == Ranged("0.50", "0.40 to 0.60")


def test_counts_are_parted_at_the_thousands() -> None:
    assert sized(1234567, 8) == ("1,234,567", "8")


def test_a_table_is_weak_if_any_answer_is_bad_and_each_answer_has_its_own_sign() -> None:
    good, bad, unsure = Mark("good", "a"), Mark("bad", "b"), Mark("open", "c")

    assert len({good.sign, bad.sign, unsure.sign}) == 3
    assert Table("T", ("x", "y"), (Row(("1", good)), Row(("2", bad)))).is_weak
    assert not Table("T", ("x", "y"), (Row(("1", good)), Row(("2", unsure)))).is_weak
