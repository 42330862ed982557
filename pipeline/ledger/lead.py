"""What the ledger says of one lead: a score and how it was made up, its runs, its events, how it ended.

Every query goes by key and is limited: it costs the same with a thousand leads and with a million.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from pipeline.ledger.schema import DETAILS, OUTCOMES, RUNS, SCORES, of_run, shown_of

__all__ = [
    "MOST_RUNS",
    "Ending",
    "Known",
    "LeadEvent",
    "LeadInRun",
    "ProductScore",
    "ScoreThen",
    "endings_of",
    "events_of",
    "lead_in_run",
    "products_of",
    "scores_over_runs",
]

MOST_RUNS = 400  # a year of nights
MOST_ENDINGS = 10
OF_RUN = ("entity", "as_of", "model_version", "horizon_days", "scored")
OF_SCORE = (
    "run", "rank", "lead_id", "product", "probability", "score", "band", "score_before", "band_before", "fit_grade",
    "engagement_grade", "silent_until", "expected_value", "is_awake", "account_id", "name", "company", "owner",
    "segment",
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """How a score was made up, in the words of its run, and what the run knew.

    Attributes
    ----------
    reasons : {text, points, group}, the strongest first.
    contributions : points by reason group; base score + their sum = score before the limit of the scale.
    attributes : value by name, None where it was missing.
    further : optional columns of the output.
    group_words : what sales calls each reason group, as the run wrote it down.
    """

    base_score: float
    reasons: tuple[dict[str, Any], ...]
    contributions: dict[str, float]
    attributes: dict[str, str | None]
    further: dict[str, Any]
    warnings: tuple[str, ...]
    group_words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LeadInRun:
    """One lead in one run.

    Attributes
    ----------
    as_of, scored : moment of the run, and how many rows it ranked.
    score_before, band_before : of the run before; None if that lacks the lead.
    """

    run: int
    rank: int
    lead_id: str
    product: str
    probability: float | None
    score: float
    band: str
    score_before: float | None
    band_before: str | None
    fit_grade: str | None
    engagement_grade: str | None
    silent_until: datetime | None
    expected_value: float | None
    is_awake: bool | None
    account_id: str | None
    name: str | None
    company: str | None
    owner: str | None
    segment: str | None
    entity: str
    as_of: datetime | None
    model_version: str
    horizon_days: float | None
    scored: int
    known: Known


@dataclass(frozen=True)
class ScoreThen:
    """What one run said."""

    run: int
    as_of: datetime | None
    model_version: str
    rank: int
    score: float
    band: str
    probability: float | None


@dataclass(frozen=True)
class ProductScore:
    """How one run scored a lead for a product."""

    product: str
    score: float
    band: str
    rank: int


@dataclass(frozen=True)
class LeadEvent:
    """Something that happened to the lead; `run` is the latest one that first knew of it."""

    occurred_at: datetime
    event_type: str
    run: int


@dataclass(frozen=True)
class Ending:
    """How a lead, or an earlier spell of it, ended."""

    ended_at: datetime
    outcome: str
    is_won: bool


def lead_in_run(
    connection: Connection, project: str, lead_id: str, run: int | None = None, product: str | None = None
) -> LeadInRun | None:
    """The lead in a run, without one in the latest that scored it; None if none did.

    Parameters
    ----------
    product : where products are scored; without one the lead's best.
    """
    keys = _runs_of(project, lead_id, product)
    keys = keys if run is None else keys.where(of_run(run))
    key = connection.execute(keys.order_by(*_LATEST_FIRST, SCORES.c.rank).limit(1)).first()
    if key is None:
        return None
    asked = (
        select(
            *(SCORES.c[name] for name in OF_SCORE), *(RUNS.c[name] for name in OF_RUN),
            RUNS.c.reason_groups, RUNS.c.manifest, RUNS.c.attributes.label("attribute_names"),
            *(each for each in DETAILS.c if each.name not in {"run", "rank", "events"}),
        )
        .join_from(SCORES, RUNS, RUNS.c.number == SCORES.c.run)
        .join(DETAILS, (DETAILS.c.run == SCORES.c.run) & (DETAILS.c.rank == SCORES.c.rank))
        .where(SCORES.c.run == key.run, SCORES.c.rank == key.rank)
    )  # fmt: skip
    row = connection.execute(asked).one()._mapping
    known = Known(
        base_score=row["base_score"],
        reasons=tuple(json.loads(row["reasons"])),
        contributions=dict(zip(json.loads(row["reason_groups"]), json.loads(row["contributions"]), strict=True)),
        attributes=_named(row["attribute_names"], row["attributes"]),
        further=json.loads(row["further"] or "{}"),
        warnings=tuple(json.loads(row["warnings"] or "[]")),
        group_words=json.loads(row["manifest"]).get("group_words", {}),
    )  # fmt: skip
    return LeadInRun(**{name: row[name] for name in (*OF_SCORE, *OF_RUN)}, known=known)


def scores_over_runs(
    connection: Connection, project: str, found: LeadInRun, limit: int = MOST_RUNS
) -> list[ScoreThen]:
    """The lead's scores up to the run given, the earliest first; of very many the latest."""
    names = ("rank", "score", "band", "probability")
    asked = _runs_of(project, found.lead_id, found.product, until=found).add_columns(
        RUNS.c.model_version, *(SCORES.c[name] for name in names if name != "rank")
    )
    rows = connection.execute(asked.order_by(*_LATEST_FIRST).limit(limit)).all()
    return [
        ScoreThen(row.run, row.as_of, row.model_version, *(row._mapping[name] for name in names))
        for row in reversed(rows)
    ]


