"""Ledgers on both databases, and runs made by hand to put into them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import create_engine, text

from pipeline.config import ROOT, Project
from pipeline.ledger.facts import RunFacts
from pipeline.ledger.keeping import RunToKeep, forgotten_so_far
from pipeline.ledger.store import Ledger, open_ledger
from pipeline.output import ScoreRows, scores_table
from tests.pipeline.postgres import Server

GROUPS = ("visits", "country")


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A project with an empty ledger of its own, on either database."""
    if request.param == "sqlite":
        return project_with("sqlite:///ledger.db", tmp_path)
    server: Server = request.getfixturevalue("server")
    name = f"ledger_{uuid.uuid4().hex}"
    url = server.url().replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return project_with(server.url(name), tmp_path)


@pytest.fixture
def ledger(project: Project) -> Ledger:
    """The empty ledger of `project`, its tables made."""
    return open_ledger(project, is_new_allowed=True)


def project_with(url: str | None, root: Path, **sections: Any) -> Project:
    """A project that keeps its ledger there; it has no tables to read."""
    tables = {"leads": {"path": "leads.csv"}, "outcomes": {"path": "outcomes.csv"}}
    return Project.model_validate({"data": tables, "ledger": {"url": url}, ROOT: root, **sections})


def kept(
    project: Project,
    day: int,
    leads: Mapping[str, tuple[float, float]],
    *,
    band: Callable[[float], str] = lambda score: "MQL" if score >= 50 else "below",
    groups: tuple[str, ...] = GROUPS,
    run_id: str | None = None,
    facts: RunFacts | None = None,
) -> RunToKeep:
    """A run of January 2026 by hand: points of `GROUPS` by lead on a base of 40; scores are limited to 100."""
    rows, points = ScoreRows(), np.array(list(leads.values()), dtype=np.float64).reshape(len(leads), 2)
    rows.lead_id = list(leads)
    rows.score = np.clip(40 + points.sum(axis=1), 0, 100).tolist()
    rows.probability = [each / 200 for each in rows.score]
    rows.band = [band(each) for each in rows.score]
    rows.fit_grade, rows.engagement_grade = ["A"] * len(leads), ["1"] * len(leads)
    rows.base_score = [40.0] * len(leads)
    rows.silent_until = [None] * len(leads)
    rows.reasons = [
        [{"text": f"{name} count", "points": value, "group": name}
         for name, value in zip(groups, each, strict=True) if value]
        for each in points.tolist()
    ]  # fmt: skip
    rows.warnings = [["Country is rare"] if lead.endswith("1") else [] for lead in leads]
    moment = datetime(2026, 1, day, tzinfo=UTC)
    table = scores_table(rows, np.datetime64(moment.replace(tzinfo=None), "us"), "m1")
    known = facts or RunFacts.none(len(leads))
    values = {
        "run_id": run_id or f"{day:02d}" * 32, "project": project.name, "entity": "lead", "target": None,
        "as_of": moment, "model_version": "m1", "rows_in": len(leads), "scored": len(leads), "not_open": 0,
        "quarantined": 0, "reason_groups": json.dumps(groups), "manifest": "{}", "anchors": known.anchors,
        "horizon_days": known.horizon_days, "attributes": json.dumps(known.attributes),
        "event_watermark": known.event_watermark,
    }  # fmt: skip
    place = {lead: row for row, lead in enumerate(leads)}
    order = [place[lead] for lead in table.column("lead_id").to_pylist()]
    return RunToKeep(project, values, table, points[order], known, forgotten_so_far(project))


def breaks_off(run: RunToKeep, after: int) -> RunToKeep:
    """The run as a process loads it that ends after some rows."""

    class BreaksOff(RunToKeep):
        def part(self, number: int, start: int, n: int) -> tuple[pa.Table, pa.Table]:
            if start >= after:
                raise KeyboardInterrupt
            return super().part(number, start, n)

    return BreaksOff(**vars(run))
