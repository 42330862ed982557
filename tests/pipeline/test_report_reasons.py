"""What moves the scores, on every rung."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.catalogue import Catalogue, Feature
from models.bundle import Bundle
from models.ladder import Recipe, fit_rung
from models.settings import ModelSettings, Rung
from pipeline.report_figures import Ranged
from pipeline.report_reasons import importance, points_moved, reason_table
from tests.pipeline.report_record import trained


def fitted(rung: Rung) -> Bundle:
    """A bundle of a rung in which size, or visits, matter."""
    generator = np.random.default_rng(0)
    X = np.concatenate(
        [generator.normal(size=(600, 2)), generator.integers(0, 2, (600, 2)) * [[9.0, 1.0]]], axis=1
    )
    y = (X[:, 0] + X[:, 2] + 0.3 * generator.normal(size=600) > 0).astype(np.float64)
    catalogue = Catalogue((
        Feature("explicit", "size", "value", group="size", words="size"),
        Feature("explicit", "noise", "value", group="noise", words="noise"),
        Feature("points", "visits", "rule0", unit="points", group="points:visits", words="visits"),
        Feature("points", "calls", "rule1", unit="points", group="points:calls", words="calls"),
    ))  # fmt: skip
    model = fit_rung(Recipe(rung, rounds=20), X, y, catalogue, ModelSettings())
    bundle = trained().bundle
    assert bundle is not None
    scorer = replace(bundle.scorer, rung=model, rung_name=rung, catalogue=catalogue)
    return replace(bundle, scorer=scorer, golden=X[:20])


@pytest.mark.parametrize("rung", ["logistic", "lightgbm", "blend", "points"])
def test_importance_finds_the_column_that_matters_on_every_rung(rung: Rung) -> None:
    shares, label = importance(fitted(rung))

    assert next(iter(shares)) == ("Visits" if rung == "points" else "Size")
    assert sum(shares.values()) == pytest.approx(1.0)
    assert label.startswith("Share of")


@pytest.mark.parametrize("rung", ["logistic", "points"])
def test_the_points_moved_are_those_of_the_scorer(rung: Rung) -> None:
    bundle = fitted(rung)
    group = bundle.scorer.catalogue.groups()[0].index("points:visits" if rung == "points" else "size")
    points = bundle.scorer.scored(bundle.golden, 1).explained.points[:, group]

    found = points_moved(bundle)["Visits" if rung == "points" else "Size"]

    assert found.value == pytest.approx(np.abs(points).mean())
    assert found.low < found.value < found.high


def test_a_model_that_looks_at_nothing_has_no_reasons() -> None:
    bundle = fitted("points")
    blind = replace(bundle, golden=np.zeros_like(bundle.golden))

    assert reason_table(blind) is None


def test_the_strongest_reasons_are_at_most_ten_with_share_and_points() -> None:
    bundle = trained().bundle
    assert bundle is not None

    table = reason_table(bundle)

    assert table is not None
    assert 1 < len(table.rows) <= 10
    shares = list(importance(bundle)[0])
    assert [each.cells[0] for each in table.rows] == shares[:10]
    assert all(isinstance(each.cells[2], Ranged) for each in table.rows)
    assert f"n = {len(bundle.golden)}" in table.note
