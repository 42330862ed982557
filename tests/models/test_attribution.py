"""A difference split among players: fairly, exactly, whatever the order."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from features.errors import InputError
from models.attribution import shapley

Float64 = NDArray[np.float64]


def random_values(seed: int, k: int = 4) -> Float64:
    return np.random.default_rng(seed).normal(0, 50, (2**k, 7))


def test_two_players_by_hand() -> None:
    alone_first, alone_second, together = 4.0, 0.0, 10.0

    found = shapley([[0.0], [alone_first], [alone_second], [together]])

    assert found.tolist() == [[7.0], [3.0]]


@given(seed=st.integers(0, 1000), k=st.integers(1, 4))
def test_it_is_the_mean_over_all_orders(seed: int, k: int) -> None:
    values = random_values(seed, k)
    orders = list(permutations(range(k)))
    expected = np.zeros((k, values.shape[1]))
    for order in orders:
        joined = 0
        for player in order:
            expected[player] += (values[joined | 1 << player] - values[joined]) / len(orders)
            joined |= 1 << player

    found = shapley(values)

    assert np.abs(found - expected).max() < 1e-10


@given(seed=st.integers(0, 1000))
def test_the_shares_add_up_to_the_whole_difference(seed: int) -> None:
    values = random_values(seed)

    found = shapley(values)

    assert np.abs(found.sum(axis=0) - (values[-1] - values[0])).max() < 1e-10


@given(seed=st.integers(0, 1000), player=st.integers(0, 3))
def test_a_player_that_changes_nothing_gets_exactly_nothing(seed: int, player: int) -> None:
    values = random_values(seed)
    masks = np.arange(16)
    values = values[masks & ~(1 << player)]

    found = shapley(values)

    assert (found[player] == 0.0).all()
    others = values[[mask for mask in range(16) if not mask & 1 << player]]
    assert np.allclose(np.delete(found, player, axis=0), shapley(others), rtol=0, atol=1e-10)


@given(seed=st.integers(0, 1000))
def test_players_that_do_the_same_get_the_same(seed: int) -> None:
    by_size = random_values(seed, 2)
    values = by_size[[mask.bit_count() for mask in range(8)]]

    found = shapley(values)

    assert np.allclose(found, found[0], rtol=0, atol=1e-10)


@given(seed=st.integers(0, 1000))
def test_a_game_alone_gets_the_bits_it_gets_among_others(seed: int) -> None:
    values = random_values(seed)

    found = np.hstack([shapley(values[:, [game]]) for game in range(values.shape[1])])

    assert found.tobytes() == shapley(values).tobytes()


@pytest.mark.parametrize("shape", [(3, 2), (0, 2), (4,)])
def test_a_coalition_without_a_value_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="one row a coalition"):
        shapley(np.zeros(shape))
