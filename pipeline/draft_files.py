"""Reads the start of unknown export files and guesses which table of the contract each one is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from features.contracts import CONTRACT, TableName
from features.errors import ConfigError, InputError
from features.values import parse_numbers, parse_times
from pipeline.addresses import full_address, has_secret
from pipeline.config import TableSettings
from pipeline.draft_names import FILE_NAMES, NULL_MARKERS, TIME_FORMATS, known_names
from pipeline.tables.csv_reader import read_csv
from pipeline.tables.files import read_file
from pipeline.tables.parquet import read_parquet
from pipeline.tables.raw import Source

__all__ = ["Export", "assign_tables", "map_columns", "plain", "read_export", "read_tables", "time_format_of"]

_ROWS = 50_000


@dataclass(frozen=True)
class Export:
    """The start of one file, or of one table of a database, as text under its own column names.

    Attributes
    ----------
    frame : at most 50,000 rows; text, or datetime64 where the format is typed. Null markers are still in it.
    nulls : the markers found that clearly mean "nothing".
    is_table : whether `path` is the name of a table.
    """

    path: Path
    frame: pd.DataFrame
    delimiter: str = ","
    encoding: str = "utf-8"
    nulls: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    is_table: bool = False

    def values(self, name: str) -> pd.Series:
        """A column without its null markers."""
        column = self.frame[name]
        if not isinstance(column.dtype, pd.StringDtype):
            return column
        return column.mask(column.isin(["", *self.nulls]))


def read_export(path: Path) -> Export:
    """The start of a CSV or Parquet file, with its delimiter, encoding and null markers.

    Raises
    ------
    InputError
        If the file can't be read.
    """
    file = read_file(path)
    delimiter, encoding = ",", "utf-8"
    if file.is_parquet:
        source = read_parquet(file.data, file.name)
    else:
        encoding = _encoding(file.data)
        data = _head(file.data) if encoding in {"utf-8", "cp1252"} else file.data
        delimiter = _delimiter(data[:8192].decode(encoding, errors="replace"))
        settings = TableSettings.model_validate(
            {"path": path.name, "delimiter": delimiter, "encoding": encoding}
        )
        source = read_csv(data, settings, file.name)
    if not source.names or len(set(source.names)) < len(source.names):
        raise InputError(f"{path} has no header or repeated column names; mend the export first.")
    frame = _frame(source)
    return Export(path, frame, delimiter, encoding, _nulls(frame))


def read_tables(url: str, names: Sequence[str], folder: Path) -> list[Export]:
    """The start of some tables of a database, in no order.

    Parameters
    ----------
    url : as in the project file; a path of SQLite stands against the folder.

    Raises
    ------
    ConfigError, InputError
        If the address holds a password, the database can't be reached or a table can't be read.
    """
    from pipeline.tables.sql import SqlTables

    if has_secret(url):
        raise ConfigError(
            "The address holds a password, which the draft would keep for all to read. Put the address into a "
            "variable of the environment, and give its name: --url env:CRM_DATABASE_URL."
        )
    with closing(SqlTables(full_address(url, folder))) as database:
        frames = [_frame(database.read(name, limit=_ROWS)[0]) for name in names]
    return [
        Export(Path(name), frame, nulls=_nulls(frame), is_table=True)
        for name, frame in zip(names, frames, strict=True)
    ]


def _frame(source: Source) -> pd.DataFrame:
    return pd.DataFrame(
        {name: _text(column[:_ROWS]) for name, column in zip(source.names, source.columns, strict=True)}
    )


def _nulls(frame: pd.DataFrame) -> tuple[str, ...]:
    texts = [frame[name] for name in frame if isinstance(frame[name].dtype, pd.StringDtype)]
    return tuple(marker for marker in NULL_MARKERS if any((column == marker).any() for column in texts))


def plain(name: str) -> str:
    """A column name in lower case without anything but letters and digits.

    Examples
    --------
    >>> plain("(Do Not Modify) Lead")
    'donotmodifylead'
    """
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def time_format_of(values: pd.Series) -> tuple[bool, str | None, bool]:
    """Whether the values are moments, the format they need (None: ISO 8601), and whether it is ambiguous.

    Examples
    --------
    >>> time_format_of(pd.Series(["3/1/2017", "12/31/2016"], dtype="str"))
    (True, '%m/%d/%Y', False)
    """
    if not isinstance(values.dtype, pd.StringDtype):
        return isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M", None, False
    sample = values.dropna().head(3_000)
    if sample.empty or parse_numbers(sample).values.notna().mean() > 0.5:
        return False, None, False
    if parse_times(sample, None, "UTC").values.notna().mean() >= 0.98:
        return True, None, False
    fits = [each for each in TIME_FORMATS if parse_times(sample, each, "UTC").values.notna().mean() >= 0.98]
    return bool(fits), fits[0] if fits else None, len(fits) > 1


def map_columns(export: Export, table: TableName) -> dict[str, str]:
    """The contract's columns of a table found in a file: ours = theirs, by known names, each used once.

    A column that has an optional one's name but can't be read as it is mapped to nothing ("").
    """
    found: dict[str, str] = {}
    for column in CONTRACT[table]:
        for wanted in known_names(table, column.name):
            near = [
                name
                for name in export.frame
                if plain(str(name)) == wanted and str(name) not in found.values()
            ]
            near = [name for name in near if _fits(export, str(name), column.kind)]
            if near:
                found[column.name] = str(near[0])
                break
        else:
            if not column.required and any(plain(str(name)) == plain(column.name) for name in export.frame):
                found[column.name] = ""
    return found


def assign_tables(exports: Sequence[Export]) -> dict[TableName, Export]:
    """Which file is which table, at most one each; the leads are always found.

    Raises
    ------
    InputError
        If there is no file.
    """
    if not exports:
        raise InputError("No files were given; name the CSV or Parquet files of the export.")
    if len(exports) == 1:
        return {"leads": exports[0]}
    scores = {(k, table): _score(export, table) for k, export in enumerate(exports) for table in CONTRACT}
    found: dict[TableName, Export] = {}
    used: set[int] = set()
    for (k, table), score in sorted(scores.items(), key=lambda item: -item[1]):
        if score > 0 and k not in used and table not in found:
            found[table] = exports[k]
            used.add(k)
    if "leads" not in found:
        rest = [k for k in range(len(exports)) if k not in used] or [
            max(used, key=lambda k: scores[k, "leads"])
        ]
        for table in [table for table, export in found.items() if export is exports[rest[0]]]:
            del found[table]
        found["leads"] = exports[rest[0]]
    return found


def _score(export: Export, table: TableName) -> float:
    mapped = map_columns(export, table)
    required = [column.name for column in CONTRACT[table] if column.required]
    if any(name not in mapped for name in required if not (table == "leads" and name == "lead_id")):
        return 0.0
    score = 1.0 + 4.0 * bool(re.search(FILE_NAMES[table], export.path.name.casefold()))
    key = mapped.get("account_id" if table == "accounts" else "lead_id")
    mapped = {ours: theirs for ours, theirs in mapped.items() if theirs}
    is_unique = key is not None and export.frame[key].nunique() >= 0.99 * len(export.frame)
    if table in {"leads", "accounts"}:
        return score + 3.0 * is_unique if is_unique or table == "leads" else 0.0
    exact = sum(plain(mapped[name]) == plain(name) for name in required)
    if table == "field_changes":
        return score + 6.0 if "lead_id" in mapped or "account_id" in mapped else 0.0
    return score + exact + (2.0 * is_unique if table == "outcomes" else 2.0 * (not is_unique))


def _fits(export: Export, name: str, kind: str) -> bool:
    if kind == "time":
        return time_format_of(export.values(name))[0]
    return kind != "number" or bool(parse_numbers(_as_text(export.values(name))).values.notna().any())


def _as_text(values: pd.Series) -> pd.Series:
    return values if isinstance(values.dtype, pd.StringDtype) else values.astype("str")


def _text(values: Any) -> pd.Series:
    if pa.types.is_timestamp(values.type):
        moments: pd.Series = values.to_pandas()
        return moments
    if pa.types.is_floating(values.type):
        numbers: pd.Series = values.to_pandas()
        return numbers.map(lambda value: f"{value:.15g}", na_action="ignore").astype("str")
    return pd.Series(values.cast(pa.large_string()).to_pandas(), dtype="str")


def _encoding(data: bytes) -> str:
    if data.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "utf-32"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _head(data: bytes) -> bytes:
    """The first lines, whole; a quoted record cut at the end is left to the reader."""
    position = -1
    for _ in range(_ROWS + 1):
        following = data.find(b"\n", position + 1)
        if following < 0:
            return data
        position = following
    return data[: position + 1]


def _delimiter(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()][:20]
    counts = Counter({mark: lines[0].count(mark) for mark in ",;\t|"} if lines else {})
    mark, count = counts.most_common(1)[0] if counts else (",", 0)
    return mark if count else ","
