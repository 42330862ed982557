"""A run's leads in call order, a page at a time, by what is asked for; all work is left to the database."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, false, func, or_, select, update

from pipeline.ledger.schema import RUNS, SCORES, shown_of

__all__ = [
    "CHANGED_POINTS",
    "COOLING_DAYS",
    "Facets",
    "QueueFilter",
    "QueueRun",
    "count_bands",
    "count_facets",
    "find_queue_run",
    "find_run_before",
    "keep_facets",
    "list_queue_runs",
    "queue_page",
    "stored_facets",
]

CHANGED_POINTS = 5.0
COOLING_DAYS = 3
MOST_VALUES = 100  # of one field, for the choice of a filter
COLUMNS = (
    "rank", "lead_id", "product", "probability", "score", "band", "score_before", "band_before", "fit_grade",
    "engagement_grade", "silent_until", "expected_value", "is_awake", "account_id", "name", "company", "owner",
    "segment", "first_reason", "first_points",
)  # fmt: skip
SEARCHED = ("name", "company", "lead_id")


@dataclass(frozen=True)
class QueueRun:
    """A complete run of the project's own target; `facets` is what was counted when it was written, if anything."""

    number: int
    run_id: str
    as_of: datetime | None
    model_version: str
    scored: int
    recorded_at: datetime
    facets: str | None


@dataclass(frozen=True)
class QueueFilter:
    """What is asked for; None and False ask for all.

    Attributes
    ----------
    account : an account's id.
    search : a part of a name, a company or an id, in any case.
    is_changed : `CHANGED_POINTS` or more since the run before, or another band, or new.
    is_awake : active again after a silence.
    is_cooling : without more activity below its band within `COOLING_DAYS`.
    """

    band: str | None = None
    segment: str | None = None
    product: str | None = None
    owner: str | None = None
    account: str | None = None
    search: str | None = None
    is_changed: bool = False
    is_awake: bool = False
    is_cooling: bool = False

    @property
    def is_open(self) -> bool:
        """Whether all leads are asked for."""
        return not any(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True)
class Facets:
    """How many leads of a run each filter finds; of segments, products and owners the most frequent."""

    bands: dict[str, int]
    segments: dict[str, int]
    products: dict[str, int]
    owners: dict[str, int]
    changed: int
    awake: int
    cooling: int
    cooling_days: int = COOLING_DAYS

    def to_json(self) -> str:
        """The counts as JSON text, as `ledger_runs.facets` holds them."""
        return json.dumps(vars(self), ensure_ascii=False)


def list_queue_runs(connection: Connection, project: str, limit: int) -> list[QueueRun]:
    """Complete runs, the latest moment of scoring first: the first is the present one."""
    return [QueueRun(*row) for row in connection.execute(_runs(project).limit(limit))]


def find_queue_run(connection: Connection, project: str, number: int) -> QueueRun | None:
    """The complete run of this number, None if there is none."""
    row = connection.execute(_runs(project).where(RUNS.c.number == number)).first()
    return None if row is None else QueueRun(*row)


def find_run_before(
    connection: Connection, project: str, number: int, as_of: datetime | None
) -> QueueRun | None:
    """The run whose scores a run holds as those before: of an earlier moment, and there when the run was made."""
    if as_of is None:
        return None
    earlier = _runs(project).where(RUNS.c.as_of < as_of, RUNS.c.number < number).limit(1)
    row = connection.execute(earlier).first()
    return None if row is None else QueueRun(*row)


def queue_page(
    connection: Connection,
    run: QueueRun,
    asked: QueueFilter,
    limit: int,
    *,
    after: int = 0,
    before: int | None = None,
) -> list[dict[str, Any]]:
    """Up to `limit` leads that are asked for, in call order: those after a rank, or the last ones before one."""
    rank = SCORES.c.rank
    # by a bare range of ranks SQLite would walk through the run to the account's few
    place = rank if asked.account is None else rank + 0
    is_back = before is not None
    found = (
        select(*(SCORES.c[name] for name in COLUMNS))
        .where(SCORES.c.run == run.number, *_conditions(connection, run, asked))
        .where(place < before if is_back else place > after)
        .order_by(rank.desc() if is_back else rank)
        .limit(limit)
    )
    rows = [dict(row) for row in connection.execute(found).mappings()]
    return rows[::-1] if is_back else rows


def count_bands(connection: Connection, run: QueueRun, asked: QueueFilter) -> dict[str, int]:
    """How many of the leads that are asked for stand in each band."""
    counted = (
        select(SCORES.c.band, func.count())
        .where(SCORES.c.run == run.number, *_conditions(connection, run, asked))
        .group_by(SCORES.c.band)
    )
    return {str(band): n for band, n in connection.execute(counted)}


