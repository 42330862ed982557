"""The values and keys of each table: what is kept, quarantined, dropped or refused."""

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


def test_good_tables_are_typed_and_whole(tmp_path: Path) -> None:
    tables = load(tmp_path)

    assert {name: str(kind) for name, kind in tables.leads.dtypes.items()} == {
        "lead_id": "str",
        "created_at": "datetime64[us, UTC]",
        "account_id": "str",
        "source": "str",
        "size": "float64",
        "customer": "float64",
    }
    assert tables.leads["customer"].tolist() == [1.0, 0.0]
    assert tables.rows_in == {"leads": 2, "outcomes": 1}
    assert tables.quarantine.empty
    assert set(tables.digests) == {"leads.csv", "outcomes.csv"}


@pytest.mark.parametrize(
    ("change", "code", "detail"),
    [
        ("lead_id=", "empty_id", "lead_id is empty"),
        ("lead_id=  ", "empty_id", "lead_id is empty"),
        ("lead_id=" + "x" * 501, "oversize", f"lead_id '{'x' * 76}... has more than 500 characters"),
        ("account_id=" + "x" * 501, "oversize", f"account_id '{'x' * 76}... has more than 500 characters"),
        ("created_at=45000", "bad_time", "created_at '45000' is no time ISO 8601"),
        ("size=1e999", "infinite", "size '1e999' is not finite"),
        ("size=inf", "infinite", "size 'inf' is not finite"),
        ("size=12 kg", "bad_number", "size '12 kg' is no plain decimal number"),
        ("customer=maybe", "bad_boolean", "customer 'maybe' is no boolean"),
        ("size=-1", "out_of_range", "size '-1' lies outside 0 to 100"),
    ],
)
def test_a_faulty_value_costs_its_lead_alone(tmp_path: Path, change: str, code: str, detail: str) -> None:
    attributes = {**ATTRIBUTES, "ranges": {"size": (0, 100)}}

    tables = load(tmp_path, lead(change), attributes=attributes)

    assert left_out(tables) == [("leads", 4, code)]
    assert tables.quarantine["detail"][0].startswith(detail)
    assert tables.quarantine["raw"][0] == lead(change).splitlines()[3]
    assert tables.quarantine["file"][0] == "leads.csv"
    assert tables.leads["lead_id"].tolist() == ["L1", "L2"]
    assert tables.rows_in["leads"] == 3


def test_a_record_with_several_faults_has_the_code_of_the_first_column(tmp_path: Path) -> None:
    tables = load(tmp_path, lead("size=x", "created_at=y", "customer=z"))

    assert left_out(tables) == [("leads", 4, "bad_time")]


def test_the_ends_of_a_range_are_inside(tmp_path: Path) -> None:
    assert left_out(load(tmp_path, attributes={**ATTRIBUTES, "ranges": {"size": (5, 9)}})) == []


def test_the_quarantine_holds_what_reader_and_checks_found_in_the_order_of_the_file(tmp_path: Path) -> None:
    tables = load(tmp_path, lead("size=x") + "L4\n" + "L5,2024-01-05,,web,1,no\n" + "L6,bad,,web,1,no\n")

    assert left_out(tables) == [
        ("leads", 4, "bad_number"),
        ("leads", 5, "missing_field"),
        ("leads", 7, "bad_time"),
    ]
    assert tables.quarantine["lead_id"].fillna("?").tolist() == ["L3", "?", "L6"]
    assert tables.rows_in["leads"] == len(tables.leads) + len(tables.quarantine) == 6


def test_of_equal_records_one_is_kept(tmp_path: Path) -> None:
    tables = load(tmp_path, LEADS + LEADS.splitlines()[1] + "\n")

    assert left_out(tables) == [("leads", 4, "duplicate")]
    assert tables.leads["lead_id"].tolist() == ["L1", "L2"]


