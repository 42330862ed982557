"""Columns that people see beside a score: read for the ledger, no part of the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from features.contracts import Tables
from features.errors import InputError
from pipeline.config import Project
from pipeline.tables import load_tables

TABLES = {
    "leads": "lead_id,created_at,account_id,Full Name,size\nL1,2024-01-01,A1,Ann,5\n"
    "L2,2024-01-02,A2,Select,9\nL3,2024-01-02,A2,Cher,zz\nL3,2024-01-02,A2,Cher,zz\n",
    "accounts": "account_id,account_name\nA1,Acme\nA2,\n",
    "outcomes": "lead_id,occurred_at,outcome\nL1,2024-02-01,won\n",
}
PLAIN = {"leads": {"null_values": ["Select"]}}
MAPPED = {"leads": {"null_values": ["Select"], "columns": {"person": "Full Name"}}}


def load(
    folder: Path, shown: dict[str, str], of_tables: dict[str, dict[str, Any]] = PLAIN, **sections: Any
) -> Tables:
    """The tables of a project that shows these columns."""
    data: dict[str, Any] = {"folder": str(folder)}
    for name, text in TABLES.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        data[name] = {"path": f"{name}.csv", **of_tables.get(name, {})}
    sections = {"attributes": {"at_creation": {"number": ["size"]}}, **sections}
    return load_tables(Project.model_validate({"data": data, "ledger": {"shown": shown}, **sections}))


def test_shown_columns_are_read_by_id_and_stand_in_no_table(tmp_path: Path) -> None:
    tables = load(tmp_path, {"name": "person", "company": "account_name"}, MAPPED)

    leads, accounts = (tables.shown[name] for name in ("leads", "accounts"))
    assert leads["name"].fillna("(none)").to_dict() == {"L1": "Ann", "L2": "(none)"}
    assert accounts["company"].fillna("(none)").to_dict() == {"A1": "Acme", "A2": "(none)"}
    assert list(tables.leads.columns) == ["lead_id", "created_at", "account_id", "size"]
    assert list(tables.accounts.columns) == ["account_id", "is_priority"]


def test_what_is_shown_is_no_column_left_out_and_changes_no_quarantine(tmp_path: Path) -> None:
    without = load(tmp_path, {})
    tables = load(tmp_path, {"name": "Full Name"})

    assert [w.message for w in without.warnings if w.code == "extra_column" and w.table == "leads"] == [
        "leads.csv: columns not declared, left out: Full Name"
    ]
    assert not [w for w in tables.warnings if w.code == "extra_column" and w.table == "leads"]
    assert tables.quarantine["code"].tolist() == without.quarantine["code"].tolist() == ["bad_number"] * 2
    assert without.shown["leads"].columns.tolist() == []


def test_a_shown_column_may_be_an_attribute_too(tmp_path: Path) -> None:
    tables = load(tmp_path, {"segment": "size"})

    assert tables.shown["leads"]["segment"].tolist() == ["5", "9"]
    assert tables.leads["size"].tolist() == [5.0, 9.0]


def test_a_shown_column_that_is_missing_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"accounts.csv.: column 'acount_name', named by ledger.shown.company, is not in the file; "
        r"the nearest name is 'account_name'",
    ):
        load(tmp_path, {"company": "acount_name"})
    with pytest.raises(
        InputError, match=r"leads.csv.: column 'qqq', .* the file has 'lead_id', 'created_at'"
    ):
        load(tmp_path, {"owner": "qqq"})
