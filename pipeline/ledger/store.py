"""A ledger opened: reading and writing transactions, and what is wrong with the database in words."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
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

__all__ = ["Connection", "Ledger", "find_ledger", "ledger_url", "open_ledger"]

WAIT_SECONDS = 30
CACHE_KILOBYTES = 65_536  # at most, a connection: the ids of a large run don't come in their order
POLL_SECONDS = 0.005
CLEAN_SECONDS = 5.0
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
        # a message of the driver would tell the end of the password as the host
        if "@" in f"{url.host}{url.database}":
            raise ConfigError(f"ledger.url = '{shown}' has more than one @; write one in a password as %40.")
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


def find_ledger(project: Project) -> Ledger | None:
    """The project's ledger if it keeps one and it was started; else None, and nothing is made.

    Raises
    ------
    ConfigError, OutputError
        As `open_ledger`.
    """
    if project.ledger.url is None:
        return None
    try:
        return open_ledger(project)
    except InputError:
        return None


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
                "Run make setup EXTRAS=postgres, or keep the ledger in SQLite."
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

    @contextmanager
    def writing_in_parts(self) -> Iterator[Connection]:
        """A connection for many short writing transactions: `with connection.begin()` each."""
        with self._faults_told("written"), self.engine.connect() as plain:
            yield plain.execution_options(is_writing=True)

    def clean(self) -> bool:
        """Let SQLite fold its log into the file, so that what was deleted is nowhere; False where readers kept it."""
        if self.engine.dialect.name != "sqlite":
            return True
        with self._faults_told("written"), closing(self.engine.raw_connection()) as raw:
            cursor = raw.cursor()
            # SQLite's own waiting for readers would keep writers out meanwhile
            cursor.execute("PRAGMA busy_timeout = 0")
            last = time.monotonic() + CLEAN_SECONDS
            while (is_busy := self._is_log_busy(cursor)) and time.monotonic() < last:
                time.sleep(POLL_SECONDS)
            return not is_busy

    @staticmethod
    def _is_log_busy(cursor: Any) -> bool:
        try:
            return bool(cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        except sqlite3.OperationalError as error:  # another process folds it
            if not _is_busy(error):
                raise
            return True

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
    # the server turns text into its own encoding: it says what it has no sign for, the driver would break off
    of_server: dict[str, Any] = {"connect_timeout": WAIT_SECONDS, "client_encoding": "utf8"}
    arguments = {"timeout": WAIT_SECONDS} if is_sqlite else of_server
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
    connection.execute(f"PRAGMA cache_size = -{CACHE_KILOBYTES}")


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get("is_writing", False):
        connection.exec_driver_sql("BEGIN")
        return
    # a reader that turns writer is refused at once where another wrote: writers take their turn at the start.
    # SQLite's own waiting sleeps longer and longer and misses its turn; ours asks the more often the longer it waits
    raw: Any = connection.connection.driver_connection
    raw.execute("PRAGMA busy_timeout = 0")
    start = time.monotonic()
    while not _is_begun(raw):
        waited = time.monotonic() - start
        if waited > WAIT_SECONDS:
            raise OutputError(
                "The ledger can't be written: another process has been writing to "
                f"{connection.engine.url.database} for {WAIT_SECONDS} seconds. Run again when it is through."
            )
        time.sleep(_pause(waited))
    raw.execute(f"PRAGMA busy_timeout = {int(WAIT_SECONDS * 1_000)}")


def _pause(waited: float) -> float:
    """Seconds until one asks again: 20 ms at first, half of one after 0.6 s, so that who came first goes first."""
    return max(0.0005, 0.02 / (1.0 + (waited / 0.1) ** 2))


def _is_begun(connection: sqlite3.Connection) -> bool:
    """Begin to write; False if another process writes."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not _is_busy(error):
            raise
        return False
    return True


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
