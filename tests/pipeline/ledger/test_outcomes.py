"""How leads once scored ended, from tables and runs by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from features.entities import entity_tables
from features.prepare import FeatureSources
from features.settings import TargetSettings
from pipeline.config import Project
from pipeline.ledger.facts import EndingsToTell
from pipeline.ledger.outcomes import endings_to_tell
from pipeline.ledger.run_before import moment_of
from pipeline.ledger.schema import OUTCOMES
from pipeline.ledger.store import Ledger
from pipeline.open_leads import leads_to_score
from pipeline.output import ScoreRows
from pipeline.score import ScoredRows
from tests.pipeline.ledger.runs_by_hand import add_run, night
from tests.pipeline.small_crm import SOURCES, crm_of, day, event, table_bundle

A_YEAR = 365.0  # small_crm counts days of 2025, the runs by hand nights of January 2026
LEADS = {"L1": 50.0, "L9": 40.0, "L5": 30.0}


def on(number: float) -> float:
    """A day of January 2026 as small_crm counts days."""
    return A_YEAR + number - 1


def outcome(lead: str, number: float, kind: str, **more: Any) -> dict[str, Any]:
    """An outcome on a day of January 2026."""
    return {"lead_id": lead, "occurred_at": day(on(number)), "outcome": kind, **more}


def day_of(moment: datetime) -> float:
    """A moment as a day of January 2026."""
    return (moment - night(1)).total_seconds() / 86_400 + 1


def said(
    project: Project, outcomes: list[dict[str, Any]], at: float, nights: tuple[int, ...],
    target: TargetSettings | None = None,
) -> EndingsToTell:  # fmt: skip
    """What a run on a day of January would tell, after runs on these nights."""
    sources: FeatureSources = replace(SOURCES, target=target or SOURCES.target)
    crm = crm_of([event("L1", 40)], outcomes=outcomes)
    tables = entity_tables(crm, sources.target, sources.attributes)
    bundle = table_bundle(tables, sources)
    own = project.model_copy(update={"target": sources.target})
    leads = leads_to_score(tables, bundle, own, day(on(at)))
    found = ScoredRows(own, bundle, tables, leads, ScoreRows(), 0, [])
    moments = [int(night(each).timestamp() * 1e6) for each in nights]
    return endings_to_tell(found, moments)


def told(
    project: Project, outcomes: list[dict[str, Any]], at: float, nights: tuple[int, ...],
    target: TargetSettings | None = None,
) -> list[tuple[str, float, str, bool]]:  # fmt: skip
    """(lead, day of January, outcome, is_won) that it would add or correct."""
    rows = said(project, outcomes, at, nights, target).rows
    assert {row["project"] for row in rows} <= {project.name}
    return [(row["lead_id"], day_of(row["ended_at"]), row["outcome"], row["is_won"]) for row in rows]


def test_what_ended_between_a_run_that_looked_and_this_one_is_told(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 5, LEADS)
    outcomes = [outcome("L1", 4, "lost"), outcome("L9", 5.5, "won"), outcome("L5", 7, "lost")]

    assert told(project, outcomes, at=7, nights=(5,)) == [("L9", 5.5, "won", True)]
    assert told(project, outcomes, at=7.5, nights=(5,)) == [
        ("L9", 5.5, "won", True),
        ("L5", 7.0, "lost", False),
    ]
    assert told(project, outcomes, at=7.5, nights=()) == []


def test_a_lead_that_no_run_has_scored_is_left_out(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 5, {"L5": 30.0})
    add_run(ledger, "another", 5, LEADS)
    add_run(ledger, project.name, 6, LEADS, is_complete=False)

    assert told(project, [outcome("L9", 6, "won")], at=7, nights=(5,)) == []


def test_what_the_ledger_has_is_not_told_again_and_what_it_missed_is(
    project: Project, ledger: Ledger
) -> None:
    add_run(ledger, project.name, 3, LEADS)
    add_run(ledger, project.name, 5, {"L5": 30.0})
    known = {
        "project": project.name,
        "lead_id": "L5",
        "ended_at": moment_of(0),
        "outcome": "lost",
        "is_won": False,
    }
    with ledger.writing() as connection:
        connection.execute(OUTCOMES.insert().values({**known, "ended_at": night(6), "run": 9}))
        connection.execute(
            OUTCOMES.insert().values({**known, "project": "another", "lead_id": "L9", "run": 9})
        )
    outcomes = [outcome("L5", 6, "lost"), outcome("L9", 4, "won")]  # the second was known late

    assert told(project, outcomes, at=7, nights=(3, 5)) == [("L9", 4.0, "won", True)]


def test_a_lead_that_was_opened_again_has_several(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 3, LEADS)
    add_run(ledger, project.name, 6, LEADS)
    outcomes = [
        outcome("L1", 4, "lost"), outcome("L1", 5, "reopened"), outcome("L1", 7, "won"),
        # opened and lost again between two runs: nobody looked
        outcome("L5", 2, "lost"), outcome("L5", 4, "reopened"), outcome("L5", 5, "lost"),
    ]  # fmt: skip

    assert told(project, outcomes, at=8, nights=(3, 6)) == [
        ("L1", 4.0, "lost", False),
        ("L1", 7.0, "won", True),
    ]


def test_a_win_stands_before_a_loss_of_the_same_moment(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 3, LEADS)

    found = told(project, [outcome("L1", 4, "lost"), outcome("L1", 4, "won")], at=5, nights=(3,))

    assert found == [("L1", 4.0, "won", True)]


def test_an_account_ends_with_each_win_and_when_nobody_is_open_any_more(
    project: Project, ledger: Ledger
) -> None:
    add_run(ledger, project.name, 3, {"A": 50.0})
    target = TargetSettings(entity="account")
    lost, won, last = outcome("L9", 4, "lost"), outcome("L9", 4, "won"), outcome("L1", 6, "lost")

    assert told(project, [lost], at=7, nights=(3,), target=target) == []
    assert told(project, [won], at=7, nights=(3,), target=target) == [("A", 4.0, "won", True)]
    assert told(project, [lost, last], at=7, nights=(3,), target=target) == [("A", 6.0, "lost", False)]


def test_of_lead_x_product_the_lead_is_told_once_a_moment(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 3, LEADS)
    target = TargetSettings(entity="product", products=("crm", "erp"))

    found = told(project, [outcome("L1", 4, "won", product="crm")], at=5, nights=(3,), target=target)

    assert found == [("L1", 4.0, "won", True)]


def tell(project: Project, ledger: Ledger, run: int, *rows: tuple[str, float, str]) -> None:
    """Outcomes as an earlier run of this number has told them."""
    listed = [
        {
            "project": project.name, "lead_id": lead, "ended_at": night(1) + timedelta(days=number - 1),
            "outcome": kind, "is_won": kind == "won", "run": run,
        }
        for lead, number, kind in rows
    ]  # fmt: skip
    with ledger.writing() as connection:
        connection.execute(OUTCOMES.insert(), listed)


def test_an_outcome_that_was_corrected_is_told_again(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 3, LEADS)
    tell(project, ledger, 1, ("L1", 4, "lost"), ("L9", 4, "won"), ("L5", 5, "lost"))
    outcomes = [outcome("L1", 4, "won"), outcome("L9", 4, "won"), outcome("L5", 5, "disqualified")]

    found = said(project, outcomes, at=7, nights=(3,))

    assert [(row["lead_id"], row["outcome"], row["is_won"]) for row in found.rows] == [
        ("L1", "won", True), ("L5", "disqualified", False),
    ]  # fmt: skip
    assert list(found.withdrawn) == []


def test_an_ending_whose_moment_was_corrected_is_withdrawn(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 3, LEADS)
    tell(project, ledger, 1, ("L1", 4, "lost"), ("L9", 4, "lost"), ("L9", 6, "won"), ("L5", 4, "lost"))
    outcomes = [
        outcome("L1", 6, "won"), outcome("L9", 4, "lost"), outcome("L9", 5, "reopened"), outcome("L9", 6, "won"),
    ]  # fmt: skip

    found = said(project, outcomes, at=7, nights=(3,))

    assert [(row["lead_id"], day_of(row["ended_at"])) for row in found.rows] == [("L1", 6.0)]
    assert [(lead, day_of(moment)) for lead, moment in found.withdrawn] == [("L1", 4.0)]


def test_a_run_of_an_older_moment_corrects_nothing_that_a_later_one_told(
    project: Project, ledger: Ledger
) -> None:
    add_run(ledger, project.name, 3, LEADS)
    add_run(ledger, project.name, 9, LEADS)
    tell(project, ledger, 2, ("L1", 4, "won"), ("L9", 4, "won"))
    outcomes = [outcome("L1", 4, "lost"), outcome("L9", 6, "lost"), outcome("L5", 4, "lost")]

    found = said(project, outcomes, at=7, nights=(3,))

    assert [row["lead_id"] for row in found.rows] == ["L5"]
    assert list(found.withdrawn) == []


def test_of_lead_x_product_an_ending_of_any_product_is_no_correction(
    project: Project, ledger: Ledger
) -> None:
    add_run(ledger, project.name, 3, LEADS)
    target = TargetSettings(entity="product", products=("crm", "erp"))
    tell(project, ledger, 1, ("L1", 4, "won"), ("L1", 4.5, "won"))
    outcomes = [outcome("L1", 4, "won", product="crm"), outcome("L1", 6, "won", product="erp")]

    found = said(project, outcomes, at=7, nights=(3,), target=target)

    assert [(lead, day_of(moment)) for lead, moment in found.withdrawn] == [("L1", 4.5)]


def test_an_ending_moved_back_before_any_run_looked_is_withdrawn(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 3, LEADS)
    tell(project, ledger, 1, ("L1", 4, "lost"))

    found = said(project, [outcome("L1", 2, "won")], at=7, nights=(3, 5))

    assert list(found.rows) == []
    assert [(lead, day_of(moment)) for lead, moment in found.withdrawn] == [("L1", 4.0)]


def test_an_ending_after_which_a_run_scored_the_lead_again_stays(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 3, LEADS)
    add_run(ledger, project.name, 6, LEADS)
    tell(project, ledger, 1, ("L9", 4, "lost"))

    found = said(project, [outcome("L5", 2, "lost"), outcome("L9", 7, "won")], at=8, nights=(3, 6))

    assert [(row["lead_id"], day_of(row["ended_at"])) for row in found.rows] == [("L9", 7.0)]
    assert list(found.withdrawn) == []


def test_endings_from_before_the_first_outcome_of_the_export_stay(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 3, LEADS)
    tell(project, ledger, 1, ("L1", 4, "lost"), ("L9", 4, "lost"))

    found = said(project, [outcome("L1", 5, "won"), outcome("L9", 6, "won")], at=7, nights=(3,))

    assert list(found.withdrawn) == []


def test_an_ending_that_was_taken_back_altogether_stays(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 3, LEADS)
    tell(project, ledger, 1, ("L1", 4, "lost"))

    assert list(said(project, [outcome("L9", 2, "won")], at=7, nights=(3,)).withdrawn) == []


def test_a_win_of_an_account_that_became_a_loss_is_withdrawn(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 3, {"A": 50.0})
    target = TargetSettings(entity="account")
    tell(project, ledger, 1, ("A", 4, "won"))

    found = said(project, [outcome("L1", 4, "lost")], at=7, nights=(3,), target=target)
    later = said(
        project, [outcome("L1", 4, "lost"), outcome("L9", 6, "won")], at=7, nights=(3,), target=target
    )

    assert [(lead, day_of(moment)) for lead, moment in found.withdrawn] == [("A", 4.0)]
    assert [(lead, day_of(moment)) for lead, moment in later.withdrawn] == [("A", 4.0)]
    assert ("A", 6.0) in [(row["lead_id"], day_of(row["ended_at"])) for row in later.rows]


def test_of_two_losses_at_one_moment_the_same_is_told_in_any_order(project: Project, ledger: Ledger) -> None:
    add_run(ledger, project.name, 3, LEADS)
    both = [outcome("L1", 4, "lost"), outcome("L1", 4, "disqualified")]

    first, second = (told(project, each, at=7, nights=(3,)) for each in (both, both[::-1]))

    assert first == second == [("L1", 4.0, "disqualified", False)]
