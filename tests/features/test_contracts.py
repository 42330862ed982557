"""The contract's own shapes."""

from __future__ import annotations

import pytest

from features.contracts import (
    CONTRACT,
    QUARANTINE_COLUMNS,
    TableName,
    empty_column,
    empty_frame,
    empty_quarantine,
)


@pytest.mark.parametrize("table", list(CONTRACT))
def test_an_absent_table_has_every_column_of_its_contract_in_its_type(table: TableName) -> None:
    frame = empty_frame(table)

    types = {"number": "float64", "boolean": "float64", "time": "datetime64[us, UTC]"}
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        column.name: types.get(column.kind, "str") for column in CONTRACT[table]
    }
    assert frame.empty


def test_every_table_begins_with_its_key() -> None:
    keys = {table: columns[0].name for table, columns in CONTRACT.items()}

    assert keys == {
        "leads": "lead_id",
        "events": "lead_id",
        "outcomes": "lead_id",
        "accounts": "account_id",
        "field_changes": "lead_id",
    }


def test_a_column_of_nulls_is_null_in_every_row() -> None:
    for kind in ("key", "number", "boolean", "time"):
        assert empty_column(kind, 3).isna().all()


def test_an_empty_quarantine_has_its_columns() -> None:
    frame = empty_quarantine()

    assert tuple(frame.columns) == QUARANTINE_COLUMNS
    assert str(frame["row"].dtype) == "int64"
