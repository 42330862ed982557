"""A points table fitted to history: whole points that sum, and the probability of each total.

Each line of the user's table is a column (1 where it applies, a count for events that count each). One
logistic regression gives every line a weight, drawn by a ridge towards the user's points times the slope that
the whole table has: lines with little history stay where the user put them, lines with much move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from models.calibration import (
    LEAST_SLOPE,
    Calibration,
    block_columns,
    fit_logistic,
    recentred,
    row_log_loss,
)
from models.intervals import Interval, paired_difference
from models.settings import ModelSettings
from models.split import Fold

__all__ = [
    "AS_GIVEN",
    "PDO",
    "PENALTIES",
    "Card",
    "Choice",
    "TotalBin",
    "choose_card",
    "fit_card",
    "log_odds_per_point",
    "point_intervals",
    "total_bins",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
AS_GIVEN = float("inf")  # the ridge that moves nothing: the user's table with its slope
PDO = 20.0
_MOST_TOTALS = 15


@dataclass(frozen=True)
class Card:
    """A fitted scorecard: log-odds = intercept + per_point * total, the total a sum of whole points.

    Attributes
    ----------
    points : (lines,) points of each line.
    per_point : log-odds of one point.
    """

    points: Float64
    intercept: float
    per_point: float

    def total(self, lines: Float64) -> Float64:
        """(rows,) sum of the points; `lines` (rows, lines) says how often each line applies."""
        return np.asarray((np.ascontiguousarray(lines) * self.points).sum(axis=1))

    def margin(self, lines: Float64) -> Float64:
        """(rows,) log-odds before calibration."""
        return self.intercept + self.per_point * self.total(lines)


@dataclass(frozen=True)
class Choice:
    """What the folds said.

    Attributes
    ----------
    penalty : of the ridge; `AS_GIVEN` keeps the user's table.
    losses : out-of-fold log loss of each penalty, recentred in each block.
    calibration : Platt's line on the pooled out-of-fold margins of the card, and of the table as given.
    """

    penalty: float
    losses: dict[float, float]
    calibration: Calibration
    calibration_as_given: Calibration


@dataclass(frozen=True)
class TotalBin:
    """Rows whose total lies in [low, high]: how many, the share that converted, the probability promised."""

    low: float
    high: float
    rows: int
    conversions: int
    observed: Interval
    probability: float


@dataclass(frozen=True)
class _Patterns:
    """Rows with equal columns, counted once."""

    columns: Float64
    place: NDArray[np.intp]

    @classmethod
    def of(cls, lines: Float64) -> _Patterns:
        columns, place = np.unique(lines, axis=0, return_inverse=True)
        return cls(columns, place.reshape(-1))

    def counts(self, weights: Float64) -> Float64:
        found = np.bincount(self.place, weights=weights, minlength=len(self.columns))
        return np.asarray(found, dtype=np.float64)


def log_odds_per_point(lines: Float64, y: Float64, points: Float64, pdo: float | None = None) -> float:
    """Log-odds of one point: with `pdo` so many points double the odds, else what a point of the table is worth.

    Where the table ranks the wrong way, or not at all, 20 points double the odds.
    """
    if pdo is None:
        patterns = _Patterns.of(lines)
        slope = _slope(patterns, patterns.counts(np.ones(len(y))), patterns.counts(y), points)
        if slope > 0:
            return slope
    return float(np.log(2.0) / (pdo or PDO))


def fit_card(lines: Float64, y: Float64, points: Float64, penalty: float, per_point: float) -> Card:
    """The scorecard of these rows.

    Lines that apply to no row keep the user's points.

    Parameters
    ----------
    lines : (rows, lines) how often each line applies.
    y : (rows,) 0 or 1, both there.
    points : (lines,) the user's.
    penalty : penalty / 2 * |weights - slope * points|^2 is added to the summed log loss.
    per_point : log-odds of one point.

    Examples
    --------
    >>> lines, y = np.array([[1.0, 0.0]] * 4 + [[0.0, 0.0]] * 4), np.array([1.0, 1, 1, 0, 1, 0, 0, 0])
    >>> fit_card(lines, y, np.array([10.0, 7.0]), 1e-6, np.log(3) / 10).points.tolist()
    [20.0, 7.0]
    """
    if penalty == AS_GIVEN:
        return _as_given(lines, y, points)
    patterns = _Patterns.of(lines)
    rows, wins = patterns.counts(np.ones(len(y))), patterns.counts(y)
    slope = _slope(patterns, rows, wins, points)
    weights = _newton(patterns.columns, rows, wins, slope * points, penalty)[1:]
    whole = np.round(weights / per_point) + 0.0
    whole = np.where(lines.any(axis=0), whole, points)
    offset = per_point * (np.ascontiguousarray(lines) * whole).sum(axis=1)
    return Card(whole, float(fit_logistic(np.ones((1, len(y))), y, offset=offset)[0]), per_point)


def _as_given(lines: Float64, y: Float64, points: Float64) -> Card:
    """The user's table with its own slope, at least 0, and intercept."""
    patterns = _Patterns.of(lines)
    slope = _slope(patterns, patterns.counts(np.ones(len(y))), patterns.counts(y), points)
    offset = slope * (np.ascontiguousarray(lines) * points).sum(axis=1)
    return Card(points, float(fit_logistic(np.ones((1, len(y))), y, offset=offset)[0]), slope)


