"""Figures as they are printed: a value with its interval, a sign with its word, and tables of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from models.intervals import Interval

__all__ = ["Cell", "Mark", "Ranged", "Row", "Table", "cell", "formed", "ranged", "rows_of", "sized"]

SIGNS = {"good": "✓", "bad": "✕", "open": "?"}


@dataclass(frozen=True)
class Ranged:
    """A value and its 95 % interval, both as text."""

    value: str
    interval: str


@dataclass(frozen=True)
class Mark:
    """An answer that is read by its sign and its words, not by its colour alone."""

    key: Literal["good", "bad", "open"]
    words: str

    @property
    def sign(self) -> str:
        """The sign before the words."""
        return SIGNS[self.key]


Cell = str | Ranged | Mark


@dataclass(frozen=True)
class Row:
    """Cells of one row, the first its name; `meaning` stands below the name."""

    cells: tuple[Cell, ...]
    meaning: str = ""
    is_chosen: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Attributes
    ----------
    title : says what the table holds, for readers and screen readers.
    texts : columns that hold words; the others but the first hold numbers and stand to the right.
    note : what the reader has to know, below the table.
    shown : rows beyond are folded away.
    tag : what a chosen row is marked with.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    texts: tuple[str, ...] = ()
    note: str = ""
    shown: int = 14
    tag: str = "in use"

    @property
    def is_weak(self) -> bool:
        """Whether any row says that something is off."""
        return any(isinstance(each, Mark) and each.key == "bad" for row in self.rows for each in row.cells)


def ranged(interval: Interval, form: str) -> tuple[str, str]:
    """Value and interval as text; `form` is "%", "x", "+" with a number of digits, or that number.

    Examples
    --------
    >>> ranged(Interval(0.52, 0.47, 0.57), "%")
    ('52 %', '47 % to 57 %')
    """
    value, low, high = (formed(each, form) for each in (interval.value, interval.low, interval.high))
    return value, f"{low} to {high}" if math.isfinite(interval.low) else "too few to tell"


def cell(interval: Interval, form: str) -> Ranged:
    """The same as a cell of a table."""
    return Ranged(*ranged(interval, form))


def formed(value: float, form: str) -> str:
    """A number as text, the same wherever it is printed; see `ranged` for the form."""
    if not math.isfinite(value):
        return "not shown"
    if form == "%":
        return f"{value:.1%}".replace("%", " %") if abs(value) < 0.1 else f"{value:.0%}".replace("%", " %")
    if form == "x":
        return f"{value:.1f}×"
    return f"{value:+.{form[1:]}f}" if form.startswith("+") else f"{value:.{form}f}"


def sized(*counts: int) -> tuple[str, ...]:
    """Counts with a comma at the thousands."""
    return tuple(f"{each:,}" for each in counts)


def rows_of(cells: Iterable[tuple[Cell, ...]]) -> tuple[Row, ...]:
    """Rows without a meaning, none of them chosen."""
    return tuple(Row(each) for each in cells)
