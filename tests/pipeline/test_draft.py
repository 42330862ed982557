"""Drafts of project files from exports as common systems write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from pipeline.config import Project, load_project
from pipeline.draft import Draft, draft_project
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.tables.load import load_tables

N = 200


def _load(files: list[Path], folder: Path) -> tuple[Draft, Project]:
    output = folder / "lead-scoring.toml"
    draft = draft_project(files, output)
    output.write_text(draft.text, encoding="utf-8")
    return draft, load_project(output)


def _write(folder: Path, name: str, columns: Mapping[str, Any], sep: str = ",") -> Path:
    path = folder / name
    pd.DataFrame(columns).to_csv(path, index=False, sep=sep)
    return path


def _salesforce(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    ids = [f"00Q{k:012d}" for k in range(N)]
    day = pd.Timestamp("2024-03-01") + pd.to_timedelta(np.arange(N), unit="D")
    leads = {
        "Lead ID": ids, "First Name": "Ann", "Last Name": [f"Lee{k}" for k in range(N)],
        "Email": [f"ann{k}@firm{k % 9}.com" for k in range(N)],
        "Phone": [f"+49 30 {k:06d}" for k in range(N)],
        "Title": rng.choice(["CEO", "Buyer", "Sales Manager"], N), "Company / Account": "x",
        "Lead Source": rng.choice(["Web", "Fair", "--None--"], N), "Rating": rng.choice(["Hot", "Cold"], N),
        "No. of Employees": rng.integers(1, 900, N), "Do Not Call": rng.choice(["0", "1"], N),
        "Annual Revenue": rng.integers(1, 9_000_000, N) / 7,
        "Created Date": day.strftime("%m/%d/%Y %I:%M %p"),
    }  # fmt: skip
    closed = {
        "Lead ID": ids[:150], "Close Date": (day[:150] + pd.Timedelta("20D")).strftime("%m/%d/%Y"),
        "Stage": rng.choice(["Closed Won", "Closed Lost", "Negotiation/Review"], 150),
        "Amount": rng.integers(1, 900, 150),
    }  # fmt: skip
    tasks = {
        "Lead ID": rng.choice(ids, 900),
        "Activity Type": rng.choice(["Demo", "Email Opened", "Unsubscribed"], 900),
        "Activity Date": rng.choice(day.strftime("%Y-%m-%dT%H:%M:%SZ"), 900),
    }  # fmt: skip
    history = {
        "Lead ID": ids, "Edit Date": day.strftime("%Y-%m-%d"), "Field / Event": "Rating", "Old Value": "",
        "New Value": rng.choice(["Hot", "Cold"], N),
    }  # fmt: skip
    names = ("Leads.csv", "Opportunities.csv", "Activities.csv", "Lead History.csv")
    frames: tuple[Mapping[str, Any], ...] = (leads, closed, tasks, history)
    return [_write(folder, name, frame) for name, frame in zip(names, frames, strict=True)]


def test_a_salesforce_export_is_mapped(tmp_path: Path) -> None:
    draft, project = _load(_salesforce(tmp_path), tmp_path)

    assert {table: path.name for table, path in draft.tables.items()} == {
        "leads": "Leads.csv",
        "events": "Activities.csv",
        "outcomes": "Opportunities.csv",
        "field_changes": "Lead History.csv",
    }
    assert project.data.leads.columns == {"lead_id": "Lead ID", "created_at": "Created Date"}
    assert project.data.leads.time_format == "%m/%d/%Y %I:%M %p"
    assert "--None--" in project.data.leads.null_values
    assert project.target.won == ("Closed Won",)
    assert project.target.not_terminal == ("Negotiation/Review",)


def test_a_salesforce_draft_loads_its_tables(tmp_path: Path) -> None:
    _, project = _load(_salesforce(tmp_path), tmp_path)

    tables = load_tables(project)

    assert len(tables.leads) == N
    assert tables.quarantine.empty
    assert len(tables.events) == 900


def test_what_is_not_shown_to_be_fixed_is_current_and_a_logged_field_is_history(tmp_path: Path) -> None:
    _, project = _load(_salesforce(tmp_path), tmp_path)

    since, kinds = project.attributes.availability(), project.attributes.kinds()

    assert since.pop("Rating") == "history"
    assert set(since.values()) == {"current"}
    assert kinds["Email"] == "email"
    assert kinds["Title"] == "job_title"
    assert kinds["No. of Employees"] == "company_size"
    assert kinds["Do Not Call"] == "boolean"
    assert kinds["Annual Revenue"] == "number"
    assert kinds["Lead Source"] == "category"


def test_personal_data_and_constants_are_barred_with_the_reason(tmp_path: Path) -> None:
    draft, project = _load(_salesforce(tmp_path), tmp_path)

    assert {"First Name", "Last Name", "Phone", "Company / Account"} <= set(project.attributes.barred)
    assert "# personal data\n" in draft.text
    assert "# constant\n" in draft.text


def test_event_types_get_a_stage_or_a_direction_from_their_names(tmp_path: Path) -> None:
    _, project = _load(_salesforce(tmp_path), tmp_path)

    types = project.events.types

    assert types["Demo"].stage == "decision"
    assert types["Email Opened"].stage == "awareness"
    assert types["Unsubscribed"].direction == -1


def test_a_hubspot_export_is_mapped(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    ids = np.arange(51_000, 51_000 + N)
    day = (pd.Timestamp("2024-03-01") + pd.to_timedelta(np.arange(N), unit="h")).strftime("%Y-%m-%d %H:%M")
    contacts = {
        "Record ID": ids, "Create Date": day, "Associated Company ID": rng.integers(900, 950, N),
        "Job Title": rng.choice(["CTO", "Intern"], N), "Original Source": rng.choice(["Organic", "Paid"], N),
        "Lifecycle Stage": rng.choice(["Lead", "MQL"], N),
    }  # fmt: skip
    companies = {"Record ID": np.arange(900, 950), "Industry": rng.choice(["Retail", "Health"], 50)}
    deals = {
        "Associated Contact ID": ids[:80],
        "Close Date": day[:80],
        "Deal Stage": ["closedwon", "closedlost"] * 40,
    }
    log = {"Record ID": ids, "Property": "lifecycle_stage", "New Value": "MQL", "Timestamp": day}
    files = [
        _write(tmp_path, "hubspot-contacts.csv", contacts, sep=";"),
        _write(tmp_path, "companies.csv", companies),
        _write(tmp_path, "deals.csv", deals),
        _write(tmp_path, "property-history.csv", log),
    ]

    draft, project = _load(files, tmp_path)

    assert set(draft.tables) == {"leads", "accounts", "outcomes", "field_changes"}
    assert project.data.leads.delimiter == ";"
    assert project.data.leads.columns["account_id"] == "Associated Company ID"
    assert project.data.leads.columns["lifecycle_stage"] == "Lifecycle Stage"
    assert project.attributes.availability()["lifecycle_stage"] == "history"
    assert project.target.won == ("closedwon",)
    assert len(load_tables(project).accounts) == 50


def test_a_flat_export_becomes_a_static_project(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    file = _write(
        tmp_path,
        "prospects.csv",
        {
            "Prospect ID": [f"p-{k:04x}" for k in range(N)],
            "Lead Number": np.arange(90_000, 90_000 - N, -1),
            "City": rng.choice(["Ulm", "Bonn", "Select"], N),
            "Lead Quality": rng.choice(["High", "Low"], N),
            "Magazine": "No",
            "Converted": rng.choice(["Yes", "No"], N),
        },
    )

    draft, project = _load([file], tmp_path)

    assert project.snapshots.mode == "static"
    assert project.static is not None
    assert (project.static.label, project.static.positive, project.static.order) == (
        "Converted",
        ("Yes",),
        "Lead Number",
    )
    assert project.attributes.availability() == {"City": "at_creation", "Lead Quality": "current"}
    assert project.attributes.barred == ("Magazine",)
    assert "is a leak" in draft.text
    assert load_tables(project).leads["City"].isna().any()


def test_a_flat_export_without_id_and_order_uses_the_row(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    columns = {"age": rng.integers(18, 80, N), "y": rng.choice(["yes", "no"], N)}

    _, project = _load([_write(tmp_path, "bank.csv", columns, sep="\t")], tmp_path)

    assert project.data.leads.columns == {"lead_id": "row"}
    assert project.data.leads.delimiter == "\t"
    assert project.static is not None
    assert project.static.order == "row"


def test_without_a_label_the_draft_says_so_and_still_loads(tmp_path: Path) -> None:
    draft, project = _load([_write(tmp_path, "a.csv", {"id": range(50), "x": [1.5, 2.5] * 25})], tmp_path)

    assert "No label column was found" in draft.text
    assert project.snapshots.mode == "static"


def test_files_that_fit_no_table_are_named(tmp_path: Path) -> None:
    files = [*_salesforce(tmp_path), _write(tmp_path, "prices.csv", {"sku": ["a", "b"], "eur": [1, 2]})]

    draft, _ = _load(files, tmp_path)

    assert [path.name for path in draft.unused] == ["prices.csv"]
    assert "prices.csv" in draft.text


def test_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No files were given"):
        draft_project([], tmp_path / "p.toml")


def test_a_simulated_world_is_drafted_and_loads(tmp_path: Path) -> None:
    simulate_to_folder(WorldSettings(n_leads=400, seed=5), tmp_path)
    (tmp_path / "mine").mkdir()

    _, project = _load(sorted(tmp_path.glob("*.parquet")), tmp_path / "mine")

    assert len(load_tables(project).leads) == 400
    assert project.attributes.availability()["lifecycle_stage"] == "history"


def test_the_draft_is_the_same_each_time(tmp_path: Path) -> None:
    files = _salesforce(tmp_path)

    assert _load(files, tmp_path)[0] == _load(files, tmp_path)[0]


def test_other_values_of_a_label_are_drafted_as_open(tmp_path: Path) -> None:
    stages = {"id": range(60), "deal_stage": ["Won", "Lost", "Engaging"] * 20, "x": [1.5, 2.5] * 30}

    _, project = _load([_write(tmp_path, "deals.csv", stages)], tmp_path)

    assert project.static is not None
    assert project.static.open == ("Engaging",)


def test_a_column_that_only_has_the_name_of_an_optional_one_is_mapped_to_nothing(tmp_path: Path) -> None:
    files = _salesforce(tmp_path)
    events = pd.read_csv(files[2]).assign(Value="high")
    events.to_csv(files[2], index=False)

    _, project = _load(files, tmp_path)

    assert project.data.events is not None
    assert project.data.events.columns["value"] == ""
    assert load_tables(project).events["value"].isna().all()


def test_a_creation_time_that_cannot_be_read_is_told_and_is_no_attribute(tmp_path: Path) -> None:
    files = _salesforce(tmp_path)
    leads = pd.read_csv(files[0]).drop(columns="Created Date").assign(created_at="spring")
    leads.to_csv(files[0], index=False)

    draft, project = _load(files, tmp_path)

    assert "No creation time was found" in draft.text
    assert "created_at" not in project.attributes.kinds()
    assert "created_at" not in project.attributes.barred


def test_leads_that_carry_their_own_end_are_read_as_leads_and_outcomes(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    day = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(N), unit="D")
    status = rng.choice(["Converted", "Closed Lost", "Open"], N)
    ids = [f"L{k}" for k in range(N)]
    ended = pd.Series((day + pd.Timedelta("9D")).strftime("%Y-%m-%d")).where(status != "Open", "")
    leads = {
        "Lead ID": ids, "Created Date": day.strftime("%Y-%m-%d"),
        "Company": [f"Firm {k % 40}" for k in range(N)], "Status": status, "Converted Date": ended,
        "Industry": rng.choice(["Retail", "Health"], N),
    }  # fmt: skip
    log = {
        "Lead ID": rng.choice(ids, 500),
        "Activity Date": rng.choice(day.strftime("%Y-%m-%d"), 500),
        "Type": "Call",
    }
    files = [_write(tmp_path, "leads.csv", leads), _write(tmp_path, "activities.csv", log)]

    draft, project = _load(files, tmp_path)

    assert project.snapshots.mode == "calendar"
    assert project.data.outcomes is not None
    assert project.data.outcomes.path == "leads.csv"
    assert project.target.won == ("Converted",)
    assert project.target.not_terminal == ("Open",)
    assert project.data.leads.columns["account_id"] == "Company"
    assert "Status" not in project.attributes.kinds()
    assert draft.unused == ()
    assert len(load_tables(project).outcomes) == int((status != "Open").sum())
