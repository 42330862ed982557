"""What each segment gets, chosen out of fold: how far its line may leave the shared one, or a model of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.catalogue import Catalogue
from models.calibration import LEAST_SLOPE, fit_calibration, fit_logistic, recentred, row_log_loss
from models.intervals import paired_difference
from models.ladder import fit_rung
from models.selection import OutOfFold, Selection
from models.settings import ModelSettings, TierSettings
from models.split import Fold, Timeline, hashed
from models.tiers import LEAST_OF_BOTH, Line, Tier, Tiering, segment_column, segments_of

__all__ = ["choose_tiers", "shrunken_lines"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
# how far segments' constants and slopes may lie apart: standard deviations in log-odds; 0 is not at all
CONSTANTS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
SLOPES = (0.0, 0.1, 0.2, 0.4)
_MOST_STEPS, _LONGEST_STEP, _CLOSE = 25, 2.0, 1e-7
_NO_SPREAD = 1e-6
_DRAW = 47_000_017


@dataclass(frozen=True)
class _OutOfFold:
    """Out-of-fold rows on the scale of log-odds.

    Attributes
    ----------
    code : segment of each row.
    away : the shared model's log-odds less their mean, from one line through the pooled margins.
    center : the mean; `level` : the mean, and what brings the row's block to its own base rate.
    part : rows that are held out together.
    """

    y: Float64
    code: Int64
    away: Float64
    center: float
    level: Float64
    part: Int64
    cluster: Int64

    @property
    def odds(self) -> Float64:
        return self.level + self.away


def choose_tiers(  # noqa: PLR0913, PLR0917 - the rows, the folds, what they chose, and the settings
    X: Float64, y: Float64, catalogue: Catalogue, timeline: Timeline, folds: Sequence[Fold], development: Int64,
    found: OutOfFold, selection: Selection, model: ModelSettings, settings: TierSettings,
    progress: Callable[[str], None] | None = None,
) -> Selection:  # fmt: skip
    """The selection with a line, or a model, for each segment; margins and calibration are those of the whole then.

    Each segment's constant and slope are a logistic regression on the shared model's log-odds, penalised towards
    (0, 1) as much as segments prove to be alike: the spread that predicts held-out blocks best is taken (partial
    pooling; Gelman and Hill 2007, ch. 12). A segment with the conversions is fitted by itself as well, and
    keeps that model if its out-of-fold loss is lower by more than one clustered standard error.

    Raises
    ------
    ConfigError
        If the column is no category among the features.
    """
    place = segment_column(catalogue, settings.column)
    levels = catalogue.features[place].levels
    code = segments_of(X, place, len(levels))
    pooled = _pooled_line(selection.margins, y[found.rows])
    rows = _rows_of(selection.margins, pooled, y, code, found, timeline)
    spread, crossed = _best_spread(rows, len(levels) + 1)
    lines = shrunken_lines(rows.away, rows.odds, rows.y, rows.code, len(levels) + 1, spread)
    margins, tiers = selection.margins.copy(), {}
    for number, level in enumerate(levels):
        is_in = rows.code == number
        bend = max(float(lines[number, 1]), LEAST_SLOPE - 1.0)
        constant = (float(lines[number, 0]) + bend * (pooled[0] - rows.center)) / pooled[1]
        tier = Tier((constant, 1.0 + bend))
        margins[is_in] = constant + (1.0 + bend) * margins[is_in]
        won = int(y[development][code[development] == number].sum())
        if is_in.any() and settings.own_models and won >= needed_for_own(selection, settings, model):
            if progress is not None:
                progress(f"a model of its own for {settings.column} '{level}': {won:,} conversions")
            own = _own_margins(X, y, catalogue, folds, selection, model, code == number)[found.rows]
            line = _own_line(rows, own, crossed, pooled)
            if line is not None:
                tier, is_known = replace(tier, own=line), is_in & np.isfinite(own)
                margins[is_known] = line[0] + line[1] * own[is_known]
        tiers[level] = tier
    calibration = fit_calibration(margins, rows.y, found.block, rows.cluster)
    tiering = Tiering(settings.column, tiers, calibration, spread)
    return replace(selection, margins=margins, log_odds=calibration.log_odds(margins), tiers=tiering)


def needed_for_own(selection: Selection, settings: TierSettings, model: ModelSettings) -> int:
    """Conversions of a segment in development from which a model of its own is tried."""
    if settings.model_conversions is not None:
        return settings.model_conversions
    has_trees = selection.recipe.rung in {"lightgbm", "blend"}
    return max(model.needs.logistic, model.needs.lightgbm if has_trees else 0)


def shrunken_lines(
    away: Float64, odds: Float64, y: Float64, code: Int64, n: int, spread: tuple[float, float]
) -> Float64:
    """(n, 2) constant and bend of each segment: log-odds are odds + constant + bend * away.

    Maximum a posteriori under normal priors around 0 with the standard deviations of `spread`; a segment without
    rows, or a spread of 0, stays at 0. Newton's method, all segments at once.

    Parameters
    ----------
    away, odds, y, code : (rows,) `code` counts the segments 0 to n - 1.

    Examples
    --------
    >>> y, none = np.array([1.0, 1.0, 1.0, 0.0]), np.zeros(4)
    >>> shrunken_lines(none, none, y, np.zeros(4, dtype=np.int64), 2, (9.0, 0.0)).round(2).tolist()
    [[1.08, 0.0], [0.0, 0.0]]
    """
    precision = 1.0 / np.maximum(np.array(spread), _NO_SPREAD) ** 2
    found = np.zeros((n, 2))

    def total(values: Float64) -> Float64:
        return np.asarray(np.bincount(code, weights=values, minlength=n), dtype=np.float64)

    for _ in range(_MOST_STEPS):
        p = expit(odds + found[code, 0] + found[code, 1] * away)
        weight, off = p * (1.0 - p), y - p
        pull = np.stack([total(off), total(off * away)], axis=1) - precision * found
        a, c = total(weight) + precision[0], total(weight * away**2) + precision[1]
        b = total(weight * away)
        step = np.stack([c * pull[:, 0] - b * pull[:, 1], a * pull[:, 1] - b * pull[:, 0]], axis=1)
        step /= (a * c - b**2)[:, None]
        found += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max(initial=0.0) < _CLOSE:
            break
    return found


def _pooled_line(margins: Float64, y: Float64) -> Line:
    """(constant, slope) of one logistic regression on the margins of all segments; the slope above 0."""
    fitted = fit_logistic(np.stack([np.ones(len(y)), margins]), y, start=np.array([0.0, 1.0]))
    if fitted[1] >= LEAST_SLOPE:
        return float(fitted[0]), float(fitted[1])
    held = LEAST_SLOPE * margins
    return float(fit_logistic(np.ones((1, len(y))), y, offset=held)[0]), LEAST_SLOPE


def _rows_of(
    margins: Float64, pooled: Line, y: Float64, code: Int64, found: OutOfFold, timeline: Timeline
) -> _OutOfFold:
    odds, labels = pooled[0] + pooled[1] * margins, y[found.rows]
    cluster = timeline.cluster[found.rows]
    level, away = np.empty(len(odds)), odds - odds.mean()
    for block in np.unique(found.block):
        is_in = found.block == block
        level[is_in] = recentred(labels[is_in], odds[is_in]) - away[is_in]
    part = found.block
    if len(np.unique(part)) < 2:
        part = np.floor(4.0 * hashed(cluster, _DRAW)).astype(np.int64)
    return _OutOfFold(labels, code[found.rows], away, float(odds.mean()), level, part, cluster)


def _best_spread(rows: _OutOfFold, n: int) -> tuple[tuple[float, float], Float64]:
    """The spread of constants and of slopes that predicts each part best from the others, and those log-odds."""
    best: tuple[float, tuple[float, float], Float64] | None = None
    for spread in product(CONSTANTS, SLOPES):
        crossed = rows.odds.copy()
        for part in np.unique(rows.part):
            held = rows.part == part
            kept = ~held if (~held).any() else held
            lines = shrunken_lines(rows.away[kept], rows.odds[kept], rows.y[kept], rows.code[kept], n, spread)
            crossed[held] += lines[rows.code[held], 0] + lines[rows.code[held], 1] * rows.away[held]
        loss = float(row_log_loss(rows.y, crossed).mean())
        if best is None or loss < best[0] - 1e-9:
            best = loss, spread, crossed
    assert best is not None
    return best[1], best[2]


def _own_margins(
    X: Float64, y: Float64, catalogue: Catalogue, folds: Sequence[Fold], selection: Selection,
    model: ModelSettings, is_mine: Bools,
) -> Float64:  # fmt: skip
    """(examples,) margins of a segment's rows by its own model of each fold; NaN where there was too little."""
    found = np.full(len(y), np.nan)
    for fold in folds:
        train, block = fold.train[is_mine[fold.train]], fold.validate[is_mine[fold.validate]]
        if len(block) and LEAST_OF_BOTH <= y[train].sum() <= len(train) - LEAST_OF_BOTH:
            rung = fit_rung(selection.recipe, X[train], y[train], catalogue, model)
            found[block] = rung.margin(X[block])
    return found


