"""Overrides in the ledger: what people decided about a lead or an account, each with owner, reason and expiry.

Nothing is ever changed: a later decision on the same lead or account takes the place of the one before, and `lift`
ends it. The model's own score never moves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, insert, or_, select

from features.errors import InputError
from pipeline.ledger.schema import DETAILS, OVERRIDES, RUNS, SCORES, shown_of
from pipeline.ledger.store import Ledger
from pipeline.ledger.texts import one_line, refuse_unstorable

__all__ = [
    "ACTIONS",
    "active_decisions",
    "add_decision",
    "decisions_for_run",
    "decisions_of",
    "decisions_on",
    "found_at_scoring",
]

KINDS: tuple[str, ...] = ("lead_id", "account_id")
ACTIONS = ("raise", "hold", "disqualify", "lift")
MAX_NAME = 100
AT_ONCE = 900  # values in one question: older SQLite takes 999
COLUMNS = ("number", "kind", "subject", "action", "owner", "reason", "until", "by", "recorded_at")


def add_decision(  # noqa: PLR0913  each is a part of the record
    ledger: Ledger, project: str, *, kind: str, subject: str, action: str, owner: str, reason: str,
    until: date | None, by: str,
) -> int:  # fmt: skip
    """The number of the new decision.

    Parameters
    ----------
    kind, subject : "lead_id" or "account_id", and the id.
    action : one of `ACTIONS`; `lift` ends the decision that is in force.
    owner : who answers for it; `by` is who wrote it down.
    until : the day, from 00:00 UTC on, when it no longer counts; needed but for disqualify and lift.

    Raises
    ------
    InputError
        If the action or kind is unknown, owner, reason or by is empty, the expiry is missing or past, no complete
        run in the ledger knows the lead or account, or there is nothing to lift.
    """
    now = datetime.now(UTC)
    if kind not in KINDS:
        raise InputError(f"A decision is about one of {', '.join(KINDS)}, not {kind!r}.")
    refuse_unstorable(kind, subject)
    _refuse_expiry(action, until, now)
    values = {
        "project": project, "kind": kind, "subject": subject, "action": action, "until": until,
        "owner": one_line("owner", owner, MAX_NAME), "reason": one_line("reason", reason),
        "by": one_line("by", by, MAX_NAME), "recorded_at": now,
    }  # fmt: skip
    with ledger.writing() as connection:
        if not _is_known(connection, project, kind, subject):
            raise InputError(
                f"No run of {project} in the ledger knows the {kind.removesuffix('_id')} '{subject}', so nothing was "
                "decided. Ids are those of the tables."
            )
        if action == "lift" and not active_decisions(connection, project, now, [(kind, subject)]):
            raise InputError(f"No decision on '{subject}' is in force, so there is nothing to lift.")
        made = connection.execute(insert(OVERRIDES).values(values)).inserted_primary_key
    assert made is not None
    return int(made[0])


def active_decisions(
    connection: Connection,
    project: str,
    at: datetime,
    subjects: Iterable[tuple[str, str]] | None = None,
    limit: int | None = 1_000,
    *,
    expires_at: datetime | None = None,
) -> list[dict[str, Any]]:
    """The last decision on each lead or account, recorded at or before `at`, if it is in force then; the newest first.

    Parameters
    ----------
    subjects : (kind, id) to ask for; None for all.
    limit : the longest answer; None for all.
    expires_at : the moment that expiries are compared with; None is `at`.
    """
    day = (expires_at or at).astimezone(UTC).date()
    found: list[dict[str, Any]] = []
    for chosen in [None] if subjects is None else _conditions(subjects):
        asked = _last(project, at, chosen).where(
            OVERRIDES.c.action != "lift", or_(OVERRIDES.c.until.is_(None), OVERRIDES.c.until > day)
        )
        found += [dict(row) for row in connection.execute(asked.limit(limit)).mappings()]
    return sorted(found, key=lambda each: -each["number"])[:limit]


def decisions_of(connection: Connection, project: str, kind: str, subject: str) -> list[dict[str, Any]]:
    """All decisions on a lead or an account, ended ones and lifts among them, the newest first."""
    refuse_unstorable(kind, subject)
    return decisions_on(connection, project, [(kind, subject)])


def decisions_on(
    connection: Connection, project: str, subjects: Iterable[tuple[str, str]]
) -> list[dict[str, Any]]:
    """All decisions on some leads and accounts, (kind, id) each, ended ones and lifts among them, the newest first."""
    found: list[dict[str, Any]] = []
    for chosen in _conditions(subjects):
        asked = select(*(OVERRIDES.c[name] for name in COLUMNS)).where(OVERRIDES.c.project == project, chosen)
        found += [dict(row) for row in connection.execute(asked).mappings()]
    return sorted(found, key=lambda each: -each["number"])


def found_at_scoring(connection: Connection, run: int, ranks: Sequence[int]) -> dict[int, dict[str, Any]]:
    """By rank: the override that a run found for some of its rows, `until` as text; of whatever origin."""
    found = {}
    for start in range(0, len(ranks), AT_ONCE):
        asked = select(DETAILS.c.rank, DETAILS.c.further).where(
            DETAILS.c.run == run, DETAILS.c.rank.in_(ranks[start : start + AT_ONCE]),
            DETAILS.c.further.contains('"override"'),
        )  # fmt: skip
        for rank, further in connection.execute(asked):
            told = json.loads(further).get("override")
            if told is not None:
                found[rank] = told
    return found


def decisions_for_run(
    connection: Connection, project: str, as_of: datetime | None, *, is_present: bool = False
) -> list[dict[str, Any]]:
    """The decisions that a scoring run takes, the newest first; expiries are compared with its as_of, if it has one.

    A run of the present takes all that was recorded so far, though the data often end before the decision was made. A
    run at an earlier moment than another one in the ledger is a replay, which later decisions must not reach: it takes
    what its own first run took, if that was of the present then, else what was recorded at or before as_of.

    Parameters
    ----------
    is_present : whether the run is of the present whatever the ledger holds.
    """
    now = datetime.now(UTC)
    recorded_by = now if is_present or as_of is None else _recorded_by(connection, project, as_of) or now
    return active_decisions(connection, project, recorded_by, limit=None, expires_at=as_of)


def _recorded_by(connection: Connection, project: str, as_of: datetime) -> datetime | None:
    """Up to when decisions count at an earlier moment; None if no run of the ledger is later."""
    of_project = shown_of(project)
    later = select(func.min(RUNS.c.number)).where(of_project, RUNS.c.as_of > as_of)
    overtaken_by = connection.scalar(later)
    if overtaken_by is None:
        return None
    first = (
        select(RUNS.c.recorded_at)
        .where(of_project, RUNS.c.as_of == as_of, RUNS.c.number < overtaken_by)
        .order_by(RUNS.c.number)
        .limit(1)
    )
    return connection.scalar(first) or as_of


def _last(project: str, at: datetime, chosen: ColumnElement[bool] | None) -> Select[Any]:
    """The last decision on each subject, whatever it says."""
    of_project = [OVERRIDES.c.project == project, OVERRIDES.c.recorded_at <= at]
    numbers = (
        select(func.max(OVERRIDES.c.number))
        .where(*of_project, *([] if chosen is None else [chosen]))
        .group_by(OVERRIDES.c.kind, OVERRIDES.c.subject)
    )
    columns = [OVERRIDES.c[name] for name in COLUMNS]
    return select(*columns).where(OVERRIDES.c.number.in_(numbers)).order_by(OVERRIDES.c.number.desc())


def _conditions(subjects: Iterable[tuple[str, str]]) -> Iterator[ColumnElement[bool]]:
    wanted = sorted(set(subjects))
    for kind in KINDS:
        names = [name for each, name in wanted if each == kind]
        for start in range(0, len(names), AT_ONCE):
            yield and_(OVERRIDES.c.kind == kind, OVERRIDES.c.subject.in_(names[start : start + AT_ONCE]))


def _refuse_expiry(action: str, until: date | None, now: datetime) -> None:
    if action not in ACTIONS:
        raise InputError(f"The action {action!r} is none of {', '.join(ACTIONS)}.")
    if action == "lift":
        if until is not None:
            raise InputError("To lift a decision ends it at once; leave the day `until` out.")
        return
    if until is None and action != "disqualify":
        raise InputError(
            f"The action '{action}' needs `until`, the day up to which it counts, such as 2026-03-31."
        )
    if until is not None and until <= now.date():
        raise InputError(
            f"until is {until}, but a decision counts up to the start of that day and today is {now.date()} (UTC). "
            "Give a later day."
        )


def _is_known(connection: Connection, project: str, kind: str, subject: str) -> bool:
    asked = (
        select(SCORES.c.run)
        .join_from(SCORES, RUNS, RUNS.c.number == SCORES.c.run)
        .where(SCORES.c[kind] == subject, shown_of(project))
        .limit(1)
    )
    return connection.scalar(asked) is not None
