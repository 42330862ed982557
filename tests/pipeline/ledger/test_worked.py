"""Answers counted, and the share of leads that sales worked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.config import Project
from pipeline.ledger.feedback import Feedback, add_feedback
from pipeline.ledger.store import Ledger
from pipeline.ledger.worked import feedback_summary, worked_share
from tests.pipeline.ledger import filling
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


def test_the_share_worked_is_of_the_leads_now_in_the_band_with_an_answer_in_the_last_30_days(
    project: Project, ledger: Ledger
) -> None:
    name = project.name
    add_run(ledger, name, 2, {"L1": 85.0, "L2": 85.0, "L3": 55.0, "L5": 85.0})
    add_run(ledger, name, 20, {"L1": 85.0, "L2": 55.0, "L3": 55.0, "L4": 10.0, "L5": 85.0})
    add_run(ledger, name, 21, {"L9": 90.0}, is_complete=False)
    for day in (2, 3):  # to another run than the latest, twice
        say(ledger, name, "L1", None, None, day)
    say(ledger, name, "L2", "accept", None, 20)
    say(ledger, name, "L3", "accept", None, -11)  # more than 30 days before the latest run
    say(ledger, name, "L4", "accept", None, 1)  # before any run: no band at the time

    with ledger.reading() as connection:
        found, empty = worked_share(connection, name), worked_share(connection, "another")

    assert found == {
        "days": 30, "since": night(-10), "noun": "leads", "warning": None,
        "bands": [
            {"band": "SQL", "scored": 2, "worked": 1, "share": 0.5},
            {"band": "MQL", "scored": 2, "worked": 1, "share": 0.5},
            {"band": "below", "scored": 1, "worked": 1, "share": 1.0},
        ],
    }  # fmt: skip
    assert empty == {"days": 30, "since": None, "noun": "leads", "bands": [], "warning": None}


def test_of_pairs_with_products_each_lead_counts_once_a_band(ledger: Ledger) -> None:
    products = (("A", 90.0, "SQL"), ("B", 85.0, "SQL"), ("C", 10.0, "below"))
    with ledger.writing() as connection:
        filling.add_run(connection, 1, 10, entity="product")
        for place, (product, score, band) in enumerate(products):
            for k in (1, 2):
                rank = 2 * place + k
                filling.add_score(connection, 1, rank, f"L{k}", band, product=product, score=score)
    add_feedback(ledger, "p", Feedback("L2", "accept", None, None, None, "ann"), source="page")

    with ledger.reading() as connection:
        found = worked_share(connection, "p")

    assert found["noun"] == "leads"
    assert [(each["band"], each["scored"], each["worked"]) for each in found["bands"]] == [
        ("SQL", 2, 1), ("below", 2, 1),
    ]  # fmt: skip


def test_few_worked_leads_on_top_are_warned_of(project: Project, ledger: Ledger) -> None:
    name = project.name
    add_run(ledger, name, 12, {f"L{i}": 90.0 for i in range(20)} | {"M1": 10.0})

    warnings = []
    for lead in ("M1", *(f"L{i}" for i in range(10))):
        say(ledger, name, lead, None, None, 3)
        with ledger.reading() as connection:
            warnings.append(worked_share(connection, name)["warning"])

    assert warnings[0].startswith("Of 20 leads now in SQL none were worked since 13 Dec 2025 (0 %)")
    assert warnings[9].startswith("Of 20 leads now in SQL only 9 were worked since 13 Dec 2025 (45 %)")
    assert warnings[10] is None


def test_sales_that_began_to_answer_this_week_are_not_warned(project: Project, ledger: Ledger) -> None:
    name = project.name
    add_run(ledger, name, 12, {f"L{i}": 90.0 for i in range(20)})

    say(ledger, name, "L1", None, None, 5)  # noon: six days and a half
    with ledger.reading() as connection:
        early = worked_share(connection, name)
    say(ledger, name, "L1", None, None, 4)
    with ledger.reading() as connection:
        later = worked_share(connection, name)

    assert early["bands"] == later["bands"]
    assert early["warning"] is None
    assert later["warning"].startswith("Of 20 leads now in SQL only 1 were worked")
