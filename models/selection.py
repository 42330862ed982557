"""Rolling origins inside development: out-of-fold margins of every rung, and the rung they choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue
from features.errors import ConfigError, NoModelError
from models.boosting import FAMILIES, fit_trees, tree_rounds
from models.calibration import LEAST_SLOPE, Calibration, fit_calibration, recentred, row_log_loss
from models.intervals import paired_difference
from models.ladder import (
    Recipe,
    blend_weights,
    fit_logistic_path,
    fit_points,
)
from models.settings import ModelSettings, Rung
from models.split import Fold, Timeline
from models.tiers import Tiering

__all__ = ["OutOfFold", "Selection", "Trial", "out_of_fold", "select_rung", "within_needs"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
LADDER: tuple[Rung, ...] = ("points", "logistic", "lightgbm", "blend")
# a blend whose trees weigh nothing is the logistic, but for the rounding of its fit
_SAME_LOSS = 1e-6
_NAMES = {"logistic": "the logistic regression", "lightgbm": "a model of boosted trees"}


@dataclass(frozen=True)
class OutOfFold:
    """Margins of rows that the fit had not seen, pooled over the folds.

    Attributes
    ----------
    rows : (m,) positions of the examples, each once.
    block : (m,) the fold that predicted it.
    margins : one (m,) array for each rung but the blend; of the logistic at its best penalty.
    penalty : the logistic's L2 strength with the lowest pooled log loss.
    rounds : each fold's early stop.
    """

    rows: Int64
    block: Int64
    margins: dict[str, Float64]
    penalty: float
    rounds: tuple[int, ...]

    @property
    def typical_rounds(self) -> int:
        """The folds' median number of trees."""
        return int(np.median(self.rounds)) if self.rounds else 1


@dataclass(frozen=True)
class Trial:
    """One rung on the out-of-fold rows: row losses when calibrated on the other blocks."""

    rung: Rung
    losses: Float64
    clearly_worse: bool = False


@dataclass(frozen=True)
class Selection:
    """The recipe chosen, each rung's calibration on all out-of-fold rows, and the trials of every rung.

    `margins` and `log_odds` (m,) are the chosen rung's, on the out-of-fold rows; with `tiers`, as it is by segment.
    """

    recipe: Recipe
    calibrations: dict[str, Calibration]
    margins: Float64
    log_odds: Float64
    trials: tuple[Trial, ...]
    tiers: Tiering | None = None

    @property
    def calibration(self) -> Calibration:
        """The chosen rung's; with `tiers`, that of the margins by segment."""
        return self.tiers.calibration if self.tiers is not None else self.calibrations[self.recipe.rung]


def out_of_fold(
    X: Float64, y: Float64, catalogue: Catalogue, timeline: Timeline, folds: list[Fold],
    settings: ModelSettings, progress: Callable[[str], None] | None = None,
) -> OutOfFold:  # fmt: skip
    """Margins of every rung on each fold's block, fitted on what was known when it began."""
    rungs = _usable(settings, catalogue)
    pieces: dict[str, list[Float64]] = {}
    rounds: list[int] = []
    for number, fold in enumerate(folds):
        if progress is not None:
            progress(f"fold {number + 1} of {len(folds)}: {len(fold.train):,} rows")
        X_train, y_train, X_block = X[fold.train], y[fold.train], X[fold.validate]
        if "points" in rungs:
            pieces.setdefault("points", []).append(fit_points(X_train, y_train, catalogue).margin(X_block))
        if "logistic" in rungs:
            path = fit_logistic_path(X_train, y_train, catalogue, settings.logistic_penalties)
            for penalty, fitted in zip(settings.logistic_penalties, path, strict=True):
                pieces.setdefault(f"logistic {penalty}", []).append(fitted.margin(X_block))
        if "lightgbm" in rungs:
            rounds.append(tree_rounds(X, y, catalogue, settings, timeline, fold.train))
            trees = fit_trees(X_train, y_train, catalogue, settings, rounds[-1])
            pieces.setdefault("lightgbm", []).append(trees.margin(X_block))
    rows = np.concatenate([fold.validate for fold in folds])
    block = np.concatenate([np.full(len(fold.validate), fold.block) for fold in folds])
    pooled = {name: np.concatenate(parts) for name, parts in pieces.items()}
    penalty = _best_penalty(pooled, y[rows], block, settings)
    margins = {name: values for name, values in pooled.items() if not name.startswith("logistic")}
    if "logistic" in rungs:
        margins["logistic"] = pooled[f"logistic {penalty}"]
    return OutOfFold(rows, block, margins, penalty, tuple(rounds))


def select_rung(
    found: OutOfFold, y: Float64, timeline: Timeline, settings: ModelSettings, catalogue: Catalogue
) -> Selection:
    """The simplest rung whose out-of-fold log loss is not clearly worse than the best one's.

    Clearly worse: the mean paired difference, over clusters, exceeds one standard error (Breiman et al.
    1984, the one-standard-error rule). Each rung is calibrated on the other blocks before it is compared,
    and shifted to the base rate of its block: rungs compete by ranking and spread. A rung whose margins
    did not rank the leads at all is out, unless none did.
    """
    labels, clusters = y[found.rows], timeline.cluster[found.rows]
    rungs = _usable(settings, catalogue)
    weights = (0.0, 0.5, 0.5)
    if "blend" in rungs:
        weights = blend_weights(found.margins["logistic"], found.margins["lightgbm"], labels, found.block)
    fitted: dict[str, Calibration] = {
        rung: fit_calibration(_margins(found, rung, weights), labels, found.block, clusters) for rung in rungs
    }
    trials = [Trial(rung, row_log_loss(labels, _crossed(found, rung, labels, clusters))) for rung in rungs]
    able = [
        trial
        for trial in trials
        if _ranks(fitted[trial.rung], _margins(found, trial.rung, weights), found.block)
    ] or trials
    best = min(able, key=lambda trial: float(trial.losses.mean()))
    judged = tuple(
        Trial(t.rung, t.losses, t not in able or (t is not best and _is_clearly_worse(t, best, clusters)))
        for t in trials
    )
    rung = next(trial.rung for trial in judged if not trial.clearly_worse)
    recipe = Recipe(rung, found.penalty, found.typical_rounds, weights)
    margins = _margins(found, rung, weights)
    return Selection(recipe, fitted, margins, fitted[rung].log_odds(margins), judged)


