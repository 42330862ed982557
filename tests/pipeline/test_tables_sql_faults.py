"""Tables of a database: faults in words, one state, no secret told."""

from __future__ import annotations

import json
import sqlite3
import traceback
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from features.errors import ConfigError, InputError
from pipeline.addresses import input_files
from pipeline.config import load_project
from pipeline.tables import load_tables
from pipeline.tables.snapshot import one_snapshot
from pipeline.tables.sql_rows import SqlRows
from tests.pipeline.databases import (
    Database,
    fill,
    leads,
    new_database,
)
from tests.pipeline.postgres import Server


def test_a_missing_table_is_told_with_the_nearest_name(database: Database) -> None:
    fill(database, leads())

    with pytest.raises(
        InputError, match=r"no table or view 'leeds' in .*the nearest name is 'leads'"
    ) as caught:
        load_tables(database.project(data={"leads": {"table": "leeds"}}))
    assert "not-a-secret" not in str(caught.value)
    with pytest.raises(InputError, match=r"no table or view 'zzz.qq' in .*there are leads, outcomes\."):
        load_tables(database.project(data={"leads": {"table": "zzz.qq"}}))


def test_the_faults_of_all_tables_come_in_one_message(database: Database) -> None:
    fill(database, leads())

    with pytest.raises(InputError, match=r"(?s)leads: There is no table.*outcomes: There is no table"):
        load_tables(database.project(data={"leads": {"table": "a"}, "outcomes": {"table": "b"}}))


def test_a_missing_column_is_told_as_for_a_file(database: Database) -> None:
    fill(database, leads())
    data = {"leads": {"table": "leads", "columns": {"lead_id": "leed_id"}}}

    with pytest.raises(
        InputError, match=r"leads \(leads\): column 'leed_id', .*not in the table; the nearest"
    ):
        load_tables(database.project(data=data))


@pytest.mark.parametrize(
    "name",
    ['leads"; DROP TABLE leads; --', "leads; DROP TABLE leads", "a.b.c", "", ".leads", "leads.", "le ads", "1leads",
     "leads\n", "leads--", "leads\0", "'leads'", "(SELECT 1)", "l" * 64],
)  # fmt: skip
def test_what_is_no_plain_name_is_refused_before_any_database_hears_of_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"write a table or view as NAME or SCHEMA\.NAME|give either path"):
        Database("sqlite:///none.db", tmp_path).project(data={"leads": {"table": name}})


def test_reading_writes_nothing_and_needs_no_right_to(database: Database) -> None:
    fill(database, leads())
    if not database.is_server:
        (database.folder / "crm.db").chmod(0o444)
    else:
        database.run(
            "CREATE SEQUENCE counted",
            "CREATE VIEW sly AS SELECT nextval('counted') AS lead_id, created_at FROM leads",
        )
        with pytest.raises(InputError, match=r"cannot execute nextval.* in a read-only transaction"):
            load_tables(database.project(data={"leads": {"table": "sly"}}))

    assert len(load_tables(database.project()).leads) == 40


def test_all_tables_are_seen_in_one_state(database: Database) -> None:
    fill(database, leads())
    if not database.is_server:
        database.run("PRAGMA journal_mode = WAL")
    project = database.project()

    def change(line: str) -> None:
        if "outcomes" in line:
            database.run("DELETE FROM outcomes")

    with one_snapshot():
        first = load_tables(project, change)
        again = load_tables(project)
    after = load_tables(project)

    assert (len(first.outcomes), len(again.outcomes), len(after.outcomes)) == (20, 20, 0)
    assert first.digests == again.digests != after.digests


def test_a_connection_that_drops_while_rows_come_in_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = new_database(server, tmp_path)
    fill(database, leads(3_000))
    monkeypatch.setattr("pipeline.tables.sql.CELLS_AT_A_TIME", 1)
    taken, parts = SqlRows.add, []

    def take_and_drop(rows: SqlRows, part: Sequence[Sequence[Any]]) -> None:
        taken(rows, part)
        parts.append(len(part))
        if len(parts) == 2:
            name: Any = database.url.rpartition("/")[2]
            Database(server.url(), tmp_path).run(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )

    monkeypatch.setattr(SqlRows, "add", take_and_drop)
    with pytest.raises(
        InputError, match=r"leads: The database .* does not give the table leads to its end"
    ) as caught:
        load_tables(database.project())

    assert parts == [1_000, 1_000]
    assert "outcomes was not read: the connection to postgresql://***@127.0.0.1" in str(caught.value)
    assert "not-a-secret" not in str(caught.value)


def test_a_server_that_does_not_answer_is_told_without_the_password(server: Server, tmp_path: Path) -> None:
    for url, said in (
        ("postgresql://ann:not-a-secret@127.0.0.1:1/crm", "refused"),
        (server.url("nowhere"), 'database "nowhere" does not exist'),
        (server.url().replace("tester:not-a-secret", "ann:hush"), "authentication failed"),
    ):
        with pytest.raises(
            InputError, match=rf"\A[^\n]*can't be reached: .*{said}.*Check data.url[^\n]*\Z"
        ) as caught:
            load_tables(Database(url, tmp_path).project())
        printed = "".join(traceback.format_exception(caught.value))
        assert not any(each in printed for each in ("not-a-secret", "hush"))


