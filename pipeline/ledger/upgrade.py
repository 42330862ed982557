"""Bringing a database to the form that this version of the code reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from features.errors import OutputError
from pipeline.ledger.schema import VERSION_TABLE

__all__ = ["is_current", "upgrade"]

MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE_LOCK = 7_305_881  # any number of our own: two processes must not make the same tables


def is_current(connection: Connection) -> bool:
    """Whether the database has every table of this version."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision() == _scripts().get_current_head()


def upgrade(connection: Connection, to: str = "head") -> None:
    """Run the migrations that are missing, inside the caller's transaction.

    Raises
    ------
    OutputError
        If a newer version of the software wrote the ledger.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
    scripts = _scripts()

    def steps(revision: Any, _: Any) -> Any:
        return scripts._upgrade_revs(to, revision)

    # SQLite can undo the making of tables, too; without the option Alembic would not trust it
    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
        try:
            environment.run_migrations()
        except CommandError as error:
            raise OutputError(
                f"The ledger was written by a newer version of this software ({error}). Update lead-scoring."
            ) from error


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))
