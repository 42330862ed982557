"""Bands: 50 is the MQL line and 80 the SQL line to the last bit."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from features.errors import ConfigError, InputError
from models import bands as module
from models.bands import (
    POINTS_TABLE_ANCHORS,
    Anchors,
    anchors_from,
    bands,
    points,
    points_table_margin,
    score,
)
from models.settings import BandSettings

GIVEN = BandSettings(method="given", mql=0.2, sql=0.5)
PROBABILITIES = np.linspace(0.01, 1.0, 100) ** 2 * 0.9
NO_WIN = np.zeros(100)


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(module).failed == 0


def test_points_are_linear_in_log_odds_through_both_lines() -> None:
    anchors = Anchors(0.2, 0.5)

    found = points(
        [logit(0.2), (logit(0.2) + logit(0.5)) / 2, logit(0.5), 2 * logit(0.5) - logit(0.2)], anchors
    )

    assert found == pytest.approx([50.0, 65.0, 80.0, 110.0])
    assert found[0] == 50.0
    assert found[2] == 80.0


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-6, 0.98), st.floats(0.5, 6.0), st.integers(-400, 400))
@example(0.07, 0.5, 0)
def test_the_line_and_fifty_points_never_disagree(p_mql: float, distance: float, steps: int) -> None:
    anchors = Anchors(p_mql, float(expit(logit(p_mql) + distance)))
    for line, value in ((anchors.p_mql, 50.0), (anchors.p_sql, 80.0)):
        near = float(logit(line)) + steps * np.spacing(logit(line))
        odds = np.array([near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf)])

        found, p = points(odds, anchors), expit(odds)

        assert np.array_equal(p >= line, found >= value)
        assert (found[p == line] == value).all()
        assert (np.diff(points(np.sort(odds), anchors)) >= 0).all()


def test_points_of_one_row_have_the_bits_of_many() -> None:
    odds = np.random.default_rng(0).normal(-1.0, 3.0, 20_000)
    anchors = Anchors(0.07, 0.31)

    whole = points(odds, anchors)

    assert np.array_equal(whole, [points(odds[i : i + 1], anchors)[0] for i in range(len(odds))])


def test_certain_leads_get_the_ends_of_the_scale() -> None:
    assert score(points([-np.inf, np.inf], Anchors(0.2, 0.5))).tolist() == [0.0, 100.0]


def test_the_band_is_the_highest_line_reached() -> None:
    settings_ = BandSettings(method="given", mql=0.2, sql=0.5, further={"nurture": 30.0, "hot": 95.0})
    anchors = Anchors(0.2, 0.5)
    p = expit(np.array([logit(0.2) - 2.0, logit(0.2) - 0.5, 0.0, 0.0, 5.0]))
    p[2:4] = 0.2, 0.5

    assert bands(p, anchors, settings_).tolist() == ["below", "nurture", "MQL", "SQL", "hot"]
    shown = [10.0, 94.0, 60.0, 95.0, 94.0]
    assert bands(p, anchors, settings_, shown).tolist() == ["below", "nurture", "MQL", "hot", "SQL"]


@pytest.mark.parametrize("further", [{"MQL": 60.0}, {"hot": 80.0}, {"a": 60.0, "b": 60.0}, {"below": 20.0}])
def test_two_bands_can_not_share_a_name_or_a_line(further: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="its own name and cut point"):
        bands([0.1], Anchors(0.2, 0.5), BandSettings(further=further))


def test_a_nan_has_no_band() -> None:
    with pytest.raises(InputError, match="1 of 2 probabilities are NaN"):
        bands([0.1, np.nan], Anchors(0.2, 0.5), BandSettings())


def test_quantiles_cut_off_the_shares_asked_for() -> None:
    anchors = anchors_from(PROBABILITIES, NO_WIN, BandSettings())

    assert (anchors.p_mql <= PROBABILITIES).mean() == pytest.approx(0.30)
    assert (anchors.p_sql <= PROBABILITIES).mean() == pytest.approx(0.10)
    assert not anchors.moved


def test_capacity_counts_leads_of_those_scored_and_ties_never_overfill_it() -> None:
    asked = BandSettings(method="capacity", mql=20, sql=5)
    tied = np.repeat([0.1, 0.2, 0.6], [80, 15, 5])

    plain = anchors_from(PROBABILITIES, NO_WIN, asked)
    of_more = anchors_from(PROBABILITIES, NO_WIN, asked, n_scored=200)

    assert (plain.p_mql <= PROBABILITIES).sum() == 20
    assert (of_more.p_mql <= PROBABILITIES).sum() == 10
    assert anchors_from(tied, NO_WIN, BandSettings(method="capacity", mql=19, sql=5)).p_mql == 0.6
    assert anchors_from([0.3] * 10, [0] * 10, asked, n_scored=100).p_mql == 0.3


def test_precision_takes_the_least_threshold_that_reaches_it() -> None:
    p = np.linspace(0.99, 0.01, 100)
    y = np.array([1] * 25 + [0] * 75)

    anchors = anchors_from(p, y, BandSettings(method="precision", mql=0.5, sql=0.9))

    assert y[p >= anchors.p_mql].mean() == 0.5
    assert (p >= anchors.p_mql).sum() == 50
    assert (p >= anchors.p_sql).sum() == 27


def test_a_precision_out_of_reach_says_the_best() -> None:
    y = np.array([1, 0] * 50)

    with pytest.raises(
        ConfigError, match=r"over at least 20 rows reaches a precision of 0\.9; the best is 0\.5"
    ):
        anchors_from(np.linspace(0.9, 0.1, 100), y, BandSettings(method="precision", mql=0.4, sql=0.9))


def test_value_asks_for_the_amount_a_contact_brings() -> None:
    asked = BandSettings(method="value", mql=100, sql=400)
    y = [1, 1, 0, 1]

    anchors = anchors_from([0.1, 0.2, 0.3, 0.4], y, asked, amounts=[500, 1500, 9e9, np.nan])

    assert (anchors.p_mql, anchors.p_sql) == pytest.approx((0.1, 0.4))
    with pytest.raises(ConfigError, match="0 of 3 wins carry one"):
        anchors_from([0.1, 0.2, 0.3, 0.4], y, asked)
    with pytest.raises(ConfigError, match="a win brings 300 on average"):
        anchors_from([0.1, 0.2, 0.3, 0.4], y, asked, amounts=[300] * 4)
    with pytest.raises(ConfigError, match="MQL line must lie below"):
        anchors_from([0.1] * 4, y, BandSettings(method="value", mql=400, sql=100), amounts=[1000] * 4)


def test_lines_too_near_are_moved_half_a_logit_apart() -> None:
    near = anchors_from([0.1], [0], BandSettings(method="given", mql=0.2, sql=0.21))
    tied = anchors_from([0.3] * 50, [0] * 50, BandSettings())
    sure = anchors_from([1.0] * 50, [1] * 50, BandSettings())

    for anchors in (near, tied):
        assert anchors.moved
        assert logit(anchors.p_sql) - logit(anchors.p_mql) == pytest.approx(0.5)
    assert sure.p_mql < sure.p_sql < 1.0


def test_anchors_out_of_order_are_an_error() -> None:
    for lines in ((0.5, 0.5), (0.6, 0.5), (0.0, 0.5), (0.5, 1.0), (float("nan"), 0.5)):
        with pytest.raises(ConfigError, match="0 < p_mql < p_sql < 1"):
            Anchors(*lines)


def test_anchors_need_finite_probabilities() -> None:
    with pytest.raises(InputError, match="finite probabilities"):
        anchors_from([0.1, np.nan], [0, 1], BandSettings())


def test_json_gives_the_same_bits_back() -> None:
    anchors = Anchors(0.1 + 0.2, 1 / 1.7, "quantile", moved=True)

    assert Anchors.from_json(json.loads(json.dumps(anchors.to_json()))) == anchors
    with pytest.raises(InputError, match="'p_mql' and 'p_sql'"):
        Anchors.from_json({"p_mql": 0.1})


def test_the_lines_of_a_points_table_become_fifty_and_eighty() -> None:
    margins = points_table_margin([35.0, 70.0, 34.999999], mql=35.0, sql=70.0)

    found = points(margins, POINTS_TABLE_ANCHORS)

    assert found[:2].tolist() == [50.0, 80.0]
    assert found[2] < 50.0
    assert bands(expit(margins), POINTS_TABLE_ANCHORS, GIVEN).tolist() == ["MQL", "SQL", "below"]
    with pytest.raises(ConfigError, match=r"points\.mql must be below points\.sql"):
        points_table_margin([1.0], mql=2.0, sql=2.0)
