from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.kernel import (
    DAY,
    decayed_sums,
    event_pairs,
    first_at_or_after,
    last_before,
    window_days,
    window_sums,
)

moments = st.lists(st.integers(0, 30), max_size=20).map(sorted)


@given(moments, st.integers(-1, 31))
def test_the_first_event_at_or_after_a_moment_is_found_by_bisection(times: list[int], moment: int) -> None:
    time = np.array(times, dtype=np.int64)

    found = first_at_or_after(time, np.array([0]), np.array([len(time)]), np.array([moment]))

    assert found.tolist() == [sum(each < moment for each in times)]


def test_an_event_at_the_moment_itself_is_not_before_it() -> None:
    assert first_at_or_after(np.array([5, 5, 7]), np.array([0]), np.array([3]), np.array([5])).tolist() == [0]


@given(moments, st.lists(st.booleans(), min_size=20, max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_distinct_days_are_counted_as_a_set_would(
    times: list[int], flags: list[bool], a: int, b: int
) -> None:
    time = np.array(times, dtype=np.int64) * (DAY // 3)
    mask = np.array(flags[: len(time)], dtype=bool)
    low, stop = min(a, len(time)), min(max(a, b), len(time))
    low = min(low, stop)

    found = window_days(np.zeros(len(time), dtype=np.int64), time, mask, np.array([low]), np.array([stop]))

    assert found[0] == len({int(time[k]) // DAY for k in range(low, stop) if mask[k]})


def test_decay_halves_over_a_half_life_by_hand() -> None:
    time, code = np.array([0, 10]), np.array([0, 1])

    found = decayed_sums(time, code, 2, np.array([0]), np.array([2]), np.array([20]), (10, 20))

    np.testing.assert_allclose(found[0], [[0.25, 0.5], [0.5, 2**-0.5]], rtol=1e-15)


def test_codes_below_zero_and_missing_values_do_not_count() -> None:
    value, code = np.array([1.0, np.nan, 4.0]), np.array([0, 0, -1])

    assert window_sums(value, code, 1, np.array([0]), np.array([3])).tolist() == [[1.0]]


def test_the_last_counted_event_is_found_within_the_bounds_only() -> None:
    mask = np.array([True, False, True, False])

    found = last_before(mask, np.array([0, 1, 3, 0]), np.array([2, 2, 4, 0]))

    assert found.tolist() == [0, -1, -1, -1]


def test_pairs_come_in_blocks_of_whole_rows(monkeypatch: object) -> None:
    low, stop = np.array([0, 2, 2]), np.array([2, 2, 5])

    blocks = list(event_pairs(low, stop))

    rows = [
        (int(r) + part.start, int(e)) for part, row, event in blocks for r, e in zip(row, event, strict=True)
    ]
    assert rows == [(0, 0), (0, 1), (2, 2), (2, 3), (2, 4)]


def test_one_row_alone_has_the_bits_of_the_whole_batch() -> None:
    rng = np.random.default_rng(0)
    time = np.sort(rng.integers(0, 10**13, 5000))
    code = rng.integers(0, 3, 5000)
    low = np.sort(rng.integers(0, 4000, 50))
    stop = low + rng.integers(0, 900, 50)
    as_of = np.full(50, 2 * 10**13)

    together = decayed_sums(time, code, 3, low, stop, as_of, (3 * DAY, 14 * DAY))

    for row in range(50):
        alone = decayed_sums(
            time, code, 3, low[row : row + 1], stop[row : row + 1], as_of[:1], (3 * DAY, 14 * DAY)
        )
        assert (alone[0] == together[row]).all()
