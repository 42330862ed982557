"""The learning curve: nested parts of development, the same test, rising with what there is to learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.learning_curve import learning_curve
from models.metrics import auc
from models.settings import ModelSettings

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


def test_parts_are_nested_whole_clusters_and_all_of_development_is_not_fitted_again() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    cluster, y = np.arange(n) // 3, (rng.random(n) < 0.3).astype(np.float64)
    development, test = np.arange(2400), np.arange(2400, n)
    whole = rng.normal(size=600) + y[test]
    fitted: list[set[int]] = []

    def fit(rows: Int64, to_predict: Int64) -> Float64:
        fitted.append(set(rows.tolist()))
        return rng.normal(size=len(to_predict)) + y[to_predict]

    found = learning_curve(fit, whole, development, test, y, cluster, ModelSettings())

    assert [each.share for each in found] == [0.125, 0.25, 0.5, 1.0]
    assert len(fitted) == 3
    assert fitted[0] < fitted[1] < fitted[2] < set(development.tolist())
    assert all(len({row // 3 for row in rows}) * 3 == len(rows) for rows in fitted)
    assert found[-1].auc.value == auc(y[test], whole)
    assert found[-1].conversions == int(y[development].sum())
    assert all(each.auc.low < each.auc.value < each.auc.high for each in found)


def test_parts_with_too_few_conversions_are_left_out() -> None:
    y = np.zeros(400)
    y[::20] = 1.0
    rows = np.arange(400)

    def fit(rows: Int64, to_predict: Int64) -> Float64:
        return np.zeros(len(to_predict))

    found = learning_curve(fit, np.arange(100.0), rows[:300], rows[300:], y, rows, ModelSettings())

    assert found[-1].share == 1.0
    assert all(each.conversions >= 10 for each in found)
    assert len(found) < 4
