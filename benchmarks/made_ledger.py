"""A ledger filled with made-up runs, as large as one likes: what the page and the loading are tried on.

    python benchmarks/made_ledger.py URL [--leads N] [--runs N]

The scores add up, leads move from day to day, some end. No model is behind them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from pipeline.config import ROOT, Project
from pipeline.ledger.queue import keep_facets
from pipeline.ledger.schema import DETAILS, OUTCOMES, RUNS, SCORES
from pipeline.ledger.store import Ledger, open_ledger

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
GROUPS = (
    "pricing page views", "demo requests", "forms submitted", "e-mails opened", "days of silence", "job title",
    "industry", "company size", "lead source", "country", "webinars", "careers page views",
)  # fmt: skip
ATTRIBUTES = ("job_title", "industry", "country", "lead_source")
VALUES: dict[str, list[str | None]] = {
    "job_title": ["Head of Sales", "Engineer", "Director IT", "Student", None],
    "industry": ["Healthcare", "Finance", "Retail", None],
    "country": ["Germany", "France", "Netherlands"],
    "lead_source": ["Referral", "Webinar", "Paid search"],
}
EVENT_TYPES = ("pricing_view", "email_open", "form_submit", "demo_request", "page_view")
OWNERS = ("Ann", "Ben", "Chris", None)
SEGMENTS = ("B2B", "B2C")
PRODUCTS = ("Automation", "Analytics", "")
BATCH = 20_000


def project_with_ledger(url: str, root: Path) -> Project:
    """A project that keeps its ledger there; it has no tables to read."""
    tables = {"leads": {"path": "leads.csv"}, "outcomes": {"path": "outcomes.csv"}}
    return Project.model_validate({"name": "made", "data": tables, "ledger": {"url": url}, ROOT: root})


def fill(ledger: Ledger, project: str, n_leads: int, n_runs: int, seed: int = 1) -> None:
    """Write `n_runs` nightly runs of about `n_leads` leads; from run to run one in a hundred ends and is replaced."""
    rng = np.random.default_rng(seed)
    ids = np.arange(n_leads)
    points = rng.normal(0, 6, (n_leads, len(GROUPS)))
    before: dict[int, tuple[float, str]] = {}
    for run in range(1, n_runs + 1):
        moved = rng.random(n_leads) < (0.15 if run > 1 else 1.0)
        points[moved, :5] += rng.normal(0, 3, (int(moved.sum()), 5))
        score = np.clip(38 + points.sum(axis=1), 0, 100)
        order = np.lexsort((ids, -score))
        as_of = FIRST_DAY + timedelta(days=run - 1)
        night = Night(run, as_of, ids, score, points, before)
        with ledger.writing() as connection:
            connection.execute(insert(RUNS).values(_run(project, run, as_of, n_leads)))
        for start in range(0, n_leads, BATCH):
            chosen = order[start : start + BATCH]
            rows = list(_rows(rng, night, start, chosen))
            with ledger.writing() as connection:
                connection.execute(insert(SCORES), [narrow for narrow, _ in rows])
                connection.execute(insert(DETAILS), [wide for _, wide in rows])
        with ledger.writing() as connection:
            keep_facets(connection, run)
        before = {int(i): (float(s), _band(float(s))) for i, s in zip(ids, score, strict=True)}
        ended = rng.random(n_leads) < 0.01
        if run < n_runs and ended.any():
            with ledger.writing() as connection:
                endings = list(_outcomes(rng, project, run + 1, ids[ended], score[ended], as_of))
                connection.execute(insert(OUTCOMES), endings)
            points[ended] = rng.normal(0, 6, (int(ended.sum()), len(GROUPS)))
            ids[ended] = ids.max() + 1 + np.arange(int(ended.sum()))


def _run(project: str, run: int, as_of: datetime, n: int) -> dict[str, Any]:
    return {
        "number": run, "run_id": f"{run:064x}", "project": project, "entity": "lead", "target": None, "as_of": as_of,
        "model_version": "made0001", "horizon_days": 30.0, "rows_in": n, "scored": n, "not_open": 0, "quarantined": 0,
        "reason_groups": json.dumps(GROUPS), "attributes": json.dumps(ATTRIBUTES),
        "anchors": json.dumps({"p_mql": 0.05, "p_sql": 0.15}), "event_watermark": as_of - timedelta(hours=3),
        "manifest": "{}", "is_complete": True, "recorded_at": as_of + timedelta(hours=2),
    }  # fmt: skip


@dataclass(frozen=True)
class Night:
    """What a run finds: ids, scores and points of the leads, and what the run before said."""

    run: int
    as_of: datetime
    ids: Any
    score: Any
    points: Any
    before: dict[int, tuple[float, str]]


def _rows(
    rng: np.random.Generator, night: Night, start: int, chosen: Any
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    run, as_of = night.run, night.as_of
    for rank, i in enumerate(chosen.tolist(), start=start + 1):
        lead, own, of_groups = int(night.ids[i]), float(night.score[i]), night.points[i]
        account, name = lead // 4, f"Person {lead}"
        strongest = np.argsort(-np.abs(of_groups))[:5]
        reasons = [
            {
                "text": f"{GROUPS[g]}: {lead % 7 + 1}",
                "points": round(float(of_groups[g]), 6),
                "group": GROUPS[g],
            }
            for g in strongest.tolist()
        ]
        old = night.before.get(lead)
        events = [
            [(as_of - timedelta(hours=5 * (k + 1))).isoformat(), EVENT_TYPES[(lead + k) % len(EVENT_TYPES)]]
            for k in range(4 if old is None else int(rng.random() < 0.1))
        ]
        yield {
            "run": run, "rank": rank, "lead_id": f"L{lead:07d}", "product": "", "probability": _chance(own),
            "score": own, "band": _band(own), "score_before": old and old[0], "band_before": old and old[1],
            "fit_grade": "ABCD"[lead % 4], "engagement_grade": "1234"[int(own) % 4],
            "silent_until": as_of + timedelta(days=lead % 40 + 1) if own >= 50 else None,
            "expected_value": round(own * 40.0, 2), "is_awake": lead % 97 == 0, "account_id": f"A{account:06d}",
            "name": name, "company": f"Company {account}", "owner": OWNERS[lead % 4],
            "segment": SEGMENTS[lead % 2], "first_reason": reasons[0]["text"], "first_points": reasons[0]["points"],
        }, {
            "run": run, "rank": rank, "base_score": 38.0, "reasons": json.dumps(reasons),
            "contributions": json.dumps([round(x, 6) for x in of_groups.tolist()]),
            "attributes": json.dumps([VALUES[each][lead % len(VALUES[each])] for each in ATTRIBUTES]),
            "events": json.dumps(events) if events else None,
            "further": json.dumps({"funnel_stage": "consideration"}), "warnings": None,
        }  # fmt: skip


def _outcomes(
    rng: np.random.Generator, project: str, run: int, ids: Any, score: Any, as_of: datetime
) -> Iterator[dict[str, Any]]:
    for lead, own in zip(ids.tolist(), score.tolist(), strict=True):
        is_won = bool(rng.random() < own / 150)
        yield {
            "project": project, "lead_id": f"L{lead:07d}", "ended_at": as_of + timedelta(hours=9),
            "outcome": "won" if is_won else "lost", "is_won": is_won, "run": run,
        }  # fmt: skip


def _band(score: float) -> str:
    return "SQL" if score >= 80 else "MQL" if score >= 50 else "below"


def _chance(score: float) -> float:
    return float(1 / (1 + np.exp(-(score - 90) / 12)))


def main() -> None:
    """Fill the ledger that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--leads", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = project_with_ledger(asked.url, Path(folder))
        fill(open_ledger(project, is_new_allowed=True), project.name, asked.leads, asked.runs)


if __name__ == "__main__":
    main()
