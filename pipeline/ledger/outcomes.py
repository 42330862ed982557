"""How leads once scored ended: told to the ledger by the first run that knows of it, and corrected by later ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from features.asof import NEVER, Spells, microseconds
from features.entities import lead_and_product
from pipeline.ledger.facts import EndingsToTell
from pipeline.ledger.run_before import moment_of
from pipeline.ledger.schema import OUTCOMES, RUNS, SCORES
from pipeline.ledger.store import open_ledger

if TYPE_CHECKING:
    from pipeline.score import ScoredRows

__all__ = ["endings_to_tell"]

Bools = NDArray[np.bool_]
PART_ROWS = 5_000
OF_ACCOUNTS = ("account", "customer account")


def endings_to_tell(found: ScoredRows, moments: Sequence[int]) -> EndingsToTell:
    """How leads ended, where the ledger lacks it or the tables have been corrected since.

    One row for each spell that a run of the ledger looked into and that ended before this run's as_of, if a run has
    scored its lead. A lead that was opened again has several. Of accounts, whose people end each on their own: the
    wins, and the last ending where nobody is open any more. Withdrawn are endings that the tables lack, of leads that
    ended at another moment; what a run of a later as_of has told stays as it is.

    Parameters
    ----------
    moments : microseconds of the complete runs before, rising.
    """
    spells = found.leads.data.spells
    if spells is None or not moments:
        return EndingsToTell()
    ended = spells.end < found.leads.as_of
    chosen = np.flatnonzero(ended & _was_looked_into(spells, np.array(moments)))
    if found.project.target.entity in OF_ACCOUNTS:
        chosen = chosen[(spells.is_won | _is_last_of_closed(spells, ended))[chosen]]
    rows = _named(found, spells, chosen)
    if not rows:
        return EndingsToTell()
    with open_ledger(found.project, is_new_allowed=True).reading() as connection:
        new, other = _compared(connection, found.project.name, found.leads.as_of, rows)
    return EndingsToTell(new, sorted(other - _ends_of(found, spells, {lead for lead, _ in other})))


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
    names = pd.DataFrame(named).drop_duplicates(["lead_id", "moment", "is_won"])
    told = ended.merge(names, on=["lead_id", "moment", "is_won"], how="inner")
    if found.project.target.entity == "product":
        told["lead_id"] = [lead_and_product(each)[0] for each in told["lead_id"]]
    told = told.sort_values(["moment", "lead_id", "is_won", "outcome"], ascending=[True, True, False, True])
    told = told.drop_duplicates(["lead_id", "moment"])
    columns = (told[name].tolist() for name in ("lead_id", "moment", "outcome", "is_won"))
    return list(zip(*columns, strict=True))


def _compared(
    connection: Connection, project: str, as_of: int, rows: Sequence[tuple[str, int, str, bool]]
) -> tuple[list[dict[str, Any]], set[tuple[str, datetime]]]:
    """Rows that the ledger lacks or has otherwise, of leads that it knows; and endings it has beside these rows."""
    new, other, left = [], set(), iter(rows)
    while part := list(islice(left, PART_ROWS)):
        ends = {(row[0], moment_of(row[1])): (row[2], row[3]) for row in part}
        told = _told(connection, project, as_of, [row[0] for row in part])
        lacking = {key: end for key, end in ends.items() if key not in told or told[key] not in {end, None}}
        scored = _scored(connection, project, as_of, [lead for lead, _ in lacking])
        new += [
            {"project": project, "lead_id": lead, "ended_at": moment, "outcome": outcome, "is_won": is_won}
            for (lead, moment), (outcome, is_won) in lacking.items()
            if lead in scored
        ]
        other |= {key for key, end in told.items() if key not in ends and end is not None}
    return new, other


def _told(
    connection: Connection, project: str, as_of: int, lead_ids: list[str]
) -> dict[tuple[str, datetime], tuple[str, bool] | None]:
    """How the ledger has it that the leads ended: (outcome, is_won), None where a later run has said so."""
    asked = (
        select(OUTCOMES.c.lead_id, OUTCOMES.c.ended_at, OUTCOMES.c.outcome, OUTCOMES.c.is_won, RUNS.c.as_of)
        .join_from(OUTCOMES, RUNS, RUNS.c.number == OUTCOMES.c.run, isouter=True)
        .where(OUTCOMES.c.project == project, OUTCOMES.c.lead_id.in_(lead_ids))
    )
    latest = moment_of(as_of)
    return {
        (row.lead_id, row.ended_at): None
        if row.as_of is not None and row.as_of > latest
        else (row.outcome, row.is_won)
        for row in connection.execute(asked)
    }


def _ends_of(found: ScoredRows, spells: Spells, lead_ids: set[str]) -> set[tuple[str, datetime]]:
    """Every moment at which one of the leads ended, as the tables have it."""
    if not lead_ids:
        return set()
    ids = found.leads.data.leads["lead_id"].to_numpy(dtype=object)
    if found.project.target.entity == "product":
        ids = np.array([lead_and_product(each)[0] for each in ids], dtype=object)
    is_asked = np.array([each in lead_ids for each in ids], dtype=bool)[spells.lead] & (spells.end != NEVER)
    ends = zip(ids[spells.lead[is_asked]], spells.end[is_asked].tolist(), strict=True)
    return {(lead, moment_of(end)) for lead, end in ends}


def _scored(connection: Connection, project: str, as_of: int, lead_ids: list[str]) -> set[str]:
    """Those of the leads that an earlier complete run has scored."""
    asked = (
        select(SCORES.c.lead_id)
        .join_from(SCORES, RUNS, RUNS.c.number == SCORES.c.run)
        .where(
            RUNS.c.project == project, RUNS.c.is_complete, RUNS.c.as_of < moment_of(as_of),
            SCORES.c.lead_id.in_(lead_ids),
        )
        .distinct()
    )  # fmt: skip
    return set(connection.scalars(asked)) if lead_ids else set()
