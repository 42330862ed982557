"""A small world with known log-odds for the tests of the models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from features.catalogue import Catalogue, Feature
from features.durations import MICROSECONDS
from models.evaluation import Examples
from models.settings import LightGBMSettings, ModelSettings
from models.split import Timeline

Float64 = NDArray[np.float64]
DAY = MICROSECONDS["d"]
SOURCES = ("ads", "organic", "partner")

FEATURES = (
    Feature("explicit", "source", "category", unit="category", group="source", words="source", levels=SOURCES),
    Feature("explicit", "budget", "value", unit="number", group="budget", words="budget"),
    Feature("explicit", "budget", "missing", unit="flag", group="budget", words="budget"),
    Feature("implicit", "type:pricing_view", "count", 7 * DAY, "count", 0, "type:pricing_view", "pricing page views"),
    Feature("implicit", "type:pricing_view", "count", 30 * DAY, "count", 0, "type:pricing_view", "pricing page views"),
    Feature("implicit", "type:unsubscribe", "count", 90 * DAY, "count", -1, "type:unsubscribe", "unsubscribes"),
    Feature("recency", "type:pricing_view", "days_since", 0, "days", 0, "type:pricing_view", "pricing page views"),
    Feature("recency", "any", "momentum", 7 * DAY, "log ratio", 0, "momentum", "pace of activity"),
    Feature("recency", "any", "silence", 0, "days", 0, "silence", "days without activity"),
    Feature("account", "people", "known", 0, "count", 0, "people", "other people known at the company"),
    Feature("account", "is_priority", "value", 0, "flag", 0, "priority", "priority list"),
    Feature("points", "source", "rule0", 0, "points", 1, "points:source", "source"),
    Feature("points", "type:pricing_view", "rule1", 0, "points", 1, "points:pricing", "pricing page views"),
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """Examples, their true log-odds, and the catalogue of their columns."""

    catalogue: Catalogue
    examples: Examples
    log_odds: Float64

    @property
    def X(self) -> Float64:  # noqa: N802 - the field's name for a feature matrix
        """The feature matrix."""
        return self.examples.X

    @property
    def y(self) -> Float64:
        """The labels."""
        return self.examples.y


def world_of(n: int = 4000, seed: int = 0, strength: float = 1.0) -> World:
    """n examples of n / 2 leads at 25 cuts two weeks apart, the label known 30 days later."""
    rng = np.random.default_rng(seed)
    source = rng.choice([0.0, 1.0, 2.0, 3.0, np.nan], n, p=[0.3, 0.3, 0.2, 0.1, 0.1])
    budget = np.where(rng.random(n) < 0.3, np.nan, np.round(rng.lognormal(9, 1, n)))
    week = rng.poisson(0.6, n).astype(np.float64)
    month = week + rng.poisson(0.8, n)
    unsubscribed = rng.poisson(0.15, n).astype(np.float64)
    since = np.where(month > 0, rng.uniform(0, 30, n), np.nan)
    momentum = np.log((week + 0.5) / ((month - week) / 4 + 0.5))
    silence = np.where(month > 0, since, rng.uniform(0, 90, n))
    people = np.where(rng.random(n) < 0.3, np.nan, rng.poisson(2, n))
    priority = (rng.random(n) < 0.2).astype(np.float64)
    by_source = np.where(np.isnan(source), 0.0, 7.0 * (source == 2.0))
    X = np.column_stack([
        source, budget, np.isnan(budget), week, month, unsubscribed, since, momentum, silence, people, priority,
        by_source, 5.0 * np.minimum(month, 3),
    ])  # fmt: skip
    log_odds = -1.6 + strength * (
        1.2 * (source == 2.0) - 0.6 * (source == 0.0) + 1.1 * np.log1p(month) - 1.0 * unsubscribed
        + 1.0 * priority + np.where(np.isnan(since), 0.0, 0.8 / (1 + np.nan_to_num(since) / 14.0)) - 1.0
    )  # fmt: skip
    y = (rng.random(n) < expit(log_odds)).astype(np.float64)
    lead = rng.permutation(n) % (n // 2)
    account = np.where(lead % 3 == 0, -1, lead % (n // 5))
    as_of = rng.integers(0, 25, n) * 14 * DAY
    cluster = np.where(account >= 0, account, n + lead)
    timeline = Timeline(as_of, as_of + 30 * DAY, cluster)
    examples = Examples(X, y, timeline, lead, account, np.zeros(n, dtype=np.int64))
    return World(Catalogue(FEATURES), examples, log_odds)


@pytest.fixture
def make_world() -> Callable[..., World]:
    """`world_of` for the tests."""
    return world_of


@pytest.fixture(scope="session")
def world() -> World:
    """2000 examples of the usual world."""
    return world_of(2000, seed=1)


@pytest.fixture
def quick() -> ModelSettings:
    """Fewer, larger steps than by default: a training in about a second."""
    trees = LightGBMSettings(
        max_rounds=60, learning_rate=0.1, early_stopping_rounds=10, min_data_in_leaf=30, num_leaves=7
    )
    return ModelSettings(lightgbm=trees, bootstrap=100)
