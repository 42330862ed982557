"""How well probabilities rank and how far they can be believed.

`y` is 0 or 1 and `p` a probability, one row a scored example, in lead_id order: where only a part of a
ranking counts, ties are broken by that order. Each metric is defined once, on a `Ranking` with a weight
a row; the plain function gives every row weight 1, the bootstrap gives each row its number of draws.
A metric that the rows can't show (one class only) is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from features.errors import InputError
from models.calibration import fit_logistic

__all__ = [
    "CalibrationLine",
    "Evaluator",
    "Ranking",
    "ReliabilityBin",
    "auc",
    "auc_within_blocks",
    "average_precision",
    "brier",
    "calibration_intercept",
    "calibration_ratio",
    "calibration_slope",
    "calibration_slope_intercept",
    "ece",
    "evaluator",
    "gain_curve",
    "lift_at",
    "log_loss",
    "precision_at",
    "rank",
    "recall_at",
    "reliability_table",
]

Array = NDArray[np.float64]
Evaluator = Callable[[Array], float]
_LEAST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Ranking:
    """Rows by falling probability, ties in the order given.

    `order` leads from ranked place to row; `y` and `p` are ranked; `starts` is the first place of each
    group of equal p (within a block, if there are blocks); `blocks` is the first place of each block.
    """

    order: NDArray[np.intp]
    y: Array
    p: Array
    starts: NDArray[np.intp]
    blocks: NDArray[np.intp]

    def per_tie(self, values: Array) -> Array:
        """Sums of ranked values over each group of equal probabilities."""
        if len(self.starts) == len(self.y):
            return values
        return np.asarray(np.add.reduceat(values, self.starts))


class ReliabilityBin(NamedTuple):
    """One bin of a reliability table: rows, conversions, ends, mean predicted and observed share."""

    n_rows: int
    n_conversions: int
    p_low: float
    p_high: float
    predicted: float
    observed: float


class CalibrationLine(NamedTuple):
    """Cox (1958): y on slope * margin + intercept; and the intercept with the slope held at 1."""

    slope: float
    intercept: float
    intercept_in_the_large: float


def rank(y: ArrayLike, p: ArrayLike, blocks: ArrayLike | None = None) -> Ranking:
    """Rows sorted once by block (if given), falling probability and position.

    Raises
    ------
    InputError
        If lengths differ, there is no row, a label is not 0 or 1, or a probability is NaN.
    """
    labels, probabilities = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if labels.ndim != 1 or labels.shape != probabilities.shape or len(labels) == 0:
        raise InputError(f"y {labels.shape} and p {probabilities.shape} must be two equal, not empty columns")
    if not ((labels == 0.0) | (labels == 1.0)).all():
        raise InputError("a label is neither 0 nor 1; open leads must be left out before measuring")
    if np.isnan(probabilities).any():
        raise InputError(f"{int(np.isnan(probabilities).sum())} of {len(labels)} probabilities are NaN")
    codes = np.zeros(len(labels), dtype=np.intp)
    if blocks is not None:
        codes = np.unique(np.asarray(blocks), return_inverse=True)[1].astype(np.intp)
        if len(codes) != len(labels):
            raise InputError(f"{len(codes)} blocks for {len(labels)} rows")
    order = np.lexsort((-probabilities, codes))
    ranked, ranked_codes = probabilities[order], codes[order]
    is_new_block = np.append(True, ranked_codes[1:] != ranked_codes[:-1])
    is_new = is_new_block | np.append(True, ranked[1:] != ranked[:-1])
    return Ranking(order, labels[order], ranked, np.flatnonzero(is_new), np.flatnonzero(is_new_block))


def _auc_on(ranking: Ranking) -> Evaluator:
    """Mann-Whitney U over pairs, ties count half (Hanley and McNeil 1982); blocks pooled by their pairs."""
    first = np.searchsorted(ranking.starts, ranking.blocks)
    length = np.diff(np.append(first, len(ranking.starts)))

    def evaluate(weights: Array) -> float:
        won = weights * ranking.y
        wins, losses = ranking.per_tie(won), ranking.per_tie(weights - won)
        before = np.cumsum(wins) - wins
        if len(first) == 1:
            n_pairs = wins.sum() * losses.sum()
        else:
            before = before - np.repeat(before[first], length)
            n_pairs = (np.add.reduceat(wins, first) * np.add.reduceat(losses, first)).sum()
        return float((losses * (before + 0.5 * wins)).sum() / n_pairs) if n_pairs > 0 else float("nan")

    return evaluate


def _average_precision_on(ranking: Ranking) -> Evaluator:
    def evaluate(weights: Array) -> float:
        wins, rows = ranking.per_tie(weights * ranking.y), ranking.per_tie(weights)
        n_won = wins.sum()
        precision = np.cumsum(wins) / np.maximum(np.cumsum(rows), 1.0)
        return float((wins * precision).sum() / n_won) if n_won > 0 else float("nan")

    return evaluate


def _mean_on(values: Array) -> Evaluator:
    return lambda weights: float((weights * values).sum() / weights.sum())


def _log_loss_on(ranking: Ranking) -> Evaluator:
    p = np.clip(ranking.p, _LEAST, 1.0 - _LEAST)
    return _mean_on(-np.where(ranking.y == 1.0, np.log(p), np.log1p(-p)))


def _brier_on(ranking: Ranking) -> Evaluator:
    return _mean_on((ranking.p - ranking.y) ** 2)


def _ratio_on(ranking: Ranking) -> Evaluator:
    def evaluate(weights: Array) -> float:
        n_won = (weights * ranking.y).sum()
        return float((weights * ranking.p).sum() / n_won) if n_won > 0 else float("nan")

    return evaluate


def _line_on(ranking: Ranking, slope: bool) -> Evaluator:
    """Slope, or intercept-in-the-large; later calls start from what all rows gave."""
    p = np.clip(ranking.p, _LEAST, 1.0 - _LEAST)
    margins, ones = logit(p), np.ones((1, len(p)))
    columns = np.concatenate([margins[None, :], ones]) if slope else ones
    offset = np.zeros(len(p)) if slope else margins
    starts: list[Array] = []

    def evaluate(weights: Array) -> float:
        n_won = (weights * ranking.y).sum()
        if not 0 < n_won < weights.sum() or (slope and ranking.p[0] == ranking.p[-1]):
            return float("nan")
        start = starts[0] if starts else None
        is_in = weights > 0.0
        fitted = fit_logistic(
            columns[:, is_in], ranking.y[is_in], offset=offset[is_in], weights=weights[is_in], start=start
        )
        if not starts:
            starts.append(fitted)
        return float(fitted[0])

    return evaluate


def _bins_on(ranking: Ranking, weights: Array, bins: int) -> NDArray[np.intp]:
    """Bin of each group of ties: where the middle of the group falls among equal counts."""
    rows = ranking.per_tie(weights)
    last = np.cumsum(rows)
    middle = last - 0.5 * (rows + 1.0)
    return np.asarray(np.clip(np.floor(bins * middle / last[-1]), 0, bins - 1), dtype=np.intp)


def _ece_on(ranking: Ranking, bins: int) -> Evaluator:
    def evaluate(weights: Array) -> float:
        off = ranking.per_tie(weights * (ranking.p - ranking.y))
        gaps = np.bincount(_bins_on(ranking, weights, bins), weights=off)
        return float(np.abs(gaps).sum() / weights.sum())

    return evaluate


def _wins_in_top(ranking: Ranking, weights: Array, n_top: float) -> float:
    reach, wins = np.cumsum(weights), np.cumsum(weights * ranking.y)
    place = int(np.searchsorted(reach, n_top))
    return float(wins[place] - (reach[place] - n_top) * ranking.y[place])


def _n_top(share: float, n_rows: float) -> float:
    if not 0.0 < share <= 1.0:
        raise InputError(f"a share of the ranking lies above 0 and at most at 1; got {share}")
    return max(1.0, float(np.ceil(share * n_rows - 1e-9)))


def _recall_on(ranking: Ranking, share: float) -> Evaluator:
    def evaluate(weights: Array) -> float:
        n_won = float((weights * ranking.y).sum())
        n_top = _n_top(share, float(weights.sum()))
        return _wins_in_top(ranking, weights, n_top) / n_won if n_won > 0 else float("nan")

    return evaluate


def _lift_on(ranking: Ranking, share: float) -> Evaluator:
    recall = _recall_on(ranking, share)

    def evaluate(weights: Array) -> float:
        n_rows = float(weights.sum())
        return recall(weights) * n_rows / _n_top(share, n_rows)

    return evaluate


def _precision_on(ranking: Ranking, k: int) -> Evaluator:
    if k < 1:
        raise InputError(f"precision_at needs k of at least 1; got {k}")

    def evaluate(weights: Array) -> float:
        n_top = min(float(k), float(weights.sum()))
        return _wins_in_top(ranking, weights, n_top) / n_top

    return evaluate


def auc(y: ArrayLike, p: ArrayLike) -> float:
    """Share of (won, not won) pairs ranked rightly, ties count half; NaN with one class.

    Examples
    --------
    >>> auc([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    return _on_all(_auc_on, y, p)


def auc_within_blocks(y: ArrayLike, p: ArrayLike, blocks: ArrayLike) -> float:
    """AUC over pairs inside one time block only, pooled over blocks by their number of pairs.

    A model that only knows that rates rise or fall over time gets 0.5 here.
    """
    ranking = rank(y, p, blocks)
    return _auc_on(ranking)(np.ones(len(ranking.y)))


def average_precision(y: ArrayLike, p: ArrayLike) -> float:
    """Sum of precision times step of recall, a group of ties being one step; NaN without a win."""
    return _on_all(_average_precision_on, y, p)


def log_loss(y: ArrayLike, p: ArrayLike) -> float:
    """Mean log loss in nats; p is kept 2.2e-16 away from 0 and 1."""
    return _on_all(_log_loss_on, y, p)


def brier(y: ArrayLike, p: ArrayLike) -> float:
    """Mean squared distance of probability and outcome (Brier 1950)."""
    return _on_all(_brier_on, y, p)


def calibration_ratio(y: ArrayLike, p: ArrayLike) -> float:
    """Mean predicted over observed; 1 is right, above 1 promises too much; NaN without a win."""
    return _on_all(_ratio_on, y, p)


def calibration_slope(y: ArrayLike, p: ArrayLike) -> float:
    """Slope of y on the log-odds of p; 1 is right, below 1 is too sure of itself; NaN with one class."""
    return _on_all(partial(_line_on, slope=True), y, p)


def calibration_intercept(y: ArrayLike, p: ArrayLike) -> float:
    """Intercept-in-the-large: shift of the log-odds that makes predicted meet observed; 0 is right."""
    return _on_all(partial(_line_on, slope=False), y, p)


def calibration_slope_intercept(y: ArrayLike, margin: ArrayLike) -> CalibrationLine:
    """Slope, its intercept, and the intercept with slope 1, of y on calibrated log-odds (Cox 1958).

    NaN throughout with one class; slope and intercept NaN where all log-odds are equal.
    """
    margins, is_won = np.asarray(margin, dtype=np.float64), np.asarray(y, dtype=np.float64)
    nan = float("nan")
    if not np.isfinite(margins).all() or not 0.0 < is_won.sum() < len(is_won):
        return CalibrationLine(nan, nan, nan)
    ones = np.ones((1, len(margins)))
    in_the_large = float(fit_logistic(ones, is_won, offset=margins)[0])
    if margins.min() == margins.max():
        return CalibrationLine(nan, nan, in_the_large)
    joint = fit_logistic(np.concatenate([margins[None, :], ones]), is_won)
    return CalibrationLine(float(joint[0]), float(joint[1]), in_the_large)


def ece(y: ArrayLike, p: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error: mean |predicted - observed| over equal-count bins, ties kept together."""
    return _on_all(partial(_ece_on, bins=bins), y, p)


def lift_at(y: ArrayLike, p: ArrayLike, share: float) -> float:
    """Win rate in the top share of the ranking over the win rate of all; NaN without a win."""
    return _on_all(partial(_lift_on, share=share), y, p)


def precision_at(y: ArrayLike, p: ArrayLike, k: int) -> float:
    """Win rate of the first k rows of the ranking (of all, if there are fewer)."""
    return _on_all(partial(_precision_on, k=k), y, p)


def recall_at(y: ArrayLike, p: ArrayLike, share: float) -> float:
    """Share of all wins that lie in the top share of the ranking; NaN without a win."""
    return _on_all(partial(_recall_on, share=share), y, p)


def reliability_table(y: ArrayLike, p: ArrayLike, bins: int = 15) -> tuple[ReliabilityBin, ...]:
    """Predicted against observed in the bins of `ece`, from low to high probability; empty bins left out."""
    ranking = rank(y, p)
    codes = np.repeat(
        _bins_on(ranking, np.ones(len(ranking.y)), bins), np.diff(np.append(ranking.starts, len(ranking.y)))
    )
    found = []
    for code in np.unique(codes)[::-1]:
        won, chance = ranking.y[codes == code], ranking.p[codes == code]
        ends = float(chance.min()), float(chance.max())
        found.append(ReliabilityBin(len(won), int(won.sum()), *ends, float(chance.mean()), float(won.mean())))
    return tuple(found)


def gain_curve(y: ArrayLike, p: ArrayLike) -> tuple[Array, Array]:
    """Share contacted and share of wins reached, (n + 1,) each, from (0, 0) to (1, 1); wins NaN if none."""
    ranking = rank(y, p)
    n_won = ranking.y.sum()
    reached = np.append(0.0, np.cumsum(ranking.y)) / (n_won if n_won > 0 else np.nan)
    return np.arange(len(ranking.y) + 1) / len(ranking.y), reached


def _on_all(build: Callable[[Ranking], Evaluator], y: ArrayLike, p: ArrayLike) -> float:
    ranking = rank(y, p)
    return build(ranking)(np.ones(len(ranking.y)))


_EVALUATORS: dict[Any, Callable[..., Evaluator]] = {
    auc: _auc_on,
    average_precision: _average_precision_on,
    log_loss: _log_loss_on,
    brier: _brier_on,
    calibration_ratio: _ratio_on,
    calibration_slope: partial(_line_on, slope=True),
    calibration_intercept: partial(_line_on, slope=False),
    ece: partial(_ece_on, bins=15),
    lift_at: _lift_on,
    precision_at: _precision_on,
    recall_at: _recall_on,
}


def evaluator(metric: Callable[..., float], ranking: Ranking) -> Evaluator | None:
    """The metric as a function of ranked weights, sorted once; None for a metric not of this module.

    `metric` is a function of this module or a `functools.partial` of one with keywords, as in
    ``partial(lift_at, share=0.1)``.
    """
    if isinstance(metric, partial):
        build = None if metric.args else _EVALUATORS.get(metric.func)
        return None if build is None else build(ranking, **metric.keywords)
    build = _EVALUATORS.get(metric)
    return None if build is None else build(ranking)
