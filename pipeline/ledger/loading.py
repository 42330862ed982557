"""A run loaded in many short transactions, so that no other writer waits long; a killed one is gone on with.

How far the run is stands in `ledger_loading`, changed in the transaction that adds the rows and locked by it. So two
processes that load the same run do the parts by turns, and rows that were deleted meanwhile don't come back.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from features.errors import OutputError
from pipeline.ledger.copying import add_ready, ready_rows
from pipeline.ledger.queue import count_facets
from pipeline.ledger.schema import DETAILS, ERASURES, LOADING, OUTCOMES, RUNS, SCORES

if TYPE_CHECKING:
    from pipeline.ledger.keeping import RunToKeep
    from pipeline.ledger.store import Ledger

__all__ = ["count_erasures", "load_run", "withhold"]

PART_ROWS = 2_000  # about a tenth of a second
PAUSE_SECONDS = 0.015  # between the parts on SQLite, where another writer asks all the time
CHUNK_ROWS = 5_000
ABANDONED = timedelta(days=7)
FORGET_LOCK = 7_305_882  # any number of our own


@dataclass(frozen=True)
class Progress:
    """How far a run is loaded: ranks done, and marks of the leads to leave out."""

    loaded: int
    withheld: frozenset[str]


def load_run(ledger: Ledger, run: RunToKeep) -> bool:
    """Load a run, or what is missing of it; False if it was complete or another process completed it.

    Raises
    ------
    OutputError
        If the database can't be written; what is loaded stays, unseen by readers, and is gone on with. If a lead was
        forgotten while the run was scored: it may be in there.
    """
    with ledger.writing_in_parts() as connection:
        number = _begun(connection, run)
        if number is None:
            return False
        pause = PAUSE_SECONDS if connection.dialect.name == "sqlite" else 0.0
        progress: Progress | None = Progress(0, frozenset())
        while progress is not None and progress.loaded < len(run.table):
            progress = _part_loaded(connection, run, number, progress)
            time.sleep(pause)
        endings = run.facts.endings
        gone = ({"lead": lead, "moment": moment} for lead, moment in endings.withdrawn)
        for load, rows in ((_withdraw_outcomes, gone), (_load_outcomes, endings.rows)):
            for chunk in _chunks(rows):
                with connection.begin():
                    progress = _progress(connection, number)
                    if progress is not None:
                        load(connection, run, number, chunk, progress)
                time.sleep(pause)
        if progress is None:
            return _completed_by_another(connection, number)
        with ledger.reading() as reader:  # two passes over the rows, while nobody waits
            facets = count_facets(reader, number, run.values["as_of"]).to_json()
        is_first = _completed(connection, number, facets)
        _sweep(connection, run.project.name, pause)
        return is_first


def withhold(connection: Connection, projects: Sequence[str], lead_id: str) -> int:
    """Let the runs that are being loaded leave a lead out from now on; how many they are."""
    _take_turns(connection)
    runs = select(RUNS.c.number, RUNS.c.run_id).where(
        RUNS.c.project.in_(projects), RUNS.c.is_complete.is_(False)
    )
    found = connection.execute(runs).all()
    for number, run_id in found:
        progress = _progress(connection, number)
        if progress is not None:
            marks = sorted(progress.withheld | {_mark(run_id, lead_id)})
            _keep_progress(connection, number, withheld=json.dumps(marks))
    return len(found)


def _begun(connection: Connection, run: RunToKeep) -> int | None:
    """Number of the run, whose row is added if it is not there yet; None if it is complete."""
    asked = select(RUNS.c.number, RUNS.c.is_complete).where(RUNS.c.run_id == run.run_id)
    with connection.begin():
        _take_turns(connection)
        found = connection.execute(asked).one_or_none()
        if found is None:
            _refuse_forgotten(connection, run)
            try:
                with connection.begin_nested():
                    values = {**run.values, "is_complete": False, "recorded_at": datetime.now(UTC)}
                    made = connection.execute(insert(RUNS).values(values)).inserted_primary_key
                    assert made is not None
                    connection.execute(insert(LOADING).values(run=made[0], loaded=0, withheld="[]"))
                return int(made[0])
            except IntegrityError:  # another process was faster; its transaction is through
                found = connection.execute(asked).one()
    return None if found.is_complete else int(found.number)


def count_erasures(connection: Connection) -> int:
    """How many leads the ledger was told to forget, of whatever project."""
    return connection.scalar(select(func.count()).select_from(ERASURES)) or 0


def _refuse_forgotten(connection: Connection, run: RunToKeep) -> None:
    if count_erasures(connection) > run.forgotten:
        raise OutputError(
            "A lead was forgotten while this run was being scored, which may still hold it. Nothing was published; "
            "score again."
        )


def _take_turns(connection: Connection) -> None:
    """Forgetting a lead and beginning a run come one after the other; on SQLite all writers do."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FORGET_LOCK})


def _progress(connection: Connection, number: int) -> Progress | None:
    """How far the run is, locked until the transaction ends; None if it is complete."""
    asked = select(LOADING.c.loaded, LOADING.c.withheld).where(LOADING.c.run == number).with_for_update()
    found = connection.execute(asked).one_or_none()
    return None if found is None else Progress(found.loaded, frozenset(json.loads(found.withheld)))


