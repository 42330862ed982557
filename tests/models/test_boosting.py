"""LightGBM as the ladder uses it: the same bits whatever the row order, stopped where the tail says."""

from __future__ import annotations

import numpy as np

from models.boosting import fit_trees, tree_rounds
from models.classifier import LightGBMRung
from models.settings import ModelSettings, SplitSettings
from models.split import Timeline, rolling_folds


def test_the_order_of_the_rows_changes_no_bit_of_the_trees(world, quick: ModelSettings) -> None:  # type: ignore[no-untyped-def]
    first = fit_trees(world.X, world.y, world.catalogue, quick, 10)
    second = fit_trees(world.X.copy(), world.y.copy(), world.catalogue, quick, 10)

    assert first.text == second.text


def test_trees_stop_at_the_rounds_that_were_set(world, quick: ModelSettings) -> None:  # type: ignore[no-untyped-def]
    found = fit_trees(world.X, world.y, world.catalogue, quick, 7)

    assert isinstance(found, LightGBMRung)
    assert found.text.count("\nTree=") == 7


def test_rounds_are_found_by_stopping_early(world, quick: ModelSettings) -> None:  # type: ignore[no-untyped-def]
    rows = np.arange(len(world.y))
    noise = np.random.default_rng(0).permutation(world.y)
    timeline = world.examples.timeline

    with_signal = tree_rounds(world.X, world.y, world.catalogue, quick, timeline, rows)
    without = tree_rounds(world.X, noise, world.catalogue, quick, timeline, rows)

    assert 10 <= with_signal < quick.lightgbm.max_rounds
    assert without < with_signal


def test_rounds_are_found_where_nothing_gives_an_order(world, quick: ModelSettings) -> None:  # type: ignore[no-untyped-def]
    plain = world.examples.timeline
    timeline = Timeline(plain.order, plain.known_at, plain.cluster, is_ordered=False)

    found = tree_rounds(world.X, world.y, world.catalogue, quick, timeline, np.arange(len(world.y)))

    assert 10 <= found < quick.lightgbm.max_rounds


def test_rolling_folds_of_the_world_can_be_fitted(world, quick: ModelSettings) -> None:  # type: ignore[no-untyped-def]

    rows = np.arange(len(world.y))
    folds = rolling_folds(world.examples.timeline, rows, world.y, SplitSettings())

    assert len(folds) == 4
    assert all(
        1 <= tree_rounds(world.X, world.y, world.catalogue, quick, world.examples.timeline, f.train) <= 60
        for f in folds
    )
