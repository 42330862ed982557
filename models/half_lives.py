"""One half-life an event group, learned out of fold on a grid, each with an interval.

Coordinate descent over the groups: the half-lives of all others held, a group takes the one on the grid with
the least pooled out-of-fold log loss of a penalised logistic on the decayed sums of all groups and a few
basics, until a whole round moves none. In the interval of a group are the neighbours of its best whose loss is
not clearly worse: the 95 % bound of the paired difference, clustered by account or lead, reaches 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.calibration import row_log_loss
from models.split import Fold

__all__ = ["GroupHalfLife", "Learned", "learn_half_lives"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
_ROUNDS = 4
_BOUND = 1.96
_STEPS = 25
_FLAT = 1e-12
_MOST_SUM = 0.999
LEFT_OUT = -1  # in the place of a half-life: the group's columns are empty


@dataclass(frozen=True)
class Learned:
    """Places on the grid: the best half-life of a group, and the ends of its interval.

    `is_useful`: whether the group clearly lowers the loss at all; one that moves nothing does best anywhere.
    """

    best: int
    low: int
    high: int
    is_useful: bool


@dataclass(frozen=True)
class GroupHalfLife:
    """What was learned of a group, in microseconds.

    Attributes
    ----------
    types : event types of the group.
    is_told : whether the data tell anything: the group clearly lowers the loss, and the interval is not the whole
        grid.
    """

    group: str
    types: tuple[str, ...]
    best: int
    low: int
    high: int
    is_told: bool


@dataclass
class _Search:
    """Out-of-fold losses by the places of all groups on the grid, each computed once."""

    shaped: Float64
    basics: Float64
    y: Float64
    folds: Sequence[Fold]
    penalty: float
    starts: list[Float64 | None] = field(default_factory=list)
    losses: dict[tuple[int, ...], Float64] = field(default_factory=dict)

    def loss(self, places: tuple[int, ...]) -> Float64:
        """Log loss of every row that a fold validates, in the order of the folds."""
        if places not in self.losses:
            self.losses[places] = self._out_of_fold(places)
        return self.losses[places]

    def mean(self, places: tuple[int, ...]) -> float:
        return float(self.loss(places).mean())

    def _out_of_fold(self, places: tuple[int, ...]) -> Float64:
        none = np.zeros((len(self.y), self.shaped.shape[-1]))
        chosen = [none if place == LEFT_OUT else self.shaped[:, g, place] for g, place in enumerate(places)]
        columns = np.concatenate([*chosen, self.basics, np.ones((len(self.y), 1))], axis=1)
        found = []
        for number, fold in enumerate(self.folds):
            start = self.starts[number] if number < len(self.starts) else None
            beta = _ridge(columns[fold.train], self.y[fold.train], self.penalty, start)
            if start is None:
                self.starts.append(beta)
            found.append(row_log_loss(self.y[fold.validate], columns[fold.validate] @ beta))
        return np.concatenate(found)


def learn_half_lives(
    sums: Float64,
    basics: Float64,
    y: Float64,
    folds: Sequence[Fold],
    cluster: Int64,
    start: int,
    penalty: float = 10.0,
) -> list[Learned]:
    """The best half-life of each group and its interval, as places on the grid.

    Parameters
    ----------
    sums : (rows, groups, grid) decayed number of events.
    basics : (rows, k) other columns, finite.
    folds : positions among these rows; what they validate is pooled.
    cluster : (rows,) account, else lead: rows that share their fate.
    start : place on the grid from which every group begins.
    penalty : of the logistic, as `penalty / 2 * |weights|^2` on standardised columns.
    """
    n_groups, n_grid = sums.shape[1:]
    most = np.quantile(sums, _MOST_SUM, axis=0)  # a few huge sums would rule a straight line
    shaped = _standardised(np.stack([np.log1p(sums), np.minimum(sums, most)], axis=-1))
    search = _Search(shaped, _standardised(basics), y, folds, penalty)
    places = (start,) * n_groups
    for _ in range(_ROUNDS):
        before = places
        for group in range(n_groups):
            tried = [_with(places, group, place) for place in range(n_grid)]
            places = min(tried, key=search.mean)
        if places == before:
            break
    clusters = np.concatenate([cluster[fold.validate] for fold in folds])
    codes = np.unique(clusters, return_inverse=True)[1]
    return [_interval(search, places, group, n_grid, codes) for group in range(n_groups)]


def _interval(search: _Search, places: tuple[int, ...], group: int, n_grid: int, codes: Int64) -> Learned:
    """The run of neighbours around the best that are not clearly worse."""
    best = places[group]

    def is_close(place: int) -> bool:
        """Whether the loss with another place, or without the group, is not clearly worse."""
        worse = search.loss(_with(places, group, place)) - search.loss(places)
        by_cluster = np.bincount(codes, worse)
        spread = np.sqrt(len(by_cluster) * by_cluster.var(ddof=1)) if len(by_cluster) > 1 else np.inf
        return bool(by_cluster.sum() <= _BOUND * spread)

    low = high = best
    while low > 0 and is_close(low - 1):
        low -= 1
    while high < n_grid - 1 and is_close(high + 1):
        high += 1
    return Learned(best, low, high, is_useful=not is_close(LEFT_OUT))


def _with(places: tuple[int, ...], group: int, place: int) -> tuple[int, ...]:
    return (*places[:group], place, *places[group + 1 :])


def _standardised(columns: Float64) -> Float64:
    """Mean 0 and deviation 1 over the rows; what does not vary becomes 0."""
    center, scale = columns.mean(axis=0), columns.std(axis=0)
    return np.asarray((columns - center) / np.where(scale > _FLAT, scale, np.inf))


def _ridge(columns: Float64, y: Float64, penalty: float, start: Float64 | None) -> Float64:
    """Weights of a logistic regression by Newton's method; the last column, the constant, is not penalised."""
    weight = np.full(columns.shape[1], penalty)
    weight[-1] = 1e-6
    beta = np.zeros(columns.shape[1]) if start is None else start.copy()
    if start is None:
        beta[-1] = np.log((y.sum() + 0.5) / (len(y) - y.sum() + 0.5))
    for _ in range(_STEPS):
        p = expit(columns @ beta)
        gradient = columns.T @ (y - p) - weight * beta
        curvature = (columns * (p * (1 - p))[:, None]).T @ columns + np.diag(weight)
        step = np.linalg.solve(curvature, gradient)
        beta = beta + np.clip(step, -2.0, 2.0)
        if float(gradient @ step) < 1e-4:  # twice what is still to gain, in nats over all rows
            break
    return beta
