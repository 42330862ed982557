"""Decisions and answers in the ledger: beside the scores, and never in a model."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.asof import open_examples
from features.prepare import prepare
from models.overrides import Override
from pipeline.config import ROOT, Project, load_project
from pipeline.dataset import labelled_dataset
from pipeline.ledger.decisions import add_decision, found_at_scoring
from pipeline.ledger.feedback import CODES, Feedback, add_feedback
from pipeline.ledger.queue import QueueFilter, find_queue_run, queue_page
from pipeline.ledger.store import open_ledger
from pipeline.overrides import LeadOverrides, Listed, overrides_of, recorded_overrides
from pipeline.review.overrides import overrides_in_force
from pipeline.tables import load_tables
from pipeline.train import train_project
from tests.pipeline.conftest import Crm, manifest, run_command, scores
from tests.pipeline.ledger.conftest import project_with
from tests.pipeline.ledger.runs_by_hand import add_run
from tests.pipeline.small_crm import SOURCES, crm_of, microsecond

EARLY, LATE = "2025-09-01", "2025-09-15"
TOMORROW = datetime.now(UTC).date() + timedelta(days=1)
HEAD = "lead_id,account_id,action,owner,reason,until\n"


def found_with(folder: Path, recorded: list[Listed], text: str = "") -> LeadOverrides:
    """Overrides of L1 (account A), L5 (of nobody) and L9 (account A), by the ledger and a file's text."""
    (folder / "overrides.csv").write_text(HEAD + text, encoding="utf-8")
    named = {name: {"path": f"{name}.csv"} for name in ("leads", "outcomes", "accounts")}
    project = Project.model_validate({"data": named, "overrides": {"file": "overrides.csv"}, ROOT: folder})
    data = prepare(crm_of(), SOURCES)
    assert data.spells is not None
    at = microsecond(74)
    rows = open_examples(data.spells, at)
    ids = data.leads["lead_id"].to_numpy(dtype=object)[rows.lead]
    rows = rows.take(np.argsort(ids, kind="stable"))
    return overrides_of(project, SOURCES, crm_of(), data, rows, at, recorded)


def test_the_ledger_counts_before_the_file_unless_an_action_is_stronger(tmp_path: Path) -> None:
    until = date(2030, 1, 1)
    held = Override("hold", "Ledger", "why", until)
    recorded: list[Listed] = [
        ("lead_id", "L1", held), ("account_id", "A", Override("raise", "Ledger", "of the account", until)),
        ("lead_id", "L5", held), ("lead_id", "gone", held), ("account_id", "gone", held),
    ]  # fmt: skip
    text = "L1,,hold,File,why,2030-01-01\nL5,,disqualify,File,why,\nL9,,raise,File,old,2025-01-31\n"

    found = found_with(tmp_path, recorded, text)

    assert [each and (each.owner, each.action) for each in found.by_row] == [
        ("Ledger", "hold"), ("File", "disqualify"), ("Ledger", "raise"),
    ]  # fmt: skip
    assert found.record(["L1", "L5", "L9"]) == {
        "overrides": {
            "disqualify": 1, "hold": 1, "raise": 1, "ignored_expired": 1, "of_ledger": 2, "ignored_gone": 2,
        },
        "raised": ["L9"],
    }  # fmt: skip


def test_decisions_are_read_for_leads_from_a_ledger_that_was_started(tmp_path: Path) -> None:
    project = project_with("sqlite:///ledger.db", tmp_path)
    of_accounts = project_with("sqlite:///ledger.db", tmp_path, target={"entity": "account"})

    absent = recorded_overrides(project, microsecond(1), is_present=True)
    assert not (tmp_path / "ledger.db").exists()
    ledger = open_ledger(project, is_new_allowed=True)
    add_run(ledger, project.name, 1, {"L1": 30.0})
    add_decision(
        ledger, project.name, kind="lead_id", subject="L1", action="hold", owner="Kim", reason="why",
        until=TOMORROW, by="ann",
    )  # fmt: skip

    assert absent == recorded_overrides(project_with(None, tmp_path), microsecond(1), is_present=True) == []
    assert recorded_overrides(of_accounts, microsecond(1), is_present=True) == []
    assert recorded_overrides(project, microsecond(1), is_present=True) == [
        ("lead_id", "L1", Override("hold", "Kim", "why", TOMORROW))
    ]


def of_page(project: Project, run: int) -> dict[str, str]:
    """Action by lead: the overrides that the review page shows in a run."""
    with open_ledger(project).reading() as connection:
        found = find_queue_run(connection, project.name, run)
        assert found is not None
        rows = queue_page(connection, found, QueueFilter(), 10_000)
        assert len(found_at_scoring(connection, run, [row["rank"] for row in rows])) == 2
        decided = overrides_in_force(connection, project.name, run, rows)
    return {row["lead_id"]: decided[row["rank"]]["action"] for row in rows if row["rank"] in decided}


