"""Learned half-lives against a law that knows them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from models.half_lives import Learned, learn_half_lives
from models.split import Fold

Float64 = NDArray[np.float64]
GRID = np.array([2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0])
TRUTH = (3.0, 12.0)


def world(seed: int, weights: tuple[float, float], n: int = 6_000) -> tuple[Float64, Float64, Float64]:
    """Decayed sums (rows, groups, grid), a basic column and labels whose log-odds are linear in the true sums."""
    rng = np.random.default_rng(seed)
    sums = np.zeros((n, 2, len(GRID)))
    for group, rate in enumerate((0.25, 0.12)):
        count = rng.poisson(rate * 90, n)
        row = np.repeat(np.arange(n), count)
        ago = rng.uniform(0, 90, len(row))
        for place, half_life in enumerate(GRID):
            sums[:, group, place] = np.bincount(row, 2.0 ** (-ago / half_life), minlength=n)
    true = [sums[:, group, list(GRID).index(half_life)] for group, half_life in enumerate(TRUTH)]
    basic = rng.normal(size=n)
    margin = -3.0 + 0.4 * basic + sum(w * s for w, s in zip(weights, true, strict=True))
    return sums, basic[:, None], (rng.random(n) < expit(margin)).astype(np.float64)


def learned(seed: int, weights: tuple[float, float] = (0.9, 0.6)) -> list[Learned]:
    sums, basics, y = world(seed, weights)
    row = np.arange(len(y))
    folds = [Fold(row[row % 3 != k], row[row % 3 == k], k) for k in range(3)]
    return learn_half_lives(sums, basics, y, folds, row // 2, start=5)


@pytest.mark.parametrize("seed", [1, 2])
def test_each_half_life_is_found_within_a_step_and_its_interval_holds_the_truth(seed: int) -> None:
    for found, truth in zip(learned(seed), TRUTH, strict=True):
        place = list(GRID).index(truth)

        assert abs(found.best - place) <= 1
        assert found.low <= place <= found.high
        assert found.high - found.low < len(GRID) - 1


def test_a_group_that_says_nothing_has_the_whole_grid_for_an_interval() -> None:
    active, silent = learned(3, weights=(0.9, 0.0))

    assert active.high - active.low < len(GRID) - 1
    assert active.is_useful
    assert (silent.low, silent.high) == (0, len(GRID) - 1)


@pytest.mark.parametrize("seed", range(5, 11))
def test_a_group_that_says_nothing_is_never_useful_wherever_it_does_best(seed: int) -> None:
    _, silent = learned(seed, weights=(0.9, 0.0))

    assert not silent.is_useful


def test_rows_of_one_cluster_count_once_so_the_interval_widens() -> None:
    sums, basics, y = world(4, (0.9, 0.6), n=1_500)
    row = np.arange(len(y))
    folds = [Fold(row[row % 3 != k], row[row % 3 == k], k) for k in range(3)]
    single = learn_half_lives(sums, basics, y, folds, row, start=5)
    copies = [Fold(f.train, np.tile(f.validate, 20), f.block) for f in folds]

    known = learn_half_lives(sums, basics, y, copies, row, start=5)
    forgotten = learn_half_lives(
        np.tile(sums, (20, 1, 1)), np.tile(basics, (20, 1)), np.tile(y, 20),
        [Fold(f.train, np.concatenate([f.validate + k * len(y) for k in range(20)]), f.block) for f in folds],
        np.arange(20 * len(y)), start=5,
    )  # fmt: skip

    assert [(each.low, each.high) for each in known] == [(each.low, each.high) for each in single]
    widths = [sum(each.high - each.low for each in found) for found in (known, forgotten)]
    assert widths[1] < widths[0]
