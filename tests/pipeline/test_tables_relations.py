"""What several tables show together: the end of the data, leads without information, unknown leads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.contracts import Tables
from features.errors import InputError
from pipeline.config import Project
from pipeline.tables import load_tables

HEADER = "lead_id,created_at,account_id,source,size,customer\n"
LEADS = HEADER + "L1,2024-01-01,A1,web,5,yes\nL2,2024-01-02,A2,fair,9,no\n"
OUTCOMES = "lead_id,occurred_at,outcome\nL1,2024-02-01,won\n"
ATTRIBUTES = {"at_creation": {"category": ["source"], "number": ["size"], "boolean": ["customer"]}}


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
    data: dict[str, Any] = {"folder": str(folder), **sections.pop("data", {})}
    for name, text in {"leads": leads, "outcomes": OUTCOMES, **(other or {})}.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
        data[name] = {"path": f"{name}.csv", **(settings or {}).get(name, {})}
    project = {"data": data, "attributes": ATTRIBUTES, **sections}
    return load_tables(Project.model_validate(project), purpose=purpose)


def left_out(tables: Tables) -> list[tuple[str, int, str]]:
    columns = tables.quarantine[["table", "row", "code"]]
    return [(str(table), int(row), str(code)) for table, row, code in columns.itertuples(index=False)]


def warnings(tables: Tables) -> dict[tuple[str, str], int]:
    return {(warning.table, warning.code): warning.count for warning in tables.warnings}


def lead(*changes: str) -> str:
    """The two good leads and, on line 4, a third with its fields changed: `name=value`."""
    fields = {
        "lead_id": "L3",
        "created_at": "2024-01-03",
        "account_id": "A3",
        "source": "web",
        "size": "7",
        "customer": "no",
    }
    fields |= dict(change.split("=", 1) for change in changes)
    return LEADS + ",".join(fields.values()) + "\n"


def test_a_lead_of_which_nothing_is_known_is_left_out(tmp_path: Path) -> None:
    nothing = lead("source=", "size=", "customer=")
    events = "lead_id,occurred_at,event_type\nL3,2024-01-04,visit\n"

    assert left_out(load(tmp_path, nothing)) == [("leads", 4, "no_information")]
    assert left_out(load(tmp_path, nothing, other={"events": events})) == []


def test_an_account_with_attributes_is_information(tmp_path: Path) -> None:
    attributes = {
        "at_creation": {"category": ["source", "industry"], "number": ["size"], "boolean": ["customer"]}
    }
    accounts = "account_id,industry\nA3,steel\n"

    tables = load(
        tmp_path, lead("source=", "size=", "customer="), other={"accounts": accounts}, attributes=attributes
    )

    assert left_out(tables) == []
    assert warnings(tables)["leads", "unknown_account"] == 2


def test_a_single_attribute_without_value_is_no_reason_to_leave_a_lead_out(tmp_path: Path) -> None:
    tables = load(tmp_path, lead("source="), attributes={"at_creation": {"category": ["source"]}})

    assert left_out(tables) == []


def test_the_end_of_the_data_is_the_latest_event_or_outcome(tmp_path: Path) -> None:
    events = "lead_id,occurred_at,event_type\nL1,2024-02-03,visit\nX,2024-02-04,visit\nL1,bad,visit\n"

    assert load(tmp_path).data_end == pd.Timestamp("2024-02-01", tz="UTC")
    assert load(tmp_path, other={"events": events}).data_end == pd.Timestamp("2024-02-04", tz="UTC")
    assert load(tmp_path, data={"data_end": "2024-03-01"}).data_end == pd.Timestamp("2024-03-01", tz="UTC")


def test_without_events_and_outcomes_the_end_of_the_data_is_unknown(tmp_path: Path) -> None:
    tables = load(
        tmp_path, lead("created_at=2100-01-01"), other={"outcomes": "lead_id,occurred_at,outcome\n"}
    )

    assert pd.isna(tables.data_end)
    assert len(tables.leads) == 3


def test_a_lead_created_after_the_declared_end_of_the_data_is_left_out(tmp_path: Path) -> None:
    tables = load(tmp_path, lead("created_at=2024-02-02"), data={"data_end": "2024-02-01"})

    assert left_out(tables) == [("leads", 4, "created_after_end")]
    assert "2024-02-01 00:00:00 UTC" in tables.quarantine["detail"][0]


def test_a_lead_younger_than_the_latest_activity_is_kept_where_no_end_is_declared(tmp_path: Path) -> None:
    assert left_out(load(tmp_path, lead("created_at=2024-02-02"))) == []


def test_a_lead_created_at_the_end_of_the_data_is_kept(tmp_path: Path) -> None:
    assert left_out(load(tmp_path, lead("created_at=2024-02-01"))) == []


def test_an_end_of_the_data_far_after_everything_else_is_a_warning(tmp_path: Path) -> None:
    events = "lead_id,occurred_at,event_type\nL1,2042-02-03,visit\n"

    assert warnings(load(tmp_path, other={"events": events}))["events", "data_end_far"] == 1


def test_events_of_unknown_leads_are_dropped_and_counted(tmp_path: Path) -> None:
    events = "lead_id,occurred_at,event_type\nL1,2024-01-04,visit\nX,2024-01-04,visit\nL3,2024-01-04,visit\n"

    tables = load(tmp_path, lead("size=x"), other={"events": events})

    assert tables.events["lead_id"].tolist() == ["L1"]
    assert warnings(tables)["events", "orphan"] == 1
    assert warnings(tables)["events", "lead_in_quarantine"] == 1
    assert left_out(tables) == [("leads", 4, "bad_number")]


def test_equal_events_are_kept_for_the_cleaning_of_events(tmp_path: Path) -> None:
    events = "lead_id,occurred_at,event_type\n" + "L1,2024-01-04,visit\n" * 3

    assert len(load(tmp_path, other={"events": events}).events) == 3


def test_a_table_of_mostly_faulty_events_is_refused(tmp_path: Path) -> None:
    events = "lead_id,occurred_at,event_type\n" + "L1,31.12.2023,visit\n" * 10

    with pytest.raises(
        InputError,
        match=r"events.csv.: 10 of 10 records are faulty, most often bad_time; the first: occurred_at",
    ):
        load(tmp_path, other={"events": events})
