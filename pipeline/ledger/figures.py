"""Aggregates for the manager: what lies above each score, what a run moved, what became of answered leads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, and_, case, cast, exists, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from pipeline.ledger.schema import ERASURES, FEEDBACK, OUTCOMES, RUNS, SCORES, shown_of

__all__ = [
    "Answered",
    "Crossing",
    "Heap",
    "answered_leads",
    "crossings",
    "first_leads",
    "ledger_state",
    "movers",
    "present_run",
    "recent_runs",
    "score_heaps",
]

RUN_COLUMNS = (
    "number", "run_id", "entity", "as_of", "model_version", "horizon_days", "rows_in", "scored", "not_open",
    "quarantined", "event_watermark", "recorded_at",
)  # fmt: skip
MOVER_COLUMNS = (
    "lead_id", "product", "score", "score_before", "band", "band_before", "name", "company", "first_reason",
    "first_points",
)  # fmt: skip


@dataclass(frozen=True)
class Heap:
    """Leads of one run taken together.

    Attributes
    ----------
    score : the whole score they share, or the lowest of them.
    conversions, variance : sum of p and of p (1 - p) over the leads with a chance.
    with_chance, with_value : how many have a chance, how many an expected value.
    """

    score: int
    n: int
    with_chance: int
    conversions: float
    variance: float
    with_value: int
    value: float


@dataclass(frozen=True)
class Crossing:
    """Leads of one run that the run before had in `before` and this one has in `after`."""

    before: str | None
    after: str
    n: int
    mean_change: float | None


@dataclass(frozen=True)
class Answered:
    """What became of the leads whose latest verdict this is: first ends on record since the score answered to."""

    verdict: str
    n: int
    won: int
    lost: int


def present_run(connection: Connection, project: str) -> dict[str, Any] | None:
    """The complete run of the project's own target with the latest moment of scoring, None before the first."""
    found = recent_runs(connection, project, 1)
    return found[0] if found else None


def recent_runs(
    connection: Connection, project: str, limit: int, *, number: int | None = None
) -> list[dict[str, Any]]:
    """Complete runs of the project's own target, the latest moment of scoring first; of one number if it is given."""
    runs = RUNS.c
    asked = (
        select(*(runs[name] for name in RUN_COLUMNS))
        .where(shown_of(project))
        .where(*([] if number is None else [runs.number == number]))
        .order_by(runs.as_of.desc().nulls_last(), runs.number.desc())
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(asked).mappings()]


def ledger_state(connection: Connection, project: str) -> tuple[Any, ...]:
    """What changes whenever runs, scores or ends of the project do: a run came, was taken out or lost a lead."""
    erased = select(func.max(ERASURES.c.number)).scalar_subquery()
    asked = select(func.count(), func.max(RUNS.c.number), erased).where(
        RUNS.c.project == project, RUNS.c.is_complete
    )
    return tuple(connection.execute(asked).one())


def score_heaps(connection: Connection, run: int) -> list[Heap]:
    """The leads of a run by whole score, the highest first: at most 101 rows whatever the size of the run."""
    score = _whole(connection, SCORES.c.score).label("heap")
    asked = select(score, *_sums()).where(SCORES.c.run == run).group_by(score).order_by(score.desc())
    return [_heap(row) for row in connection.execute(asked)]


def first_leads(connection: Connection, run: int, n: int) -> Heap:
    """The first `n` leads of a run in call order, taken together."""
    lowest = func.coalesce(func.min(_whole(connection, SCORES.c.score)), 0)
    asked = select(lowest, *_sums()).where(SCORES.c.run == run, SCORES.c.rank <= n)
    return _heap(connection.execute(asked).one())


def crossings(connection: Connection, run: int) -> list[Crossing]:
    """The leads of a run by the band of the run before and the band now, the largest groups first."""
    scores = SCORES.c
    asked = (
        select(scores.band_before, scores.band, func.count(), func.avg(scores.score - scores.score_before))
        .where(scores.run == run)
        .group_by(scores.band_before, scores.band)
    )
    found = [Crossing(*row) for row in connection.execute(asked)]
    return sorted(found, key=lambda each: (-each.n, each.before or "", each.after))


def movers(connection: Connection, run: int, limit: int) -> list[dict[str, Any]]:
    """The leads of a run whose score went farthest from that of the run before, the farthest first."""
    scores = SCORES.c
    farthest = func.abs(scores.score - scores.score_before)
    asked = (
        select(*(scores[name] for name in MOVER_COLUMNS))
        .where(scores.run == run, scores.score_before.is_not(None), scores.score != scores.score_before)
        .order_by(farthest.desc(), scores.rank)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(asked).mappings()]


def answered_leads(connection: Connection, project: str) -> list[Answered]:
    """Leads by their latest verdict and how they ended since; a lead counts once.

    An answer is as late as the work it tells of, else as its record: old ones may be imported last. What counts is
    the first end at or after the moment of scoring that sales answered to, or of the answer where no run is known.
    """
    later, earlier = FEEDBACK.alias("later"), OUTCOMES.alias("earlier")
    answered, answered_later = (
        func.coalesce(each.c.worked_at, each.c.recorded_at) for each in (FEEDBACK, later)
    )
    since = func.coalesce(RUNS.c.as_of, answered)
    is_latest = ~exists().where(
        later.c.project == project, later.c.lead_id == FEEDBACK.c.lead_id,
        or_(answered_later > answered, and_(answered_later == answered, later.c.number > FEEDBACK.c.number)),
        later.c.verdict.is_not(None),
    )  # fmt: skip
    is_first_end = ~exists().where(
        earlier.c.project == project, earlier.c.lead_id == OUTCOMES.c.lead_id,
        earlier.c.ended_at >= since, earlier.c.ended_at < OUTCOMES.c.ended_at,
    )  # fmt: skip
    is_its_end = and_(
        OUTCOMES.c.project == project, OUTCOMES.c.lead_id == FEEDBACK.c.lead_id, OUTCOMES.c.ended_at >= since,
        is_first_end,
    )  # fmt: skip
    asked = (
        select(FEEDBACK.c.verdict, func.count(), _count(OUTCOMES.c.is_won), _count(~OUTCOMES.c.is_won))
        .select_from(FEEDBACK)
        .outerjoin(RUNS, RUNS.c.number == FEEDBACK.c.run)
        .outerjoin(OUTCOMES, is_its_end)
        .where(FEEDBACK.c.project == project, FEEDBACK.c.verdict.is_not(None), is_latest)
        .group_by(FEEDBACK.c.verdict).order_by(FEEDBACK.c.verdict)
    )  # fmt: skip
    return [Answered(*row) for row in connection.execute(asked)]


def _whole(connection: Connection, score: ColumnElement[float]) -> ColumnElement[int]:
    if connection.dialect.name != "sqlite":
        return cast(func.floor(score), Integer)
    # SQLite's floor is optional; its cast cuts off, which is no floor below 0
    cut = cast(score, Integer)
    return cut - case((score < cut, 1), else_=0)


def _sums() -> tuple[ColumnElement[Any], ...]:
    p, value = SCORES.c.probability, SCORES.c.expected_value
    return (
        func.count(), func.count(p), func.coalesce(func.sum(p), 0.0), func.coalesce(func.sum(p * (1.0 - p)), 0.0),
        func.count(value), func.coalesce(func.sum(value), 0.0),
    )  # fmt: skip


def _heap(row: Any) -> Heap:
    return Heap(*row)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
