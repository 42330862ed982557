"""Small CRMs made by hand or by chance for the feature tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.asof import microseconds, open_examples, spells_of
from features.contracts import Tables, empty_frame, empty_quarantine
from features.prepare import FeatureSources
from features.settings import (
    AttributeGroup,
    AttributeSettings,
    EventSettings,
    EventType,
    FeatureSettings,
    PointsRule,
    TargetSettings,
)

START = pd.Timestamp("2025-01-01", tz="UTC")
TYPES = ("page_view", "pricing_view", "unsubscribe")


def frame(table: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a contract's frame, absent columns null."""
    empty = empty_frame(table)  # type: ignore[arg-type]
    if not rows:
        return empty
    made = pd.DataFrame(rows)
    for name in empty:
        if name not in made:
            made[name] = pd.Series([None] * len(made), dtype=empty[name].dtype)
        else:
            made[name] = made[name].astype(empty[name].dtype)
    return made


def tables_of(
    leads: list[dict[str, Any]],
    events: list[dict[str, Any]] = [],  # noqa: B006 - never changed
    outcomes: list[dict[str, Any]] = [],  # noqa: B006
    accounts: list[dict[str, Any]] = [],  # noqa: B006
    changes: list[dict[str, Any]] = [],  # noqa: B006
) -> Tables:
    """Tables from plain rows."""
    return Tables(
        frame("leads", leads), frame("events", events), frame("outcomes", outcomes), frame("accounts", accounts),
        frame("field_changes", changes), empty_quarantine(), (), {"leads": len(leads)}, pd.NaT, {},  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def make_tables() -> Callable[..., Tables]:
    """`tables_of` for the tests."""
    return tables_of


@pytest.fixture
def sources() -> FeatureSources:
    """Every family and kind switched on."""
    return FeatureSources(
        attributes=AttributeSettings(
            at_creation=AttributeGroup(category=("source",), number=("budget",), job_title=("job_title",), email=("email",)),
            history=AttributeGroup(category=("stage",)),
            min_category_rows=1,
        ),
        events=EventSettings(
            types={
                "pricing_view": EventType(stage="decision"),
                "page_view": EventType(stage="awareness"),
                "unsubscribe": EventType(direction=-1),
            },
            bot_events=4,
        ),
        features=FeatureSettings(),
        target=TargetSettings(),
        is_static=False,
        points=(PointsRule(event="pricing_view", points=5, per="each", most=3), PointsRule(attribute="source", values={"web": 7})),
    )


@pytest.fixture
def random_tables() -> Callable[[int], Tables]:
    """A CRM by chance: accounts, dirt, ties in time, bursts, changes, outcomes."""

    def make(seed: int, n_leads: int = 30, n_events: int = 400) -> Tables:
        rng = np.random.default_rng(seed)
        day = pd.Timedelta(days=1)
        leads = [
            {
                "lead_id": f"L{i:03d}", "created_at": START + day * float(rng.uniform(0, 60)),
                "account_id": None if rng.random() < 0.3 else f"A{rng.integers(8)}",
                "source": rng.choice(["Web", "web ", "ads", None]), "budget": rng.choice([np.nan, 100.0, 5e4]),
                "job_title": rng.choice(["CEO", "Junior Developer", "Buyer", None]), "email": f"x@{rng.choice(['gmail.com', 'acme.io'])}",
            }
            for i in range(n_leads)
        ]  # fmt: skip
        who = rng.integers(0, n_leads, n_events)
        when = [START + day * float(np.round(rng.uniform(0, 150), 2)) for _ in range(n_events)]
        events = [
            {
                "lead_id": f"L{w:03d}", "occurred_at": t, "event_type": rng.choice(TYPES), "value": rng.choice([np.nan, 1.5, 7.25]),
                "channel": rng.choice(["web", "email"]), "product": rng.choice(["x", "y", None]),
            }
            for w, t in zip(who, when, strict=True)
        ]  # fmt: skip
        burst = [{**events[0], "occurred_at": events[0]["occurred_at"] + pd.Timedelta(milliseconds=200 * k)} for k in range(6)]
        outcomes = [
            {"lead_id": f"L{i:03d}", "occurred_at": leads[i]["created_at"] + day * float(rng.uniform(20, 120)), "outcome": rng.choice(["won", "lost"])}
            for i in range(0, n_leads, 3)
        ]  # fmt: skip
        changes = [
            {"lead_id": f"L{rng.integers(n_leads):03d}", "changed_at": START + day * float(rng.uniform(0, 150)), "field": "stage", "new_value": rng.choice(["new", "warm"])}
            for _ in range(60)
        ]  # fmt: skip
        return tables_of(leads, events + burst, outcomes, [], changes)

    return make


@pytest.fixture
def open_at() -> Callable[..., Any]:
    """Examples of the leads open at a day of the year 2025, sorted by lead_id."""

    def examples(tables: Tables, day: float, target: TargetSettings | None = None) -> Any:
        moment = int(microseconds(START + pd.Timedelta(days=day))[0])
        return open_examples(spells_of(tables.leads, tables.outcomes, target or TargetSettings()), moment)

    return examples


@pytest.fixture
def with_frame() -> Callable[..., Tables]:
    """Tables with one frame put in another's place."""
    return lambda tables, **frames: replace(tables, **frames)
