"""Past leads like one at hand, and what became of them: nearest in what their scores were made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from pipeline.ledger.lead import LeadInRun
from pipeline.ledger.schema import DETAILS, OUTCOMES, RUNS, SCORES

__all__ = ["MOST_ENDED", "PastLead", "SimilarLeads", "similar_leads"]

MOST_ENDED = 1_000  # read from a cold disk they are most of the time that a lead takes
OF_PAST = ("lead_id", "name", "run", "scored_at", "score", "band", "ended_at", "outcome", "is_won")


@dataclass(frozen=True)
class PastLead:
    """A lead that ended, and the last score it had before.

    Attributes
    ----------
    distance : points, Euclidean over the reason groups; 0 for a score made up in the same way.
    """

    lead_id: str
    name: str | None
    run: int
    scored_at: datetime
    score: float
    band: str
    ended_at: datetime
    outcome: str
    is_won: bool
    distance: float

    @property
    def days_until(self) -> float:
        """From the last score to the end."""
        return (self.ended_at - self.scored_at).total_seconds() / 86_400


@dataclass(frozen=True)
class SimilarLeads:
    """The nearest, and how many were looked at to find them; `won_of_all` of these were won."""

    leads: tuple[PastLead, ...]
    looked_at: int
    won_of_all: int

    @property
    def won(self) -> int:
        """Of the nearest."""
        return sum(each.is_won for each in self.leads)


def similar_leads(connection: Connection, project: str, found: LeadInRun, nearest: int = 10) -> SimilarLeads:
    """The past leads nearest to the one given, as its run could have known them.

    Looked at are the `MOST_ENDED` latest outcomes known at the run's moment. Of each the last score given before
    the end counts, if that run had the same reason groups. Leads like it come by least distance, then by the
    latest end.
    """
    if found.as_of is None:
        return SimilarLeads((), 0, 0)
    rows = connection.execute(_ended(project, found)).all()
    if not rows:
        return SimilarLeads((), 0, 0)
    # all in one text: many times faster than a call for each row
    points = np.array(json.loads(f"[{','.join(row.contributions for row in rows)}]"), dtype=np.float64)
    own = np.array(list(found.known.contributions.values()), dtype=np.float64)
    distances = np.sqrt(((points - own) ** 2).sum(axis=1))
    order = np.argsort(distances, kind="stable")[:nearest]
    leads = tuple(
        PastLead(**{name: rows[i]._mapping[name] for name in OF_PAST}, distance=float(distances[i]))
        for i in order.tolist()
    )
    return SimilarLeads(leads, len(rows), sum(row.is_won for row in rows))


def _ended(project: str, found: LeadInRun) -> Any:
    """Past leads, the latest end first, with the contributions of their last score before it."""
    noticed, later, runs = RUNS.alias("noticed"), SCORES.alias("later"), RUNS.alias("runs")
    ended = (
        select(OUTCOMES.c.lead_id, OUTCOMES.c.ended_at, OUTCOMES.c.outcome, OUTCOMES.c.is_won)
        .join_from(OUTCOMES, noticed, noticed.c.number == OUTCOMES.c.run)
        .where(
            OUTCOMES.c.project == project, OUTCOMES.c.ended_at < found.as_of, noticed.c.as_of <= found.as_of,
            OUTCOMES.c.lead_id != found.lead_id,
        )
        .order_by(OUTCOMES.c.ended_at.desc(), OUTCOMES.c.lead_id)
        .limit(MOST_ENDED)
        .subquery("ended")
    )  # fmt: skip
    last = (
        select(later.c.run)
        .join_from(later, runs, runs.c.number == later.c.run)
        .where(
            later.c.lead_id == ended.c.lead_id, later.c.product == found.product, runs.c.project == project,
            runs.c.is_complete, runs.c.target.is_(None), runs.c.as_of <= ended.c.ended_at,
        )
        .order_by(runs.c.as_of.desc(), later.c.run.desc())
        .limit(1)
        .correlate(ended)
        .scalar_subquery()
    )  # fmt: skip
    own = select(RUNS.c.reason_groups).where(RUNS.c.number == found.run).scalar_subquery()
    same_groups = select(RUNS.c.number).where(RUNS.c.project == project, RUNS.c.reason_groups == own)
    of_lead = (SCORES.c.lead_id == ended.c.lead_id) & (SCORES.c.product == found.product)
    return (
        select(
            SCORES.c.lead_id, SCORES.c.name, SCORES.c.run, RUNS.c.as_of.label("scored_at"), SCORES.c.score,
            SCORES.c.band, ended.c.ended_at, ended.c.outcome, ended.c.is_won, DETAILS.c.contributions,
        )
        .select_from(ended)
        .join(SCORES, of_lead & (SCORES.c.run == last))
        .join(RUNS, RUNS.c.number == SCORES.c.run)
        .join(DETAILS, (DETAILS.c.run == SCORES.c.run) & (DETAILS.c.rank == SCORES.c.rank))
        .where(SCORES.c.run.in_(same_groups))
        .order_by(ended.c.ended_at.desc(), ended.c.lead_id)
    )  # fmt: skip
