"""Exact reasons: contributions in margin space become points that add up to the shown score.

Points are a monotone function g of the margin. Along the straight line from the base b to the lead's
margin r, feature i is owed phi_i (g(r) - g(b)) / (r - b) points (Aumann and Shapley 1974; Sundararajan,
Taly and Yan 2017, integrated gradients, for a function of a sum). Signs are kept and the points add up.
All sums run over the columns of a row from left to right, so one row gets the same bits as a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import InputError
from models.bands import Anchors, points, score
from models.calibration import Calibration

__all__ = [
    "Explained",
    "TopReasons",
    "explain_in_points",
    "margin_points",
    "stitched",
    "sum_columns",
    "sum_groups",
    "top_reasons",
]

Array = NDArray[np.float64]
_NEAR = 1e-6
_CHUNK = 4096


@dataclass(frozen=True)
class Explained:
    """Contributions in points.

    `points` (n, k): signed points of each feature or group. `base_points` and `base_score`: of an average lead,
    unbounded and as shown; (n,) where leads are on score sheets with lines of their own. `lead_points`, `score`
    (n,): of each lead, unbounded and as shown. `limit`
    (n,): the line "limit of the scale", 0 where base and lead lie within [0, 100].

    base_points + points.sum() = lead_points, and base_score + points.sum() + limit = score, to 1e-6.
    """

    points: Array
    base_points: float | Array
    base_score: float | Array
    lead_points: Array
    score: Array
    limit: Array


@dataclass(frozen=True)
class TopReasons:
    """The strongest reasons a row: `groups` and `points` (n, k), and `rest` (n,), "everything else".

    A place without a reason (fewer groups, or only zeros left) holds group -1 and 0 points.
    """

    groups: NDArray[np.intp]
    points: Array
    rest: Array


def margin_points(margins: ArrayLike, calibration: Calibration, anchors: Anchors) -> Array:
    """The function g: points, unbounded, of margins."""
    return points(calibration.log_odds(margins), anchors)


def explain_in_points(
    contributions: ArrayLike,
    base: float,
    calibration: Calibration,
    anchors: Anchors,
    margins: ArrayLike | None = None,
) -> Explained:
    """Contributions as points that add up to the score.

    Parameters
    ----------
    contributions : array (n, k)
        Log-odds before calibration that each feature adds to the base.
    base : float
        Margin of an average lead.
    margins : array (n,), optional
        The margins the score was made from; base + the row's sum if not given.

    Raises
    ------
    InputError
        If a contribution is not finite, or base + sum is not the margin to 1e-6.

    Examples
    --------
    >>> from models.bands import POINTS_TABLE_ANCHORS
    >>> from models.calibration import IDENTITY
    >>> found = explain_in_points([[1.5, -0.5]], 0.0, IDENTITY, POINTS_TABLE_ANCHORS)
    >>> found.base_score, found.points.round(6).tolist(), found.score.tolist()
    (50.0, [[45.0, -15.0]], [80.0])
    """
    phi = np.asarray(contributions, dtype=np.float64)
    if phi.ndim != 2 or not np.isfinite(phi).all() or not np.isfinite(base):
        raise InputError(f"contributions must be finite rows of features and a base; got {phi.shape}, {base}")
    shift = sum_columns(phi)
    reached = base + shift if margins is None else np.asarray(margins, dtype=np.float64)
    if (
        reached.shape != shift.shape
        or not (np.abs(reached - (base + shift)) <= _NEAR * (1 + abs(reached))).all()
    ):
        raise InputError("base + contributions do not add up to the margins to 1e-6")
    base_points = float(margin_points(np.array([base]), calibration, anchors)[0])
    lead_points = margin_points(reached, calibration, anchors)
    # beside the base the slope of the lead's side counts; at a knot of the calibration the two differ
    above, below = calibration.slope(np.array([base, np.nextafter(base, -np.inf)])) * anchors.points_per_logit
    near = np.where(shift < 0, below, above)
    is_far = np.abs(shift) >= _NEAR
    path = margin_points(base + shift, calibration, anchors) - base_points
    rate = np.where(is_far, path / np.where(is_far, shift, 1.0), near)
    in_points = phi * rate[:, None]
    shown, base_shown = score(lead_points), float(score(base_points))
    closing = shown - (base_shown + sum_columns(in_points))
    is_limited = (shown != lead_points) | (base_shown != base_points)
    return Explained(
        in_points, base_points, base_shown, lead_points, shown, np.where(is_limited, closing, 0.0)
    )


def stitched(parts: Sequence[tuple[NDArray[np.int64], Explained]], n: int) -> Explained:
    """Explanations of parts of the rows as one of all, in the order of the rows; each part has its own base."""
    width = max((part.points.shape[1] for _, part in parts), default=0)
    whole = Explained(np.zeros((n, width)), *(np.zeros(n) for _ in range(5)))
    for rows, part in parts:
        for name, values in vars(whole).items():
            values[rows] = getattr(part, name)
    return whole


def sum_columns(values: Array) -> Array:
    """Sum of each row, (n,), its columns added from left to right."""
    return sum_groups(values, np.zeros(values.shape[1], dtype=np.intp), 1)[:, 0]


def sum_groups(values: Array, groups: ArrayLike, n_groups: int) -> Array:
    """Columns rolled up: (n, n_groups), the columns of a group added from left to right.

    Parameters
    ----------
    values : array (n, k)
        Points or contributions of features.
    groups : array (k,)
        Group of each column, 0 to n_groups - 1.

    Examples
    --------
    >>> sum_groups(np.array([[1.0, 2.0, 4.0]]), [0, 1, 0], 2).tolist()
    [[5.0, 2.0]]
    """
    codes = np.asarray(groups, dtype=np.intp)
    if codes.shape != values.shape[1:] or (codes.size and not 0 <= codes.min() <= codes.max() < n_groups):
        raise InputError(
            f"{codes.size} group codes within 0..{n_groups - 1} expected for {values.shape[1]} columns"
        )
    out = np.zeros((values.shape[0], n_groups))
    for start in range(0, len(values), _CHUNK):
        part = np.ascontiguousarray(values[start : start + _CHUNK].T)
        total = np.zeros((n_groups, part.shape[1]))
        for column, code in zip(part, codes.tolist(), strict=True):
            total[code] += column
        out[start : start + _CHUNK] = total.T
    return out


def top_reasons(values: Array, k: int) -> TopReasons:
    """The k strongest columns of each row by absolute points, ties by column, and the rest in one line.

    Parameters
    ----------
    values : array (n, g)
        Points of each reason group.

    Examples
    --------
    >>> found = top_reasons(np.array([[1.0, -5.0, 2.0]]), 2)
    >>> found.groups.tolist(), found.points.tolist(), found.rest.tolist()
    ([[1, 2]], [[-5.0, 2.0]], [1.0])
    """
    if k < 0:
        raise InputError(f"the number of reasons must not be negative; got {k}")
    n_shown = min(k, values.shape[1])
    first = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :n_shown]
    shown = np.take_along_axis(values, first, axis=1)
    others = values.copy()
    np.put_along_axis(others, first, 0.0, axis=1)
    groups = np.full((len(values), k), -1, dtype=np.intp)
    groups[:, :n_shown] = np.where(shown != 0.0, first, -1)
    padded = np.zeros((len(values), k))
    padded[:, :n_shown] = shown
    return TopReasons(groups, padded, sum_columns(others))
