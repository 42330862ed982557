"""What the ledger says: its runs, and one lead's scores over them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from features.errors import InputError
from pipeline.ledger.schema import RUNS, SCORES
from pipeline.ledger.texts import refuse_unstorable

__all__ = ["LeadScore", "LedgerRun", "find_run", "history", "list_runs"]

LEAST_PREFIX = 6  # characters of a run_id; shorter ones could be run numbers


@dataclass(frozen=True)
class LedgerRun:
    """One scoring run; `number` counts runs in the order in which they were recorded.

    `words` say what each reason group is about.
    """

    number: int
    run_id: str
    as_of: datetime | None
    model_version: str
    rows_in: int
    scored: int
    not_open: int
    quarantined: int
    recorded_at: datetime
    groups: tuple[str, ...]
    words: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The run without its reason groups."""
        found = {name: value for name, value in vars(self).items() if name not in {"groups", "words"}}
        moments = {name: _iso(found[name]) for name in ("as_of", "recorded_at")}
        return found | moments


@dataclass(frozen=True)
class LeadScore:
    """What one run said of one lead.

    Attributes
    ----------
    change : points since the run before that scored the lead; None in the first.
    first_reason : text and points of the strongest reason; None if nothing moved the lead off the base.
    """

    run: int
    run_id: str
    as_of: datetime | None
    model_version: str
    product: str
    rank: int
    probability: float | None
    score: float
    change: float | None
    band: str
    first_reason: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """The score as JSON values."""
        return vars(self) | {"as_of": _iso(self.as_of)}


def list_runs(connection: Connection, project: str) -> list[LedgerRun]:
    """The complete runs of a project, the earliest moment of scoring first, then in the order of recording."""
    return [_run(row) for row in connection.execute(_runs(project))]


def find_run(connection: Connection, project: str, asked: str) -> LedgerRun:
    """The run that is asked for: `latest`, `previous`, its number or the start of its id.

    Raises
    ------
    InputError
        If there is no such run, or more than one.
    """
    runs = list_runs(connection, project)
    if asked in {"latest", "previous"}:
        place = -1 if asked == "latest" else -2
        found = runs[place:][:1] if len(runs) >= -place else []
    else:
        found = [each for each in runs if asked == str(each.number)]
    if not found and len(asked) >= LEAST_PREFIX:
        found = [each for each in runs if each.run_id.startswith(asked)]
    if len(found) != 1:
        what = f"{len(found)} runs begin with '{asked}'" if found else f"there is no run '{asked}'"
        raise InputError(
            f"In the ledger of {project} {what}; it has {len(runs)}. Write latest, previous, a number or the first "
            f"{LEAST_PREFIX} or more signs of an id, as lead-scoring runs shows them."
        )
    return found[0]


def history(connection: Connection, project: str, lead_id: str) -> list[LeadScore]:
    """The scores of a lead, run by run, by product where there are products; the earliest first.

    Raises
    ------
    InputError
        If no run has scored it, or the id is no text.
    """
    refuse_unstorable("lead_id", lead_id)
    scores = SCORES.c
    asked = (
        select(
            RUNS.c.number, RUNS.c.run_id, RUNS.c.as_of, RUNS.c.model_version, scores.product, scores.rank,
            scores.probability, scores.score, scores.band, scores.first_reason, scores.first_points,
        )
        .join_from(SCORES, RUNS, RUNS.c.number == scores.run)
        .where(scores.lead_id == lead_id, RUNS.c.project == project, RUNS.c.is_complete)
        .order_by(scores.product, RUNS.c.as_of.nulls_first(), RUNS.c.number)
    )  # fmt: skip
    found: list[LeadScore] = []
    for row in connection.execute(asked):
        before = found[-1] if found and found[-1].product == row.product else None
        change = None if before is None else row.score - before.score
        has_reason = row.first_reason is not None
        first = {"text": row.first_reason, "points": row.first_points} if has_reason else None
        found.append(LeadScore(*row[:8], change, row.band, first))
    if not found:
        n = len(list_runs(connection, project))
        raise InputError(
            f"None of the {n} runs in the ledger of {project} has scored '{lead_id}'. Ids are those of the leads "
            "table; lead-scoring runs lists the runs."
        )
    return found


def _runs(project: str) -> Select[Any]:
    complete = select(RUNS).where(RUNS.c.project == project, RUNS.c.is_complete)
    return complete.order_by(RUNS.c.as_of.nulls_first(), RUNS.c.number)


def _run(row: Any) -> LedgerRun:
    return LedgerRun(
        row.number, row.run_id, row.as_of, row.model_version, row.rows_in, row.scored, row.not_open,
        row.quarantined, row.recorded_at, tuple(json.loads(row.reason_groups)),
        json.loads(row.manifest).get("group_words", {}),
    )  # fmt: skip


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
