"""Reasons: signs kept, everything adds up to 1e-6, one row has the bits of many."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from features.errors import InputError
from models import contributions as module
from models.bands import POINTS_TABLE_ANCHORS, Anchors
from models.calibration import IDENTITY, Calibration
from models.contributions import explain_in_points, margin_points, sum_columns, sum_groups, top_reasons

Array = NDArray[np.float64]
CALIBRATIONS = st.one_of(
    st.just(IDENTITY),
    st.builds(lambda a, b: Calibration("platt", (a, b)), st.floats(0.05, 3), st.floats(-2, 2)),
    st.builds(lambda a, b, c: Calibration("beta", (a, b, c)), *[st.floats(0.05, 3)] * 2, st.floats(-2, 2)),
    st.builds(
        lambda s, x, rise: Calibration("isotonic", (s, x, -1.0, x + 1.0, -1.0 + rise, x + 2.0, -0.9 + rise)),
        st.floats(0.05, 3),
        st.floats(-3, 2),
        st.floats(0.05, 30),
    ),
)
ROWS = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 8)), elements=st.floats(-4, 4))
ANCHORS = Anchors(0.07, 0.31)


def simulated(n: int, k: int = 30) -> Array:
    return np.random.default_rng(0).normal(0.0, 0.6, (n, k))


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(module).failed == 0


@settings(max_examples=200, deadline=None)
@given(ROWS, st.floats(-6, 6), CALIBRATIONS)
def test_points_add_up_to_the_score_and_keep_their_signs(
    phi: Array, base: float, calibration: Calibration
) -> None:
    found = explain_in_points(phi, base, calibration, ANCHORS)

    total = found.points.sum(axis=1)
    assert found.base_points + total == pytest.approx(found.lead_points, abs=1e-6)
    assert found.base_score + total + found.limit == pytest.approx(found.score, abs=1e-6)
    assert ((found.score >= 0) & (found.score <= 100)).all()
    assert (found.points * phi >= 0).all()
    is_inside = (found.score == found.lead_points) & (found.base_score == found.base_points)
    assert (found.limit[is_inside] == 0.0).all()


def test_a_straight_scale_pays_each_contribution_the_same() -> None:
    found = explain_in_points([[0.5, -1.0], [0.25, 0.25]], 0.0, IDENTITY, POINTS_TABLE_ANCHORS)

    assert found.points == pytest.approx(30.0 * np.array([[0.5, -1.0], [0.25, 0.25]]))
    assert found.limit.tolist() == [0.0, 0.0]


def test_the_limit_line_closes_the_sum_beyond_the_scale() -> None:
    found = explain_in_points([[2.0], [-1.0]], 1.0, IDENTITY, POINTS_TABLE_ANCHORS)

    assert found.score.tolist() == [100.0, 50.0]
    assert found.limit == pytest.approx([-40.0, 0.0])
    low_base = explain_in_points([[2.0]], -2.0, IDENTITY, POINTS_TABLE_ANCHORS)
    assert (low_base.base_score, low_base.base_points) == (0.0, -10.0)
    assert low_base.limit == pytest.approx([-10.0])


@pytest.mark.parametrize("shift", [-9e-7, 9e-7])
def test_beside_a_knot_the_slope_of_the_leads_side_counts(shift: float) -> None:
    knee = Calibration("isotonic", (0.1, -1.0, -20.0, 0.0, 0.0, 1.0, 0.1))

    found = explain_in_points([[shift]], 0.0, knee, ANCHORS)

    assert found.base_points + found.points.sum() == pytest.approx(found.lead_points[0], abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 1e-12, 9.9e-7, 1.1e-6])
def test_contributions_that_cancel_are_paid_by_the_slope(shift: float) -> None:
    calibration = Calibration("beta", (0.5, 2.0, 0.0))

    found = explain_in_points([[1.0, -1.0 + shift]], 0.3, calibration, ANCHORS)

    slope = float(calibration.slope([0.3])[0]) * ANCHORS.points_per_logit
    assert found.points[0] == pytest.approx([slope, -slope], abs=2e-3)
    assert found.base_points + found.points.sum() == pytest.approx(found.lead_points[0], abs=1e-6)


def test_the_margin_given_decides_the_score() -> None:
    phi = simulated(50)
    margins = -1.0 + phi.sum(axis=1)

    found = explain_in_points(phi, -1.0, IDENTITY, ANCHORS, margins)

    assert np.array_equal(found.lead_points, margin_points(margins, IDENTITY, ANCHORS))
    assert found.base_score + found.points.sum(axis=1) + found.limit == pytest.approx(found.score, abs=1e-6)


def test_contributions_that_do_not_fit_are_named() -> None:
    with pytest.raises(InputError, match="do not add up to the margins"):
        explain_in_points([[1.0]], 0.0, IDENTITY, ANCHORS, [1.1])
    with pytest.raises(InputError, match="do not add up to the margins"):
        explain_in_points([[1.0]], 0.0, IDENTITY, ANCHORS, [np.nan])
    with pytest.raises(InputError, match="must be finite rows"):
        explain_in_points([[np.nan]], 0.0, IDENTITY, ANCHORS)
    with pytest.raises(InputError, match="must be finite rows"):
        explain_in_points([1.0], 0.0, IDENTITY, ANCHORS)


def test_one_row_has_the_bits_of_many() -> None:
    phi = simulated(9001)
    calibration = Calibration("beta", (0.8, 1.3, -0.2))
    groups = np.arange(30) % 7

    whole = explain_in_points(phi, -1.2, calibration, ANCHORS)
    rolled = sum_groups(whole.points, groups, 7)
    best = top_reasons(rolled, 3)

    for i in range(0, len(phi), 7):
        single = explain_in_points(phi[i : i + 1], -1.2, calibration, ANCHORS)
        assert np.array_equal(single.points[0], whole.points[i])
        assert (single.score[0], single.limit[0]) == (whole.score[i], whole.limit[i])
        group = sum_groups(single.points, groups, 7)
        assert np.array_equal(group[0], rolled[i])
        reasons = top_reasons(group, 3)
        assert np.array_equal(reasons.points[0], best.points[i])
        assert reasons.rest[0] == best.rest[i]


def test_the_memory_layout_does_not_change_a_bit() -> None:
    phi = simulated(500)

    assert np.array_equal(sum_columns(np.asfortranarray(phi)), sum_columns(phi))


@settings(max_examples=80, deadline=None)
@given(ROWS, st.integers(0, 10))
def test_what_is_shown_and_the_rest_are_everything(values: Array, k: int) -> None:
    found = top_reasons(values, k)

    assert found.points.sum(axis=1) + found.rest == pytest.approx(values.sum(axis=1), abs=1e-9)
    assert found.points.shape == found.groups.shape == (len(values), k)
    assert ((found.groups == -1) == (found.points == 0.0)).all()
    strength = np.abs(found.points)
    assert (strength[:, 1:] <= strength[:, :-1]).all()


def test_equal_reasons_keep_the_order_of_their_groups() -> None:
    found = top_reasons(np.array([[2.0, -3.0, 3.0, 2.0, 0.0]]), 4)

    assert found.groups.tolist() == [[1, 2, 0, 3]]


def test_groups_without_columns_are_zero() -> None:
    assert sum_groups(np.ones((2, 2)), [0, 2], 3).tolist() == [[1.0, 0.0, 1.0]] * 2
    assert sum_groups(np.empty((2, 0)), [], 2).tolist() == [[0.0, 0.0]] * 2


def test_codes_and_counts_that_do_not_fit_are_named() -> None:
    with pytest.raises(InputError, match=r"group codes within 0\.\.1 expected for 2 columns"):
        sum_groups(np.ones((1, 2)), [0, 2], 2)
    with pytest.raises(InputError, match="must not be negative"):
        top_reasons(np.ones((1, 2)), -1)
