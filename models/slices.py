"""The test slice by slice: what each month, segment or band was promised, and what came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.gate import Check, judge_slices
from models.intervals import Interval

__all__ = ["SliceFigures", "judge_parts", "share_interval"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
Z = 1.96


@dataclass(frozen=True)
class SliceFigures:
    """One slice of the test.

    Attributes
    ----------
    kind : what parts the test: "month", "band", or the name of a column.
    name : of the slice within its kind.
    promised : mean probability.
    came : share that converted, with a clustered 95 % interval.
    ratio : promised / came with its clustered 95 % interval, NaN without a conversion.
    auc : area under the ROC curve within the slice; NaN with one class.
    check : whether the level is right here, Holm-adjusted over the slices of its kind.
    """

    kind: str
    name: str
    rows: int
    leads: int
    conversions: int
    promised: float
    came: Interval
    ratio: Interval
    auc: Interval
    check: Check

    @property
    def is_weak(self) -> bool:
        """Whether the probabilities are shown to be off here."""
        return self.check.status == "failed"


def judge_parts(
    kind: str, parts: Mapping[str, Bools], y: Float64, p: Float64, lead: Int64, cluster: Int64
) -> tuple[SliceFigures, ...]:
    """Figures of each slice of one kind, in the order given; empty slices are left out.

    Parameters
    ----------
    parts : name of the slice -> (n,) whether a row lies in it.
    y, p : (n,) label and probability.
    lead, cluster : (n,) codes of the lead, and of the account, else lead.
    """
    parts = {name: is_in for name, is_in in parts.items() if is_in.any()}
    checks = judge_slices(y, p, parts, cluster)
    return tuple(
        _figures(kind, name, y[i], p[i], lead[i], cluster[i], check)
        for (name, i), check in zip(parts.items(), checks, strict=True)
    )


def _figures(
    kind: str, name: str, y: Float64, p: Float64, lead: Int64, cluster: Int64, check: Check
) -> SliceFigures:
    came, promised = share_interval(y, cluster), float(p.mean())
    return SliceFigures(
        kind, name, len(y), len(np.unique(lead)), int(y.sum()), promised, came, _ratio(y, p, cluster),
        _auc(y, p, cluster), check,
    )  # fmt: skip


def _ratio(y: Float64, p: Float64, cluster: Int64) -> Interval:
    """Promised over came; the interval by the delta method on its logarithm, over clusters.

    Of log(sum p) - log(sum y): the residuals p / sum p - y / sum y, summed by cluster.
    """
    nan = float("nan")
    if not y.sum() > 0:
        return Interval(nan, nan, nan)
    value = float(p.sum() / y.sum())
    codes = np.unique(cluster, return_inverse=True)[1]
    off = np.bincount(codes, weights=p / p.sum() - y / y.sum())
    n = len(off)
    if n < 2:
        return Interval(value, nan, nan)
    half = Z * math.sqrt(float((off**2).sum()) * n / (n - 1))
    return Interval(value, value * math.exp(-half), value * math.exp(half))


def _auc(y: Float64, p: Float64, cluster: Int64) -> Interval:
    """AUC with a clustered interval on the logit scale (Obuchowski 1997)."""
    nan = float("nan")
    n_won, n_lost = float(y.sum()), float((1 - y).sum())
    if not (n_won > 0 and n_lost > 0):
        return Interval(nan, nan, nan)
    right = np.where(y == 1.0, _at_or_below(p, p[y == 0.0]), n_won - _at_or_below(p, p[y == 1.0]))
    value = float(right[y == 1.0].sum() / (n_won * n_lost))
    expected = np.where(y == 1.0, n_lost, n_won) * value
    codes = np.unique(cluster, return_inverse=True)[1]
    off = np.bincount(codes, weights=right - expected)
    n = min(len(np.unique(codes[y == label])) for label in (0.0, 1.0))
    if n < 2 or not 0.0 < value < 1.0:
        return Interval(value, nan, nan)
    error = math.sqrt(float((off**2).sum()) * n / (n - 1)) / (n_won * n_lost)
    middle, half = math.log(value / (1 - value)), Z * error / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-(middle + side * half))) for side in (-1, 1))
    return Interval(value, low, high)


def _at_or_below(p: Float64, others: Float64) -> Float64:
    """How many of the others lie below each, ties counted half."""
    ranked = np.sort(others)
    return (np.searchsorted(ranked, p, side="left") + np.searchsorted(ranked, p, side="right")) / 2.0


def share_interval(y: Float64, clusters: Int64, z: float = Z) -> Interval:
    """Share of ones with a 95 % interval, clustered; NaN without rows.

    Wilson's interval (1927) on the effective number of rows, which is the variance of independent rows
    over that of whole clusters (Korn and Graubard 1998), at most the rows themselves. With one class
    only, the clusters are counted.

    Examples
    --------
    >>> share_interval(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0, 1, 2, 3])).value
    0.5
    """
    n = len(y)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    rate, codes = float(y.mean()), np.unique(clusters, return_inverse=True)[1]
    spread = float((np.bincount(codes, weights=y - rate) ** 2).sum()) / n**2
    effective = min(float(n), rate * (1.0 - rate) / spread) if spread > 0.0 else float(codes.max() + 1)
    middle = (rate + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z / (1 + z * z / effective) * math.sqrt(rate * (1 - rate) / effective + (z / (2 * effective)) ** 2)
    return Interval(rate, max(0.0, middle - half), min(1.0, middle + half))
