"""Centred isotonic calibration: rises everywhere, follows a crooked world, taken only when clearly better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from models.calibration import LEAST_SLOPE, Calibration, fit_calibration
from models.isotonic import LEAST_OF_EACH, fit_knots, line_at


def crooked(margins: np.ndarray) -> np.ndarray:
    """True log-odds that neither Platt nor beta can follow: flat in the middle."""
    return np.where(margins < -1, margins + 0.8, np.where(margins > 1, margins - 0.8, 0.2 * margins))


def test_a_crooked_world_gives_isotonic_close_to_the_truth() -> None:
    generator = np.random.default_rng(0)
    margins = generator.normal(0.0, 2.0, 60_000)
    y = (generator.random(60_000) < expit(crooked(margins))).astype(float)

    found = fit_calibration(margins, y, np.arange(60_000) % 5)

    seen = np.linspace(-4.0, 4.0, 41)
    assert found.kind == "isotonic"
    assert np.abs(found.probability(seen) - expit(crooked(seen))).max() < 0.04


def test_a_straight_world_never_gives_isotonic() -> None:
    kinds = []
    for seed in range(10):
        generator = np.random.default_rng(seed)
        margins = generator.normal(0.0, 1.5, 4_000)
        y = (generator.random(4_000) < expit(0.8 * margins - 1.0)).astype(float)
        kinds.append(fit_calibration(margins, y, np.arange(4_000) % 4).kind)

    assert "isotonic" not in kinds


def test_a_base_rate_that_moves_between_blocks_does_not_flatten_the_line() -> None:
    generator = np.random.default_rng(1)
    block = np.arange(60_000) % 4
    margins = generator.normal(0.0, 2.0, 60_000)
    y = (generator.random(60_000) < expit(crooked(margins) + 1.5 * block - 2.25)).astype(float)

    found = fit_calibration(margins, y, block)

    seen = np.array([-3.5, 3.5])
    assert found.kind == "isotonic"
    assert float(np.diff(found.log_odds(seen))[0]) == pytest.approx(np.diff(crooked(seen))[0], abs=0.4)


@given(st.integers(0, 1_000), st.integers(30, 600), st.floats(-2.0, 3.0))
def test_whatever_the_labels_the_line_rises_by_at_least_the_least_slope(
    seed: int, n: int, slope: float
) -> None:
    generator = np.random.default_rng(seed)
    margins = np.round(generator.normal(0.0, 2.0, n), 1)
    y = (generator.random(n) < expit(slope * margins)).astype(float)

    knots = fit_knots(margins, y, np.zeros(n), 0.3, LEAST_SLOPE)

    found = Calibration("isotonic", knots)
    grid = np.linspace(-8.0, 8.0, 400)
    assert (np.diff(found.log_odds(grid)) >= LEAST_SLOPE * np.diff(grid) * (1 - 1e-6)).all()
    assert len(knots) == 3 or min(y.sum(), n - y.sum()) >= LEAST_OF_EACH * (len(knots) // 2)


def test_between_two_knots_the_line_is_straight_and_beyond_them_it_goes_on() -> None:
    knots = (0.5, -1.0, -2.0, 1.0, 2.0)

    found = line_at(np.array([-3.0, -1.0, 0.0, 1.0, 3.0]), knots)

    assert found.tolist() == pytest.approx([-3.0, -2.0, 0.0, 2.0, 3.0])


def test_few_wins_make_one_knot_at_their_rate() -> None:
    y = (np.arange(40) >= 35).astype(float)

    knots = fit_knots(np.arange(40.0), y, np.zeros(40), 0.2, LEAST_SLOPE)

    assert knots[0] == 0.2
    assert knots[1] == pytest.approx(19.5)
    assert expit(knots[2]) == pytest.approx(5 / 40)
