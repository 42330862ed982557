"""Money promised against money that came: totals, rankings, and what the open leads will bring.

Rows of one account share their fate, so whole clusters are drawn (see `models.intervals`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.intervals import Interval

__all__ = ["TotalFigures", "level_draws", "money_curve", "money_found", "open_total", "total_of"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class TotalFigures:
    """What some rows were promised to bring and what they brought.

    Attributes
    ----------
    wins : rows that brought something.
    promised : sum of the expected values; came : sum of the amounts, both 0 for losers.
    ratio : promised / came.
    """

    name: str
    rows: int
    wins: int
    promised: float
    came: Interval
    ratio: Interval


def level_draws(expected: Float64, amount: Float64, cluster: Int64, n_boot: int, seed: int) -> Float64:
    """(n_boot,) money that came for each promised, over draws of the clusters, relative to that of all rows.

    How sure the level of promises is that were learned on such rows: the chance to win and the amount together.

    Parameters
    ----------
    expected, amount, cluster : (n,) out-of-fold expected value, money that came (0 for losers), and cluster.
    """
    sums = _cluster_sums(cluster, expected, amount)
    promised, came = sums.sum(axis=0)
    if not (promised > 0 and came > 0):
        return np.ones(n_boot)
    drawn = np.array([counts @ sums for counts in _draws(len(sums), n_boot, seed)])
    is_whole = (drawn > 0).all(axis=1)
    found = np.ones(n_boot)
    found[is_whole] = drawn[is_whole, 1] / drawn[is_whole, 0] * (promised / came)
    return found


def total_of(
    name: str, expected: Float64, amount: Float64, cluster: Int64, levels: Float64, seed: int = 0
) -> TotalFigures:
    """Promised and came over rows, with 95 % intervals.

    That of `came` covers which clusters happened to be there. That of the ratio also covers the level of the
    promises, by `levels` from `level_draws`; it covers neither the shape of the models (they are not refitted in
    each draw) nor a drift of chances or amounts.

    Parameters
    ----------
    expected, amount, cluster : (n,) of all rows, losers with amount 0.
    """
    sums = _cluster_sums(cluster, expected, amount)
    promised, came = (float(each) for each in (expected.sum(), amount.sum()))
    drawn = np.array([counts @ sums for counts in _draws(len(sums), len(levels), seed)])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = drawn[:, 0] * levels / drawn[:, 1]
    ratio = promised / came if came > 0 else float("nan")
    return TotalFigures(
        name, len(expected), int((amount > 0).sum()), promised,
        _interval(came, drawn[:, 1], len(sums)), _interval(ratio, ratios, len(sums)),
    )  # fmt: skip


def money_curve(ranking: Float64, amount: Float64, weights: Float64 | None = None) -> tuple[Float64, Float64]:
    """Share of the rows worked, best first, and the share of the money they brought; ties count evenly.

    Examples
    --------
    >>> share, found = money_curve(np.array([3.0, 2.0, 1.0, 0.0]), np.array([80.0, 0.0, 20.0, 0.0]))
    >>> share.tolist(), found.tolist()
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.8, 0.8, 1.0, 1.0])
    """
    order = np.argsort(-ranking, kind="stable")
    return _curve(
        order, _tie_ends(ranking[order]), amount, np.ones(len(amount)) if weights is None else weights
    )


def money_found(
    rankings: Mapping[str, Float64], amount: Float64, cluster: Int64, shares: Sequence[float], n_boot: int, seed: int
) -> dict[tuple[str, float], Interval]:  # fmt: skip
    """Share of the money in the best share of the rows, by each ranking, and its gain over the last one.

    Returns
    -------
    dict
        An interval for each (name, share), and for (name + " gain", share): the difference to the last ranking of
        the mapping on the same draws. Above 0: finds more money.
    """
    codes = np.unique(cluster, return_inverse=True)[1]
    orders = {name: np.argsort(-each, kind="stable") for name, each in rankings.items()}
    ends = {name: _tie_ends(rankings[name][order]) for name, order in orders.items()}

    def found(weights: Float64) -> Float64:
        curves = (_curve(orders[name], ends[name], amount, weights) for name in rankings)
        return np.array([np.interp(shares, *curve) for curve in curves])

    values = found(np.ones(len(amount)))
    drawn = np.array([found(counts[codes]) for counts in _draws(int(codes.max()) + 1, n_boot, seed)])
    n = int(codes.max()) + 1
    result = {}
    for row, name in enumerate(rankings):
        for place, share in enumerate(shares):
            result[name, share] = _interval(values[row, place], drawn[:, row, place], n)
            gain = drawn[:, row, place] - drawn[:, -1, place]
            result[f"{name} gain", share] = _interval(values[row, place] - values[-1, place], gain, n)
    return result


def open_total(
    p: Float64, amount: Float64, spread: Float64, level_sd: float, n_draws: int = 1_000, seed: int = 0
) -> Interval:
    """What open leads will bring within the horizon, with a 95 % predictive interval.

    Each draw lets every lead win or not (independently, so wins that come in company are not covered), gives each
    win an amount around its expected one, and moves the level by what is unsure about it.

    Parameters
    ----------
    p, amount : (n,) chance to win, and expected amount of a win.
    spread : (m,) amounts by expected amounts, out of fold, with mean 1.
    level_sd : standard deviation of the logarithm of the level (`level_draws`).
    """
    generator = np.random.default_rng(seed)
    drawn = np.empty(n_draws)
    for place in range(n_draws):
        won = np.flatnonzero(generator.random(len(p)) < p)
        noise = spread[generator.integers(0, len(spread), len(won))]
        drawn[place] = np.exp(level_sd * generator.standard_normal()) * float((amount[won] * noise).sum())
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float((p * amount).sum()), float(low), float(high))


def _curve(order: Int64, ends: Int64, amount: Float64, weights: Float64) -> tuple[Float64, Float64]:
    worked = np.append(0.0, np.cumsum(weights[order])[ends])
    brought = np.append(0.0, np.cumsum((weights * amount)[order])[ends])
    total = brought[-1]
    found = brought / total if total > 0 else np.full(len(worked), np.nan)
    return worked / worked[-1], found


def _tie_ends(ranked: Float64) -> Int64:
    """Places in a ranked array at which a run of equal values ends."""
    return np.append(np.flatnonzero(np.diff(ranked) != 0), len(ranked) - 1).astype(np.int64)


def _cluster_sums(cluster: Int64, *columns: Float64) -> Float64:
    """(clusters, columns) sums over the rows of each cluster."""
    codes = np.unique(cluster, return_inverse=True)[1]
    return np.column_stack([np.bincount(codes, each) for each in columns])


def _draws(n_clusters: int, n_boot: int, seed: int) -> Iterator[Float64]:
    generator = np.random.default_rng(seed)
    for _ in range(n_boot):
        drawn = generator.integers(0, n_clusters, n_clusters)
        yield np.bincount(drawn, minlength=n_clusters).astype(np.float64)


def _interval(value: float, drawn: Float64, n_clusters: int) -> Interval:
    is_shown = np.isfinite(drawn)
    n_undefined = int((~is_shown).sum())
    if n_clusters < 2 or n_undefined > 0.1 * len(drawn):
        return Interval(float(value), float("nan"), float("nan"), n_undefined)
    low, high = np.quantile(drawn[is_shown], [0.025, 0.975])
    return Interval(float(value), float(low), float(high), n_undefined)
