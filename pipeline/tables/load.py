"""Reads all tables of a project."""

from __future__ import annotations

from collections.abc import Callable

from features.contracts import CONTRACT, TableName, Tables
from features.entities import entity_tables, without_derived
from features.errors import InputError
from pipeline.config import Project, TableSettings
from pipeline.tables.csv_reader import read_csv
from pipeline.tables.files import read_file
from pipeline.tables.parquet import read_parquet
from pipeline.tables.raw import Source
from pipeline.tables.relations import check_tables
from pipeline.tables.schema import Purpose, name_columns
from pipeline.tables.snapshot import one_snapshot, reach_database, read_table

__all__ = ["load_tables", "read_source"]


@one_snapshot()
def load_tables(
    project: Project, progress: Callable[[str], None] | None = None, *, purpose: Purpose = "train"
) -> Tables:
    """The typed tables of a project, every record that breaks the contract in quarantine.

    Parameters
    ----------
    progress : told one line before each table is read and before the tables are checked.
    purpose : `train` asks a flat export for its label and refuses an attribute without any value; for
        `score` the label may be absent (its column is null), and such an attribute is only a warning in
        tables of fewer than 30 rows.

    Raises
    ------
    ConfigError, InputError
        If a file, a database, or the columns of a table, can't be used; all faults of one stage in one message.
    """
    tell = progress or (lambda _: None)
    project = project.model_copy(
        update={"attributes": without_derived(project.attributes, project.target.entity)}
    )
    reads: dict[TableName, tuple[Source, str]] = {}
    faults = []
    reach_database(project)
    for table in CONTRACT:
        settings: TableSettings | None = getattr(project.data, table)
        if settings is None:
            continue
        tell(f"reading {table} from {settings.place}")
        try:
            reads[table] = read_source(project, table, settings)
        except InputError as error:
            faults.append(f"{table}: {error}")
    if faults:
        raise InputError("\n".join(faults))
    tell("checking the tables")
    raw = name_columns({table: source for table, (source, _) in reads.items()}, project, purpose)
    tables = check_tables(raw, project, _digests(reads), purpose)
    return entity_tables(tables, project.target, project.attributes)


def read_source(project: Project, table: TableName, settings: TableSettings) -> tuple[Source, str]:
    """One table as text, before any rule of the contract, and the SHA-256 of its file or its rows.

    Raises
    ------
    InputError
        If the file or the table of a database can't be read.
    """
    if settings.table is not None:
        return read_table(project, table, settings)
    file = read_file(project.table_path(settings))
    if file.is_parquet:
        return read_parquet(file.data, file.name), file.sha256
    return read_csv(file.data, settings, file.name), file.sha256


def _digests(readings: dict[TableName, tuple[Source, str]]) -> dict[str, str]:
    """Digests by file name; a name that two different files share is told apart by its table."""
    digests: dict[str, str] = {}
    for table, (source, sha256) in readings.items():
        if digests.setdefault(source.file, sha256) != sha256:
            digests[f"{table}/{source.file}"] = sha256
    return digests
