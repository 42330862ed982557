"""Shapley values: a difference split among what made it, without favouring an order."""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import InputError

__all__ = ["shapley"]

Float64 = NDArray[np.float64]


def shapley(values: ArrayLike) -> Float64:
    """Exact Shapley value of each player: its mean contribution over all orders in which players join.

    phi_i = sum over coalitions S without i of |S|! (k - |S| - 1)! / k! (v(S with i) - v(S)),
    Shapley (1953), A value for n-person games, eq. 13. The values of all players add up to
    v(all) - v(none) to rounding; a player that changes no coalition gets exactly 0.

    Parameters
    ----------
    values : array (2 ** k, n)
        Value of every coalition, one column a game; in row m player i takes part if bit i of m is set.

    Returns
    -------
    (k, n) float64, in the unit of the values.

    Raises
    ------
    InputError
        If the number of rows is not a power of two.

    Examples
    --------
    Alone the first brings 4, the second 0; together they bring 10. Joining first and second, the first
    brings 4 and 10, the second 0 and 6.

    >>> shapley([[0.0], [4.0], [0.0], [10.0]]).tolist()
    [[7.0], [3.0]]
    """
    value = np.asarray(values, dtype=np.float64)
    k = len(value).bit_length() - 1
    if value.ndim != 2 or len(value) != 2**k:
        raise InputError(
            f"Shapley values need one row a coalition, 2 ** k for k players; got the shape {value.shape}"
        )
    found = np.zeros((k, value.shape[1]))
    for player in range(k):
        joined = 1 << player
        # one coalition after the other, so that a game alone gives the same bits as among others
        for mask in (each for each in range(2**k) if not each & joined):
            others = mask.bit_count()
            # orders that put the player right after these; divided at the end, as whole numbers round less
            orders = factorial(others) * factorial(k - others - 1)
            found[player] += orders * (value[mask | joined] - value[mask])
    return found / factorial(k)
