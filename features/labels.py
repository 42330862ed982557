"""Labels: which examples converted within the horizon, and which may not be asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.asof import NEVER, Examples
from features.settings import TargetSettings

__all__ = ["Labelled", "is_mature", "label_examples", "latest_mature"]


@dataclass(frozen=True)
class Labelled:
    """Mature examples with their labels, and how many were left out.

    Attributes
    ----------
    examples : the mature examples outside the grace period.
    y : (n,) 1.0 for a win in [as_of + grace, as_of + horizon), else 0.0.
    n_immature : rows whose window was not over at data_end; left out whatever has happened since.
    n_in_grace : rows whose outcome lay in [as_of, as_of + grace).
    """

    examples: Examples
    y: NDArray[np.float64]
    n_immature: int
    n_in_grace: int


def latest_mature(data_end: int, target: TargetSettings) -> int:
    """The latest as_of whose outcome window is complete at `data_end` (inclusive)."""
    return data_end - target.horizon - target.outcome_delay


def is_mature(as_of: NDArray[np.int64], data_end: int, target: TargetSettings) -> NDArray[np.bool_]:
    """Whether as_of + horizon + outcome_delay <= data_end: a property of as_of alone."""
    return np.asarray(as_of <= latest_mature(data_end, target))


def label_examples(examples: Examples, data_end: int, target: TargetSettings) -> Labelled:
    """Labels of the mature examples.

    1 if the first terminal outcome at or after as_of (the end of the open spell) is a win in
    [as_of + grace, as_of + horizon), else 0. Immature rows and rows that end within the grace period
    are left out and counted.

    Examples
    --------
    >>> import numpy as np
    >>> day = 86_400_000_000
    >>> columns = [0, 1], [0, 0], [-day, -day], [5 * day, 40 * day], [True, True], [0, 0]
    >>> rows = Examples(*map(np.array, columns))
    >>> label_examples(rows, 60 * day, TargetSettings()).y.tolist()
    [1.0, 0.0]
    """
    mature = is_mature(examples.as_of, data_end, target)
    distance = np.where(examples.spell_end == NEVER, NEVER, examples.spell_end - examples.as_of)
    in_grace = mature & (distance < target.outcome_grace)
    kept = mature & ~in_grace
    y = examples.is_won & (distance >= target.outcome_grace) & (distance < target.horizon)
    return Labelled(
        examples.take(kept), y[kept].astype(np.float64), int((~mature).sum()), int(in_grace.sum())
    )
