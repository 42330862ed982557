"""An Arrow table into a table of the ledger: COPY where PostgreSQL's psycopg is there, else executemany.

Rows are made ready before the transaction starts, so that it is short.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Dialect, Table, insert

__all__ = ["Ready", "add_ready", "ready_rows"]

Ready = str | list[tuple[Any, ...]] | list[dict[str, Any]]
# of COPY's text form; the backslash comes first
ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


def ready_rows(dialect: Dialect, rows: pa.Table) -> Ready:
    """The rows, which have every column of their table in its order, as `add_ready` takes them."""
    if dialect.name == "sqlite":
        columns = [_for_sqlite(rows.column(name)).to_pylist() for name in rows.column_names]
        return list(zip(*columns, strict=True))
    return copy_text(rows) if dialect.driver == "psycopg" else rows.to_pylist()


def add_ready(connection: Connection, table: Table, ready: Ready) -> None:
    """Add the rows in the caller's transaction."""
    if not ready:
        return
    if isinstance(ready, str):
        _copy(connection, table, ready)
    elif isinstance(ready[0], tuple):
        # past SQLAlchemy, which would look at every value
        statement = str(insert(table).compile(dialect=connection.dialect))
        connection.exec_driver_sql(statement, ready)
    else:
        connection.execute(insert(table), ready)


def copy_text(rows: pa.Table) -> str:
    r"""The rows in COPY's text form.

    Examples
    --------
    >>> import pyarrow as pa
    >>> copy_text(pa.table({"a": ["x\ty", None, "\\N"], "b": [True, False, None]}))
    'x\\ty\ttrue\n\\N\tfalse\n\\\\N\t\\N\n'
    """
    cells = [_for_copy(rows.column(name)) for name in rows.column_names]
    lines = pc.binary_join_element_wise(*cells, "\t", null_handling="replace", null_replacement="\\N")
    return "\n".join([*lines.to_pylist(), ""]) if len(rows) else ""


def _copy(connection: Connection, table: Table, text: str) -> None:
    quoted = connection.dialect.identifier_preparer.quote
    names = ", ".join(quoted(column.name) for column in table.columns)
    cursor: Any = connection.connection.cursor()
    try:
        with cursor.copy(f"COPY {quoted(table.name)} ({names}) FROM STDIN") as copy:
            copy.write(text)
    finally:
        cursor.close()


def _for_copy(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return pc.cast(column, pa.string())
    for plain, escaped in ESCAPES:
        column = pc.replace_substring(column, plain, escaped)
    return column


def _for_sqlite(column: pa.ChunkedArray) -> pa.ChunkedArray:
    # as `schema.Moment` is kept, down to the microsecond
    is_moment = pa.types.is_timestamp(column.type)
    return pc.strftime(column.cast(pa.timestamp("us")), "%Y-%m-%d %H:%M:%S") if is_moment else column