@pytest.mark.parametrize(
    ("rule", "rows", "sizes"),
    [("quarantine", [2, 4], [9.0]), ("first", [4], [5.0, 9.0]), ("last", [2], [9.0, 7.0])],
)
def test_conflicting_records_are_left_out_by_the_rule(
    tmp_path: Path, rule: str, rows: list[int], sizes: list[float]
) -> None:
    tables = load(tmp_path, lead("lead_id=L1"), settings={"leads": {"on_conflict": rule}})

    assert left_out(tables) == [("leads", row, "conflicting_duplicate") for row in rows]
    assert tables.leads["size"].tolist() == sizes


def test_a_faulty_record_is_no_conflict(tmp_path: Path) -> None:
    tables = load(tmp_path, lead("lead_id=L1", "size=x"))

    assert left_out(tables) == [("leads", 4, "bad_number")]


def test_ids_are_text_byte_for_byte(tmp_path: Path) -> None:
    ids = ["NA", "None", "null", "007", "7", "12345678901234567890", "1e5", "nan", "Ünï", "a b"]
    rows = "".join(f"{each},2024-01-01,,web,{k},no\n" for k, each in enumerate(ids))

    tables = load(tmp_path, HEADER + rows, settings={"leads": {"null_values": ["NA", "None", "null"]}})

    assert tables.leads["lead_id"].tolist() == ids


def test_ids_that_differ_only_in_case_are_a_warning(tmp_path: Path) -> None:
    tables = load(tmp_path, lead("lead_id=l1"))

    assert warnings(tables)["leads", "near_duplicate_id"] == 2
    assert len(tables.leads) == 3


def test_configured_null_values_are_null(tmp_path: Path) -> None:
    tables = load(
        tmp_path,
        lead("source=Select", "size=Select", "account_id=Select"),
        settings={"leads": {"null_values": ["Select"]}},
    )

    assert tables.leads.iloc[2].isna().to_dict() == {
        "lead_id": False,
        "created_at": False,
        "account_id": True,
        "source": True,
        "size": True,
        "customer": False,
    }


def test_an_attribute_without_any_value_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"leads.csv.: 2 of 3 declared attributes have no value in any of 2 rows: 'source', 'size'",
    ):
        load(tmp_path, HEADER + "L1,2024-01-01,,,,yes\nL2,2024-01-01,,,,no\n")


def test_few_leads_without_a_value_can_be_scored(tmp_path: Path) -> None:
    one = HEADER + "L1,2024-01-01,,,5,yes\n"

    tables = load(tmp_path, one, purpose="score")

    assert warnings(tables)["leads", "all_null"] == 1
    with pytest.raises(InputError, match="no value in any of 30 rows: 'source'"):
        load(tmp_path, HEADER + "".join(f"M{k},2024-01-01,,,5,yes\n" for k in range(30)), purpose="score")


def test_no_leads_at_all_are_no_fault(tmp_path: Path) -> None:
    tables = load(tmp_path, HEADER)

    assert tables.leads.empty
    assert str(tables.leads["size"].dtype) == "float64"
    assert tables.rows_in["leads"] == 0


def test_faulty_events_and_outcomes_are_quarantined(tmp_path: Path) -> None:
    events = (
        "lead_id,occurred_at,event_type,value\nL1,2024-01-04,visit,1\n,2024-01-04,visit,1\n"
        "L1,,visit,1\nL1,2024-01-04,,1\nL1,2024-01-04,visit,x\n"
    )
    outcomes = OUTCOMES + "L2,2024-01-05,\n"

    tables = load(tmp_path, other={"events": events, "outcomes": outcomes})

    assert left_out(tables) == [
        ("leads", 3, "bad_outcome"),
        ("events", 3, "empty_id"),
        ("events", 4, "missing_value"),
        ("events", 5, "missing_value"),
        ("events", 6, "bad_number"),
        ("outcomes", 3, "missing_value"),
    ]