def _keep_progress(connection: Connection, number: int, **values: Any) -> None:
    connection.execute(update(LOADING).where(LOADING.c.run == number).values(values))


def _part_loaded(connection: Connection, run: RunToKeep, number: int, progress: Progress) -> Progress | None:
    """How far the run is after the next part; where it is not as supposed, nothing is added and the truth told."""
    scores, details = run.part(number, progress.loaded, PART_ROWS)  # made ready while nobody waits
    done = replace(progress, loaded=progress.loaded + len(scores))
    if progress.withheld:
        ids = scores.column("lead_id").to_pylist()
        is_kept = pa.array([_mark(run.run_id, each) not in progress.withheld for each in ids], pa.bool_())
        scores, details = scores.filter(is_kept), details.filter(is_kept)
    ready = [
        (SCORES, ready_rows(connection.dialect, scores)),
        (DETAILS, ready_rows(connection.dialect, details)),
    ]
    with connection.begin():
        now = _progress(connection, number)
        if now != progress:
            return now
        for table, rows in ready:
            add_ready(connection, table, rows)
        _keep_progress(connection, number, loaded=done.loaded)
    return done


def _load_outcomes(
    connection: Connection, run: RunToKeep, number: int, rows: Sequence[Mapping[str, Any]], progress: Progress
) -> None:
    new = [
        {**row, "run": number} for row in rows if _mark(run.run_id, row["lead_id"]) not in progress.withheld
    ]
    if new:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        added = dialect.insert(OUTCOMES)
        is_other = or_(*(OUTCOMES.c[name] != added.excluded[name] for name in ("outcome", "is_won")))
        corrected = {name: added.excluded[name] for name in ("outcome", "is_won", "run")}
        key = list(OUTCOMES.primary_key)
        is_ours = and_(is_other, _is_not_told_later(run))
        connection.execute(
            added.on_conflict_do_update(index_elements=key, set_=corrected, where=is_ours), new
        )


def _withdraw_outcomes(
    connection: Connection, run: RunToKeep, _: int, rows: Sequence[Mapping[str, Any]], __: Progress
) -> None:
    is_it = and_(OUTCOMES.c.lead_id == bindparam("lead"), OUTCOMES.c.ended_at == bindparam("moment"))
    of_project = OUTCOMES.c.project == run.project.name
    connection.execute(delete(OUTCOMES).where(of_project, is_it, _is_not_told_later(run)), rows)


def _is_not_told_later(run: RunToKeep) -> ColumnElement[bool]:
    """Whether an outcome is not what a run of a later moment has said, which may have been loaded meanwhile."""
    return OUTCOMES.c.run.not_in(select(RUNS.c.number).where(RUNS.c.as_of > run.values["as_of"]))


def _completed(connection: Connection, number: int, facets: str) -> bool:
    """Show the run to readers; False if another process did."""
    with connection.begin():
        if _progress(connection, number) is None:
            return False
        shown = {"is_complete": True, "facets": facets, "recorded_at": datetime.now(UTC)}
        connection.execute(update(RUNS).where(RUNS.c.number == number).values(shown))
        connection.execute(delete(LOADING).where(LOADING.c.run == number))
    return True


def _completed_by_another(connection: Connection, number: int) -> bool:
    with connection.begin():
        if connection.scalar(select(RUNS.c.is_complete).where(RUNS.c.number == number)):
            return False
    raise OutputError(
        "This run was begun over a week ago, and swept away while it was gone on with. Score again."
    )


def _sweep(connection: Connection, project: str, pause: float) -> None:
    """Take away what killed runs have left that nobody went on with for a week."""
    is_left = and_(RUNS.c.is_complete.is_(False), RUNS.c.recorded_at < datetime.now(UTC) - ABANDONED)
    with connection.begin():
        left = connection.scalars(select(RUNS.c.number).where(RUNS.c.project == project, is_left)).all()
    for number in left:
        with connection.begin():
            _progress(connection, number)  # waits for whoever goes on with it just now
            renamed = update(RUNS).where(RUNS.c.number == number, is_left).values(run_id=f"swept {number}")
            if connection.execute(renamed).rowcount == 0:
                continue
            connection.execute(delete(LOADING).where(LOADING.c.run == number))
        while _part_swept(connection, number):
            time.sleep(pause)


def _part_swept(connection: Connection, number: int) -> bool:
    """Delete the last part of a run; without any the run itself, and False."""
    with connection.begin():
        last = connection.scalar(select(func.max(SCORES.c.rank)).where(SCORES.c.run == number))
        if last is None:
            connection.execute(delete(OUTCOMES).where(OUTCOMES.c.run == number))
            connection.execute(delete(RUNS).where(RUNS.c.number == number))
            return False
        for table in (DETAILS, SCORES):
            connection.execute(delete(table).where(table.c.run == number, table.c.rank > last - PART_ROWS))
    return True


def _mark(run_id: str, lead_id: str) -> str:
    """What stands for a lead while the run is loaded; it goes when the run is complete."""
    return hashlib.sha256(f"{run_id}\0{lead_id}".encode()).hexdigest()


def _chunks(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    left = iter(rows)
    for first in left:
        yield list(chain([first], islice(left, CHUNK_ROWS - 1)))
