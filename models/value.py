"""E[amount | features] with a log link: what a win brings, and what a lead brings over a long horizon.

What a win brings is fitted on won rows alone, by LightGBM's gamma objective: the deviance of an amount whose spread
grows with its mean. What a lead brings in all (its wins so far ahead, summed; 0 for most) is fitted on all rows, by
LightGBM's Tweedie objective: a random number of gamma amounts is a compound Poisson-gamma variable (Jorgensen 1987),
whose log-link mean needs one model and one level. Two parts, a chance of any win times an amount given one, need
two levels. On a simulated CRM of 6,000 leads they were about as good: Poisson deviance -16,869 against -16,855 at
power 1.2 (-16,780 at 1.5, -16,656 at 1.8), 64 % of the money in the top fifth against 62 %. Shrunk trees with a log
link promise too little in sum (0.77 of what came there), so the level is corrected out of fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue
from features.errors import BundleError
from models.boosting import FAMILIES
from models.intervals import paired_difference
from models.settings import ModelSettings
from models.split import Fold, Timeline, fold_tail

__all__ = ["AmountModel", "AmountsOutOfFold", "amounts_out_of_fold", "fit_amounts"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Objective = Literal["gamma", "tweedie"]
LEAST_IN_FOLD = 20  # rows with money below which a fold's fit is their plain mean
TWEEDIE_POWER = 1.2


@dataclass(frozen=True)
class AmountModel:
    """Trees in LightGBM's text with a log link, or a plain mean where `text` is None.

    Attributes
    ----------
    mean : of the rows it was fitted on.
    columns : positions of the features that the trees read.
    factor : what corrects the level, found out of fold.
    """

    mean: float
    columns: Int64
    text: str | None = None
    factor: float = 1.0

    def __post_init__(self) -> None:
        if self.text is not None:
            import lightgbm

            object.__setattr__(self, "_booster", lightgbm.Booster(model_str=self.text))

    def predict(self, X: Float64) -> Float64:
        """(rows,) expected amount, above 0; the same bits for one row or a million."""
        if self.text is None or len(X) == 0:
            return np.full(len(X), self.mean * self.factor)
        rows = np.ascontiguousarray(X[:, self.columns])
        raw = self._booster.predict(rows, num_threads=1 if len(X) < 1_000 else 0)  # type: ignore[attr-defined]
        return np.asarray(raw, dtype=np.float64) * self.factor

    def to_json(self) -> dict[str, Any]:
        """All but the text of the trees."""
        return {
            "mean": self.mean, "factor": self.factor, "columns": self.columns.tolist(),
            "has_trees": self.text is not None,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: dict[str, Any], text: str | None) -> Self:
        """The model that `to_json` described.

        Raises
        ------
        BundleError
            If it has trees and there is no text, or a value is missing or no number.
        """
        try:
            if values["has_trees"] and text is None:
                raise BundleError("the value model has trees, but their text is missing; train again")
            columns = np.array(values["columns"], dtype=np.int64)
            return cls(
                float(values["mean"]), columns, text if values["has_trees"] else None, float(values["factor"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the value model is of an unknown shape: {error!r}; train again") from error


@dataclass(frozen=True)
class AmountsOutOfFold:
    """Amounts of rows that the fit had not seen, and the recipe that they chose.

    Attributes
    ----------
    rows : (m,) positions of the examples, each once, as the folds give them.
    predicted : (m,) expected amount with the level corrected.
    factor : observed / predicted over the rows with money, by which the level is corrected.
    rounds : trees of the recipe; 0 is a plain mean, or what was given.
    is_given : whether the recipe is the expectation made elsewhere, times the factor.
    """

    rows: Int64
    predicted: Float64
    factor: float
    objective: Objective
    rounds: int
    is_given: bool = False


def fit_amounts(
    X: Float64, amount: Float64, catalogue: Catalogue, settings: ModelSettings, objective: Objective, rounds: int
) -> AmountModel:  # fmt: skip
    """The model of a set number of trees on the rows whose amount is known; a plain mean with no trees.

    Parameters
    ----------
    X : (n, features); amount : (n,) above 0 for gamma, at least 0 for tweedie, NaN where unknown.
    """
    known = np.flatnonzero(~np.isnan(amount))
    chosen = catalogue.columns(FAMILIES)
    mean = float(amount[known].mean()) if len(known) else 0.0
    if rounds == 0 or not mean > 0 or len(chosen) == 0:
        return AmountModel(mean, chosen)
    import lightgbm

    data = _dataset(X[known], amount[known], catalogue, chosen)
    booster = lightgbm.train(_parameters(settings, objective), data, num_boost_round=rounds)
    return AmountModel(mean, chosen, booster.model_to_string())


def amounts_out_of_fold(  # noqa: PLR0913 - rows, their place in time, and how to fit
    X: Float64, amount: Float64, catalogue: Catalogue, timeline: Timeline, folds: tuple[Fold, ...],
    settings: ModelSettings, objective: Objective, *, may_have_trees: bool, given: Float64 | None = None,
) -> AmountsOutOfFold:  # fmt: skip
    """Expected amounts of every row of the folds' blocks, fitted on what was known when each began.

    Each recipe is judged at its own right level by its deviance out of fold. What was given stands in for the plain
    mean unless it is worse by more than one standard error over clusters; trees are kept only if they are better than
    that by more than one.

    Parameters
    ----------
    given : (n,) an expectation made elsewhere, above 0 and out of fold; NaN where there is none.
    """
    rows, of_mean, of_trees, rounds = _fold_by_fold(
        X, amount, catalogue, timeline, folds, settings, objective, may_have_trees=may_have_trees
    )
    if given is not None:
        has = ~np.isnan(given[rows])
        if (amount[rows[has]] > 0).sum() < LEAST_IN_FOLD:
            given = None
        else:
            rows, of_mean, of_trees = rows[has], of_mean[has], of_trees[has]
    known, cluster = amount[rows], timeline.cluster[rows]
    found = AmountsOutOfFold(rows, *_levelled(of_mean, known), objective, rounds=0)
    if given is not None:
        other = AmountsOutOfFold(rows, *_levelled(given[rows], known), objective, rounds=0, is_given=True)
        found = found if _is_clearly_better(found, other, known, cluster) else other
    if rounds:
        trees = AmountsOutOfFold(rows, *_levelled(of_trees, known), objective, rounds)
        found = trees if _is_clearly_better(trees, found, known, cluster) else found
    return found


def _fold_by_fold(  # noqa: PLR0913 - as above
    X: Float64, amount: Float64, catalogue: Catalogue, timeline: Timeline, folds: tuple[Fold, ...],
    settings: ModelSettings, objective: Objective, *, may_have_trees: bool,
) -> tuple[Int64, Float64, Float64, int]:  # fmt: skip
    """Rows of the folds' blocks, the plain mean and the trees' amounts of each, and how many trees; 0 for none."""
    rows, plain, trees, rounds = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], [np.zeros(0)], []
    for fold in folds:
        train = fold.train[~np.isnan(amount[fold.train])]
        if (amount[train] > 0).sum() < LEAST_IN_FOLD:
            continue
        rows.append(fold.validate)
        plain.append(np.full(len(fold.validate), amount[train].mean()))
        trees.append(plain[-1])
        if may_have_trees:
            rounds.append(_rounds(X, amount, catalogue, timeline, train, settings, objective))
            model = fit_amounts(X[train], amount[train], catalogue, settings, objective, rounds[-1])
            trees[-1] = model.predict(X[fold.validate])
    n_trees = max(1, int(np.median(rounds))) if rounds else 0
    return np.concatenate(rows), np.concatenate(plain), np.concatenate(trees), n_trees


def _is_clearly_better(
    one: AmountsOutOfFold, other: AmountsOutOfFold, amount: Float64, cluster: Int64
) -> bool:
    """Whether the deviance of the one is lower by more than one standard error over clusters."""
    is_known = ~np.isnan(amount)
    of_one, of_other = (
        _deviance(amount[is_known], each.predicted[is_known], each.objective) for each in (one, other)
    )
    return paired_difference(of_other, of_one, cluster[is_known], n_boot=200, confidence=0.6827).low > 0


def _levelled(predicted: Float64, amount: Float64) -> tuple[Float64, float]:
    """Predictions that add up to what was observed, and the factor that made them."""
    is_known = ~np.isnan(amount)
    observed, promised = float(amount[is_known].sum()), float(predicted[is_known].sum())
    factor = observed / promised if observed > 0 and promised > 0 else 1.0
    return predicted * factor, factor


def _deviance(y: Float64, mean: Float64, objective: Objective) -> Float64:
    """(n,) unit deviance, halved, without the terms that the mean does not enter."""
    if objective == "gamma":
        return np.asarray(y / mean + np.log(mean))
    power = TWEEDIE_POWER
    return np.asarray(y * mean ** (1 - power) / (power - 1) + mean ** (2 - power) / (2 - power))


def _rounds(
    X: Float64, amount: Float64, catalogue: Catalogue, timeline: Timeline, train: Int64, settings: ModelSettings,
    objective: Objective,
) -> int:  # fmt: skip
    """Rounds at which the deviance on the training rows' own tail is lowest."""
    import lightgbm

    has_money = np.nan_to_num(amount) > 0
    fit, tail = fold_tail(timeline, train, has_money.astype(np.float64))
    chosen = catalogue.columns(FAMILIES)
    data = _dataset(X[fit], amount[fit], catalogue, chosen)
    check = data.create_valid(np.ascontiguousarray(X[tail][:, chosen]), label=amount[tail])
    stop = lightgbm.early_stopping(settings.lightgbm.early_stopping_rounds, verbose=False)
    booster = lightgbm.train(
        _parameters(settings, objective),
        data,
        settings.lightgbm.max_rounds,
        valid_sets=[check],
        callbacks=[stop],
    )
    return max(1, int(booster.best_iteration))


