"""How leads once scored ended: told to the ledger by the first run that knows of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from features.asof import NEVER, Spells, microseconds
from features.entities import lead_and_product
from pipeline.ledger.run_before import moment_of
from pipeline.ledger.schema import OUTCOMES, RUNS, SCORES
from pipeline.ledger.store import open_ledger

if TYPE_CHECKING:
    from pipeline.score import ScoredRows

__all__ = ["endings_to_tell"]

Bools = NDArray[np.bool_]
PART_ROWS = 5_000
OF_ACCOUNTS = ("account", "customer account")


def endings_to_tell(found: ScoredRows, moments: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of the table of outcomes, without `run`, that the ledger lacks: the earliest first.

    One for each spell that a run of the ledger looked into and that ended before this run's as_of, if a run has
    scored its lead. A lead that was opened again has several. Of accounts, whose people end each on their own: the
    wins, and the last ending where nobody is open any more.

    Parameters
    ----------
    moments : microseconds of the complete runs before, rising.
    """
    spells = found.leads.data.spells
    if spells is None or not moments:
        return []
    ended = spells.end < found.leads.as_of
    chosen = np.flatnonzero(ended & _was_looked_into(spells, np.array(moments)))
    if found.project.target.entity in OF_ACCOUNTS:
        chosen = chosen[(spells.is_won | _is_last_of_closed(spells, ended))[chosen]]
    rows = _named(found, spells, chosen)
    if not rows:
        return []
    with open_ledger(found.project, is_new_allowed=True).reading() as connection:
        return list(_lacking(connection, found.project.name, found.leads.as_of, rows))


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


def _lacking(
    connection: Connection, project: str, as_of: int, rows: Sequence[tuple[str, int, str, bool]]
) -> Iterator[dict[str, Any]]:
    """The rows that the ledger does not have, of leads that it knows."""
    left = iter(rows)
    while part := list(islice(left, PART_ROWS)):
        asked = select(OUTCOMES.c.lead_id, OUTCOMES.c.ended_at).where(
            OUTCOMES.c.project == project, OUTCOMES.c.lead_id.in_([row[0] for row in part])
        )
        told = {(row.lead_id, row.ended_at) for row in connection.execute(asked)}
        new = [(moment_of(row[1]), row) for row in part if (row[0], moment_of(row[1])) not in told]
        scored = _scored(connection, project, as_of, [row[0] for _, row in new])
        for moment, (lead_id, _, outcome, is_won) in new:
            if lead_id in scored:
                yield {
                    "project": project, "lead_id": lead_id, "ended_at": moment, "outcome": outcome, "is_won": is_won,
                }  # fmt: skip


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
