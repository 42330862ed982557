"""What a win brings: a planted mean comes back, the level is right, little or nothing known gives the plain mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from features.errors import BundleError
from models.settings import ModelSettings, SplitSettings
from models.split import Fold, rolling_folds
from models.value import AmountModel, AmountsOutOfFold, amounts_out_of_fold, fit_amounts

Float64 = NDArray[np.float64]


def planted_mean(world: Any) -> Float64:
    """Partners buy for e times as much; each visit of the month adds a fifth on the log scale."""
    return np.asarray(np.exp(6.0 + 1.0 * (world.X[:, 0] == 2.0) + 0.2 * world.X[:, 4]))


def gamma_amounts(world: Any, mean: Float64, seed: int = 5) -> Float64:
    """Amounts of the won rows, gamma with a coefficient of variation of 0.5, NaN on the others."""
    drawn = np.random.default_rng(seed).gamma(4.0, mean / 4.0)
    return np.where(world.y == 1.0, drawn, np.nan)


def folds_of(world: Any) -> tuple[Fold, ...]:
    timeline = world.examples.timeline
    return tuple(rolling_folds(timeline, np.arange(len(world.y)), world.y, SplitSettings()))


def out_of_fold(world: Any, amount: Float64, quick: ModelSettings, **how: Any) -> AmountsOutOfFold:
    how = {"may_have_trees": True, **how}
    timeline = world.examples.timeline
    return amounts_out_of_fold(
        world.X, amount, world.catalogue, timeline, folds_of(world), quick, "gamma", **how
    )


def test_a_planted_log_linear_mean_is_recovered_out_of_fold(make_world: Any, quick: ModelSettings) -> None:
    world = make_world(6000, seed=3)
    mean = planted_mean(world)
    amount = gamma_amounts(world, mean)

    found = out_of_fold(world, amount, quick)

    won = ~np.isnan(amount[found.rows])
    assert found.rounds > 0
    assert np.corrcoef(np.log(found.predicted), np.log(mean[found.rows]))[0, 1] > 0.9
    # the sum of n amounts with cv 0.5 has a standard error of about 0.5 / sqrt(n): 4 of them for the truth's sum
    n = won.sum()
    assert found.predicted[won].sum() == pytest.approx(amount[found.rows][won].sum())
    assert found.predicted[won].sum() / mean[found.rows][won].sum() == pytest.approx(
        1.0, abs=4 * 0.7 / np.sqrt(n)
    )


def test_amounts_that_go_with_nothing_keep_the_plain_mean(make_world: Any, quick: ModelSettings) -> None:
    world = make_world(3000, seed=4)
    amount = gamma_amounts(world, np.full(len(world.y), 500.0))

    found = out_of_fold(world, amount, quick)

    assert found.rounds == 0
    assert np.ptp(found.predicted) < 0.2 * found.predicted.mean()  # each fold has its own mean


def test_too_few_wins_for_trees_keep_the_plain_mean_whatever_they_could_tell(
    make_world: Any, quick: ModelSettings
) -> None:
    world = make_world(3000, seed=3)
    amount = gamma_amounts(world, planted_mean(world))

    assert out_of_fold(world, amount, quick, may_have_trees=False).rounds == 0


def test_what_was_given_stands_in_for_the_mean_and_brings_its_own_level(
    make_world: Any, quick: ModelSettings
) -> None:
    world = make_world(3000, seed=3)
    amount = gamma_amounts(world, mean := planted_mean(world))

    found = out_of_fold(world, amount, quick, given=mean / 4.0, may_have_trees=False)

    assert (found.is_given, found.rounds) == (True, 0)
    assert found.factor == pytest.approx(4.0, rel=0.1)
    assert found.predicted.tolist() == (mean[found.rows] / 4.0 * found.factor).tolist()


def test_what_was_given_is_left_where_the_mean_is_clearly_better_or_it_says_nothing(
    make_world: Any, quick: ModelSettings
) -> None:
    world = make_world(3000, seed=3)
    amount = gamma_amounts(world, mean := planted_mean(world))

    turned = out_of_fold(world, amount, quick, given=1.0 / mean, may_have_trees=False)
    unknown = out_of_fold(world, amount, quick, given=np.full(len(mean), np.nan), may_have_trees=False)
    plain = out_of_fold(world, amount, quick, may_have_trees=False)

    assert not turned.is_given
    assert not unknown.is_given
    assert turned.predicted.tolist() == unknown.predicted.tolist() == plain.predicted.tolist()


def test_trees_are_taken_only_if_they_are_clearly_better_than_what_was_given(
    make_world: Any, quick: ModelSettings
) -> None:
    world = make_world(6000, seed=3)
    amount = gamma_amounts(world, mean := planted_mean(world))

    kept, replaced = (out_of_fold(world, amount, quick, given=each) for each in (mean, np.ones(len(mean))))

    assert (kept.is_given, kept.rounds) == (True, 0)
    assert not replaced.is_given
    assert replaced.rounds > 0


def test_rows_to_which_nothing_was_given_are_left_out_of_the_comparison(
    make_world: Any, quick: ModelSettings
) -> None:
    world = make_world(3000, seed=3)
    amount = gamma_amounts(world, mean := planted_mean(world))
    every = out_of_fold(world, amount, quick, may_have_trees=False).rows
    given = np.where(np.arange(len(mean)) % 2 == 0, mean, np.nan)

    found = out_of_fold(world, amount, quick, given=given, may_have_trees=False)

    assert found.rows.tolist() == every[every % 2 == 0].tolist()
    assert np.isfinite(found.predicted).all()


def test_losers_and_later_amounts_do_not_reach_the_folds_before(
    make_world: Any, quick: ModelSettings
) -> None:
    world = make_world(3000, seed=3)
    amount = gamma_amounts(world, planted_mean(world))
    folds = folds_of(world)
    changed = amount.copy()
    changed[folds[-1].validate] *= 100.0

    plain, other = (out_of_fold(world, each, quick) for each in (amount, changed))

    before = np.isin(plain.rows, np.concatenate([fold.validate for fold in folds[:-1]]))
    assert (plain.predicted[before] / plain.factor).tolist() == pytest.approx(
        (other.predicted[before] / other.factor).tolist()
    )


def test_a_model_from_its_json_and_text_predicts_the_same_bits_row_by_row(
    make_world: Any, quick: ModelSettings
) -> None:
    world = make_world(2000, seed=3)
    amount = gamma_amounts(world, planted_mean(world))
    model = replace(fit_amounts(world.X, amount, world.catalogue, quick, "gamma", 15), factor=1.1)

    again = AmountModel.from_json(model.to_json(), model.text)

    whole = model.predict(world.X)
    assert again.predict(world.X).tolist() == whole.tolist()
    assert [again.predict(world.X[row : row + 1])[0] for row in range(20)] == whole[:20].tolist()
    assert (whole > 0).all()


def test_a_value_model_whose_trees_are_missing_is_refused(make_world: Any, quick: ModelSettings) -> None:
    world = make_world(2000, seed=3)
    model = fit_amounts(
        world.X, gamma_amounts(world, planted_mean(world)), world.catalogue, quick, "gamma", 5
    )

    with pytest.raises(BundleError, match="their text is missing"):
        AmountModel.from_json(model.to_json(), None)
    with pytest.raises(BundleError, match="unknown shape"):
        AmountModel.from_json({"has_trees": False}, None)
