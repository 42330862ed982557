"""Intervals: clusters count, the fast path equals the slow one, NaN is never silent."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import sklearn.metrics as oracle
from numpy.typing import NDArray
from scipy.special import expit

from features.errors import InputError
from models import intervals
from models.intervals import (
    auc_lower_bound_within_blocks,
    bootstrap_intervals,
    cluster_codes,
    ece_floor,
    paired_difference,
)
from models.metrics import auc, average_precision, brier, ece, lift_at, log_loss

Array = NDArray[np.float64]


def clustered(n_clusters: int, size: int, seed: int) -> tuple[Array, Array, NDArray[np.intp]]:
    """Rows that share a cluster share margin and outcome."""
    generator = np.random.default_rng(seed)
    margins = generator.normal(-1.0, 1.0, n_clusters)
    y = (generator.random(n_clusters) < expit(margins)).astype(np.float64)
    codes = np.repeat(np.arange(n_clusters), size)
    return y[codes], np.asarray(expit(margins))[codes], codes


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(intervals).failed == 0


def test_a_missing_account_falls_back_to_the_lead() -> None:
    accounts = np.array(["x", None, float("nan"), "", "x"], dtype=object)

    codes = cluster_codes(accounts, ["1", "x", "2", "2", "3"])

    assert codes.tolist() == [0, 1, 2, 2, 0]
    assert cluster_codes(None, ["b", "a", "b"]).tolist() == [0, 1, 0]
    with pytest.raises(InputError, match="1 accounts for 2 leads"):
        cluster_codes(["a"], ["1", "2"])


def test_the_interval_is_wider_when_rows_share_their_fate() -> None:
    y, p, codes = clustered(300, 10, seed=2)

    by_cluster = bootstrap_intervals({"auc": auc, "loss": log_loss}, y, p, codes, n_boot=200)
    by_row = bootstrap_intervals({"auc": auc, "loss": log_loss}, y, p, np.arange(len(y)), n_boot=200)

    for name in ("auc", "loss"):
        wide, narrow = by_cluster[name], by_row[name]
        # ten copies of each row: the naive interval is too narrow by the square root of ten
        assert 2.2 < (wide.high - wide.low) / (narrow.high - narrow.low) < 4.5
        assert wide.low < wide.value < wide.high


def test_the_fast_path_draws_what_a_foreign_metric_sees() -> None:
    y, p, codes = clustered(60, 3, seed=4)
    p = np.round(p, 2)
    pairs: dict[str, tuple[Callable[..., float], Callable[..., float]]] = {
        "auc": (auc, oracle.roc_auc_score),
        "ap": (average_precision, oracle.average_precision_score),
        "loss": (log_loss, oracle.log_loss),
        "lift": (partial(lift_at, share=0.2), lambda a, b: lift_at(a, b, 0.2)),
        "ece": (ece, lambda a, b: ece(a, b, 15)),
    }

    fast = bootstrap_intervals({name: pair[0] for name, pair in pairs.items()}, y, p, codes, n_boot=60)
    slow = bootstrap_intervals({name: pair[1] for name, pair in pairs.items()}, y, p, codes, n_boot=60)

    for name in pairs:
        for end in ("value", "low", "high"):
            assert getattr(fast[name], end) == pytest.approx(getattr(slow[name], end), abs=1e-9)


def test_the_same_seed_gives_the_same_interval() -> None:
    y, p, codes = clustered(50, 2, seed=5)

    first = bootstrap_intervals({"brier": brier}, y, p, codes, n_boot=50, seed=7)

    assert bootstrap_intervals({"brier": brier}, y, p, codes, n_boot=50, seed=7) == first
    assert bootstrap_intervals({"brier": brier}, y, p, codes, n_boot=50, seed=8) != first


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    mean_loss = float(np.mean([log_loss(*clustered(400, 3, seed=s)[:2]) for s in range(1000, 1200)]))
    hits = 0
    for seed in range(100):
        y, p, codes = clustered(400, 3, seed)
        found = bootstrap_intervals({"loss": log_loss}, y, p, codes, n_boot=100, confidence=0.9)["loss"]
        hits += found.low <= mean_loss <= found.high

    # 90 of 100 expected, standard deviation 3; the bounds are 3.5 of them away
    assert 79 <= hits <= 99


def test_replicates_without_a_win_are_counted_and_too_many_give_nan() -> None:
    y, p = np.array([1.0] + [0.0] * 19), np.linspace(0.9, 0.1, 20)
    many = np.array([1.0] * 3 + [0.0] * 17)

    rare = bootstrap_intervals({"auc": auc}, y, p, np.arange(20), n_boot=100)["auc"]
    enough = bootstrap_intervals({"auc": auc}, many, p, np.arange(20), n_boot=100)["auc"]

    assert rare.n_undefined > 10
    assert np.isnan([rare.low, rare.high]).all()
    assert rare.value == 1.0
    assert 0 < enough.n_undefined <= 10
    assert enough.high == 1.0


def test_a_single_cluster_has_no_interval() -> None:
    found = bootstrap_intervals({"auc": auc}, [0, 1], [0.1, 0.2], ["a", "a"], n_boot=20)["auc"]

    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(paired_difference([1.0], [2.0], ["a"], n_boot=20).low)


def test_a_paired_difference_is_narrower_than_its_parts() -> None:
    generator = np.random.default_rng(0)
    base, codes = generator.exponential(1.0, 2000), np.arange(2000) // 4
    better = base - 0.05 + generator.normal(0.0, 0.1, 2000)

    found = paired_difference(better, base, codes)

    assert found.value == pytest.approx(float((better - base).mean()))
    assert -0.08 < found.low < found.value < found.high < -0.02


def test_the_lower_bound_agrees_with_the_bootstrap() -> None:
    y, p, codes = clustered(500, 3, seed=9)
    blocks = np.zeros(len(y))

    bound = auc_lower_bound_within_blocks(y, p, blocks, codes, confidence=0.975)

    drawn = bootstrap_intervals({"auc": auc}, y, p, codes, n_boot=400)["auc"]
    assert bound == pytest.approx(drawn.low, abs=0.015)
    assert bound < auc_lower_bound_within_blocks(y, p, blocks, codes, confidence=0.9) < drawn.value


def test_the_lower_bound_of_noise_is_above_a_half_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(11)
    above = 0
    for _ in range(400):
        y = (generator.random(200) < 0.1).astype(np.float64)[np.arange(400) // 2]
        p = generator.random(200)[np.arange(400) // 2]
        above += auc_lower_bound_within_blocks(y, p, np.arange(400) % 8 // 2, np.arange(400) // 2) > 0.5

    # 4 of 400 expected at 99 %; 12 would be four standard deviations too many
    assert above <= 12


def test_two_lucky_wins_do_not_prove_a_ranking() -> None:
    y, p = [1, 1, 0, 0, 0, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]

    assert auc_lower_bound_within_blocks(y, p, [0] * 7, range(7)) < 0.5
    assert np.isnan(auc_lower_bound_within_blocks(y, p, [0] * 7, [0, 0, 1, 2, 3, 4, 5]))
    assert np.isnan(auc_lower_bound_within_blocks(y, p, [0, 0, 1, 1, 1, 1, 1], range(7)))


def test_clusters_must_fit_the_rows() -> None:
    with pytest.raises(InputError, match="1 clusters for 2 rows"):
        bootstrap_intervals({"auc": auc}, [0, 1], [0.1, 0.2], ["a"])


@pytest.mark.parametrize(("n_clusters", "size"), [(400, 3), (1000, 1)])
def test_a_right_model_is_above_the_floor_of_the_ece_about_once_in_twenty_times(
    n_clusters: int, size: int
) -> None:
    above = 0
    for seed in range(300):
        y, p, codes = clustered(n_clusters, size, seed)
        above += ece(y, p) > ece_floor(y, p, codes, n_boot=200, seed=seed)

    # 15 of 300 expected, standard deviation 3.8; the bounds are 3 of them away
    assert 4 <= above <= 26


def test_a_model_that_promises_too_much_is_far_above_the_floor() -> None:
    y, p, codes = clustered(1000, 3, seed=3)
    too_sure = expit(np.log(p / (1.0 - p)) + 1.2)

    assert ece(y, too_sure) > 2.5 * ece_floor(y, too_sure, codes)
    assert ece(y, p) < ece_floor(y, p, codes)


def test_the_floor_is_higher_when_rows_share_their_fate() -> None:
    y, p, codes = clustered(300, 9, seed=2)

    by_cluster, by_row = ece_floor(y, p, codes), ece_floor(y, p, np.arange(len(y)))

    # nine copies of each row: the floor of single rows is too low by the square root of nine
    assert 2.4 < by_cluster / by_row < 3.6
    assert ece_floor(y, p, codes) == by_cluster


def test_the_floor_by_hand_is_the_quantile_over_all_signs() -> None:
    y, p = [1, 0, 0, 1], [0.6, 0.5, 0.3, 0.1]

    found = ece_floor(y, p, ["a", "b", "a", "b"], bins=2, n_boot=4000)

    # sums of y - p: a has 0.4 and -0.3, b has -0.5 and 0.9. Equal signs: (0.1 + 0.6) / 4, opposite: (0.9 + 1.2) / 4,
    # each half of the time, so the 95 % quantile is the larger
    assert found == pytest.approx((0.9 + 1.2) / 4)
    assert np.isnan(ece_floor(y, p, ["a"] * 4))
