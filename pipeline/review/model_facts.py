"""What the manager's page says of promises: bands kept or not, and chances against what came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pipeline.audit.statistics import wilson
from pipeline.ledger.promises import BINS, Cell, maturity, newest, promises

if TYPE_CHECKING:
    from pipeline.config import Project
    from pipeline.ledger.store import Connection

__all__ = ["Kept", "Memory", "amount", "kept", "promise_facts", "share_within"]

Answer = TypeVar("Answer")
ROOM = 1.25  # a promise is kept if what came lies within a quarter of it, as in the gate
UNSURE = "in line, unsure"


@dataclass(frozen=True)
class Kept:
    """One promise and what came of it.

    Attributes
    ----------
    n, promised, won : leads, the sum of their chances, and how many converted in the horizon.
    mean, share : promised and converted, per lead.
    low, high : 95 % interval of the share (Wilson), leads counted as independent.
    verdict : whether the interval leaves the promise out (`promised too much`, `promised too little`), lies within a
        quarter of it (`kept`), or holds it and more; None where the horizon has not passed.
    """

    name: str
    n: int
    promised: float
    won: int
    mean: float
    share: float
    low: float
    high: float
    verdict: str | None


class Memory:
    """Answers kept as long as the ledger holds the same runs, so that the slider need not read a million scores."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, Any]] = {}

    def recall(self, name: str, state: Any, make: Callable[[], Answer]) -> Answer:
        """The answer of this name, made anew if it belongs to another state."""
        found = self._kept.get(name)
        if found is None or found[0] != state:
            found = (state, make())
            self._kept[name] = found
        answer: Answer = found[1]
        return answer


def promise_facts(connection: Connection, project: Project, bands: Sequence[str]) -> dict[str, Any]:
    """Bands and tenths of the chance with what was promised and what came, over runs whose horizon has passed.

    `is_due` is False where no horizon has passed; then the figures are what came so far, and `first_due` says when
    the first promise falls due. `left_out` counts runs that are too old to be read at once.

    Parameters
    ----------
    bands : names of the project's bands, the highest first.
    """
    delay, grace = (
        timedelta(microseconds=us) for us in (project.target.outcome_delay, project.target.outcome_grace)
    )
    found = maturity(connection, project.name, delay=delay, grace=grace)
    mature = tuple(each for each in found.mature if each.scored)  # a run without leads promised nothing
    windows = mature or found.open
    read = newest(windows)
    is_due = bool(mature)
    cells = promises(connection, project.name, read)
    names = [*bands, *sorted({each.band for each in cells} - set(bands))]
    tenths = [(f"{k * 10} to {k * 10 + 10} %", [c for c in cells if c.tenth == k]) for k in range(BINS)]
    return {
        "is_due": is_due, "known_until": found.known_until, "first_due": found.first_due,
        "runs": len(read), "left_out": len(windows) - len(read), "open_runs": len(found.open),
        "first_run": read[-1].as_of if read else None, "last_run": read[0].as_of if read else None,
        "bands": _rows(((name, [c for c in cells if c.band == name]) for name in names), is_due=is_due),
        "tenths": _rows(tenths, is_due=is_due),
        "all": next(iter(_rows([("all", cells)], is_due=is_due)), None),
    }  # fmt: skip


def kept(name: str, n: int, promised: float, won: int, *, is_due: bool = True) -> Kept:
    """The promise with its interval and verdict.

    Examples
    --------
    >>> kept("MQL", 400, 80.0, 30).verdict, kept("SQL", 10, 5.0, 4).verdict
    ('promised too much', 'in line, unsure')
    """
    mean, (share, low, high) = promised / n, share_within(won, n)
    return Kept(name, n, promised, won, mean, share, low, high, _verdict(mean, low, high) if is_due else None)


def share_within(won: int, n: int) -> tuple[float, float, float]:
    """A share with its 95 % Wilson interval."""
    low, high = wilson(np.array([float(won)]), np.array([float(n)]))
    return won / max(n, 1), max(float(low[0]), 0.0), min(float(high[0]), 1.0)


def amount(value: float | None) -> str:
    """An expected count: under ten with one decimal.

    Examples
    --------
    >>> amount(3.14), amount(1234.5)
    ('3.1', '1,234')
    """
    if value is None:
        return "–"
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def _verdict(mean: float, low: float, high: float) -> str:
    if mean > high:
        return "promised too much"
    if mean < low:
        return "promised too little"
    return "kept" if low * ROOM >= mean and high <= mean * ROOM else UNSURE


def _rows(parts: Iterable[tuple[str, list[Cell]]], *, is_due: bool) -> list[Kept]:
    return [
        kept(name, sum(c.n for c in cells), sum(c.promised for c in cells), sum(c.won for c in cells), is_due=is_due)
        for name, cells in parts if cells
    ]  # fmt: skip
