"""Fit alone and activity alone: what each reads, how it is fitted, that it comes back with the same bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from features.catalogue import Catalogue
from models.bands import Anchors
from models.calibration import IDENTITY, fit_calibration
from models.classifier import LogisticRung
from models.encoding import Encoding
from models.evaluation import Evaluation
from models.ladder import fit_logistic_path
from models.metrics import auc
from models.settings import ModelSettings, Plan, RollingSettings, SplitSettings
from models.split import rolling_folds
from models.sub_scores import (
    SubScore,
    choose_sub_recipes,
    fit_sub_scores,
    half_columns,
    sub_scores_from_text,
    sub_scores_text,
)
from models.trainer import evaluate
from tests.models.conftest import World, world_of

ANCHORS = Anchors(0.1, 0.4)
SPLIT = SplitSettings()
QUICK = Plan(
    model=ModelSettings(rungs=("logistic",), bootstrap=100, logistic_penalties=(10.0, 1000.0)),
    rolling=RollingSettings(blocks=1),
)


def evaluated(world: World) -> Evaluation:
    return evaluate(world.examples, world.catalogue, QUICK)


@pytest.fixture(scope="module")
def judged(world: World) -> Evaluation:
    return evaluated(world)


def with_labels(world: World, log_odds: np.ndarray, seed: int = 5) -> World:
    """The world with outcomes that follow other log-odds."""
    y = (np.random.default_rng(seed).random(len(log_odds)) < expit(log_odds)).astype(np.float64)
    return replace(world, examples=replace(world.examples, y=y), log_odds=log_odds)


def test_every_learned_feature_belongs_to_one_half_and_rules_of_a_points_table_to_none(world: World) -> None:
    fit, activity = (set(half_columns(world.catalogue, half).tolist()) for half in ("fit", "activity"))

    names = [world.catalogue.names[place] for place in sorted(fit)]
    assert names == [
        "explicit__source__category", "explicit__budget__value", "explicit__budget__missing",
        "account__people__known", "account__is_priority__value",
    ]  # fmt: skip
    assert fit | activity == {i for i, f in enumerate(world.catalogue.features) if f.family != "points"}
    assert not fit & activity


def test_a_lead_at_the_mql_probability_gets_50_and_one_at_the_sql_probability_80() -> None:
    # one flag, centred on 0 with scale 1: log-odds are those of p_mql without it, those of p_sql with it
    encoding = Encoding(np.array([0]), np.array([-1]), ("plain",), np.zeros(1), np.ones(1))
    step = float(logit(0.4) - logit(0.1))
    rung = LogisticRung(encoding, np.array([step]), float(logit(0.1)), 1)
    half = SubScore(np.array([2]), rung, IDENTITY)

    scores = half.score(np.array([[9.0, 9.0, 0.0], [9.0, 9.0, 1.0]]), ANCHORS)

    assert scores == pytest.approx([50.0, 80.0], abs=1e-9)


def test_the_halves_come_back_from_text_with_the_same_bits_for_one_row_or_all(
    world: World, judged: Evaluation
) -> None:
    recipes = choose_sub_recipes(world.examples, world.catalogue, judged, SPLIT)
    fresh = fit_sub_scores(recipes, world.X, world.y, world.catalogue, 0.125)

    loaded = sub_scores_from_text(sub_scores_text(fresh))

    assert list(loaded) == ["fit", "activity"]
    assert sub_scores_text(loaded) == sub_scores_text(fresh)
    for half, each in fresh.items():
        expected = each.score(world.X, ANCHORS)
        assert loaded[half].score(world.X, ANCHORS).tobytes() == expected.tobytes()
        assert loaded[half].score(world.X[7:8], ANCHORS)[0] == expected[7]


def test_penalty_calibration_and_test_figures_are_those_of_the_ladders_own_steps(
    world: World, judged: Evaluation
) -> None:
    examples, y = world.examples, world.y
    columns = half_columns(world.catalogue, "fit")
    part = Catalogue(tuple(world.catalogue.features[place] for place in columns))
    X = np.ascontiguousarray(world.X[:, columns])

    found = choose_sub_recipes(examples, world.catalogue, judged, SPLIT)["fit"]

    assert found.penalty in QUICK.model.logistic_penalties
    folds = rolling_folds(examples.timeline, judged.slices.development, y, SPLIT)
    margins = np.concatenate([
        fit_logistic_path(X[f.train], y[f.train], part, (10.0, 1000.0))[
            (10.0, 1000.0).index(found.penalty)
        ].margin(X[f.validate])
        for f in folds
    ])  # fmt: skip
    rows = np.concatenate([fold.validate for fold in folds])
    block = np.concatenate([np.full(len(fold.validate), fold.block) for fold in folds])
    assert found.calibration == fit_calibration(margins, y[rows], block, examples.timeline.cluster[rows])
    development, test = judged.slices.development, judged.test_rows
    rung = fit_logistic_path(X[development], y[development], part, (found.penalty,))[0]
    p = found.calibration.probability(rung.margin(X[test]))
    assert found.intervals["auc"].value == pytest.approx(auc(y[test], p), abs=1e-12)
    assert found.intervals["auc"].low < found.intervals["auc"].value < found.intervals["auc"].high


def test_the_half_that_makes_the_outcomes_carries_all_and_the_other_nothing(
    make_world: Callable[..., World],
) -> None:
    plain = make_world(4000, seed=2)
    source, priority = plain.X[:, 0], plain.X[:, 10]
    world = with_labels(plain, -2.0 + 1.8 * (source == 2.0) + 1.2 * priority)

    found = choose_sub_recipes(world.examples, world.catalogue, evaluated(world), SPLIT)

    test = evaluated(world).test_rows
    oracle = auc(world.y[test], expit(world.log_odds[test]))
    assert found["fit"].intervals["auc"].value > oracle - 0.03
    assert found["activity"].intervals["auc"].low < 0.5 < found["activity"].intervals["auc"].high
    assert found["fit"].intervals["log_loss"].value < found["activity"].intervals["log_loss"].value


def test_a_shift_of_the_level_moves_both_halves_alike(world: World, judged: Evaluation) -> None:
    recipes = choose_sub_recipes(world.examples, world.catalogue, judged, SPLIT)
    plain, shifted = (
        fit_sub_scores(recipes, world.X, world.y, world.catalogue, level) for level in (0.0, 0.5)
    )

    for half, each in plain.items():
        moved = shifted[half].log_odds(world.X) - each.log_odds(world.X)
        assert moved == pytest.approx(np.full(len(world.X), 0.5), abs=1e-9)


@pytest.mark.parametrize("kept", ["absent", "constant"])
def test_a_half_without_features_that_vary_is_left_out(kept: str) -> None:
    world = world_of(2000, seed=1)
    if kept == "absent":
        places = [i for i, f in enumerate(world.catalogue.features) if f.family == "explicit"]
        catalogue = Catalogue(tuple(world.catalogue.features[place] for place in places))
        X = np.ascontiguousarray(world.X[:, places])
    else:
        catalogue, X = world.catalogue, world.X.copy()
        X[:, half_columns(catalogue, "activity")] = 1.0
    examples = replace(world.examples, X=X)

    found = choose_sub_recipes(examples, catalogue, evaluate(examples, catalogue, QUICK), SPLIT)

    assert list(found) == ["fit"]


def test_the_record_holds_plain_numbers_and_none_for_what_cannot_be_shown(
    world: World, judged: Evaluation
) -> None:
    recipe = choose_sub_recipes(world.examples, world.catalogue, judged, SPLIT)["fit"]
    unsure = replace(recipe.intervals["auc"], low=float("nan"), high=float("nan"))

    record = replace(recipe, intervals={"auc": unsure}).to_json()

    assert record == {
        "penalty": recipe.penalty,
        "features": 5,
        "auc": [recipe.intervals["auc"].value, None, None],
    }
