"""Many rows into the ledger at once: COPY where PostgreSQL's psycopg is there, else executemany."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from sqlalchemy import Connection, Table, insert

__all__ = ["load_rows"]

CHUNK_ROWS = 5_000
Row = Mapping[str, Any]


def load_rows(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Add the rows, each with a value for every column of the table, in the caller's transaction."""
    if connection.dialect.name == "postgresql" and connection.dialect.driver == "psycopg":
        _copy(connection, table, rows)
        return
    for chunk in _chunks(rows):
        connection.execute(insert(table), chunk)


def _copy(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    names = [column.name for column in table.columns]
    quoted = connection.dialect.identifier_preparer.quote
    statement = f"COPY {quoted(table.name)} ({', '.join(map(quoted, names))}) FROM STDIN"
    cursor: Any = connection.connection.cursor()
    try:
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row([row[name] for name in names])
    finally:
        cursor.close()


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    for first in left:
        yield list(chain([first], islice(left, CHUNK_ROWS - 1)))
