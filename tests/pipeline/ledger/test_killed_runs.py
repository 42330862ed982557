"""A scoring run killed at any point: nothing half done in the ledger, and the rerun ends with one row a lead."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline.conftest import Crm, manifest, scores
from tests.pipeline.test_cli_ledger import with_ledger

CHILD = """
import sys
from pathlib import Path
from models.bundle import load_bundle
from pipeline.config import load_project
from pipeline.ledger.store import open_ledger
from pipeline.score import score_project
project, bundle = load_project(Path(sys.argv[1])), load_bundle(Path(sys.argv[2]))
print("ready", flush=True)
score_project(project, bundle, Path(sys.argv[3]), None, lambda words: None)
"""


def _killed(crm: Crm, project: Path, output: Path, delay: float, *, from_files: bool) -> bool:
    """Score in a process of its own and kill it after a while; whether it was still at work.

    `from_files`: the delay counts from the first file of the output, so the kill falls among the writing.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, project, crm.bundle, output], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    staged = output.with_name(f".{output.name}.tmp")
    while from_files and child.poll() is None and not staged.exists() and not output.exists():
        time.sleep(0.0005)
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    child.stdout.close()
    return child.wait() == -signal.SIGKILL


def _counts(project: Path) -> list[tuple[int, int, int]]:
    """Of each run in the ledger: what it says it scored, its rows, its leads."""
    path = project.parent / "ledger.db"
    if not path.exists():
        return []
    with sqlite3.connect(path) as ledger:
        if not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger_scores'").fetchone():
            return []
        return ledger.execute(
            "SELECT r.scored, count(s.lead_id), count(DISTINCT s.lead_id) FROM ledger_runs r "
            "LEFT JOIN ledger_scores s ON s.run = r.number GROUP BY r.number"
        ).fetchall()


@pytest.mark.slow
def test_a_run_killed_at_random_points_and_run_again_has_one_row_a_lead(crm: Crm, tmp_path: Path) -> None:
    rng, hits, states = random.Random(1), 0, set()

    for number in range(10):
        folder = tmp_path / str(number)
        project, output = with_ledger(crm, folder), folder / "scores.parquet"
        from_files = number % 3 > 0
        delay = rng.uniform(0.0, 0.12 if from_files else 1.0)
        hits += _killed(crm, project, output, delay, from_files=from_files)
        left, has_manifest = _counts(project), output.with_name("scores.manifest.json").exists()
        states.add((len(left), has_manifest))
        assert all(scored == rows == leads for scored, rows, leads in left)
        assert not has_manifest or len(left) == 1

        assert crm.score(output, "-p", project).code == 0

        n = len(scores(output))
        assert _counts(project) == [(n, n, n)]
        assert json.dumps(manifest(output)["scored"]) == str(n)
        assert not list(folder.glob(".*.tmp"))

    assert hits >= 5, f"only {hits} of 10 processes were killed at work: {states}"
