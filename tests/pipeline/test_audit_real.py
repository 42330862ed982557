"""The audit on real exports: the leaks their descriptions tell of are named, and little else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.audit import Audit, audit_project
from pipeline.config import load_project
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.tables.load import load_tables

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
DESK = {
    "Tags",
    "Lead Quality",
    "Lead Profile",
    "Last Notable Activity",
    "Asymmetrique Activity Index",
    "Asymmetrique Profile Index",
    "Asymmetrique Activity Score",
    "Asymmetrique Profile Score",
}
MACRO = {"month", "emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m", "nr.employed"}


def _audit(name: str, **replaced: object) -> Audit:
    if not (DATA / name).is_dir():
        pytest.skip(f"the real data set {name} is not at {DATA}")
    project = load_project(ROOT / "examples" / f"{name}.toml")
    return audit_project(project.model_copy(update=replaced))


def test_the_desk_columns_of_x_education_are_leaks_and_few_others_are_named() -> None:
    suspects = _audit("x_education").suspects

    leaks = {suspect.column for suspect in suspects if suspect.grade == "leak"}
    assert leaks >= DESK
    assert len({suspect.column for suspect in suspects} - DESK) <= 5


def test_the_verdict_on_x_education_does_not_come_from_the_names() -> None:
    named = {"Tags", "Lead Quality", "Lead Profile", "Last Notable Activity"}

    for suspect in _audit("x_education").suspects:
        assert suspect.kinds, suspect.column
        if suspect.column in named:
            assert {"power", "label_copy", "missingness"} & set(suspect.kinds)


def test_the_call_length_is_a_leak_and_the_macro_figures_tell_the_period() -> None:
    suspects = {suspect.column: suspect for suspect in _audit("uci_bank").suspects}

    assert suspects["duration"].grade == "leak"
    assert {name for name, suspect in suspects.items() if suspect.kind == "calendar_proxy"} == MACRO
    assert set(suspects) == {"duration", *MACRO}


def test_closing_date_and_value_of_the_crm_are_leaks() -> None:
    suspects = {suspect.column: suspect.grade for suspect in _audit("maven_crm").suspects}

    assert suspects == {"close_date": "leak", "close_value": "leak", "account": "look"}


def test_the_loan_log_s_outcome_events_are_named_unless_declared() -> None:
    project = load_project(ROOT / "examples" / "bpic2012.toml")
    target = project.target.model_copy(update={"outcome_events": ()})

    named = {s.column for s in _audit("bpic2012", target=target).suspects if s.kind == "event_at_outcome"}
    left = [(s.column, s.grade) for s in _audit("bpic2012").suspects]

    of_cancelling = "O_CANCELLED|COMPLETE"
    assert named == {*project.target.outcome_events, of_cancelling}
    assert left == [(of_cancelling, "look")]


@pytest.mark.parametrize("name", ["bpic2012", "uci_bank", "x_education", "maven_crm"])
def test_an_example_loads_with_its_data(name: str) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"the real data set {name} is not at {DATA}")
    tables = load_tables(load_project(ROOT / "examples" / f"{name}.toml"))

    assert len(tables.leads) == tables.rows_in["leads"]
    assert tables.quarantine.empty


def test_a_simulated_world_gives_no_false_alarm(tmp_path: Path) -> None:
    simulate_to_folder(WorldSettings(n_leads=4_000, seed=11), tmp_path)

    audit = audit_project(load_project(tmp_path / "lead-scoring.toml"))

    assert {suspect.column for suspect in audit.suspects} == {"lead_status", "lifecycle_stage"}
    assert all(finding.code != "rate_moves" for finding in audit.findings)
