"""How sure a metric is: intervals clustered by account, else lead.

Rows of one account, and the snapshots of one lead, share their fate; drawing rows one by one would
call the same news many times. So whole clusters are drawn (Field and Welsh 2007, the cluster bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student_t

from features.errors import InputError
from models.metrics import Evaluator, Ranking, evaluator, rank, reliability_table

__all__ = [
    "Interval",
    "auc_lower_bound_within_blocks",
    "bootstrap_intervals",
    "cluster_codes",
    "ece_floor",
    "paired_difference",
]

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
_MOST_UNDEFINED = 0.1


@dataclass(frozen=True)
class Interval:
    """A value on all rows, the ends of its interval, and how many replicates could not show it.

    The ends are NaN if there are fewer than two clusters or more than 10 % of the replicates are NaN.
    """

    value: float
    low: float
    high: float
    n_undefined: int = 0


def cluster_codes(accounts: ArrayLike | None, leads: ArrayLike) -> Codes:
    """Cluster of each row, 0, 1, ... : its account, or its lead where the account is missing.

    Parameters
    ----------
    accounts : array (n,), optional
        Account ids; None, NaN, NA and "" are missing.
    leads : array (n,)
        Lead ids. An account and a lead of the same name stay two clusters.

    Examples
    --------
    >>> cluster_codes(["A", None, "A", ""], ["1", "2", "3", "2"]).tolist()
    [0, 1, 0, 1]
    """
    names = np.asarray(leads, dtype=object)
    owners = (
        np.full(len(names), None, dtype=object) if accounts is None else np.asarray(accounts, dtype=object)
    )
    if len(owners) != len(names):
        raise InputError(f"{len(owners)} accounts for {len(names)} leads")
    seen: dict[tuple[bool, str], int] = {}
    codes = np.empty(len(names), dtype=np.intp)
    for place, (owner, name) in enumerate(zip(owners.tolist(), names.tolist(), strict=True)):
        is_missing = _is_missing(owner)
        key = (is_missing, str(name if is_missing else owner))
        codes[place] = seen.setdefault(key, len(seen))
    return codes


def _is_missing(owner: object) -> bool:
    is_nan = isinstance(owner, float) and owner != owner  # noqa: PLR0124
    return owner is None or is_nan or str(owner) in {"", "<NA>", "NaT"}


def bootstrap_intervals(
    metrics: Mapping[str, Callable[..., float]],
    y: ArrayLike,
    p: ArrayLike,
    clusters: ArrayLike,
    n_boot: int = 400,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Interval]:
    """Percentile interval of each metric over draws of whole clusters.

    Parameters
    ----------
    metrics : mapping
        Name to a function of (y, p). Those of `models.metrics`, and `functools.partial` of them with
        keywords, are computed on rows sorted once; any other function is called on the drawn rows.
    y, p : array (n,)
        Label and probability, one row an example, in lead_id order.
    clusters : array (n,)
        Cluster of each row, as from `cluster_codes`.
    n_boot, seed, confidence
        Replicates, where the generator starts, and the two-sided level. All metrics see the same draws.

    Returns
    -------
    dict
        An `Interval` a metric, in the order given.

    Notes
    -----
    Drawing rows anew adds noise to every bin of an ECE, so its replicates lie above its value.
    """
    ranking = rank(y, p)
    codes = _codes(clusters, len(ranking.y))
    evaluate = {name: _evaluator(metric, ranking) for name, metric in metrics.items()}
    ones = np.ones(len(codes))
    values = {name: each(ones) for name, each in evaluate.items()}
    drawn = {name: np.full(n_boot, np.nan) for name in evaluate}
    ranked_codes = codes[ranking.order]
    for place, counts in enumerate(_draws(int(codes.max()) + 1, n_boot, seed)):
        weights = counts[ranked_codes]
        for name, each in evaluate.items():
            drawn[name][place] = each(weights)
    is_single = codes.max() == 0
    return {name: _interval(values[name], drawn[name], confidence, is_single) for name in evaluate}


def paired_difference(
    loss_a: ArrayLike,
    loss_b: ArrayLike,
    clusters: ArrayLike,
    n_boot: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Interval of mean(loss_a) - mean(loss_b) over the same rows; below 0 says that a is better.

    Examples
    --------
    >>> paired_difference([0.1, 0.2, 0.3], [0.2, 0.3, 0.4], [1, 2, 3]).value.__round__(6)
    -0.1
    """
    difference = np.asarray(loss_a, dtype=np.float64) - np.asarray(loss_b, dtype=np.float64)
    codes = _codes(clusters, len(difference))
    sums, rows = np.bincount(codes, weights=difference), np.bincount(codes).astype(np.float64)
    draws = _draws(len(rows), n_boot, seed)
    drawn = np.array([(counts * sums).sum() / (counts * rows).sum() for counts in draws])
    return _interval(float(difference.mean()), drawn, confidence, len(rows) == 1)