def test_a_damaged_or_missing_file_of_sqlite_is_refused_and_none_is_made(tmp_path: Path) -> None:
    project = Database("sqlite:///crm.db", tmp_path).project()

    with pytest.raises(InputError, match=r"There is no database .*crm\.db"):
        load_tables(project)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "crm.db").write_bytes(b"no database" * 100)
    with pytest.raises(InputError, match="file is not a database"):
        load_tables(project)


def test_a_driver_that_is_not_installed_is_told_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)

    with pytest.raises(
        ConfigError, match=r"driver that is not installed.*make setup EXTRAS=postgres"
    ) as caught:
        load_tables(Database("postgresql://ann:hush@db/crm", tmp_path).project())
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [("hush", "no address of a database"), ("postgresql://ann:hush@db:x/crm", "no address of a database"),
     ("mysql://ann:hush@db/crm", "from SQLite and PostgreSQL"), ("sqlite://", "from SQLite and PostgreSQL"),
     ("postgresql://ann:a@hush/crm@db/crm", "more than one @")],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_its_password(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_tables(Database(url, tmp_path).project())

    assert "ann" not in str(caught.value)
    assert url == "hush" or "hush" not in str(caught.value)


def test_the_address_may_stand_in_a_variable(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, leads())
    project = database.project(data={"url": "env:CRM_DATABASE_URL"})

    with pytest.raises(ConfigError, match="the environment has no variable CRM_DATABASE_URL"):
        load_tables(project)
    monkeypatch.setenv("CRM_DATABASE_URL", database.url)

    assert len(load_tables(project).leads) == 40
    assert input_files(project) == ([] if database.is_server else [tmp_path / "crm.db"])


def test_neither_settings_nor_faults_hold_the_address(tmp_path: Path) -> None:
    project = Database("postgresql://ann:hush@db/crm", tmp_path).project()
    path = tmp_path / "lead-scoring.toml"
    path.write_text('[data]\nurl = ["postgresql://ann:hush@db/crm"]\n[data.leads]\ntable = "leads"\n')

    with pytest.raises(ConfigError, match=r"data\.url: ") as caught:
        load_project(path)

    assert "hush" not in str(caught.value)
    assert "hush" not in json.dumps(project.plain_settings())


def test_a_table_needs_an_address_and_an_address_a_table(tmp_path: Path) -> None:
    database = Database("sqlite:///crm.db", tmp_path)
    files = {"leads": {"path": "a.csv"}, "outcomes": {"path": "b.csv"}}

    with pytest.raises(ValueError, match="a table needs url"):
        database.project(data={"url": None})
    with pytest.raises(ValueError, match="no section says table"):
        database.project(data=files)
    with pytest.raises(ValueError, match="give either path"):
        database.project(data={"leads": {"path": "a.csv", "table": "leads"}})
    with pytest.raises(ValueError, match="delimiter: only files have that"):
        database.project(data={"leads": {"table": "leads", "delimiter": ";"}})


def test_rows_without_an_order_have_no_numbers(tmp_path: Path) -> None:
    database = Database("sqlite:///crm.db", tmp_path)
    flat = {"snapshots": {"mode": "static"}, "static": {"label": "won", "order": "row"}}

    with pytest.raises(ValueError, match="rows of a database have no order of their own"):
        database.project(**flat)


def test_a_locked_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database("sqlite:///crm.db", tmp_path)
    fill(database, leads())
    monkeypatch.setattr("pipeline.tables.sql.WAIT_SECONDS", 0.1)

    with closing(sqlite3.connect(tmp_path / "crm.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match="database is locked"):
            load_tables(database.project())


def test_a_table_that_may_not_be_read_leaves_the_others_readable(server: Server, tmp_path: Path) -> None:
    database = new_database(server, tmp_path)
    fill(database, leads())
    name: Any = f"scorer_{database.url.rpartition('_')[2]}"
    database.run(f"CREATE ROLE {name} LOGIN PASSWORD 'hush'", f"GRANT SELECT ON outcomes TO {name}")
    limited = Database(database.url.replace("tester:not-a-secret", f"{name}:hush"), tmp_path)

    with pytest.raises(InputError) as caught:
        load_tables(limited.project())

    said = str(caught.value).splitlines()
    assert len(said) == 1
    assert "permission denied for table leads" in said[0]


def test_a_table_of_bytes_alone_and_one_beyond_all_size_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database("sqlite:///crm.db", tmp_path)
    fill(database, leads())
    database.run("CREATE VIEW odd AS SELECT x'00' AS a", "CREATE TABLE blobs (a BLOB)")

    for name in ("odd", "blobs"):
        with pytest.raises(InputError, match=f"{name} has no column of plain values"):
            load_tables(database.project(data={"leads": {"table": name}}))
    monkeypatch.setattr("pipeline.tables.sql_rows._MAX_BYTES", 1_000)
    with pytest.raises(InputError, match=r"leads has more than \d+ bytes .*no plausible table"):
        load_tables(database.project())
