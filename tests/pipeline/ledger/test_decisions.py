"""Overrides in the ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from features.errors import InputError
from pipeline.config import Project
from pipeline.ledger.decisions import (
    active_decisions,
    add_decision,
    decisions_for_run,
    decisions_of,
    decisions_on,
    found_at_scoring,
)
from pipeline.ledger.schema import OVERRIDES
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger.filling import add_detail
from tests.pipeline.ledger.runs_by_hand import add_run, night


def in_days(days: int) -> date:
    """A day from today on, UTC."""
    return datetime.now(UTC).date() + timedelta(days=days)


def decide(ledger: Ledger, project: str, action: str, subject: str = "L1", **given: Any) -> int:
    """A decision of Kim's for a week, but for what is given."""
    values: dict[str, Any] = {
        "kind": "lead_id", "owner": "Kim", "reason": "met at the fair", "by": "ann",
        "until": in_days(7) if action in {"raise", "hold"} else None,
    }  # fmt: skip
    return add_decision(ledger, project, subject=subject, action=action, **{**values, **given})


def active(ledger: Ledger, project: str, at: datetime | None = None, **asked: Any) -> list[tuple[str, str]]:
    """(subject, action) of the decisions in force."""
    with ledger.reading() as connection:
        found = active_decisions(connection, project, at or datetime.now(UTC), **asked)
    return [(each["subject"], each["action"]) for each in found]


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"action": "praise"}, "The action 'praise' is none of raise, hold, disqualify, lift"),
    ({"kind": "owner"}, "about one of lead_id, account_id, not 'owner'"),
    ({"owner": " "}, "owner is empty"),
    ({"reason": "\x07"}, "reason is empty"),
    ({"reason": "x" * 501}, "reason has 501 characters; at most 500"),
    ({"by": ""}, "by is empty"),
    ({"until": None}, "The action 'hold' needs `until`"),
    ({"until": in_days(0)}, "a decision counts up to the start of that day and today is"),
    ({"subject": ""}, "lead_id is empty"),
    ({"subject": "L2"}, "knows the lead 'L2', so nothing was decided"),
    ({"subject": "A2", "kind": "account_id"}, "knows the account 'A2', so nothing was decided"),
    ({"action": "lift", "until": in_days(3)}, "leave the day `until` out"),
    ({"action": "lift", "until": None}, "No decision on 'L1' is in force"),
)


def test_a_decision_that_nobody_could_follow_is_refused(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 1, {"L1": 30.0})
    add_run(ledger, project.name, 2, {"L2": 30.0}, is_complete=False)

    for given, words in REFUSED:
        with pytest.raises(InputError, match=words):
            decide(ledger, project.name, **{"action": "hold", **given})

    assert active(ledger, project.name) == []


def test_the_last_decision_counts_until_it_is_lifted(project: Project, ledger: Ledger) -> None:
    name = project.name
    add_run(ledger, name, 1, {"L1": 30.0, "L2": 40.0})

    seen = []
    for action in ("raise", "disqualify", "lift", "hold"):
        decide(ledger, name, action)
        seen.append(active(ledger, name))
    with ledger.reading() as connection:
        found = decisions_of(connection, name, "lead_id", "L1")

    assert seen == [[("L1", "raise")], [("L1", "disqualify")], [], [("L1", "hold")]]
    assert [each["action"] for each in found] == ["hold", "lift", "disqualify", "raise"]
    first = found[-1]
    assert first.pop("recorded_at").tzinfo is not None
    assert first == {
        "number": 1, "kind": "lead_id", "subject": "L1", "action": "raise", "owner": "Kim", "reason": "met at the fair",
        "until": in_days(7), "by": "ann",
    }  # fmt: skip


def test_a_decision_ends_with_the_start_of_its_day(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 1, {"L1": 30.0})
    decide(ledger, project.name, "hold", until=in_days(2))
    midnight = datetime.combine(in_days(2), datetime.min.time(), UTC)

    assert active(ledger, project.name, midnight - timedelta(seconds=1)) == [("L1", "hold")]
    assert active(ledger, project.name, midnight) == []
    assert active(ledger, project.name, midnight, expires_at=midnight - timedelta(days=300)) == [
        ("L1", "hold")
    ]


def test_a_moment_before_a_decision_does_not_know_it(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 1, {"L1": 30.0})
    moments = [datetime.now(UTC)]
    for action in ("hold", "lift"):
        decide(ledger, project.name, action)
        moments.append(datetime.now(UTC))

    assert [active(ledger, project.name, at) for at in moments] == [[], [("L1", "hold")], []]


def test_subjects_are_asked_for_by_their_kind(project: Project, ledger: Ledger) -> None:
    name = project.name
    add_run(ledger, name, 1, {f"L{i}": 30.0 for i in range(4)})
    add_run(ledger, "another", 1, {"L1": 30.0})
    decide(ledger, name, "disqualify", "L1")
    decide(ledger, name, "hold", "A1", kind="account_id")
    decide(ledger, name, "raise", "L3")
    decide(ledger, "another", "raise", "L1")

    many = [("lead_id", f"X{i}") for i in range(1_000)]

    assert active(ledger, name) == [("L3", "raise"), ("A1", "hold"), ("L1", "disqualify")]
    assert active(ledger, name, limit=2) == [("L3", "raise"), ("A1", "hold")]
    assert active(ledger, name, subjects=[("lead_id", "A1"), ("lead_id", "L1"), *many]) == [
        ("L1", "disqualify")
    ]
    assert active(ledger, name, subjects=[("account_id", "A1"), ("lead_id", "L1")], limit=1) == [
        ("A1", "hold")
    ]
    assert active(ledger, name, subjects=[]) == []