def ece_floor(
    y: ArrayLike, p: ArrayLike, clusters: ArrayLike, bins: int = 15, n_boot: int = 400, seed: int = 0
) -> float:
    """Calibration error that chance alone exceeds once in twenty times: 95 % quantile of the ECE's null.

    The wild cluster bootstrap with the null imposed (Cameron, Gelbach and Miller 2008): were p right,
    residuals y - p would have mean 0, so those of a cluster keep their size and get one random sign
    (Rademacher). Bins are those of `models.metrics.ece`. NaN where there are fewer than two clusters.

    Parameters
    ----------
    y, p, clusters : array (n,)
        As for `bootstrap_intervals`.
    bins, n_boot, seed
        Bins of the ECE, replicates, and where the generator starts.

    Notes
    -----
    Centring the residuals within the bins would take away part of their spread: with 10 clusters a bin, a
    right model was then above the floor 19 times in 100 instead of 7.

    Examples
    --------
    Two rows in a bin of their own each: whatever the signs, the ECE is the mean of 0.2 and 0.1.

    >>> round(ece_floor([0, 1], [0.2, 0.9], [1, 2], bins=2), 6)
    0.15
    """
    ranking = rank(y, p)
    codes = _codes(clusters, len(ranking.y))[ranking.order]
    n_clusters = int(codes.max()) + 1
    if n_clusters < 2:
        return float("nan")
    sizes = [each.n_rows for each in reliability_table(y, p, bins)][::-1]
    bin_of_row = np.repeat(np.arange(len(sizes)), sizes)
    cells, cell = np.unique(codes * len(sizes) + bin_of_row, return_inverse=True)
    off, (owner, bin_of) = np.bincount(cell, weights=ranking.y - ranking.p), np.divmod(cells, len(sizes))
    generator = np.random.default_rng(seed)
    drawn = np.empty(n_boot)
    for number in range(n_boot):
        signs = generator.integers(0, 2, n_clusters) * 2.0 - 1.0
        drawn[number] = np.abs(np.bincount(bin_of, weights=off * signs[owner])).sum() / len(codes)
    return float(np.quantile(drawn, 0.95))


def auc_lower_bound_within_blocks(
    y: ArrayLike, p: ArrayLike, blocks: ArrayLike, clusters: ArrayLike, confidence: float = 0.99
) -> float:
    """One-sided lower bound of the AUC over pairs within time blocks, clustered; NaN if it can't be shown.

    Each row's share in the pairs (its placement) less what the AUC leads one to expect is summed by
    cluster; the squares of these sums give the variance (Obuchowski 1997, for clustered ROC curves, as
    a ratio of pooled pairs). No draws, so no seed. Student's t counts the clusters of the rarer class.

    Notes
    -----
    With few rows and perfect ranking the variance would be 0; half a wrongly ranked pair sets its floor.
    """
    ranking = rank(y, p, blocks)
    codes = _codes(clusters, len(ranking.y))[ranking.order]
    right, pairs = _placements(ranking)
    n_pairs = float(pairs[ranking.y == 1.0].sum())
    n_clusters = min(len(np.unique(codes[ranking.y == label])) for label in (0.0, 1.0))
    if n_clusters < 2 or n_pairs == 0.0:
        return float("nan")
    value = float(right[ranking.y == 1.0].sum()) / n_pairs
    off = np.bincount(codes, weights=right - value * pairs)
    variance = float((off**2).sum()) / n_pairs**2 * n_clusters / (n_clusters - 1)
    wrong = 0.5 / (n_pairs + 1.0)
    variance = max(variance, wrong * (1.0 - wrong) / n_clusters)
    return float(value - student_t.ppf(confidence, n_clusters - 1) * np.sqrt(variance))


def _placements(ranking: Ranking) -> tuple[Array, Array]:
    """For each ranked row: rightly ranked pairs it is part of (ties half), and all its pairs."""
    sizes = np.diff(np.append(ranking.starts, len(ranking.y)))
    lengths = np.diff(np.append(ranking.blocks, len(ranking.y)))
    found = []
    for values in (ranking.y, 1.0 - ranking.y):
        upto, inside = np.cumsum(values), np.repeat(ranking.per_tie(values), sizes)
        start = np.repeat((upto - values)[ranking.blocks], lengths)
        before = np.repeat((upto - values)[ranking.starts], sizes) - start
        total = np.repeat(np.add.reduceat(values, ranking.blocks), lengths)
        found.append((before + 0.5 * inside, total))
    (wins_above, n_wins), (losses_above, n_losses) = found
    is_won = ranking.y == 1.0
    return np.where(is_won, n_losses - losses_above, wins_above), np.where(is_won, n_losses, n_wins)


def _codes(clusters: ArrayLike, n_rows: int) -> Codes:
    codes: Codes = np.unique(np.asarray(clusters), return_inverse=True)[1].astype(np.intp)
    if len(codes) != n_rows or n_rows == 0:
        raise InputError(f"{len(codes)} clusters for {n_rows} rows")
    return codes


def _draws(n_clusters: int, n_boot: int, seed: int) -> Iterator[Array]:
    generator = np.random.default_rng(seed)
    for _ in range(n_boot):
        drawn = generator.integers(0, n_clusters, n_clusters)
        yield np.bincount(drawn, minlength=n_clusters).astype(np.float64)


def _evaluator(metric: Callable[..., float], ranking: Ranking) -> Evaluator:
    found = evaluator(metric, ranking)
    if found is not None:
        return found
    rows = np.argsort(ranking.order, kind="stable")
    y, p = ranking.y[rows], ranking.p[rows]

    def evaluate(weights: Array) -> float:
        drawn = np.repeat(np.arange(len(rows)), weights[rows].astype(np.intp))
        return float(metric(y[drawn], p[drawn]))

    return evaluate


def _interval(value: float, drawn: Array, confidence: float, is_single: bool) -> Interval:
    is_shown = np.isfinite(drawn)
    n_undefined = int((~is_shown).sum())
    if is_single or not n_undefined <= _MOST_UNDEFINED * len(drawn):
        return Interval(value, float("nan"), float("nan"), n_undefined)
    tail = 0.5 * (1.0 - confidence)
    low, high = np.quantile(drawn[is_shown], [tail, 1.0 - tail])
    return Interval(value, float(low), float(high), n_undefined)
