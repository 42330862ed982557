"""Whole points: they add up, lines stay honest, no reason turns."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from features.errors import InputError
from models import rounding
from models.rounding import whole_points

Array = NDArray[np.float64]
ROWS = arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(0, 6)), elements=st.floats(-30, 30))


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(rounding).failed == 0


@settings(max_examples=300, deadline=None)
@given(ROWS, st.floats(0, 100), st.floats(0, 100), st.booleans())
def test_what_is_printed_adds_up_and_no_reason_turns(
    reasons: Array, base: float, score: float, halves: bool
) -> None:
    reasons = np.round(reasons * 2) / 2 if halves else reasons
    rest = score - base - reasons.sum(axis=1)

    found = whole_points(base, reasons, rest, np.full(len(reasons), score))

    assert np.array_equal(found.base + found.reasons.sum(axis=1) + found.rest, found.score)
    assert (found.score == np.floor(score)).all()
    assert (found.base == np.floor(base)).all()
    assert (found.reasons * np.sign(reasons) >= 0).all()
    assert (np.abs(found.reasons - reasons) < 1.0).all()
    assert (np.abs(found.rest - rest) < 1.0 + 1e-5).all()


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_a_stronger_reason_never_prints_less(reasons: Array) -> None:
    found = whole_points(50.0, reasons, -reasons.sum(axis=1), np.full(len(reasons), 50.0))

    for exact, printed in zip(reasons, found.reasons, strict=True):
        assert (
            np.diff(printed[np.argsort(exact, kind="stable")][np.diff(np.sort(exact), prepend=-99) > 2e-6])
            >= 0
        ).all()


def test_fifty_is_printed_only_from_fifty_on() -> None:
    found = whole_points(10.0, np.empty((3, 0)), [39.9999999, 40.0, 40.9], [49.9999999, 50.0, 50.9])

    assert found.score.tolist() == [49, 50, 50]
    assert found.rest.tolist() == [39, 40, 40]


def test_the_largest_remainders_get_the_points_that_are_missing() -> None:
    found = whole_points(0.0, [[10.6, 5.3, -2.5]], [0.6], [14.0])

    assert found.reasons.tolist() == [[11, 5, -3]]
    assert found.rest.tolist() == [1]


def test_float_noise_goes_to_the_rest_line() -> None:
    found = whole_points(20.0, [[3.0 - 1e-9, 2.0 + 1e-9]], [0.0], [25.0 - 1e-6])

    assert found.score.tolist() == [24]
    assert found.reasons.tolist() == [[3, 2]]
    assert found.rest.tolist() == [-1]


def test_a_row_that_does_not_add_up_is_an_error() -> None:
    for score in (12.0, np.nan):
        with pytest.raises(InputError, match="1 of 1 rows do not add up"):
            whole_points(1.0, [[5.0]], [5.0], [score])
