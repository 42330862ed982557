"""A search over LightGBM's settings on time-ordered folds: few, honest trials, told from the first to the last."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue
from features.errors import ConfigError
from models.boosting import FAMILIES, TailedData, tailed_data
from models.calibration import recentred, row_log_loss
from models.settings import LightGBMSettings, ModelSettings
from models.split import Fold, Timeline

__all__ = ["SEARCH_RATE", "Tuning", "TuningTrial", "finer_penalties", "tune_trees"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
# the search compares settings at one quick rate; the fits that follow use the slower one of the project
SEARCH_RATE = 0.1
SEARCH_PATIENCE = 20
TRIALS_BEFORE_PRUNING = 5
MOST_TRIALS = 10_000
LEAST_RIDGE = 1e-3
_SEARCHED = ("num_leaves", "min_data_in_leaf", "lambda_l2", "feature_fraction", "bagging_fraction")


@dataclass(frozen=True)
class TuningTrial:
    """One set of settings and the mean out-of-fold log loss it came to; of the folds done if it was pruned."""

    number: int
    values: dict[str, float]
    loss: float
    state: Literal["complete", "pruned"]
    folds: int


@dataclass(frozen=True)
class Tuning:
    """A finished search.

    Attributes
    ----------
    best : the settings with the lowest loss, at the project's own learning rate and rounds.
    trials : every trial; the first is the project's own settings.
    """

    best: LightGBMSettings
    trials: tuple[TuningTrial, ...]

    @property
    def best_trial(self) -> TuningTrial:
        """The one with the lowest loss; the earliest of equals."""
        return _leader(self.trials)


def tune_trees(
    X: Float64, y: Float64, catalogue: Catalogue, timeline: Timeline, folds: list[Fold],
    settings: ModelSettings, progress: Callable[[str], None] | None = None,
) -> Tuning | None:  # fmt: skip
    """The best settings of a search within the budget of `settings.tuning`; None without a budget.

    Each trial fits every fold's training rows with early stopping on their own tail and is judged by the log
    loss on the fold's block, shifted to the block's base rate. Bins are made once a fold; the learning rate is
    the same in all trials; a trial worse than the median of those before it, fold for fold, is pruned. With a
    budget in trials the search is the same to the bit for a seed and number of threads; a budget in minutes
    ends by the clock.

    Raises
    ------
    ConfigError
        If optuna is not installed.
    """
    budget = settings.tuning
    if not (budget.trials or budget.minutes) or "lightgbm" not in settings.rungs:
        return None
    optuna = _optuna()
    chosen = catalogue.columns(FAMILIES)
    data = [tailed_data(X, y, catalogue, timeline, fold.train) for fold in folds]
    blocks = [np.ascontiguousarray(X[fold.validate][:, chosen]) for fold in folds]
    labels = [y[fold.validate] for fold in folds]
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=settings.seed, n_startup_trials=8),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=TRIALS_BEFORE_PRUNING, n_warmup_steps=0),
    )
    own = {name: getattr(settings.lightgbm, name) for name in _SEARCHED}
    study.enqueue_trial(own | {"lambda_l2": max(LEAST_RIDGE, settings.lightgbm.lambda_l2)})
    found: list[TuningTrial] = []
    end = time.monotonic() + 60.0 * budget.minutes if budget.minutes else None
    for number in range(budget.trials or MOST_TRIALS):
        if end is not None and found and time.monotonic() >= end:
            break
        trial = study.ask()
        values = _suggested(trial, settings.lightgbm)
        losses = _losses(trial, settings, values, data, blocks, labels)
        is_complete = len(losses) == len(folds)
        state = optuna.trial.TrialState.COMPLETE if is_complete else optuna.trial.TrialState.PRUNED
        study.tell(trial, _pooled(losses, labels) if is_complete else None, state=state)
        found.append(
            TuningTrial(
                number, values, _pooled(losses, labels), "complete" if is_complete else "pruned", len(losses)
            )
        )
        if progress is not None:
            leader = _leader(found)
            progress(
                f"trial {number + 1}{f' of {budget.trials}' if budget.trials else ''}: best log loss "
                f"{leader.loss:.4f} (trial {leader.number + 1}), the project's own {found[0].loss:.4f}"
            )
    winner = _leader(found)
    best = settings.lightgbm.model_copy(
        update={name: _typed(name, value) for name, value in winner.values.items()}
    )
    return Tuning(best, tuple(found))


def finer_penalties(penalties: tuple[float, ...]) -> tuple[float, ...]:
    """The logistic's penalties and those half a decade around each: a path costs little, for each fit starts the next.

    Examples
    --------
    >>> [round(each, 1) for each in finer_penalties((10.0, 100.0))]
    [3.2, 10.0, 31.6, 100.0, 316.2]
    """
    around = {round(10.0 ** (math.log10(each) + half), 6) for each in penalties for half in (-0.5, 0.0, 0.5)}
    return tuple(sorted(around))


def _leader(trials: Sequence[TuningTrial]) -> TuningTrial:
    return min(
        (each for each in trials if each.state == "complete"), key=lambda each: (each.loss, each.number)
    )


def _suggested(trial: Any, own: LightGBMSettings) -> dict[str, float]:
    """One point of the search space, which always holds the project's own settings."""
    leaves = min(4, own.num_leaves), max(63, own.num_leaves)
    fewest = min(10, own.min_data_in_leaf), max(300, own.min_data_in_leaf)
    ridge = max(LEAST_RIDGE, min(0.1, own.lambda_l2)), max(100.0, own.lambda_l2)
    return {
        "num_leaves": trial.suggest_int("num_leaves", *leaves, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", *fewest, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", *ridge, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", min(0.2, own.feature_fraction), 1.0),
        "bagging_fraction": trial.suggest_float("bagging_fraction", min(0.4, own.bagging_fraction), 1.0),
    }


def _typed(name: str, value: float) -> float | int:
    return int(value) if name in {"num_leaves", "min_data_in_leaf"} else float(value)


def _losses(
    trial: Any, settings: ModelSettings, values: dict[str, float], data: list[TailedData],
    blocks: list[Float64], labels: list[Float64],
) -> list[float]:  # fmt: skip
    """Loss of each fold's block, until the trial is pruned."""
    changes = {name: _typed(name, value) for name, value in values.items()}
    quick = {"learning_rate": SEARCH_RATE, "early_stopping_rounds": SEARCH_PATIENCE}
    trees = settings.lightgbm.model_copy(update=changes | quick)
    losses: list[float] = []
    for step, (fold, block, y) in enumerate(zip(data, blocks, labels, strict=True)):
        raw = fold.boosted(settings, trees).predict(block, raw_score=True, num_threads=settings.threads)
        losses.append(float(row_log_loss(y, recentred(y, np.asarray(raw))).mean()))
        trial.report(_pooled(losses, labels), step)
        if step + 1 < len(data) and trial.should_prune():
            break
    return losses


def _pooled(losses: list[float], labels: list[Float64]) -> float:
    sizes = [len(each) for each in labels[: len(losses)]]
    return float(np.average(losses, weights=sizes))


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(
            "model.tuning asks for a search, which needs optuna: run `make setup EXTRAS=tune`, "
            "or set model.tuning.trials and minutes to 0."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
