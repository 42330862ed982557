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
from features.fit_settings import ProfileRule
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
            at_creation=AttributeGroup(
                category=("source",), number=("budget",), job_title=("job_title",), email=("email",)
            ),
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
        features=FeatureSettings.model_validate({"funnel": True, "re_engaged_after": "30d"}),
        target=TargetSettings(),
        is_static=False,
        points=(
            PointsRule(event="pricing_view", points=5, per="each", most=3),
            PointsRule(attribute="source", values={"web": 7}),
        ),
        profile=(
            ProfileRule(attribute="source", values=("Web",), weight=2),
            ProfileRule(attribute="job_title.seniority", at_least="director"),
            ProfileRule(attribute="stage", values=("warm",)),
        ),
    )


@pytest.fixture
def random_tables() -> Callable[[int], Tables]:
    """A CRM by chance: accounts, dirt, ties in time, bursts, changes, outcomes."""

    def make(seed: int, n_leads: int = 30, n_events: int = 400) -> Tables:
        rng = np.random.default_rng(seed)

        def one_of(*values: Any) -> Any:
            return values[rng.integers(len(values))]

        def day(first: float, last: float) -> pd.Timedelta:
            return pd.Timedelta(days=round(float(rng.uniform(first, last)), 2))

        def lead(number: int) -> dict[str, Any]:
            return {
                "lead_id": f"L{number:03d}",
                "created_at": START + day(0, 60),
                "account_id": one_of(None, *(f"A{k}" for k in range(6))),
                "source": one_of("Web", "web ", "ads", None),
                "budget": one_of(np.nan, 100.0, 5e4),
                "job_title": one_of("CEO", "Junior Developer", "Buyer", None),
                "email": one_of("x@gmail.com", "x@acme.io"),
            }

        def event() -> dict[str, Any]:
            return {
                "lead_id": f"L{rng.integers(n_leads):03d}",
                "occurred_at": START + day(0, 150),
                "event_type": one_of(*TYPES),
                "value": one_of(np.nan, 1.5, 7.25),
                "channel": one_of("web", "email"),
                "product": one_of("x", "y", None),
            }

        def change() -> dict[str, Any]:
            who = f"L{rng.integers(n_leads):03d}"
            return {
                "lead_id": who,
                "changed_at": START + day(0, 150),
                "field": "stage",
                "new_value": one_of("new", "warm"),
            }

        leads = [lead(number) for number in range(n_leads)]
        events = [event() for _ in range(n_events)]
        first = events[0]
        burst = [
            {**first, "occurred_at": first["occurred_at"] + pd.Timedelta(milliseconds=200 * k)}
            for k in range(6)
        ]
        outcomes = [
            {
                "lead_id": each["lead_id"],
                "occurred_at": each["created_at"] + day(20, 120),
                "outcome": one_of("won", "lost"),
            }
            for each in leads[::3]
        ]
        changes = [change() for _ in range(60)]
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
    return replace
