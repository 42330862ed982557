"""Metrics by hand, against scikit-learn, and as properties."""

from __future__ import annotations

import doctest
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit

from features.errors import InputError
from models import metrics
from models.metrics import (
    auc,
    auc_within_blocks,
    average_precision,
    brier,
    calibration_intercept,
    calibration_ratio,
    calibration_slope,
    calibration_slope_intercept,
    ece,
    evaluator,
    gain_curve,
    lift_at,
    log_loss,
    precision_at,
    rank,
    recall_at,
    reliability_table,
)

Array = NDArray[np.float64]
GROUPED = (auc, average_precision, log_loss, brier, calibration_ratio, calibration_intercept, ece)
RANKED = (partial(lift_at, share=0.3), partial(precision_at, k=3), partial(recall_at, share=0.3))


@st.composite
def tied_rows(draw: st.DrawFn) -> tuple[Array, Array]:
    n = draw(st.integers(4, 40))
    p = draw(st.lists(st.integers(1, 9), min_size=n, max_size=n))
    y = draw(st.lists(st.integers(0, 1), min_size=n - 2, max_size=n - 2))
    return np.array([0.0, 1.0, *y]), np.array(p) / 10.0


def simulated(n: int = 5000, seed: int = 0) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    margins = generator.normal(-1.5, 1.2, n)
    return (generator.random(n) < expit(margins)).astype(np.float64), np.asarray(expit(margins))


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(metrics).failed == 0


