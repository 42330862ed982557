"""Slices of the test: figures by hand, intervals that cover, levels that are named where they are off."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit

from models import metrics
from models.intervals import bootstrap_intervals
from models.slices import judge_parts, share_interval


def test_figures_are_those_of_the_rows_of_the_slice() -> None:
    y = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    p = np.array([0.9, 0.2, 0.3, 0.4, 0.5, 0.7])
    lead = np.array([0, 0, 1, 2, 3, 4])
    parts = {"a": np.array([True, True, True, True, False, False]), "none": np.zeros(6, dtype=bool)}

    found = judge_parts("industry", parts, y, p, lead, lead)

    assert [each.name for each in found] == ["a"]
    only = found[0]
    assert (only.rows, only.leads, only.conversions) == (4, 3, 2)
    assert only.promised == pytest.approx(0.45)
    assert only.came.value == 0.5
    assert only.ratio.value == pytest.approx(1.8 / 2)
    assert only.auc.value == pytest.approx(metrics.auc(y[:4], p[:4])) == 0.75
    assert only.check.status == "not_shown"


def test_intervals_agree_with_the_clustered_bootstrap() -> None:
    rng = np.random.default_rng(0)
    n, cluster = 6000, np.repeat(np.arange(2000), 3)
    shared = rng.normal(size=2000)[cluster]
    p = expit(-1.5 + rng.normal(size=n))
    y = (rng.random(n) < expit(np.log(p / (1 - p)) + shared)).astype(np.float64)

    found = judge_parts("all", {"all": np.ones(n, dtype=bool)}, y, p, cluster, cluster)[0]
    drawn = bootstrap_intervals({"auc": metrics.auc, "ratio": metrics.calibration_ratio}, y, p, cluster, 400)

    for mine, name in ((found.auc, "auc"), (found.ratio, "ratio")):
        width = drawn[name].high - drawn[name].low
        assert mine.value == pytest.approx(drawn[name].value)
        assert mine.low == pytest.approx(drawn[name].low, abs=0.15 * width)
        assert mine.high == pytest.approx(drawn[name].high, abs=0.15 * width)


def test_a_slice_whose_level_is_off_is_weak_and_the_others_are_not() -> None:
    rng = np.random.default_rng(1)
    n = 6000
    p = expit(-1.0 + rng.normal(size=n))
    is_off = np.arange(n) % 3 == 0
    y = (rng.random(n) < np.where(is_off, 0.5 * p, p)).astype(np.float64)
    rows = np.arange(n)

    found = judge_parts("source", {"off": is_off, "right": ~is_off}, y, p, rows, rows)

    assert [each.is_weak for each in found] == [True, False]
    assert found[0].ratio.low > 1.5


@pytest.mark.parametrize("y", [np.zeros(5), np.ones(5)])
def test_a_slice_of_one_class_has_no_auc(y: np.ndarray) -> None:
    rows = np.arange(5)

    found = judge_parts("a", {"b": np.ones(5, dtype=bool)}, y, np.linspace(0.1, 0.9, 5), rows, rows)[0]

    assert math.isnan(found.auc.value)
    assert math.isnan(found.ratio.value) == (y.sum() == 0)


def test_one_cluster_alone_has_no_interval() -> None:
    y, p = np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.6, 0.4])
    one = np.zeros(3, dtype=np.int64)

    found = judge_parts("a", {"b": np.ones(3, dtype=bool)}, y, p, one, one)[0]

    assert found.ratio.value == pytest.approx(0.6)
    assert math.isnan(found.ratio.low)
    assert math.isnan(found.auc.low)


def test_the_share_of_none_is_not_known() -> None:
    assert math.isnan(share_interval(np.zeros(0), np.zeros(0, dtype=np.int64)).value)


def test_the_interval_of_a_share_is_wilsons_where_rows_stand_alone() -> None:
    found = share_interval(np.array([1.0, 0.0, 0.0, 0.0]), np.arange(4))

    n, p, z = 4, 0.25, 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half))


def test_rows_that_share_their_fate_widen_the_interval_of_a_share() -> None:
    y = np.repeat([1.0, 0.0, 0.0, 1.0], 25)

    alone, together = share_interval(y, np.arange(100)), share_interval(y, np.repeat(np.arange(4), 25))

    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_a_share_without_any_conversion_still_has_an_upper_end() -> None:
    found = share_interval(np.zeros(40), np.arange(40) // 2)

    assert (found.value, found.low) == (0.0, 0.0)
    assert 0.1 < found.high < 0.2
    assert math.isnan(share_interval(np.zeros(0), np.zeros(0, dtype=np.int64)).value)
