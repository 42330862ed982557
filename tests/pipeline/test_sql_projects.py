"""Whole projects on a database: every command, with the same results as on files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.contracts import CONTRACT
from pipeline.config import load_project
from pipeline.tables import load_tables
from pipeline.tables.sql import SqlTables
from pipeline.tables.sql_rows import SqlRows
from tests.pipeline.conftest import TABLES, Crm, manifest, run_command
from tests.pipeline.databases import Database, new_database
from tests.pipeline.postgres import Server

SECRET = "not-a-secret"
KINDS = {
    "created_at": "time", "occurred_at": "time", "changed_at": "time", "consent": "boolean", "is_priority": "boolean",
    "budget": "number", "value": "number", "amount": "number", "employees": "whole",
}  # fmt: skip


def typed(path: Path) -> pd.DataFrame:
    """A table of the CRM as a database would hold it, in the order in which it is read from one."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    for name in frame:
        kind = KINDS.get(str(name))
        if kind == "time":
            frame[name] = pd.to_datetime(frame[name], format="ISO8601", utc=True).astype(
                "datetime64[us, UTC]"
            )
        elif kind == "boolean":
            frame[name] = frame[name].map({"true": True, "false": False}).astype("boolean")
        elif kind is not None:
            frame[name] = frame[name].astype("float64")
            frame[name] = frame[name].astype("Int64") if kind == "whole" else frame[name]
    first = [column.name for column in CONTRACT[path.stem] if column.name in frame]  # type: ignore[index]
    rest = sorted({str(name) for name in frame} - set(first))
    return frame.sort_values([*first, *rest], ignore_index=True)


def on_database(crm: Crm, database: Database, output: Path) -> Path:
    """The CRM's project over tables of a database in its own schema; returns the project file."""
    schema = "crm" if database.is_server else "main"
    if database.is_server:
        database.run("CREATE SCHEMA crm")
    text = crm.project.read_text(encoding="utf-8")
    for name in TABLES:
        frame = typed(crm.folder / f"{name}.csv")
        kinds = {str(column): KINDS.get(str(column), "text") for column in frame}
        # the last come first: no result may hang on the place of a row
        database.write(f"{schema}.{name}", kinds, frame.iloc[::-1])
        text = text.replace(f'path = "{name}.csv"', f'table = "{schema}.{name}"')
    project = database.folder / "lead-scoring.toml"
    text = text.replace("[data]", f'[data]\nurl = "{database.url}"', 1)
    project.write_text(text.replace(str(crm.whole / "out"), str(output)), encoding="utf-8")
    return project


@pytest.fixture
def of_crm(database: Database, crm: Crm, tmp_path: Path) -> Path:
    """The project file of the CRM on either database."""
    return on_database(crm, database, tmp_path / "out")


def on_parquet(crm: Crm, folder: Path) -> Path:
    folder.mkdir()
    text = crm.project.read_text(encoding="utf-8")
    for name in TABLES:
        typed(crm.folder / f"{name}.csv").to_parquet(folder / f"{name}.parquet")
        text = text.replace(f'path = "{name}.csv"', f'path = "{name}.parquet"')
    (folder / "lead-scoring.toml").write_text(text, encoding="utf-8")
    return folder / "lead-scoring.toml"


def test_tables_scores_and_reasons_are_those_of_files(crm: Crm, of_crm: Path, tmp_path: Path) -> None:
    files = on_parquet(crm, tmp_path / "files")

    found, wanted = load_tables(load_project(of_crm)), load_tables(load_project(files))
    runs = [
        crm.score(tmp_path / name / "scores.parquet", "-p", project)
        for name, project in (("a", of_crm), ("b", files))
    ]
    again = crm.score(tmp_path / "c" / "scores.parquet", "-p", of_crm)
    lead = pd.read_parquet(tmp_path / "a" / "scores.parquet")["lead_id"][0]
    told = [
        run_command("explain", lead, "-p", project, "--bundle", crm.bundle, "--since", "2025-12-31", "--json")
        for project in (of_crm, files)
    ]

    for name in CONTRACT:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(wanted, name))
    a, b, c = ((tmp_path / each / "scores.parquet").read_bytes() for each in "abc")
    assert a == b == c
    assert {run.code for run in (*runs, again)} == {0}, again.err
    of_a, of_b, of_c = (manifest(tmp_path / each / "scores.parquet") for each in "abc")
    assert of_a == of_c
    assert all(
        of_a[key] == of_b[key] for key in of_a.keys() | of_b.keys() if key not in {"inputs", "warnings"}
    )
    assert {name.rpartition(".")[2] for name in of_a["inputs"]} == set(TABLES)
    assert told[0].json == told[1].json
    written = [path.read_bytes() for path in (tmp_path / "a").iterdir()]
    said = [run.out + run.err for run in (*runs, *told)]
    assert not any(SECRET.encode() in each for each in (*written, *(each.encode() for each in said)))


