"""How chances, spans and names are said."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.review.lead_words import (
    band_words,
    chance_words,
    days_words,
    event_words,
    grade_words,
    group_words,
    value_words,
)


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (0.0, "fewer than 1 in 1,000"), (0.001, "about 1 in 1,000"), (0.0131, "about 1 in 75"), (0.05, "about 1 in 20"),
        (0.125, "about 1 in 8"), (0.29, "about 1 in 3"), (0.4, "about 2 in 5"), (0.5, "about 1 in 2"),
        (0.68, "about 2 in 3"), (0.9, "about 9 in 10"), (0.97, "more than 19 in 20"), (1.0, "more than 19 in 20"),
    ],
)  # fmt: skip
def test_a_chance_is_said_in_leads(probability: float, said: str) -> None:
    assert chance_words(probability, 30.0) == f"{said} convert within 30 days"


def test_without_a_model_there_is_no_chance_and_without_a_horizon_no_span() -> None:
    assert chance_words(None, 30.0) is None
    assert chance_words(0.5, None) == "about 1 in 2 convert"
    assert chance_words(0.5, 1.0) == "about 1 in 2 convert within 1 day"


@pytest.mark.parametrize(
    ("day", "said"), [(1, "2 days ago"), (2, "1 day ago"), (3, "today"), (4, "in 1 day"), (13, "in 10 days")]
)
def test_days_to_come_are_nights_and_those_gone_by_are_full(day: int, said: str) -> None:
    assert days_words(datetime(2026, 1, 3, 23, tzinfo=UTC), datetime(2026, 1, day, 1, tzinfo=UTC)) == said


def test_what_a_nightly_run_saw_of_the_evening_before_is_of_today_as_its_reasons_say() -> None:
    assert days_words(datetime(2026, 1, 3, tzinfo=UTC), datetime(2026, 1, 2, 22, tzinfo=UTC)) == "today"


def test_the_lowest_band_is_named_after_the_line_above_it_unless_it_has_a_name() -> None:
    assert band_words("below", "below", "MQL") == "below MQL"
    assert band_words("cold", "cold", "MQL") == "cold"
    assert band_words("SQL", "below", "MQL") == "SQL"


def test_grades_say_who_and_what() -> None:
    assert grade_words("A", "4") == "A4: right company, asleep"
    assert grade_words("A", None) == "A–: right company"
    assert grade_words(None, None) is None


def test_the_projects_words_win_over_names() -> None:
    words = {"type:demo": "demo asked for", "industry": "branch", "industry=it": "information technology"}

    assert event_words("demo", words) == "demo asked for"
    assert event_words("pricing_view", words) == "pricing view"
    assert group_words("type:demo", words) == "demo asked for"
    assert group_words("industry", words) == "branch"
    assert group_words("channel:web", words) == "web activity"
    assert value_words("industry", "IT", words) == "information technology"
    assert value_words("industry", None, words) == "not known"
    assert value_words("is_customer", True, words) == "yes"
    assert value_words("employees", 1200.0, words) == "1,200"