def test_stages_that_end_nothing_are_dropped_before_their_time_is_judged(tmp_path: Path) -> None:
    tables = load(tmp_path, other={"outcomes": OUTCOMES + "L2,,open\n"}, target={"not_terminal": ["open"]})

    assert tables.outcomes["lead_id"].tolist() == ["L1"]
    assert warnings(tables)["outcomes", "not_terminal"] == 1
    assert left_out(tables) == []


def test_the_column_that_marks_internal_staff_is_kept(tmp_path: Path) -> None:
    events = "lead_id,occurred_at,event_type,actor\nL1,2024-01-03,visit,staff\n"

    tables = load(tmp_path, other={"events": events}, events={"internal_column": "actor"})

    assert tables.events["actor"].tolist() == ["staff"]
    with pytest.raises(InputError, match="required column 'actr' is missing; the nearest name is 'actor'"):
        load(tmp_path, other={"events": events}, events={"internal_column": "actr"})


def test_a_table_has_its_own_time_zone_and_format(tmp_path: Path) -> None:
    outcomes = "lead_id,occurred_at,outcome\nL1,01.07.2024 12:00,won\n"
    settings = {"outcomes": {"time_format": "%d.%m.%Y %H:%M", "time_zone": "Europe/Berlin"}}

    tables = load(tmp_path, other={"outcomes": outcomes}, settings=settings)

    assert tables.outcomes["occurred_at"][0] == pd.Timestamp("2024-07-01 10:00", tz="UTC")
    assert tables.leads["created_at"][0] == pd.Timestamp("2024-01-01", tz="UTC")


def test_without_any_time_zone_a_local_time_is_quarantined(tmp_path: Path) -> None:
    outcomes = OUTCOMES + "L2,2024-02-01T00:00Z,lost\n"

    tables = load(
        tmp_path,
        HEADER + "L2,2024-01-01T00:00Z,A1,web,5,yes\n",
        other={"outcomes": outcomes},
        data={"time_zone": None},
    )

    assert left_out(tables) == [("outcomes", 2, "bad_time")]
    assert "no time zone" in tables.quarantine["detail"][0]


def test_a_time_format_that_means_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"leads.csv.: column 'created_at' .*bad directive"):
        load(tmp_path, settings={"leads": {"time_format": "%Q"}})


def test_field_changes_are_checked_by_the_kind_of_their_field(tmp_path: Path) -> None:
    changes = (
        "lead_id,changed_at,field,new_value,old_value\n"
        "L1,2024-01-05,Firm size,12,5\nL1,2024-01-06,Firm size,dozen,\nL1,2024-01-07,customer,what,\n"
        "L2,2024-01-08,Firm size,500,\nL2,2024-01-08,source,12 kg,\nX,2024-01-08,source,web,\n"
        ",2024-01-08,source,web,\n"
    )
    attributes = {**ATTRIBUTES, "ranges": {"size": (0, 100)}}
    leads = LEADS.replace("size", "Firm size")

    tables = load(
        tmp_path,
        leads,
        other={"field_changes": changes},
        attributes=attributes,
        settings={"leads": {"columns": {"size": "Firm size"}}},
    )

    assert [(row, code) for _, row, code in left_out(tables)] == [
        (3, "bad_number"),
        (4, "bad_boolean"),
        (5, "out_of_range"),
        (8, "empty_id"),
    ]
    assert tables.field_changes[["lead_id", "field", "new_value"]].to_numpy().tolist() == [
        ["L1", "size", "12"],
        ["L2", "source", "12 kg"],
    ]
    assert warnings(tables)["field_changes", "orphan"] == 1


def test_formulas_emoji_and_right_to_left_text_are_kept(tmp_path: Path) -> None:
    texts = ["=cmd|'/c calc'!A1", "🙂", "שלום", "@x"]

    tables = load(
        tmp_path, HEADER + "".join(f"M{k},2024-01-01,,{text},1,no\n" for k, text in enumerate(texts))
    )

    assert tables.leads["source"].tolist() == texts
