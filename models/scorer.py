"""Features in; margin, probability, score, band, grades and contributions out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue, Feature
from models import bands as scale
from models.bands import Anchors
from models.calibration import Calibration
from models.classifier import PointsRung, RungModel
from models.contributions import Explained, TopReasons, explain_in_points, sum_groups, top_reasons
from models.grades import Grades
from models.settings import BandSettings

__all__ = ["Scored", "Scorer"]

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
    """

    rung: RungModel
    rung_name: str
    catalogue: Catalogue
    calibration: Calibration
    anchors: Anchors
    bands: BandSettings
    grades: Grades
    table_lines: tuple[float, float | None] | None = None

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

    def score(self, margins: Float64) -> Float64:
        """(rows,) score in [0, 100]: 50 is the MQL line, 80 the SQL line; a bare table's own points."""
        if self.table_lines is not None:
            return margins
        return scale.score(scale.points(self.calibration.log_odds(margins), self.anchors))

    def band(self, margins: Float64) -> NDArray[np.object_]:
        """(rows,) name of each row's band."""
        if self.table_lines is not None:
            return self._table_bands(margins)
        probability = self.probability(margins)
        found = scale.bands(probability, self.anchors, self.bands, self.score(margins))
        return np.asarray(found, dtype=object)

    def band_rank(self, margins: Float64) -> NDArray[np.int64]:
        """(rows,) place of each row's band: 0 for the lowest, the higher the better."""
        upwards = [self.bands.mql_name, self.bands.sql_name]
        if self.table_lines is None:
            upwards = [name for _, name in scale.band_lines(self.bands)]
        place = {name: rank for rank, name in enumerate([self.bands.below_name, *upwards])}
        return np.array([place[name] for name in self.band(margins)], dtype=np.int64)

    def scored(self, X: Float64, top_k: int) -> Scored:
        """Everything about each row; the same bits for one row or a million."""
        if self.table_lines is not None:
            return self._scored_by_table(X, top_k)
        margin, phi, base = self.explain(X)
        explained = explain_in_points(phi, base, self.calibration, self.anchors, margins=margin)
        return self._scored(margin, phi, explained, self.probability(margin), top_k)

    def explain(self, X: Float64) -> tuple[Float64, Float64, float]:
        """Margins, (rows, groups) contributions of the catalogue's reason groups, and the base."""
        names, group = self.catalogue.groups()
        return self.rung.explain(X, group, len(names))

    def _scored_by_table(self, X: Float64, top_k: int) -> Scored:
        """Points as the table says: every rule counts from 0, nothing is limited."""
        total, phi, base = self.explain(X)
        explained = Explained(phi, base, base, total, total, np.zeros(len(X)))
        return self._scored(total, phi, explained, np.full(len(X), np.nan), top_k)

    def _scored(
        self, margin: Float64, phi: Float64, explained: Explained, probability: Float64, top_k: int
    ) -> Scored:
        fit, engagement = self.grade_sums(phi)
        return Scored(
            margin=margin,
            probability=probability,
            score=explained.score,
            band=self.band(margin),
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
        is_fit = np.array([_is_fit(f.family, f.source, f.op) for f in firsts], dtype=np.intp)
        sums = sum_groups(phi, is_fit, 2)
        return sums[:, 1], sums[:, 0]


def _is_fit(family: str, source: str, op: str) -> bool:
    if family == "points":
        return not source.startswith("type:")
    return family == "explicit" or (family == "account" and op in ATTRIBUTE_OPS)
