"""Runs in the ledger: whole, once, and as they were published."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import func, select

from features.errors import InputError, OutputError
from pipeline.config import Project
from pipeline.ledger import loading
from pipeline.ledger.facts import FACT_COLUMNS, EndingsToTell, RunFacts
from pipeline.ledger.keeping import RunToKeep
from pipeline.ledger.reading import history, list_runs
from pipeline.ledger.schema import DETAILS, LOADING, OUTCOMES, RUNS, SCORES
from pipeline.ledger.store import Ledger
from pipeline.output import publish
from tests.pipeline.ledger.conftest import GROUPS, breaks_off, kept

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
        above, below = connection.execute(select(DETAILS).order_by(DETAILS.c.rank)).mappings().all()
        run = connection.execute(select(RUNS)).mappings().one()
    assert dict(second) == {
        "run": 1, "rank": 2, "lead_id": "L1", "product": "", "probability": 0.30625, "score": 61.25, "band": "MQL",
        "score_before": None, "band_before": None, "fit_grade": "A", "engagement_grade": "1", "silent_until": None,
        "expected_value": None, "is_awake": None, "account_id": None, "name": None, "company": None, "owner": None,
        "segment": None, "first_reason": "visits count", "first_points": 20.0,
    }  # fmt: skip
    assert dict(below) == {
        "run": 1, "rank": 2, "base_score": 40.0,
        "reasons": '[{"group":"visits","points":20,"text":"visits count"},'
                   '{"group":"country","points":1.25,"text":"country count"}]',
        "contributions": "[20,1.25]", "attributes": None, "events": None, "further": None,
        "warnings": '["Country is rare"]',
    }  # fmt: skip
    assert (first["lead_id"], first["score"], first["rank"], above["warnings"]) == ("L2", 100.0, 1, None)
    assert json.loads(run["reason_groups"]) == list(GROUPS)
    assert run["as_of"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert run["is_complete"] is True
    assert abs(datetime.now(UTC) - run["recorded_at"]).total_seconds() < 60


def test_what_was_known_beside_the_figures_arrives_row_by_row(project: Project, ledger: Ledger) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    columns = {name: [f"{name} of L2", None] for name in FACT_COLUMNS} | {"is_awake": [True, None]}
    facts = RunFacts(
        columns, ("country",), moment, 30.0, '{"p_mql":0.1}', {("L1", "ERP"): (12.5, "below")},
        EndingsToTell([
            {"project": project.name, "lead_id": "L0", "ended_at": moment, "outcome": "won", "is_won": True},
        ]),
    )  # fmt: skip
    run = kept(project, 2, {"L1": (20.0, 1.25), "L2": (70.0, 0.0)}, facts=facts)
    silent = pa.array([None, datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
    table = run.table.drop_columns(["silent_until", "product"])
    table = table.append_column("silent_until", silent).append_column("product", pa.array(["CRM", "ERP"]))

    replace(run, table=table, values={**run.values, "entity": "product"}).write()

    with ledger.reading() as connection:
        both = SCORES.join(DETAILS, (SCORES.c.run == DETAILS.c.run) & (SCORES.c.rank == DETAILS.c.rank))
        first, second = connection.execute(
            select(SCORES, DETAILS).select_from(both).order_by(SCORES.c.rank)
        ).all()
        ended = connection.execute(select(OUTCOMES)).one()
        of_run = connection.execute(select(RUNS)).one()
    assert [getattr(first, name) for name in FACT_COLUMNS] == [values[0] for values in columns.values()]
    assert [getattr(second, name) for name in FACT_COLUMNS] == [None] * len(FACT_COLUMNS)
    assert (first.product, first.score_before, first.band_before, first.silent_until) == (
        "CRM",
        None,
        None,
        None,
    )
    assert (second.product, second.score_before, second.band_before) == ("ERP", 12.5, "below")
    assert second.silent_until == datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert tuple(ended) == (project.name, "L0", moment, "won", True, 1)
    assert (of_run.event_watermark, of_run.horizon_days, of_run.attributes) == (moment, 30.0, '["country"]')
    assert of_run.anchors == '{"p_mql":0.1}'


def test_an_outcome_that_the_ledger_has_already_is_told_once(project: Project, ledger: Ledger) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    ended = {"project": project.name, "lead_id": "L0", "ended_at": moment, "outcome": "won", "is_won": True}

    for day in (2, 3):
        facts = replace(RunFacts.none(1), endings=EndingsToTell([ended]))
        kept(project, day, {"L1": (1.0, 0.0)}, facts=facts).write()

    with ledger.reading() as connection:
        assert list(connection.scalars(select(OUTCOMES.c.run))) == [1]


def test_a_corrected_outcome_takes_the_place_of_the_old_one(project: Project, ledger: Ledger) -> None:
    first, second = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
    lost = [
        {"project": project.name, "lead_id": lead, "ended_at": first, "outcome": "lost", "is_won": False}
        for lead in ("L7", "L8", "L9")
    ]
    won = {"outcome": "won", "is_won": True}
    mended = EndingsToTell([lost[0] | won, lost[1] | won | {"ended_at": second}], [("L8", first)])

    for day, endings in ((2, EndingsToTell(lost)), (3, mended), (3, mended)):
        kept(project, day, {"L1": (1.0, 0.0)}, facts=replace(RunFacts.none(1), endings=endings)).write()

    with ledger.reading() as connection:
        found = connection.execute(select(OUTCOMES).order_by(OUTCOMES.c.lead_id)).all()
    assert [tuple(row)[1:] for row in found] == [
        ("L7", first, "won", True, 2), ("L8", second, "won", True, 2), ("L9", first, "lost", False, 1),
    ]  # fmt: skip


def test_a_run_of_an_earlier_moment_that_is_loaded_later_undoes_no_correction(
    project: Project, ledger: Ledger
) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    ended = {"project": project.name, "lead_id": "L7", "ended_at": moment, "outcome": "won", "is_won": True}
    lost = ended | {"outcome": "lost", "is_won": False}

    for day, endings in ((9, EndingsToTell([ended])), (7, EndingsToTell([lost], [("L7", moment)]))):
        kept(project, day, {"L1": (1.0, 0.0)}, facts=replace(RunFacts.none(1), endings=endings)).write()

    with ledger.reading() as connection:
        assert [tuple(row)[1:] for row in connection.execute(select(OUTCOMES))] == [
            ("L7", moment, "won", True, 1)
        ]


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


def test_a_run_that_can_t_be_written_whole_is_seen_by_nobody_and_gone_on_with(
    project: Project, ledger: Ledger
) -> None:
    run, n = kept(project, 1, MANY), len(MANY)
    again = [*range(n), 0]
    doubled = replace(
        run, table=run.table.take(again), contributions=run.contributions[again], facts=RunFacts.none(n + 1)
    )

    with pytest.raises(OutputError, match=r"(?i)can't be written: .*unique"):
        doubled.write()

    with ledger.reading() as connection:
        assert list_runs(connection, project.name) == []
        with pytest.raises(InputError, match="None of the 0 runs"):
            history(connection, project.name, "L00000")
    assert run.write() is True
    assert _counts(ledger) == (1, n)


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


def test_what_a_killed_run_left_is_swept_away_after_a_week(
    project: Project, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PART_ROWS", 2)
    leads = dict.fromkeys("ABCDE", (1.0, 0.0))
    for day in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            breaks_off(kept(project, day, leads), 4).write()
    with ledger.writing() as connection:
        connection.execute(
            RUNS.update().where(RUNS.c.number == 1).values(recorded_at=datetime.now(UTC) - timedelta(days=8))
        )

    kept(project, 3, leads).write()

    with ledger.reading() as connection:
        found = connection.execute(select(RUNS.c.number, RUNS.c.is_complete).order_by(RUNS.c.number)).all()
        rows = [
            list(connection.scalars(select(table.c.run).distinct().order_by(table.c.run)))
            for table in (SCORES, DETAILS, LOADING)
        ]
    assert found == [(2, False), (3, True)]
    assert rows == [[2, 3], [2, 3], [2]]
    assert kept(project, 1, leads).write() is True  # from the beginning
    assert kept(project, 2, leads).write() is True  # from where it stood


def test_a_run_swept_away_under_a_process_that_goes_on_with_it_is_refused(
    project: Project, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PART_ROWS", 2)
    run = kept(project, 1, dict.fromkeys("ABCDE", (1.0, 0.0)))

    class Swept(RunToKeep):
        def part(self, number: int, start: int, n: int) -> tuple[pa.Table, pa.Table]:
            if start == 2:
                with ledger.writing() as connection:
                    connection.execute(LOADING.delete())
            return super().part(number, start, n)

    with pytest.raises(OutputError, match=r"swept away while it was gone on with\. Score again"):
        Swept(**vars(run)).write()