def test_all_decisions_on_some_leads_and_accounts_are_told_the_newest_first(
    project: Project, ledger: Ledger
) -> None:
    name = project.name
    add_run(ledger, name, 1, {f"L{i}": 30.0 for i in range(4)})
    add_run(ledger, "another", 1, {"L1": 30.0})
    for subject, action in (("L1", "hold"), ("L2", "hold"), ("L1", "lift"), ("L3", "disqualify")):
        decide(ledger, name, action, subject)
    decide(ledger, name, "raise", "A3", kind="account_id")
    decide(ledger, "another", "raise", "L1")
    many = [("lead_id", f"X{i}") for i in range(2_000)]

    with ledger.reading() as connection:
        found = decisions_on(
            connection, name, [("lead_id", "L1"), ("account_id", "A3"), *many, ("lead_id", "L3")]
        )
        none = decisions_on(connection, name, [])

    assert [(each["subject"], each["action"]) for each in found] == [
        ("A3", "raise"), ("L3", "disqualify"), ("L1", "lift"), ("L1", "hold"),
    ]  # fmt: skip
    assert none == []


def test_what_a_run_found_is_told_of_the_rows_that_are_asked_for(project: Project, ledger: Ledger) -> None:
    run, other = (add_run(ledger, project.name, day, {f"L{i}": 90.0 - i for i in range(4)}) for day in (1, 2))
    override = '{"action":"hold","owner":"Rules","reason":"an \\"override\\" of 50%","until":"2026-03-31"}'
    with ledger.writing() as connection:
        add_detail(connection, run, 1, f'{{"funnel_stage":"decision","override":{override}}}')
        add_detail(connection, run, 2, '{"persona":"override"}')
        add_detail(connection, run, 3, None)
        add_detail(connection, run, 4, f'{{"override":{override}}}')
        add_detail(connection, other, 2, f'{{"override":{override}}}')

    with ledger.reading() as connection:
        found = found_at_scoring(connection, run, [*range(10, 3_000), 1, 2, 3])
        none = found_at_scoring(connection, run, [])

    told = {"action": "hold", "owner": "Rules", "reason": 'an "override" of 50%', "until": "2026-03-31"}
    assert found == {1: told}
    assert none == {}


def taken(ledger: Ledger, project: str, as_of: datetime | None, **asked: Any) -> list[str]:
    """The leads that a run at that moment finds decided upon."""
    with ledger.reading() as connection:
        return [each["subject"] for each in decisions_for_run(connection, project, as_of, **asked)]


def test_a_run_of_the_present_takes_what_was_decided_after_the_data_ended(
    project: Project, ledger: Ledger
) -> None:
    name = project.name
    add_run(ledger, name, 1, {"L1": 30.0, "L2": 40.0})
    decide(ledger, name, "hold")

    assert taken(ledger, name, night(1)) == ["L1"]  # tonight's rerun
    assert taken(ledger, name, night(2)) == ["L1"]  # tomorrow's run
    assert taken(ledger, name, None) == ["L1"]  # a flat export has no moment
    assert taken(ledger, "another", night(1)) == []
    add_run(ledger, name, 9, {"L1": 30.0}, is_complete=False)
    add_run(ledger, name, 9, {"L1": 30.0}, target="meeting")
    assert taken(ledger, name, night(2)) == ["L1"]


def test_a_replay_takes_what_its_own_night_took(project: Project, ledger: Ledger) -> None:
    name = project.name
    for day in (1, 3):
        add_run(ledger, name, day, {f"L{i}": 30.0 for i in range(9)})
    add_run(ledger, name, 2, {"L1": 30.0}, recorded_at=night(9))  # filled in later
    for number, (lead, made) in enumerate(
        (("L1", night(1)), ("L2", night(1) + timedelta(hours=1)), ("L3", night(2)), ("L4", night(8))), start=1
    ):
        decide(ledger, name, "disqualify", lead)
        with ledger.writing() as connection:
            made_then = update(OVERRIDES).where(OVERRIDES.c.number == number).values(recorded_at=made)
            connection.execute(made_then)

    assert taken(ledger, name, night(1)) == ["L2", "L1"]  # that run was recorded at two o'clock
    assert taken(ledger, name, night(2)) == ["L3", "L2", "L1"]  # it never was of the present
    assert taken(ledger, name, night(1) - timedelta(days=1)) == []
    assert taken(ledger, name, night(3)) == ["L4", "L3", "L2", "L1"]
    assert taken(ledger, name, night(1), is_present=True) == ["L4", "L3", "L2", "L1"]


def test_a_run_compares_expiries_with_its_own_moment(project: Project, ledger: Ledger) -> None:
    name = project.name
    add_run(ledger, name, 1, {"L1": 30.0})
    decide(ledger, name, "hold", until=in_days(1))
    midnight = datetime.combine(in_days(1), datetime.min.time(), UTC)

    assert taken(ledger, name, night(1)) == ["L1"]
    assert taken(ledger, name, midnight - timedelta(seconds=1)) == ["L1"]
    assert taken(ledger, name, midnight) == []
