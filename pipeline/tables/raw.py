"""What the readers hand over: one table as text, with what could not be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from features.contracts import Column, TableName, TableWarning
from pipeline.config import TableSettings

__all__ = ["Damaged", "Positions", "RawTable", "Source"]

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Damaged:
    """A record that can't be read: its first row, what is wrong, its raw text."""

    row: int
    code: str
    detail: str
    raw: str


@dataclass(frozen=True)
class Source:
    """One file, or one table of a database (`what`), as read, under its own column names.

    Attributes
    ----------
    file : name of the file or the table.
    names : the file's column names; they may repeat, so `columns` is by position.
    columns : text columns, or timestamp and floating ones where the format is typed.
    rows : where each readable record starts, 1-based.
    raw : raw text of the readable records at the given positions.
    blank_lines : lines with nothing on them, which are no records.
    repeated : rows of a database equal to another in every column.
    """

    file: str
    names: list[str]
    columns: list[pa.ChunkedArray]
    rows: Positions
    raw: Callable[[Positions], list[str]]
    damaged: list[Damaged] = field(default_factory=list)
    blank_lines: int = 0
    is_cut: bool = False
    what: Literal["file", "table"] = "file"
    repeated: int = 0

    @property
    def records(self) -> int:
        """Number of records, the damaged ones included."""
        return len(self.rows) + len(self.damaged)


@dataclass(frozen=True)
class RawTable:
    """One table in our column names, before any value is judged.

    Attributes
    ----------
    frame : one row a readable record; columns are `str` or datetime64.
    plan : the columns wanted, in the order of the output; those not in `frame` are optional and absent.
    attributes : names of the declared attributes among them.
    shown : columns that people see beside a score (`ledger.shown`), one row a readable record.
    """

    table: TableName
    source: Source
    settings: TableSettings
    frame: pd.DataFrame
    plan: tuple[Column, ...]
    attributes: tuple[str, ...] = ()
    warnings: tuple[TableWarning, ...] = ()
    shown: pd.DataFrame = field(default_factory=pd.DataFrame)
