"""Centred isotonic calibration: log-odds as a strictly increasing broken line through pooled groups.

Plain isotonic regression is a staircase: all leads on a step tie, which spoils their order. Here each
step is one knot at the mean margin of its leads (Oron and Flournoy 2017), knots are joined by straight
lines, and beyond the outer ones the line goes on with a slope of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from features.errors import InputError

__all__ = ["checked_knots", "fit_knots", "line_at", "slope_at"]

Array = NDArray[np.float64]
LEAST_OF_EACH = 10  # wins and losses in a knot: fewer say too little of its height


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


def fit_knots(margins: Array, y: Array, outer_slope: float, least_slope: float) -> tuple[float, ...]:
    """(outer slope, x1, y1, ...) of the centred isotonic fit.

    Neighbouring groups are pooled until every one holds at least 10 wins and 10 losses (or only one is
    left) and rises from the one before by the least slope.
    """
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(margins, kind="stable")
    m, won = margins[order], y[order]
    level = isotonic_regression(won)
    starts = np.flatnonzero(np.r_[True, np.diff(level) > 0])
    groups: list[tuple[float, float, float]] = []  # rows, sum of margins, wins
    for rows, total, wins in zip(
        np.diff(np.r_[starts, len(m)]).tolist(),
        np.add.reduceat(m, starts).tolist(),
        np.add.reduceat(won, starts).tolist(),
        strict=True,
    ):
        groups.append((float(rows), total, wins))
        while len(groups) > 1 and (
            _is_thin(groups[-1]) or _is_thin(groups[-2]) or _is_flat(groups[-2], groups[-1], least_slope)
        ):
            last = groups.pop()
            groups[-1] = tuple(a + b for a, b in zip(groups[-1], last, strict=True))  # type: ignore[assignment]
    knots = [number for group in groups for number in _knot(group)]
    return (max(outer_slope, least_slope), *knots)


def _is_thin(group: tuple[float, float, float]) -> bool:
    rows, _, wins = group
    return min(wins, rows - wins) < LEAST_OF_EACH


def _knot(group: tuple[float, float, float]) -> tuple[float, float]:
    rows, total, wins = group
    return total / rows, float(logit((wins + 0.5) / (rows + 1.0)))


def _is_flat(
    lower: tuple[float, float, float], upper: tuple[float, float, float], least_slope: float
) -> bool:
    (x0, y0), (x1, y1) = _knot(lower), _knot(upper)
    return not (x1 > x0 and y1 - y0 >= least_slope * (x1 - x0))
