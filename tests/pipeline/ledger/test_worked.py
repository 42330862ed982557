"""Answers counted, and the share of leads that sales worked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.config import Project
from pipeline.ledger.feedback import Feedback, add_feedback
from pipeline.ledger.store import Ledger
from pipeline.ledger.worked import feedback_summary, worked_share
from tests.pipeline.ledger.runs_by_hand import add_run, night


def say(ledger: Ledger, project: str, lead: str, verdict: str | None, code: str | None, day: int) -> None:
    """An answer to a lead worked at noon of that day."""
    worked_at = night(day) + timedelta(hours=12)
    add_feedback(ledger, project, Feedback(lead, verdict, code, None, worked_at, "ann"), source="page")


def test_answers_are_counted_by_verdict_reason_and_band(project: Project, ledger: Ledger) -> None:
    name = project.name
    add_run(ledger, name, 2, {"L1": 30.0, "L2": 85.0, "L3": 55.0})
    add_run(ledger, "another", 2, {"L1": 30.0})
    say(ledger, name, "L1", "reject", "no budget", 2)
    say(ledger, name, "L2", "reject", "no budget", 2)
    say(ledger, name, "L2", "reject", None, 3)
    say(ledger, name, "L3", "accept", "good fit", 3)
    say(ledger, name, "L3", None, None, 4)
    say(ledger, name, "L3", "accept", "other", 1)
    say(ledger, "another", "L1", "accept", "other", 2)

    with ledger.reading() as connection:
        found = feedback_summary(connection, name)
        later = feedback_summary(connection, name, datetime.now(UTC) + timedelta(hours=1))

    assert found == {
        "answers": 6, "leads": 3, "verdicts": {"accept": 2, "reject": 3, "worked": 1},
        "codes": {"accept": {"good fit": 1, "other": 1}, "reject": {"no budget": 2, "no reason given": 1}},
        "bands": [
            {"band": "SQL", "accept": 0, "reject": 2, "worked": 0},
            {"band": "MQL", "accept": 1, "reject": 0, "worked": 1},
            {"band": "below", "accept": 0, "reject": 1, "worked": 0},
            {"band": None, "accept": 1, "reject": 0, "worked": 0},
        ],
    }  # fmt: skip
    assert list(found["codes"]["reject"]) == ["no budget", "no reason given"]
    assert later["answers"] == later["leads"] == 0


def test_the_share_worked_counts_each_lead_once_a_band_over_all_runs(
    project: Project, ledger: Ledger
) -> None:
    name = project.name
    add_run(ledger, name, 2, {"L1": 85.0, "L2": 85.0, "L3": 55.0})
    add_run(ledger, name, 3, {"L1": 85.0, "L2": 55.0, "L3": 55.0, "L4": 10.0})
    add_run(ledger, name, 4, {"L9": 10.0}, is_complete=False)
    for day in (2, 3):
        say(ledger, name, "L1", None, None, day)
    say(ledger, name, "L2", "accept", None, 3)
    say(ledger, name, "L3", "accept", None, 1)  # before any run: no band at the time

    with ledger.reading() as connection:
        found = worked_share(connection, name)
        latest = worked_share(connection, name, most_rows=1)
        empty = worked_share(connection, "another")

    assert found["bands"] == [
        {"band": "SQL", "scored": 2, "worked": 1, "share": 0.5},
        {"band": "MQL", "scored": 2, "worked": 1, "share": 0.5},
        {"band": "below", "scored": 1, "worked": 0, "share": 0.0},
    ]
    assert (found["runs"], found["all_runs"], latest["runs"], latest["all_runs"]) == (2, 2, 1, 2)
    assert [each["scored"] for each in latest["bands"]] == [1, 2, 1]
    assert empty == {"runs": 0, "all_runs": 0, "bands": [], "warning": None}


def test_few_worked_leads_on_top_are_warned_of(project: Project, ledger: Ledger) -> None:
    name = project.name
    add_run(ledger, name, 2, {f"L{i}": 90.0 for i in range(20)} | {"M1": 10.0})

    warnings = []
    for lead in ("M1", *(f"L{i}" for i in range(10))):
        say(ledger, name, lead, None, None, 3)
        with ledger.reading() as connection:
            warnings.append(worked_share(connection, name)["warning"])

    assert warnings[0].startswith("Of 20 leads in SQL none were worked (0%)")
    assert warnings[9].startswith("Of 20 leads in SQL only 9 were worked (45%)")
    assert warnings[10] is None
