"""Grades: quarters without ties, one grade for equal sums, A4 is right but asleep."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError
from models import grades as module
from models.grades import ENGAGEMENT_GRADES, FIT_GRADES, Grades, fit_grades


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(module).failed == 0


def test_each_grade_holds_a_quarter_and_the_best_come_first() -> None:
    sums = np.random.default_rng(0).normal(size=1000)

    grades = fit_grades(sums, -sums)

    for grade in FIT_GRADES:
        assert (grades.fit(sums) == grade).sum() == 250
    assert sums[grades.fit(sums) == "A"].min() > sums[grades.fit(sums) == "B"].max()
    assert (grades.engagement(-sums)[grades.fit(sums) == "A"] == "4").all()


def test_right_company_asleep_is_a4() -> None:
    sums = np.arange(8.0)

    grades = fit_grades(sums, sums)

    assert (grades.fit([7.0])[0], grades.engagement([0.0])[0]) == ("A", "4")


def test_many_who_never_did_anything_share_a_middling_grade() -> None:
    sums = np.concatenate([np.full(80, -1.0), np.linspace(0.0, 1.0, 20)])

    found = fit_grades(sums, sums).engagement(sums)

    assert set(found[:80]) == {"3"}
    assert set(found[80:]) == {"1"}


@pytest.mark.parametrize("value", [0.0, -3.5, 1e6])
def test_equal_sums_get_one_grade_and_a_higher_one_later_is_the_best(value: float) -> None:
    grades = fit_grades([value] * 9, [value] * 9)

    assert grades.fit([value + 1e-12 * abs(value), value, value - 1.0, value + 1.0]).tolist() == [
        "B",
        "B",
        "D",
        "A",
    ]
    assert grades.engagement([value]).tolist() == ["2"]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=1, max_size=60))
def test_a_higher_sum_never_has_a_worse_grade(sums: list[float]) -> None:
    grades = fit_grades(sums, sums)
    rising = np.sort(sums)

    fit = [FIT_GRADES.index(grade) for grade in grades.fit(rising)]
    engagement = [ENGAGEMENT_GRADES.index(grade) for grade in grades.engagement(rising)]

    assert fit == sorted(fit)
    assert engagement == fit


def test_json_gives_the_same_cut_points_back() -> None:
    grades = fit_grades(np.random.default_rng(1).normal(size=50), np.zeros(50))

    assert Grades.from_json(json.loads(json.dumps(grades.to_json()))) == grades
    with pytest.raises(InputError, match="'fit_cuts' and 'engagement_cuts'"):
        Grades.from_json({"fit_cuts": [1, 2, 3]})


def test_sums_and_cut_points_that_make_no_grade_are_named() -> None:
    with pytest.raises(InputError, match="fit grades need finite sums; got 1 of 2"):
        fit_grades([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(InputError, match="engagement grades need finite sums; got 0 of 0"):
        fit_grades([1.0], [])
    with pytest.raises(InputError, match="do not fall"):
        Grades((3.0, 2.0, 1.0), (1.0, 2.0, 3.0))
    with pytest.raises(InputError, match="1 of 1 sums are NaN"):
        Grades((1.0, 2.0, 3.0), (1.0, 2.0, 3.0)).fit([np.nan])