def events_of(connection: Connection, project: str, found: LeadInRun, limit: int) -> list[LeadEvent]:
    """Events that the runs up to the one given knew, the newest first.

    A run keeps what the one before did not know; for a lead that the one before lacked it keeps the last events
    again, so equal ones of several runs are one.
    """
    keys = _runs_of(project, found.lead_id, found.product, until=found)
    keys = keys.order_by(*_LATEST_FIRST).limit(MOST_RUNS)
    inner = keys.subquery()
    asked = (
        select(DETAILS.c.run, DETAILS.c.events)
        .join_from(inner, DETAILS, (DETAILS.c.run == inner.c.run) & (DETAILS.c.rank == inner.c.rank))
        .where(DETAILS.c.events.is_not(None))
    )
    most: Counter[tuple[str, str]] = Counter()
    first_known: dict[tuple[str, str], int] = {}
    for row in connection.execute(asked):
        for event, count in Counter((each[0], each[1]) for each in json.loads(row.events)).items():
            most[event] = max(most[event], count)
            first_known[event] = min(first_known.get(event, row.run), row.run)
    listed = [LeadEvent(_moment(at), kind, first_known[at, kind]) for at, kind in most.elements()]
    return sorted(listed, key=lambda each: (each.occurred_at, each.event_type), reverse=True)[:limit]


def products_of(connection: Connection, found: LeadInRun) -> list[ProductScore]:
    """The lead's rows of the same run, the best first: one, or one a product."""
    ranks = select(SCORES.c.rank).where(SCORES.c.lead_id == found.lead_id, of_run(found.run))
    asked = (
        select(*(SCORES.c[name] for name in ("product", "score", "band", "rank")))
        .where(SCORES.c.run == found.run, SCORES.c.rank.in_(ranks))
        .order_by(SCORES.c.rank)
    )
    return [ProductScore(*row) for row in connection.execute(asked)]


def endings_of(connection: Connection, project: str, lead_id: str, limit: int = MOST_ENDINGS) -> list[Ending]:
    """How the lead ended, the latest first; more than one where it was opened again."""
    asked = (
        select(OUTCOMES.c.ended_at, OUTCOMES.c.outcome, OUTCOMES.c.is_won)
        .where(OUTCOMES.c.project == project, OUTCOMES.c.lead_id == lead_id)
        .order_by(OUTCOMES.c.ended_at.desc())
        .limit(limit)
    )
    return [Ending(row.ended_at, row.outcome, row.is_won) for row in connection.execute(asked)]


_LATEST_FIRST = (RUNS.c.as_of.desc().nulls_last(), RUNS.c.number.desc())


def _runs_of(project: str, lead_id: str, product: str | None, until: LeadInRun | None = None) -> Select[Any]:
    """Keys of the lead's rows, with the moment of each run; `until`: those recorded before it stand, too."""
    found = (
        select(SCORES.c.run, SCORES.c.rank, RUNS.c.as_of)
        .join_from(SCORES, RUNS, RUNS.c.number == SCORES.c.run)
        .where(SCORES.c.lead_id == lead_id, shown_of(project))
    )
    if product is not None:
        found = found.where(SCORES.c.product == product)
    if until is None:
        return found
    same = (RUNS.c.as_of == until.as_of) if until.as_of is not None else RUNS.c.as_of.is_(None)
    reached = same & (RUNS.c.number <= until.run)
    return found.where(reached if until.as_of is None else (RUNS.c.as_of < until.as_of) | reached)


def _named(names: str, values: str | None) -> dict[str, str | None]:
    known: Sequence[str] = json.loads(names)
    return dict(zip(known, json.loads(values), strict=True)) if values else {}


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
