"""Runs put into a ledger row by row, whatever writes real ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from pipeline.ledger.schema import RUNS, SCORES
from pipeline.ledger.store import Ledger

__all__ = ["add_run", "night"]


def night(day: int) -> datetime:
    """Midnight of a day of January 2026; 0 is New Year's Eve."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day - 1)


def add_run(
    ledger: Ledger, project: str, day: int, scores: Mapping[str, float], *, is_complete: bool = True,
    target: str | None = None, recorded_at: datetime | None = None,
) -> int:  # fmt: skip
    """The number of a run of that night; lead "L1" is of account "A1", 80 is SQL and 50 MQL."""
    ranked = sorted(scores.items(), key=lambda each: (-each[1], each[0]))
    run = {
        "run_id": f"{project}-{day}-{target}-{recorded_at}"[:64], "project": project, "entity": "lead",
        "target": target, "as_of": night(day), "model_version": "m1", "rows_in": len(ranked),
        "scored": len(ranked), "not_open": 0,
        "quarantined": 0, "reason_groups": "[]", "attributes": "[]", "anchors": "{}", "manifest": "{}",
        "is_complete": is_complete, "recorded_at": recorded_at or night(day) + timedelta(hours=2),
    }  # fmt: skip
    with ledger.writing() as connection:
        made = connection.execute(insert(RUNS).values(run)).inserted_primary_key
        assert made is not None
        rows = [
            {
                "run": made[0], "rank": rank, "lead_id": lead, "product": "", "score": score,
                "band": "SQL" if score >= 80 else "MQL" if score >= 50 else "below",
                "account_id": lead.replace("L", "A"),
            }
            for rank, (lead, score) in enumerate(ranked, start=1)
        ]  # fmt: skip
        if rows:
            connection.execute(insert(SCORES), rows)
    return int(made[0])
