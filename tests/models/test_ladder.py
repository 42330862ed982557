"""Fitting the rungs: the world's numbers are found, odd data does not break the fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from features.catalogue import Catalogue, Feature
from models.boosting import FAMILIES
from models.calibration import row_log_loss
from models.encoding import learn_encoding
from models.ladder import Recipe as RecipeOf
from models.ladder import (
    blend_weights,
    fit_logistic_path,
    fit_points,
    fit_rung,
)
from models.metrics import auc
from models.settings import ModelSettings

RULE = Catalogue((Feature("points", "type:visit", "rule0", unit="points", group="points:visit"),))


def test_a_points_table_finds_the_slope_of_its_world() -> None:
    rng = np.random.default_rng(0)
    total = rng.choice([0.0, 5.0, 10.0, 20.0], 20_000)
    y = (rng.random(20_000) < expit(-2.0 + 0.12 * total)).astype(np.float64)

    found = fit_points(total[:, None], y, RULE)

    # standard errors are about 0.003 and 0.03
    assert found.slope == pytest.approx(0.12, abs=0.01)
    assert found.intercept == pytest.approx(-2.0, abs=0.1)


def test_a_points_table_that_points_the_wrong_way_is_worth_nothing() -> None:
    rng = np.random.default_rng(1)
    total = rng.choice([0.0, 10.0], 2000)
    y = (rng.random(2000) < expit(-0.1 * total)).astype(np.float64)

    found = fit_points(total[:, None], y, RULE)

    assert found.slope == 0.0
    assert expit(found.margin(total[:5, None])) == pytest.approx(y.mean())


def test_a_points_table_that_gives_everyone_the_same_is_the_base_rate() -> None:
    y = (np.arange(400) % 4 == 0).astype(np.float64)

    found = fit_points(np.full((400, 1), 7.0), y, RULE)

    assert expit(found.margin(np.full((1, 1), 7.0))) == pytest.approx(0.25)


def test_the_logistic_is_the_optimum_of_its_penalised_loss(world) -> None:  # type: ignore[no-untyped-def]
    columns = learn_encoding(world.X, world.catalogue, world.catalogue.columns(FAMILIES)).columns(world.X)

    def loss(numbers: np.ndarray) -> float:
        odds = numbers[0] + columns @ numbers[1:]
        return float(row_log_loss(world.y, odds).sum() + 50.0 * (numbers[1:] ** 2).sum())

    found = fit_logistic_path(world.X, world.y, world.catalogue, (100.0,))[0]

    ours = loss(np.r_[found.intercept, found.weights])
    best = minimize(loss, np.zeros(1 + columns.shape[1]), method="L-BFGS-B", options={"maxiter": 2000}).fun
    assert ours <= best + 1e-4


def test_a_path_of_penalties_is_each_penalty_by_itself(world) -> None:  # type: ignore[no-untyped-def]
    path = fit_logistic_path(world.X, world.y, world.catalogue, (10.0, 1000.0, 100.0))

    for penalty, found in zip((10.0, 1000.0, 100.0), path, strict=True):
        alone = fit_logistic_path(world.X, world.y, world.catalogue, (penalty,))[0]
        assert found.weights == pytest.approx(alone.weights, abs=1e-4)
    sizes = [float(np.abs(found.weights).sum()) for found in path]
    assert sizes[0] > sizes[2] > sizes[1]


def test_constant_features_leave_the_base_rate(world, quick: ModelSettings) -> None:  # type: ignore[no-untyped-def]
    X = np.tile(np.nan_to_num(world.X[:1]), (800, 1))
    y = (np.arange(800) % 4 == 0).astype(np.float64)

    for rung in ("points", "logistic", "lightgbm", "blend"):
        recipe = RecipeOf(rung, rounds=5, weights=(0.0, 0.5, 0.5))
        assert expit(fit_rung(recipe, X, y, world.catalogue, quick).margin(X[:2])) == pytest.approx(0.25)


def margins_of(seed: int, n: int = 6000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0, 1.5, n), rng.normal(0, 1.5, n)
    return first, second, np.arange(n) % 4


def test_blend_weights_are_those_of_the_world() -> None:
    first, second, block = margins_of(0, 20_000)
    y = (np.random.default_rng(9).random(20_000) < expit(-1 + 0.7 * first + 0.3 * second)).astype(float)

    found = blend_weights(first, second, y, block)

    # standard errors are about 0.015
    assert found == pytest.approx((-1.0, 0.7, 0.3), abs=0.08)


@pytest.mark.parametrize("seed", range(6))
def test_blend_weights_are_never_negative(seed: int) -> None:
    first, second, block = margins_of(seed, 400)
    rng = np.random.default_rng(seed + 100)
    signs = rng.choice([-1.0, 0.0, 1.0], 2)
    y = (rng.random(400) < expit(signs[0] * first + signs[1] * second)).astype(np.float64)

    found = blend_weights(first, second, y, block)

    assert min(found[1:]) >= 0.0
    assert np.isfinite(found).all()


def test_two_equal_parts_blend_into_one() -> None:
    first, _, block = margins_of(3)
    y = (np.random.default_rng(4).random(len(first)) < expit(first)).astype(np.float64)

    found = blend_weights(first, first, y, block)

    assert found[1] + found[2] == pytest.approx(1.0, abs=0.1)


def test_a_base_rate_that_drifts_between_blocks_does_not_flatten_the_blend() -> None:
    first, second, block = margins_of(5, 40_000)
    drift = np.array([-2.5, -1.0, 0.5, 2.0])[block]
    y = (np.random.default_rng(6).random(40_000) < expit(drift + 0.6 * first + 0.4 * second)).astype(float)

    found = blend_weights(first, second, y, block)

    assert found[1:] == pytest.approx((0.6, 0.4), abs=0.06)


def test_folds_of_one_class_each_still_give_weights() -> None:
    first, second, _ = margins_of(7, 40)
    y = np.r_[np.zeros(20), np.ones(20)]

    assert blend_weights(first, second, y, y.astype(int)) == (0.0, 0.5, 0.5)


def test_the_trees_rank_their_world_on_rows_they_did_not_see(world, make_world, quick) -> None:  # type: ignore[no-untyped-def]
    fresh = make_world(2000, seed=77)
    oracle = auc(fresh.y, expit(fresh.log_odds))

    for rung in ("logistic", "lightgbm"):
        recipe = RecipeOf(rung, 100.0, 30)
        margins = fit_rung(recipe, world.X, world.y, world.catalogue, quick).margin(fresh.X)
        assert (auc(fresh.y, expit(margins)) - 0.5) / (oracle - 0.5) > 0.9
