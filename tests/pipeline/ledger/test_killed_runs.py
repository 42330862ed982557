"""A scoring run killed at any point: nothing half done in the ledger, and the rerun ends with one row a lead."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from pipeline.config import Project
from pipeline.ledger import loading
from pipeline.ledger.reading import list_runs
from pipeline.ledger.schema import DETAILS, LOADING, RUNS, SCORES
from pipeline.ledger.store import Ledger
from tests.pipeline.conftest import Crm, manifest, scores
from tests.pipeline.ledger.prepared_load import load_and_publish, load_in_parts, quick_processes
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
    """Of each complete run in the ledger: what it says it scored, its rows, its leads."""
    path = project.parent / "ledger.db"
    if not path.exists():
        return []
    with sqlite3.connect(path) as ledger:
        if not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger_scores'").fetchone():
            return []
        return ledger.execute(
            "SELECT r.scored, count(s.lead_id), count(DISTINCT s.lead_id) FROM ledger_runs r "
            "LEFT JOIN ledger_scores s ON s.run = r.number WHERE r.is_complete GROUP BY r.number"
        ).fetchall()


@pytest.mark.slow
def test_scoring_killed_at_random_points_and_run_again_has_one_row_a_lead(crm: Crm, tmp_path: Path) -> None:
    rng, hits, states = random.Random(1), 0, set()

    for number in range(6):
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

    assert hits >= 3, f"only {hits} of 6 processes were killed at work: {states}"


N_ROWS, ROWS_OF_PART, KILLS = 2_000, 100, 100


@pytest.mark.slow
def test_a_load_killed_at_a_hundred_random_points_and_run_again_has_one_row_a_lead(
    project: Project, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, left = random.Random(2), Counter[str]()
    monkeypatch.setattr(loading, "PART_ROWS", ROWS_OF_PART)

    for number in range(KILLS):
        _emptied(ledger)
        output = tmp_path / str(number) / "scores.parquet"
        output.parent.mkdir()
        is_to_die = number % 10 == 0
        child = quick_processes().Process(
            target=load_in_parts,
            args=(project, N_ROWS, output, ROWS_OF_PART),
            kwargs={"is_to_die": is_to_die},
        )
        child.start()
        if is_to_die:
            child.join()
        else:
            _wait_until(ledger, rng.randrange(N_ROWS), child)
            time.sleep(rng.uniform(0.0, 0.02))
            child.kill()
            child.join()
        state, has_manifest = _state(ledger), output.with_name("scores.manifest.json").exists()
        left[state] += 1
        assert state == "complete" or not has_manifest
        assert not is_to_die or (state == "complete" and not output.exists())

        load_and_publish(project, N_ROWS, output)

        assert _state(ledger) == "complete"
        assert manifest(output)["scored"] == N_ROWS
        assert not list(output.parent.glob(".*.tmp"))

    assert left["half loaded"] >= KILLS / 2, left


def _wait_until(ledger: Ledger, rows: int, child: BaseProcess) -> None:
    """Wait until the run is loaded so far, or its process is through."""
    while child.is_alive():
        with ledger.reading() as connection:
            if rows <= (connection.scalar(select(func.max(SCORES.c.rank))) or 0):
                return
        time.sleep(0.001)


def _emptied(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for table in (LOADING, DETAILS, SCORES, RUNS):
            connection.execute(delete(table))


def _state(ledger: Ledger) -> str:
    """What there is of the run; no reader may see a part, and none is there twice."""
    with ledger.reading() as connection:
        of_tables = [
            connection.execute(select(func.count(), func.count(each.distinct()))).one()
            for each in (SCORES.c.lead_id, SCORES.c.rank, DETAILS.c.rank)
        ]
        (count, distinct), *others = map(tuple, of_tables)
        assert count == distinct
        assert others == [(count, count)] * 2
        if list_runs(connection, "leads"):
            assert count == N_ROWS
            assert connection.scalar(select(func.count()).select_from(LOADING)) == 0
            return "complete"
    assert count % ROWS_OF_PART == 0
    return "half loaded" if count > 0 else "nothing"
