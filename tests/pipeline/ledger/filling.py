"""Runs, scores and ends put into a ledger by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from pipeline.ledger.schema import DETAILS, OUTCOMES, RUNS, SCORES

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
Scored = tuple[float | None, str]


def day(number: float) -> datetime:
    """A moment of January 2026 and after: 1.5 is noon of the first."""
    return FIRST_DAY + timedelta(days=number - 1)


def add_run(connection: Connection, number: int, at: float | None, scored: int = 0, **values: Any) -> None:
    """A complete run of the project `p` at that day, with a horizon of ten days."""
    row = {
        "number": number, "run_id": f"{number:064x}", "project": "p", "entity": "lead", "target": None,
        "as_of": None if at is None else day(at), "model_version": "m1", "horizon_days": 10.0, "rows_in": scored,
        "scored": scored, "not_open": 0, "quarantined": 0, "reason_groups": "[]", "attributes": "[]",
        "anchors": "{}", "event_watermark": None, "manifest": "{}", "is_complete": True, "recorded_at": day(1),
    }  # fmt: skip
    connection.execute(insert(RUNS).values(row | values))


def add_score(connection: Connection, run: int, rank: int, lead: str, band: str, **values: Any) -> None:
    """A narrow row; what is not given is empty."""
    names = (
        "probability", "score_before", "band_before", "fit_grade", "engagement_grade", "silent_until",
        "expected_value", "is_awake", "account_id", "name", "company", "owner", "segment", "first_reason",
        "first_points",
    )  # fmt: skip
    row = {"run": run, "rank": rank, "lead_id": lead, "product": "", "score": 40.0, "band": band}
    connection.execute(insert(SCORES).values(dict.fromkeys(names) | row | values))


def add_detail(connection: Connection, run: int, rank: int, further: str | None) -> None:
    """A wide row with further output columns alone."""
    row = {"run": run, "rank": rank, "base_score": 40.0, "reasons": "[]", "contributions": "[]"}
    connection.execute(
        insert(DETAILS).values(
            row | {"attributes": None, "events": None, "further": further, "warnings": None}
        )
    )


def add_scores(
    connection: Connection,
    run: int,
    scores: Mapping[str, Scored],
    before: Mapping[str, str | None] | None = None,
) -> None:
    """A row a lead: chance and band; `before` gives the bands of the run before."""
    for rank, (lead, (probability, band)) in enumerate(scores.items(), start=1):
        told = (before or {}).get(lead)
        add_score(connection, run, rank, lead, band, probability=probability, band_before=told)


def add_end(
    connection: Connection, lead: str, at: datetime, *, is_won: bool = True, project: str = "p"
) -> None:
    """An end of a lead."""
    outcome = "won" if is_won else "lost"
    row = {
        "project": project,
        "lead_id": lead,
        "ended_at": at,
        "outcome": outcome,
        "is_won": is_won,
        "run": 1,
    }
    connection.execute(insert(OUTCOMES).values(row))
