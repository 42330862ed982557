"""Where a ledger lies, how its form is brought up to date, and what is said when it can't be used."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, inspect, select, text

from features.errors import ConfigError, InputError, OutputError
from pipeline.config import Project
from pipeline.ledger import store
from pipeline.ledger.schema import ERASURES, METADATA, RUNS, VERSION_TABLE
from pipeline.ledger.store import Ledger, ledger_url, open_ledger
from pipeline.ledger.upgrade import is_current
from tests.pipeline.ledger.conftest import kept, project_with
from tests.pipeline.postgres import Server

HAS_PSYCOPG = importlib.util.find_spec("psycopg") is not None


def test_a_path_of_sqlite_stands_against_the_folder_of_the_project_file(tmp_path: Path) -> None:
    beside = ledger_url(project_with("sqlite:///out/ledger.db", tmp_path))
    elsewhere = ledger_url(project_with("sqlite:////srv/ledger.db", tmp_path))

    assert beside.database == str(tmp_path / "out" / "ledger.db")
    assert elsewhere.database == "/srv/ledger.db"


def test_plain_addresses_of_postgresql_take_the_driver_of_the_extra(tmp_path: Path) -> None:
    names = [
        ledger_url(project_with(f"{kind}://ann@db/leads", tmp_path)).drivername
        for kind in ("postgresql", "postgres", "postgresql+pg8000")
    ]

    assert names == ["postgresql+psycopg", "postgresql+psycopg", "postgresql+pg8000"]


@pytest.mark.parametrize(
    "url",
    [
        "ledger.db",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://ann:secret@db/leads",
        "postgresql://a:secret@db:x/",
    ],
)
def test_what_is_no_ledger_s_address_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"Write sqlite:///ledger.db or postgresql://") as caught:
        ledger_url(project_with(url, tmp_path))

    assert "secret" not in str(caught.value)


def test_without_the_setting_there_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"keeps no ledger\. Add \[ledger\] url"):
        open_ledger(project_with(None, tmp_path))


def test_the_address_stays_out_of_the_settings_that_are_recorded(tmp_path: Path) -> None:
    with_ledger = project_with("postgresql://ann:secret@db/leads", tmp_path)

    assert json.dumps(with_ledger.plain_settings()) == json.dumps(
        project_with(None, tmp_path).plain_settings()
    )


def test_reading_does_not_start_a_ledger(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no ledger .*ledger.db yet; lead-scoring score starts it"):
        open_ledger(project_with("sqlite:///ledger.db", tmp_path))

    assert list(tmp_path.iterdir()) == []


def test_the_migrations_make_the_tables_that_the_code_reads(ledger: Ledger) -> None:
    with ledger.reading() as connection:
        found = inspect(connection)
        made = {
            name: [column["name"] for column in found.get_columns(name)]
            for name in found.get_table_names()
            if name != VERSION_TABLE
        }
        nullable = {
            (name, column["name"]): column["nullable"] for name in made for column in found.get_columns(name)
        }

    assert made == {name: list(table.columns.keys()) for name, table in METADATA.tables.items()}
    assert nullable == {
        (name, column.name): column.nullable
        for name, table in METADATA.tables.items() for column in table.columns
    }  # fmt: skip


def test_a_migration_that_fails_leaves_the_database_as_it_was(project: Project) -> None:
    ledger = Ledger(ledger_url(project))
    with ledger.writing() as connection:
        connection.execute(text(f"CREATE TABLE {ERASURES.name} (taken INTEGER)"))

    with pytest.raises(OutputError, match=r"can't be written: .*already exists"):
        open_ledger(project)

    with ledger.reading() as connection:
        assert not is_current(connection)
        assert inspect(connection).get_table_names() == [ERASURES.name]


def test_two_that_open_a_new_ledger_at_once_both_find_it_whole(project: Project) -> None:
    faults: list[BaseException] = []

    def opens() -> None:
        try:
            open_ledger(project, is_new_allowed=True)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=opens) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert faults == []


def test_a_ledger_of_a_newer_version_is_left_alone(project: Project) -> None:
    with open_ledger(project, is_new_allowed=True).writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))

    with pytest.raises(OutputError, match=r"newer version of this software .*Update lead-scoring"):
        open_ledger(project)


def test_readers_see_the_last_state_and_wait_for_no_writer(project: Project, ledger: Ledger) -> None:
    kept(project, 1, {"L1": (1.0, 0.0)}).write()

    with ledger.writing() as writer:
        writer.execute(RUNS.update().values(scored=7))
        start = time.monotonic()
        with open_ledger(project).reading() as reader:
            seen = reader.scalar(select(RUNS.c.scored))
        waited = time.monotonic() - start

    assert seen == 1
    assert waited < 2


def test_a_writer_waits_for_no_reader_and_changes_nothing_that_it_sees(
    project: Project, ledger: Ledger
) -> None:
    kept(project, 1, {"L1": (1.0, 0.0)}).write()

    with ledger.reading() as reader:
        first = reader.scalar(select(func.count()).select_from(RUNS))
        start = time.monotonic()
        kept(project, 2, {"L1": (2.0, 0.0)}).write()
        waited = time.monotonic() - start
        second = reader.scalar(select(func.count()).select_from(RUNS))

    assert (first, second) == (1, 1)
    assert waited < 2


def test_a_writer_gets_its_turn_soon_after_the_one_before(project: Project, ledger: Ledger) -> None:
    kept(project, 1, {"L1": (1.0, 0.0)}).write()
    done: list[float] = []

    def writes() -> None:
        with open_ledger(project).writing() as writer:
            writer.execute(RUNS.update().values(scored=RUNS.c.scored + 1))
        done.append(time.monotonic())

    waiting = threading.Thread(target=writes)
    with ledger.writing() as first:
        first.execute(RUNS.update().values(scored=7))
        waiting.start()
        time.sleep(0.5)
        freed = time.monotonic()
    waiting.join()

    with ledger.reading() as reader:
        assert reader.scalar(select(RUNS.c.scored)) == 8
    assert freed < done[0] < freed + 1.0


def test_a_ledger_of_sqlite_that_another_writer_holds_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(project_with("sqlite:///ledger.db", tmp_path), is_new_allowed=True)
    monkeypatch.setattr(store, "WAIT_SECONDS", 0.2)

    with (
        ledger.writing(),
        pytest.raises(OutputError, match=r"another process has been writing .* for 0\.2 seconds\. Run again"),
        ledger.writing(),
    ):
        pass


def test_the_ledger_of_sqlite_keeps_a_log_ahead_of_its_file(tmp_path: Path) -> None:
    open_ledger(project_with("sqlite:///ledger.db", tmp_path), is_new_allowed=True)

    with sqlite3.connect(tmp_path / "ledger.db") as found:
        assert found.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("lead_id,score\n" * 100, encoding="utf-8")

    with pytest.raises(OutputError, match=r"ledger.db can't be read: file is not a database\. Check that"):
        open_ledger(project_with("sqlite:///ledger.db", tmp_path))


def test_a_folder_that_can_t_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")

    with pytest.raises(OutputError, match=r"folder of the ledger .*can't be made: .*another ledger.url"):
        open_ledger(project_with("sqlite:///out/deep/ledger.db", tmp_path), is_new_allowed=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(OutputError, match=r"unable to open database file\. Check that .*its folder"):
        open_ledger(project_with("sqlite:///ledger.db", tmp_path), is_new_allowed=True)


def test_a_driver_that_is_not_installed_is_named_with_its_cure(tmp_path: Path) -> None:
    driver = "psycopg2cffi" if HAS_PSYCOPG else "psycopg"

    with pytest.raises(
        ConfigError, match=r"driver that is not installed.*make setup EXTRAS=postgres"
    ) as caught:
        open_ledger(project_with(f"postgresql+{driver}://ann:secret@db/leads", tmp_path))

    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.skipif(not HAS_PSYCOPG, reason="psycopg is not installed; it comes with the extra `postgres`")
def test_a_password_with_an_at_sign_is_no_part_of_a_host(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="more than one @; write one in a password as %40") as caught:
        ledger_url(project_with("postgresql://ann:se@cret@127.0.0.1:1/leads", tmp_path))

    assert "cret" not in str(caught.value)


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"can't be read: .*refused") as caught:
        open_ledger(project_with("postgresql://ann:secret@127.0.0.1:1/leads", tmp_path))

    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 7


def test_a_server_of_another_encoding_says_what_it_has_no_sign_for(server: Server, tmp_path: Path) -> None:
    engine = create_engine(
        server.url().replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        locale = "LC_COLLATE 'C' LC_CTYPE 'C'"
        connection.execute(text(f"CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' {locale}"))
    engine.dispose()
    project = project_with(server.url("latin"), tmp_path)

    assert kept(project, 1, {"Zoë": (1.0, 2.0)}).write() is True
    with pytest.raises(OutputError, match='has no equivalent in encoding "LATIN1"'):
        kept(project, 2, {"Лид": (1.0, 2.0)}).write()
