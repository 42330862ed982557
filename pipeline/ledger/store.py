"""A ledger opened: reading and writing transactions, and what is wrong with the database in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from features.errors import ConfigError, InputError, OutputError
from pipeline.ledger.upgrade import is_current, upgrade
from pipeline.tracking_content import shown_address

if TYPE_CHECKING:
    from pipeline.config import Project

__all__ = ["Ledger", "ledger_url", "open_ledger"]

WAIT_SECONDS = 30
FORMS = "Write sqlite:///ledger.db or postgresql://USER:PASSWORD@HOST/DATABASE."


def ledger_url(project: Project) -> URL:
    """Where the project's ledger lies; a path of SQLite stands against the folder of the project file.

    Raises
    ------
    ConfigError
        If the project keeps no ledger, or the setting is the address of none.
    """
    if project.ledger.url is None:
        raise ConfigError(
            'The project keeps no ledger. Add [ledger] url = "sqlite:///ledger.db" to the project file and score.'
        )
    shown = shown_address(project.ledger.url)
    try:
        url = make_url(project.ledger.url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(f"ledger.url = '{shown}' is no address of a database. {FORMS}") from error
    kind = url.get_backend_name()
    if kind == "sqlite" and url.database not in {None, "", ":memory:"}:
        return url.set(database=str((project.root / str(url.database)).resolve()))
    if kind in {"postgresql", "postgres"}:
        is_plain = url.drivername in {"postgresql", "postgres"}
        return url.set(drivername="postgresql+psycopg") if is_plain else url
    raise ConfigError(
        f"ledger.url = '{shown}': a ledger is kept in a file of SQLite or in PostgreSQL. {FORMS}"
    )


def open_ledger(project: Project, *, is_new_allowed: bool = False) -> Ledger:
    """The project's ledger, brought to the form of this version.

    Parameters
    ----------
    is_new_allowed : whether a file that is not there yet is made.

    Raises
    ------
    ConfigError
        If there is no address, or the driver it needs is not installed.
    InputError
        If there is no ledger yet and none may be made.
    OutputError
        If the database can't be reached, read or written.
    """
    url = ledger_url(project)
    ledger = Ledger(url)
    if url.get_backend_name() == "sqlite":
        path = Path(str(url.database))
        if not path.exists() and not is_new_allowed:
            raise InputError(f"There is no ledger {path} yet; lead-scoring score starts it.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"The folder of the ledger {path} can't be made: {error}. Give another ledger.url."
            ) from error
    ledger.prepare()
    return ledger


class Ledger:
    """A database that holds a ledger; nothing stays open between transactions."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.shown = shown_address(url.render_as_string(hide_password=True))
        try:
            self.engine = _engine(url)
        except (ModuleNotFoundError, NoSuchModuleError) as error:
            raise ConfigError(
                f"The ledger {self.shown} needs a driver that is not installed: {error}. "
                "Run pip install 'lead-scoring[postgres]', or keep the ledger in SQLite."
            ) from error

    def prepare(self) -> None:
        """Make or change the tables where this version needs it."""
        with self.reading() as connection:
            if is_current(connection):
                return
        with self.writing() as connection:
            upgrade(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads: one state of the ledger, whoever writes meanwhile."""
        with self._faults_told("read"), self.engine.connect() as plain:
            # SQLite's readers see one state anyway
            is_server = self.engine.dialect.name == "postgresql"
            yield plain.execution_options(isolation_level="REPEATABLE READ") if is_server else plain

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes all or nothing."""
        with self._faults_told("written"), self.engine.connect() as plain:
            connection = plain.execution_options(is_writing=True)
            with connection.begin():
                yield connection

    def clean(self) -> None:
        """Let SQLite fold its log into the file, so that what was deleted is nowhere."""
        if self.engine.dialect.name == "sqlite":
            with self._faults_told("written"):
                raw = self.engine.raw_connection()
                try:
                    raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    raw.close()

    @contextmanager
    def _faults_told(self, what: str) -> Iterator[None]:
        driver: Any = self.engine.dialect.loaded_dbapi
        try:
            yield
        except (SQLAlchemyError, driver.Error) as error:
            said = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
            password = self._url.password
            said = said.replace(str(password), "***") if password else said
            raise OutputError(
                f"The ledger {self.shown} can't be {what}: {said}. Check that the address is right, that its folder "
                "or server lets you in, and that there is room; without [ledger] scores are written as before."
            ) from error


def _engine(url: URL) -> Engine:
    is_sqlite = url.get_backend_name() == "sqlite"
    arguments = {"timeout": WAIT_SECONDS} if is_sqlite else {"connect_timeout": WAIT_SECONDS}
    # what leads are called must not reach a log or a message
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
    if is_sqlite:
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    # Python's own begin leaves the making of tables outside the transaction; ours comes in `_begin_sqlite`
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")


def _begin_sqlite(connection: Connection) -> None:
    is_writing = connection.get_execution_options().get("is_writing", False)
    # a reader that turns writer is refused at once where another wrote: writers take their turn at the start
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")
