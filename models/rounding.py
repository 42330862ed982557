"""Whole points for people: what is printed adds up, and no reason changes sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import InputError

__all__ = ["WholePoints", "whole_points"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
_NEAR = 1e-6


@dataclass(frozen=True)
class WholePoints:
    """Whole numbers a row: `base` (n,) + `reasons` (n, k) summed + `rest` (n,) = `score` (n,)."""

    base: Whole
    reasons: Whole
    rest: Whole
    score: Whole


def whole_points(base: ArrayLike, reasons: ArrayLike, rest: ArrayLike, score: ArrayLike) -> WholePoints:
    """Points rounded by largest remainder (Hamilton's method), score and base rounded down.

    Rounding down keeps the lines: 50 is printed only if the lead is MQL, 80 only if it is SQL. The
    difference of the printed score and base is spread over the reasons and the rest line: all are
    rounded down, and those with the largest remainders get one more. So each printed reason is one of
    the two whole numbers around its value, never of the other sign (a small one may print 0), and a
    stronger one never prints less than a weaker one of its sign. Whatever sums that are off by float
    noise leave over goes to the rest line, the only one that may then be off by more than 1 or turn.

    Parameters
    ----------
    base, score : float or array (n,)
        As shown, within [0, 100].
    reasons : array (n, k)
        Points of the reasons; 0 where there is none.
    rest : array (n,)
        Everything else, with the "limit of the scale" if it has no line of its own.

    Raises
    ------
    InputError
        If a number is not finite or a row does not add up to 1e-5.

    Examples
    --------
    >>> found = whole_points(31.6, [[20.5, -3.7]], [1.5], [49.9])
    >>> found.base.tolist(), found.reasons.tolist(), found.rest.tolist(), found.score.tolist()
    ([31], [[21, -4]], [1], [49])
    """
    signed = np.atleast_2d(np.asarray(reasons, dtype=np.float64))
    shown = np.broadcast_to(np.asarray(score, dtype=np.float64), (len(signed),))
    start = np.broadcast_to(np.asarray(base, dtype=np.float64), (len(signed),))
    others = np.broadcast_to(np.asarray(rest, dtype=np.float64), (len(signed),))
    lines = np.concatenate([signed, others[:, None]], axis=1)
    gap = np.abs(start + lines.sum(axis=1) - shown)
    if not (gap <= 10 * _NEAR).all():
        raise InputError(
            f"{int((~(gap <= 10 * _NEAR)).sum())} of {len(gap)} rows do not add up to their score"
        )
    printed_base, printed_score = (np.floor(values).astype(np.int64) for values in (start, shown))
    whole = _spread(lines, printed_score - printed_base)
    return WholePoints(printed_base, whole[:, :-1], whole[:, -1], printed_score)


def _spread(lines: Array, total: Whole) -> Whole:
    nearest = np.round(lines)
    exact = np.where(np.abs(lines - nearest) <= _NEAR, nearest, lines)
    whole = np.floor(exact).astype(np.int64)
    part = exact - whole
    missing = total - whole.sum(axis=1)
    order = np.argsort(-part, axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(lines.shape[1]), lines.shape), axis=1)
    whole += (place < missing[:, None]) & (part > 0.0)
    whole[:, -1] += total - whole.sum(axis=1)
    return whole
