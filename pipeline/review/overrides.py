"""Overrides in force beside the scores that a page shows: the ledger's, and those of the project's file and rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from models.overrides import ACTIONS
from pipeline.ledger.decisions import active_decisions, decisions_on, found_at_scoring

if TYPE_CHECKING:
    from pipeline.ledger.store import Connection

__all__ = ["overrides_in_force", "project_override"]

Row = Mapping[str, Any]
KINDS = ("lead_id", "account_id")  # among equals the lead's own counts first
SAME = ("action", "owner", "reason", "until")


def overrides_in_force(
    connection: Connection, project: str, run: int, rows: Sequence[Row]
) -> dict[int, dict[str, Any]]:
    """By rank: the strongest override on a lead, its account or by the project's rules; rows without one are left out.

    Disqualify beats hold beats raise; among equals the lead's own counts before its account's, and these before what
    the project's file and rules said when the run scored it, which has the `kind` "project".

    Parameters
    ----------
    rows : of one run, with `rank`, `lead_id` and `account_id`.
    """
    now = datetime.now(UTC)
    scored = found_at_scoring(connection, run, [row["rank"] for row in rows])
    active = active_decisions(connection, project, now, _subjects(rows), limit=None)
    counting = {(each["kind"], each["subject"]): each for each in active}
    ever: dict[tuple[str, str], list[Row]] = {}
    for each in decisions_on(connection, project, _subjects(row for row in rows if row["rank"] in scored)):
        ever.setdefault((each["kind"], each["subject"]), []).append(each)
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        own = [subject for kind in KINDS if (subject := (kind, row[kind]))[1] is not None]
        decided = [each for subject in own for each in ever.get(subject, ())]
        of_project = project_override(scored.get(row["rank"]), decided, now.date())
        candidates = [counting[subject] for subject in own if subject in counting]
        candidates += [of_project] if of_project else []
        if candidates:
            found[row["rank"]] = min(candidates, key=lambda each: ACTIONS.index(each["action"]))
    return found


def project_override(found: Row | None, decided: Iterable[Row], today: date) -> dict[str, Any] | None:
    """What a run found decided by the project's file, its rules or the priority list; None if that has ended.

    A run finds the ledger's decisions, too. What has become of those since only the ledger knows.

    Parameters
    ----------
    found : the run's override of a lead, its day as text.
    decided : all decisions of the ledger on the lead and its account, ended ones and lifts among them.
    """
    if found is None:
        return None
    until = date.fromisoformat(found["until"]) if found["until"] else None
    told = {**found, "until": until, "kind": "project"}
    if any(all(each[name] == told[name] for name in SAME) for each in decided):
        return None
    return None if until is not None and until <= today else told


def _subjects(rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    for row in rows:
        yield from ((kind, row[kind]) for kind in KINDS if row[kind] is not None)
