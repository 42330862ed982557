"""Calibration: finds the world's line, never falls, same bits for one row and many."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from features.errors import InputError
from models import calibration
from models.calibration import IDENTITY, Calibration, fit_calibration, fit_logistic, row_log_loss

KINDS = (
    IDENTITY,
    Calibration("platt", (0.7, -0.3)),
    Calibration("beta", (0.8, 1.7, 0.2)),
    Calibration("isotonic", (0.9, -2.5, -3.0, -0.5, -0.75, 1.5, 0.25)),
)


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(calibration).failed == 0


def test_a_straight_world_gives_platt_with_its_numbers() -> None:
    generator = np.random.default_rng(0)
    margins = generator.normal(-1.0, 1.5, 30_000)
    y = generator.random(30_000) < expit(0.6 * margins - 0.5)

    found = fit_calibration(margins, y, np.arange(30_000) % 5)

    assert found.kind == "platt"
    # standard errors are about 0.01 and 0.02
    assert found.coefficients == pytest.approx((0.6, -0.5), abs=0.06)


def test_a_bent_world_gives_beta_with_its_numbers() -> None:
    generator = np.random.default_rng(1)
    margins = generator.normal(0.0, 2.0, 40_000)
    truth = Calibration("beta", (1.6, 0.4, 0.3))
    y = generator.random(40_000) < truth.probability(margins)

    found = fit_calibration(margins, y, np.arange(40_000) % 5)

    assert found.kind == "beta"
    assert found.coefficients == pytest.approx(truth.coefficients, abs=0.15)


def test_a_straight_world_seldom_gives_beta() -> None:
    n_beta = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        margins = generator.normal(-1.5, 1.0, 2000)
        y = generator.random(2000) < expit(margins)
        n_beta += fit_calibration(margins, y, np.arange(2000) % 4).kind == "beta"

    assert n_beta <= 2


@pytest.mark.parametrize("kind", ["platt", "beta"])
@pytest.mark.parametrize("sign", [1.0, -1.0, 0.02])
def test_the_bounded_fit_is_as_good_as_a_general_optimiser_finds(kind: str, sign: float) -> None:
    generator = np.random.default_rng(2)
    m = generator.normal(0.0, 1.5, 3000)
    y = (generator.random(3000) < expit(np.where(m > 0, 0.02, sign) * m)).astype(np.float64)
    parts = np.stack([m] if kind == "platt" else [log_expit(m), -log_expit(-m)])

    def loss(numbers: np.ndarray) -> float:
        return float(row_log_loss(y, numbers[:-1] @ parts + numbers[-1]).mean())

    bounds = [(0.05, None)] * len(parts) + [(None, None)]
    best = minimize(loss, np.ones(len(parts) + 1), bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9})

    found = calibration._fit(kind, m, y, np.zeros(len(m), dtype=np.intp))

    assert all(slope >= 0.05 for slope in found.coefficients[:-1])
    assert loss(np.array(found.coefficients)) <= best.fun + 1e-9


def test_a_model_that_ranks_backwards_is_kept_rising() -> None:
    generator = np.random.default_rng(3)
    margins = generator.normal(0.0, 1.0, 2000)
    y = generator.random(2000) < expit(-margins)

    found = fit_calibration(margins, y, np.arange(2000) % 4)

    assert found.coefficients[0] == 0.05


def test_beta_must_win_by_more_than_clustered_noise() -> None:
    generator = np.random.default_rng(8)
    margins = generator.normal(0.0, 2.0, 700)
    y = generator.random(700) < Calibration("beta", (1.6, 0.4, 0.3)).probability(margins)
    copies = np.arange(700 * 20) // 20
    blocks = copies % 4

    by_row = fit_calibration(margins[copies], y[copies], blocks)
    by_cluster = fit_calibration(margins[copies], y[copies], blocks, copies)

    assert by_row.kind == "beta"
    assert by_cluster.kind == fit_calibration(margins, y, np.arange(700) % 4).kind


def test_one_block_leaves_nothing_to_choose_by() -> None:
    assert fit_calibration([-1.0, 1.0, -1.0, 1.0], [0, 1, 1, 0], [0] * 4).kind == "platt"


def test_equal_margins_meet_the_base_rate() -> None:
    found = fit_calibration([0.3] * 10, [1] + [0] * 9, [0, 1] * 5)

    assert found.probability(0.3) == pytest.approx(0.1, abs=1e-4)


def test_separated_classes_stay_finite() -> None:
    found = fit_calibration([-2.0, -1.0, 1.0, 2.0] * 5, [0, 0, 1, 1] * 5, [0] * 10 + [1] * 10)

    assert np.isfinite(found.coefficients).all()
    assert (np.diff(found.log_odds([-2.0, -1.0, 1.0, 2.0])) > 0).all()


@pytest.mark.parametrize("found", KINDS, ids=lambda each: each.kind)
def test_one_row_has_the_same_bits_as_thirty_thousand(found: Calibration) -> None:
    generator = np.random.default_rng(4)
    margins = np.concatenate([generator.normal(0.0, 5.0, 29_991), [-800.0, 800.0, 0.0, -0.0]])

    for function in (found.log_odds, found.probability, found.slope):
        whole = function(margins)
        single = np.array([function(margins[i : i + 1])[0] for i in range(len(margins))])
        assert np.array_equal(whole, single)
        assert np.array_equal(whole[1:], function(margins[1:]))
        assert np.array_equal(whole[::3], function(margins[::3]))


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.05, 5.0),
    st.floats(0.05, 5.0),
    st.floats(-5.0, 5.0),
    st.floats(-30.0, 30.0),
    st.floats(1e-6, 5.0),
)
def test_more_margin_is_always_more_log_odds(
    low: float, high: float, shift: float, m: float, more: float
) -> None:
    found = Calibration("beta", (low, high, shift))

    first, second = found.log_odds([m, m + more])

    assert second > first
    average_slope = (second - first) / ((m + more) - m)
    assert min(low, high) - 1e-6 <= average_slope <= max(low, high) + 1e-6


@pytest.mark.parametrize("found", KINDS, ids=lambda each: each.kind)
def test_the_slope_is_the_derivative(found: Calibration) -> None:
    margins = np.linspace(-4.0, 4.0, 9)

    rise = (found.log_odds(margins + 1e-5) - found.log_odds(margins - 1e-5)) / 2e-5

    assert found.slope(margins) == pytest.approx(rise, abs=1e-8)


@pytest.mark.parametrize("found", KINDS, ids=lambda each: each.kind)
def test_json_gives_the_same_bits_back(found: Calibration) -> None:
    assert Calibration.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_beta_with_equal_slopes_is_platt() -> None:
    margins = np.linspace(-5.0, 5.0, 11)

    bent, straight = Calibration("beta", (0.7, 0.7, -0.3)), Calibration("platt", (0.7, -0.3))

    assert bent.log_odds(margins) == pytest.approx(straight.log_odds(margins), abs=1e-12)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "staircase", "coefficients": []}, "'staircase' is unknown"),
        ({"kind": "isotonic", "coefficients": []}, "needs a slope and pairs of numbers"),
        ({"kind": "isotonic", "coefficients": [1.0, 0.0]}, "needs a slope and pairs of numbers"),
        ({"kind": "isotonic", "coefficients": [1.0, 0.0, 0.0, 0.0, 1.0]}, "must rise"),
        ({"kind": "isotonic", "coefficients": [0.0, 0.0, 0.0]}, "must rise"),
        ({"kind": "isotonic", "coefficients": [1.0, 0.0, 0.0, 1.0, 0.01]}, "at least 0.05"),
        ({"kind": "platt", "coefficients": [1.0]}, "needs 2 finite numbers"),
        ({"kind": "platt", "coefficients": [float("nan"), 0.0]}, "needs 2 finite numbers"),
        ({"kind": "platt", "coefficients": [0.01, 0.0]}, "at least 0.05"),
        ({"kind": "platt"}, "needs 'kind' and 'coefficients'"),
    ],
)
def test_numbers_that_make_no_calibration_are_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Calibration.from_json(values)


@pytest.mark.parametrize(
    ("margins", "y", "blocks", "words"),
    [
        ([1.0, 2.0], [0, 1], [0], "differ in length"),
        ([1.0, np.inf], [0, 1], [0, 1], "1 of 2 margins"),
        ([1.0, 2.0], [0, 0], [0, 1], "both classes; got 0 conversions in 2 rows"),
    ],
)
def test_rows_that_can_not_be_calibrated_are_named(
    margins: list[float], y: list[int], blocks: list[int], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        fit_calibration(margins, y, blocks)


def test_weights_in_the_fit_count_as_copies() -> None:
    generator = np.random.default_rng(5)
    x, times = generator.normal(0.0, 1.0, 300), generator.integers(0, 3, 300)
    y = (generator.random(300) < expit(x)).astype(np.float64)
    columns, copies = np.stack([x, np.ones(300)]), np.repeat(np.arange(300), times)

    weighted = fit_logistic(columns, y, weights=times.astype(np.float64))

    assert weighted == pytest.approx(fit_logistic(columns[:, copies], y[copies]), abs=1e-8)


@pytest.mark.parametrize(
    "calibration",
    [
        Calibration("platt", (0.8, -0.3)),
        Calibration("beta", (0.8, 1.2, 0.1)),
        Calibration("isotonic", (0.5, -1.0, -2.0, 1.0, 0.5)),
    ],
)
def test_a_shifted_map_is_the_map_plus_a_constant(calibration: Calibration) -> None:
    margins = np.linspace(-4, 4, 41)

    moved = calibration.shifted(0.7)

    assert moved.log_odds(margins) == pytest.approx(calibration.log_odds(margins) + 0.7, abs=1e-12)
    assert calibration.shifted(0.0) == calibration
    assert moved.shifted(-0.7).log_odds(margins) == pytest.approx(calibration.log_odds(margins), abs=1e-12)
