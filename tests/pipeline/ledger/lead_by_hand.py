"""Wide rows of leads put into a ledger by hand, beside the narrow ones of `filling`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from pipeline.ledger.schema import DETAILS, OUTCOMES
from tests.pipeline.ledger.filling import add_run, add_score

__all__ = ["GROUPS", "add_known", "add_leads", "add_outcome"]

GROUPS = ("visits", "country")
BASE = 40.0


def add_leads(
    connection: Connection, run: int, at: float | None, points: Mapping[str, Sequence[float]],
    groups: Sequence[str] = GROUPS, attributes: Sequence[str] = (), **values: Any,
) -> None:  # fmt: skip
    """A run with leads of an account A1, made of these points on a base of 40; the best comes first."""
    add_run(
        connection,
        run,
        at,
        len(points),
        reason_groups=json.dumps(groups),
        attributes=json.dumps(attributes),
        **values,
    )
    ranked = sorted(points.items(), key=lambda each: (-sum(each[1]), each[0]))
    for rank, (lead, own) in enumerate(ranked, start=1):
        score = min(100.0, max(0.0, BASE + sum(own)))
        band = "SQL" if score >= 80 else "MQL" if score >= 50 else "below"
        add_score(connection, run, rank, lead, band, score=score, account_id="A1", probability=score / 200)
        add_known(connection, run, rank, own, groups)


def add_known(
    connection: Connection, run: int, rank: int, points: Sequence[float], groups: Sequence[str] = GROUPS
) -> None:
    """A wide row with one reason a group."""
    reasons = [
        {"text": f"{name} seen", "points": each, "group": name}
        for name, each in zip(groups, points, strict=True)
    ]
    row = {
        "run": run, "rank": rank, "base_score": BASE, "reasons": json.dumps(reasons),
        "contributions": json.dumps(list(points)), "attributes": None, "events": None, "further": None,
        "warnings": None,
    }  # fmt: skip
    connection.execute(insert(DETAILS).values(row))


def add_outcome(
    connection: Connection, lead: str, at: datetime, run: int, *, is_won: bool = True, project: str = "p"
) -> None:
    """An end of a lead that a run was the first to know."""
    row = {"project": project, "lead_id": lead, "ended_at": at, "outcome": "won" if is_won else "lost"}
    connection.execute(insert(OUTCOMES).values({**row, "is_won": is_won, "run": run}))
