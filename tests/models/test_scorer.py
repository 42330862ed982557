"""Scores: reasons add up to them, bands follow the probability, a table keeps its own points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from features.catalogue import Catalogue, Feature
from models.bands import POINTS_TABLE_ANCHORS, Anchors
from models.calibration import IDENTITY, Calibration
from models.classifier import PointsRung
from models.grades import fit_grades
from models.ladder import Recipe, fit_rung
from models.scorer import Scorer
from models.settings import BandSettings, ModelSettings

CALIBRATIONS = (
    Calibration("platt", (1.3, -0.2)),
    Calibration("beta", (0.6, 1.6, 0.3)),
    Calibration("isotonic", (0.8, -3.0, -3.4, -1.2, -1.1, 0.4, 0.6)),
)
NO_GRADES = fit_grades([0.0], [0.0])
FIT_OF_GROUPS = {
    "source": 1.0, "budget": 1.0, "people": 1.0, "priority": 1.0, "points:source": 1.0, "points:pricing": 0.0,
    "type:pricing_view": 0.0, "type:unsubscribe": 0.0, "momentum": 0.0, "silence": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module", params=["points", "logistic", "lightgbm", "blend"])
def scorer(request: pytest.FixtureRequest, world: Any) -> Scorer:
    recipe = Recipe(request.param, 100.0, 30, (0.1, 0.6, 0.5))
    fitted = fit_rung(recipe, world.X, world.y, world.catalogue, ModelSettings())
    anchors, bands = Anchors(0.2, 0.5), BandSettings(further={"hot": 95.0})
    return Scorer(fitted, request.param, world.catalogue, CALIBRATIONS[0], anchors, bands, NO_GRADES)


@pytest.fixture(scope="module")
def logistic(world: Any) -> Scorer:
    fitted = fit_rung(Recipe("logistic"), world.X, world.y, world.catalogue, ModelSettings())
    return Scorer(
        fitted, "logistic", world.catalogue, CALIBRATIONS[0], Anchors(0.2, 0.5), BandSettings(), NO_GRADES
    )


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.parametrize("lines", [(0.2, 0.5), (0.01, 0.02), (0.9, 0.99)])
def test_base_and_reasons_and_limit_add_up_to_the_score(
    calibration: Calibration, lines: tuple[float, float], scorer: Scorer, world: Any
) -> None:
    found = replace(scorer, calibration=calibration, anchors=Anchors(*lines)).scored(world.X, 3)

    shown = found.reasons.points.sum(axis=1) + found.reasons.rest
    assert found.explained.base_score + shown + found.explained.limit == pytest.approx(found.score, abs=1e-6)
    assert found.explained.base_points + found.explained.points.sum(axis=1) == pytest.approx(
        found.explained.lead_points, abs=1e-6
    )
    assert (found.score >= 0).all()
    assert (found.score <= 100).all()


def test_points_of_a_reason_have_the_sign_of_its_contribution(scorer: Scorer, world: Any) -> None:
    _, phi, _ = scorer.explain(world.X)

    found = scorer.scored(world.X, 3).explained.points

    assert (np.sign(found) == np.sign(phi)).all()


def test_the_band_is_decided_by_the_probability(scorer: Scorer, world: Any) -> None:
    found = scorer.scored(world.X, 3)

    is_mql, is_sql = found.probability >= 0.2, found.probability >= 0.5
    assert (np.isin(found.band, ["MQL", "SQL", "hot"]) == is_mql).all()
    assert (np.isin(found.band, ["SQL", "hot"]) == is_sql).all()
    assert ((found.score >= 50) == is_mql).all()
    assert ((found.score >= 80) == is_sql).all()


def test_the_probability_is_the_calibrated_margin(scorer: Scorer, world: Any) -> None:
    found = scorer.scored(world.X, 3)

    assert found.probability == pytest.approx(expit(1.3 * scorer.rung.margin(world.X) - 0.2))


def test_one_row_gets_the_same_bits_as_many(scorer: Scorer, world: Any) -> None:
    together = scorer.scored(world.X, 4)

    for i in range(0, 2000, 61):
        alone = scorer.scored(world.X[i : i + 1], 4)
        assert alone.score[0] == together.score[i]
        assert alone.probability[0] == together.probability[i]
        assert (alone.explained.points[0] == together.explained.points[i]).all()
        assert (alone.reasons.groups[0] == together.reasons.groups[i]).all()
        assert alone.reasons.rest[0] == together.reasons.rest[i]


def test_no_rows_give_no_scores(scorer: Scorer, world: Any) -> None:
    found = scorer.scored(world.X[:0], 3)

    assert len(found.score) == len(found.band) == len(found.reasons.rest) == 0


def test_windows_of_one_activity_are_one_reason(logistic: Scorer, world: Any) -> None:
    names, _ = world.catalogue.groups()
    phi, _ = logistic.rung.contributions(world.X)

    _, found, _ = logistic.explain(world.X)

    place = names.index("type:pricing_view")
    assert found[:, place] == pytest.approx(phi[:, [3, 4, 6]].sum(axis=1))
    assert found.shape == (2000, len(names))


def test_who_they_are_goes_into_fit_and_what_they_did_into_engagement(logistic: Scorer, world: Any) -> None:
    names, _ = world.catalogue.groups()
    phi = np.eye(len(names))

    fit, engagement = logistic.grade_sums(phi)

    assert dict(zip(names, fit.tolist(), strict=True)) == FIT_OF_GROUPS
    assert (fit + engagement == 1).all()


def test_an_extreme_lead_has_a_finite_score_and_reasons_that_add_up(scorer: Scorer, world: Any) -> None:
    X = np.array(
        [
            [2.0, 1e308, 0, 1e9, 1e9, 0, 0, 9, 0, 1e9, 1, 7, 1e6],
            [0, 0, 0, 0, 0, 1e9, 1e9, -9, 1e9, 0, 0, 0, -1e6],
        ]
    )

    found = scorer.scored(X, 3)

    shown = found.reasons.points.sum(axis=1) + found.reasons.rest
    assert np.isfinite(found.explained.points).all()
    assert found.explained.base_score + shown + found.explained.limit == pytest.approx(found.score, abs=1e-6)


def table(lines: tuple[float, float | None], n_rules: int) -> Scorer:
    features = tuple(
        Feature("points", f"type:e{k}", f"rule{k}", unit="points", group=f"points:e{k}")
        for k in range(n_rules)
    )
    rung = PointsRung(np.arange(n_rules), np.zeros(n_rules), 0.0, 1.0, n_rules)
    return Scorer(
        rung, "points", Catalogue(features), IDENTITY, POINTS_TABLE_ANCHORS, BandSettings(), NO_GRADES,
        table_lines=lines,
    )  # fmt: skip


def test_a_bare_table_gives_its_own_points_and_bands_and_no_probability() -> None:
    X = np.array([[10.0, 3, 7, 20], [10, 3, 7, 0], [10, 20, 0, 0], [0, 0, 0, 0], [200, 0, 0, 0]])

    found = table((30.0, 40.0), 4).scored(X, 2)

    assert found.score.tolist() == [40.0, 20.0, 30.0, 0.0, 200.0]
    assert found.band.tolist() == ["SQL", "below", "MQL", "below", "SQL"]
    assert np.isnan(found.probability).all()
    assert found.reasons.points[0].tolist() == [20.0, 10.0]
    assert found.reasons.rest[0] == 10.0
    assert found.explained.base_score == 0.0
    assert (found.explained.limit == 0.0).all()


def test_a_bare_table_without_an_sql_line_has_no_sql() -> None:
    found = table((30.0, None), 1).scored(np.array([[30.0], [29.999], [1e6]]), 1)

    assert found.band.tolist() == ["MQL", "below", "MQL"]


def test_bands_rank_upwards_further_ones_among_them(scorer: Scorer, world: Any) -> None:
    bands = BandSettings(further={"hot": 95.0, "warm": 65.0, "cold": 10.0})
    scorer = replace(scorer, bands=bands)
    order = ["below", "cold", "MQL", "warm", "SQL", "hot"]
    margins = np.linspace(-6.0, 6.0, 400)

    found = scorer.band_rank(margins)

    assert [order[rank] for rank in found] == scorer.band(margins).tolist()
    assert (np.diff(found) >= 0).all()
    assert set(found.tolist()) == set(range(6))
    assert scorer.band(scorer.margin(world.X)).tolist() == scorer.scored(world.X, 1).band.tolist()


def test_a_bare_table_ranks_its_own_lines_alone() -> None:
    scorer = replace(table((30.0, 40.0), 1), bands=BandSettings(further={"odd": 50.0}))

    assert scorer.band_rank(np.array([0.0, 30.0, 39.0, 50.0])).tolist() == [0, 1, 1, 2]


def test_a_bare_table_scores_the_same_whichever_way_it_is_asked() -> None:
    scorer = table((30.0, None), 3)
    X = np.array([[10.0, 3.0, -4.0]])

    assert scorer.score(scorer.margin(X)).tolist() == scorer.scored(X, 1).score.tolist() == [9.0]


def test_a_lead_at_a_line_prints_the_line() -> None:
    scorer = replace(
        table((0, None), 1),
        table_lines=None,
        calibration=Calibration("platt", (1.0, 0.0)),
        anchors=Anchors(0.2, 0.5),
    )
    margins = np.log(np.array([[0.2 / 0.8], [1.0]]))

    found = scorer.scored(margins, 1)

    assert found.probability[1] == 0.5
    assert found.score[1] == 80.0
    assert found.band[1] == "SQL"
    assert (found.band[0] == "MQL") == (found.probability[0] >= 0.2) == (found.score[0] >= 50.0)
