"""Encoding: what each feature becomes for the linear model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from features.catalogue import Catalogue, Feature
from models.encoding import Encoding, learn_encoding


def encoding_of(X: np.ndarray, *features: Feature, least_rows: int = 10) -> Encoding:
    return learn_encoding(X, Catalogue(features), np.arange(len(features)), least_rows)


NUMBER = Feature("explicit", "budget", "value", unit="number", group="budget")
SOURCE = Feature("explicit", "source", "category", unit="category", group="source", levels=("ads", "web"))
SINCE = Feature("recency", "any", "days_since", unit="days", group="any")


def test_columns_have_mean_0_and_deviation_1_on_the_rows_of_the_fit() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.lognormal(3, 1, 500), rng.integers(0, 3, 500), rng.uniform(0, 90, 500)])

    columns = encoding_of(X, NUMBER, SOURCE, SINCE).columns(X)

    assert columns.mean(axis=0) == pytest.approx(0.0, abs=1e-12)
    assert columns.std(axis=0) == pytest.approx(1.0)


def test_each_category_has_one_column_and_the_raw_ones_of_a_row_add_up_to_1() -> None:
    X = np.repeat([0.0, 1.0, 2.0, np.nan], 20)[:, None]

    found = encoding_of(X, SOURCE)
    raw = found.columns(X) * found.scale + found.center

    assert sorted(found.level.tolist()) == [-2, 0, 1, 2]
    assert raw.sum(axis=1) == pytest.approx(1.0)
    assert np.sort(raw, axis=1)[:, :-1] == pytest.approx(0.0)


def test_a_missing_number_takes_the_mean_and_its_flag() -> None:
    X = np.concatenate([np.arange(1.0, 81.0), np.full(20, np.nan)])[:, None]

    found = encoding_of(X, NUMBER)
    missing = found.columns(np.array([[np.nan]]))[0]

    number, flag = found.level.tolist().index(-1), found.level.tolist().index(-2)
    assert missing[number] == 0.0
    assert missing[flag] > 0.0


def test_days_since_something_that_never_was_are_a_long_time() -> None:
    X = np.concatenate([np.linspace(0, 100, 80), np.full(20, np.nan)])[:, None]

    found = encoding_of(X, SINCE)
    is_decay = np.array([shape == "decay" for shape in found.shape])
    now, long_ago, never = found.columns(np.array([[0.0], [1e5], [np.nan]]))[:, is_decay].ravel()

    assert now > long_ago > never
    assert never == pytest.approx(long_ago, abs=0.01)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0, 1e12, np.nan])
def test_a_constant_column_is_left_out(value: float) -> None:
    assert encoding_of(np.full((300, 1), value), NUMBER).columns(np.full((3, 1), value)).shape == (3, 0)


def test_a_number_that_differs_in_fewer_than_ten_rows_is_left_out() -> None:
    X = np.zeros((1000, 1))
    X[:9] = 5.0
    enough = X.copy()
    enough[9] = 5.0

    assert encoding_of(X, NUMBER).shape == ()
    assert encoding_of(enough, NUMBER).shape == ("log", "root")
    assert encoding_of(np.where(X > 0, X, np.nan), NUMBER).shape == ()


def test_a_category_of_fewer_than_ten_rows_has_no_column() -> None:
    X = np.array([0.0] * 100 + [1.0] * 9 + [2.0] * 100)[:, None]

    assert encoding_of(X, SOURCE).level.tolist() == [0, 2]


def test_counts_of_both_signs_are_taken_in_logs() -> None:
    X = np.linspace(-50, 50, 101)[:, None]

    found = encoding_of(X, NUMBER)
    raw = found.columns(np.array([[-9.0], [9.0]])) * found.scale + found.center

    assert raw[:, 0] == pytest.approx([-np.log(10), np.log(10)])


def test_json_gives_the_same_bits_back() -> None:
    rng = np.random.default_rng(2)
    X = np.column_stack([rng.lognormal(3, 1, 300), rng.integers(0, 3, 300), rng.uniform(0, 90, 300)])
    found = encoding_of(X, NUMBER, SOURCE, SINCE)

    text: dict[str, Any] = json.loads(json.dumps(found.to_json()))

    assert (Encoding.from_json(text).columns(X) == found.columns(X)).all()


def test_one_row_gets_the_same_bits_as_many() -> None:
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.lognormal(3, 1, 300), rng.integers(0, 3, 300), rng.uniform(0, 90, 300)])
    found = encoding_of(X, NUMBER, SOURCE, SINCE)

    alone = np.concatenate([found.columns(X[i : i + 1]) for i in range(len(X))])

    assert (alone == found.columns(X)).all()


def test_a_huge_number_keeps_a_finite_column() -> None:
    X = np.linspace(1, 100, 100)[:, None]

    found = encoding_of(X, NUMBER).columns(np.array([[1e308], [np.inf], [-np.inf]]))

    assert (np.abs(found) < 1e9).all()
    assert np.abs(found[0]).max() < 1e3


def test_amounts_and_days_since_have_a_root_beside_their_bent_form_and_counts_have_not() -> None:
    rng = np.random.default_rng(3)
    visits = Feature("implicit", "any", "count", 7, "count", 0, "any")
    X = np.column_stack([rng.lognormal(3, 1, 200), rng.uniform(0, 90, 200), rng.poisson(3.0, 200)])

    found = encoding_of(X, NUMBER, SINCE, visits)

    assert found.shape == ("log", "root", "decay", "root", "log")
    raw = found.columns(np.array([[-16.0, 49.0, 0.0]])) * found.scale + found.center
    assert raw[0, [1, 3]] == pytest.approx([-4.0, 7.0])
