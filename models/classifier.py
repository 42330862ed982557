"""The ladder's rungs: points table, regularised logistic, LightGBM, and their blend in log-odds.

Every rung gives a margin (log-odds before calibration) and contributions that add up to it, for one row
or a million with the same bits. Fitted rungs are plain values: JSON, and LightGBM's own text.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.contributions import sum_groups
from models.encoding import Encoding

if TYPE_CHECKING:
    from models.treeshap import TreeTables

__all__ = ["MOST_DIFFERENCE", "BlendRung", "LightGBMRung", "LogisticRung", "PointsRung", "RungModel"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Parts = tuple[Float64, Float64, float]  # margins, contributions by group, base
MOST_DIFFERENCE = 1e-9
CHECKED_ROWS = 20
_LOG = logging.getLogger("lead_scoring.reasons")


class RungModel(Protocol):
    """A fitted rung."""

    def margin(self, X: Float64) -> Float64:
        """(rows,) log-odds before calibration."""
        ...

    def contributions(self, X: Float64) -> tuple[Float64, float]:
        """(rows, features) contributions and the base; base + their sum is the margin."""
        ...

    def explain(self, X: Float64, group: Int64, n_groups: int) -> Parts:
        """Margins, (rows, n_groups) contributions with the features of a group summed, and the base.

        `group` (features,) holds 0 to n_groups - 1. The same figures as `margin` and `contributions`, made
        together and without a value for every row and feature.
        """
        ...


@dataclass(frozen=True)
class PointsRung:
    """A points table: the sum of the points, scaled to log-odds by one slope and an intercept.

    Attributes
    ----------
    rules : positions of the points features.
    means : (rules,) mean points on the fit's rows: the base of the contributions.
    """

    rules: Int64
    means: Float64
    intercept: float
    slope: float
    n_features: int

    def total(self, X: Float64) -> Float64:
        """(rows,) sum of the points."""
        return np.asarray(np.ascontiguousarray(X[:, self.rules]).sum(axis=1))

    def margin(self, X: Float64) -> Float64:
        """(rows,) intercept + slope * total."""
        return self.intercept + self.slope * self.total(X)

    def contributions(self, X: Float64) -> tuple[Float64, float]:
        """slope * (points - mean points) of each rule."""
        phi = np.zeros((len(X), self.n_features))
        phi[:, self.rules] = self.slope * (X[:, self.rules] - self.means)
        return phi, self.intercept + self.slope * float(self.means.sum())

    def explain(self, X: Float64, group: Int64, n_groups: int) -> Parts:
        """Margins, contributions by group and the base."""
        phi, base = self.contributions(X)
        return self.margin(X), sum_groups(phi, group, n_groups), base

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rules": self.rules.tolist(), "means": self.means.tolist(), "intercept": self.intercept,
            "slope": self.slope, "n_features": self.n_features,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> PointsRung:
        """The rung that `to_json` wrote."""
        return cls(
            np.array(values["rules"], dtype=np.int64), np.array(values["means"], dtype=np.float64),
            values["intercept"], values["slope"], values["n_features"],
        )  # fmt: skip


@dataclass(frozen=True)
class LogisticRung:
    """Regularised logistic regression on encoded columns; the base is its mean margin."""

    encoding: Encoding
    weights: Float64
    intercept: float
    n_features: int

    def margin(self, X: Float64) -> Float64:
        """(rows,) intercept + sum of weighted columns; summed row by row, never by BLAS."""
        return np.asarray(self.intercept + (self.encoding.columns(X) * self.weights).sum(axis=1))

    def contributions(self, X: Float64) -> tuple[Float64, float]:
        """Weight * (encoded value - its mean), the columns of one feature summed.

        Columns are centred on the fit's rows, so the mean of each is 0 save where values were missing,
        which then count as the mean.
        """
        terms = self.encoding.columns(X) * self.weights
        phi = np.zeros((len(X), self.n_features))
        for number, feature in enumerate(self.encoding.feature):
            phi[:, feature] += terms[:, number]
        return phi, self.intercept

    def explain(self, X: Float64, group: Int64, n_groups: int) -> Parts:
        """Margins, contributions by group and the base."""
        phi, base = self.contributions(X)
        return self.margin(X), sum_groups(phi, group, n_groups), base

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "encoding": self.encoding.to_json(), "weights": self.weights.tolist(), "intercept": self.intercept,
            "n_features": self.n_features,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> LogisticRung:
        """The rung that `to_json` wrote."""
        weights = np.array(values["weights"], dtype=np.float64)
        return cls(Encoding.from_json(values["encoding"]), weights, values["intercept"], values["n_features"])


@dataclass(frozen=True)
class LightGBMRung:
    """Gradient-boosted trees in LightGBM's text format, on the chosen columns.

    Attributes
    ----------
    has_tables : whether `explain` may look contributions up in tables; if not, or where the trees do not
        fit tables or the tables do not agree with LightGBM, it asks LightGBM itself.
    """

    text: str
    columns: Int64
    n_features: int
    rounds: int
    has_tables: bool = True
    _tables: dict[tuple[int, bytes], TreeTables | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        import lightgbm

        object.__setattr__(self, "_booster", lightgbm.Booster(model_str=self.text))

    def margin(self, X: Float64) -> Float64:
        """(rows,) raw score of the trees."""
        raw = self._booster.predict(self._input(X), raw_score=True, num_threads=_threads(len(X)))  # type: ignore[attr-defined]
        return np.asarray(raw, dtype=np.float64)

    def contributions(self, X: Float64) -> tuple[Float64, float]:
        """Path-dependent TreeSHAP by LightGBM itself (Lundberg et al. 2020); exact and additive."""
        phi = np.zeros((len(X), self.n_features))
        if len(X) == 0:
            return phi, 0.0
        found = self._booster.predict(self._input(X), pred_contrib=True, num_threads=_threads(len(X)))  # type: ignore[attr-defined]
        phi[:, self.columns] = found[:, :-1]
        return phi, float(found[0, -1])

    def explain(self, X: Float64, group: Int64, n_groups: int) -> Parts:
        """Margins, contributions by group and the base, from tables made at the first call.

        The first rows are compared with LightGBM's own contributions; where they differ by more than 1e-9,
        or the trees are of a kind that has no tables, LightGBM answers, and the log says so.
        """
        tables = self._checked_tables(X[:CHECKED_ROWS], group, n_groups) if len(X) else None
        if tables is None:
            phi, base = self.contributions(X)
            return self.margin(X), sum_groups(phi, group, n_groups), base
        margin, by_group = tables.explain(self._input(X), _threads(len(X)))
        return margin, by_group, tables.base

    def table_difference(self, X: Float64, group: Int64, n_groups: int) -> float | None:
        """Largest difference of the tables to LightGBM's own margins and contributions on some rows.

        None where the trees have no tables.
        """
        tables = self._built_tables(group, n_groups)
        return None if tables is None else self._difference(tables, X, group)

    def _checked_tables(self, X: Float64, group: Int64, n_groups: int) -> TreeTables | None:
        key = (n_groups, group.tobytes())
        if key not in self._tables:
            tables = self._built_tables(group, n_groups) if self.has_tables else None
            off = 0.0 if tables is None else self._difference(tables, X, group)
            if not off <= MOST_DIFFERENCE:
                _LOG.warning("reasons take the slow way: the tables are off by %.3g", off)
                tables = None
            self._tables[key] = tables
        return self._tables[key]

    def _built_tables(self, group: Int64, n_groups: int) -> TreeTables | None:
        from models.trees import UnsupportedTreesError
        from models.treeshap import TreeTables

        try:
            return TreeTables(self.text, group[self.columns], n_groups)
        except UnsupportedTreesError as error:
            _LOG.warning("reasons take the slow way: %s", error)
            return None

    def _difference(self, tables: TreeTables, X: Float64, group: Int64) -> float:
        margin, by_group = tables.explain(self._input(X))
        phi, base = self.contributions(X)
        parts = (
            margin - self.margin(X),
            by_group - sum_groups(phi, group, tables.n_cells),
            np.array([tables.base - base]),
        )
        return float(np.max([np.abs(part).max(initial=0.0) for part in parts]))

    def importance(self) -> Float64:
        """(features,) total gain of each feature's splits."""
        gain = np.zeros(self.n_features)
        gain[self.columns] = self._booster.feature_importance("gain")  # type: ignore[attr-defined]
        return gain

    def _input(self, X: Float64) -> Float64:
        return np.ascontiguousarray(X[:, self.columns])