def count_facets(connection: Connection, run: int, as_of: datetime | None) -> Facets:
    """What the filters find in a run: two passes over its rows, so it is counted once, when the run is complete."""
    scores = SCORES.c
    sums = [
        func.sum(case((condition, 1), else_=0))
        for condition in (_is_changed(), scores.is_awake.is_(True), _is_cooling(as_of))
    ]
    grouped = (scores.band, scores.segment, scores.product)
    asked = select(*grouped, func.count(), *sums).where(scores.run == run).group_by(*grouped)
    bands, segments, products = Counter[str](), Counter[str](), Counter[str]()
    totals = [0, 0, 0]
    for band, segment, product, n, *parts in connection.execute(asked):
        bands[band] += n
        segments[segment or ""] += n
        products[product or ""] += n
        totals = [total + part for total, part in zip(totals, parts, strict=True)]
    n_leads = func.count()
    owned = (
        select(scores.owner, n_leads)
        .where(scores.run == run, scores.owner.is_not(None))
        .group_by(scores.owner)
        .order_by(n_leads.desc(), scores.owner)
        .limit(MOST_VALUES)
    )
    owners = {str(owner): n for owner, n in connection.execute(owned)}
    return Facets(dict(bands), _frequent(segments), _frequent(products), owners, *totals)


def keep_facets(connection: Connection, number: int) -> None:
    """Count what the filters find in a run and keep it with the run."""
    as_of = connection.execute(select(RUNS.c.as_of).where(RUNS.c.number == number)).scalar_one()
    text = count_facets(connection, number, as_of).to_json()
    connection.execute(update(RUNS).where(RUNS.c.number == number).values(facets=text))


def stored_facets(run: QueueRun) -> Facets | None:
    """What was counted when the run was written, None if nothing was, or by another span of days."""
    found = {} if run.facets is None else json.loads(run.facets)
    return Facets(**found) if found.get("cooling_days") == COOLING_DAYS else None


def _frequent(counts: Counter[str]) -> dict[str, int]:
    """The most frequent values, by name; the empty one is no choice."""
    chosen = [(value, n) for value, n in counts.most_common(MOST_VALUES + 1) if value][:MOST_VALUES]
    return dict(sorted(chosen))


def _runs(project: str) -> Select[Any]:
    runs = RUNS.c
    return (
        select(*(runs[each.name] for each in fields(QueueRun)))
        .where(shown_of(project))
        .order_by(runs.as_of.desc().nulls_last(), runs.number.desc())
    )


def _conditions(connection: Connection, run: QueueRun, asked: QueueFilter) -> Iterator[ColumnElement[bool]]:
    scores = SCORES.c
    equal = {
        scores.band: asked.band, scores.segment: asked.segment, scores.product: asked.product,
        scores.owner: asked.owner,
    }  # fmt: skip
    yield from (column == value for column, value in equal.items() if value is not None)
    if asked.account is not None:
        # the ranks come from the index of accounts alone; asked for whole rows SQLite would walk through the run
        of_account = select(SCORES.c.rank).where(scores.account_id == asked.account, scores.run == run.number)
        yield scores.rank.in_(of_account)
    if asked.is_changed:
        yield _is_changed()
    if asked.is_awake:
        yield scores.is_awake.is_(True)
    if asked.is_cooling:
        yield _is_cooling(run.as_of)
    if asked.search:
        yield _is_found(connection, asked.search)


def _is_changed() -> ColumnElement[bool]:
    scores = SCORES.c
    return or_(
        scores.score_before.is_(None),
        func.abs(scores.score - scores.score_before) >= CHANGED_POINTS,
        scores.band != scores.band_before,
    )


def _is_cooling(as_of: datetime | None) -> ColumnElement[bool]:
    until = SCORES.c.silent_until
    if as_of is None:
        return false()
    return and_(until > as_of, until <= as_of + timedelta(days=COOLING_DAYS))


def _is_found(connection: Connection, text: str) -> ColumnElement[bool]:
    """Whether the text is a part of a searched column, in any case."""
    columns = [SCORES.c[name] for name in SEARCHED]
    if connection.dialect.name == "postgresql":
        pattern = "%" + "".join("\\" + sign if sign in "\\%_" else sign for sign in text) + "%"
        return or_(*(column.ilike(pattern, escape="\\") for column in columns))
    # SQLite's LIKE knows upper and lower case of the plain letters only; others are tried as people write them
    forms = dict.fromkeys(_plain_lower(each) for each in (text, text.lower(), text.upper(), text.title()))
    return or_(*(column.contains(form, autoescape=True) for form in forms for column in columns))


def _plain_lower(text: str) -> str:
    return "".join(sign.lower() if sign.isascii() else sign for sign in text)
