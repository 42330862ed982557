"""Feature matrix to the columns of a linear model: transformed, standardised, one-hot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue, Feature

__all__ = ["Encoding", "learn_encoding"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
RECENT_DAYS = 14.0
_FARTHEST = 1e6
_MOST_DEVIATIONS = 20.0  # a root beyond this is no longer what the fit has seen


@dataclass(frozen=True)
class Encoding:
    """How each feature becomes one or more columns.

    Attributes
    ----------
    feature : (columns,) position of the feature a column belongs to.
    level : (columns,) the category index a column stands for, -2 for "missing", -1 for a number.
    shape : (columns,) how a number is transformed: "log", "root", "decay" or "plain".
    center, scale : (columns,) mean and standard deviation on the fit's rows, after the transformation.
    """

    feature: Int64
    level: Int64
    shape: tuple[str, ...]
    center: Float64
    scale: Float64

    def columns(self, X: Float64) -> Float64:
        """(rows, columns) encoded and standardised; a missing number takes the mean."""
        encoded = np.empty((len(X), len(self.feature)))
        for number in range(len(self.feature)):
            encoded[:, number] = (self._raw(X, number) - self.center[number]) / self.scale[number]
            if self.shape[number] == "root":
                np.clip(encoded[:, number], -_MOST_DEVIATIONS, _MOST_DEVIATIONS, out=encoded[:, number])
        np.nan_to_num(encoded, copy=False, nan=0.0, posinf=_FARTHEST, neginf=-_FARTHEST)
        return encoded

    def _raw(self, X: Float64, number: int) -> Float64:
        column = X[:, self.feature[number]]
        level = self.level[number]
        if level == -2:
            return np.isnan(column).astype(np.float64)
        if level >= 0:
            return np.asarray(column == level, dtype=np.float64)
        return _transformed(column, self.shape[number])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "feature": self.feature.tolist(),
            "level": self.level.tolist(),
            "shape": list(self.shape),
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Encoding:
        """The encoding that `to_json` wrote."""
        return cls(
            np.array(values["feature"], dtype=np.int64),
            np.array(values["level"], dtype=np.int64),
            tuple(values["shape"]),
            np.array(values["center"], dtype=np.float64),
            np.array(values["scale"], dtype=np.float64),
        )


def learn_encoding(X: Float64, catalogue: Catalogue, chosen: Int64, least_rows: int = 10) -> Encoding:
    """Columns of the chosen features that vary on these rows: at least `least_rows` on either side."""
    columns: list[tuple[int, int, str, float, float]] = []
    for position in chosen:
        feature, column = catalogue.features[position], X[:, position]
        is_missing = np.isnan(column)
        candidates: list[tuple[int, str, Float64]] = [(-2, "plain", is_missing.astype(np.float64))]
        if feature.is_category:
            candidates += [
                (k, "plain", (column == k).astype(np.float64)) for k in range(len(feature.levels) + 1)
            ]
        else:
            candidates += [(-1, shape, _transformed(column, shape)) for shape in _shapes_of(feature)]
        for level, shape, values in candidates:
            if varies := _spread(values, least_rows):
                columns.append((int(position), level, shape, *varies))
    table = list(zip(*columns, strict=True)) if columns else [(), (), (), (), ()]
    return Encoding(
        np.array(table[0], dtype=np.int64), np.array(table[1], dtype=np.int64), tuple(map(str, table[2])),
        np.array(table[3], dtype=np.float64), np.array(table[4], dtype=np.float64),
    )  # fmt: skip


def _shapes_of(feature: Feature) -> tuple[str, ...]:
    """How a number enters the margin; amounts and days since in two forms, for the fit to weigh.

    A root beside the logarithm, or the decay, lets the margin go on rising where the other has flattened, and still
    grows slower than the number itself, so that one huge value can't carry a lead away.
    """
    if feature.unit == "number":
        return ("log", "root")
    if feature.unit == "days" and feature.op == "days_since":
        return ("decay", "root")
    return ("log",) if feature.unit in {"count", "intensity", "per day", "days"} else ("plain",)


def _transformed(column: Float64, shape: str) -> Float64:
    """Counts in logs or roots of both signs; days since as a decay, so that "never" is simply 0."""
    if shape == "log":
        return np.sign(column) * np.log1p(np.abs(column))
    if shape == "root":
        return np.sign(column) * np.sqrt(np.abs(column))
    if shape == "decay":
        return np.where(np.isnan(column), 0.0, 1.0 / (1.0 + column / RECENT_DAYS))
    return column


def _spread(values: Float64, least_rows: int) -> tuple[float, float] | None:
    """Mean and deviation; None unless at least `least_rows` rows differ from the most frequent value.

    A few odd rows would get a huge standardised value, which a penalty on the weight does not hold.
    """
    known = values[~np.isnan(values)]
    # a value that all rows but a few share is the median
    if len(known) < 2 * least_rows or (known != np.median(known)).sum() < least_rows:
        return None
    scale = float(known.std())
    return (float(known.mean()), scale) if scale > 1e-12 else None
