"""Features in; margin, probability, score, band, grades and contributions out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue, Feature
from features.errors import InputError
from models import bands as scale
from models.bands import Anchors
from models.calibration import Calibration
from models.classifier import PointsRung, RungModel
from models.contributions import (
    Explained,
    TopReasons,
    explain_in_points,
    margin_points,
    stitched,
    sum_groups,
    top_reasons,
)
from models.grades import Grades
from models.settings import BandSettings
from models.sheets import Sheets

__all__ = ["Scored", "Scorer", "is_fit"]

Float64 = NDArray[np.float64]
ATTRIBUTE_OPS = frozenset({"value", "known"})


@dataclass(frozen=True)
class Scored:
    """Scores of rows, each with reasons that add up.

    Attributes
    ----------
    probability : (n,); None-like NaN where the model is a bare points table.
    points : (n,) unbounded; score : (n,) points limited to [0, 100].
    explained : in points, one column a reason group; `reasons` are the strongest of them.
    """

    margin: Float64
    probability: Float64
    score: Float64
    band: NDArray[np.object_]
    fit_grade: NDArray[np.object_]
    engagement_grade: NDArray[np.object_]
    explained: Explained
    reasons: TopReasons


@dataclass(frozen=True)
class Scorer:
    """A fitted rung with its calibration, anchors and grades.

    `table_lines` (MQL, SQL in points) marks a bare points table: its scores, bands and reasons are the
    table's own and `probability` is NaN.

    With `sheets` each row's score and band are by the lines of its segment's sheet, which is read from its features:
    then what takes margins wants the features X of the same rows beside them.
    """

    rung: RungModel
    rung_name: str
    catalogue: Catalogue
    calibration: Calibration
    anchors: Anchors
    bands: BandSettings
    grades: Grades
    table_lines: tuple[float, float | None] | None = None
    sheets: Sheets | None = None

    @property
    def used_features(self) -> tuple[Feature, ...]:
        """The features that the rung may read; a points table reads its rules alone."""
        if isinstance(self.rung, PointsRung):
            return tuple(self.catalogue.features[place] for place in self.rung.rules.tolist())
        return self.catalogue.features

    def margin(self, X: Float64) -> Float64:
        """(rows,) log-odds before calibration."""
        return self.rung.margin(X)

    def probability(self, margins: Float64) -> Float64:
        """(rows,) calibrated probability of a win within the horizon."""
        return self.calibration.probability(margins)

    def sheet_codes(self, X: Float64 | None) -> NDArray[np.int64]:
        """(rows,) place of each row's sheet in `sheets.names`.

        Raises
        ------
        InputError
            If no features are given, or there are no sheets.
        """
        if X is None or self.sheets is None:
            raise InputError(
                "This model has score sheets by segment, so a score or band needs the features X of the rows."
                if self.sheets is not None
                else "This model has no score sheets."
            )
        return self.sheets.codes(X, self.catalogue)

    def points(self, margins: Float64, X: Float64 | None = None) -> Float64:
        """(rows,) unbounded points; a bare table's own."""
        if self.table_lines is not None:
            return margins
        if self.sheets is None:
            return margin_points(margins, self.calibration, self.anchors)
        return self.sheets.points(self.calibration.log_odds(margins), self.sheet_codes(X), self.anchors)

    def score(self, margins: Float64, X: Float64 | None = None) -> Float64:
        """(rows,) score in [0, 100]: 50 is the MQL line, 80 the SQL line; a bare table's own points."""
        found = self.points(margins, X)
        return found if self.table_lines is not None else scale.score(found)

    def band(self, margins: Float64, X: Float64 | None = None) -> NDArray[np.object_]:
        """(rows,) name of each row's band."""
        if self.table_lines is not None:
            return self._table_bands(margins)
        probability, shown = self.probability(margins), self.score(margins, X)
        if self.sheets is not None:
            return self.sheets.bands(probability, self.sheet_codes(X), self.anchors, self.bands, shown)
        return np.asarray(scale.bands(probability, self.anchors, self.bands, shown), dtype=object)

    def band_rank(self, margins: Float64, X: Float64 | None = None) -> NDArray[np.int64]:
        """(rows,) place of each row's band: 0 for the lowest, the higher the better."""
        upwards = [self.bands.mql_name, self.bands.sql_name]
        if self.table_lines is None:
            upwards = [name for _, name in scale.band_lines(self.bands)]
        place = {name: rank for rank, name in enumerate([self.bands.below_name, *upwards])}
        return np.array([place[name] for name in self.band(margins, X)], dtype=np.int64)

    def scored(self, X: Float64, top_k: int) -> Scored:
        """Everything about each row; the same bits for one row or a million."""
        if self.table_lines is not None:
            return self._scored_by_table(X, top_k)
        margin, phi, base = self.explain(X)
        explained = self._in_points(phi, base, margin, X)
        return self._scored(X, margin, phi, explained, self.probability(margin), top_k)

    def explain(self, X: Float64) -> tuple[Float64, Float64, float]:
        """Margins, (rows, groups) contributions of the catalogue's reason groups, and the base."""
        names, group = self.catalogue.groups()
        return self.rung.explain(X, group, len(names))

    def _in_points(self, phi: Float64, base: float, margin: Float64, X: Float64) -> Explained:
        if self.sheets is None:
            return explain_in_points(phi, base, self.calibration, self.anchors, margins=margin)
        parts = self.sheets.parts(self.sheet_codes(X), self.anchors)
        found = [
            (rows, explain_in_points(phi[rows], base, self.calibration, lines, margins=margin[rows]))
            for rows, lines in parts
        ]
        return stitched(found, len(X))

    def _scored_by_table(self, X: Float64, top_k: int) -> Scored:
        """Points as the table says: every rule counts from 0, nothing is limited."""
        total, phi, base = self.explain(X)
        explained = Explained(phi, base, base, total, total, np.zeros(len(X)))
        return self._scored(X, total, phi, explained, np.full(len(X), np.nan), top_k)

    def _scored(
        self,
        X: Float64,
        margin: Float64,
        phi: Float64,
        explained: Explained,
        probability: Float64,
        top_k: int,
    ) -> Scored:
        fit, engagement = self.grade_sums(phi)
        return Scored(
            margin=margin,
            probability=probability,
            score=explained.score,
            band=self.band(margin, X),
            fit_grade=self.grades.fit(fit),
            engagement_grade=self.grades.engagement(engagement),
            explained=explained,
            reasons=top_reasons(explained.points, top_k),
        )

    def _table_bands(self, total: Float64) -> NDArray[np.object_]:
        mql, sql = self.table_lines or (np.inf, None)
        found = np.where(total >= mql, self.bands.mql_name, self.bands.below_name).astype(object)
        found[total >= (np.inf if sql is None else sql)] = self.bands.sql_name
        return found

    def grade_sums(self, phi: Float64) -> tuple[Float64, Float64]:
        """Margin contributions of fit (who they are) and of engagement (what they and theirs did).

        `phi` (rows, groups); a reason group belongs to one of the two, as its first feature does.
        """
        _, group = self.catalogue.groups()
        firsts = [self.catalogue.features[place] for place in np.unique(group, return_index=True)[1]]
        of_fit = np.array([is_fit(first) for first in firsts], dtype=np.intp)
        sums = sum_groups(phi, of_fit, 2)
        return sums[:, 1], sums[:, 0]


def is_fit(feature: Feature) -> bool:
    """Whether a feature says who they are; the others say what they and theirs did, and when."""
    if feature.family == "points":
        return not feature.source.startswith("type:")
    return feature.family == "explicit" or (feature.family == "account" and feature.op in ATTRIBUTE_OPS)
