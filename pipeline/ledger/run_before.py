"""What the ledger knows before a run: the run before it, and when all earlier ones looked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from features.asof import NEVER
from pipeline.config import Project
from pipeline.ledger.schema import RUNS, SCORES
from pipeline.ledger.store import open_ledger

__all__ = ["RunBefore", "in_microseconds", "moment_of", "run_before"]

PART_ROWS = 20_000
START = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RunBefore:
    """The latest complete run of the project whose moment lies before another's.

    Attributes
    ----------
    as_of : microseconds.
    scores : score and band by (lead_id, product); the product is empty but for lead x product.
    moments : microseconds of all complete runs up to this one, rising, each once.
    """

    as_of: int
    scores: Mapping[tuple[str, str], tuple[float, str]]
    moments: tuple[int, ...]


def run_before(project: Project, as_of: int) -> RunBefore | None:
    """The run before a moment; None if the ledger has none, or the runs have no moments.

    A run at the same moment is none before it: whoever scores twice, with one model or two, compares with the
    same earlier run.

    Parameters
    ----------
    as_of : microseconds, `NEVER` for a flat export.
    """
    if as_of == NEVER:
        return None
    asked = (
        select(RUNS.c.number, RUNS.c.as_of)
        .where(RUNS.c.project == project.name, RUNS.c.is_complete, RUNS.c.as_of < moment_of(as_of))
        .order_by(RUNS.c.as_of, RUNS.c.number)
    )
    with open_ledger(project, is_new_allowed=True).reading() as connection:
        runs = connection.execute(asked).all()
        if not runs:
            return None
        of_run = select(SCORES.c.lead_id, SCORES.c.product, SCORES.c.score, SCORES.c.band).where(
            SCORES.c.run == runs[-1].number
        )
        scores: dict[tuple[str, str], tuple[float, str]] = {}
        for part in connection.execution_options(yield_per=PART_ROWS).execute(of_run).partitions():
            scores.update(((lead, product), (score, band)) for lead, product, score, band in part)
    moments = sorted({in_microseconds(run.as_of) for run in runs})
    return RunBefore(moments[-1], scores, tuple(moments))


def moment_of(microseconds: int) -> datetime:
    """A moment from microseconds since 1970, UTC.

    Examples
    --------
    >>> moment_of(1_000_000).isoformat()
    '1970-01-01T00:00:01+00:00'
    """
    return START + timedelta(microseconds=microseconds)


def in_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of a moment with a time zone."""
    return (moment - START) // timedelta(microseconds=1)
