"""What the page of one account shows, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from features.entities import OF_ACCOUNTS
from pipeline.ledger.account import (
    account_outcomes,
    account_people,
    account_runs,
    account_score,
    has_account_runs,
    is_account,
    person_further,
)
from pipeline.ledger.decisions import active_decisions, decisions_of
from pipeline.ledger.figures import present_run
from pipeline.ledger.queue import find_run_before
from pipeline.review.overrides import overrides_in_force

if TYPE_CHECKING:
    from pipeline.config import Project
    from pipeline.ledger.store import Connection

__all__ = ["account_facts"]

MOST_PEOPLE, MOST_RUNS, MOST_ENDS, MOST_DECISIONS = 100, 60, 50, 10
GROUP = ("people", "people_active", "roles_reached", "roles_missing")


def account_facts(connection: Connection, of: Project, account_id: str) -> dict[str, Any] | None:
    """The account's score and whose it is, people, buying group, decisions, runs and ends; None if nobody knows it.

    `score.of` says where the score comes from: `account` is a model of accounts, `person` the best of its people.
    """
    project = of.name
    projects = [project, *(of.for_target(each).name for each in of.targets)]
    if not is_account(connection, projects, account_id):
        return None
    present = present_run(connection, project)
    found = (
        [] if present is None else account_people(connection, present["number"], account_id, MOST_PEOPLE + 1)
    )
    people = [] if present is None else _people(connection, project, present, found[:MOST_PEOPLE])
    own = account_score(connection, projects, account_id)
    further = (
        {}
        if present is None or not people
        else person_further(connection, present["number"], people[0]["rank"])
    )
    subject = [("account_id", account_id)]
    decided = active_decisions(connection, project, datetime.now(UTC), subject, 1)
    history = account_runs(connection, project, account_id, MOST_RUNS)
    before = (
        None if present is None else find_run_before(connection, project, present["number"], present["as_of"])
    )
    best_before = next((each["best"] for each in history if before and each["number"] == before.number), None)
    return {
        "account_id": account_id,
        "company": _company(own, people),
        "run": present,
        "score": _score(own, further, people, present, best_before),
        "scores_accounts": has_account_runs(connection, projects),
        "is_of_accounts": present is not None and present["entity"] in OF_ACCOUNTS,
        "people": people,
        "n_people": len({each["lead_id"] for each in people}),
        "has_run_before": before is not None,
        "has_more_people": len(found) > MOST_PEOPLE,
        "group": _group(own, further),
        "decision": decided[0] if decided else None,
        "decisions": decisions_of(connection, project, "account_id", account_id)[:MOST_DECISIONS],
        "history": history,
        "outcomes": account_outcomes(connection, project, account_id, MOST_ENDS),
    }


def _people(
    connection: Connection, project: str, present: Mapping[str, Any], found: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Each with the override in force on it."""
    decided = overrides_in_force(connection, project, present["number"], found)
    return [each | {"override": decided.get(each["rank"])} for each in found]


def _company(own: Mapping[str, Any] | None, people: list[dict[str, Any]]) -> str | None:
    named = [each["company"] for each in [*([own] if own else []), *people] if each["company"]]
    return named[0] if named else None


def _score(
    own: Mapping[str, Any] | None, further: Mapping[str, Any], people: list[dict[str, Any]],
    present: Mapping[str, Any] | None, best_before: float | None,
) -> dict[str, Any] | None:  # fmt: skip
    """The score and the horizon of its chance, which of a target may be another than the project's.

    Parameters
    ----------
    best_before : the best score of any of its people in the run before, who need not be the best one now.
    """
    names = ("score", "probability", "band", "score_before")
    if own is not None:
        return {"of": "account", **{name: own[name] for name in (*names, "as_of", "horizon_days")}}
    if further.get("account_score") is not None:
        kept = {name: further.get(f"account_{name}") for name in ("score", "probability", "band")}
        return {"of": "account", **kept, "score_before": None, "as_of": None, "horizon_days": None}
    if people:
        best = max(people, key=lambda each: each["score"])  # call order may be by value
        found = {name: best[name] for name in names} | {"score_before": best_before}
        return {"of": "person", **found, "as_of": None, "horizon_days": present and present["horizon_days"]}
    return None


def _group(own: Mapping[str, Any] | None, further: Mapping[str, Any]) -> dict[str, Any] | None:
    """The buying group, where a run of accounts tells it; a role list is None where job titles don't tell roles."""
    told = further if own is None else own["further"]
    if all(told.get(name) is None for name in GROUP):
        return None
    return {name: told.get(name) for name in GROUP}
