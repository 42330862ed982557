"""Lines of a change as sales reads them: right plurals, the project's words, any language."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from features.settings import EventSettings, EventType, FeatureSettings
from pipeline.changes_facts import Facts
from pipeline.changes_words import ChangeWords
from pipeline.config import ProjectWording
from tests.pipeline.small_crm import SOURCES, crm_of, event, microsecond, project_of, table_bundle

NOTHING = Facts(
    since=microsecond(60), as_of=microsecond(74), activity={}, late=0, colleagues=0, colleagues_late=0,
    people=0, purchases=0, losses=0, machines=0, fields=(),
)  # fmt: skip


def words(**settings: Any) -> ChangeWords:
    return ChangeWords(project_of(**settings), [table_bundle(crm_of([event("L1", 40)]))])


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({}, None),
        ({"activity": {"demo_request": 1}}, "New activity: demo request (1)"),
        (
            {"activity": {"pricing_view": 3, "demo_request": 1}, "late": 2},
            "New activity: pricing page views (3), demo request (1); 2 of them happened before 2025-03-02, "
            "but were recorded only since",
        ),
        (
            {"activity": {"demo_request": 1}, "late": 1},
            "New activity: demo request (1), happened before 2025-03-02, but recorded only since",
        ),
        (
            {"activity": dict.fromkeys("abcdefg", 2)},
            "New activity: a (2), b (2), c (2), d (2), e (2), other activity (4)",
        ),
        (
            {"colleagues": 1, "people": 1, "purchases": 1, "losses": 1},
            "New at the company: 1 new colleague, 1 purchase, 1 lead closed without a purchase, "
            "1 activity of colleagues",
        ),
        (
            {"colleagues": 1200, "people": 2, "purchases": 2, "losses": 2, "colleagues_late": 3},
            "New at the company: 2 new colleagues, 2 purchases, 2 leads closed without a purchase, "
            "1,200 activities of colleagues; 3 of them happened before 2025-03-02, but were recorded only since",
        ),
        (
            {"activity": {"demo_request": 1}, "machines": 1},
            "New activity: demo request (1). 1 earlier activity no longer counted, as it was made by a machine",
        ),
        ({"machines": 12}, "12 earlier activities no longer counted, as they were made by machines"),
    ],
)
def test_new_activity_is_named_and_counted(facts: dict[str, Any], text: str | None) -> None:
    assert words().events(replace(NOTHING, **facts)) == text


def test_warning_signs_are_named_first() -> None:
    types = {"unsubscribe": EventType(direction=-1)}
    bundle = table_bundle(crm_of([event("L1", 40)]), replace(SOURCES, events=EventSettings(types=types)))
    facts = replace(NOTHING, activity={**dict.fromkeys("abcdef", 2), "unsubscribe": 1})

    found = ChangeWords(project_of(), [bundle]).events(facts)

    assert found == "New activity: unsubscribe (1), a (2), b (2), c (2), d (2), other activity (4)"


def test_late_events_are_dated_with_the_hour_where_there_is_one() -> None:
    facts = replace(NOTHING, since=microsecond(60.5), activity={"demo_request": 1}, late=1)

    found = words().events(facts)

    assert found == (
        "New activity: demo request (1), happened before 2025-03-02 12:00 UTC, but recorded only since"
    )


def test_changed_fields_are_named_with_their_old_and_their_new_value() -> None:
    facts = replace(NOTHING, fields=(("stage", "new", "hot"), ("lead_rating", None, "A")))

    found = words().fields(facts)

    assert found == "Changed: deal stage (new → hot), lead rating (unknown → A)"
    assert words().fields(NOTHING) is None


@pytest.mark.parametrize(
    ("days", "text"),
    [(74, "Time passing (14 days)"), (61, "Time passing (1 day)"), (60.1, "Time passing (2 hours)")],
)
def test_the_time_that_passed_is_said(days: float, text: str) -> None:
    assert words().time(replace(NOTHING, as_of=microsecond(days))) == text


def test_the_words_and_the_language_of_the_project_win() -> None:
    german = ProjectWording(
        language="de",
        phrases={
            "change.activity": "Neu: {list}",
            "change.fields": "Geändert: {list}",
            "change.model": "Anders",
        },
    )
    found = words(
        wording=german,
        events=EventSettings(types={"pricing_view": EventType(words="Preisseiten")}),
        features=FeatureSettings(words={"stage": "Phase", "stage=hot": "heiß"}),
    )

    facts = replace(NOTHING, activity={"pricing_view": 2}, fields=(("stage", "New", " Hot"),))

    assert found.events(facts) == "Neu: Preisseiten (2)"
    assert found.fields(facts) == "Geändert: Phase (New → heiß)"
    assert found.model() == "Anders"
