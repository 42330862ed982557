"""Rolling through the test: each block is predicted by what was known at its start, at every cadence."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from models.metrics import calibration_ratio, log_loss
from models.rolling import Rolling, roll_test
from models.split import Timeline

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
N, TEST = 16_000, 12_000


def rates(order: Int64) -> Float64:
    return np.where(order < TEST, 0.1, 0.1 + 0.3 * (order - TEST) / (N - TEST))


def rolled(delay: int = 0, blocks: int = 8) -> tuple[Rolling, list[tuple[int, int]]]:
    """A model that predicts the rate of all it was fitted on, in a world whose rate rises through the test."""
    order = np.arange(N)
    y = (np.random.default_rng(0).random(N) < rates(order)).astype(np.float64)
    timeline = Timeline(order, order + delay, order)
    test, development = order[TEST:], order[: TEST - delay]
    seen: list[tuple[int, int]] = []

    def fit(rows: Int64, to_predict: Int64) -> Float64:
        seen.append((int(rows.max()), int(to_predict.min())))
        return np.full(len(to_predict), float(logit(y[rows].mean())))

    past = development[len(development) // 4 :]
    first = fit(development, test)
    found = roll_test(fit, first, test, timeline, y, (past, np.full(len(past), float(logit(0.1)))), blocks)
    return found, seen


@pytest.mark.parametrize("delay", [0, 700])
def test_a_block_is_predicted_by_rows_whose_labels_were_known(delay: int) -> None:
    _, seen = rolled(delay)

    assert len(seen) == 8
    assert all(last + delay <= first for last, first in seen)


def test_each_origin_predicts_its_block_and_the_later_ones_only() -> None:
    found, _ = rolled()

    for origin in range(8):
        known = np.isfinite(found.log_odds[origin])
        assert (known == (found.block >= origin)).all()


def test_cadences_run_from_every_block_to_never() -> None:
    assert rolled(blocks=8)[0].cadences == (1, 2, 4, 8)
    assert rolled(blocks=6)[0].cadences == (1, 2, 4, 6)


def test_a_cadence_uses_the_latest_refit_at_or_before_the_block() -> None:
    found, _ = rolled()

    by_two = found.uncorrected(2)

    assert (by_two[found.block == 3] == found.log_odds[2, found.block == 3]).all()
    assert (found.uncorrected(8) == found.log_odds[0]).all()


def test_refits_and_the_shift_follow_a_rate_that_rises() -> None:
    found, _ = rolled()
    p = {
        "never": expit(found.uncorrected(8)),
        "refitted": expit(found.uncorrected(1)),
        "followed": expit(found.corrected(1)),
    }

    off = {name: abs(np.log(calibration_ratio(found.y, each))) for name, each in p.items()}
    loss = {name: log_loss(found.y, each) for name, each in p.items()}

    assert off["followed"] < off["refitted"] < off["never"]
    assert off["followed"] < 0.5 * off["refitted"]
    assert loss["followed"] < loss["refitted"] < loss["never"]


def test_the_shift_at_an_origin_knows_nothing_of_its_block() -> None:
    found, _ = rolled()
    later = found.block >= 5
    turned = Rolling(
        found.start, found.block, found.log_odds, found.past, np.where(later, 1.0 - found.y, found.y),
        found.cluster, found.known_at,
    )  # fmt: skip

    assert turned.shifts(1)[:6] == found.shifts(1)[:6]
    assert turned.shift_now() != found.shift_now()
