"""Centred isotonic calibration: log-odds as a strictly increasing broken line through pooled groups.

Plain isotonic regression is a staircase: all leads on a step tie, which spoils their order. Here each
step is one knot at the mean margin of its leads (Oron and Flournoy 2017), knots are joined by straight
lines, and beyond the outer ones the line goes on with a slope of its own.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.errors import InputError

__all__ = ["checked_knots", "fit_knots", "line_at", "slope_at"]

Array = NDArray[np.float64]
LEAST_OF_EACH = 10  # wins and losses in a group: fewer say too little of its height
MOST_GROUPS = 40


def checked_knots(coefficients: tuple[float, ...], least_slope: float) -> None:
    """Check (outer slope, x1, y1, x2, y2, ...): x and y rise, no slope below the least.

    Raises
    ------
    InputError
        If that does not hold.
    """
    x, y = np.array(coefficients[1::2]), np.array(coefficients[2::2])
    if len(x) == 0 or len(x) != len(y):
        raise InputError(f"calibration 'isotonic' needs a slope and pairs of numbers; got {coefficients}")
    # the sums behind a knot round; a slope at the bound may come out a hair below it
    if not (coefficients[0] >= least_slope and (np.diff(x) > 0).all()):
        raise InputError(f"the knots of an isotonic calibration must rise; got {coefficients}")
    if not (np.diff(y) >= least_slope * np.diff(x) * (1 - 1e-9)).all():
        raise InputError(f"calibration slopes must be at least {least_slope}; got {coefficients}")


def line_at(margins: Array, coefficients: tuple[float, ...]) -> Array:
    """Calibrated log-odds of margins, element by element."""
    slope, x, y, place = _piece(margins, coefficients)
    return np.asarray(y[place] + slope * (margins - x[place]))


def slope_at(margins: Array, coefficients: tuple[float, ...]) -> Array:
    """Derivative of the line; at a knot that of the piece above it."""
    return np.asarray(_piece(margins, coefficients)[0])


def _piece(margins: Array, coefficients: tuple[float, ...]) -> tuple[Array, Array, Array, NDArray[np.intp]]:
    """Slope of each margin's piece, the knots, and the knot at its lower end (the first, below all)."""
    x, y = np.array(coefficients[1::2]), np.array(coefficients[2::2])
    outer = coefficients[0]
    slopes = np.concatenate([[outer], np.diff(y) / np.diff(x), [outer]])
    place = np.searchsorted(x, margins, side="right")
    return slopes[place], x, y, np.maximum(place - 1, 0)


def fit_knots(
    margins: Array, y: Array, offset: Array, outer_slope: float, least_slope: float
) -> tuple[float, ...]:
    """(outer slope, x1, y1, ...) of the centred isotonic fit of log-odds - offset.

    Rows are cut by margin into at most 40 groups with at least 10 wins and 10 losses each. The log-odds of
    each group, beside the offsets, are made to rise (pool adjacent violators, weighted by information), and
    steps become knots at their mean margin. A knot that rises too little is joined with the one before.
    """
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(margins, kind="stable")
    m, won, known = margins[order], y[order], offset[order]
    starts = _group_starts(m, won)
    heights, weights = np.empty(len(starts)), np.empty(len(starts))
    for place, (low, high) in enumerate(pairwise([*starts.tolist(), len(m)])):
        heights[place], weights[place] = _height(won[low:high], known[low:high])
    level = isotonic_regression(heights, sample_weight=weights)
    rows = np.diff([*starts.tolist(), len(m)])
    centre = np.add.reduceat(m, starts) / rows
    knots: list[tuple[float, float, float]] = []  # x, y, weight
    for step in np.unique(level):
        is_in = level == step
        knots.append(
            (
                float(np.average(centre[is_in], weights=weights[is_in])),
                float(step),
                float(weights[is_in].sum()),
            )
        )
        while len(knots) > 1 and knots[-1][1] - knots[-2][1] < least_slope * (knots[-1][0] - knots[-2][0]):
            (x0, y0, w0), (x1, y1, w1) = knots.pop(-2), knots.pop()
            knots.append(((x0 * w0 + x1 * w1) / (w0 + w1), (y0 * w0 + y1 * w1) / (w0 + w1), w0 + w1))
    return (max(outer_slope, least_slope), *(number for x, y, _ in knots for number in (x, y)))


def _group_starts(m: Array, won: Array) -> NDArray[np.intp]:
    """Where groups of sorted rows begin; rows of one margin stay together, and thin groups join the one before."""
    wins = np.concatenate([[0.0], np.cumsum(won)])
    ends = np.r_[np.flatnonzero(np.diff(m) > 0) + 1, len(m)]
    starts, low = [0], 0
    for end in ends.tolist():
        won_here = wins[end] - wins[low]
        left = wins[-1] - wins[end], len(m) - end - (wins[-1] - wins[end])
        is_full = end - low >= len(m) / MOST_GROUPS and min(won_here, end - low - won_here) >= LEAST_OF_EACH
        if is_full and min(left) >= LEAST_OF_EACH:
            starts.append(end)
            low = end
    return np.array(starts, dtype=np.intp)


def _height(y: Array, offset: Array) -> tuple[float, float]:
    """The constant that fits log-odds of these rows best beside the offsets, and its information."""
    share = (y.sum() + 0.5) / (len(y) + 1.0)
    height = float(np.log(share / (1.0 - share)) - offset.mean())
    for _ in range(100):
        p = expit(height + offset)
        step = float((y - p).sum() / (p * (1.0 - p)).sum())
        height += max(-1.0, min(1.0, step))
        if abs(step) < 1e-10:
            break
    p = expit(height + offset)
    return height, float((p * (1.0 - p)).sum())
