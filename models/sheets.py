"""Score sheets side by side: MQL and SQL lines of each segment's own, so that 50 and 80 mean that sheet's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.catalogue import Catalogue
from features.errors import ConfigError
from models.bands import Anchors, anchors_from, bands, points
from models.settings import BandSettings
from models.tiers import segment_column, segments_of

__all__ = ["SHARED", "Sheets", "sheets_from"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
SHARED = "shared"


@dataclass(frozen=True)
class Sheets:
    """Lines by segment of a column; every other value is on the shared sheet.

    Attributes
    ----------
    column : the attribute; anchors : by segment, as the catalogue spells its levels.
    """

    column: str
    anchors: Mapping[str, Anchors]

    @property
    def names(self) -> tuple[str, ...]:
        """The sheets in order, the shared one last."""
        return (*self.anchors, SHARED)

    def codes(self, X: Float64, catalogue: Catalogue) -> Int64:
        """(rows,) place of each row's sheet in `names`."""
        place = segment_column(catalogue, self.column)
        levels = catalogue.features[place].levels
        own = {level: number for number, level in enumerate(self.anchors)}
        table = np.array([own.get(level, len(own)) for level in (*levels, SHARED)], dtype=np.int64)
        table[-1] = len(own)
        return np.asarray(table[segments_of(X, place, len(levels))])

    def parts(self, codes: Int64, shared: Anchors) -> list[tuple[Int64, Anchors]]:
        """(rows, lines) of the sheets that the rows are on."""
        lines = (*self.anchors.values(), shared)
        return [(np.flatnonzero(codes == code), lines[code]) for code in np.unique(codes).tolist()]

    def points(self, log_odds: ArrayLike, codes: Int64, shared: Anchors) -> Float64:
        """(rows,) unbounded points, each row's on its sheet."""
        odds, found = np.asarray(log_odds, dtype=np.float64), np.empty(len(codes))
        for rows, anchors in self.parts(codes, shared):
            found[rows] = points(odds[rows], anchors)
        return found

    def bands(
        self, p: ArrayLike, codes: Int64, shared: Anchors, settings: BandSettings, scores: ArrayLike | None = None
    ) -> NDArray[np.object_]:  # fmt: skip
        """(rows,) band of each row by the lines of its sheet; `scores` as in `models.bands.bands`."""
        chance, found = np.asarray(p, dtype=np.float64), np.empty(len(codes), dtype=object)
        for rows, anchors in self.parts(codes, shared):
            shown = None if scores is None else np.asarray(scores, dtype=np.float64)[rows]
            found[rows] = bands(chance[rows], anchors, settings, shown)
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives the same bits back."""
        return {"column": self.column, "anchors": {k: each.to_json() for k, each in self.anchors.items()}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Sheets:
        """The sheets that `to_json` wrote."""
        anchors = {level: Anchors.from_json(each) for level, each in values["anchors"].items()}
        return cls(str(values["column"]), dict(sorted(anchors.items())))


def sheets_from(  # noqa: PLR0913 - as `models.bands.anchors_from`, by segment
    p: Float64, y: Float64, segment: NDArray[np.object_], column: str, settings: BandSettings, least: int, *,
    n_scored: int | None = None, amounts: Float64 | None = None, kept: Sheets | None = None,
) -> Sheets:  # fmt: skip
    """Lines of each segment by the method of [bands], from its own out-of-fold probabilities.

    A capacity is shared out by size: the same share of each segment reaches a line. A segment with fewer than
    `least` conversions, or in which the method finds no lines, stays on the shared sheet.

    Parameters
    ----------
    segment : (rows,) level of each row; None for values that are none.
    kept : sheets of the champion, whose lines do not change.
    """
    found: dict[str, Anchors] = {}
    for level in sorted({str(each) for each in segment if each is not None}):
        is_in = segment == level
        if y[is_in].sum() < least:
            continue
        amount = None if amounts is None else amounts[is_in]
        try:
            found[level] = anchors_from(p[is_in], y[is_in], settings, n_scored=n_scored, amounts=amount)
        except ConfigError:
            continue
    if kept is not None and kept.column == column:
        found |= kept.anchors
    return Sheets(column, dict(sorted(found.items())))
