"""Choosing the rung: the simplest that isn't clearly worse, never one that points the wrong way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from features.catalogue import Catalogue, Feature
from features.errors import ConfigError, NoModelError
from models.selection import OutOfFold, Selection, out_of_fold, select_rung, within_needs
from models.settings import ModelSettings, SplitSettings
from models.split import Timeline, rolling_folds

Float64 = NDArray[np.float64]
N = 4000
BLOCK = np.arange(N) % 4
CATALOGUE = Catalogue((
    Feature("implicit", "any", "count", 86_400_000_000, "count", group="any"),
    Feature("points", "type:visit", "rule0", unit="points", group="points:visit"),
))  # fmt: skip


def chosen_of(margins: dict[str, Float64], y: Float64, settings: ModelSettings | None = None) -> Selection:
    found = OutOfFold(np.arange(N), BLOCK, margins, 100.0, (10, 30, 20))
    timeline = Timeline(np.arange(N), np.arange(N), np.arange(N))
    return select_rung(found, y, timeline, settings or ModelSettings(), CATALOGUE)


def drawn(seed: int, log_odds: Float64) -> Float64:
    return np.asarray(np.random.default_rng(seed).random(N) < expit(log_odds), dtype=np.float64)


def noise(seed: int, scale: float) -> Float64:
    return np.random.default_rng(seed).normal(0.0, scale, N)


TRUTH = noise(0, 1.5)


def test_of_equal_rungs_the_simplest_is_chosen() -> None:
    margins = {"points": TRUTH, "logistic": TRUTH, "lightgbm": TRUTH}

    found = chosen_of(margins, drawn(1, TRUTH))

    assert found.recipe.rung == "points"
    assert [trial.rung for trial in found.trials] == ["points", "logistic", "lightgbm", "blend"]
    assert not any(trial.clearly_worse for trial in found.trials)


def test_a_rung_that_is_clearly_worse_is_passed_over() -> None:
    margins = {"points": TRUTH + noise(2, 4.0), "logistic": TRUTH, "lightgbm": TRUTH + noise(3, 0.05)}

    found = chosen_of(margins, drawn(1, TRUTH))

    assert found.recipe.rung == "logistic"
    assert found.trials[0].clearly_worse


def test_worse_by_less_than_one_standard_error_is_not_clearly_worse() -> None:
    y = drawn(1, TRUTH)
    margins = {"points": TRUTH + noise(2, 0.1), "logistic": TRUTH, "lightgbm": TRUTH}

    found = chosen_of(margins, y)

    losses = {trial.rung: trial.losses for trial in found.trials}
    gap = losses["points"] - losses["logistic"]
    assert gap.mean() < gap.std() / np.sqrt(N)
    assert found.recipe.rung == "points"


def test_a_blend_is_chosen_where_both_parts_know_something() -> None:
    first, second = noise(4, 1.2), noise(5, 1.2)

    found = chosen_of(
        {"points": noise(6, 1), "logistic": first, "lightgbm": second}, drawn(7, first + second)
    )

    assert found.recipe.rung == "blend"
    assert found.recipe.weights[1:] == pytest.approx((1.0, 1.0), abs=0.15)


def test_a_rung_that_points_the_wrong_way_is_never_chosen() -> None:
    y = drawn(8, 0.15 * TRUTH)

    found = chosen_of({"points": -TRUTH, "logistic": TRUTH, "lightgbm": TRUTH}, y)

    assert found.recipe.rung == "logistic"


@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_a_rung_that_says_the_same_of_all_leads_of_a_block_is_never_chosen(drift: float) -> None:
    weak = 0.06 * TRUTH
    constant = np.asarray(drift * BLOCK - 1.0, dtype=np.float64)

    found = chosen_of({"points": constant, "logistic": weak, "lightgbm": weak}, drawn(21, weak))

    assert found.recipe.rung == "logistic"


def test_where_no_rung_ranks_one_is_still_chosen_for_the_refusal_to_judge() -> None:
    y = drawn(9, np.full(N, -1.0))
    wrong = -(y - y.mean()) + noise(1, 0.3)

    found = chosen_of({"points": wrong, "logistic": wrong, "lightgbm": wrong}, y)

    assert found.recipe.rung in ("points", "logistic", "lightgbm", "blend")
    assert np.isfinite(found.log_odds).all()


def test_a_base_rate_that_drifts_between_blocks_does_not_flatten_the_calibration() -> None:
    drift = np.array([-2.5, -1.0, 0.5, 2.0])[BLOCK]
    y = drawn(10, drift + TRUTH)

    found = chosen_of({"logistic": TRUTH}, y, ModelSettings(rungs=("logistic",)))

    assert found.calibration.kind == "platt"
    assert found.calibration.coefficients[0] == pytest.approx(1.0, abs=0.12)


def test_a_rung_does_not_win_by_luck_with_the_base_rate_of_a_block() -> None:
    drift = np.array([-2.5, -1.0, 0.5, 2.0])[BLOCK]
    y = drawn(11, drift + TRUTH)
    lucky = drift + TRUTH + noise(12, 1.0)

    found = chosen_of({"points": TRUTH, "logistic": lucky, "lightgbm": lucky}, y)

    assert found.recipe.rung == "points"


def test_the_rounds_are_the_folds_median() -> None:
    y = drawn(1, TRUTH)

    found = chosen_of({"points": TRUTH, "logistic": TRUTH, "lightgbm": TRUTH}, y)

    assert found.recipe.rounds == 20


def test_the_log_odds_are_the_calibrated_margins_of_the_chosen_rung() -> None:
    y = drawn(1, TRUTH)

    found = chosen_of({"points": TRUTH * 3, "logistic": TRUTH, "lightgbm": TRUTH}, y)

    assert (found.log_odds == found.calibration.log_odds(found.margins)).all()
    assert (found.margins == TRUTH * 3).all()
    # in-sample calibration with a constant keeps the sum of the probabilities
    assert expit(found.log_odds).sum() == pytest.approx(y.sum(), rel=1e-6)


def test_rungs_without_any_feature_are_a_fault_of_the_settings(world) -> None:  # type: ignore[no-untyped-def]
    y = drawn(1, TRUTH)
    table_only = ModelSettings(rungs=("points",))
    found = OutOfFold(np.arange(N), BLOCK, {}, 100.0, ())
    timeline = Timeline(np.arange(N), np.arange(N), np.arange(N))

    with pytest.raises(ConfigError, match=r"rungs points has features.*model\.rungs"):
        select_rung(found, y, timeline, table_only, Catalogue(CATALOGUE.features[:1]))


def test_every_out_of_fold_row_is_predicted_once_by_a_model_that_never_saw_it(world, quick) -> None:  # type: ignore[no-untyped-def]
    timeline, rows = world.examples.timeline, np.arange(len(world.y))
    folds = rolling_folds(timeline, rows, world.y, SplitSettings(folds=3))

    found = out_of_fold(world.X, world.y, world.catalogue, timeline, folds, quick)

    assert len(np.unique(found.rows)) == len(found.rows)
    assert sorted(found.margins) == ["lightgbm", "logistic", "points"]
    assert all(len(margins) == len(found.rows) for margins in found.margins.values())
    assert len(found.rounds) == len(folds) == 3


def test_labels_of_a_block_do_not_change_its_own_margins(world, quick) -> None:  # type: ignore[no-untyped-def]
    timeline, rows = world.examples.timeline, np.arange(len(world.y))
    folds = rolling_folds(timeline, rows, world.y, SplitSettings(folds=3))
    last = folds[-1].validate
    turned = world.y.copy()
    turned[last] = 1 - turned[last]

    plain = out_of_fold(world.X, world.y, world.catalogue, timeline, folds[-1:], quick)
    other = out_of_fold(world.X, turned, world.catalogue, timeline, folds[-1:], quick)

    assert (plain.margins["lightgbm"] == other.margins["lightgbm"]).all()
    assert (plain.margins["points"] == other.margins["points"]).all()


def test_rungs_that_the_features_can_not_carry_are_left_out(world, quick) -> None:  # type: ignore[no-untyped-def]
    table = Catalogue(world.catalogue.features[11:])
    timeline, rows = world.examples.timeline, np.arange(len(world.y))
    folds = rolling_folds(timeline, rows, world.y, SplitSettings(folds=2))

    found = out_of_fold(world.X[:, 11:], world.y, table, timeline, folds, quick)
    chosen = select_rung(found, world.y, timeline, quick, table)

    assert list(found.margins) == ["points"]
    assert chosen.recipe.rung == "points"


def test_rungs_without_the_conversions_they_need_are_not_tried(world: Any, quick: ModelSettings) -> None:
    model, said = within_needs(quick, world.catalogue, 90)

    assert model.rungs == ("points", "logistic")
    assert model.logistic_penalties == (*quick.logistic_penalties, 10 * max(quick.logistic_penalties))
    assert said == (
        "Not tried: a model of boosted trees, which needs 150 conversions in development (model.needs); there are 90, "
        "60 more are needed.",
    )


def test_with_enough_conversions_every_rung_is_tried(world: Any, quick: ModelSettings) -> None:
    model, said = within_needs(quick, world.catalogue, 150)

    assert model.rungs == quick.rungs
    assert model.logistic_penalties == quick.logistic_penalties
    assert said == ()


def test_where_no_rung_has_what_it_needs_the_missing_conversions_are_counted(
    world: Any, quick: ModelSettings
) -> None:
    only_trees = quick.model_copy(update={"rungs": ("lightgbm",)})

    with pytest.raises(
        NoModelError, match=r"90 conversions, lightgbm would take 150 \(model.needs\), 60 more"
    ):
        within_needs(only_trees, world.catalogue, 90)
