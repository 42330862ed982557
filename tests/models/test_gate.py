"""The gate: noise is refused, NaN fails, too few is "not shown"."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from models.calibration import row_log_loss
from models.gate import (
    Check,
    judge_calibration,
    judge_champion,
    judge_refusal,
    judge_slices,
    refitted_losses,
    verdict,
)
from models.intervals import Interval
from models.settings import GateSettings

Array = NDArray[np.float64]
NAN = float("nan")


def world(
    n: int, seed: int, strength: float = 1.0
) -> tuple[Array, Array, NDArray[np.intp], NDArray[np.intp]]:
    """Labels, log-odds, time block and cluster; `strength` is how much of the log-odds is true."""
    generator = np.random.default_rng(seed)
    clusters = generator.integers(0, n // 3, n)
    odds = generator.normal(-1.5, 1.0, n)
    y = (generator.random(n) < expit(strength * (odds + 1.5) - 1.5)).astype(np.float64)
    return y, odds, np.arange(n) * 4 // n, clusters


def check(status: str) -> Check:
    return Check("x", status, 0.0, 0.0, 0.0, (0.0,), "")  # type: ignore[arg-type]


def test_shuffled_labels_are_refused() -> None:
    passed = 0
    for seed in range(100):
        y, odds, blocks, clusters = world(600, seed)
        shuffled = np.random.default_rng(1000 + seed).permutation(y)
        passed += verdict(judge_refusal(shuffled, odds, blocks, clusters)) == "passed"

    # the bound alone lets 1 of 100 through; 5 would be four standard deviations too many
    assert passed <= 5


def test_a_model_that_knows_something_is_not_refused() -> None:
    passed = sum(verdict(judge_refusal(*world(1500, seed))) == "passed" for seed in range(20))

    assert passed == 20


def test_a_model_that_only_knows_the_time_is_refused() -> None:
    generator = np.random.default_rng(0)
    blocks = np.arange(2000) * 4 // 2000
    rate = np.array([0.05, 0.1, 0.2, 0.4])[blocks]
    y = (generator.random(2000) < rate).astype(np.float64)

    ranks, _ = judge_refusal(y, logit(rate), blocks, np.arange(2000))

    assert ranks.status == "failed"
    assert ranks.value == 0.5


def test_a_model_that_ranks_backwards_is_no_better_than_the_constant() -> None:
    y, odds, blocks, clusters = world(1500, 1)

    ranks, predicts = judge_refusal(y, -odds, blocks, clusters)

    assert (ranks.status, predicts.status) == ("failed", "failed")
    assert predicts.value == 0.0
    assert "no better than giving all leads one average chance" in predicts.words


def test_refusal_forgives_a_wrong_scale_but_not_a_missing_signal() -> None:
    y, odds, blocks, clusters = world(1500, 2)

    straight, stretched = (judge_refusal(y, each, blocks, clusters)[1] for each in (odds, 7.0 * odds + 3.0))

    assert stretched.value == pytest.approx(straight.value, abs=1e-8)


def test_one_block_is_split_by_cluster() -> None:
    y, odds, _, clusters = world(900, 3)

    of_model, of_constant = refitted_losses(y, odds, np.zeros(900), clusters)

    assert len(of_model) == len(of_constant) == 900
    assert of_model.mean() < of_constant.mean()


def test_nothing_to_fit_on_is_a_refusal() -> None:
    checks = judge_refusal([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], [0, 1, 2, 3])

    assert [each.status for each in checks] == ["failed", "failed"]
    assert np.isnan([each.value for each in checks]).all()


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (Interval(1.0, 0.9, 1.1), "passed"),
        (Interval(1.3, 1.2, 1.4), "not_shown"),
        (Interval(0.75, 0.7, 0.8), "not_shown"),
        (Interval(1.2, 1.1, 1.3), "passed"),
        (Interval(1.5, 1.26, 1.7), "failed"),
        (Interval(0.5, 0.4, 0.79), "failed"),
        (Interval(1.0, 0.6, 1.21), "not_shown"),
        (Interval(1.0, -0.5, 1.2), "not_shown"),
        (Interval(1.0, NAN, NAN), "failed"),
        (Interval(NAN, 0.9, 1.1), "failed"),
        (Interval(1.0, 0.9, NAN), "failed"),
    ],
)
def test_the_figure_must_lie_in_the_range_with_a_narrow_interval(found: Interval, status: str) -> None:
    ratio, slope = judge_calibration(found, found, GateSettings())

    assert (ratio.status, slope.status) == (status, status)
    assert ratio.limit == (0.8, 1.25)


def test_the_words_say_what_was_found_and_asked() -> None:
    ratio, slope = judge_calibration(Interval(1.5, 1.3, 1.7), Interval(1.0, 0.4, 1.6), GateSettings())

    assert ratio.words == (
        "For each sale that came the model promised 1.50 (likely between 1.30 and 1.70); "
        "0.8 to 1.25 is asked for: that is missed."
    )
    assert slope.words.endswith("0.8 to 1.25 is asked for: too few sales to tell.")


def test_the_champion_falls_only_to_a_clearly_better_one() -> None:
    y, odds, _, clusters = world(3000, 4)
    sharp, dull = row_log_loss(y, odds), row_log_loss(y, 0.3 * odds - 1.0)
    noise = np.random.default_rng(0).normal(0.0, 0.5, 3000)

    assert judge_champion(sharp, dull, clusters).status == "passed"
    assert judge_champion(dull, sharp, clusters).status == "failed"
    assert judge_champion(sharp, sharp, clusters).status == "failed"
    assert judge_champion(sharp + noise - noise.mean() - 1e-4, sharp, clusters).status == "not_shown"


def test_a_nan_never_beats_the_champion() -> None:
    losses = np.array([0.1, NAN, 0.2])

    assert judge_champion(losses, [1.0, 1.0, 1.0], [0, 1, 2]).status == "failed"
    assert judge_champion([0.1] * 3, [1.0] * 3, [0, 0, 0]).status == "failed"


def test_slices_warn_where_the_level_is_wrong_and_enough_was_sold() -> None:
    generator = np.random.default_rng(5)
    p = np.full(4000, 0.2)
    place = np.arange(4000)
    y = (generator.random(4000) < np.where(place < 1000, 0.3, 0.2)).astype(np.float64)
    slices = {"North": place < 1000, "South": (place >= 1000) & (place < 3950), "East": place >= 3950}

    found = judge_slices(y, p, slices, place)

    assert [each.status for each in found] == ["failed", "passed", "not_shown"]
    assert "treat its level with care" in found[0].words
    assert "too few to judge (30 are needed)" in found[2].words


def test_a_slice_of_one_cluster_proves_nothing() -> None:
    y, p = np.array([1.0] * 40 + [0.0] * 40), np.full(80, 0.9)

    (found,) = judge_slices(y, p, {"all": np.ones(80, dtype=bool)}, np.zeros(80))

    assert found.status == "passed"


def test_one_wrong_slice_among_many_is_still_found() -> None:
    place = np.arange(3000)
    p = np.full(3000, 0.2)
    y = np.where(place < 1000, place % 2 == 0, place % 5 == 0).astype(np.float64)
    slices = {"wrong": place < 1000, "right": place >= 1000, "worse": place < 500}

    found = judge_slices(y, p, slices, place)

    assert [each.status for each in found] == ["failed", "passed", "failed"]
    assert found[0].value == pytest.approx(0.4)


def test_all_slices_may_warn() -> None:
    y = (np.arange(400) % 2).astype(np.float64)

    found = judge_slices(y, np.full(400, 0.1), {"all": np.ones(400, dtype=bool)}, np.arange(400))

    assert [each.status for each in found] == ["failed"]


def test_slices_of_a_right_model_seldom_warn() -> None:
    warned = 0
    for seed in range(100):
        y, odds, blocks, clusters = world(1600, seed)
        slices = {str(block): blocks == block for block in range(4)}
        warned += any(each.status == "failed" for each in judge_slices(y, expit(odds), slices, clusters))

    # 5 of 100 expected; 13 would be nearly four standard deviations too many
    assert warned <= 13


def test_one_failure_fails_and_nothing_shown_is_not_passed() -> None:
    assert verdict([check("passed"), check("not_shown"), check("failed")]) == "failed"
    assert verdict([check("passed"), check("not_shown")]) == "not_shown"
    assert verdict([check("passed")]) == "passed"
    assert verdict([]) == "not_shown"
