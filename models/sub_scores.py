"""Fit alone and activity alone: a logistic regression each, calibrated, on the points scale of the score."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.catalogue import Catalogue
from models import bands, metrics
from models.bands import Anchors
from models.boosting import FAMILIES
from models.calibration import Calibration, fit_calibration
from models.classifier import LogisticRung
from models.evaluation import Evaluation, Examples
from models.intervals import Interval, bootstrap_intervals
from models.ladder import fit_logistic_path
from models.scorer import is_fit
from models.selection import out_of_fold
from models.settings import SplitSettings
from models.split import random_folds, rolling_folds

__all__ = [
    "HALVES",
    "Half",
    "SubRecipe",
    "SubScore",
    "choose_sub_recipes",
    "fit_sub_scores",
    "half_columns",
    "sub_scores_from_text",
    "sub_scores_text",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Half = Literal["fit", "activity"]
HALVES: tuple[Half, ...] = ("fit", "activity")
_LEAST_SPREAD = 1e-9


@dataclass(frozen=True)
class SubRecipe:
    """How one half is fitted, and what the test said of it, fitted once on development.

    Attributes
    ----------
    penalty : the L2 strength with the lowest out-of-fold log loss.
    calibration : fitted on the out-of-fold margins.
    n_features : features of the half that development had.
    intervals : `auc` and `log_loss` on the test with their 95 % intervals, clustered by account, else lead.
    """

    penalty: float
    calibration: Calibration
    n_features: int
    intervals: Mapping[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """Penalty, number of features and figures; an end of an interval that can't be shown is None."""
        figures = {
            name: [_finite(end) for end in (each.value, each.low, each.high)]
            for name, each in self.intervals.items()
        }
        return {"penalty": self.penalty, "features": self.n_features, **figures}


@dataclass(frozen=True)
class SubScore:
    """A fitted half: which columns of the feature matrix it reads, its model and its calibration."""

    columns: Int64
    rung: LogisticRung
    calibration: Calibration

    def log_odds(self, X: Float64) -> Float64:
        """(rows,) calibrated log-odds of a win within the horizon, the other half unknown."""
        return self.calibration.log_odds(self.rung.margin(_chosen(X, self.columns)))

    def score(self, X: Float64, anchors: Anchors) -> Float64:
        """(rows,) the same in [0, 100], on the scale whose 50 and 80 are the model's MQL and SQL lines."""
        return bands.score(bands.points(self.log_odds(X), anchors))

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives the same bits back."""
        return {
            "columns": self.columns.tolist(),
            "rung": self.rung.to_json(),
            "calibration": self.calibration.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SubScore:
        """The half that `to_json` wrote."""
        return cls(
            np.array(values["columns"], dtype=np.int64),
            LogisticRung.from_json(values["rung"]),
            Calibration.from_json(values["calibration"]),
        )


def half_columns(catalogue: Catalogue, half: Half) -> Int64:
    """Positions of the features of a half: who they are, or what they and theirs did and when.

    The grades part the features alike; lines of a points table belong to neither.
    """
    learned = catalogue.columns(FAMILIES)
    return np.array(
        [place for place in learned.tolist() if is_fit(catalogue.features[place]) == (half == "fit")],
        dtype=np.int64,
    )


def choose_sub_recipes(
    examples: Examples, catalogue: Catalogue, evaluation: Evaluation, split: SplitSettings
) -> dict[Half, SubRecipe]:
    """Penalty and calibration of each half, out of fold, and its figures on the test.

    A half without features, or whose features never vary, is left out.

    Parameters
    ----------
    examples, catalogue, evaluation : as the whole model was evaluated: the same folds and test.
    """
    found: dict[Half, SubRecipe] = {}
    for half in HALVES:
        recipe = _choose(examples, catalogue, half_columns(catalogue, half), evaluation, split)
        if recipe is not None:
            found[half] = recipe
    return found


def fit_sub_scores(
    recipes: Mapping[Half, SubRecipe], X: Float64, y: Float64, catalogue: Catalogue, shift: float
) -> dict[Half, SubScore]:
    """The halves fitted on all rows given, their level shifted as the whole model's is."""
    found: dict[Half, SubScore] = {}
    for half, recipe in recipes.items():
        columns = half_columns(catalogue, half)
        if len(columns):
            rung = _fitted(X, y, catalogue, columns, recipe.penalty)
            found[half] = SubScore(columns, rung, recipe.calibration.shifted(shift))
    return found


def sub_scores_text(halves: Mapping[Half, SubScore]) -> str:
    """The halves as the text of a bundle's part."""
    plain = {half: each.to_json() for half, each in halves.items()}
    return json.dumps(plain, indent=1, sort_keys=True, allow_nan=False) + "\n"


def sub_scores_from_text(text: str) -> dict[Half, SubScore]:
    """The halves that `sub_scores_text` wrote."""
    plain = json.loads(text)
    return {half: SubScore.from_json(plain[half]) for half in HALVES if half in plain}


def _choose(
    examples: Examples, catalogue: Catalogue, columns: Int64, evaluation: Evaluation, split: SplitSettings
) -> SubRecipe | None:
    if len(columns) == 0:
        return None
    y, timeline, development = examples.y, examples.timeline, evaluation.slices.development
    folds = rolling_folds(timeline, development, y, split) or random_folds(timeline, development, y, split)
    model = evaluation.model.model_copy(update={"rungs": ("logistic",)})
    part = _part(catalogue, columns)
    found = out_of_fold(_chosen(examples.X, columns), y, part, timeline, folds, model)
    margins = found.margins["logistic"]
    if all(np.ptp(margins[found.block == block]) < _LEAST_SPREAD for block in np.unique(found.block)):
        return None
    calibration = fit_calibration(margins, y[found.rows], found.block, timeline.cluster[found.rows])
    rung = _fitted(examples.X[development], y[development], catalogue, columns, found.penalty)
    test = evaluation.test_rows
    p = expit(calibration.log_odds(rung.margin(_chosen(examples.X[test], columns))))
    figures = {"auc": metrics.auc, "log_loss": metrics.log_loss}
    drawn = bootstrap_intervals(figures, y[test], p, timeline.cluster[test], model.bootstrap, model.seed)
    return SubRecipe(found.penalty, calibration, len(columns), drawn)


def _fitted(X: Float64, y: Float64, catalogue: Catalogue, columns: Int64, penalty: float) -> LogisticRung:
    return fit_logistic_path(_chosen(X, columns), y, _part(catalogue, columns), (penalty,))[0]


def _part(catalogue: Catalogue, columns: Int64) -> Catalogue:
    return Catalogue(tuple(catalogue.features[place] for place in columns.tolist()))


def _chosen(X: Float64, columns: Int64) -> Float64:
    return np.ascontiguousarray(X[:, columns])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