def _slope(patterns: _Patterns, rows: Float64, wins: Float64, points: Float64) -> float:
    """Slope of the table's total, at least 0: one logistic regression."""
    total = (patterns.columns * points).sum(axis=1)
    scale = float(np.abs(total).max(initial=0.0))
    if scale == 0.0 or np.ptp(total) == 0.0:
        return 0.0
    columns = np.stack([np.ones(2 * len(total)), np.tile(total / scale, 2)])
    y, counts = np.repeat([1.0, 0.0], len(total)), np.concatenate([wins, rows - wins])
    return max(0.0, float(fit_logistic(columns, y, weights=counts)[1]) / scale)


def _newton(
    columns: Float64, rows: Float64, wins: Float64, toward: Float64, penalty: float,
    start: Float64 | None = None, most_steps: int = 40,
) -> Float64:  # fmt: skip
    """(1 + lines,) intercept and weights by Newton's method with halved steps; the intercept is free."""
    design = np.column_stack([np.ones(len(columns)), columns])
    goal = np.concatenate([[0.0], toward])
    ridge = np.concatenate([[1e-9], np.full(len(toward), penalty)])
    rate = wins.sum() / rows.sum()
    beta = np.concatenate([[np.log(rate / (1.0 - rate))], toward]) if start is None else start
    margin = (design * beta).sum(axis=1)

    def loss(margin: Float64, beta: Float64) -> float:
        fit = -(wins * log_expit(margin) + (rows - wins) * log_expit(-margin)).sum()
        return float(fit + 0.5 * (ridge * (beta - goal) ** 2).sum())

    former = loss(margin, beta)
    for _ in range(most_steps):
        fitted = expit(margin)
        gradient = (design * (wins - rows * fitted)[:, None]).sum(axis=0) - ridge * (beta - goal)
        hessian = (design * (rows * fitted * (1.0 - fitted))[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-4:
            moved = beta + size * step
            margin = (design * moved).sum(axis=1)
            if loss(margin, moved) <= former + 1e-12 * abs(former):
                break
            size /= 2.0
        beta, former = moved, loss(margin, moved)
        if float(np.abs(size * step).max()) < 1e-6:
            break
    return np.asarray(beta)


def choose_card(
    lines: Float64, y: Float64, points: Float64, folds: Sequence[Fold], clusters: Int64, per_point: float
) -> Choice:
    """The penalty and the calibration, each from rows that the card did not see.

    The strongest penalty whose out-of-fold log loss is within one clustered standard error of the best: a card
    leaves the user's table only as far as the history shows that it pays.

    Parameters
    ----------
    folds : in time order; each trains on what was known before its block.
    clusters : (rows,) account, else lead.
    """
    rows = np.concatenate([fold.validate for fold in folds])
    block = np.concatenate([np.full(len(fold.validate), fold.block) for fold in folds])
    margins = {
        penalty: np.concatenate([
            fit_card(lines[fold.train], y[fold.train], points, penalty, per_point).margin(lines[fold.validate])
            for fold in folds
        ])
        for penalty in (*PENALTIES, AS_GIVEN)
    }  # fmt: skip
    losses = {penalty: _block_loss(y[rows], margin, block) for penalty, margin in margins.items()}
    best = min(losses, key=lambda penalty: float(losses[penalty].mean()))
    near = [
        penalty
        for penalty, loss in losses.items()
        if float((loss - losses[best]).mean()) <= _standard_error(loss - losses[best], clusters[rows])
    ]
    chosen = max(near)
    return Choice(
        chosen,
        {penalty: float(loss.mean()) for penalty, loss in losses.items()},
        _platt(margins[chosen], y[rows], block),
        _platt(margins[AS_GIVEN], y[rows], block),
    )


def _block_loss(y: Float64, margin: Float64, block: Int64) -> Float64:
    """(rows,) log loss with each block's level fitted: how a card ranks and spreads, not its luck with the level."""
    found = np.empty(len(y))
    for each in np.unique(block):
        mine = block == each
        found[mine] = row_log_loss(y[mine], recentred(y[mine], margin[mine]))
    return found


def _standard_error(difference: Float64, clusters: Int64) -> float:
    codes = np.unique(clusters, return_inverse=True)[1]
    off = np.bincount(codes, weights=difference - difference.mean())
    return float(np.sqrt((off**2).sum())) / len(difference)


def _platt(margin: Float64, y: Float64, block: Int64) -> Calibration:
    """Platt's line; the slope beside one constant a block, as `fit_calibration` does it."""
    constants, is_used = block_columns(y, np.unique(block, return_inverse=True)[1])
    slope = 1.0
    if np.ptp(margin) > 0:
        slope = float(fit_logistic(np.vstack([margin[is_used], constants]), y[is_used])[0])
    slope = max(slope, LEAST_SLOPE)
    constant = float(fit_logistic(np.ones((1, len(y))), y, offset=slope * margin)[0])
    return Calibration("platt", (slope, constant))


def point_intervals(
    lines: Float64,
    y: Float64,
    points: Float64,
    clusters: Int64,
    card: Card,
    choice: Choice,
    model: ModelSettings,
) -> tuple[Float64, Float64]:
    """(lines,) ends of the 95 % interval of the fitted points, before rounding; NaN for lines without rows.

    Whole clusters are drawn (Field and Welsh 2007) and the card is fitted again, the table's slope included;
    penalty and scale are held. The pull towards the user's points is part of what varies little: where it
    is strong the interval is narrow though the history says little.
    """
    patterns = _Patterns.of(lines)
    codes = np.unique(clusters, return_inverse=True)[1]
    n_clusters, generator = int(codes.max()) + 1, np.random.default_rng(model.seed)
    drawn = np.full((model.bootstrap, len(points)), np.nan)
    start: Float64 | None = None
    for number in range(model.bootstrap):
        picked = np.bincount(generator.integers(0, n_clusters, n_clusters), minlength=n_clusters)
        weights = picked[codes].astype(np.float64)
        rows, wins = patterns.counts(weights), patterns.counts(weights * y)
        if not 0.0 < wins.sum() < rows.sum():
            continue
        toward = _slope(patterns, rows, wins, points) * points
        if choice.penalty == AS_GIVEN:
            drawn[number] = toward / card.per_point
            continue
        beta = _newton(patterns.columns, rows, wins, toward, choice.penalty, start, 6)
        start = beta if start is None else start
        drawn[number] = beta[1:] / card.per_point
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    has_rows = lines.any(axis=0)
    return np.where(has_rows, low, np.nan), np.where(has_rows, high, np.nan)


def total_bins(
    total: Float64, y: Float64, log_odds: Float64, clusters: Int64, seed: int = 0
) -> list[TotalBin]:
    """What each total came to and what it promises, downwards; many totals are binned by about equal rows.

    The interval of the observed share draws whole clusters. Without a conversion its upper end is the exact one
    of as many independent clusters.
    """
    values, counts = np.unique(total, return_counts=True)
    code = np.arange(len(values))
    if len(values) > _MOST_TOTALS:
        middle = (np.cumsum(counts) - 0.5 * counts) / len(total)
        code = np.floor(middle * _MOST_TOTALS).astype(np.int64)
    bin_of = code[np.searchsorted(values, total)]
    found = []
    for each in np.unique(code)[::-1]:
        mine = bin_of == each
        share = paired_difference(y[mine], np.zeros(int(mine.sum())), clusters[mine], n_boot=400, seed=seed)
        if share.value == 0.0:
            share = Interval(0.0, 0.0, float(1.0 - 0.05 ** (1.0 / len(np.unique(clusters[mine])))))
        found.append(TotalBin(
            float(total[mine].min()), float(total[mine].max()), int(mine.sum()), int(y[mine].sum()), share,
            float(expit(log_odds[mine]).mean()),
        ))  # fmt: skip
    return found
