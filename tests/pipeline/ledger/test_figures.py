"""Aggregates for the manager, by hand on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from pipeline.ledger.figures import (
    Answered,
    Crossing,
    Heap,
    answered_leads,
    crossings,
    first_leads,
    ledger_state,
    movers,
    present_run,
    recent_runs,
    score_heaps,
)
from pipeline.ledger.schema import ERASURES, FEEDBACK
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger.filling import add_end, add_run, add_score, day


def add_answer(
    connection: Connection, number: int, lead: str, verdict: str | None, run: int | None = 1,
    worked_at: datetime | None = None,
) -> None:  # fmt: skip
    row: dict[str, Any] = {
        "number": number, "feedback_id": f"{number:064x}", "project": "p", "lead_id": lead, "run": run, "score": 50.0,
        "band": "MQL", "verdict": verdict, "code": None, "note": None, "worked_at": worked_at, "by": "Ann",
        "source": "page", "recorded_at": day(20),
    }  # fmt: skip
    connection.execute(insert(FEEDBACK).values(row))


def test_leads_are_heaped_by_whole_score_cut_off(ledger: Ledger) -> None:
    scores = {"A": 100.0, "B": 50.0, "C": 49.999, "D": 49.5, "E": 48.5, "F": 0.0, "G": -0.5, "H": -2.0}
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        for rank, (lead, score) in enumerate(scores.items(), start=1):
            p = None if lead in {"F", "G", "H"} else 0.5
            value = 10.0 * rank if lead in {"A", "C"} else None
            add_score(connection, 1, rank, lead, "MQL", score=score, probability=p, expected_value=value)

    with ledger.reading() as connection:
        found = score_heaps(connection, 1)

    assert found == [
        Heap(100, 1, 1, 0.5, 0.25, 1, 10.0), Heap(50, 1, 1, 0.5, 0.25, 0, 0.0), Heap(49, 2, 2, 1.0, 0.5, 1, 30.0),
        Heap(48, 1, 1, 0.5, 0.25, 0, 0.0), *(Heap(score, 1, 0, 0.0, 0.0, 0, 0.0) for score in (0, -1, -2)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("n", "heap"),
    [
        (2, Heap(60, 2, 2, 1.25, 0.4375, 0, 0.0)), (9, Heap(39, 3, 3, 1.5, 0.625, 0, 0.0)),
        (0, Heap(0, 0, 0, 0.0, 0.0, 0, 0.0)),
    ],
)  # fmt: skip
def test_the_first_leads_are_taken_in_call_order(ledger: Ledger, n: int, heap: Heap) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        for rank, (score, p) in enumerate(((70.5, 0.75), (60.9, 0.5), (39.9, 0.25)), start=1):
            add_score(connection, 1, rank, f"L{rank}", "MQL", score=score, probability=p)

    with ledger.reading() as connection:
        assert first_leads(connection, 1, n) == heap


def test_crossings_and_movers_compare_with_the_run_before(ledger: Ledger) -> None:
    rows = [("A", "SQL", 90.0, "MQL", 70.0), ("B", "SQL", 85.0, "MQL", 75.0), ("C", "below", 10.0, "MQL", 60.0),
            ("D", "below", 20.0, None, None), ("E", "below", 20.0, "below", 20.0)]  # fmt: skip
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        for rank, (lead, band, score, band_before, before) in enumerate(rows, start=1):
            add_score(
                connection, 1, rank, lead, band, score=score, band_before=band_before, score_before=before
            )

    with ledger.reading() as connection:
        crossed, moved = crossings(connection, 1), movers(connection, 1, 2)

    assert crossed == [
        Crossing("MQL", "SQL", 2, 15.0), Crossing(None, "below", 1, None), Crossing("MQL", "below", 1, -50.0),
        Crossing("below", "below", 1, 0.0),
    ]  # fmt: skip
    assert [each["lead_id"] for each in moved] == ["C", "A"]


def test_the_present_run_is_the_latest_complete_one_of_the_own_target(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 5)
        add_run(connection, 2, 3)
        add_run(connection, 3, 6, is_complete=False)
        add_run(connection, 4, 7, target="accounts")
        add_run(connection, 5, 8, project="q")
        add_run(connection, 6, None)

    with ledger.reading() as connection:
        found, present = recent_runs(connection, "p", 10), present_run(connection, "p")
        one, none = recent_runs(connection, "p", 1, number=2), recent_runs(connection, "p", 1, number=3)

    assert [each["number"] for each in found] == [1, 2, 6]
    assert present == found[0]
    assert ([each["number"] for each in one], none) == ([2], [])


def test_answered_leads_count_once_by_their_latest_verdict(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 2)
        for number, (lead, verdict) in enumerate(
            [("A", "reject"), ("A", "accept"), ("A", None), ("B", "accept"), ("C", "reject"), ("D", "accept")], start=1
        ):  # fmt: skip
            add_answer(connection, number, lead, verdict)
        add_answer(connection, 7, "E", "accept", run=None)
        add_end(connection, "A", day(5))
        add_end(connection, "B", day(1))  # before the score that was answered
        add_end(connection, "C", day(2), is_won=False)
        add_end(connection, "C", day(8))
        add_end(connection, "E", day(19))  # before the answer; no score is known
        add_answer(connection, 8, "F", "accept", run=None, worked_at=day(18))
        add_end(connection, "F", day(19))

    with ledger.reading() as connection:
        found = answered_leads(connection, "p")

    assert found == [Answered("accept", 5, 2, 0), Answered("reject", 1, 0, 1)]


def test_an_old_answer_that_is_imported_last_is_not_the_latest(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        add_answer(connection, 1, "A", "reject", worked_at=day(9))
        add_answer(connection, 2, "A", "accept", worked_at=day(8))
        add_answer(connection, 3, "B", "reject", worked_at=day(9))
        add_answer(connection, 4, "B", "accept", worked_at=day(9))

    with ledger.reading() as connection:
        found = answered_leads(connection, "p")

    assert found == [Answered("accept", 1, 0, 0), Answered("reject", 1, 0, 0)]


def test_the_state_changes_with_runs_and_erasures_alone(ledger: Ledger) -> None:
    erased = {
        "project": "p", "salt": "s", "lead_hash": "h", "scores_deleted": 1, "why": "asked", "by": "Ann",
        "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        one = ledger_state(connection, "p")
        add_run(connection, 2, 2, is_complete=False)
        loading = ledger_state(connection, "p")
        add_run(connection, 3, 3)
        two = ledger_state(connection, "p")
        connection.execute(insert(ERASURES).values(erased))
        less = ledger_state(connection, "p")

    assert one == loading
    assert len({one, two, less}) == 3
