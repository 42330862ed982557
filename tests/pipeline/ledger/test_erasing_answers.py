"""What people said of a lead goes with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select

from pipeline.config import Project
from pipeline.ledger.decisions import add_decision
from pipeline.ledger.erasing import forget
from pipeline.ledger.feedback import Feedback, add_feedback
from pipeline.ledger.schema import FEEDBACK, OUTCOMES, OVERRIDES
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger.runs_by_hand import add_run, night


def test_feedback_decisions_and_outcome_of_a_lead_are_deleted_with_its_scores(
    project: Project, ledger: Ledger
) -> None:
    for name in (project.name, "another"):
        add_run(ledger, name, 1, {"L1": 30.0, "L2": 40.0, "A1": 50.0})
        until = datetime.now(UTC).date() + timedelta(days=9)
        for subject in ("L1", "L2"):
            add_feedback(
                ledger, name, Feedback(subject, "accept", None, "said yes", None, "ann"), source="page"
            )
        for kind, subject in (("lead_id", "L1"), ("lead_id", "L1"), ("lead_id", "L2"), ("account_id", "A1")):
            add_decision(
                ledger, name, kind=kind, subject=subject, action="hold", owner="Kim", reason="x", until=until, by="ann"
            )  # fmt: skip
        ended = [
            {
                "project": name,
                "lead_id": lead,
                "ended_at": night(2),
                "outcome": "won",
                "is_won": True,
                "run": 1,
            }
            for lead in ("L1", "L2")
        ]
        with ledger.writing() as connection:
            connection.execute(insert(OUTCOMES), ended)

    forget(ledger, [project.name], "L1", "she asked for it", "dpo")
    forget(ledger, [project.name], "A1", "an id like that of an account", "dpo")

    with ledger.reading() as connection:
        left = [
            connection.execute(select(table.c.project, column).order_by(table.c.project, column)).all()
            for table, column in (
                (FEEDBACK, FEEDBACK.c.lead_id), (OUTCOMES, OUTCOMES.c.lead_id), (OVERRIDES, OVERRIDES.c.subject),
            )
        ]  # fmt: skip
    others = [("another", "L1"), ("another", "L2")]
    mine = [(project.name, "L2")]
    ordered = sorted([*others, *mine])
    assert [sorted(each) for each in left[:2]] == [ordered, ordered]
    decided = [("another", each) for each in ("A1", "L1", "L1", "L2")]
    assert sorted(left[2]) == sorted([*decided, (project.name, "A1"), *mine])
