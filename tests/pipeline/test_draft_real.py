"""Drafts of project files from real exports, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Project, load_project
from pipeline.draft import draft_project
from pipeline.tables.load import load_tables

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def _load(files: list[Path], folder: Path) -> Project:
    output = folder / "lead-scoring.toml"
    output.write_text(draft_project(files, output).text, encoding="utf-8")
    return load_project(output)


@pytest.mark.parametrize(
    ("name", "files", "label"),
    [
        ("x_education", ["Leads.csv"], "Converted"),
        ("uci_bank", ["bank-additional-full.csv.gz"], "y"),
        ("maven_crm", ["sales_pipeline.csv", "accounts.csv"], "deal_stage"),
    ],
)
def test_real_flat_exports_are_drafted_and_load(
    tmp_path: Path, name: str, files: list[str], label: str
) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"the real data set {name} is not at {DATA}")

    project = _load([DATA / name / file for file in files], tmp_path)

    assert project.static is not None
    assert project.static.label == label
    assert load_tables(project).quarantine.empty


def test_the_loan_log_is_drafted_and_loads(tmp_path: Path) -> None:
    if not (DATA / "bpic2012").is_dir():
        pytest.skip(f"the real data set bpic2012 is not at {DATA}")
    files = [DATA / "bpic2012" / name for name in ("leads.csv", "events.csv.gz", "outcomes.csv")]

    project = _load(files, tmp_path)

    assert project.target.won == ("A_APPROVED",)
    assert project.target.not_terminal == ("OPEN",)
    assert len(load_tables(project).events) == 262_200
