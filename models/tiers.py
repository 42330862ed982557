"""A rung by segment: the shared one on a line of each segment's own, or the segment's own model, on one base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue
from features.errors import ConfigError
from models.calibration import IDENTITY, Calibration
from models.classifier import Parts, RungModel
from models.ladder import Recipe, fit_rung
from models.settings import ModelSettings

__all__ = [
    "LEAST_OF_BOTH",
    "Line",
    "Tier",
    "TieredRung",
    "Tiering",
    "fit_tiered",
    "segment_column",
    "segments_of",
    "tiering_of",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Line = tuple[float, float]
SAME: Line = (0.0, 1.0)
LEAST_OF_BOTH = 20  # conversions, and other rows, below which a segment is given no fit of its own


@dataclass(frozen=True)
class Tier:
    """What a segment's margin is: constant + slope * margin, of the shared rung or of the segment's own.

    Attributes
    ----------
    shared : (constant, slope) on the shared rung's margin.
    own : the same on the margin of the segment's own model; None where it has none.
    """

    shared: Line = SAME
    own: Line | None = None


@dataclass(frozen=True)
class Tiering:
    """What development decided for the segments of a column.

    Attributes
    ----------
    column : the attribute.
    tiers : by segment, as the catalogue spells its levels; every other value is scored by the shared rung as it is.
    calibration : of the margins that this gives.
    spread : how far segments' constants and slopes differ, in log-odds; 0 is not at all.
    """

    column: str
    tiers: Mapping[str, Tier]
    calibration: Calibration
    spread: tuple[float, float]


@dataclass(frozen=True)
class TieredRung:
    """The rung by segment; its contributions start from the shared rung's base, whatever the segment.

    What a segment's line, or its own model's base, adds to that base belongs to the segment's column, so that
    base + contributions = margin.

    Attributes
    ----------
    own : the segments' own models, by level; column : the attribute.
    place : position of the column that holds the index into `levels`.
    base : of the shared rung.
    """

    shared: RungModel
    own: Mapping[str, RungModel]
    tiers: Mapping[str, Tier]
    column: str
    levels: tuple[str, ...]
    place: int
    base: float

    def margin(self, X: Float64) -> Float64:
        """(rows,) the segment's constant + slope * margin."""
        found = np.empty(len(X))
        for rung, rows, constant, slope in self._parts(X):
            found[rows] = constant + slope * rung.margin(X[rows])
        return found

    def contributions(self, X: Float64) -> tuple[Float64, float]:
        """Slope * contribution; the rest in the column of the segment."""
        phi = np.zeros(X.shape)
        for rung, rows, constant, slope in self._parts(X):
            values, base = rung.contributions(X[rows])
            phi[rows] = slope[:, None] * values
            phi[rows, self.place] += constant + slope * base - self.base
        return phi, self.base

    def explain(self, X: Float64, group: Int64, n_groups: int) -> Parts:
        """Margins, contributions by group and the base."""
        margin, phi = np.empty(len(X)), np.zeros((len(X), n_groups))
        for rung, rows, constant, slope in self._parts(X):
            values, by_group, base = rung.explain(X[rows], group, n_groups)
            margin[rows] = constant + slope * values
            phi[rows] = slope[:, None] * by_group
            phi[rows, group[self.place]] += constant + slope * base - self.base
        return margin, phi, self.base

    def to_json(self) -> dict[str, Any]:
        """Plain values of the lines; the rungs are written beside them."""
        tiers = {
            name: {"shared": list(each.shared), "own": None if each.own is None else list(each.own)}
            for name, each in self.tiers.items()
        }
        return {
            "tiers": tiers, "column": self.column, "levels": list(self.levels), "place": self.place, "base": self.base,
        }  # fmt: skip

    @classmethod
    def from_json(
        cls, values: Mapping[str, Any], shared: RungModel, own: Mapping[str, RungModel]
    ) -> TieredRung:
        """The rung that `to_json` wrote, with its parts."""
        tiers = {
            name: Tier(_line(each["shared"]), None if each["own"] is None else _line(each["own"]))
            for name, each in values["tiers"].items()
        }
        levels, base = tuple(values["levels"]), float(values["base"])
        return cls(shared, own, tiers, str(values["column"]), levels, int(values["place"]), base)

    def _parts(self, X: Float64) -> Iterator[tuple[RungModel, Int64, Float64, Float64]]:
        """(rung, its rows, constant and slope of each), every row once."""
        code = segments_of(X, self.place, len(self.levels))
        lines = np.array([*(self._line(level) for level in self.levels), SAME])
        is_shared = np.ones(len(X), dtype=bool)
        for level, rung in self.own.items():
            rows = np.flatnonzero(code == self.levels.index(level))
            is_shared[rows] = False
            if len(rows):
                yield rung, rows, lines[code[rows], 0], lines[code[rows], 1]
        rows = np.flatnonzero(is_shared)
        if len(rows):
            yield self.shared, rows, lines[code[rows], 0], lines[code[rows], 1]

    def _line(self, level: str) -> Line:
        tier = self.tiers.get(level, Tier())
        return tier.own if tier.own is not None and level in self.own else tier.shared


