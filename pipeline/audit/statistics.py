"""Small statistics of one column against an outcome: cross-fitted power, sure values, stickiness in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

__all__ = [
    "Power",
    "coded",
    "period_share",
    "single_power",
    "stickiness",
    "sure_share",
    "sure_values",
    "time_blocks",
    "wilson",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
_FOLDS = 5
_SMOOTHING = 20.0
_BINS = 20
_Z99 = 2.576


@dataclass(frozen=True)
class Power:
    """How well one column alone ranks the outcomes of other leads of the same time.

    `auc` is averaged over blocks of time, weighted by their pairs; `low` is its lower 99 % bound;
    `n` and `n_positive` count the leads it was measured on.
    """

    auc: float
    low: float
    n: int
    n_positive: int


def time_blocks(order: Float64, count: int = 10) -> Int64:
    """Block of each row, 0 to `count` - 1, in time order and of about equal size; ties stay together.

    Examples
    --------
    >>> time_blocks(np.array([3.0, 1.0, 2.0, 4.0]), 2).tolist()
    [1, 0, 0, 1]
    """
    if not len(order):
        return np.zeros(0, dtype=np.int64)
    ranks = rankdata(order, method="min") - 1
    return np.asarray(np.minimum(ranks * count // len(order), count - 1), dtype=np.int64)


def coded(values: NDArray[np.generic], *, is_numeric: bool) -> Int64:
    """Codes from 0: each value for itself, numbers of over 30 values in 20 bins; missing has its own.

    Examples
    --------
    >>> coded(np.array([2.0, np.nan, 1.0]), is_numeric=True).tolist()
    [2, 0, 1]
    """
    series = pd.Series(values)
    if is_numeric and series.nunique() > 30:
        edges = np.unique(series.quantile(np.linspace(0, 1, _BINS + 1)[1:-1]).to_numpy(dtype=np.float64))
        bins = np.searchsorted(edges, series.to_numpy(dtype=np.float64), side="left")
        return np.where(series.isna(), 0, bins + 1).astype(np.int64)
    text = series if is_numeric else series.str.casefold()
    return np.asarray(pd.factorize(text, sort=is_numeric)[0] + 1, dtype=np.int64)


def single_power(codes: Int64, y: Float64, blocks: Int64, *, is_ordered: bool = False) -> Power | None:
    """Power of the codes, each lead's rate estimated from the other folds; None with too few of a class.

    Folds are dealt out by a fixed permutation. Rates are smoothed towards the base rate with the weight
    of 20 leads, so that rare values can't look sure. Where the codes are ordered, they rank the leads themselves, up
    or down, if that is better: it needs no fit. The bound uses the variance of the Mann-Whitney
    statistic under no association, (n1 + n0 + 1) / (12 n1 n0), which is conservative for a high AUC.
    """
    n, positives = len(y), int(y.sum())
    if min(positives, n - positives) < 20:
        return None
    fold = np.random.default_rng(0).permutation(n) % _FOLDS
    rate = np.zeros(n)
    size = int(codes.max()) + 1
    for each in range(_FOLDS):
        train, held = fold != each, fold == each
        count = np.bincount(codes[train], minlength=size)
        wins = np.bincount(codes[train], weights=y[train], minlength=size)
        base = y[train].mean()
        rate[held] = ((wins + _SMOOTHING * base) / (count + _SMOOTHING))[codes[held]]
    found = _auc_within(rate, y, blocks)
    if found is None:
        return None
    auc, error = found
    if is_ordered:
        up = _auc_within(codes.astype(np.float64), y, blocks)
        auc = max(auc, up[0], 1 - up[0]) if up is not None else auc
    return Power(auc, auc - _Z99 * error, n, positives)


def _auc_within(score: Float64, y: Float64, blocks: Int64) -> tuple[float, float] | None:
    """AUC over the pairs within blocks and its standard error; None without a pair."""
    pairs, total, variance = 0.0, 0.0, 0.0
    for block in np.unique(blocks):
        rows = blocks == block
        won, lost = int(y[rows].sum()), int((1 - y[rows]).sum())
        if not won or not lost:
            continue
        ranks = rankdata(score[rows])
        total += float(ranks[y[rows] == 1].sum()) - won * (won + 1) / 2
        pairs += won * lost
        variance += won * lost * (won + lost + 1) / 12
    return (total / pairs, float(np.sqrt(variance)) / pairs) if pairs else None


def sure_share(codes: Int64, y: Float64) -> tuple[float, int]:
    """Share of the leads whose value all but settles the outcome, and how many such values there are.

    A value counts as `sure_values` says.
    """
    count = np.asarray(np.bincount(codes), dtype=np.float64)
    wins = np.asarray(np.bincount(codes, weights=y), dtype=np.float64)
    is_sure = sure_values(wins, count, float(y.mean()))
    return float(count[is_sure].sum() / len(y)), int(is_sure.sum())


def sure_values(wins: ArrayLike, count: ArrayLike, base: float) -> Mask:
    """Whether so many wins among so many leads all but settle the outcome.

    With 30 leads or more, where the 95 % Wilson interval of the win rate lies above the point two thirds of the
    way from the base rate to 1 (and above 1/2), or below a sixth of the base rate.

    Examples
    --------
    >>> sure_values([60, 30, 0], [60, 60, 200], 0.2).tolist()
    [True, False, True]
    """
    n = np.asarray(count, dtype=np.float64)
    low, high = wilson(np.asarray(wins, dtype=np.float64), n)
    return np.asarray((n >= 30) & ((low > max(0.5, base + (1 - base) * 2 / 3)) | (high < base / 6)))


def period_share(codes: Int64, order: Float64) -> float:
    """Share of the variance of the leads' ranks in time that the codes explain; 1: each has a period of its own.

    Examples
    --------
    >>> period_share(np.array([0, 0, 1, 1]), np.array([1.0, 2.0, 3.0, 4.0]))
    0.8
    """
    ranks = rankdata(order)
    middle = np.bincount(codes, weights=ranks) / np.maximum(np.bincount(codes), 1)
    return float(middle[codes].var() / ranks.var()) if ranks.var() else 0.0


def stickiness(codes: Int64, order: Float64) -> float:
    """How much more often neighbours in time share a value than two leads drawn at random; 1 = always.

    0 where one value covers more than 90 % of the leads: nothing can be told then.
    """
    if len(codes) < 100:
        return 0.0
    ranked = codes[np.argsort(order, kind="stable")]
    shares = np.bincount(ranked) / len(ranked)
    by_chance = float((shares**2).sum())
    if by_chance > 0.9:
        return 0.0
    together = float((ranked[1:] == ranked[:-1]).mean())
    return (together - by_chance) / (1 - by_chance)


def wilson(wins: Float64, count: Float64) -> tuple[Float64, Float64]:
    """The 95 % Wilson interval of the share of wins."""
    n = np.maximum(count, 1.0)
    share, z = wins / n, 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return middle - half, middle + half
