"""Tiers: each segment on its own line or by its own model, exact reasons on one base, and nothing paid for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from features.errors import ConfigError, InputError
from features.prepare import FeatureSources
from features.settings import AttributeSettings, EventSettings, FeatureSettings, TargetSettings
from models.bands import Anchors
from models.bundle import load_bundle, write_bundle
from models.calibration import IDENTITY, Calibration, row_log_loss
from models.evaluation import Examples
from models.grades import fit_grades
from models.ladder import Recipe
from models.scorer import Scorer
from models.settings import BandSettings, LightGBMSettings, ModelSettings, Plan, RollingSettings, TierSettings
from models.sheets import Sheets
from models.tier_choice import shrunken_lines
from models.tiers import Tier, TieredRung, Tiering, fit_tiered, segment_column, segments_of, tiering_of
from models.trainer import evaluate

SMALL = ModelSettings(lightgbm=LightGBMSettings(num_leaves=5, learning_rate=0.2, min_data_in_leaf=20))
TIERING = Tiering(
    "source", {"ads": Tier((0.3, 0.8)), "organic": Tier((0.0, 1.0), (0.1, 0.9)), "partner": Tier()}, IDENTITY,
    (0.4, 0.1),
)  # fmt: skip
RUNGS = ("points", "logistic", "lightgbm", "blend")
PLAN = Plan(
    model=ModelSettings(rungs=("logistic",), logistic_penalties=(100.0,), bootstrap=100),
    rolling=RollingSettings(blocks=1),
)


def tiered(world: Any, rung: str) -> TieredRung:
    recipe = Recipe(rung, 100.0, 4, (0.1, 0.6, 0.5))  # type: ignore[arg-type]
    found = fit_tiered(recipe, TIERING, world.X, world.y, world.catalogue, SMALL)
    assert isinstance(found, TieredRung)
    return found


def scorer_of(world: Any, rung: str, sheets: Sheets | None = None) -> Scorer:
    return Scorer(
        tiered(world, rung), rung, world.catalogue, Calibration("beta", (0.9, 1.1, -0.05)), Anchors(0.2, 0.5),
        BandSettings(further={"hot": 95.0}), fit_grades([0.0], [0.0]), sheets=sheets,
    )  # fmt: skip


SHEETS = Sheets("source", {"ads": Anchors(0.1, 0.3), "partner": Anchors(0.4, 0.7)})


def another_law(world: Any, seed: int) -> tuple[Examples, np.ndarray]:
    """The world with a source that wins otherwise: less, and less the more it does."""
    X = world.X
    is_ads = X[:, 0] == 0.0
    odds = np.where(is_ads, -0.5 - 1.2 * (world.log_odds + 1.6), world.log_odds)
    y = (np.random.default_rng(seed).random(len(odds)) < expit(odds)).astype(np.float64)
    found: Examples = replace(world.examples, y=y)
    return found, odds


@pytest.mark.parametrize("rung", RUNGS)
def test_base_and_contributions_add_up_to_the_margin_in_every_segment(rung: str, world: Any) -> None:
    names, group = world.catalogue.groups()
    fitted = tiered(world, rung)

    phi, base = fitted.contributions(world.X)
    margin, by_group, shared_base = fitted.explain(world.X, group, len(names))

    assert base == pytest.approx(shared_base, abs=1e-9)
    assert base + phi.sum(axis=1) == pytest.approx(fitted.margin(world.X), abs=1e-9)
    assert base + by_group.sum(axis=1) == pytest.approx(margin, abs=1e-9)
    assert margin == pytest.approx(fitted.margin(world.X), abs=1e-9)


def test_a_segment_is_the_line_on_the_margin_that_scores_it(world: Any) -> None:
    fitted = tiered(world, "logistic")

    margin, source = fitted.margin(world.X), world.X[:, 0]

    ads, organic = source == 0.0, source == 1.0
    assert margin[ads] == pytest.approx(0.3 + 0.8 * fitted.shared.margin(world.X[ads]))
    assert margin[organic] == pytest.approx(0.1 + 0.9 * fitted.own["organic"].margin(world.X[organic]))
    others = ~ads & ~organic
    assert np.isnan(source[others]).any()
    assert (source[others] == 3.0).any()
    assert (margin[others] == fitted.shared.margin(world.X[others])).all()


def test_one_row_gets_the_bits_of_a_thousand(world: Any) -> None:
    fitted = tiered(world, "blend")

    alone = np.concatenate([fitted.margin(world.X[row : row + 1]) for row in range(40)])

    assert (alone == fitted.margin(world.X)[:40]).all()


def test_a_segment_without_the_conversions_falls_back_to_its_line_on_the_shared_rung(world: Any) -> None:
    y = np.where((world.X[:, 0] == 1.0) & (np.cumsum(world.y) > 60), 0.0, world.y)

    found = fit_tiered(Recipe("logistic"), TIERING, world.X, y, world.catalogue, SMALL)

    assert isinstance(found, TieredRung)
    assert dict(found.own) == {}
    organic = world.X[world.X[:, 0] == 1.0]
    assert (found.margin(organic) == found.shared.margin(organic)).all()


@pytest.mark.parametrize("rung", RUNGS)
def test_a_bundle_keeps_tiers_and_sheets_to_the_bit(rung: str, world: Any, tmp_path: Path) -> None:
    scorer = scorer_of(world, rung, SHEETS)
    sources = FeatureSources(AttributeSettings(), EventSettings(), FeatureSettings(), TargetSettings(), False)

    bundle = write_bundle(
        tmp_path / "bundle", scorer, sources, world.X[:20], {"verdict": "champion"}, parts={"x.json": "{}"}
    )
    again = load_bundle(tmp_path / "bundle")

    before, after = scorer.scored(world.X, 3), again.scorer.scored(world.X, 3)
    assert (before.probability == after.probability).all()
    assert (before.score == after.score).all()
    assert (before.explained.points == after.explained.points).all()
    assert set(bundle.parts) == {"x.json"}
    assert again.scorer.sheets == SHEETS
    found = tiering_of(again.scorer.rung, world.catalogue)
    assert found is not None
    assert found.tiers == TIERING.tiers


def test_a_score_of_50_and_80_are_the_lines_of_the_rows_own_sheet(world: Any) -> None:
    scorer = scorer_of(world, "logistic", SHEETS)

    found = scorer.scored(world.X, 3)

    code = scorer.sheet_codes(world.X)
    p_mql, p_sql = (np.array([0.1, 0.4, 0.2])[code], np.array([0.3, 0.7, 0.5])[code])
    assert ((found.score >= 50) == (found.probability >= p_mql)).all()
    assert ((found.score >= 80) == (found.probability >= p_sql)).all()
    assert set(np.unique(code)) == {0, 1, 2}
    shown = (
        np.asarray(found.explained.base_score) + found.explained.points.sum(axis=1) + found.explained.limit
    )
    assert shown == pytest.approx(found.score, abs=1e-6)
    alone = scorer.scored(world.X[5:6], 3)
    assert alone.score[0] == found.score[5]
    assert (alone.explained.points[0] == found.explained.points[5]).all()
    assert scorer.band(found.margin, world.X).tolist() == found.band.tolist()


def test_a_sheet_can_not_be_told_without_features(world: Any) -> None:
    scorer = scorer_of(world, "logistic", SHEETS)

    with pytest.raises(InputError, match="needs the features X of the rows"):
        scorer.score(scorer.margin(world.X))


def test_a_column_that_is_no_category_is_refused_with_those_there_are(world: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"tiers.column = 'budget' is no category among the features; there are source"
    ):
        segment_column(world.catalogue, "budget")


def test_values_that_are_no_segment_share_one_code() -> None:
    X = np.array([[0.0], [1.0], [2.0], [np.nan], [-1.0]])

    assert segments_of(X, 0, 2).tolist() == [0, 1, 2, 2, 2]


def test_a_line_is_drawn_towards_the_shared_one_the_fewer_the_conversions() -> None:
    rng = np.random.default_rng(0)
    code = np.repeat([0, 1], [4000, 40])
    away = rng.normal(size=len(code))
    y = (rng.random(len(code)) < expit(-1.0 + 1.0 + away)).astype(np.float64)

    lines = shrunken_lines(away, away - 1.0, y, code, 3, (0.3, 0.1))

    # the truth is 1 above the offset in both; 4000 rows say so, 40 hardly, no rows not at all
    assert lines[0, 0] == pytest.approx(1.0, abs=0.12)
    assert 0.0 < lines[1, 0] < 0.8
    assert lines[2].tolist() == [0.0, 0.0]


def test_segments_with_another_law_are_calibrated_with_tiers_and_not_without(
    make_world: Callable[..., Any],
) -> None:
    world = make_world(8000, seed=5)
    examples, odds = another_law(world, seed=2)
    plan = PLAN.model_copy(update={"tiers": TierSettings(column="source", sheet_conversions=20)})

    found = evaluate(examples, world.catalogue, plan)

    test, y = found.test_rows, examples.y[found.test_rows]
    truth, ads = expit(odds[test]), examples.X[test, 0] == 0.0
    assert found.shared_log_odds is not None
    assert found.selection.tiers is not None
    new, old = expit(found.static_log_odds), expit(found.shared_log_odds)
    # the shared logistic knows the segment's level, not that its slope is turned round
    assert (
        row_log_loss(y, found.static_log_odds).mean() < row_log_loss(y, found.shared_log_odds).mean() - 0.01
    )
    assert np.abs(new - truth)[ads].mean() < 0.6 * np.abs(old - truth)[ads].mean()
    assert found.selection.tiers.tiers["ads"].own is not None
    for code in (0.0, 1.0, 2.0):
        rows = examples.X[test, 0] == code
        # the level of a segment is known from its out-of-fold labels: three standard errors of their mean
        n_known = int((examples.X[found.out_of_fold.rows, 0] == code).sum())
        assert abs(new[rows].mean() - truth[rows].mean()) <= 3.0 * np.sqrt(0.25 / n_known)
    assert found.sheets is not None
    assert set(found.sheets.anchors) == {"ads", "organic", "partner"}
    assert found.sheets.anchors["ads"] != found.sheets.anchors["partner"]


def test_where_segments_do_not_differ_tiers_cost_next_to_nothing(make_world: Callable[..., Any]) -> None:
    world = make_world(6000, seed=8)
    plan = PLAN.model_copy(update={"tiers": TierSettings(column="source")})

    found = evaluate(world.examples, world.catalogue, plan)

    y = world.y[found.test_rows]
    assert found.shared_log_odds is not None
    cost = row_log_loss(y, found.static_log_odds).mean() - row_log_loss(y, found.shared_log_odds).mean()
    assert cost < 0.002


def test_the_champions_sheets_are_kept(make_world: Callable[..., Any]) -> None:
    world = make_world(2000, seed=1)
    plan = PLAN.model_copy(update={"tiers": TierSettings(column="source", sheet_conversions=10_000)})

    found = evaluate(world.examples, world.catalogue, plan, Anchors(0.2, 0.5), champion_sheets=SHEETS)

    assert found.sheets == SHEETS
    assert found.anchors == Anchors(0.2, 0.5)
