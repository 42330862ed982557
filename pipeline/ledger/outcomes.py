"""How leads once scored ended: told to the ledger by the first run that knows of it, and corrected by later ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Select, or_, select

from features.asof import NEVER, Spells, microseconds
from features.entities import OF_ACCOUNTS, lead_and_product
from pipeline.ledger.facts import EndingsToTell
from pipeline.ledger.run_before import in_microseconds, moment_of
from pipeline.ledger.schema import OUTCOMES, RUNS, SCORES
from pipeline.ledger.store import open_ledger

if TYPE_CHECKING:
    from pipeline.score import ScoredRows

__all__ = ["endings_to_tell"]

Bools = NDArray[np.bool_]
PART_ROWS = 5_000


def endings_to_tell(found: ScoredRows, moments: Sequence[int]) -> EndingsToTell:
    """How leads ended, where the ledger lacks it or the tables have been corrected since.

    One row for each spell that a run of the ledger looked into and that ended before this run's as_of, if a run has
    scored its lead. A lead that was opened again has several. Of accounts, whose people end each on their own: the
    wins, and the last ending where nobody is open any more. What a run of a later as_of has told stays as it is.

    Parameters
    ----------
    moments : microseconds of the complete runs before, rising.
    """
    spells, as_of = found.leads.data.spells, found.leads.as_of
    if spells is None or not moments:
        return EndingsToTell()
    ended = spells.end < as_of
    if not ended.any():
        return EndingsToTell()
    chosen = np.flatnonzero(ended & _was_looked_into(spells, np.array(moments)))
    if found.project.target.entity in OF_ACCOUNTS:
        chosen = chosen[(spells.is_won | _is_last_of_closed(spells, ended))[chosen]]
    rows = _named(found, spells, chosen)
    with open_ledger(found.project, is_new_allowed=True).reading() as connection:
        new = list(_lacking(connection, found.project.name, as_of, rows)) if rows else []
        return EndingsToTell(new, _withdrawn(connection, found, spells))


def _was_looked_into(spells: Spells, moments: NDArray[np.int64]) -> Bools:
    """Whether the spell was open at one of the moments: begun before it, ended at it or later."""
    first = np.searchsorted(moments, spells.start, side="right")
    reached = np.append(moments, NEVER)[first]
    return np.asarray((reached <= spells.end) & (reached != NEVER))


def _is_last_of_closed(spells: Spells, ended: Bools) -> Bools:
    """Whether a spell is the last to end of an owner who has none left open."""
    order = np.lexsort((spells.end, spells.lead))
    is_last = np.append(spells.lead[order][1:] != spells.lead[order][:-1], True) if len(order) else order > 0
    found = np.zeros(len(order), dtype=bool)
    found[order] = is_last & ended[order]
    return found


def _named(found: ScoredRows, spells: Spells, chosen: NDArray[np.int64]) -> list[tuple[str, int, str, bool]]:
    """(lead_id, moment, outcome, is_won) of the spells, the earliest first; one a lead and moment, a win before all."""
    ids = found.leads.data.leads["lead_id"].to_numpy(dtype=object)[spells.lead[chosen]]
    ended = pd.DataFrame({"lead_id": ids, "moment": spells.end[chosen], "is_won": spells.is_won[chosen]})
    target, outcomes = found.bundle.sources.target, found.tables.outcomes
    outcomes = outcomes[
        outcomes["lead_id"].isin(ended["lead_id"]) & ~outcomes["outcome"].isin(target.reopened)
    ]
    if target.product is not None:
        outcomes = outcomes[outcomes["product"] == target.product]
    named = {
        "lead_id": outcomes["lead_id"].to_numpy(dtype=object),
        "moment": microseconds(outcomes["occurred_at"]),
        "is_won": outcomes["outcome"].isin(target.won).to_numpy(),
        "outcome": outcomes["outcome"].to_numpy(dtype=object),
    }
    # of two losses at one moment the same one, in whatever order the export has them
    names = pd.DataFrame(named).sort_values("outcome").drop_duplicates(["lead_id", "moment", "is_won"])
    told = ended.merge(names, on=["lead_id", "moment", "is_won"], how="inner")
    if found.project.target.entity == "product":
        told["lead_id"] = [lead_and_product(each)[0] for each in told["lead_id"]]
    told = told.sort_values(["moment", "lead_id", "is_won", "outcome"], ascending=[True, True, False, True])
    told = told.drop_duplicates(["lead_id", "moment"])
    columns = (told[name].tolist() for name in ("lead_id", "moment", "outcome", "is_won"))
    return list(zip(*columns, strict=True))


def _lacking(
    connection: Connection, project: str, as_of: int, rows: Sequence[tuple[str, int, str, bool]]
) -> Iterator[dict[str, Any]]:
    """The rows that the ledger lacks or has otherwise, of leads that it knows."""
    left, latest = iter(rows), moment_of(as_of)
    while part := list(islice(left, PART_ROWS)):
        told = connection.execute(
            _told(project).where(OUTCOMES.c.lead_id.in_([row[0] for row in part]))
        ).all()
        known = {(row.lead_id, row.ended_at): (row.outcome, row.is_won) for row in told}
        settled = {row.lead_id for row in told if row.as_of is not None and row.as_of > latest}
        ends = [(lead, moment_of(end), (outcome, is_won)) for lead, end, outcome, is_won in part]
        new = [each for each in ends if each[0] not in settled and known.get(each[:2]) != each[2]]
        scored = _scored(connection, project, [lead for lead, _, _ in new], RUNS.c.as_of < latest)
        for lead, moment, (outcome, is_won) in new:
            if lead in scored:
                yield {
                    "project": project, "lead_id": lead, "ended_at": moment, "outcome": outcome, "is_won": is_won,
                }  # fmt: skip


def _withdrawn(connection: Connection, found: ScoredRows, spells: Spells) -> list[tuple[str, datetime]]:
    """Endings that the ledger has and the tables, which know another one of the lead, have no more.

    Not those from before the tables' first outcome: an export may go back so far only. Nor those after which a run has
    scored the lead: it was opened again, and an export of present states has forgotten how it ended first.
    """
    project, as_of = found.project.name, moment_of(found.leads.as_of)
    ids = found.leads.data.leads["lead_id"]
    if found.project.target.entity == "product":
        ids = ids.map(lambda each: lead_and_product(each)[0])
    code, leads = pd.factorize(ids)
    ended = spells.end < found.leads.as_of
    ends = pd.DataFrame(
        {"lead": code[spells.lead[ended]], "end": spells.end[ended], "is_won": spells.is_won[ended]}
    )
    first = moment_of(int(microseconds(found.tables.outcomes["occurred_at"]).min()))
    asked = _told(project).where(OUTCOMES.c.ended_at >= first, OUTCOMES.c.ended_at < as_of)
    asked = asked.where(or_(RUNS.c.as_of.is_(None), RUNS.c.as_of <= as_of))
    gone: list[tuple[str, datetime]] = []
    for part in connection.execution_options(yield_per=PART_ROWS).execute(asked).partitions():
        place = pd.Index(leads).get_indexer(pd.Index([row.lead_id for row in part], dtype=object))
        own = ends[ends["lead"].isin(place)]
        every, wins = (
            set(zip(each["lead"].tolist(), each["end"].tolist(), strict=True))
            for each in (own, own[own["is_won"]])
        )
        has_ended = set(own["lead"].tolist())
        gone += [
            (row.lead_id, row.ended_at)
            for at, row in zip(place.tolist(), part, strict=True)
            if at in has_ended and (at, in_microseconds(row.ended_at)) not in (wins if row.is_won else every)
        ]
    return gone if found.project.target.entity in OF_ACCOUNTS else _not_reopened(connection, project, gone)


def _not_reopened(
    connection: Connection, project: str, gone: Sequence[tuple[str, datetime]]
) -> list[tuple[str, datetime]]:
    """Those of the endings after which no run has scored the lead."""
    return [
        (lead, moment)
        for lead, moment in gone
        if not _scored(connection, project, [lead], RUNS.c.as_of > moment)
    ]


def _told(project: str) -> Select[Any]:
    """How the ledger has it that leads ended, with the as_of of the run that said so."""
    return (
        select(OUTCOMES.c.lead_id, OUTCOMES.c.ended_at, OUTCOMES.c.outcome, OUTCOMES.c.is_won, RUNS.c.as_of)
        .join_from(OUTCOMES, RUNS, RUNS.c.number == OUTCOMES.c.run, isouter=True)
        .where(OUTCOMES.c.project == project)
    )


def _scored(
    connection: Connection, project: str, lead_ids: Sequence[str], when: ColumnElement[bool]
) -> set[str]:
    """Those of the leads that a complete run at such a moment has scored."""
    asked = (
        select(SCORES.c.lead_id)
        .join_from(SCORES, RUNS, RUNS.c.number == SCORES.c.run)
        .where(RUNS.c.project == project, RUNS.c.is_complete, when, SCORES.c.lead_id.in_(lead_ids))
        .distinct()
    )
    return set(connection.scalars(asked)) if lead_ids else set()
