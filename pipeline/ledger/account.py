"""What the ledger says of one account: its own score, its people, their scores over the runs and their ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, func, or_, select

from features.entities import OF_ACCOUNTS
from pipeline.ledger.schema import DETAILS, OUTCOMES, RUNS, SCORES, of_run, shown_of

__all__ = [
    "account_outcomes",
    "account_people",
    "account_runs",
    "account_score",
    "has_account_runs",
    "is_account",
    "person_further",
]

SCORE_COLUMNS = (
    "rank", "lead_id", "product", "probability", "score", "band", "score_before", "band_before", "fit_grade",
    "engagement_grade", "expected_value", "silent_until", "is_awake", "account_id", "name", "company", "owner",
    "segment", "first_reason", "first_points",
)  # fmt: skip


def is_account(connection: Connection, projects: Sequence[str], account_id: str) -> bool:
    """Whether any complete run of the projects knows the account."""
    asked = (
        select(SCORES.c.run)
        .join_from(SCORES, RUNS, RUNS.c.number == SCORES.c.run)
        .where(SCORES.c.account_id == account_id, RUNS.c.project.in_(projects), RUNS.c.is_complete)
        .limit(1)
    )
    return connection.scalar(asked) is not None


def account_score(connection: Connection, projects: Sequence[str], account_id: str) -> dict[str, Any] | None:
    """The account's own score in the latest run that scored accounts; None where none did or it is not in it.

    Beside the score stand `run`, `as_of`, `horizon_days`, `project`, and `further`: optional output columns.

    Parameters
    ----------
    projects : names of the project and of its targets, whose runs stand under names of their own.
    """
    run = _latest_of_accounts(connection, projects)
    if run is None:
        return None
    asked = (
        select(*(SCORES.c[name] for name in SCORE_COLUMNS), DETAILS.c.further)
        .join_from(SCORES, DETAILS, _same_row(), isouter=True)
        .where(SCORES.c.lead_id == account_id, of_run(run["number"]))
        .limit(1)
    )
    row = connection.execute(asked).mappings().one_or_none()
    if row is None:
        return None
    told = {name: run[name] for name in ("as_of", "horizon_days", "project")}
    return {**row, "further": _parsed(row["further"]), "run": run["number"], **told}


def has_account_runs(connection: Connection, projects: Sequence[str]) -> bool:
    """Whether any complete run of the projects scored accounts."""
    return _latest_of_accounts(connection, projects) is not None


def account_people(
    connection: Connection, run: int, account_id: str, limit: int, *, is_once: bool = False
) -> list[dict[str, Any]]:
    """The account's leads in a run, in call order; an account's own row is none of its people.

    Parameters
    ----------
    is_once : where products are scored, each lead by its best product alone.
    """
    entity = select(RUNS.c.entity).where(RUNS.c.number == run).scalar_subquery()
    is_person = or_(SCORES.c.lead_id != account_id, entity.not_in(OF_ACCOUNTS))
    # the ranks come from the index of accounts alone; asked for whole rows SQLite would walk through the run
    rank: ColumnElement[int] = SCORES.c.rank
    ranks = select(rank).where(SCORES.c.account_id == account_id, SCORES.c.run == run)
    if is_once:
        of_account, rank = (SCORES.c.run == run, SCORES.c.rank.in_(ranks)), func.min(rank)
        ranks = select(rank).where(*of_account).group_by(SCORES.c.lead_id)
    asked = (
        select(*(SCORES.c[name] for name in SCORE_COLUMNS))
        .where(SCORES.c.run == run, SCORES.c.rank.in_(ranks.order_by(rank).limit(limit + 1)), is_person)
        .order_by(SCORES.c.rank)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(asked).mappings()]


def person_further(connection: Connection, run: int, rank: int) -> dict[str, Any]:
    """Optional output columns of one row."""
    asked = select(DETAILS.c.further).where(DETAILS.c.run == run, DETAILS.c.rank == rank)
    return _parsed(connection.scalar(asked))


def account_runs(connection: Connection, project: str, account_id: str, limit: int) -> list[dict[str, Any]]:
    """How many people of the account the last runs scored, with best and mean score, the earliest first.

    Each counts once, by the best product where products are scored; an account's own row is none of its people.
    """
    scores, runs = SCORES.c, RUNS.c
    best = func.max(scores.score).label("best")
    people = (
        _of_project(select(runs.number, runs.as_of, best), project)
        .where(
            scores.account_id == account_id,
            or_(scores.lead_id != account_id, runs.entity.not_in(OF_ACCOUNTS)),
        )
        .group_by(runs.number, runs.as_of, scores.lead_id)
        .subquery()
    ).c
    asked = (
        select(
            people.number, people.as_of, func.count().label("n"), func.max(people.best).label("best"),
            func.avg(people.best).label("mean"),
        )
        .group_by(people.number, people.as_of)
        .order_by(people.as_of.desc().nulls_last(), people.number.desc())
        .limit(limit)
    )  # fmt: skip
    return [dict(row) for row in connection.execute(asked).mappings()][::-1]


def account_outcomes(
    connection: Connection, project: str, account_id: str, limit: int
) -> list[dict[str, Any]]:
    """How leads ended that stood at the account when they were scored, the latest first."""
    there = _of_project(select(SCORES.c.lead_id), project).where(SCORES.c.account_id == account_id)
    ends = OUTCOMES.c
    asked = (
        select(ends.lead_id, ends.ended_at, ends.outcome, ends.is_won)
        .where(ends.project == project, ends.lead_id.in_(there))
        # ordered by the bare column SQLite would walk through the ends of the whole project
        .order_by(func.coalesce(ends.ended_at, ends.ended_at).desc(), ends.lead_id)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(asked).mappings()]


def _latest_of_accounts(connection: Connection, projects: Sequence[str]) -> RowMapping | None:
    runs = RUNS.c
    latest = (
        select(runs.number, runs.as_of, runs.horizon_days, runs.project)
        .where(runs.project.in_(projects), runs.is_complete, runs.entity.in_(OF_ACCOUNTS))
        .order_by(runs.entity, runs.as_of.desc().nulls_last(), runs.number.desc())
        .limit(1)
    )
    return connection.execute(latest).mappings().one_or_none()


def _of_project(asked: Select[Any], project: str) -> Select[Any]:
    """Among scores of the project's own target, in complete runs."""
    return asked.join_from(SCORES, RUNS, RUNS.c.number == SCORES.c.run).where(shown_of(project))


def _same_row() -> Any:
    return and_(DETAILS.c.run == SCORES.c.run, DETAILS.c.rank == SCORES.c.rank)


def _parsed(text: str | None) -> dict[str, Any]:
    return json.loads(text) if text else {}
