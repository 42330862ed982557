"""Tables and views of a database: one state of all of them, looked up in the catalogue, read in parts."""

from __future__ import annotations

import difflib
import re
import sqlite3
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from features.errors import ConfigError, InputError
from pipeline.addresses import shown_address
from pipeline.tables.raw import Source
from pipeline.tables.sql_rows import TEXT, SqlRows

__all__ = ["SqlTables"]

WAIT_SECONDS = 30
CELLS_AT_A_TIME = 100_000
FORMS = "Write sqlite:///crm.db, postgresql://USER:PASSWORD@HOST/DATABASE, or env:NAME for a variable that holds it."
_PLAIN = (
    sa.String, sa.Integer, sa.Numeric, sa.Float, sa.Boolean, sa.Date, sa.DateTime, sa.Time, sa.Interval, sa.Uuid,
    postgresql.INTERVAL, postgresql.INET, postgresql.CIDR, postgresql.MACADDR,
)  # fmt: skip
# the text of a cell must not depend on how server, database or user are set up
_SERVER = (
    "SET LOCAL TimeZone = 'UTC'", "SET LOCAL DateStyle = 'ISO'", "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL extra_float_digits = 3",
)  # fmt: skip


class SqlTables:
    """A database, open in one transaction that only reads: every table is seen in the state of the first.

    Raises
    ------
    ConfigError
        If the address is none of SQLite or PostgreSQL, or the driver is not installed.
    InputError
        If the database can't be reached.
    """

    def __init__(self, address: str) -> None:
        self._url = _parsed(address)
        self.shown = shown_address(address)
        self._is_server = self._url.get_backend_name() == "postgresql"
        try:
            self._engine = _engine(self._url)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"The database {self.shown} needs a driver that is not installed ({error.name}). "
                "Run make setup EXTRAS=postgres."
            ) from error
        self._is_lost = False
        with self._faults_told("can't be reached", "Check data.url, and that the database lets you in."):
            self._connection = self._connect()

    def close(self) -> None:
        """End the transaction."""
        with suppress(SQLAlchemyError):
            self._connection.close()

    def read(
        self, name: str, order: Sequence[str] = (), wanted: Collection[str] = (), limit: int | None = None
    ) -> tuple[Source, str]:
        """A table or view, sorted as `SqlRows.finish` says, and the SHA-256 of its rows.

        Parameters
        ----------
        name : as in the project file, with or without its schema.
        order : the columns to sort by first.
        wanted : columns that must hold plain values; others that do not are left out.
        limit : the most rows to read, of no order, for a look at the table.

        Raises
        ------
        InputError
            If there is no such table, a wanted column holds documents, lists or bytes, or the connection is lost.
        """
        if self._is_lost:
            raise InputError(f"{name} was not read: the connection to {self.shown} was lost before.")
        what = f"does not give the table {name} to its end"
        with self._faults_told(what, "Nothing was used of it."), self._connection.begin_nested():
            schema, bare = self._found(name)
            types = self._types(name, bare, schema, wanted)
            columns: list[Any] = [sa.column(sa.quoted_name(each, quote=True)) for each in types]
            table = sa.table(
                sa.quoted_name(bare, quote=True), *columns,
                schema=sa.quoted_name(schema, quote=True) if schema else None,
            )  # fmt: skip
            cells = [sa.cast(each, sa.Text) for each in table.c] if self._is_server else list(table.c)
            rows = SqlRows(name, list(types), list(types.values()))
            at_a_time = max(1_000, CELLS_AT_A_TIME // len(types))
            result = self._connection.execute(
                sa.select(*cells).limit(limit), execution_options={"yield_per": at_a_time}
            )
            for part in result.partitions():
                rows.add(part)
        _refuse_odd(name, dict.fromkeys(rows.binary(), "bytes"), wanted)
        if len(rows.binary()) == len(types):
            raise InputError(f"{name} has no column of plain values.")
        return rows.finish(order)

    def _connect(self) -> sa.Connection:
        connection = self._engine.connect()
        if not self._is_server:
            connection.begin()
            return connection
        connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        connection.begin()
        for setting in _SERVER:
            connection.exec_driver_sql(setting)
        return connection

    def _found(self, name: str) -> tuple[str | None, str]:
        """Schema and name of a table or view that is there."""
        inspector = sa.inspect(self._connection)
        schema, _, bare = name.rpartition(".")
        has_schema = not schema or schema in inspector.get_schema_names()
        if has_schema and inspector.has_table(bare, schema or None):
            return schema or None, bare
        known = list(_known(inspector))
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        there = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        hint = f"the nearest name is '{near[0]}'" if near else f"there are {there or 'none'}"
        raise InputError(f"There is no table or view '{name}' in {self.shown}; {hint}.")

    def _types(
        self, name: str, bare: str, schema: str | None, wanted: Collection[str]
    ) -> dict[str, pa.DataType]:
        """What the text of each column of plain values becomes."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sa.exc.SAWarning)  # of types that SQLAlchemy does not know
            columns = sa.inspect(self._connection).get_columns(bare, schema)
        kinds = {str(each["name"]): _inner(each["type"]) for each in columns}
        odd = {each: _words(kind) for each, kind in kinds.items() if not self._is_plain(kind)}
        _refuse_odd(name, odd, wanted)
        plain = {each: self._arrow(kind) for each, kind in kinds.items() if each not in odd}
        if not plain:
            raise InputError(f"{name} has no column of plain values.")
        return plain

    def _is_plain(self, kind: Any) -> bool:
        # SQLite declares nothing of what a view computes, and keeps any value in any column
        return isinstance(kind, _PLAIN) or (not self._is_server and isinstance(kind, sa.types.NullType))

    def _arrow(self, kind: Any) -> pa.DataType:
        if not self._is_server:
            return pa.bool_() if isinstance(kind, sa.Boolean) else TEXT
        if isinstance(kind, sa.DateTime):
            return pa.timestamp("us", "UTC" if kind.timezone else None)
        if isinstance(kind, sa.Date):
            return pa.date32()
        return pa.float64() if isinstance(kind, sa.Float) else TEXT

    @contextmanager
    def _faults_told(self, what: str, cure: str) -> Iterator[None]:
        driver: Any = self._engine.dialect.loaded_dbapi
        try:
            yield
        except (SQLAlchemyError, driver.Error) as error:
            self._is_lost = getattr(error, "connection_invalidated", False)
            said = (str(getattr(error, "orig", None) or error).strip().splitlines() or [""])[0]
            for secret in _secrets(self._url):
                said = said.replace(secret, "***")
            # the cause stays out: its own words may hold what ours hide
            raise InputError(f"The database {self.shown} {what}: {said.rstrip('.')}. {cure}") from None


def _parsed(address: str) -> sa.URL:
    shown = shown_address(address)
    try:
        url = sa.make_url(address)
    except (ArgumentError, ValueError):
        raise ConfigError(f"data.url = '{shown}' is no address of a database. {FORMS}") from None
    kind = url.get_backend_name()
    if url.drivername == "sqlite" and url.database not in {None, "", ":memory:"}:
        path = Path(str(url.database))
        if not path.is_file():
            raise InputError(f"There is no database {path}. Check data.url and data.folder.")
        return url.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
    if kind not in {"postgresql", "postgres"}:
        raise ConfigError(f"data.url = '{shown}': tables are read from SQLite and PostgreSQL. {FORMS}")
    if "@" in f"{url.host}{url.database}":
        raise ConfigError(f"data.url = '{shown}' has more than one @; write one in a password as %40.")
    return url.set(drivername="postgresql+psycopg")


def _engine(url: sa.URL) -> sa.Engine:
    is_sqlite = url.get_backend_name() == "sqlite"
    # a connection that is dead in silence is noticed within a minute
    arguments = {"timeout": WAIT_SECONDS} if is_sqlite else {
        "connect_timeout": WAIT_SECONDS, "client_encoding": "utf8", "keepalives_idle": 30, "keepalives_interval": 10,
        "keepalives_count": 3,
    }  # fmt: skip
    engine = sa.create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
    if is_sqlite:
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # Python's own begin would leave reads outside the transaction
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")


def _known(inspector: sa.Inspector) -> Iterator[str]:
    """Tables and views, those of the schema that needs no name first."""
    default = inspector.default_schema_name
    schemas = [each for each in inspector.get_schema_names() if not re.match("pg_|information_schema", each)]
    for schema in sorted(schemas, key=lambda each: (each != default, each)):
        names = {*inspector.get_table_names(schema), *inspector.get_view_names(schema)}
        with suppress(NotImplementedError):
            names |= {*inspector.get_materialized_view_names(schema)}
        yield from sorted(name if schema == default else f"{schema}.{name}" for name in names)


def _inner(kind: Any) -> Any:
    return _inner(kind.data_type) if isinstance(kind, postgresql.DOMAIN) else kind


def _words(kind: Any) -> str:
    return "of an unknown type" if isinstance(kind, sa.types.NullType) else type(kind).__name__.lower()


def _refuse_odd(name: str, odd: dict[str, str], wanted: Collection[str]) -> None:
    """Refuse wanted columns that hold no plain values."""
    found = [f"'{column}' ({kind})" for column, kind in odd.items() if column in wanted]
    if found:
        raise InputError(
            f"{name} has no plain values in {', '.join(found)}, which the project uses. Make a view that takes text, "
            "numbers, booleans or times out of them."
        )


def _secrets(url: sa.URL) -> list[str]:
    named = [value for key, value in url.query.items() if re.search("pass|pwd|token|secret|key", key, re.I)]
    return [str(each) for each in (url.password, *named) if each]
