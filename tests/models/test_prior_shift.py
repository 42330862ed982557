"""The shift of the level: found where the rate moves, absent where it does not, never from later labels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from models.calibration import row_log_loss
from models.prior_shift import NO_SHIFT, Sequence, estimate, sequence_of, shift_at

Float64 = NDArray[np.float64]
ROWS, BLOCKS = 1000, 20


def moving_world(levels: Float64, seed: int = 0, known_later: int = 0) -> Sequence:
    """Blocks of 1,000 rows whose true log-odds are the model's plus the block's level."""
    rng = np.random.default_rng(seed)
    block = np.repeat(np.arange(len(levels)), ROWS)
    order = np.arange(len(block))
    log_odds = rng.normal(-1.5, 1.0, len(block))
    y = (rng.random(len(block)) < expit(log_odds + levels[block])).astype(np.float64)
    start = np.arange(len(levels)) * ROWS
    return Sequence(log_odds, y, order, order + known_later * ROWS, block, start)


def now(past: Sequence) -> int:
    return int(past.known_at.max()) + 1


def test_a_level_that_moved_and_stayed_is_found() -> None:
    past = moving_world(np.r_[np.zeros(10), np.full(10, 0.8)])

    found = shift_at(past, now(past))

    # one block tells the level to about 1 / sqrt(1000 * .18); eight to about 0.03
    assert found.value == pytest.approx(0.8, abs=0.25)
    assert found.gain > 0.0
    assert found.rows in {1000, 2000, 4000, 8000}


@pytest.mark.parametrize("seed", range(5))
def test_a_level_that_never_moves_is_left_alone_or_nearly(seed: int) -> None:
    past = moving_world(np.zeros(BLOCKS), seed)

    # the standard error of one block is 0.08; what is left after shrinking is within two of them
    assert abs(shift_at(past, now(past)).value) < 0.16


def test_a_level_that_turns_with_every_block_is_not_followed() -> None:
    past = moving_world(np.tile([0.6, -0.6], BLOCKS // 2))

    found = shift_at(past, now(past))

    assert found.value == pytest.approx(0.0, abs=0.1)


def test_labels_not_known_yet_have_no_say() -> None:
    past = moving_world(np.r_[np.zeros(14), np.full(6, 1.0)], known_later=2)
    moment = int(past.start[-1])
    unknown = past.known_at > moment
    turned = Sequence(
        past.log_odds, np.where(unknown, 1.0 - past.y, past.y), past.cluster, past.known_at, past.block, past.start
    )  # fmt: skip

    assert shift_at(turned, moment) == shift_at(past, moment)


def test_labels_that_come_later_lower_what_can_be_followed() -> None:
    level = np.r_[np.zeros(10), np.full(3, 1.0)]
    at_once, later = moving_world(level), moving_world(level, known_later=3)
    moment = int(at_once.start[-1]) + ROWS

    assert shift_at(at_once, moment).value > 0.5
    assert abs(shift_at(later, moment).value) < 0.2


def test_too_few_blocks_or_conversions_give_no_shift() -> None:
    short = moving_world(np.full(3, 1.0))
    rare = Sequence(short.log_odds, np.zeros(len(short.y)), *(
        getattr(short, name) for name in ("cluster", "known_at", "block", "start")
    ))  # fmt: skip

    assert shift_at(short, now(short)).value == 0.0
    assert shift_at(rare, now(rare)) == NO_SHIFT
    assert estimate(np.zeros(3), np.ones(3), np.arange(3)) == NO_SHIFT


def test_the_estimate_is_shrunk_more_the_noisier_it_is() -> None:
    rng = np.random.default_rng(1)
    log_odds = np.full(4000, -1.0)
    y = (rng.random(4000) < expit(-0.5)).astype(np.float64)

    alone = estimate(log_odds, y, np.arange(4000))
    in_crowds = estimate(log_odds, y, np.sort(rng.integers(0, 20, 4000)))
    few = estimate(log_odds[:60], y[:60], np.arange(60))

    assert alone.raw == pytest.approx(float(logit(y.mean()) + 1.0), abs=1e-6)
    assert 0.97 < alone.value / alone.raw < 1.0
    assert in_crowds.raw_error != alone.raw_error
    assert few.value / few.raw < alone.value / alone.raw


def test_in_blocks_the_calibration_saw_its_level_counts_as_fitted_before_them() -> None:
    """With hindsight the calibration would look right on average and leave a shift nothing to gain."""
    levels = np.r_[np.zeros(6), np.full(6, 1.0)]
    world = moving_world(levels)
    hindsight = world.log_odds + 0.5
    past = sequence_of(hindsight, world.y, world.cluster, world.block * ROWS, world.known_at, ROWS)

    assert past.n_calibrated == len(past.start) == 12
    # before block 6 all known levels were 0: an honest calibration adds -0.5 to the one with hindsight
    assert past.level[6] == pytest.approx(-0.5, abs=0.1)
    level = past.level[8]
    odds, y = past.log_odds[past.block == 8] + level, past.y[past.block == 8]
    shift = past.proposed(int(past.start[8]), 1, level).value
    saved = row_log_loss(y, odds).mean() - row_log_loss(y, odds + shift).mean()
    assert past.gain(8, 1) == pytest.approx(saved)


def test_plain_values_hold_no_nan() -> None:
    assert NO_SHIFT.to_json()["gain"] is None
    assert NO_SHIFT.to_json()["value"] == 0.0
