"""Answers of sales in the ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from features.errors import InputError
from pipeline.config import Project
from pipeline.ledger.feedback import MAX_NOTE, Feedback, add_all, add_feedback, feedback_of
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger import filling
from tests.pipeline.ledger.runs_by_hand import add_run, night


def answer(lead: str = "L1", **given: Any) -> Feedback:
    """An accepted lead, but for what is given."""
    values: dict[str, Any] = {"verdict": "accept", "code": None, "note": None, "worked_at": None, "by": "ann"}
    return Feedback(lead, **{**values, **given})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"verdict": "maybe"}, "The verdict 'maybe' is none of accept, reject"),
        ({"verdict": None}, "neither accept nor reject, nor when it was worked"),
        ({"code": "no budget"}, "The code 'no budget' is no reason to accept; expected one of: good fit"),
        (
            {"verdict": None, "worked_at": night(1), "code": "good fit"},
            "expected a code beside accept or reject only",
        ),
        ({"note": "x" * (MAX_NOTE + 1)}, "The note has 2,001 characters; at most 2,000 are kept"),
        ({"by": " \n"}, "by is empty"),
        ({"by": "x" * 101}, "by has 101 characters"),
        ({"lead": " "}, "lead_id is empty"),
        ({"lead": "L1\x00"}, "lead_id holds signs that are no text"),
        ({"lead": "L1\ud800"}, "lead_id holds signs that are no text"),
        ({"worked_at": datetime(2026, 1, 1)}, "without a zone"),  # noqa: DTZ001  the fault under test
        ({"worked_at": datetime.now(UTC) + timedelta(hours=1)}, "lies in the future"),
        ({"worked_at": datetime.fromisoformat("0001-01-01T00:00:00+14:00")}, "before there was a CRM"),
    ],
)
def test_feedback_that_means_nothing_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        answer(**given)


def test_a_note_keeps_its_lines_and_loses_signs_that_do_not_print() -> None:
    found = answer(note=" called\x1b[31m\tat noon\r\n\x00 \u202ewrong number ", by="ann\x07 b")

    assert found.note == "called[31m at noon\nwrong number"
    assert found.by == "ann b"
    assert answer(note=" \n ").note is None


def test_an_answer_keeps_the_score_of_the_latest_run(project: Project, ledger: Ledger) -> None:
    name = project.name
    add_run(ledger, name, 2, {"L1": 60.0, "L2": 40.0})
    add_run(ledger, name, 1, {"L1": 30.0, "L3": 81.0})
    add_run(ledger, name, 3, {"L1": 90.0}, is_complete=False)
    add_run(ledger, name, 4, {"L1": 91.0}, target="meeting")

    numbers = [
        add_feedback(ledger, name, answer("L1", code="good fit", note="nice"), source="page"),
        add_feedback(ledger, name, answer("L3", verdict="reject", code="other"), source="page"),
    ]

    with ledger.reading() as connection:
        (first,), (gone,) = (feedback_of(connection, name, lead) for lead in ("L1", "L3"))
    assert numbers == [1, 2]
    recorded = first.pop("recorded_at")
    assert abs(datetime.now(UTC) - recorded) < timedelta(minutes=1)
    assert first == {
        "number": 1, "lead_id": "L1", "verdict": "accept", "code": "good fit", "note": "nice", "worked_at": None,
        "by": "ann", "source": "page", "run": 1, "score": 60.0, "band": "MQL",
    }  # fmt: skip
    assert (gone["run"], gone["score"], gone["band"]) == (2, 81.0, "SQL")


def test_an_answer_of_last_week_keeps_the_score_of_last_week(project: Project, ledger: Ledger) -> None:
    for day, score in ((2, 30.0), (5, 60.0), (9, 90.0)):
        add_run(ledger, project.name, day, {"L1": score})

    for hours in (-24, 0, 24 * 4 + 5, 24 * 20):
        given = answer(verdict=None, worked_at=night(2) + timedelta(hours=hours))
        add_feedback(ledger, project.name, given, source="crm")

    with ledger.reading() as connection:
        found = feedback_of(connection, project.name, "L1")
    assert [each["score"] for each in found] == [90.0, 60.0, 30.0, None]


def test_work_on_data_of_a_time_to_come_counts_from_when_the_run_was_recorded(
    project: Project, ledger: Ledger
) -> None:
    now = datetime.now(UTC)
    add_run(ledger, project.name, 31, {"L1": 60.0}, recorded_at=now - timedelta(days=700))

    worked = night(31) - timedelta(days=300)
    add_feedback(ledger, project.name, answer(worked_at=worked), source="page")

    with ledger.reading() as connection:
        assert feedback_of(connection, project.name, "L1")[0]["score"] == 60.0


def test_a_lead_that_no_run_has_scored_gets_no_feedback(project: Project, ledger: Ledger) -> None:
    add_run(ledger, "another", 1, {"L1": 30.0})
    add_run(ledger, project.name, 1, {"L1": 30.0}, is_complete=False)

    with pytest.raises(InputError, match=f"No run of {project.name} in the ledger has scored 'L1'"):
        add_feedback(ledger, project.name, answer(), source="page")


def test_an_answer_to_a_product_keeps_the_score_of_that_product(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        filling.add_run(connection, 1, 1, entity="product")
        filling.add_score(connection, 1, 1, "L1", "SQL", product="A", score=80.0)
        filling.add_score(connection, 1, 2, "L1", "below", product="B", score=20.0)

    added = [
        add_feedback(ledger, "p", answer(), source="page", product=each) for each in ("B", "B", "A", None)
    ]
    with pytest.raises(InputError, match=r"has scored 'L1' for 'C', so there is no score to answer to"):
        add_feedback(ledger, "p", answer(), source="page", product="C")

    with ledger.reading() as connection:
        kept = feedback_of(connection, "p", "L1")
    assert [each is None for each in added] == [False, True, False, False]  # B was sent twice
    assert [(each["score"], each["band"]) for each in kept] == [(80.0, "SQL"), (80.0, "SQL"), (20.0, "below")]


def test_the_same_answer_is_added_once(project: Project, ledger: Ledger) -> None:
    for name in (project.name, "another"):
        add_run(ledger, name, 1, {"L1": 30.0})

    added = [
        add_feedback(ledger, name, answer(code=code), source="crm", feedback_id="x" * 500)
        for name, code in ((project.name, None), (project.name, "good fit"), ("another", None))
    ]

    with ledger.reading() as connection:
        (found,) = feedback_of(connection, project.name, "L1")
    assert added == [1, None, 2]
    assert found["code"] is None


def test_a_double_click_adds_one_answer_and_another_answer_is_another(
    project: Project, ledger: Ledger
) -> None:
    add_run(ledger, project.name, 1, {"L1": 30.0})

    clicks = [
        add_feedback(ledger, project.name, answer(worked_at=datetime.now(UTC)), source="page")
        for _ in range(3)
    ]
    other = add_feedback(ledger, project.name, answer(verdict="reject"), source="page")

    assert clicks == [1, None, None]
    assert other == 2


def test_of_twenty_writers_at_once_none_is_lost_or_doubled(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 1, {f"L{i}": 30.0 for i in range(10)})

    with ThreadPoolExecutor(20) as pool:
        found = list(
            pool.map(
                lambda i: add_feedback(
                    ledger, project.name, answer(f"L{i % 10}"), source="crm", feedback_id=f"{i % 10}"
                ),
                range(20),
            )
        )

    assert len({each for each in found if each is not None}) == found.count(None) == 10


def test_two_imports_of_the_same_answers_in_another_order_do_not_wait_for_each_other_for_good(
    project: Project, ledger: Ledger
) -> None:
    leads = [f"L{number}" for number in range(100)]
    add_run(ledger, project.name, 1, dict.fromkeys(leads, 60.0))
    answers = [(answer(lead), lead) for lead in leads]

    with ThreadPoolExecutor(2) as pool:
        found = pool.map(
            lambda given: add_all(ledger, project.name, given, source="file"), (answers, answers[::-1])
        )
        added = sorted(each for each, _ in found)

    assert added == [0, 100]


def test_only_the_newest_answers_are_given(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 1, {"L1": 30.0})
    for i in range(4):
        add_feedback(ledger, project.name, answer(note=f"{i}"), source="page")

    with ledger.reading() as connection:
        found = feedback_of(connection, project.name, "L1", limit=2)

    assert [each["note"] for each in found] == ["3", "2"]
