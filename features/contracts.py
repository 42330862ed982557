"""The contract of the input tables: their columns, what each must hold, and the typed tables that come out.

`pipeline.tables` reads the files and fills `Tables`; everything downstream starts from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

__all__ = [
    "CONTRACT",
    "QUARANTINE_COLUMNS",
    "Column",
    "ColumnKind",
    "TableName",
    "TableWarning",
    "Tables",
    "empty_column",
    "empty_frame",
    "empty_quarantine",
]

TableName = Literal["leads", "events", "outcomes", "accounts", "field_changes"]
ColumnKind = Literal["key", "reference", "text", "number", "boolean", "time"]
QUARANTINE_COLUMNS = ("table", "file", "row", "lead_id", "code", "detail", "raw")
_DTYPES = {"number": "float64", "boolean": "float64", "time": "datetime64[us, UTC]"}


@dataclass(frozen=True)
class Column:
    """One column of the contract.

    `required`: the column must be in the file. `filled`: every row must have a value in it. A `key` is
    text that is never compared with the null values; a `reference` is an id that may be missing.
    """

    name: str
    kind: ColumnKind
    required: bool = False
    filled: bool = False


CONTRACT: dict[TableName, tuple[Column, ...]] = {
    "leads": (
        Column("lead_id", "key", required=True, filled=True),
        Column("created_at", "time"),
        Column("account_id", "reference"),
    ),
    "events": (
        Column("lead_id", "key", required=True, filled=True),
        Column("occurred_at", "time", required=True, filled=True),
        Column("event_type", "text", required=True, filled=True),
        Column("product", "text"),
        Column("channel", "text"),
        Column("value", "number"),
        Column("recorded_at", "time"),
    ),
    "outcomes": (
        Column("lead_id", "key", required=True, filled=True),
        Column("occurred_at", "time", required=True, filled=True),
        Column("outcome", "text", required=True, filled=True),
        Column("amount", "number"),
        Column("product", "text"),
        Column("target", "text"),
    ),
    "accounts": (
        Column("account_id", "key", required=True, filled=True),
        Column("is_priority", "boolean"),
    ),
    "field_changes": (
        Column("lead_id", "reference"),
        Column("account_id", "reference"),
        Column("changed_at", "time", required=True, filled=True),
        Column("field", "text", required=True, filled=True),
        Column("new_value", "text", required=True),
        Column("old_value", "text"),
    ),
}


@dataclass(frozen=True)
class TableWarning:
    """Something that was let pass, with how many records or columns it touched."""

    code: str
    table: str
    count: int
    message: str


@dataclass(frozen=True)
class Tables:
    """The typed tables of a project and everything that did not get into them.

    Ids and text are pandas `str` with NaN for null, times `datetime64[us, UTC]`, numbers float64, booleans
    float64 1/0/NaN. Every frame has all columns of its contract, also where the file lacks the column or
    the project the table, and is numbered from 0 in the order of the file.

    Attributes
    ----------
    leads : one row a lead; after the contract's columns come, for a flat export, its label and order columns
        as text, and the declared attributes found in this table.
    accounts : one row an account, with the declared attributes that are not in leads.
    quarantine : one row a record left out: table, file, row (where the record starts, 1-based: the physical
        line of a CSV, the row number of a Parquet file, the place in the order of a SQL table), lead_id (null
        where unknown), code, detail, raw.
    rows_in : records read per table, quarantined ones included, blank lines not.
    data_end : the export's own end, UTC: the setting, else the latest event or outcome, else NaT.
    digests : SHA-256 of every file, or of the rows of every SQL table, by name.
    origin : the tables of the leads, where another entity stands in their place; else None.
    shown : by table, leads and accounts, text that people see beside a score, by id; never a feature.
    """

    leads: pd.DataFrame
    events: pd.DataFrame
    outcomes: pd.DataFrame
    accounts: pd.DataFrame
    field_changes: pd.DataFrame
    quarantine: pd.DataFrame
    warnings: tuple[TableWarning, ...]
    rows_in: dict[str, int]
    data_end: pd.Timestamp
    digests: dict[str, str]
    origin: Tables | None = None
    shown: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def empty_column(kind: ColumnKind, rows: int = 0) -> pd.Series:
    """A column of nulls in the dtype of its kind.

    Examples
    --------
    >>> empty_column("number", 2).tolist()
    [nan, nan]
    """
    return pd.Series([], dtype=_DTYPES.get(kind, "str")).reindex(pd.RangeIndex(rows))


def empty_frame(table: TableName) -> pd.DataFrame:
    """A table without rows, with all columns of its contract.

    Examples
    --------
    >>> list(empty_frame("accounts").columns)
    ['account_id', 'is_priority']
    """
    return pd.DataFrame({column.name: empty_column(column.kind) for column in CONTRACT[table]})


def empty_quarantine() -> pd.DataFrame:
    """A quarantine without records.

    Examples
    --------
    >>> list(empty_quarantine().columns) == list(QUARANTINE_COLUMNS)
    True
    """
    return pd.DataFrame(
        {name: pd.Series(dtype="int64" if name == "row" else "str") for name in QUARANTINE_COLUMNS}
    )
