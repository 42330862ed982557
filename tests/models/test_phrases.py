"""Phrases, numbers and dates in the language of the project."""

from __future__ import annotations

from typing import Any

import pytest

from features.asof import NEVER
from models.phrases import Phrases
from models.settings import WordingSettings

DAY = 86_400_000_000
POLISH = "n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2"


def phrases(**settings: Any) -> Phrases:
    return Phrases(WordingSettings(**settings))


@pytest.mark.parametrize(
    ("n", "said"),
    [(0, "0 days"), (1, "1 day"), (-1, "-1 day"), (2, "2 days"), (1.5, "1.5 days"), (0.5, "0.5 days"),
     (12_345, "12,345 days"), (float("nan"), "unknown days")],
)  # fmt: skip
def test_a_number_takes_its_noun_in_the_right_form(n: float, said: str) -> None:
    assert phrases().counted("unit.day", n) == said


@pytest.mark.parametrize(("n", "said"), [(1, "1 dzień"), (3, "3 dni"), (5, "5 dni"), (0.5, "0,5 dnia")])
def test_a_last_form_beyond_those_of_the_rule_serves_broken_numbers(n: float, said: str) -> None:
    polish = phrases(
        plural=POLISH, decimal=",", thousands=" ", phrases={"unit.day": ("dzień", "dni", "dni", "dnia")}
    )

    assert polish.counted("unit.day", n) == said


def test_a_rule_that_first_asks_for_more_forms_far_up_takes_the_last_there_is() -> None:
    late = phrases(plural="n > 1000", phrases={"unit.day": ["day"]})

    assert late.counted("unit.day", 1500) == "1,500 day"


def test_a_phrase_left_out_is_english_with_the_english_plural() -> None:
    japanese = phrases(language="ja", plural="0", phrases={"unit.day": ["日"]})

    assert japanese.counted("unit.day", 2) == "2 日"
    assert japanese.counted("unit.hour", 2) == "2 hours"


@pytest.mark.parametrize(
    ("x", "english", "german"),
    [
        (0.0, "0", "0"), (-0.0, "0", "0"), (1234.56, "1,235", "1.235"), (999.999, "1,000", "1.000"),
        (2.5, "2.5", "2,5"), (-3.0, "-3", "-3"), (-0.0004, "-0.0004", "-0,0004"), (1e-9, "0.000000001", "0,000000001"),
        (3e9, "3,000,000,000", "3.000.000.000"), (1e200, "over 1,000,000,000,000,000", "over 1.000.000.000.000.000"),
        (float("-inf"), "under -1,000,000,000,000,000", "under -1.000.000.000.000.000"),
        (float("nan"), "unknown", "unknown"),
    ],
)  # fmt: skip
def test_a_number_is_short_and_written_with_the_languages_marks(x: float, english: str, german: str) -> None:
    assert phrases().number(x) == english
    assert phrases(decimal=",", thousands=".").number(x) == german


def test_numbers_in_a_phrase_are_written_with_the_languages_marks_and_text_as_it_is() -> None:
    said = phrases(thousands="'").text("activity.some", what="visits", count=12_000, span="1,000 days")

    assert said == "visits: 12'000 1,000 days"


def test_a_date_is_iso_unless_the_language_writes_it_otherwise() -> None:
    moment = 20_513 * DAY + DAY - 1

    assert phrases().date(moment) == "2026-03-01"
    assert phrases(phrases={"date": "{day}.{month}.{year}"}).date(moment) == "01.03.2026"
    assert phrases().date(-1) == "1969-12-31"
    assert phrases().date(NEVER) == "unknown"


@pytest.mark.parametrize(
    ("x", "lasting", "ago"),
    [
        (-1.0, "less than an hour", "less than an hour ago"), (0.01, "less than an hour", "less than an hour ago"),
        (0.05, "1 hour", "1 hour ago"), (0.99, "23 hours", "23 hours ago"), (1.99, "1 day", "1 day ago"),
        (4000.0, "4,000 days", "4,000 days ago"), (float("nan"), "unknown", "unknown"),
        (float("inf"), "unknown", "unknown"),
    ],
)  # fmt: skip
def test_a_time_counts_what_has_fully_passed(x: float, lasting: str, ago: str) -> None:
    assert phrases().days(x) == lasting
    assert phrases().lapse("ago", x) == ago


def test_asking_for_the_wrong_kind_of_phrase_is_a_fault_of_the_caller() -> None:
    with pytest.raises(AssertionError, match=r"'unit[.]day' has plural forms"):
        phrases().text("unit.day")
    with pytest.raises(AssertionError, match=r"'reason[.]rest' has no plural forms"):
        phrases().noun("reason.rest", 1)
