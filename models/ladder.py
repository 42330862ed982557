"""Fitting the rungs of the ladder on a set of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue
from models.boosting import FAMILIES, fit_trees
from models.calibration import block_columns, fit_logistic, row_log_loss
from models.classifier import BlendRung, LogisticRung, PointsRung, RungModel
from models.encoding import learn_encoding
from models.settings import ModelSettings, Rung

__all__ = [
    "Recipe",
    "blend_weights",
    "fit_logistic_path",
    "fit_points",
    "fit_rung",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """What the folds decided: enough to refit a rung on any rows.

    Attributes
    ----------
    penalty : L2 strength of the logistic: penalty / 2 * |weights|^2 beside the summed log loss.
    rounds : number of trees, the median of the folds' early stops.
    weights : of the blend (constant, logistic, trees).
    """

    rung: Rung
    penalty: float = 100.0
    rounds: int = 100
    weights: tuple[float, float, float] = (0.0, 0.5, 0.5)


def fit_rung(
    recipe: Recipe, X: Float64, y: Float64, catalogue: Catalogue, settings: ModelSettings
) -> RungModel:
    """The rung of a recipe, fitted on all the rows given."""
    if recipe.rung == "points":
        return fit_points(X, y, catalogue)
    if recipe.rung == "lightgbm":
        return fit_trees(X, y, catalogue, settings, recipe.rounds)
    logistic = fit_logistic_path(X, y, catalogue, (recipe.penalty,))[0]
    if recipe.rung == "logistic":
        return logistic
    return BlendRung(logistic, fit_trees(X, y, catalogue, settings, recipe.rounds), recipe.weights)


def fit_points(X: Float64, y: Float64, catalogue: Catalogue) -> PointsRung:
    """The points table with its slope and intercept fitted: one logistic regression on the total.

    The slope is at least 0: a table that points the wrong way is worth nothing, not turned round.
    """
    rules = catalogue.columns(["points"])
    total = np.ascontiguousarray(X[:, rules]).sum(axis=1)
    center, scale = float(total.mean()), max(float(total.std()), 1e-9)
    fitted = fit_logistic(np.stack([np.ones(len(y)), (total - center) / scale]), y)
    slope = max(float(fitted[1]), 0.0) / scale
    base = float(fitted[0]) if fitted[1] > 0 else float(np.log(y.mean() / (1 - y.mean())))
    return PointsRung(rules, X[:, rules].mean(axis=0), base - slope * center, slope, len(catalogue))


def fit_logistic_path(
    X: Float64, y: Float64, catalogue: Catalogue, penalties: tuple[float, ...]
) -> list[LogisticRung]:
    """Regularised logistic regressions, one a penalty, on the same encoded columns."""
    from sklearn.linear_model import LogisticRegression

    encoding = learn_encoding(X, catalogue, catalogue.columns(FAMILIES))
    columns = encoding.columns(X)
    found: list[LogisticRung] = []
    if columns.shape[1] == 0:
        constant = float(np.log(y.mean() / (1 - y.mean())))
        return [LogisticRung(encoding, np.zeros(0), constant, len(catalogue)) for _ in penalties]
    model = LogisticRegression(solver="newton-cholesky", warm_start=True, max_iter=50, tol=1e-6)
    by_strength = sorted(range(len(penalties)), key=lambda k: -penalties[k])
    fitted: dict[int, LogisticRung] = {}
    for k in by_strength:
        model.set_params(C=1.0 / penalties[k])
        model.fit(columns, y)
        fitted[k] = LogisticRung(encoding, model.coef_[0].copy(), float(model.intercept_[0]), len(catalogue))
    found += [fitted[k] for k in range(len(penalties))]
    return found


def blend_weights(logistic: Float64, trees: Float64, y: Float64, block: Int64) -> tuple[float, float, float]:
    """Constant and weights >= 0 of two margins with the least log loss on out-of-fold rows.

    Weights are fitted beside one constant a time block, as calibration slopes are; the constant then on
    all rows.
    """
    constants, is_used = block_columns(y, np.unique(block, return_inverse=True)[1])
    if not is_used.any():
        return (0.0, 0.5, 0.5)
    candidates: list[tuple[float, tuple[float, float, float]]] = []
    for parts in ((True, True), (True, False), (False, True)):
        used = [margin for margin, has_part in zip((logistic, trees), parts, strict=True) if has_part]
        columns = np.concatenate([np.stack(used)[:, is_used], constants])
        fitted = fit_logistic(columns, y[is_used])
        weights = fitted[: len(used)]
        if (weights < 0).any():
            continue
        values = iter(weights.tolist())
        first, second = (next(values) if has_part else 0.0 for has_part in parts)
        loss = float(row_log_loss(y[is_used], (columns * fitted[:, None]).sum(axis=0)).mean())
        blended = first * logistic + second * trees
        constant = float(fit_logistic(np.ones((1, len(y))), y, offset=blended)[0])
        candidates.append((loss, (constant, first, second)))
    return min(candidates)[1] if candidates else (0.0, 0.5, 0.5)
