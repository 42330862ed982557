"""An explained lead in words."""

from __future__ import annotations

import pytest

from models.phrases import Phrases
from models.settings import WordingSettings
from tests.pipeline.explained_by_hand import CHANGE, words_of


def test_the_headline_names_lead_score_band_grade_and_chance() -> None:
    assert words_of().headline() == "Lead L1: score 61, MQL, grade B2, 12.3 % chance to convert"


def test_the_lowest_band_is_called_after_the_line_above_it_unless_it_has_a_name() -> None:
    assert (
        words_of(band="below").headline()
        == "Lead L1: score 61, below MQL, grade B2, 12.3 % chance to convert"
    )
    assert words_of(band="cold").headline() == "Lead L1: score 61, cold, grade B2, 12.3 % chance to convert"


def test_without_a_probability_no_chance_is_named() -> None:
    assert words_of(probability=None).headline() == "Lead L1: score 61, MQL, grade B2"


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.5, "50"), (0.0004, "0.04"), (0.000001, "0.0001"), (0.99999, "99.9"), (0.12345, "12.3")],
)
def test_a_chance_is_never_none_and_never_certain(probability: float, said: str) -> None:
    assert words_of(probability=probability).chance() == said


def test_the_moment_is_said_with_the_model() -> None:
    assert words_of().moment() == "As of 2026-01-01 08:30 UTC, model abc123"
    assert words_of(as_of=None).moment() == "Model abc123"


def test_the_score_starts_at_an_average_lead() -> None:
    found = words_of().score()

    assert (found.start_text, found.start, found.end_text, found.end) == (
        "An average lead starts here", 23, "Score", 61,
    )  # fmt: skip
    assert [(step.text, step.points, step.is_limit) for step in found.steps] == [
        ("Job title: director", 44, False),
        ("Unsubscribed: 1 in the last 7 days", -6, False),
    ]
    assert found.lines == (("MQL", 50.0), ("SQL", 80.0))


def test_by_a_bare_points_table_every_lead_starts_at_the_same_place() -> None:
    found = words_of(is_bounded=False).score()

    assert found.start_text == "Every lead starts here"
    assert not found.is_bounded


def test_the_limit_of_the_scale_is_marked() -> None:
    reasons = [
        {"text": "a", "points": 90.0, "group": "a"},
        {"text": "limit", "points": -13.0, "group": "limit"},
    ]

    found = words_of(reasons=reasons, shown_points=[90, -13], shown_score=100).score()

    assert [step.is_limit for step in found.steps] == [False, True]


def test_a_change_runs_from_the_earlier_score_to_the_present_one() -> None:
    words = words_of(CHANGE)
    found = words.change()

    assert found is not None
    assert (found.start_text, found.start) == ("Score on 2025-12-01", 80)
    assert (found.end_text, found.end) == ("Score on 2026-01-01 08:30 UTC", 61)
    assert words.since() == "What changed since 2025-12-01"
    assert words.moved() == "From 80 (SQL) to 61 (MQL)"
    assert words_of().change() is None


def test_words_follow_the_language() -> None:
    german = WordingSettings(
        language="de", decimal=",", thousands=".",
        phrases={"date": "{day}.{month}.{year}", "explain.score": "Punktzahl", "explain.as_of": "Stand {moment}"},
    )  # fmt: skip
    words = words_of(phrases=Phrases(german))

    assert words.moment() == "Stand 01.01.2026 08:30"
    assert words.chance() == "12,3"
    assert words.score().end_text == "Punktzahl"
