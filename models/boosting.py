"""LightGBM as this project uses it: mild parameters, rounds found on a fold's own tail, bins kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue
from models.classifier import LightGBMRung
from models.settings import LightGBMSettings, ModelSettings
from models.split import Timeline, fold_tail

__all__ = ["FAMILIES", "TailedData", "fit_trees", "tailed_data", "tree_rounds"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
FAMILIES = ("explicit", "implicit", "recency", "account")


@dataclass(frozen=True)
class TailedData:
    """A fold's training rows in LightGBM's bins and their own tail: binned once, fitted as often as wanted."""

    fit: Any
    tail: Any
    monotone: tuple[int, ...]

    def boosted(self, settings: ModelSettings, trees: LightGBMSettings) -> Any:
        """A booster stopped early on the tail; its `best_iteration` is where the tail's log loss is lowest."""
        import lightgbm

        stop = lightgbm.early_stopping(trees.early_stopping_rounds, verbose=False)
        return lightgbm.train(
            _parameters(settings, trees, self.monotone),
            self.fit,
            trees.max_rounds,
            valid_sets=[self.tail],
            callbacks=[stop],
        )


def tailed_data(X: Float64, y: Float64, catalogue: Catalogue, timeline: Timeline, train: Int64) -> TailedData:
    """The rows of a fold, parted into fit and tail (`models.split.fold_tail`)."""
    fit, tail = fold_tail(timeline, train, y)
    chosen = catalogue.columns(FAMILIES)
    data = _dataset(X[fit], y[fit], catalogue, chosen)
    check = data.create_valid(np.ascontiguousarray(X[tail][:, chosen]), label=y[tail])
    return TailedData(data, check, _monotone(catalogue, chosen))


def tree_rounds(
    X: Float64, y: Float64, catalogue: Catalogue, settings: ModelSettings, timeline: Timeline, train: Int64
) -> int:
    """Rounds at which the log loss on the training rows' own tail is lowest."""
    data = tailed_data(X, y, catalogue, timeline, train)
    return max(1, int(data.boosted(settings, settings.lightgbm).best_iteration))


def fit_trees(
    X: Float64, y: Float64, catalogue: Catalogue, settings: ModelSettings, rounds: int
) -> LightGBMRung:
    """LightGBM with a set number of rounds, kept as its text."""
    import lightgbm

    chosen = catalogue.columns(FAMILIES)
    booster = lightgbm.train(
        _parameters(settings, settings.lightgbm, _monotone(catalogue, chosen)),
        _dataset(X, y, catalogue, chosen),
        num_boost_round=rounds,
    )
    return LightGBMRung(booster.model_to_string(), chosen, len(catalogue), rounds)


def _dataset(X: Float64, y: Float64, catalogue: Catalogue, chosen: Int64) -> Any:
    import lightgbm

    categories = [place for place, position in enumerate(chosen) if catalogue.features[position].is_category]
    return lightgbm.Dataset(
        np.ascontiguousarray(X[:, chosen]), label=y, categorical_feature=categories, free_raw_data=False,
        params={"max_bin": 127, "min_data_in_bin": 5, "verbose": -1, "feature_pre_filter": False},
    )  # fmt: skip


def _monotone(catalogue: Catalogue, chosen: Int64) -> tuple[int, ...]:
    return tuple(catalogue.features[position].monotone for position in chosen)


def _parameters(
    settings: ModelSettings, trees: LightGBMSettings, monotone: tuple[int, ...]
) -> dict[str, Any]:
    return {
        "objective": "binary", "metric": "binary_logloss", "verbosity": -1,
        "num_leaves": trees.num_leaves, "learning_rate": trees.learning_rate,
        "min_data_in_leaf": trees.min_data_in_leaf, "lambda_l2": trees.lambda_l2,
        "feature_fraction": trees.feature_fraction, "bagging_fraction": trees.bagging_fraction, "bagging_freq": 1,
        "cat_smooth": 20.0, "min_data_per_group": 50, "max_bin": 127, "min_data_in_bin": 5, "feature_pre_filter": False,
        "monotone_constraints": list(monotone),
        "deterministic": True, "force_row_wise": True, "seed": settings.seed, "num_threads": settings.threads,
    }  # fmt: skip