def test_check_says_of_tables_what_it_says_of_files_in_one_transaction(
    crm: Crm, of_crm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, connect = [], SqlTables._connect

    def note(tables: SqlTables) -> Any:
        opened.append(tables)
        return connect(tables)

    monkeypatch.setattr(SqlTables, "_connect", note)

    found = run_command("check", "-p", of_crm, "--json")
    wanted = run_command("check", "-p", on_parquet(crm, tmp_path / "files"), "--json")

    assert (found.code, len(opened)) == (wanted.code, 1), found.err
    of_tables, of_files = (
        {**run.json, "findings": [each for each in run.json["findings"] if each["section"] != "tables"]}
        for run in (found, wanted)
    )
    assert of_tables == of_files


def test_a_lost_connection_scores_nothing_and_keeps_the_old_scores(
    crm: Crm, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = new_database(server, tmp_path)
    project = on_database(crm, database, tmp_path / "out")
    output = tmp_path / "scores.parquet"
    assert crm.score(output, "-p", project).code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.glob("scores*")}
    name: Any = database.url.rpartition("/")[2]
    drop = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    taken = SqlRows.add

    def take_and_drop(rows: SqlRows, part: Sequence[Sequence[Any]]) -> None:
        taken(rows, part)
        Database(server.url(), tmp_path).run(drop)

    monkeypatch.setattr(SqlRows, "add", take_and_drop)
    monkeypatch.setattr("pipeline.tables.sql.CELLS_AT_A_TIME", 1)
    run = crm.score(output, "-p", project, "--as-of", "2025-11-01")

    assert run.code == 2
    assert "leads: The database postgresql://***@127.0.0.1" in run.err
    assert "events was not read" in run.err
    assert SECRET not in run.out + run.err
    assert {path.name: path.read_bytes() for path in tmp_path.glob("scores*")} == before


def test_no_output_replaces_the_database(crm: Crm, tmp_path: Path) -> None:
    project = on_database(crm, Database("sqlite:///crm.db", tmp_path), tmp_path / "out")
    shutil.move(tmp_path / "crm.db", tmp_path / "crm.parquet")
    project.write_text(project.read_text(encoding="utf-8").replace("crm.db", "crm.parquet"), encoding="utf-8")
    before = (tmp_path / "crm.parquet").read_bytes()

    run = crm.score(tmp_path / "crm.parquet", "-p", project)

    assert run.code == 2
    assert "would replace a table of the project" in run.err
    assert (tmp_path / "crm.parquet").read_bytes() == before


def test_a_draft_names_the_tables_and_keeps_no_password(
    crm: Crm, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_database(crm, database, tmp_path / "out")
    schema = "crm" if database.is_server else "main"
    monkeypatch.setenv("CRM_DATABASE_URL", database.url)
    draft = tmp_path / "draft.toml"
    names = [f"{schema}.{name}" for name in TABLES]

    run = run_command("init", *names, "--url", "env:CRM_DATABASE_URL", "-o", draft, "--json")

    assert run.code == 0, run.err
    assert SECRET not in draft.read_text(encoding="utf-8")
    found = load_project(draft)
    assert found.data.url == "env:CRM_DATABASE_URL"
    assert [getattr(found.data, name).table for name in TABLES] == names
    assert len(load_tables(found, purpose="score").leads) == 800
    wanted = run_command(
        "init", *(crm.folder / f"{name}.csv" for name in TABLES), "-o", tmp_path / "files.toml", "--json"
    )
    assert wanted.code == 0
    assert load_project(tmp_path / "files.toml").attributes.kinds() == found.attributes.kinds()


def test_a_draft_of_one_flat_table_counts_no_rows(database: Database, tmp_path: Path) -> None:
    rows = pd.DataFrame({"colour": ["red", "blue"] * 30, "bought": ["yes", "no", "no"] * 20})
    rows["id"] = [f"0{k}" for k in range(60)]
    database.write("flat", {"bought": "text", "colour": "text", "id": "text"}, rows)
    draft = tmp_path / "draft.toml"
    url = database.url.replace(f":{SECRET}", "") if database.is_server else database.url

    run = run_command("init", "flat", "--url", "env:CRM_URL", "-o", draft)
    assert run.code == 2
    assert "no variable CRM_URL" in run.err
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSWORD", SECRET)  # an address without a password may stand in the draft
        run = run_command("init", "flat", "--url", url, "-o", draft)
        assert run.code == 0, run.err
        tables = load_tables(load_project(draft))

    text = draft.read_text(encoding="utf-8")
    assert "order =" in text
    assert 'order = "row"' not in text
    assert f'url = "{url}"' in text
    assert tables.leads["lead_id"].tolist() == sorted(rows["id"])
    assert tables.leads["bought"].tolist() == rows.sort_values("id")["bought"].tolist()


def test_a_draft_with_a_password_in_the_address_is_refused(tmp_path: Path) -> None:
    url = "postgresql://ann:hush@db/crm"

    run = run_command("init", "leads", "--url", url, "-o", tmp_path / "draft.toml")

    assert run.code == 2
    assert "env:CRM_DATABASE_URL" in run.err
    assert "hush" not in run.err
    assert not (tmp_path / "draft.toml").exists()


@pytest.mark.slow
def test_a_model_trained_on_tables_is_the_one_trained_on_files(
    crm: Crm, server: Server, tmp_path: Path
) -> None:
    whole = Crm(crm.whole, crm.whole, crm.bundle, crm.trained)
    project = on_database(whole, new_database(server, tmp_path), tmp_path / "out")
    project.write_text(
        project.read_text(encoding="utf-8").replace('output = "out"', f'output = "{tmp_path / "out"}"')
    )

    run = run_command("train", "-p", project, "--json")

    assert run.code == 0, run.err
    assert {name: run.json[name] for name in ("verdict", "rung", "auc", "log_loss", "n_test")} == {
        name: crm.trained[name] for name in ("verdict", "rung", "auc", "log_loss", "n_test")
    }
    assert SECRET not in run.out + run.err
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) > 10
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    digests = json.loads(next((tmp_path / "out").rglob("manifest.json")).read_text(encoding="utf-8"))[
        "digests"
    ]
    assert set(digests) == {f"crm.{name}" for name in TABLES}
