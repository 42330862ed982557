"""What is written with the outcome is found by the open leads that lack it; what was known before is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from features.asof import NEVER
from pipeline.audit.frames import LeadHistory
from pipeline.audit.open_leads import open_at, values_only_closed
from tests.pipeline.audit_world import N, World, gappy


def _history(created: list[int], ended: list[int], end: int, horizon: int) -> LeadHistory:
    ends, n = np.array(ended), len(created)
    is_closed = ends != NEVER
    y = is_closed.astype(np.float64)
    order = np.arange(n, dtype=np.float64)
    return LeadHistory(y, y, is_closed, order, True, np.array(created), ends, np.zeros(n, bool), end, horizon)


def test_a_value_that_only_winners_get_on_winning_is_a_leak_though_few_leads_have_it(tmp_path: Path) -> None:
    world = World()
    won = world.won & world.is_closed & (world.rng.random(N) < 0.5)
    values = np.where(won, "team K", world.rng.choice(["Ann", "Ben", "Cem"], N))

    suspect = world.extra(values, tmp_path)

    assert suspect is not None
    assert suspect.grade == "leak"
    assert "only_when_closed" in suspect.kinds
    assert "1 of its values: held by" in suspect.evidence
    assert "(100% of them won) and 0 open ones" in suspect.evidence


def test_a_field_that_every_winner_fills_with_another_text_is_a_leak(tmp_path: Path) -> None:
    world = World()
    numbers = np.array([f"C{k}" for k in range(N)])

    suspect = world.extra(gappy(world.won & world.is_closed & (np.arange(N) % 3 > 0), numbers), tmp_path)

    assert suspect is not None
    assert suspect.grade == "leak"
    assert "any value: held by" in suspect.evidence


@pytest.mark.parametrize("seed", range(5))
def test_a_value_known_from_the_start_is_not_taken_for_one_written_at_the_end(
    tmp_path: Path, seed: int
) -> None:
    """Just as telling, and its leads are won as surely; but those still open hold it too."""
    world = World(seed)
    values = np.where(
        world.won & (world.rng.random(N) < 0.5), "referral", world.rng.choice(["web", "fair"], N)
    )

    suspect = world.extra(values, tmp_path)

    assert suspect is None or (suspect.grade, "only_when_closed" in suspect.kinds) == ("look", False)


@pytest.mark.parametrize("seed", range(5))
def test_a_value_whose_leads_are_won_fast_is_left_alone(tmp_path: Path, seed: int) -> None:
    world = World(seed)
    is_fast = world.rng.random(N) < 0.1
    world.length[is_fast] = 0.5
    world.ended = world.created + (world.length * 86_400_000_000).astype("timedelta64[us]")
    world.is_closed |= is_fast
    world.won |= is_fast
    kind = np.where(world.won, "won", "lost")
    outcomes = {"lead_id": world.leads["lead_id"], "occurred_at": world.ended, "outcome": kind}
    world.outcomes = world.leads[["lead_id"]].assign(**outcomes)[world.is_closed]

    suspect = world.extra(np.where(is_fast, "hot", "other"), tmp_path)

    assert suspect is None or "only_when_closed" not in suspect.kinds


def test_a_campaign_that_has_ended_is_no_leak(tmp_path: Path) -> None:
    world = World()
    is_old = world.created < np.datetime64("2024-10-15")
    values = np.where(is_old & (world.rng.random(N) < 0.3), "summer fair", "other")

    suspect = world.extra(values, tmp_path)

    assert suspect is None or suspect.grade == "look"
    assert suspect is None or "only_when_closed" not in suspect.kinds


def test_a_lead_is_open_from_its_creation_until_its_outcome() -> None:
    history = _history([0, 5, 10, 20], [10, NEVER, 30, NEVER], end=40, horizon=10)

    assert open_at(history, 5).tolist() == [True, False, False, False]
    assert open_at(history, 10).tolist() == [True, True, False, False]
    assert open_at(history, 11).tolist() == [False, True, True, False]
    assert open_at(history, 40).tolist() == [False, True, False, True]


def test_values_are_judged_only_where_enough_leads_were_open() -> None:
    created = [k // 2 for k in range(1_200)]
    ends = [moment + (10 if k % 4 == 0 else 60) for k, moment in enumerate(created)]
    ended = [end if end < 600 else NEVER for end in ends]
    codes = np.where(np.arange(1_200) % 3 == 0, 2, 1)
    leaky = np.where(np.array(ended) == NEVER, 0, codes)
    history = _history(created, ended, end=600, horizon=20)
    everyone, few = np.ones(1_200, bool), np.arange(1_200) % 20 == 1

    assert not values_only_closed(codes, history, everyone).any()
    assert values_only_closed(leaky, history, everyone).tolist() == [False, True, True]
    assert not values_only_closed(leaky, history, few).any()
