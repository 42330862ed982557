"""What runs promised and what came of it: first entries into a band, counted by band and chance in the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    Boolean,
    Connection,
    Integer,
    and_,
    case,
    column,
    exists,
    func,
    or_,
    select,
    values,
)
from sqlalchemy.sql.elements import ColumnElement

from pipeline.ledger.schema import OUTCOMES, RUNS, SCORES, Moment, shown_of

__all__ = ["BINS", "Cell", "Maturity", "RunWindow", "maturity", "newest", "promises"]

BINS = 10
MOST_SCORES = 3_000_000  # scores read for one answer; the newest runs count, at least one


@dataclass(frozen=True)
class RunWindow:
    """When the conversions that a run promised are counted: `[counts_from, until)`.

    Attributes
    ----------
    counts_from : `as_of` plus the grace; leads that end in between are left out of the promise.
    is_first : whether no complete run of the project stands before it.
    """

    run: int
    as_of: datetime
    counts_from: datetime
    until: datetime
    scored: int
    is_first: bool


@dataclass(frozen=True)
class Maturity:
    """Which runs can be judged.

    Attributes
    ----------
    known_until : up to where the ledger knows what came: the latest event or outcome any run has seen; without
        events the latest moment of scoring. None where there is no run.
    mature : runs whose window and `delay` ended by then and before a run that came after them, which told how their
        leads ended; the earliest first.
    open : the others. A run of a past moment waits for the next run.
    """

    known_until: datetime | None
    delay: timedelta
    mature: tuple[RunWindow, ...]
    open: tuple[RunWindow, ...]

    @property
    def first_due(self) -> datetime | None:
        """When the first of the open runs can be judged."""
        return min((each.until + self.delay for each in self.open), default=None)


@dataclass(frozen=True)
class Cell:
    """Leads that entered a band for the first time with a chance in one tenth of the scale.

    Attributes
    ----------
    tenth : 0 for chances below 0.1, 9 for those from 0.9 on.
    promised : sum of the chances.
    won : leads whose first end in the window of their run is a win.
    """

    band: str
    tenth: int
    n: int
    promised: float
    won: int


def maturity(
    connection: Connection,
    project: str,
    *,
    delay: timedelta = timedelta(0),
    grace: timedelta = timedelta(0),
) -> Maturity:
    """The runs of a project that have a moment and a horizon, parted by whether their promise fell due.

    Runs of lead x product are left out: the ledger does not tell by which product a lead was won.

    Parameters
    ----------
    delay : how long outcomes take to reach the tables.
    grace : leads that end this soon after the moment of scoring are not counted.
    """
    runs = RUNS.c
    # ends don't name the product, so that a lead's win would count for all its products
    asked = (
        select(runs.number, runs.as_of, runs.horizon_days, runs.scored, runs.event_watermark)
        .where(shown_of(project), runs.as_of.is_not(None), runs.entity != "product")
        .order_by(runs.as_of, runs.number)
    )
    rows = connection.execute(asked).all()
    if not rows:
        return Maturity(None, delay, (), ())
    known_until = _known_until(connection, project, rows)
    told_until = _told_until(rows)
    windows = [
        RunWindow(
            row.number, row.as_of, row.as_of + grace, row.as_of + timedelta(days=row.horizon_days), row.scored,
            place == 0,
        )
        for place, row in enumerate(rows) if row.horizon_days is not None
    ]  # fmt: skip
    parted: dict[bool, list[RunWindow]] = {True: [], False: []}
    for window in windows:
        parted[window.until + delay <= min(known_until, told_until[window.run])].append(window)
    return Maturity(known_until, delay, tuple(parted[True]), tuple(parted[False]))


def promises(connection: Connection, project: str, windows: Sequence[RunWindow]) -> list[Cell]:
    """First entries into each band made by these runs, by band and tenth; empty cells are left out.

    A lead counts once a band, in the first complete run of the project that gave it that band. Scores without
    a chance don't count.
    """
    if not windows:
        return []
    table = _as_table(windows)
    given = _entries(connection, project, table)
    ends = _ends(connection, project, table)
    cells = []
    for key, (n, promised) in sorted(given.items()):
        won, early, early_promised = ends.get(key, (0, 0, 0.0))
        if n > early:
            cells.append(Cell(*key, n - early, promised - early_promised, won))
    return cells


def newest(windows: Iterable[RunWindow]) -> list[RunWindow]:
    """The latest runs that can be read at once, the latest first: at most `MOST_SCORES` scores, at least one run."""
    found: list[RunWindow] = []
    total = 0
    for window in sorted(windows, key=lambda each: (each.as_of, each.run), reverse=True):
        total += window.scored
        if found and total > MOST_SCORES:
            break
        found.append(window)
    return found


def _known_until(connection: Connection, project: str, rows: Sequence[Any]) -> datetime:
    latest: datetime = rows[-1].as_of
    seen: list[datetime] = [row.event_watermark for row in rows if row.event_watermark is not None]
    if not seen:
        return latest
    of_project = OUTCOMES.c.project == project
    ended: datetime | None = connection.scalar(
        select(func.max(OUTCOMES.c.ended_at)).where(of_project, OUTCOMES.c.ended_at < latest)
    )
    return min(latest, max(seen if ended is None else [*seen, ended]))


def _told_until(rows: Sequence[Any]) -> dict[int, datetime]:
    """By run, up to where later recorded runs told how its leads ended: a run tells of those before it alone."""
    found: dict[int, datetime] = {}
    latest = rows[0].as_of
    for row in sorted(rows, key=lambda each: each.number, reverse=True):
        latest = found[row.number] = max(latest, row.as_of)
    return found


def _as_table(windows: Sequence[RunWindow]) -> CTE:
    """The windows as a table that the database joins with."""
    rows = [(each.run, each.as_of, each.counts_from, each.until, each.is_first) for each in windows]
    return (
        values(
            column("run", Integer), column("as_of", Moment), column("counts_from", Moment), column("until", Moment),
            column("is_first", Boolean), name="windows",
        ).data(rows).cte("windows")
    )  # fmt: skip


def _tenth() -> ColumnElement[int]:
    p = SCORES.c.probability
    return case(*((p < (k + 1) / BINS, k) for k in range(BINS - 1)), else_=BINS - 1)


def _is_first_entry(project: str, table: CTE) -> ColumnElement[bool]:
    """Whether no earlier complete run gave the lead this band.

    The band of the run before answers for most rows without a look at any other run.
    """
    former = SCORES.alias("former")
    is_earlier = or_(
        RUNS.c.as_of < table.c.as_of, and_(RUNS.c.as_of == table.c.as_of, RUNS.c.number < table.c.run)
    )
    had_it = exists().where(
        former.c.lead_id == SCORES.c.lead_id, former.c.product == SCORES.c.product,
        former.c.band == SCORES.c.band, RUNS.c.number == former.c.run, shown_of(project), is_earlier,
    )  # fmt: skip
    has_come = or_(SCORES.c.band_before.is_(None), SCORES.c.band_before != SCORES.c.band)
    return or_(table.c.is_first, and_(has_come, ~had_it))


def _entries(connection: Connection, project: str, table: CTE) -> dict[tuple[str, int], tuple[int, float]]:
    """Leads and the sum of their chances by band and tenth."""
    tenth = _tenth().label("tenth")
    asked = (
        select(SCORES.c.band, tenth, func.count(), func.sum(SCORES.c.probability))
        .join_from(table, SCORES, SCORES.c.run == table.c.run)
        .where(SCORES.c.probability.is_not(None), _is_first_entry(project, table))
        .group_by(SCORES.c.band, tenth)
    )
    return {(band, tenth): (n, promised) for band, tenth, n, promised in connection.execute(asked)}


def _ends(connection: Connection, project: str, table: CTE) -> dict[tuple[str, int], tuple[int, int, float]]:
    """Leads won in their window, leads that ended in the grace, and the chances of these, by band and tenth."""
    tenth, ended = _tenth().label("tenth"), OUTCOMES.c.ended_at
    earlier = OUTCOMES.alias("earlier")
    is_first_end = ~exists().where(
        earlier.c.project == project, earlier.c.lead_id == OUTCOMES.c.lead_id,
        earlier.c.ended_at >= table.c.as_of, earlier.c.ended_at < ended,
    )  # fmt: skip
    is_early = ended < table.c.counts_from
    # the sum keeps SQLite from reading whole runs by their key: few leads end, and their rows are found by lead
    is_its_score = and_(SCORES.c.lead_id == OUTCOMES.c.lead_id, SCORES.c.run + 0 == table.c.run)
    asked = (
        select(
            SCORES.c.band, tenth, func.sum(case((and_(OUTCOMES.c.is_won, ~is_early), 1), else_=0)),
            func.sum(case((is_early, 1), else_=0)), func.sum(case((is_early, SCORES.c.probability), else_=0.0)),
        )
        .join_from(
            OUTCOMES, table, and_(OUTCOMES.c.project == project, ended >= table.c.as_of, ended < table.c.until)
        )
        .join(SCORES, is_its_score)
        .where(SCORES.c.probability.is_not(None), is_first_end, _is_first_entry(project, table))
        .group_by(SCORES.c.band, tenth)
    )  # fmt: skip
    return {(band, tenth): (won, early, p) for band, tenth, won, early, p in connection.execute(asked)}