def _ranks(calibration: Calibration, margins: Float64, block: Int64) -> bool:
    """Whether higher margins went with more wins: a slope held at its bound says that they did not.

    Margins that do not differ within any block have no slope to read.
    """
    differs = any(np.ptp(margins[block == each]) > 1e-9 for each in np.unique(block))
    return differs and max(calibration.coefficients[:-1]) > LEAST_SLOPE


def _usable(settings: ModelSettings, catalogue: Catalogue) -> list[Rung]:
    """The rungs asked for that have features: points rules for the table, others for the rest.

    Raises
    ------
    ConfigError
        If that leaves none.
    """
    has_table, has_others = (len(catalogue.columns(families)) > 0 for families in (["points"], FAMILIES))
    found = [
        rung for rung in LADDER if rung in settings.rungs and (has_table if rung == "points" else has_others)
    ]
    if not found:
        raise ConfigError(
            f"none of the rungs {', '.join(settings.rungs)} has features: {len(catalogue)} features, points rules "
            f"{'among them' if has_table else 'not among them'}. Add to model.rungs, features.families or [points]."
        )
    return found


def within_needs(
    settings: ModelSettings, catalogue: Catalogue, conversions: int
) -> tuple[ModelSettings, tuple[str, ...]]:
    """The settings without the rungs that need more conversions than there are, and what to say of it.

    With few conversions the logistic may also shrink harder: ten times its strongest penalty joins the path.

    Raises
    ------
    NoModelError
        If no rung is left, with how many more conversions are needed.
    """
    needs = settings.needs
    least = {"points": 0, "logistic": needs.logistic, "lightgbm": needs.lightgbm}
    least["blend"] = max(least["logistic"], least["lightgbm"])
    usable = _usable(settings, catalogue)
    kept = [rung for rung in usable if conversions >= least[rung]]
    if not kept:
        need = min(least[rung] for rung in usable)
        raise NoModelError(
            f"Too little to learn from: development has {conversions} conversions, {' and '.join(usable)} would take "
            f"{need} (model.needs), {need - conversions} more. Use a longer history, a longer target.horizon, or score "
            "with a points table ([points]) until then."
        )
    lost = [rung for rung in usable if rung not in kept]
    update: dict[str, object] = {"rungs": tuple(kept)}
    if conversions < needs.lightgbm:
        path = settings.logistic_penalties
        update["logistic_penalties"] = (*path, 10.0 * max(path))
    said = tuple(
        f"Not tried: {_NAMES[rung]}, which needs {least[rung]} conversions in development (model.needs); there are "
        f"{conversions}, {least[rung] - conversions} more are needed."
        for rung in lost
        if rung in _NAMES
    )
    return settings.model_copy(update=update), said


def _margins(found: OutOfFold, rung: Rung, weights: tuple[float, float, float]) -> Float64:
    if rung != "blend":
        return found.margins[rung]
    return weights[0] + weights[1] * found.margins["logistic"] + weights[2] * found.margins["lightgbm"]


def _crossed(found: OutOfFold, rung: Rung, y: Float64, clusters: Int64) -> Float64:
    """Log-odds of each block, weights and slopes fitted on the other blocks, its base rate taken as known."""
    blocks = np.unique(found.block)
    result = np.empty(len(y))
    for block in blocks:
        held = found.block == block
        others = ~held if len(blocks) > 1 and 0 < y[~held].sum() < (~held).sum() else held
        weights = (0.0, 0.5, 0.5)
        if rung == "blend":
            linear, trees = found.margins["logistic"][others], found.margins["lightgbm"][others]
            weights = blend_weights(linear, trees, y[others], found.block[others])
        margins = _margins(found, rung, weights)
        fitted = fit_calibration(margins[others], y[others], found.block[others], clusters[others])
        result[held] = recentred(y[held], fitted.log_odds(margins[held]))
    return result


def _is_clearly_worse(trial: Trial, best: Trial, clusters: Int64) -> bool:
    difference = paired_difference(trial.losses, best.losses, clusters, n_boot=200, confidence=0.6827)
    return not difference.low <= _SAME_LOSS


def _recentred_loss(margins: Float64, y: Float64, block: Int64) -> float:
    parts = [block == each for each in np.unique(block)]
    return float(np.concatenate([row_log_loss(y[b], recentred(y[b], margins[b])) for b in parts]).mean())


def _best_penalty(pooled: dict[str, Float64], y: Float64, block: Int64, settings: ModelSettings) -> float:
    losses = {
        penalty: _recentred_loss(pooled[f"logistic {penalty}"], y, block)
        for penalty in settings.logistic_penalties
        if f"logistic {penalty}" in pooled
    }
    return min(losses, key=lambda penalty: losses[penalty]) if losses else settings.logistic_penalties[0]
