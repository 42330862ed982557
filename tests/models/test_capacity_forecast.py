"""Promises for the weeks ahead: by hand, and how often processes whose truth is known keep them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from features.errors import InputError
from models.capacity_forecast import Entries, forecast, level_at_entry, level_error

WEEKS, AHEAD = 26, 13


def entries_of(counts: list[int], p: float = 0.3) -> Entries:
    """So many entries a week, every one of an account of its own."""
    week = np.repeat(np.arange(len(counts)), counts)
    return Entries(week, np.arange(len(week)), np.full(len(week), p), len(counts))


def test_what_is_expected_is_the_mean_week_and_the_sum_of_p() -> None:
    found = forecast(entries_of([8, 12, 10, 10]), 2, amounts=np.array([100.0, 300.0]))

    assert (found.weeks, found.entries.value) == (2, 20.0)
    assert found.conversions.value == pytest.approx(6.0)
    assert found.value is not None
    assert found.value.value == pytest.approx(1200.0)
    assert found.entries.low < 20.0 < found.entries.high
    assert found.value.low < 1200.0 < found.value.high


def test_without_amounts_there_is_no_value_and_the_same_seed_gives_the_same_promise() -> None:
    assert forecast(entries_of([8, 12, 10, 10]), 2).value is None
    assert forecast(entries_of([8, 12, 10, 10]), 2) == forecast(entries_of([8, 12, 10, 10]), 2)


def test_weeks_that_happen_to_be_alike_promise_no_less_noise_than_counts_have() -> None:
    found = forecast(entries_of([10] * WEEKS), AHEAD)

    sd = np.sqrt(10 * AHEAD * (1 + AHEAD / WEEKS))

    assert found.entries.high - found.entries.low == pytest.approx(2 * 1.96 * sd, rel=0.1)


def test_accounts_that_come_back_in_other_weeks_widen_the_promise() -> None:
    alone = entries_of([10] * WEEKS)
    shared = Entries(alone.week, np.arange(len(alone.week)) % 10, alone.p, WEEKS)

    lone, wide = forecast(alone, AHEAD).entries, forecast(shared, AHEAD).entries

    assert wide.high - wide.low > 2.0 * (lone.high - lone.low)


def test_fewer_than_four_weeks_are_refused() -> None:
    with pytest.raises(InputError, match="3 weeks can't show how much weeks differ; at least 4"):
        forecast(entries_of([1, 2, 3]), 2)


def test_the_level_at_entry_is_what_came_and_few_outcomes_say_nothing() -> None:
    y = np.array([1.0] * 30 + [0.0] * 70 + [np.nan] * 50)

    found = level_at_entry(y, np.full(150, logit(0.2)), np.arange(150))
    few = level_at_entry(np.array([1.0] * 9 + [0.0] * 40), np.full(49, 0.0), np.arange(49))

    assert expit(logit(0.2) + found.shift) == pytest.approx(0.3)
    assert (found.entries, found.came) == (100, 30)
    assert found.promised == pytest.approx(20.0)
    assert found.error == pytest.approx(1 / np.sqrt(100 * 0.3 * 0.7))
    assert found.dispersion == pytest.approx(1.0)
    assert (few.shift, few.dispersion) == (0.0, 1.0)
    assert np.isnan(few.error)


def test_one_account_twice_makes_the_level_less_sure() -> None:
    y, p = np.tile([1.0, 1.0, 0.0, 0.0], 20), np.full(80, 0.5)

    assert level_error(y, p, np.arange(80) // 2) == pytest.approx(
        np.sqrt(2) * level_error(y, p, np.arange(80))
    )
    assert np.isnan(level_error(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64)))


def test_promises_hold_in_about_95_of_100_processes() -> None:
    """Weeks vary more than Poisson's; the level is off and learned from the past. 400 tries: +-2.2 points each way."""
    generator = np.random.default_rng(7)
    tries, held = 400, np.zeros(2)
    for _ in range(tries):
        rate = 15.0 * generator.gamma(20.0, 1 / 20.0, WEEKS + AHEAD)
        week = np.repeat(np.arange(WEEKS + AHEAD), generator.poisson(rate))
        odds = generator.normal(-1.0, 0.5, len(week))
        y = (generator.random(len(week)) < expit(odds + 0.3)).astype(np.float64)
        is_past = week < WEEKS
        accounts = np.arange(len(week))
        level = level_at_entry(y[is_past], odds[is_past], accounts[is_past])
        past = Entries(week[is_past], accounts[is_past], expit(odds[is_past] + level.shift), WEEKS)
        said = forecast(past, AHEAD, level=level.error, dispersion=level.dispersion, n_boot=400)
        held += [
            said.entries.low <= (~is_past).sum() <= said.entries.high,
            said.conversions.low <= y[~is_past].sum() <= said.conversions.high,
        ]

    assert (held / tries >= 0.90).all()
    assert (held / tries <= 0.99).all()