def _threads(rows: int) -> int:
    return 1 if rows < 500 else 2


@dataclass(frozen=True)
class BlendRung:
    """w0 + w1 * logistic + w2 * trees, weights at least 0: a margin, so its contributions blend alike."""

    logistic: LogisticRung
    trees: LightGBMRung
    weights: tuple[float, float, float]

    def margin(self, X: Float64) -> Float64:
        """(rows,) blended log-odds."""
        return self.blended(self.logistic.margin(X), self.trees.margin(X))

    def blended(self, logistic: Float64, trees: Float64) -> Float64:
        """Blend of margins already known."""
        return self.weights[0] + self.weights[1] * logistic + self.weights[2] * trees

    def contributions(self, X: Float64) -> tuple[Float64, float]:
        """The same blend of the parts' contributions and bases."""
        linear, linear_base = self.logistic.contributions(X)
        tree, tree_base = self.trees.contributions(X)
        base = self.weights[0] + self.weights[1] * linear_base + self.weights[2] * tree_base
        return self.weights[1] * linear + self.weights[2] * tree, base

    def explain(self, X: Float64, group: Int64, n_groups: int) -> Parts:
        """The same blend of the parts' margins, contributions and bases."""
        margin, linear, linear_base = self.logistic.explain(X, group, n_groups)
        tree_margin, tree, tree_base = self.trees.explain(X, group, n_groups)
        base = self.weights[0] + self.weights[1] * linear_base + self.weights[2] * tree_base
        by_group = self.weights[1] * linear + self.weights[2] * tree
        return self.blended(margin, tree_margin), by_group, base
