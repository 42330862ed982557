"""What a run's own row in the ledger says, from tables by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from features.contracts import TableWarning
from features.settings import TargetSettings
from pipeline.ledger.keeping import RunToKeep, run_to_keep
from pipeline.output import scores_table
from pipeline.sections import LedgerSettings
from tests.pipeline.ledger.test_facts_entities import found_of
from tests.pipeline.small_crm import day

MANIFEST = {
    "model_version": "m1", "as_of": "2025-03-16T00:00:00.000000", "rows_in": 3, "scored": 3, "not_open": 0,
    "quarantined": 0, "inputs": {}, "raised": ["L1"],
}  # fmt: skip


def run_of(target: TargetSettings, warnings: tuple[TableWarning, ...] = ()) -> RunToKeep:
    """The run of the small CRM on day 74, for a project that keeps a ledger."""
    found = found_of(target)
    project = found.project.model_copy(update={"ledger": LedgerSettings(url="sqlite:///ledger.db")})
    told = [f"{each.message} ({each.count:,})" for each in warnings]
    found = replace(
        found, project=project, tables=replace(found.tables, warnings=warnings), warnings=[*told, "stale"]
    )
    groups, _ = found.bundle.scorer.catalogue.groups()
    found.rows.contributions = [np.zeros((len(found.rows.lead_id), len(groups)))]
    table = scores_table(found.rows, np.datetime64(day(74).tz_localize(None), "us"), "m1")
    manifest: dict[str, Any] = {**MANIFEST, "warnings": found.warnings}
    run = run_to_keep(found, table, manifest, None)
    assert run is not None
    return run


def test_the_row_of_a_run_names_no_lead() -> None:
    warnings = (
        TableWarning("near_duplicate_id", "leads", 2, "leads.csv: values of lead_id that differ, the first 'L1'"),
        TableWarning("blank_lines", "leads", 1_000, "leads.csv: blank lines"),
    )  # fmt: skip

    told = json.loads(run_of(TargetSettings(), warnings).values["manifest"])

    assert told["warnings"] == ["leads.csv: blank lines (1,000)", "stale"]
    assert "L1" not in json.dumps(told)


def test_a_question_about_outcomes_of_a_name_is_the_project_s_own() -> None:
    assert run_of(TargetSettings(name="upsell")).values["target"] is None
