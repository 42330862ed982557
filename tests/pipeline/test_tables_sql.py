"""Tables of a database: the same contract as for files, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.contracts import Tables
from features.errors import InputError
from pipeline.config import Project
from pipeline.tables import load_tables
from tests.pipeline.databases import (
    ATTRIBUTES,
    KINDS,
    OUTCOMES,
    Database,
    fill,
    leads,
    new_database,
    outcomes,
)
from tests.pipeline.postgres import Server


def of_parquet(folder: Path, rows: pd.DataFrame) -> Tables:
    rows.assign(is_partner=rows["is_partner"].astype("boolean")).to_parquet(folder / "leads.parquet")
    outcomes(leads()).to_parquet(folder / "outcomes.parquet")
    data = {
        "folder": str(folder),
        "leads": {"path": "leads.parquet"},
        "outcomes": {"path": "outcomes.parquet"},
    }
    return load_tables(Project.model_validate({"data": data, "attributes": ATTRIBUTES}))


def test_tables_of_a_database_are_those_of_files(database: Database, tmp_path: Path) -> None:
    fill(database, leads())

    found, wanted = load_tables(database.project(attributes=ATTRIBUTES)), of_parquet(tmp_path, leads())

    for name in ("leads", "outcomes", "events", "accounts", "field_changes", "quarantine"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(wanted, name))
    assert found.leads["lead_id"][0] == "9007199254740993"
    assert (found.rows_in, found.data_end) == (wanted.rows_in, wanted.data_end)


def test_neither_the_place_of_a_row_nor_that_of_a_column_changes_table_or_digest(
    database: Database, tmp_path: Path
) -> None:
    fill(database, leads())
    project = database.project(attributes=ATTRIBUTES)
    before = load_tables(project)
    turned = {name: KINDS[name] for name in reversed(KINDS)}

    database.run("DROP TABLE leads")
    database.write("leads", turned, leads().sample(frac=1, random_state=1))
    after = load_tables(project)

    pd.testing.assert_frame_equal(before.leads, after.leads)
    assert before.digests == after.digests
    assert set(after.digests) == {"leads", "outcomes"}


def test_any_other_value_is_another_digest(database: Database) -> None:
    fill(database, leads())
    project = database.project(attributes=ATTRIBUTES)
    digests = [load_tables(project).digests["leads"]]

    for change in (
        "UPDATE leads SET country = '' WHERE country IS NULL",
        "UPDATE leads SET country = 'DEFR' WHERE country = 'DE'",
        "DELETE FROM leads WHERE country = 'FR'",
    ):
        database.run(change)
        digests.append(load_tables(project).digests["leads"])

    assert len(set(digests)) == 4


def test_a_view_and_a_name_with_its_schema_are_read(database: Database) -> None:
    fill(database, leads())
    database.run("CREATE VIEW of_france AS SELECT lead_id AS id, created_at, size * 2 AS size FROM leads "
                 "WHERE country = 'FR'")  # fmt: skip
    schema = "public" if database.is_server else "main"
    table = {"table": f"{schema}.of_france", "columns": {"lead_id": "id"}}

    found = load_tables(
        database.project(data={"leads": table}, attributes={"at_creation": {"number": ["size"]}})
    )

    wanted = leads().query("country == 'FR'")
    assert found.leads["lead_id"].tolist() == wanted["lead_id"].astype("str").tolist()
    np.testing.assert_allclose(found.leads["size"], wanted["size"] * 2)


def test_a_table_without_rows_gives_no_leads(database: Database) -> None:
    fill(database, leads(0))

    found = load_tables(database.project(), purpose="score")

    assert (len(found.leads), found.rows_in["leads"]) == (0, 0)


def test_rows_that_stand_twice_and_rows_that_differ_are_quarantined_and_told(database: Database) -> None:
    rows = pd.concat([leads(), leads().iloc[[3, 3]], leads().iloc[[5]].assign(country="IT")])
    fill(database, rows)

    found = load_tables(database.project(attributes=ATTRIBUTES))

    # the row number is the place in the order of lead_id
    assert found.quarantine[["row", "code"]].to_numpy().tolist() == [
        [5, "duplicate"], [6, "duplicate"], [8, "conflicting_duplicate"], [9, "conflicting_duplicate"],
    ]  # fmt: skip
    assert json.loads(found.quarantine["raw"][2])["country"] in {"FR", "IT"}
    assert found.rows_in["leads"] == 43
    assert {(each.code, each.count) for each in found.warnings if each.table == "leads"} >= {
        ("repeated_rows", 2)
    }


def test_values_no_contract_allows_cost_their_row_alone(database: Database) -> None:
    fill(database, leads())
    if database.is_server:
        database.run("UPDATE leads SET created_at = 'infinity' WHERE country = 'FR'",
                     "UPDATE leads SET size = 'Infinity' WHERE country = 'DE'")  # fmt: skip
    else:
        database.run("UPDATE leads SET created_at = 'soon' WHERE country = 'FR'",
                     "UPDATE leads SET size = 1e999 WHERE country = 'DE'")  # fmt: skip

    found = load_tables(database.project(attributes=ATTRIBUTES))

    assert found.quarantine["code"].value_counts().to_dict() == {"bad_time": 10, "infinite": 10}
    assert len(found.leads) == 20


def test_a_server_is_read_alike_however_its_database_is_set_up(server: Server, tmp_path: Path) -> None:
    database = new_database(server, tmp_path)
    fill(database, leads())
    project = database.project(attributes=ATTRIBUTES)
    before = load_tables(project)

    name: Any = database.url.rpartition("/")[2]
    database.run(f"ALTER DATABASE {name} SET TimeZone = 'Asia/Tokyo'",
                 f"ALTER DATABASE {name} SET DateStyle = 'German'",
                 f"ALTER DATABASE {name} SET extra_float_digits = -5")  # fmt: skip
    after = load_tables(project)

    pd.testing.assert_frame_equal(before.leads, after.leads)
    assert before.digests == after.digests


def test_each_type_of_a_server_becomes_what_a_file_would_hold(server: Server, tmp_path: Path) -> None:
    database = new_database(server, tmp_path)
    database.run(
        "CREATE TYPE rank AS ENUM ('low', 'high')", "CREATE DOMAIN code AS varchar(9)",
        "CREATE TABLE leads (lead_id uuid, created_at timestamp, day date, exact numeric(20, 4), short char(5), "
        "wide bigint, rank rank, code code, small real, extra jsonb)",
        "INSERT INTO leads VALUES ('0d2a9e62-7d1b-4a8f-9a53-6c3d1f0f4a11', '2024-07-01 12:00', '2024-01-31', "
        "12345678901234.5678, 'ab', 9223372036854775807, 'high', 'x1', 0.5, '[]')",
        "CREATE TABLE outcomes (lead_id uuid, occurred_at timestamptz, outcome text)",
    )  # fmt: skip
    attributes = {"number": ["exact", "small"], "category": ["day", "short", "wide", "rank", "code"]}
    data = {"leads": {"table": "leads", "time_zone": "Europe/Berlin"}}

    found = load_tables(database.project(data=data, attributes={"at_creation": attributes})).leads.iloc[0]

    assert found["lead_id"] == "0d2a9e62-7d1b-4a8f-9a53-6c3d1f0f4a11"
    assert str(found["created_at"]) == "2024-07-01 10:00:00+00:00"
    assert (found["exact"], found["small"]) == (12345678901234.5678, 0.5)
    texts = ("2024-01-31", "ab", "9223372036854775807", "high", "x1")
    assert tuple(found[name] for name in attributes["category"]) == texts


@pytest.mark.parametrize("kind", ["jsonb", "text[]", "bytea", "point"])
def test_documents_lists_and_bytes_are_refused_where_they_are_used(
    server: Server, tmp_path: Path, kind: str
) -> None:
    database = new_database(server, tmp_path)
    fill(database, leads())
    added: Any = f"ALTER TABLE leads ADD COLUMN odd {kind}"
    database.run(added)

    assert "odd" not in load_tables(database.project(attributes=ATTRIBUTES)).leads
    with pytest.raises(
        InputError, match=r"leads has no plain values in 'odd' .*which the project uses.*view"
    ):
        load_tables(database.project(attributes={"at_creation": {"category": ["odd"]}}))


def test_bytes_in_a_column_of_sqlite_are_refused_where_they_are_used(tmp_path: Path) -> None:
    database = Database("sqlite:///crm.db", tmp_path)
    fill(database, leads())
    database.run("UPDATE leads SET country = x'00ff' WHERE country = 'FR'")

    assert len(load_tables(database.project()).leads) == 40
    with pytest.raises(InputError, match=r"leads has no plain values in 'country' \(bytes\)"):
        load_tables(database.project(attributes=ATTRIBUTES))


def test_text_of_sqlite_that_is_no_utf_8_costs_its_row_alone(tmp_path: Path) -> None:
    database = Database("sqlite:///crm.db", tmp_path)
    fill(database, leads())
    database.run("UPDATE leads SET country = CAST(x'ff41' AS TEXT) WHERE lead_id = 9007199254740994")

    found = load_tables(database.project(attributes=ATTRIBUTES))

    assert found.quarantine[["row", "code", "detail"]].to_numpy().tolist() == [
        [2, "encoding", "bytes that are no UTF-8"]
    ]
    assert len(found.leads) == 39


def test_ids_kept_as_floating_numbers_are_refused(database: Database) -> None:
    database.write("leads", {**KINDS, "lead_id": "number"}, leads())
    database.write("outcomes", OUTCOMES, outcomes(leads()))

    with pytest.raises(InputError, match="'lead_id' is stored as floating numbers"):
        load_tables(database.project())


def test_columns_of_the_catalogue_may_have_any_name(database: Database) -> None:
    hostile = 'x"; DROP TABLE leads; -- %s :y (?)'
    fill(database, leads())
    quoted: Any = hostile.replace('"', '""')
    database.run(f'ALTER TABLE leads RENAME COLUMN country TO "{quoted}"')
    data = {"leads": {"table": "leads", "columns": {"country": hostile}}}

    found = load_tables(database.project(data=data, attributes={"at_creation": {"category": ["country"]}}))

    assert found.leads["country"].iloc[0] == "DE"


def test_a_file_and_a_table_may_stand_side_by_side(database: Database, tmp_path: Path) -> None:
    fill(database, leads())
    outcomes(leads()).to_csv(tmp_path / "outcomes.csv", index=False)

    found = load_tables(database.project(data={"outcomes": {"path": "outcomes.csv"}}))

    assert (len(found.leads), len(found.outcomes)) == (40, 20)
    assert set(found.digests) == {"leads", "outcomes.csv"}
