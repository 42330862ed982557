"""Slices and folds: nothing is trained on before its label was known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from models.settings import SplitSettings
from models.split import Timeline, blocks_in_time, fold_tail, random_folds, rolling_folds, slices_of


def timeline_of(order: list[int], reach: int = 0, cluster: list[int] | None = None) -> Timeline:
    moments = np.array(order, dtype=np.int64)
    owners = np.arange(len(order)) if cluster is None else np.array(cluster, dtype=np.int64)
    return Timeline(moments, moments + reach, owners)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Timeline, np.ndarray, SplitSettings]:
    n = draw(st.integers(2, 300))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    moments = rng.integers(0, draw(st.integers(1, 400)), n)
    reach = rng.integers(0, draw(st.integers(1, 200)), n)
    settings = SplitSettings(test_share=draw(st.sampled_from([0.1, 0.2, 0.5])), folds=draw(st.integers(1, 6)))
    y = (rng.random(n) < 0.4).astype(np.float64)
    return Timeline(moments, moments + reach, rng.integers(0, n, n)), y, settings


def test_the_test_is_the_last_fifth_by_time() -> None:
    timeline = timeline_of(list(range(10)))

    found = slices_of(timeline, SplitSettings())

    assert found.test.tolist() == [8, 9]
    assert found.development.tolist() == list(range(8))
    assert found.gap.tolist() == []
    assert found.test_start == 8


def test_rows_of_one_moment_stay_together_at_the_edge_of_the_test() -> None:
    timeline = timeline_of([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])

    found = slices_of(timeline, SplitSettings())

    assert found.test.tolist() == [4, 5, 6, 7, 8, 9]


def test_a_label_known_exactly_when_the_test_starts_is_development_and_one_later_is_gap() -> None:
    timeline = timeline_of(list(range(10)), reach=3)

    found = slices_of(timeline, SplitSettings())

    assert found.test_start == 8
    assert found.development.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.gap.tolist() == [6, 7]


@given(histories())
def test_each_row_is_in_one_slice_and_development_was_known_before_the_test(
    history: tuple[Timeline, np.ndarray, SplitSettings],
) -> None:
    timeline, _, settings = history
    try:
        found = slices_of(timeline, settings)
    except InputError:
        return

    everything = np.concatenate([found.development, found.gap, found.test])

    assert sorted(everything.tolist()) == list(range(len(timeline.order)))
    assert (timeline.known_at[found.development] <= found.test_start).all()
    assert (timeline.known_at[found.gap] > found.test_start).all()
    assert (timeline.order[found.gap] < found.test_start).all()
    assert (timeline.order[found.test] >= found.test_start).all()
    assert len(found.test) >= np.floor(len(timeline.order) * settings.test_share)


@given(histories())
def test_folds_expand_and_train_only_on_labels_known_when_their_block_begins(
    history: tuple[Timeline, np.ndarray, SplitSettings],
) -> None:
    timeline, y, settings = history
    rows = np.flatnonzero(np.arange(len(y)) % 7 > 0)

    folds = rolling_folds(timeline, rows, y, settings)

    assert len(folds) <= settings.folds
    for fold in folds:
        start = timeline.order[fold.validate].min()
        assert (timeline.known_at[fold.train] <= start).all()
        assert (timeline.order[fold.train] < start).all()
        assert np.isin(fold.train, rows).all()
        assert np.isin(fold.validate, rows).all()
        assert 0 < y[fold.validate].sum() < len(fold.validate)
        assert min(y[fold.train].sum(), (1 - y[fold.train]).sum()) >= 10
    for earlier, later in pairwise(folds):
        assert np.isin(earlier.train, later.train).all()
        assert timeline.order[earlier.validate].max() < timeline.order[later.validate].min()
    seen = np.concatenate([fold.validate for fold in folds]) if folds else np.zeros(0)
    assert len(np.unique(seen)) == len(seen)


@given(histories())
def test_all_clocks_shifted_by_a_year_change_no_slice(
    history: tuple[Timeline, np.ndarray, SplitSettings],
) -> None:
    timeline, y, settings = history
    year = 365 * 86_400_000_000
    later = Timeline(timeline.order + year, timeline.known_at + year, timeline.cluster)
    try:
        found = slices_of(timeline, settings)
    except InputError:
        with pytest.raises(InputError):
            slices_of(later, settings)
        return

    moved = slices_of(later, settings)

    assert moved.development.tolist() == found.development.tolist()
    assert moved.test.tolist() == found.test.tolist()
    folds = rolling_folds(timeline, found.development, y, settings)
    moved_folds = rolling_folds(later, found.development, y, settings)
    assert [f.train.tolist() for f in folds] == [f.train.tolist() for f in moved_folds]


def test_even_data_gives_the_folds_that_were_asked_for() -> None:
    order = np.repeat(np.arange(100), 20)
    timeline = Timeline(order, order + 3, np.arange(2000))
    y = (np.arange(2000) % 4 == 0).astype(np.float64)

    folds = rolling_folds(timeline, np.arange(2000), y, SplitSettings(folds=4))

    sizes = [len(fold.validate) for fold in folds]
    assert len(folds) == 4
    assert max(sizes) - min(sizes) <= 40


@pytest.mark.parametrize("n_owners", [7, 60, 5000])
def test_no_account_is_on_two_sides_of_a_random_fold(n_owners: int) -> None:
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, n_owners, 5000)
    order = np.arange(5000)
    timeline = Timeline(order, order, cluster, is_ordered=False)
    y = (rng.random(5000) < 0.3).astype(np.float64)

    slices = slices_of(timeline, SplitSettings())
    folds = rolling_folds(timeline, slices.development, y, SplitSettings())

    assert not np.isin(cluster[slices.test], cluster[slices.development]).any()
    assert len(folds) >= 2
    for fold in folds:
        assert not np.isin(cluster[fold.train], cluster[fold.validate]).any()
    assert len(slices.gap) == 0


def test_a_random_test_is_drawn_by_account_whatever_the_row_order() -> None:
    rng = np.random.default_rng(1)
    cluster = rng.integers(0, 500, 2000)
    shuffled = rng.permutation(2000)
    order = np.zeros(2000, dtype=np.int64)

    plain = slices_of(Timeline(order, order, cluster, is_ordered=False), SplitSettings())
    mixed = slices_of(Timeline(order, order, cluster[shuffled], is_ordered=False), SplitSettings())

    assert np.unique(cluster[plain.test]).tolist() == np.unique(cluster[shuffled][mixed.test]).tolist()
    assert 0.1 < len(plain.test) / 2000 < 0.3


def test_early_stopping_has_a_tail_where_nothing_gives_an_order() -> None:
    n = 2000
    timeline = Timeline(np.arange(n), np.arange(n), np.arange(n), is_ordered=False)
    y = (np.arange(n) % 3 == 0).astype(np.float64)
    development = slices_of(timeline, SplitSettings()).development

    for fold in rolling_folds(timeline, development, y, SplitSettings()):
        fit, tail = fold_tail(timeline, fold.train, y)

        assert 0.1 < len(tail) / len(fold.train) < 0.3
        assert sorted([*fit, *tail]) == sorted(fold.train)


def test_rows_whose_labels_reach_into_the_tail_are_not_fitted() -> None:
    timeline = timeline_of(list(range(500)), reach=30)
    y = (np.arange(500) % 3 == 0).astype(np.float64)

    fit, tail = fold_tail(timeline, np.arange(500), y)

    assert tail.tolist() == list(range(400, 500))
    assert fit.tolist() == list(range(371))


def test_a_tail_that_labels_all_reach_into_is_drawn_by_account_instead() -> None:
    timeline = timeline_of(list(range(500)), reach=450, cluster=[k % 50 for k in range(500)])
    y = (np.arange(500) % 3 == 0).astype(np.float64)

    fit, tail = fold_tail(timeline, np.arange(500), y)

    assert len(fit) + len(tail) == 500
    assert len(tail) > 0
    assert not np.isin(timeline.cluster[fit], timeline.cluster[tail]).any()


@pytest.mark.parametrize("n_owners", [1, 2, 3])
def test_few_accounts_leave_rows_on_both_sides_of_the_tail(n_owners: int) -> None:
    timeline = Timeline(
        np.zeros(200, dtype=np.int64), np.ones(200, dtype=np.int64), np.arange(200) % n_owners
    )
    y = (np.arange(200) % 3 == 0).astype(np.float64)

    fit, tail = fold_tail(timeline, np.arange(200), y)

    assert len(fit) > 0
    assert len(tail) > 0
    assert len(fit) + len(tail) == 200


def test_a_history_of_one_moment_says_that_it_has_no_order() -> None:
    timeline = timeline_of([5] * 40)

    with pytest.raises(InputError, match="All 40 rows lie at one moment"):
        slices_of(timeline, SplitSettings())


def test_outcome_windows_longer_than_the_history_are_named_with_their_count() -> None:
    timeline = timeline_of(list(range(10)), reach=100)

    with pytest.raises(InputError, match=r"All 8 rows before the test.*shorter target\.horizon"):
        slices_of(timeline, SplitSettings())


def test_no_examples_at_all_are_refused_in_words() -> None:
    with pytest.raises(InputError, match="no examples"):
        slices_of(timeline_of([]), SplitSettings())


def test_too_little_for_folds_gives_none() -> None:
    timeline = timeline_of(list(range(12)))
    y = np.ones(12)

    assert rolling_folds(timeline, np.arange(12), y, SplitSettings()) == []
    assert random_folds(timeline, np.arange(12), y, SplitSettings()) == []


def test_blocks_in_time_are_of_equal_size_and_keep_moments_together() -> None:
    order = np.repeat(np.arange(60), 10)

    block, start = blocks_in_time(order, 6)

    assert np.bincount(block).tolist() == [100] * 6
    assert start.tolist() == [0, 10, 20, 30, 40, 50]
    assert blocks_in_time(np.zeros(5, dtype=np.int64), 6)[0].tolist() == [0] * 5
