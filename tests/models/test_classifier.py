"""Fitted rungs: contributions add up, one row or many get the same bits, values stay values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from models.classifier import BlendRung, LightGBMRung, LogisticRung, PointsRung, RungModel
from models.ladder import Recipe, fit_rung
from models.settings import ModelSettings, Rung

RUNGS: tuple[Rung, ...] = ("points", "logistic", "lightgbm", "blend")
# every category incl. unseen codes and missing ones, extremes, all missing
ODD = np.array([
    [np.nan] * 13,
    [0.0] * 13,
    [99.0, 1e12, 0, 500, 900, 40, 4000, -9, 4000, 300, 1, 7, 15],
    [4.0, -5.0, 1, 0, 0, 0, np.nan, 3, 0, np.nan, np.nan, 0, 0],
    [-1.0, 1.0, 0, 1, 2, 0, 0.001, 0, 0.001, 2, 0, 0, 5],
])  # fmt: skip


@pytest.fixture(scope="module")
def fitted(world) -> dict[str, RungModel]:  # type: ignore[no-untyped-def]
    settings = ModelSettings()
    return {
        rung: fit_rung(Recipe(rung, 100.0, 40, (0.1, 0.6, 0.5)), world.X, world.y, world.catalogue, settings)
        for rung in RUNGS
    }


@pytest.fixture
def rows(world) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    found = np.concatenate([world.X, ODD])
    assert len(found) > 2000
    return found


def finite_rows(rung: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points columns are never missing."""
    return np.nan_to_num(rows) if rung == "points" else rows


@pytest.mark.parametrize("rung", RUNGS)
def test_base_and_contributions_add_up_to_the_margin(
    rung: str, fitted: dict[str, RungModel], rows: NDArray[np.float64]
) -> None:
    X = finite_rows(rung, rows)

    phi, base = fitted[rung].contributions(X)

    assert phi.shape == X.shape
    assert base + phi.sum(axis=1) == pytest.approx(fitted[rung].margin(X), abs=1e-9)


@pytest.mark.parametrize("rung", RUNGS)
def test_one_row_gets_the_same_bits_as_a_chunk_and_as_all(
    rung: str, fitted: dict[str, RungModel], rows: NDArray[np.float64]
) -> None:
    X, model = finite_rows(rung, rows), fitted[rung]
    margins, phi = model.margin(X), model.contributions(X)[0]

    alone = np.concatenate([model.margin(X[i : i + 1]) for i in range(0, len(X), 7)])
    alone_phi = np.concatenate([model.contributions(X[i : i + 1])[0] for i in range(0, len(X), 7)])
    chunks = np.concatenate([model.margin(X[i : i + 333]) for i in range(0, len(X), 333)])
    backwards = model.margin(np.asfortranarray(X[::-1]))[::-1]

    assert (alone == margins[::7]).all()
    assert (alone_phi == phi[::7]).all()
    assert (chunks == margins).all()
    assert (backwards == margins).all()


@pytest.mark.parametrize("rung", RUNGS)
def test_no_rows_give_no_margins(rung: str, fitted: dict[str, RungModel], rows: NDArray[np.float64]) -> None:
    phi, _ = fitted[rung].contributions(rows[:0])

    assert fitted[rung].margin(rows[:0]).shape == (0,)
    assert phi.shape == (0, rows.shape[1])


@pytest.mark.parametrize("rung", ["points", "logistic"])
def test_the_base_is_the_mean_margin_of_the_rows_of_the_fit(rung: str, fitted, world) -> None:  # type: ignore[no-untyped-def]
    _, base = fitted[rung].contributions(world.X)

    assert base == pytest.approx(fitted[rung].margin(world.X).mean(), abs=1e-9)


def test_coefficients_as_json_give_the_same_bits_back(
    fitted: dict[str, RungModel], rows: NDArray[np.float64]
) -> None:
    for rung in ("points", "logistic"):
        model, X = fitted[rung], finite_rows(rung, rows)
        assert isinstance(model, PointsRung | LogisticRung)

        again = type(model).from_json(json.loads(json.dumps(model.to_json())))

        assert (again.margin(X) == model.margin(X)).all()
        assert (again.contributions(X)[0] == model.contributions(X)[0]).all()


def test_trees_as_text_give_the_same_bits_and_the_same_text_back(
    fitted: dict[str, RungModel], rows: NDArray[np.float64]
) -> None:
    trees = fitted["lightgbm"]
    assert isinstance(trees, LightGBMRung)

    again = LightGBMRung(trees.text, trees.columns, trees.n_features, trees.rounds)

    assert (again.margin(rows) == trees.margin(rows)).all()
    assert (again.contributions(rows)[0] == trees.contributions(rows)[0]).all()


def test_points_features_are_no_part_of_logistic_and_trees(
    fitted: dict[str, RungModel], rows: NDArray[np.float64]
) -> None:
    changed = rows.copy()
    changed[:, 11:] += 1000.0

    for rung in ("logistic", "lightgbm", "blend"):
        assert (fitted[rung].margin(changed) == fitted[rung].margin(rows)).all()
        assert (fitted[rung].contributions(rows)[0][:, 11:] == 0.0).all()


def test_importance_lies_on_the_features_that_move_the_world(fitted: dict[str, RungModel]) -> None:
    trees = fitted["lightgbm"]
    assert isinstance(trees, LightGBMRung)

    gain = trees.importance()

    assert gain.shape == (13,)
    assert gain.argmax() == 0
    assert gain[10] > 2 * gain[7]
    assert (gain[11:] == 0.0).all()


def test_a_blend_is_its_parts_weighted(fitted: dict[str, RungModel], rows: NDArray[np.float64]) -> None:
    blend = fitted["blend"]
    assert isinstance(blend, BlendRung)

    expected = 0.1 + 0.6 * blend.logistic.margin(rows) + 0.5 * blend.trees.margin(rows)

    assert (blend.margin(rows) == expected).all()
    assert blend.contributions(rows)[1] == pytest.approx(
        0.1 + 0.6 * blend.logistic.intercept + 0.5 * blend.trees.contributions(rows)[1]
    )


def test_one_more_warning_sign_never_raises_the_trees_margin(
    fitted: dict[str, RungModel], rows: NDArray[np.float64]
) -> None:
    more = rows.copy()
    more[:, 5] += 1.0

    assert (fitted["lightgbm"].margin(more) <= fitted["lightgbm"].margin(rows) + 1e-12).all()