def _line(values: list[float]) -> Line:
    return float(values[0]), float(values[1])


def segment_column(catalogue: Catalogue, column: str) -> int:
    """Position of the feature that holds the segment.

    Raises
    ------
    ConfigError
        If the features have no category of that name, with those there are.
    """
    names = {f.source: place for place, f in enumerate(catalogue.features) if f.op == "category"}
    if column not in names:
        raise ConfigError(
            f"tiers.column = '{column}' is no category among the features; there are {', '.join(names) or 'none'}. "
            "Declare it in attributes.at_creation.category, keep 'explicit' in features.families, and see that the "
            "leak hunt did not leave it out (attributes.trusted)."
        )
    return names[column]


def segments_of(X: Float64, place: int, n_levels: int) -> Int64:
    """(rows,) index of the segment; `n_levels` for every value that is none: rare, unknown, missing."""
    values = X[:, place]
    is_level = (values >= 0) & (values < n_levels)
    return np.where(is_level, values, n_levels).astype(np.int64)


def tiering_of(rung: RungModel, catalogue: Catalogue) -> Tiering | None:
    """The decisions behind a fitted rung, to fit it again; None where it makes no difference between segments.

    Its calibration is not known to the rung and stands in as the identity. None also where the features no longer
    hold the segment.
    """
    if not isinstance(rung, TieredRung):
        return None
    places = [f for f in catalogue.features if f.op == "category" and f.source == rung.column]
    return Tiering(rung.column, rung.tiers, IDENTITY, (0.0, 0.0)) if places else None


def fit_tiered(
    recipe: Recipe, tiering: Tiering | None, X: Float64, y: Float64, catalogue: Catalogue, settings: ModelSettings
) -> RungModel:  # fmt: skip
    """The recipe fitted on all the rows, and again on each segment that owns a model.

    A segment that has too few conversions among these rows is scored by the shared rung on its line.
    """
    shared = fit_rung(recipe, X, y, catalogue, settings)
    if tiering is None:
        return shared
    place = segment_column(catalogue, tiering.column)
    levels = catalogue.features[place].levels
    code = segments_of(X, place, len(levels))
    tiers = {level: tiering.tiers[level] for level in levels if level in tiering.tiers}
    own: dict[str, RungModel] = {}
    for level, tier in tiers.items():
        rows = np.flatnonzero(code == levels.index(level))
        if tier.own is not None and LEAST_OF_BOTH <= y[rows].sum() <= len(rows) - LEAST_OF_BOTH:
            own[level] = fit_rung(recipe, X[rows], y[rows], catalogue, settings)
    base = shared.contributions(X[:1])[1]
    return TieredRung(shared, own, tiers, tiering.column, levels, place, base)
