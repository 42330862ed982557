"""Ids near one that no lead has: what somebody may have meant."""

from __future__ import annotations

import difflib

from sqlalchemy import Connection, select

from pipeline.ledger.schema import RUNS, SCORES, shown_of

__all__ = ["nearest_ids"]

LONGEST, NEIGHBOURS = 100, 200
LEAST_ALIKE = 0.6  # less alike nobody can have meant it


def nearest_ids(connection: Connection, project: str, asked: str, limit: int = 5) -> list[str]:
    """Ids of leads that are spelt most like the one asked for; looked for among its neighbours in order alone."""
    asked = asked.strip()[:LONGEST]
    spelt = {asked, asked.upper(), asked.lower()}
    found: set[str] = set()
    for each in sorted(spelt):
        for is_after in (True, False):
            found.update(_neighbours(connection, project, each, is_after=is_after))
    alike = {each: _likeness(each, asked) for each in found}
    ranked = sorted(found, key=lambda each: (-alike[each], each))
    return [each for each in ranked if alike[each] >= LEAST_ALIKE][:limit]


def _neighbours(connection: Connection, project: str, text: str, *, is_after: bool) -> list[str]:
    """Ids that the project's complete runs scored, among the rows next to a text in the order of ids."""
    order = (SCORES.c.lead_id, SCORES.c.product, SCORES.c.run)
    is_side = SCORES.c.lead_id >= text if is_after else SCORES.c.lead_id < text
    near = select(SCORES.c.lead_id, SCORES.c.run).where(is_side)
    near = near.order_by(*(order if is_after else (each.desc() for each in order))).limit(NEIGHBOURS)
    inner = near.subquery()
    runs = select(RUNS.c.number).where(shown_of(project))
    return list(connection.scalars(select(inner.c.lead_id).where(inner.c.run.in_(runs)).distinct()))


def _likeness(found: str, asked: str) -> float:
    return difflib.SequenceMatcher(None, found.casefold(), asked.casefold()).ratio()
