"""Two grades beside the score: fit A-D (right company?) and engagement 1-4 (awake?).

A lead's contributions are summed in margin space over who they are and over what they did; each sum is
graded by cut points that are kept with the model. A1 is right company and awake, A4 right but asleep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import InputError

__all__ = ["ENGAGEMENT_GRADES", "FIT_GRADES", "Grades", "fit_grades"]

FIT_GRADES = ("D", "C", "B", "A")
ENGAGEMENT_GRADES = ("4", "3", "2", "1")
_QUARTILES = (0.25, 0.5, 0.75)
_DIGITS = 9


@dataclass(frozen=True)
class Grades:
    """Cut points (rising, three each) on the summed contributions; a sum at a cut point reaches it."""

    fit_cuts: tuple[float, float, float]
    engagement_cuts: tuple[float, float, float]

    def __post_init__(self) -> None:
        for cuts in (self.fit_cuts, self.engagement_cuts):
            if len(cuts) != 3 or not np.isfinite(cuts).all() or not cuts[0] <= cuts[1] <= cuts[2]:
                raise InputError(f"grades need three finite cut points that do not fall; got {cuts}")

    def fit(self, sums: ArrayLike) -> NDArray[np.object_]:
        """Fit grade of each row, A (top quarter of those it was fitted on) to D."""
        return _grade(sums, self.fit_cuts, FIT_GRADES)

    def engagement(self, sums: ArrayLike) -> NDArray[np.object_]:
        """Engagement grade of each row, 1 (top quarter of those it was fitted on) to 4 (asleep)."""
        return _grade(sums, self.engagement_cuts, ENGAGEMENT_GRADES)

    def to_json(self) -> dict[str, object]:
        """The cut points as a JSON object; `from_json` gives the same bits back."""
        return {"fit_cuts": list(self.fit_cuts), "engagement_cuts": list(self.engagement_cuts)}

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Self:
        """Grades from what `to_json` gave; InputError if a key is missing or out of order."""
        fit, engagement = values.get("fit_cuts"), values.get("engagement_cuts")
        if not isinstance(fit, list | tuple) or not isinstance(engagement, list | tuple):
            raise InputError(f"grades need 'fit_cuts' and 'engagement_cuts'; got {sorted(values)}")
        return cls(tuple(map(float, fit)), tuple(map(float, engagement)))  # type: ignore[arg-type]


def fit_grades(fit_sums: ArrayLike, engagement_sums: ArrayLike) -> Grades:
    """Quartile cut points of both sums, by the middle rank of tied values.

    Parameters
    ----------
    fit_sums : array (n,)
        Contributions (margin) of explicit and account attributes, summed a row.
    engagement_sums : array (n,)
        Contributions (margin) of implicit, recency and account activity, summed a row.

    Returns
    -------
    Grades
        Without ties each grade holds a quarter. Tied sums share the grade of their middle rank: where
        80 % never did anything they get engagement 3 (middle rank 40 %) and the rest 1 or 2. If all sums
        are equal everyone gets the second best grade (B, 2): the data can't tell them apart.

    Examples
    --------
    >>> grades = fit_grades([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0])
    >>> grades.fit([1.0, 2.0, 3.0, 4.0]).tolist(), grades.engagement([0.0]).tolist()
    (['D', 'C', 'B', 'A'], ['2'])
    """
    return Grades(_cuts(fit_sums, "fit"), _cuts(engagement_sums, "engagement"))


def _cuts(sums: ArrayLike, name: str) -> tuple[float, float, float]:
    values = np.round(np.asarray(sums, dtype=np.float64), _DIGITS)
    if values.size == 0 or not np.isfinite(values).all():
        raise InputError(
            f"{name} grades need finite sums; got {int(np.isfinite(values).sum())} of {values.size}"
        )
    distinct, counts = np.unique(values, return_counts=True)
    middle = (np.cumsum(counts) - 0.5 * counts) / values.size
    above_all = float(distinct[-1]) + 10.0 ** (1 - _DIGITS) * max(1.0, abs(float(distinct[-1])))
    first, second, third = (
        float(distinct[middle >= share][0]) if (middle >= share).any() else above_all for share in _QUARTILES
    )
    return first, second, third


def _grade(sums: ArrayLike, cuts: tuple[float, ...], names: tuple[str, ...]) -> NDArray[np.object_]:
    values = np.round(np.asarray(sums, dtype=np.float64), _DIGITS)
    if np.isnan(values).any():
        raise InputError(f"{int(np.isnan(values).sum())} of {values.size} sums are NaN; they have no grade")
    reached = sum((values >= cut).astype(np.intp) for cut in cuts)
    return np.asarray(np.array(names, dtype=object)[reached])
