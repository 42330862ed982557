"""Overrides: which leads a rule meets, as known strictly before as_of, and which of several decisions counts."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from features.asof import Examples, open_examples
from features.contracts import Tables
from features.errors import ConfigError
from features.prepare import FeatureSources, prepare
from features.settings import (
    AttributeGroup,
    AttributeSettings,
    EventSettings,
    EventType,
    FeatureSettings,
    TargetSettings,
)
from features.view import RowView
from models.overrides import (
    Condition,
    Override,
    OverrideRule,
    OverrideSettings,
    matching_rows,
    refuse_stray_rules,
    strongest,
)
from tests.features.conftest import tables_of
from tests.pipeline.small_crm import day, event, microsecond, stage

SOURCES = FeatureSources(
    attributes=AttributeSettings(
        at_creation=AttributeGroup(email=("email",), job_title=("job_title",)),
        history=AttributeGroup(category=("stage",)),
        current=AttributeGroup(category=("owner",)),
    ),
    events=EventSettings(types={"careers_view": EventType(direction=-1)}, bot_events=4),
    features=FeatureSettings(),
    target=TargetSettings(),
    is_static=False,
)
LEADS: list[dict[str, Any]] = [
    {"lead_id": "L1", "email": "ann@rival.com", "job_title": "Working Student"},
    {"lead_id": "L2", "email": "bo@mail.RIVAL.com", "job_title": "Head of IT"},
    {"lead_id": "L3", "email": "cy@notrival.com", "job_title": None},
    {"lead_id": "L4", "email": None, "job_title": "student counsellor"},
]
AT = 74.0


def view_of(
    events: list[dict[str, Any]] | None = None, changes: list[dict[str, Any]] | None = None, at: float = AT
) -> RowView:
    """All leads, created on day 1, as known on a day."""
    tables: Tables = tables_of(
        [{**lead, "created_at": day(1)} for lead in LEADS], events or [], changes=changes or []
    )
    data = prepare(tables, SOURCES)
    assert data.spells is not None
    rows: Examples = open_examples(data.spells, microsecond(at))
    return RowView(data, rows, data.events.events, SOURCES.events, ())


def matches(when: dict[str, Any], **known: Any) -> list[str]:
    """Ids of the leads that a condition meets."""
    view = view_of(**known)
    found = matching_rows(view, Condition.model_validate(when), SOURCES)
    return [str(LEADS[view.rows.lead[row]]["lead_id"]) for row in found]


def test_a_domain_meets_addresses_of_it_and_of_its_subdomains_whatever_their_case() -> None:
    assert matches({"attribute": "email", "domain": ["Rival.com"]}) == ["L1", "L2"]
    assert matches({"attribute": "email", "domain": ["@notrival.com", "other.org"]}) == ["L3"]


def test_contains_looks_anywhere_in_the_value_and_a_missing_value_meets_nothing() -> None:
    assert matches({"attribute": "job_title", "contains": ["student"]}) == ["L1", "L4"]
    assert matches({"attribute": "job_title", "contains": ["intern", " HEAD  of "]}) == ["L2"]


def test_a_job_title_may_be_asked_by_what_is_read_from_it() -> None:
    assert matches({"attribute": "job_title.department", "contains": ["it"]}) == ["L2"]


def test_a_field_with_a_history_counts_as_it_was_strictly_before_as_of() -> None:
    changes = [
        stage("L1", 10, "do not call"),
        stage("L2", AT, "do not call"),
        stage("L3", 5, "do not call"),
        stage("L3", 20, "new"),
    ]

    assert matches({"attribute": "stage", "contains": ["do not call"]}, changes=changes) == ["L1"]
    assert matches({"attribute": "stage", "contains": ["do not call"]}, changes=changes, at=AT + 1) == [
        "L1",
        "L2",
    ]


def test_events_count_from_at_least_so_many_inside_the_half_open_window() -> None:
    moments = {"L1": (44.0, 50.0, 73.9), "L2": (43.9, 50.0, 60.0), "L3": (50.0, 60.0, AT), "L4": (60.0,)}
    events = [event(lead, at, "careers_view") for lead, days in moments.items() for at in days]
    rule = {"event": "careers_view", "at_least": 3, "window": "30d"}

    assert matches(rule, events=events) == ["L1"]
    assert matches({"event": "careers_view", "at_least": 3}, events=events) == ["L1", "L2"]
    assert matches({"event": "careers_view"}, events=events) == ["L1", "L2", "L3", "L4"]


def test_silence_counts_from_the_last_event_of_any_kind_or_from_the_spells_start() -> None:
    events = [event("L1", 14, "careers_view"), event("L2", 14.1), event("L3", AT)]

    # L3's event at as_of is not known yet, so it is silent since day 1, as L4 is
    assert matches({"silent_for": "60d"}, events=events) == ["L1", "L3", "L4"]


def test_an_event_type_that_nobody_had_and_nothing_declares_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no event of the type 'career_view'"):
        matches({"event": "career_view"})
    assert matches({"event": "careers_view"}) == []


def test_an_attribute_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="trained without the attribute 'region', or the leak hunt barred it"
    ):
        matches({"attribute": "region", "contains": ["x"]})


def test_disqualify_beats_hold_beats_raise_and_among_equals_the_first_counts() -> None:
    made = {
        name: Override(action, name, "why")  # type: ignore[arg-type]
        for name, action in (
            ("r1", "raise"),
            ("h1", "hold"),
            ("h2", "hold"),
            ("d1", "disqualify"),
            ("d2", "disqualify"),
        )
    }
    candidates = [
        ([0, 1, 2, 3], made["r1"]),
        ([1, 2, 3], made["h1"]),
        ([2, 1], made["h2"]),
        ([3], made["d1"]),
        ([3], made["d2"]),
    ]

    found = strongest(5, candidates)

    assert [each and each.owner for each in found] == ["r1", "h1", "h1", "d1", None]
    backwards = strongest(5, candidates[::-1])
    assert [each and each.owner for each in backwards] == ["r1", "h2", "h2", "d2", None]


@pytest.mark.parametrize(("shift", "has_expired"), [(-1, False), (0, True), (1, True)])
def test_an_override_counts_until_midnight_of_its_day_in_utc(shift: int, has_expired: bool) -> None:
    midnight = int(np.datetime64("2026-03-31", "us").astype(np.int64))

    assert Override("hold", "Kim", "why", date(2026, 3, 31)).has_expired(midnight + shift) is has_expired
    assert not Override("disqualify", "Kim", "why").has_expired(midnight + shift)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({}, "exactly one of attribute, event and silent_for"),
        ({"event": "x", "silent_for": "3d"}, "exactly one of attribute, event and silent_for"),
        ({"attribute": "email"}, "needs either domain or contains"),
        ({"attribute": "email", "domain": ["a"], "contains": ["b"]}, "needs either domain or contains"),
        ({"attribute": "email", "domain": ["a"], "window": "3d"}, "window can't stand beside attribute"),
        ({"event": "x", "contains": ["y"]}, "contains can't stand beside event"),
        ({"event": "x", "at_least": 0}, "greater than or equal to 1"),
        ({"silent_for": "0d"}, "greater than 0"),
        ({"attribute": "email", "domain": [" "]}, "at least 1 character"),
    ],
)  # fmt: skip
def test_a_condition_that_says_nothing_or_too_much_is_refused(when: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Condition.model_validate(when)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"action": "hold"}, "the action 'hold' needs `until`"),
        ({"action": "raise"}, "the action 'raise' needs `until`"),
        ({"action": "ban"}, "Input should be 'disqualify', 'hold' or 'raise'"),
        ({"owner": " "}, "at least 1 character"),
        ({"reason": ""}, "at least 1 character"),
        ({"until": 2026}, "write a day such as 2026-03-31"),
        ({"until": "soon"}, "valid date"),
    ],
)
def test_a_rule_without_action_owner_reason_or_expiry_is_refused(change: dict[str, Any], said: str) -> None:
    rule = {"when": {"silent_for": "90d"}, "action": "disqualify", "owner": "Kim", "reason": "asleep"}
    assert OverrideRule.model_validate(rule).override == Override("disqualify", "Kim", "asleep")

    with pytest.raises(ValidationError, match=said):
        OverrideRule.model_validate({**rule, **change})


def settings_of(*when: dict[str, Any], **more: Any) -> OverrideSettings:
    rules = [{"when": each, "action": "disqualify", "owner": "Kim", "reason": "why"} for each in when]
    return OverrideSettings.model_validate({"rules": rules, **more})


@pytest.mark.parametrize(
    ("settings", "is_static", "said"),
    [
        (settings_of({"attribute": "emial", "domain": ["a"]}), False, "'emial' is no .*did you mean 'email'"),
        (settings_of({"attribute": "owner", "contains": ["a"]}), False, "of 'owner' only today's value is known"),
        (settings_of({"attribute": "job_title.rank", "contains": ["a"]}), False, "after the dot may stand department"),
        (settings_of({"attribute": "email.role", "contains": ["a"]}), False, "'email' is declared as email"),
        (settings_of({"silent_for": "9d"}), True, "a flat export has no events"),
        (settings_of(priority=True), False, "needs the table data.accounts"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_told_from_the_data_are_refused(
    settings: OverrideSettings, is_static: bool, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        refuse_stray_rules(settings, SOURCES.attributes, is_static=is_static, has_accounts=False)


def test_a_flat_export_may_ask_for_todays_value_and_the_list_for_accounts_that_there_are() -> None:
    settings = settings_of({"attribute": "owner", "contains": ["a"]}, priority=True)

    refuse_stray_rules(settings, SOURCES.attributes, is_static=True, has_accounts=True)

    assert settings.is_on
    assert not OverrideSettings().is_on
