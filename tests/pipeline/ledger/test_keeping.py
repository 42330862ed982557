"""Runs in the ledger: whole, once, and as they were published."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import func, select

from features.errors import OutputError
from pipeline.config import Project
from pipeline.ledger.keeping import RunToKeep
from pipeline.ledger.schema import RUNS, SCORES
from pipeline.ledger.store import Ledger
from pipeline.output import publish
from tests.pipeline.ledger.conftest import GROUPS, kept

MANY = {f"L{number:05d}": (number % 90 - 40.0, 5.0) for number in range(12_000)}


def _counts(ledger: Ledger) -> tuple[int, int]:
    with ledger.reading() as connection:
        runs = connection.scalar(select(func.count()).select_from(RUNS))
        scores = connection.scalar(select(func.count()).select_from(SCORES))
    assert runs is not None
    assert scores is not None
    return runs, scores


def test_the_same_run_twice_adds_nothing(project: Project, ledger: Ledger) -> None:
    run = kept(project, 1, {"L1": (20.0, 0.0), "L2": (0.0, -5.5)})

    assert run.write() is True
    assert run.write() is False

    assert _counts(ledger) == (1, 2)


def test_a_row_says_what_was_published(project: Project, ledger: Ledger) -> None:
    kept(project, 1, {"L1": (20.0, 1.25), "L2": (70.0, 0.0)}).write()

    with ledger.reading() as connection:
        first, second = connection.execute(select(SCORES).order_by(SCORES.c.rank)).mappings().all()
        run = connection.execute(select(RUNS)).mappings().one()
    assert dict(second) == {
        "run": 1, "lead_id": "L1", "product": "", "rank": 2, "probability": 0.30625, "score": 61.25, "band": "MQL",
        "fit_grade": "A", "engagement_grade": "1", "silent_until": None, "expected_value": None, "base_score": 40.0,
        "reasons": '[{"group":"visits","points":20.0,"text":"visits count"},'
                   '{"group":"country","points":1.25,"text":"country count"}]',
        "contributions": "[20.0,1.25]", "warnings": '["Country is rare"]',
    }  # fmt: skip
    assert (first["lead_id"], first["score"], first["rank"], first["warnings"]) == ("L2", 100.0, 1, None)
    assert json.loads(run["reason_groups"]) == list(GROUPS)
    assert run["as_of"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert abs(datetime.now(UTC) - run["recorded_at"]).total_seconds() < 60


def test_many_rows_are_loaded_in_parts_and_all_arrive(project: Project, ledger: Ledger) -> None:
    kept(project, 1, MANY).write()

    with ledger.reading() as connection:
        ids, ranks = zip(*connection.execute(select(SCORES.c.lead_id, SCORES.c.rank)), strict=True)
    assert sorted(ids) == sorted(MANY)
    assert sorted(ranks) == list(range(1, len(MANY) + 1))


def test_hostile_ids_are_text(project: Project, ledger: Ledger) -> None:
    hostile = ["'; DROP TABLE ledger_runs; --", "\\N", "a\tb\nc", "ü\u2028€", "%(x)s", ""]

    kept(project, 1, dict.fromkeys(hostile, (1.0, 0.0))).write()

    with ledger.reading() as connection:
        assert sorted(connection.scalars(select(SCORES.c.lead_id))) == sorted(hostile)


def test_a_run_that_can_t_be_written_whole_leaves_nothing(project: Project, ledger: Ledger) -> None:
    run = kept(project, 1, MANY)
    doubled = pa.concat_tables([run.table, run.table.slice(0, 1)])

    with pytest.raises(OutputError, match=r"(?i)can't be written: .*unique"):
        RunToKeep(project, run.values, doubled, run.contributions).write()

    assert _counts(ledger) == (0, 0)


def test_of_two_that_write_the_same_run_at_once_one_adds_it(project: Project, ledger: Ledger) -> None:
    said: list[bool] = []
    threads = [threading.Thread(target=lambda: said.append(kept(project, 1, MANY).write())) for _ in range(3)]

    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(said) == [False, False, True]
    assert _counts(ledger) == (1, len(MANY))


def test_what_the_ledger_refuses_is_not_published(tmp_path: Path) -> None:
    old = pa.table({"lead_id": ["old"]})
    publish(tmp_path / "scores.parquet", old, 5, [], pd.DataFrame(), {"scored": 1})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def refuse() -> None:
        raise OutputError("the ledger is full")

    with pytest.raises(OutputError, match="full"):
        publish(
            tmp_path / "scores.parquet", pa.table({"lead_id": ["new"]}), 5, [], pd.DataFrame(), {}, refuse
        )

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_can_t_be_written_to_disk_is_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "scores.manifest.json").mkdir()
    said: list[str] = []

    with pytest.raises(OutputError, match="could not be written"):
        publish(
            tmp_path / "scores.parquet", pa.table({"lead_id": ["L"]}), 5, [], pd.DataFrame(), {},
            lambda: said.append("recorded"),
        )  # fmt: skip

    assert said == []
