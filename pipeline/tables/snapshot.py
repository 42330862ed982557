"""Tables of a project's database, all of a command in one state of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from features.contracts import CONTRACT, TableName
from pipeline.addresses import data_url
from pipeline.config import Project, TableSettings
from pipeline.tables.raw import Source

if TYPE_CHECKING:
    from pipeline.tables.sql import SqlTables

__all__ = ["one_snapshot", "reach_database", "read_table"]


class _Opened:
    """The databases opened so far, by address."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._by_address: dict[str, SqlTables] = {}

    def database(self, address: str) -> SqlTables:
        """The database at an address, opened once."""
        from pipeline.tables.sql import SqlTables

        if address not in self._by_address:
            found = self._by_address[address] = SqlTables(address)
            self._stack.callback(found.close)
        return self._by_address[address]


_OPENED: ContextVar[_Opened | None] = ContextVar("opened", default=None)


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Tables read inside are all seen as they were when the first of them was read; inside another, nothing more."""
    if _OPENED.get() is not None:
        yield
        return
    with ExitStack() as stack:
        token = _OPENED.set(_Opened(stack))
        try:
            yield
        finally:
            _OPENED.reset(token)


def reach_database(project: Project) -> None:
    """Open the project's database, if tables lie in one, so that a fault of it is told once.

    Raises
    ------
    ConfigError, InputError
        As `pipeline.tables.sql.SqlTables`.
    """
    address, opened = data_url(project), _OPENED.get()
    if address is not None and opened is not None:
        opened.database(address)


def read_table(project: Project, table: TableName, settings: TableSettings) -> tuple[Source, str]:
    """One table of the project's database, sorted by the columns of the contract, and the SHA-256 of its rows.

    Raises
    ------
    ConfigError, InputError
        As `pipeline.tables.sql.SqlTables` and its `read`.
    """
    address = data_url(project)
    assert address is not None, "a table is read from a database"
    assert settings.table is not None, "a file is not read here"
    order = [settings.columns.get(column.name, column.name) for column in CONTRACT[table]]
    with one_snapshot():
        opened = _OPENED.get()
        assert opened is not None, "the snapshot is open"
        return opened.database(address).read(settings.table, order, _wanted(project, settings, order))


def _wanted(project: Project, settings: TableSettings, order: list[str]) -> set[str]:
    """The columns that the project uses, under their names in the database."""
    static, internal = project.static, project.events.internal_column
    names = [*project.attributes.kinds(), *project.ledger.shown.columns().values()]
    names += [each for each in (internal, static and static.label, static and static.order) if each]
    return {*order, *(settings.columns.get(name, name) for name in names)}
