"""Finding the contract's columns: missing, renamed, repeated, reordered, mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from features.contracts import Tables
from features.errors import InputError
from pipeline.config import Project
from pipeline.tables import load_tables

LEADS = "lead_id,created_at,account_id,source,size\nL1,2024-01-01,A1,web,5\nL2,2024-01-02,A2,fair,9\n"
OUTCOMES = "lead_id,occurred_at,outcome\nL1,2024-02-01,won\n"
ATTRIBUTES = {"at_creation": {"category": ["source"], "number": ["size"]}}


def load(
    folder: Path,
    leads: str = LEADS,
    *,
    purpose: Any = "train",
    settings: Any = None,
    other: Any = None,
    **sections: Any,
) -> Tables:
    """Tables of a project made of texts: `leads`, outcomes, and `other` by table; `settings` by table."""
    data: dict[str, Any] = {"folder": str(folder)}
    for name, text in {"leads": leads, "outcomes": OUTCOMES, **(other or {})}.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
        data[name] = {"path": f"{name}.csv", **(settings or {}).get(name, {})}
    project = {"data": data, "attributes": ATTRIBUTES, **sections}
    return load_tables(Project.model_validate(project), purpose=purpose)


def warnings(tables: Tables) -> dict[tuple[str, str], int]:
    return {(warning.table, warning.code): warning.count for warning in tables.warnings}


def test_a_missing_required_column_is_refused_with_the_nearest_name_and_the_cure(tmp_path: Path) -> None:
    outcomes = "lead_id,outcome_time,outcome\nL1,2024-02-01,won\n"

    with pytest.raises(InputError, match=r"outcomes.csv.: required column 'occurred_at' is missing"):
        load(tmp_path, other={"outcomes": outcomes})
    with pytest.raises(InputError, match=r'columns = \{ lead_id = "Leadid" \} under \[data.outcomes\]'):
        load(tmp_path, other={"outcomes": "Leadid,occurred_at,outcome\nL1,2024-02-01,won\n"})


def test_a_missing_column_without_a_near_name_lists_what_the_file_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the file has 'zzz', 'source', 'size'. Map it with columns = "):
        load(tmp_path, "zzz,source,size\n1,a,2\n")


def test_a_renamed_attribute_is_refused_unless_mapped(tmp_path: Path) -> None:
    renamed = LEADS.replace("source", "Lead Source")

    with pytest.raises(
        InputError, match=r"declared attribute 'source' is missing; the nearest name is 'Lead Source'"
    ):
        load(tmp_path, renamed)
    tables = load(tmp_path, renamed, settings={"leads": {"columns": {"source": "Lead Source"}}})
    assert tables.leads["source"].tolist() == ["web", "fair"]


def test_all_faults_of_all_tables_come_in_one_message(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, "id,created_at\nL1,2024-01-01\n", other={"outcomes": "lead_id\nL1\n"})

    message = str(caught.value)
    assert message.startswith("The tables do not fit the contract (5 faults):")
    assert all(f"'{name}'" in message for name in ("lead_id", "source", "size", "occurred_at", "outcome"))


def test_missing_optional_columns_are_null_and_a_warning(tmp_path: Path) -> None:
    tables = load(tmp_path, "lead_id,source,size\nL1,web,5\n")

    assert tables.leads["created_at"].isna().all()
    assert str(tables.leads["created_at"].dtype) == "datetime64[us, UTC]"
    assert warnings(tables)["leads", "optional_missing"] == 2


def test_undeclared_columns_are_dropped_with_a_warning(tmp_path: Path) -> None:
    tables = load(tmp_path, attributes={"at_creation": {"number": ["size"]}})

    assert list(tables.leads.columns) == ["lead_id", "created_at", "account_id", "size"]
    assert warnings(tables)["leads", "extra_column"] == 1


def test_barred_columns_are_dropped_in_silence(tmp_path: Path) -> None:
    tables = load(tmp_path, attributes={**ATTRIBUTES, "barred": ["source"]})

    assert list(tables.leads.columns) == ["lead_id", "created_at", "account_id", "size"]
    assert ("leads", "extra_column") not in warnings(tables)


def test_the_order_of_columns_changes_nothing(tmp_path: Path) -> None:
    reordered = "size,source,account_id,created_at,lead_id\n5,web,A1,2024-01-01,L1\n9,fair,A2,2024-01-02,L2\n"

    assert load(tmp_path, reordered).leads.equals(load(tmp_path).leads)


def test_a_repeated_column_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column name 'size' stands 2 times"):
        load(tmp_path, "lead_id,source,size,size\nL1,web,5,6\n")


def test_a_contract_column_may_be_an_attribute_too(tmp_path: Path) -> None:
    attributes = {"at_creation": {"category": ["source"], "boolean": ["is_priority"]}}
    accounts = "account_id,is_priority\nA1,yes\nA2,no\n"

    tables = load(tmp_path, other={"accounts": accounts}, attributes=attributes)

    assert list(tables.accounts.columns) == ["account_id", "is_priority"]


def test_several_columns_without_a_name_are_let_pass(tmp_path: Path) -> None:
    tables = load(tmp_path, "lead_id,source,size,,\nL1,web,5,,\n")

    assert warnings(tables)["leads", "extra_column"] == 2


@pytest.mark.parametrize("variant", ["Created At", "CREATED_AT", "created_at ", "\uff43reated_at"])
def test_a_variant_of_an_optional_name_is_refused_unless_mapped(tmp_path: Path, variant: str) -> None:
    renamed = LEADS.replace("created_at", variant)

    with pytest.raises(
        InputError, match=f"optional column 'created_at' is missing; the nearest name is '{variant}'"
    ):
        load(tmp_path, renamed)
    mapped = load(tmp_path, renamed, settings={"leads": {"columns": {"created_at": variant}}})
    assert mapped.leads["created_at"].notna().all()


def test_a_variant_mapped_to_nothing_is_let_pass(tmp_path: Path) -> None:
    renamed = LEADS.replace("created_at", "Created At")

    tables = load(tmp_path, renamed, settings={"leads": {"columns": {"created_at": ""}}})

    assert tables.leads["created_at"].isna().all()


def test_a_mapping_to_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match="column 'sourse', mapped to 'source', is not in the file; the nearest name is 'source'",
    ):
        load(tmp_path, settings={"leads": {"columns": {"source": "sourse"}}})


def test_a_mapping_of_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"columns maps 'creatd_at', .* did you mean 'created_at'"):
        load(tmp_path, settings={"leads": {"columns": {"creatd_at": "created_at"}}})


def test_attributes_may_lie_in_accounts(tmp_path: Path) -> None:
    accounts = "account_id,industry,is_priority\nA1,steel,yes\nA2,paper,0\n"
    attributes = {"at_creation": {"category": ["source", "industry"], "number": ["size"]}}

    tables = load(tmp_path, other={"accounts": accounts}, attributes=attributes)

    assert tables.accounts.to_dict("list") == {
        "account_id": ["A1", "A2"],
        "is_priority": [1.0, 0.0],
        "industry": ["steel", "paper"],
    }
    assert "industry" not in tables.leads


def test_an_attribute_missing_in_leads_and_accounts_is_refused_where_a_name_is_near(tmp_path: Path) -> None:
    attributes = {"at_creation": {"category": ["industry"]}}

    with pytest.raises(
        InputError, match=r"accounts.csv.: declared attribute 'industry' .* under \[data.accounts\]"
    ):
        load(tmp_path, other={"accounts": "account_id,Industry\nA1,steel\n"}, attributes=attributes)


@pytest.mark.parametrize("name", ["lead_id", "account_id", "created_at"])
def test_an_id_is_no_attribute(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' is declared as an attribute, but is an id or a time"):
        load(tmp_path, attributes={"at_creation": {"category": [name]}})


STATIC: dict[str, Any] = {"snapshots": {"mode": "static"}, "static": {"label": "Won", "order": "Number"}}
DATED: dict[str, Any] = {"snapshots": {"mode": "static"}, "static": {"label": "Won", "order": "created_at"}}
EXPORT = "Number,source,size,Won\n10,web,1,Yes\n11,fair,2,No\n12,web,3,\n"


def test_a_flat_export_keeps_label_and_order_as_text(tmp_path: Path) -> None:
    tables = load(tmp_path, EXPORT, settings={"leads": {"columns": {"lead_id": "Number"}}}, **STATIC)

    assert tables.leads["lead_id"].tolist() == ["10", "11", "12"]
    assert tables.leads["Number"].tolist() == ["10", "11", "12"]
    assert tables.leads["Won"].fillna("?").tolist() == ["Yes", "No", "?"]
    assert list(tables.leads.columns)[3:] == ["Won", "Number", "source", "size"]


def test_the_creation_time_may_be_the_order_of_a_flat_export(tmp_path: Path) -> None:
    tables = load(tmp_path, LEADS.replace("size", "Won"), attributes={}, **DATED)

    assert str(tables.leads["created_at"].dtype) == "datetime64[us, UTC]"
    assert list(tables.leads.columns) == ["lead_id", "created_at", "account_id", "Won"]


def test_the_row_number_may_be_the_id_of_a_flat_export(tmp_path: Path) -> None:
    damaged = EXPORT.replace("11,fair,2,No", "11,fair,2,No,extra\n")

    tables = load(tmp_path, damaged, settings={"leads": {"columns": {"lead_id": "row"}}}, **STATIC)

    assert tables.leads["lead_id"].tolist() == ["1", "3"]
    assert str(tables.leads["lead_id"].dtype) == "str"


def test_a_flat_export_without_an_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="required column 'lead_id' is missing"):
        load(tmp_path, EXPORT, **STATIC)


def test_a_flat_export_without_its_label_can_be_scored_but_not_trained_on(tmp_path: Path) -> None:
    fresh = "Number,source,size\n10,web,1\n"
    settings = {"leads": {"columns": {"lead_id": "Number"}}}

    with pytest.raises(InputError, match="required column 'Won' is missing"):
        load(tmp_path, fresh, settings=settings, **STATIC)
    tables = load(tmp_path, fresh, purpose="score", settings=settings, **STATIC)
    assert tables.leads["Won"].isna().all()


def test_field_changes_need_a_lead_or_an_account(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"required column .or account_id. 'lead_id' is missing"):
        load(tmp_path, other={"field_changes": "changed_at,field,new_value\n2024-01-01,source,web\n"})