@settings(max_examples=60, deadline=None)
@given(tied_rows())
def test_metrics_equal_those_of_scikit_learn_with_ties(rows: tuple[Array, Array]) -> None:
    y, p = rows

    assert auc(y, p) == pytest.approx(oracle.roc_auc_score(y, p), abs=1e-12)
    assert average_precision(y, p) == pytest.approx(oracle.average_precision_score(y, p), abs=1e-12)
    assert log_loss(y, p) == pytest.approx(oracle.log_loss(y, p), abs=1e-12)
    assert brier(y, p) == pytest.approx(oracle.brier_score_loss(y, p), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(tied_rows(), st.integers(0, 1000))
def test_the_order_of_rows_does_not_change_metrics_that_group_ties(
    rows: tuple[Array, Array], seed: int
) -> None:
    y, p = rows
    shuffled = np.random.default_rng(seed).permutation(len(y))

    for metric in GROUPED:
        assert metric(y, p) == pytest.approx(metric(y[shuffled], p[shuffled]), abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(tied_rows(), st.integers(0, 1000))
def test_a_weight_counts_like_that_many_copies_of_the_row(rows: tuple[Array, Array], seed: int) -> None:
    y, p = rows
    times = np.random.default_rng(seed).integers(0, 4, len(y))
    times[:2] = 1
    copies = np.repeat(np.arange(len(y)), times)

    for metric in (*GROUPED, *RANKED):
        ranking = rank(y, p)
        weigh = evaluator(metric, ranking)
        assert weigh is not None
        weighted = weigh(times[ranking.order].astype(np.float64))
        assert weighted == pytest.approx(metric(y[copies], p[copies]), abs=1e-7)


def test_the_slope_weighs_rows_like_copies() -> None:
    y, p = simulated(400)
    times = np.random.default_rng(6).integers(0, 4, len(y))
    ranking = rank(y, p)
    weigh = evaluator(calibration_slope, ranking)
    copies = np.repeat(np.arange(len(y)), times)

    assert weigh is not None
    weigh(np.ones(len(y)))
    weighted = weigh(times[ranking.order].astype(np.float64))

    assert weighted == pytest.approx(calibration_slope(y[copies], p[copies]), abs=1e-8)


def test_pairs_across_time_blocks_do_not_count() -> None:
    y, p, blocks = [0, 1, 0, 1], [0.1, 0.2, 0.8, 0.9], ["a", "a", "b", "b"]

    assert auc_within_blocks(y, p, blocks) == 1.0
    assert auc_within_blocks(y, [0.2, 0.1, 0.9, 0.8], blocks) == 0.0
    assert auc([0, 0, 1, 1], p) == 1.0
    assert np.isnan(auc_within_blocks([0, 0, 1, 1], p, blocks))


def test_blocks_are_pooled_by_their_number_of_pairs() -> None:
    y, p = simulated(600)
    blocks = np.random.default_rng(3).integers(0, 4, len(y))
    p = np.round(p, 2)
    parts = [blocks == block for block in range(4)]
    pairs = np.array([y[part].sum() * (1 - y[part]).sum() for part in parts])
    each = np.array([auc(y[part], p[part]) for part in parts])

    pooled = auc_within_blocks(y, p, blocks)

    assert pooled == pytest.approx(float((each * pairs).sum() / pairs.sum()), abs=1e-12)


def test_one_class_gives_nan_where_pairs_or_wins_are_needed() -> None:
    p = [0.1, 0.2]

    for metric in (auc, average_precision, calibration_ratio, calibration_slope, calibration_intercept):
        assert np.isnan(metric([0, 0], p))
    assert np.isnan(lift_at([0, 0], p, 0.5))
    assert np.isnan(recall_at([0, 0], p, 0.5))
    assert np.isnan(calibration_slope_intercept([1, 1], p).slope)
    assert np.isnan(gain_curve([0, 0], p)[1]).all()


def test_top_of_the_ranking_breaks_ties_by_position() -> None:
    y, p = [0, 1, 1, 0], [0.5, 0.5, 0.9, 0.1]

    assert precision_at(y, p, 1) == 1.0
    assert precision_at(y, p, 2) == 0.5
    assert precision_at(y, p, 99) == 0.5
    assert recall_at(y, p, 0.75) == 1.0
    assert recall_at(y, p, 1.0) == 1.0
    assert recall_at(y, p, 0.5) == 0.5
    assert lift_at(y, p, 0.25) == 2.0


def test_the_gain_curve_runs_from_nothing_to_everything() -> None:
    contacted, reached = gain_curve([0, 1, 1, 0], [0.5, 0.4, 0.9, 0.1])

    assert contacted.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert reached.tolist() == [0.0, 0.5, 0.5, 1.0, 1.0]


def test_slope_and_intercepts_are_those_the_world_was_made_with() -> None:
    generator = np.random.default_rng(1)
    margins = generator.normal(0.0, 1.5, 40_000)
    y = (generator.random(40_000) < expit(0.6 * margins - 0.4)).astype(np.float64)

    line = calibration_slope_intercept(y, margins)

    # standard errors at n = 40,000 are about 0.01; 0.04 is four of them
    assert line.slope == pytest.approx(0.6, abs=0.04)
    assert line.intercept == pytest.approx(-0.4, abs=0.04)
    assert (expit(margins + line.intercept_in_the_large) - y).sum() == pytest.approx(0.0, abs=1e-6)
    assert calibration_slope(y, expit(margins)) == pytest.approx(line.slope, abs=1e-8)
    assert calibration_intercept(y, expit(margins)) == pytest.approx(line.intercept_in_the_large, abs=1e-8)


def test_perfect_separation_ends_with_a_large_finite_slope() -> None:
    line = calibration_slope_intercept([0, 0, 1, 1], [-2.0, -1.0, 1.0, 2.0])

    assert np.isfinite(line.slope)
    assert line.slope > 5.0


def test_equal_log_odds_have_no_slope_but_an_intercept() -> None:
    line = calibration_slope_intercept([0, 1, 1], [0.0, 0.0, 0.0])

    assert np.isnan(line.slope)
    assert line.intercept_in_the_large == pytest.approx(np.log(2.0), abs=1e-6)


def test_ece_is_the_mean_gap_over_equal_count_bins() -> None:
    y, p = [0, 0, 1, 1], [0.1, 0.3, 0.6, 0.8]

    assert ece(y, p, bins=2) == pytest.approx((0.2 + 0.3) / 2)
    assert ece(y, [0.5] * 4, bins=2) == 0.0


def test_the_reliability_table_keeps_ties_together_and_adds_up_to_ece() -> None:
    y, p = simulated(999)
    p = np.round(p, 1)

    table = reliability_table(y, p, 10)

    gap = sum(each.n_rows * abs(each.predicted - each.observed) for each in table) / len(y)
    assert gap == pytest.approx(ece(y, p, 10), abs=1e-12)
    assert sum(each.n_rows for each in table) == len(y)
    assert all(low.p_high < high.p_low for low, high in pairwise(table))


def test_calibration_ratio_is_predicted_over_observed() -> None:
    assert calibration_ratio([1, 0], [0.6, 0.6]) == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("y", "p", "words"),
    [
        ([0, 1], [0.1], "equal, not empty"),
        ([], [], "equal, not empty"),
        ([0, 2], [0.1, 0.2], "neither 0 nor 1"),
        ([0, 1], [0.1, np.nan], "1 of 2 probabilities are NaN"),
    ],
)
def test_rows_that_can_not_be_measured_are_named(y: list[float], p: list[float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        auc(y, p)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(InputError, match="share of the ranking"):
        lift_at([0, 1], [0.1, 0.2], 0.0)
    with pytest.raises(InputError, match="k of at least 1"):
        precision_at([0, 1], [0.1, 0.2], 0)
    with pytest.raises(InputError, match="3 blocks for 2 rows"):
        auc_within_blocks([0, 1], [0.1, 0.2], [1, 2, 3])


def test_a_foreign_metric_has_no_weighted_form() -> None:
    assert evaluator(oracle.roc_auc_score, rank([0, 1], [0.1, 0.2])) is None
    assert evaluator(partial(lift_at, [0, 1]), rank([0, 1], [0.1, 0.2])) is None
