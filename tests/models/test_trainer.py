"""Evaluation as a whole: it finds a known world, refuses noise, and counts what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from features.errors import InputError, NoModelError
from models import trainer
from models.bands import Anchors
from models.evaluation import Evaluation, Examples
from models.metrics import auc
from models.settings import (
    BandSettings,
    ModelSettings,
    Plan,
    RollingSettings,
    SplitSettings,
    TuningSettings,
)
from models.split import Timeline
from models.trainer import evaluate

DAY = 86_400_000_000


def judged(world: Any, quick: ModelSettings, examples: Examples | None = None, **plan: Any) -> Evaluation:
    return evaluate(examples or world.examples, world.catalogue, Plan(model=quick, **plan))


def with_labels(world: Any, y: np.ndarray) -> Examples:
    found: Examples = replace(world.examples, y=y)
    return found


def test_a_known_world_is_ranked_and_calibrated_nearly_as_well_as_can_be(
    make_world: Callable[..., Any], quick: ModelSettings
) -> None:
    world = make_world(4000, seed=3)

    found = judged(world, quick)

    odds, y = world.log_odds[found.test_rows], world.y[found.test_rows]
    oracle, p = expit(odds), expit(found.test_log_odds)
    assert not found.is_refused
    assert found.n_folds == 4
    assert (auc(y, p) - 0.5) / (auc(y, oracle) - 0.5) > 0.9
    # against the truth, not the labels: no noise of the draw but that of the fit, about 1 / sqrt(conversions)
    assert p.mean() / oracle.mean() == pytest.approx(1.0, abs=0.12)
    bins = np.array_split(np.argsort(p), 10)
    assert np.mean([abs(p[rows].mean() - oracle[rows].mean()) for rows in bins]) < 0.04


def test_the_test_is_never_seen_by_what_development_chose(world: Any, quick: ModelSettings) -> None:
    plain = judged(world, quick)
    turned = world.y.copy()
    turned[plain.slices.test] = 1 - turned[plain.slices.test]
    turned[plain.slices.gap] = 1 - turned[plain.slices.gap]

    other = judged(world, quick, with_labels(world, turned))

    assert other.selection.recipe == plain.selection.recipe
    assert other.selection.calibration == plain.selection.calibration
    assert other.anchors == plain.anchors
    assert (other.test_log_odds == plain.test_log_odds).all()


def test_a_second_run_gives_the_same_bits(world: Any, quick: ModelSettings) -> None:
    first, second = judged(world, quick), judged(world, quick)

    assert (first.test_log_odds == second.test_log_odds).all()
    assert first.intervals == second.intervals


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_labels_are_refused(seed: int, world: Any, quick: ModelSettings) -> None:
    shuffled = np.random.default_rng(seed).permutation(world.y)

    found = judged(world, quick, with_labels(world, shuffled))

    assert found.is_refused


def test_constant_features_are_refused(world: Any, quick: ModelSettings) -> None:
    X = np.tile(np.nan_to_num(world.X[:1]), (len(world.y), 1))

    found = judged(world, quick, replace(world.examples, X=X))

    assert found.is_refused


@pytest.mark.parametrize(("label", "words"), [(0.0, "has 0 conversions"), (1.0, "and 0 other rows")])
def test_a_single_class_is_refused_with_the_counts(
    label: float, words: str, world: Any, quick: ModelSettings
) -> None:
    with pytest.raises(NoModelError, match=words):
        judged(world, quick, with_labels(world, np.full(len(world.y), label)))


def test_too_few_conversions_are_refused_with_how_many_more_are_needed(
    world: Any, quick: ModelSettings
) -> None:
    y = np.zeros(len(world.y))
    y[np.argsort(world.examples.timeline.order)[:12]] = 1.0

    with pytest.raises(NoModelError, match=r"development has 12 conversions and \d+ other rows.*8 more conv"):
        judged(world, quick, with_labels(world, y))


def test_a_test_slice_without_conversions_is_refused_with_its_counts(
    world: Any, quick: ModelSettings
) -> None:
    order = world.examples.timeline.order
    y = np.where(order >= np.quantile(order, 0.75), 0.0, world.y)

    with pytest.raises(NoModelError, match=r"test slice has 0 conversions in \d+ rows"):
        judged(world, quick, with_labels(world, y))


@pytest.mark.parametrize("bad", [np.nan, 2.0, -1.0])
def test_labels_that_are_neither_0_nor_1_are_refused_with_their_count(
    bad: float, world: Any, quick: ModelSettings
) -> None:
    y = world.y.copy()
    y[[3, 7]] = bad

    with pytest.raises(InputError, match=r"2 of 2000 labels are neither 0 nor 1"):
        judged(world, quick, with_labels(world, y))


def test_without_an_order_the_split_is_random_by_account_and_says_so_loudly(
    world: Any, quick: ModelSettings
) -> None:
    plain = world.examples.timeline
    zeros = np.zeros_like(plain.order)
    unordered = replace(world.examples, timeline=Timeline(zeros, zeros, plain.cluster, is_ordered=False))

    found = judged(world, quick, unordered)

    assert any(note.startswith("WARNING") and "random" in note for note in found.notes)
    assert not np.isin(plain.cluster[found.slices.test], plain.cluster[found.slices.development]).any()
    assert not found.is_refused


def test_a_short_history_falls_back_to_folds_by_account_and_says_so(world: Any, quick: ModelSettings) -> None:
    plain = world.examples.timeline
    order = np.where(plain.order > np.quantile(plain.order, 0.7), 60 * DAY, 0)
    short = replace(world.examples, timeline=Timeline(order, order + 30 * DAY, plain.cluster))

    found = judged(world, quick, short)

    assert any("whole accounts drawn by hash" in note for note in found.notes)
    assert found.n_folds == 4


def test_sizes_count_rows_leads_and_conversions(world: Any, quick: ModelSettings) -> None:
    found = judged(world, quick)

    test = found.slices.test
    assert found.sizes["test"].rows == len(test)
    assert found.sizes["test"].leads == len(set(world.examples.lead[test].tolist()))
    assert found.sizes["test"].conversions == int(world.y[test].sum())
    assert sum(size.rows for size in found.sizes.values()) == len(world.y)
    assert 0 < found.sizes["test"].rate < 1


def test_each_checkpoint_of_age_has_its_auc(world: Any, quick: ModelSettings) -> None:
    age = np.where(np.arange(len(world.y)) % 2 == 0, DAY, 7 * DAY)

    found = judged(world, quick, replace(world.examples, age=age))

    rows = age[found.test_rows] == DAY
    expected = auc(world.y[found.test_rows][rows], expit(found.test_log_odds[rows]))
    assert list(found.by_age) == [DAY, 7 * DAY]
    assert found.by_age[DAY].value == pytest.approx(expected)


def test_the_figure_on_unseen_accounts_holds_only_accounts_never_trained_on(
    world: Any, quick: ModelSettings
) -> None:
    account = world.examples.account.copy()
    order = world.examples.timeline.order
    is_late = order >= np.quantile(order, 0.8)
    account[is_late & (np.arange(len(order)) % 2 == 0)] += 10_000

    found = judged(world, quick, replace(world.examples, account=account))

    of_test = account[found.test_rows]
    rows = (of_test >= 0) & ~np.isin(of_test, account[found.slices.development])
    expected = auc(world.y[found.test_rows][rows], expit(found.test_log_odds[rows]))
    assert found.unseen_accounts is not None
    assert found.unseen_accounts.value == pytest.approx(expected)


def test_too_few_unseen_accounts_give_no_figure(world: Any, quick: ModelSettings) -> None:
    nobody = np.full(len(world.y), -1)

    assert judged(world, quick, replace(world.examples, account=nobody)).unseen_accounts is None


def test_the_champions_anchors_are_kept(world: Any, quick: ModelSettings) -> None:
    anchors = Anchors(0.111, 0.333, "given")

    found = evaluate(world.examples, world.catalogue, Plan(model=quick), champion_anchors=anchors)

    assert found.anchors is anchors


def test_the_default_anchors_leave_three_tenths_above_mql_and_one_above_sql(
    world: Any, quick: ModelSettings
) -> None:
    found = judged(world, quick)

    p = expit(found.selection.log_odds)
    assert (p >= found.anchors.p_mql).mean() == pytest.approx(0.3, abs=0.01)
    assert (p >= found.anchors.p_sql).mean() == pytest.approx(0.1, abs=0.01)


def test_progress_is_told_and_the_test_is_said_to_be_read_once(world: Any, quick: ModelSettings) -> None:
    told: list[str] = []

    evaluate(
        world.examples,
        world.catalogue,
        Plan(model=quick, split=SplitSettings(folds=2)),
        progress=told.append,
    )

    assert told[0].startswith("fold 1 of 2")
    assert sum("read once" in line for line in told) == 1


def test_precision_within_capacity_is_that_of_the_same_share_of_the_test() -> None:
    plan = Plan(bands=BandSettings(method="capacity", mql=50, sql=10))
    none = np.zeros(0, dtype=np.int64)
    rows = Examples(
        np.zeros((0, 1)), np.zeros(0), Timeline(none, none, none), none, none, none, n_scored=100
    )  # fmt: skip
    y, p = np.array([1.0, 0.0, 1.0, 0.0] * 5), np.linspace(1.0, 0.1, 20)

    found = trainer._at_capacity(rows, plan, 20)

    assert found["precision_at_capacity"](y, p) == 0.5
    assert trainer._at_capacity(rows, Plan(), 20) == {}


def test_refits_through_the_test_use_only_what_was_known(world: Any, quick: ModelSettings) -> None:
    often = RollingSettings(blocks=4, refit_every=1)
    plain = judged(world, quick, rolling=often)
    assert plain.rolling is not None
    last = plain.rolling.block == len(plain.rolling.start) - 1
    turned = world.y.copy()
    turned[plain.test_rows[last]] = 1 - turned[plain.test_rows[last]]

    other = judged(world, quick, with_labels(world, turned), rolling=often)

    assert plain.cadence == 1
    assert (other.test_log_odds == plain.test_log_odds).all()
    assert (plain.test_log_odds != plain.static_log_odds).any()


def test_without_refits_the_headline_is_the_model_fitted_once(world: Any, quick: ModelSettings) -> None:
    found = judged(world, quick, rolling=RollingSettings(blocks=3, prior_shift=False))
    off = judged(world, quick, rolling=RollingSettings(blocks=1))

    assert found.rolling is not None
    assert found.cadence == len(found.rolling.start) == 3
    assert (found.test_log_odds == found.static_log_odds).all()
    assert found.shift.value == 0.0
    assert off.rolling is None
    assert (off.test_log_odds == found.static_log_odds).all()


def test_a_rate_that_rises_through_the_test_is_followed_when_the_model_is_refitted(
    make_world: Callable[..., Any], quick: ModelSettings
) -> None:
    world = make_world(8000, seed=5)
    order, cluster = world.examples.timeline.order, world.examples.timeline.cluster
    late = order > 17 * 14 * DAY
    rng = np.random.default_rng(2)
    y = np.where(rng.random(len(late)) < 0.5, np.maximum(world.y, late), world.y)
    moved = replace(with_labels(world, y), timeline=Timeline(order, order + DAY, cluster))

    static = judged(world, quick, moved, rolling=RollingSettings(blocks=5, prior_shift=False))
    followed = judged(world, quick, moved, rolling=RollingSettings(blocks=5, refit_every=1))

    ratio = [abs(np.log(each.intervals["calibration_ratio"].value)) for each in (static, followed)]
    assert ratio[1] < 0.7 * ratio[0]
    assert followed.shift.value > 0.0


def test_a_search_changes_the_trees_of_every_later_fit(world: Any, quick: ModelSettings) -> None:
    pytest.importorskip("optuna")
    model = quick.model_copy(update={"tuning": TuningSettings(trials=4)})

    found = judged(world, model)

    assert found.tuning is not None
    assert found.model.lightgbm == found.tuning.best
    assert len(found.tuning.trials) == 4
    assert len(found.model.logistic_penalties) > len(quick.logistic_penalties)
    assert found.recipe.penalty in found.model.logistic_penalties


def test_the_learning_curve_ends_with_the_model_itself(world: Any, quick: ModelSettings) -> None:
    found = judged(world, quick)

    assert found.curve[-1].auc.value == auc(world.y[found.test_rows], found.static_log_odds)
    assert found.curve[-1].conversions == found.sizes["development"].conversions


def test_the_calibration_error_of_a_good_model_is_near_its_floor(
    make_world: Callable[..., Any], quick: ModelSettings
) -> None:
    world = make_world(6000, seed=8)

    found = judged(world, quick)

    assert 0.0 < found.ece_floor < 0.1
    assert found.intervals["ece"].value < 1.5 * found.ece_floor


def test_few_conversions_try_fewer_rungs_and_say_so(
    make_world: Callable[..., Any], quick: ModelSettings
) -> None:
    world = make_world(500, seed=4)

    found = judged(world, quick)

    assert found.sizes["development"].conversions < 150
    assert {trial.rung for trial in found.selection.trials} == {"points", "logistic"}
    assert any(note.startswith("Not tried: a model of boosted trees") for note in found.notes)
