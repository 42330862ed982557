"""Money promised and money that came: by hand, and how often the intervals cover the truth."""

from __future__ import annotations

import numpy as np
import pytest

from models.value_totals import level_draws, money_curve, money_found, open_total, total_of

WORLDS = 200


def test_a_total_adds_up_losers_as_nothing() -> None:
    expected, came = np.array([10.0, 20.0, 30.0]), np.array([0.0, 50.0, 0.0])

    found = total_of("all", expected, came, np.array([0, 1, 2]), np.ones(100))

    assert (found.promised, found.came.value, found.ratio.value) == (60.0, 50.0, 1.2)
    assert (found.rows, found.wins) == (3, 1)


def test_a_total_of_one_cluster_or_of_no_money_shows_no_interval() -> None:
    one = total_of("one", np.ones(3), np.ones(3), np.zeros(3, dtype=np.int64), np.ones(50))
    none = total_of("none", np.ones(3), np.zeros(3), np.arange(3), np.ones(50))

    assert np.isnan(one.came.low)
    assert np.isnan(none.ratio.value)
    assert np.isnan(none.ratio.high)


def _world(
    rng: np.random.Generator, n_clusters: int, factor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of clusters that share their luck: expected values at a level that is off by a factor, and what came."""
    cluster = np.repeat(np.arange(n_clusters), 4)
    luck = rng.gamma(2.0, 0.5, n_clusters)[cluster]
    mean = rng.lognormal(5.0, 1.0, len(cluster))
    came = np.where(rng.random(len(cluster)) < 0.1 * luck, rng.gamma(4.0, mean / 4.0), 0.0)
    return 0.1 * mean * factor, came, cluster


def test_the_ratio_s_interval_covers_1_as_often_as_it_says_where_the_level_was_learned_on_as_few_rows() -> (
    None
):
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(WORLDS):
        past, past_came, past_cluster = _world(rng, 300, 1.0)
        level = past_came.sum() / past.sum()  # what learning makes of it: right on the past
        levels = level_draws(past * level, past_came, past_cluster, 200, 1)
        expected, came, cluster = _world(rng, 300, level)
        ratio = total_of("all", expected, came, cluster, levels).ratio
        covered += ratio.low <= 1.0 <= ratio.high

    # 95 % of 200 is 190 with a standard deviation of 3.1; the percentile bootstrap of few skewed sums covers a bit less
    assert covered >= 176


def test_without_the_level_s_own_doubt_the_interval_is_too_narrow() -> None:
    rng = np.random.default_rng(3)
    past, past_came, past_cluster = _world(rng, 300, 1.0)
    expected, came, cluster = _world(rng, 300, 1.0)
    levels = level_draws(past, past_came, past_cluster, 400, 1)

    sure, unsure = (total_of("all", expected, came, cluster, each).ratio for each in (np.ones(400), levels))

    assert np.median(levels) == pytest.approx(1.0, abs=0.05)
    # as much is unsure of the past as of the test: a factor of about the root of 2
    assert np.log(unsure.high / unsure.low) > 1.1 * np.log(sure.high / sure.low)


def test_ties_find_money_evenly() -> None:
    share, found = money_curve(np.zeros(4), np.array([100.0, 0.0, 0.0, 0.0]))

    assert np.interp(0.25, share, found) == 0.25


def test_money_found_by_hand_and_its_gain_over_the_last_ranking() -> None:
    money = np.tile([0.0, 90.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 20)
    bad = np.tile(np.arange(10.0)[::-1], 20)
    good = bad + 5 * (money > 50)

    found = money_found({"value": good, "probability": bad}, money, np.arange(200), (0.1, 0.2), 100, 0)

    assert [found["value", share].value for share in (0.1, 0.2)] == pytest.approx([0.9, 0.9])
    assert [found["probability", share].value for share in (0.1, 0.2)] == pytest.approx([0.0, 0.9])
    assert found["value gain", 0.1].value == pytest.approx(0.9)
    # twenty rows hold nearly all the money, and draws move the line
    assert found["value gain", 0.1].low > 0.2
    assert found["probability gain", 0.2].high == 0.0


def test_the_interval_of_an_open_list_covers_what_it_brings_as_often_as_it_says() -> None:
    rng = np.random.default_rng(8)
    p, amount = rng.beta(1, 12, 400), rng.lognormal(6, 0.7, 400)
    spread = np.quantile(np.random.default_rng(1).gamma(4, 0.25, 100_000), (np.arange(200) + 0.5) / 200)
    interval = open_total(p, amount, spread, level_sd=0.1, n_draws=2_000)

    came = [
        rng.lognormal(0, 0.1) * (amount * rng.gamma(4, 0.25, 400) * (rng.random(400) < p)).sum()
        for _ in range(400)
    ]

    # 95 % of 400 is 380 with a standard deviation of 4.4
    assert 363 <= sum(interval.low <= each <= interval.high for each in came) <= 397
    assert interval.value == pytest.approx(float(np.mean(came)), rel=0.05)
