"""The tables of real exports; skipped where the data lie not beside the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.contracts import Tables
from pipeline.config import Project
from pipeline.tables import load_tables

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="real data sets are not beside the project")


def load(folder: str, data: dict[str, Any], **sections: Any) -> Tables:
    return load_tables(Project.model_validate({"data": {"folder": str(DATA / folder), **data}, **sections}))


def test_every_loan_application_event_and_outcome_is_read() -> None:
    tables = load(
        "bpic2012",
        {
            "leads": {"path": "leads.csv"},
            "events": {"path": "events.csv.gz", "columns": {"occurred_at": "ts"}},
            "outcomes": {"path": "outcomes.csv", "columns": {"occurred_at": "outcome_time"}},
        },
        target={"won": ["A_APPROVED"], "not_terminal": ["OPEN"]},
        attributes={"at_creation": {"number": ["amount_req"]}},
    )

    assert tables.quarantine.empty
    assert (len(tables.leads), len(tables.events), len(tables.outcomes)) == (13_087, 262_200, 13_087 - 399)
    assert tables.data_end == pd.Timestamp("2012-03-14 15:04:54.681", tz="UTC")
    assert tables.events["occurred_at"][0] == pd.Timestamp("2011-09-30 22:38:44.546", tz="UTC")


def test_a_bank_s_flat_export_without_ids_is_read() -> None:
    tables = load(
        "uci_bank",
        {"leads": {"path": "bank-additional-full.csv.gz", "delimiter": ";", "columns": {"lead_id": "row"}}},
        snapshots={"mode": "static"},
        static={"label": "y", "positive": ["yes"], "negative": ["no"], "order": "row"},
        attributes={
            "at_creation": {"category": ["job"], "number": ["age", "emp.var.rate"]},
            "barred": ["duration"],
        },
    )

    assert tables.quarantine.empty
    assert tables.leads["lead_id"].tolist() == [str(k + 1) for k in range(41_188)]
    assert tables.leads["y"].value_counts().to_dict() == {"no": 36_548, "yes": 4_640}


def test_a_course_seller_s_export_is_read_under_its_own_names() -> None:
    tables = load(
        "x_education",
        {
            "leads": {
                "path": "Leads.csv",
                "columns": {"lead_id": "Lead Number"},
                "null_values": ["", "Select"],
            }
        },
        snapshots={"mode": "static"},
        static={"label": "Converted", "order": "Lead Number"},
        attributes={
            "at_creation": {
                "category": ["Specialization"],
                "boolean": ["Do Not Email"],
                "number": ["TotalVisits"],
            }
        },
    )

    assert tables.quarantine.empty
    assert len(tables.leads) == 9_240
    assert set(tables.leads["Do Not Email"]) == {0.0, 1.0}
    assert "Select" not in set(tables.leads["Specialization"])
    assert tables.leads["Lead Number"].equals(tables.leads["lead_id"])


def test_one_file_may_be_both_leads_and_outcomes() -> None:
    path, form = "sales_pipeline.csv", "%m/%d/%Y"
    ids = {"lead_id": "opportunity_id"}
    tables = load(
        "maven_crm",
        {
            "leads": {
                "path": path,
                "columns": {**ids, "created_at": "engage_date", "account_id": "account"},
                "time_format": form,
            },
            "outcomes": {
                "path": path,
                "columns": {
                    **ids,
                    "occurred_at": "close_date",
                    "outcome": "deal_stage",
                    "amount": "close_value",
                },
                "time_format": form,
            },
            "accounts": {"path": "accounts.csv", "columns": {"account_id": "account"}},
        },
        target={"won": ["Won"], "not_terminal": ["Engaging", "Prospecting"]},
        attributes={"at_creation": {"category": ["product", "sector"], "number": ["employees"]}},
    )

    assert tables.quarantine["code"].value_counts().to_dict() == {"missing_value": 500}
    assert tables.outcomes["outcome"].value_counts().to_dict() == {"Won": 4_238, "Lost": 2_473}
    assert tables.leads["created_at"].notna().all()
    assert list(tables.accounts.columns) == ["account_id", "is_priority", "sector", "employees"]