def _dataset(X: Float64, amount: Float64, catalogue: Catalogue, chosen: Int64) -> Any:
    import lightgbm

    categories = [place for place, position in enumerate(chosen) if catalogue.features[position].is_category]
    return lightgbm.Dataset(
        np.ascontiguousarray(X[:, chosen]), label=amount, categorical_feature=categories, free_raw_data=False,
        params={"max_bin": 63, "min_data_in_bin": 5, "verbose": -1, "feature_pre_filter": False},
    )  # fmt: skip


def _parameters(settings: ModelSettings, objective: Objective) -> dict[str, Any]:
    """Shrunk hard, for wins are few; no monotone signs, for what goes with winning may go with small amounts."""
    return {
        "objective": objective, "metric": objective, "tweedie_variance_power": TWEEDIE_POWER, "verbosity": -1,
        "num_leaves": 6, "learning_rate": settings.lightgbm.learning_rate, "min_data_in_leaf": 20,
        "lambda_l2": 10.0, "feature_fraction": 0.5, "bagging_fraction": 0.8, "bagging_freq": 1,
        "cat_smooth": 20.0, "cat_l2": 20.0, "min_data_per_group": 20, "max_bin": 63, "min_data_in_bin": 5,
        "feature_pre_filter": False, "deterministic": True, "force_row_wise": True,
        "seed": settings.seed, "num_threads": settings.threads,
    }  # fmt: skip
