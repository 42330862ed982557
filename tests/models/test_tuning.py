"""The search over LightGBM's settings: honest, pruned, told, and the same to the bit."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from features.errors import ConfigError
from models.boosting import fit_trees
from models.settings import LightGBMSettings, ModelSettings, SplitSettings, TuningSettings
from models.split import rolling_folds, slices_of
from models.tuning import Tuning, tune_trees

pytest.importorskip("optuna")


def searched(world: Any, settings: ModelSettings, **budget: float) -> Tuning | None:
    settings = settings.model_copy(update={"tuning": TuningSettings(**budget)})  # type: ignore[arg-type]
    timeline, y = world.examples.timeline, world.y
    folds = rolling_folds(
        timeline, slices_of(timeline, SplitSettings()).development, y, SplitSettings(folds=3)
    )
    return tune_trees(world.X, y, world.catalogue, timeline, folds, settings)


def test_without_a_budget_there_is_no_search(world: Any, quick: ModelSettings) -> None:
    assert searched(world, quick) is None
    only_linear = quick.model_copy(update={"rungs": ("logistic",)})
    assert searched(world, only_linear, trials=3) is None


def test_the_first_trial_is_the_project_s_own_and_the_best_is_never_worse(
    world: Any, quick: ModelSettings
) -> None:
    found = searched(world, quick, trials=10)

    assert found is not None
    assert found.trials[0].values["num_leaves"] == quick.lightgbm.num_leaves
    assert found.trials[0].values["feature_fraction"] == quick.lightgbm.feature_fraction
    assert len(found.trials) == 10
    assert found.best_trial.loss <= found.trials[0].loss
    assert found.best.num_leaves == found.best_trial.values["num_leaves"]
    # rate and rounds stay the project's: the search only compares
    assert found.best.learning_rate == quick.lightgbm.learning_rate
    assert found.best.max_rounds == quick.lightgbm.max_rounds


def test_the_same_seed_gives_the_same_search_and_the_same_trees(world: Any, quick: ModelSettings) -> None:
    first, second = searched(world, quick, trials=8), searched(world, quick, trials=8)

    assert first is not None
    assert second is not None
    assert first == second
    texts = [
        fit_trees(world.X, world.y, world.catalogue, quick.model_copy(update={"lightgbm": each.best}), 5).text
        for each in (first, second)
    ]
    assert texts[0] == texts[1]


def test_bad_trials_are_pruned_and_counted_with_the_folds_they_did(world: Any, quick: ModelSettings) -> None:
    found = searched(world, quick, trials=25)

    assert found is not None
    pruned = [each for each in found.trials if each.state == "pruned"]
    assert pruned
    assert all(each.folds < 3 for each in pruned)
    assert found.best_trial.state == "complete"


def test_settings_at_the_edge_of_what_is_allowed_can_be_searched_from(
    world: Any, quick: ModelSettings
) -> None:
    odd = LightGBMSettings(
        num_leaves=2, min_data_in_leaf=1, lambda_l2=0.0, feature_fraction=0.1, max_rounds=20
    )

    found = searched(world, quick.model_copy(update={"lightgbm": odd}), trials=2)

    assert found is not None
    assert found.trials[0].values["min_data_in_leaf"] == 1


def test_progress_tells_the_best_so_far(world: Any, quick: ModelSettings) -> None:
    said: list[str] = []
    settings = quick.model_copy(update={"tuning": TuningSettings(trials=3)})
    timeline = world.examples.timeline
    folds = rolling_folds(timeline, np.arange(len(world.y)), world.y, SplitSettings(folds=2))

    tune_trees(world.X, world.y, world.catalogue, timeline, folds, settings, said.append)

    assert len(said) == 3
    assert said[-1].startswith("trial 3 of 3: best log loss 0.")


def test_a_budget_in_minutes_ends_by_the_clock_after_one_trial_at_least(
    world: Any, quick: ModelSettings
) -> None:
    found = searched(world, quick, minutes=1e-6)

    assert found is not None
    assert len(found.trials) == 1


def test_without_optuna_the_cure_is_named(
    world: Any, quick: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)

    with pytest.raises(ConfigError, match=r"make setup EXTRAS=tune"):
        searched(world, quick, trials=2)
