"""The queue's questions to the ledger, on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, select

from pipeline.config import Project
from pipeline.ledger.queue import (
    COOLING_DAYS,
    Facets,
    QueueFilter,
    QueueRun,
    count_bands,
    count_facets,
    find_queue_run,
    find_run_before,
    keep_facets,
    list_queue_runs,
    queue_page,
    stored_facets,
)
from pipeline.ledger.schema import RUNS, SCORES
from pipeline.ledger.store import Ledger

AS_OF = datetime(2026, 1, 10, tzinfo=UTC)
LEADS: tuple[dict[str, Any], ...] = (
    {"lead_id": "L1", "score": 90.0, "band": "SQL", "score_before": 84.0, "band_before": "SQL", "name": "Åsa Müller",
     "company": "50% Off_Shop", "owner": "Ann", "segment": "B2B", "account_id": "A1", "is_awake": True},
    {"lead_id": "L2", "score": 60.0, "band": "MQL", "score_before": 58.0, "band_before": "MQL", "name": "Bo",
     "company": "ACME", "owner": "Ben", "segment": "B2C", "silent_until": AS_OF + timedelta(days=COOLING_DAYS)},
    {"lead_id": "L3", "score": 51.0, "band": "MQL", "score_before": 49.0, "band_before": "below", "name": "50 Off Shop",
     "owner": "Ann", "segment": "B2B", "account_id": "A1", "silent_until": AS_OF + timedelta(days=COOLING_DAYS + 1)},
    {"lead_id": "L4", "score": 20.0, "band": "below", "name": None, "company": "acme\\sub", "product": "Tool"},
    {"lead_id": "L5", "score": 10.0, "band": "below", "score_before": 15.0, "band_before": "below", "name": "Zoe",
     "is_awake": False, "silent_until": AS_OF},
)  # fmt: skip


def _add_run(
    ledger: Ledger,
    project: Project,
    number: int,
    as_of: datetime | None,
    leads: tuple[dict[str, Any], ...] = (),
    **values: Any,
) -> None:
    row = {
        "number": number, "run_id": f"{number:064x}", "project": project.name, "entity": "lead", "target": None,
        "as_of": as_of, "model_version": "m1", "rows_in": 5, "scored": len(leads), "not_open": 0, "quarantined": 0,
        "reason_groups": "[]", "attributes": "[]", "anchors": "{}", "manifest": "{}", "is_complete": True,
        "recorded_at": AS_OF,
    }  # fmt: skip
    blank = {
        "product": "", "score_before": None, "band_before": None, "name": None, "company": None, "owner": None,
        "segment": None, "account_id": None, "is_awake": None, "silent_until": None,
    }  # fmt: skip
    with ledger.writing() as connection:
        connection.execute(insert(RUNS).values(row | values))
        for rank, lead in enumerate(leads, start=1):
            connection.execute(insert(SCORES).values({"run": number, "rank": rank} | blank | lead))


@pytest.fixture
def run(ledger: Ledger, project: Project) -> QueueRun:
    """A run of five leads by hand."""
    _add_run(ledger, project, 1, AS_OF, LEADS)
    with ledger.reading() as connection:
        return list_queue_runs(connection, project.name, 1)[0]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (QueueFilter(), "L1 L2 L3 L4 L5"),
        (QueueFilter(band="MQL"), "L2 L3"),
        (QueueFilter(segment="B2B"), "L1 L3"),
        (QueueFilter(product="Tool"), "L4"),
        (QueueFilter(owner="Ben"), "L2"),
        (QueueFilter(account="A1"), "L1 L3"),
        (QueueFilter(is_awake=True), "L1"),
        (QueueFilter(is_changed=True), "L1 L3 L4 L5"),
        (QueueFilter(is_cooling=True), "L2"),
        (QueueFilter(account="A1", is_changed=True, band="MQL"), "L3"),
        (QueueFilter(owner="nobody of that name"), ""),
        (QueueFilter(search="acme"), "L2 L4"),
        (QueueFilter(search="l3"), "L3"),
        (QueueFilter(search="0% o"), "L1"),
        (QueueFilter(search="f_s"), "L1"),
        (QueueFilter(search="\\S"), "L4"),
        (QueueFilter(search="åsa mül"), "L1"),
        (QueueFilter(search="MÜLLER"), "L1"),
        (QueueFilter(search="' OR 1=1 --"), ""),
    ],
)  # fmt: skip
def test_each_filter_finds_its_leads_in_call_order(
    ledger: Ledger, run: QueueRun, asked: QueueFilter, expected: str
) -> None:
    with ledger.reading() as connection:
        found = [row["lead_id"] for row in queue_page(connection, run, asked, 50)]
        counted = sum(count_bands(connection, run, asked).values())

    assert found == expected.split()
    assert counted == len(found)


def test_pages_follow_each_other_forwards_and_backwards_without_gap_or_repeat(
    ledger: Ledger, run: QueueRun
) -> None:
    with ledger.reading() as connection:
        first = queue_page(connection, run, QueueFilter(), 2)
        second = queue_page(connection, run, QueueFilter(), 2, after=first[-1]["rank"])
        back = queue_page(connection, run, QueueFilter(), 2, before=second[0]["rank"])
        before_last = queue_page(connection, run, QueueFilter(band="below"), 5, before=5)

    assert [row["lead_id"] for row in second] == ["L3", "L4"]
    assert back == first
    assert [row["lead_id"] for row in before_last] == ["L4"]


def test_the_counts_are_those_of_the_filters(ledger: Ledger, run: QueueRun) -> None:
    with ledger.reading() as connection:
        found = count_facets(connection, run.number, run.as_of)
        flags = {
            "changed": QueueFilter(is_changed=True),
            "awake": QueueFilter(is_awake=True),
            "cooling": QueueFilter(is_cooling=True),
        }
        lists = {name: len(queue_page(connection, run, asked, 50)) for name, asked in flags.items()}

    assert found == Facets(
        {"SQL": 1, "MQL": 2, "below": 2}, {"B2B": 2, "B2C": 1}, {"Tool": 1}, {"Ann": 2, "Ben": 1}, **lists
    )


def test_counts_kept_by_another_span_of_days_are_not_those_of_the_filter(
    ledger: Ledger, project: Project, run: QueueRun
) -> None:
    with ledger.writing() as connection:
        keep_facets(connection, run.number)
    with ledger.reading() as connection:
        kept = find_queue_run(connection, project.name, run.number)
    assert kept is not None
    assert kept.facets is not None

    told = json.loads(kept.facets)
    other = {**told, "cooling_days": COOLING_DAYS + 4}
    older = {name: value for name, value in told.items() if name != "cooling_days"}

    assert stored_facets(kept) is not None
    assert [stored_facets(replace(kept, facets=json.dumps(each))) for each in (other, older)] == [None, None]


def test_counts_kept_with_the_run_come_back_as_they_were(
    ledger: Ledger, project: Project, run: QueueRun
) -> None:
    assert stored_facets(run) is None

    with ledger.writing() as connection:
        keep_facets(connection, run.number)

    with ledger.reading() as connection:
        kept = find_queue_run(connection, project.name, run.number)
        assert kept is not None
        assert stored_facets(kept) == count_facets(connection, run.number, run.as_of)


def test_a_run_without_a_moment_of_scoring_has_nothing_going_cold(ledger: Ledger, project: Project) -> None:
    _add_run(ledger, project, 1, None, LEADS)

    with ledger.reading() as connection:
        run = list_queue_runs(connection, project.name, 1)[0]
        assert count_facets(connection, 1, None).cooling == 0
        assert queue_page(connection, run, QueueFilter(is_cooling=True), 50) == []


def test_an_empty_run_counts_nothing(ledger: Ledger, project: Project) -> None:
    _add_run(ledger, project, 1, AS_OF)

    with ledger.reading() as connection:
        assert count_facets(connection, 1, AS_OF) == Facets({}, {}, {}, {}, 0, 0, 0)


def test_the_present_run_is_the_complete_one_of_the_latest_moment(ledger: Ledger, project: Project) -> None:
    _add_run(ledger, project, 1, AS_OF)
    _add_run(ledger, project, 2, AS_OF - timedelta(days=1))
    _add_run(ledger, project, 3, AS_OF + timedelta(days=1), is_complete=False)
    _add_run(ledger, project, 4, AS_OF + timedelta(days=1), target="upsell")
    _add_run(ledger, project.model_copy(update={"name": "other"}), 5, AS_OF + timedelta(days=1))
    _add_run(ledger, project, 6, None)

    with ledger.reading() as connection:
        numbers = [each.number for each in list_queue_runs(connection, project.name, 10)]
        missing = [find_queue_run(connection, project.name, number) for number in (3, 4, 5, 99)]

    assert numbers == [1, 2, 6]
    assert missing == [None] * 4


def test_the_run_before_is_of_an_earlier_moment_and_was_there_when_the_run_was_made(
    ledger: Ledger, project: Project
) -> None:
    of_day = (1, 3, 2, 3, 4)  # the third run is a replay, the fourth repeats the second
    for number, day in enumerate(of_day, start=1):
        _add_run(ledger, project, number, AS_OF + timedelta(days=day))
    _add_run(ledger, project, 6, None)
    _add_run(ledger, project, 7, AS_OF + timedelta(days=4), is_complete=False)
    _add_run(ledger, project, 8, AS_OF + timedelta(days=4), target="upsell")
    _add_run(ledger, project, 9, AS_OF + timedelta(days=5))

    with ledger.reading() as connection:
        runs = {each.number: each for each in list_queue_runs(connection, project.name, 10)}
        found = {
            number: find_run_before(connection, project.name, number, run.as_of)
            for number, run in runs.items()
        }

    before = {number: run and run.number for number, run in found.items()}
    assert before == {1: None, 2: 1, 3: 1, 4: 3, 5: 4, 6: None, 9: 5}


def test_the_leads_of_an_account_are_found_by_its_index(
    ledger: Ledger, project: Project, run: QueueRun
) -> None:
    if ledger.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL chooses by how many leads there are")
    asked: list[tuple[str, Any]] = []
    event.listen(ledger.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    with ledger.reading() as connection:
        queue_page(connection, run, QueueFilter(account="A1"), 50)
        text, values = asked[-1]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()

    steps = " ".join(str(step[-1]) for step in plan)
    assert "ledger_scores_of_account (account_id=? AND run=?)" in steps
    assert "PRIMARY KEY (run=? AND rank=?)" in steps


def test_a_page_of_one_run_holds_no_lead_of_another(ledger: Ledger, project: Project, run: QueueRun) -> None:
    _add_run(ledger, project, 2, AS_OF + timedelta(days=1), LEADS[:2])

    with ledger.reading() as connection:
        stored = connection.execute(select(SCORES.c.run)).scalars().all()
        found = queue_page(connection, run, QueueFilter(), 50)

    assert len(stored) == 7
    assert len(found) == 5