def test_a_decision_shows_in_the_next_run_moves_no_score_and_reaches_no_earlier_run(
    crm: Crm, tmp_path: Path
) -> None:
    project = crm.written(tmp_path / "lead-scoring.toml", '\n[ledger]\nurl = "sqlite:///ledger.db"\n')
    outputs = [tmp_path / f"{name}.parquet" for name in ("before", "after", "replay", "lifted")]
    decide = ("override", "-p", project, "--why", "why", "--by", "ann")
    assert crm.score(outputs[0], "-p", project, "--as-of", LATE).code == 0
    plain = scores(outputs[0])
    held, out = sorted(plain.index)[:2]

    assert run_command(*decide, held, "--hold", "--until", TOMORROW).code == 0
    assert run_command(*decide, out, "--disqualify").code == 0
    assert crm.score(outputs[1], "-p", project, "--as-of", LATE).code == 0
    told = run_command(
        "explain", held, "-p", project, "--bundle", crm.bundle, "--as-of", LATE, "--json"
    ).json["override"]
    assert crm.score(outputs[2], "-p", project, "--as-of", EARLY).code == 0
    in_force = of_page(load_project(project), 2)
    for lead in (held, out):
        assert run_command(*decide, lead, "--lift").code == 0
    assert in_force == {held: "hold", out: "disqualify"}
    assert of_page(load_project(project), 2) == {}
    assert crm.score(outputs[3], "-p", project, "--as-of", LATE).code == 0

    found = scores(outputs[1])
    pd.testing.assert_frame_equal(found.drop(columns="override"), plain.drop(columns="override"))
    decided = found["override"].dropna()
    assert sorted(decided.index) == [held, out]
    assert told == decided[held] == {
        "action": "hold", "owner": "ann", "reason": "why", "until": TOMORROW.isoformat(),
    }  # fmt: skip
    assert manifest(outputs[1])["overrides"] == {
        "disqualify": 1, "hold": 1, "raise": 0, "ignored_expired": 0, "of_ledger": 2, "ignored_gone": 0,
    }  # fmt: skip
    for output in (outputs[0], outputs[2], outputs[3]):
        assert "overrides" not in manifest(output)
        assert scores(output)["override"].isna().all()
    # the trend knows the run that was filled in meanwhile
    lifted = scores(outputs[3]).drop(columns="trend")
    pd.testing.assert_frame_equal(lifted, plain.drop(columns="trend"))


@pytest.mark.slow  # trains twice
def test_no_answer_and_no_decision_reaches_training_data_or_bundle(tmp_path: Path) -> None:
    folder = tmp_path / "crm"
    made = run_command(
        "simulate", "--leads", 800, "--seed", 5, "--months", 9, "-o", folder, "--format", "csv"
    )
    assert made.code == 0, made.err
    file = folder / "lead-scoring.toml"
    text = file.read_text(encoding="utf-8")
    ledger_of = "" if "[ledger]" in text else '\n[ledger]\nurl = "sqlite:///ledger.db"\n'
    small = (
        '\n[model]\nbootstrap = 100\n[model.lightgbm]\nmax_rounds = 20\n[features]\nfamilies = ["explicit"]\n'
    )
    file.write_text(text + ledger_of + small, encoding="utf-8")
    project = load_project(file)
    results = []
    for is_answered in (False, True):
        if is_answered:
            _answer_everything(project)
        dataset = labelled_dataset(project, load_tables(project, lambda _: None))
        trained = train_project(project, lambda _: None)
        bundle = {
            path.name: path.read_bytes()
            for path in sorted((trained.folder / "bundle").iterdir())
            if path.is_file()
        }
        rows = dataset.rows
        results.append((bundle, dataset.y.tobytes(), rows.lead.tobytes(), rows.as_of.tobytes()))
        report = trained.report.read_text(encoding="utf-8")
        assert ('id="sales"' in report) == is_answered
        assert ("They train nothing" in report) == is_answered

    assert len(results[0][0]) > 3
    assert results[0] == results[1]


def _answer_everything(project: Project) -> None:
    """An answer to every lead, by what came of it, and a decision on one."""
    outcomes = pd.read_csv(project.root / "outcomes.csv")
    leads = pd.read_csv(project.root / "leads.csv")["lead_id"].tolist()
    won = set(outcomes[outcomes["outcome"] == "won"]["lead_id"])
    ledger = open_ledger(project, is_new_allowed=True)
    add_run(ledger, project.name, 1, dict.fromkeys(leads, 60.0))
    for lead in leads:
        verdict = "accept" if lead in won else "reject"
        add_feedback(
            ledger, project.name, Feedback(lead, verdict, CODES[verdict][0], None, None, "ann"), source="page"
        )
    add_decision(
        ledger, project.name, kind="lead_id", subject=leads[0], action="disqualify", owner="Kim", reason="why",
        until=None, by="ann",
    )  # fmt: skip