def _own_line(rows: _OutOfFold, own: Float64, crossed: Float64, pooled: Line) -> Line | None:
    """The line on a segment's own margins, if they are better than the shared ones by one standard error."""
    is_known = np.isfinite(own)
    y, margin, level = rows.y[is_known], own[is_known], rows.level[is_known]
    part = rows.part[is_known]
    if not LEAST_OF_BOTH <= y.sum() <= len(y) - LEAST_OF_BOTH:
        return None
    columns = np.stack([np.ones(len(y)), margin])
    losses = np.full(len(y), np.nan)
    for each in np.unique(part):
        held = part == each
        if 0.0 < y[~held].sum() < (~held).sum():
            fitted = fit_logistic(columns[:, ~held], y[~held], offset=level[~held])
            odds = fitted[0] + fitted[1] * margin[held] + level[held]
            losses[held] = row_log_loss(y[held], odds)
    of_shared, is_judged = row_log_loss(rows.y, crossed)[is_known], np.isfinite(losses)
    if not is_judged.any():
        return None
    gain = paired_difference(
        of_shared[is_judged], losses[is_judged], rows.cluster[is_known][is_judged], n_boot=200, confidence=0.6827
    )  # fmt: skip
    fitted = fit_logistic(columns, y, offset=level)
    if not gain.low > 0.0 or fitted[1] < LEAST_SLOPE:
        return None
    return (float(fitted[0]) + rows.center - pooled[0]) / pooled[1], float(fitted[1]) / pooled[1]
