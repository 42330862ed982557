"""The final fit: the chosen recipe on all mature rows, as a bundle."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.builder import build_features, learn_catalogue
from features.catalogue import Catalogue
from features.contracts import Tables
from features.points import preset_lines
from features.settings import TargetSettings
from models.bands import POINTS_TABLE_ANCHORS
from models.bundle import GOLDEN_ROWS, Bundle, write_bundle
from models.calibration import IDENTITY
from models.classifier import PointsRung
from models.evaluation import Evaluation
from models.grades import Grades, fit_grades
from models.ladder import Recipe
from models.prior_shift import NO_SHIFT
from models.scorer import Scorer
from models.sub_scores import Half, SubRecipe, fit_sub_scores, sub_scores_text
from models.tiers import fit_tiered
from pipeline.config import Project
from pipeline.dataset import Dataset
from pipeline.half_lives import half_lives_record
from pipeline.leak_hunt import LeakHunt
from pipeline.personas import PersonaStudy, persona_parts
from pipeline.record import Verdict
from pipeline.sub_scores import SUB_SCORES
from pipeline.value import Worth, value_parts

__all__ = ["FinalFit", "is_same_question", "question_of"]

Float64 = NDArray[np.float64]
GRADED_ROWS = 5_000
COMPARED_ROWS = 256
PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "lightgbm", "mlflow")
NO_GRADES = fit_grades([0.0], [0.0])


def question_of(project: Project) -> dict[str, Any]:
    """What a model answers; versions with another question do not compete and share no anchors."""
    target = project.target.model_dump(mode="json")
    label = project.static.model_dump(mode="json") if project.static else None
    return {"mode": project.snapshots.mode, "target": target, "static": label}


def is_same_question(question: dict[str, Any], project: Project) -> bool:
    """Whether a bundle's question is the project's; what a bundle from before a setting lacks has its default."""
    asked = question_of(project)
    return {
        **question,
        "target": TargetSettings.model_validate(question["target"]).model_dump(mode="json"),
    } == asked


@dataclass(frozen=True)
class FinalFit:
    """All that the final fit needs: what development chose, and every mature row.

    `evaluation` is None where there was too little to learn from.
    """

    project: Project
    dataset: Dataset
    tables: Tables
    hunt: LeakHunt
    evaluation: Evaluation | None
    verdict: Verdict
    champion: Bundle | None
    sub_recipes: Mapping[Half, SubRecipe] = field(default_factory=dict)
    worth: Worth | None = None
    personas: PersonaStudy | None = None

    @cached_property
    def catalogue(self) -> Catalogue:
        """The features as all mature rows make them."""
        return learn_catalogue(self.dataset.data, self.dataset.rows, self.dataset.sources)

    def write(self, folder: Path, tell: Callable[[str], None]) -> Bundle | None:
        """Fit and write the bundle.

        A refused model has none, unless the user gave a points table with an MQL line: then that table
        stands as it is, in points and without probabilities.
        """
        lines = preset_lines(self.project.points) if self.project.points else (None, None)
        if self.verdict == "refused" and lines[0] is None:
            return None
        X = build_features(self.dataset.data, self.dataset.rows, self.catalogue, self.dataset.sources)
        tell(f"final fit on {len(X):,} rows")
        if self.verdict == "refused" and lines[0] is not None:
            scorer = self._table_scorer((lines[0], lines[1]))
        else:
            scorer = self._model_scorer(X)
        keeps = self.champion is not None and scorer.table_lines is None
        grades = self.champion.scorer.grades if self.champion and keeps else _grades(scorer, X)
        golden, sample = (X[_spread_rows(len(X), most)] for most in (GOLDEN_ROWS, COMPARED_ROWS))
        return write_bundle(
            folder, replace(scorer, grades=grades), self.dataset.sources, golden, self._record(X), sample,
            parts=self._parts(X) if scorer.table_lines is None else {},
        )  # fmt: skip

    def _parts(self, X: Float64) -> dict[str, str]:
        """Files of the ways of scoring that are switched on."""
        parts: dict[str, str] = {}
        if self.sub_recipes and self.evaluation is not None:
            level = self.evaluation.shift.value
            halves = fit_sub_scores(self.sub_recipes, X, self.dataset.y, self.catalogue, level)
            parts[SUB_SCORES] = sub_scores_text(halves)
        if self.worth is not None and self.evaluation is not None:
            own = self.dataset, self.catalogue, self.project, self.evaluation, self.champion
            parts |= value_parts(self.worth, X, *own)
        parts |= persona_parts(self.project, self.personas, X, self.dataset, self.catalogue)
        return parts

    def _model_scorer(self, X: Float64) -> Scorer:
        chosen = self.evaluation
        assert chosen is not None
        tiers = chosen.selection.tiers
        rung = fit_tiered(chosen.recipe, tiers, X, self.dataset.y, self.catalogue, chosen.model)
        calibration = chosen.selection.calibration.shifted(chosen.shift.value)
        return Scorer(
            rung,
            chosen.recipe.rung,
            self.catalogue,
            calibration,
            chosen.anchors,
            self.project.bands,
            NO_GRADES,
            sheets=chosen.sheets,
        )

    def _table_scorer(self, lines: tuple[float, float | None]) -> Scorer:
        """The user's table as it stands: one point is one point, the lines are its own."""
        rules = self.catalogue.columns(["points"])
        rung = PointsRung(rules, np.zeros(len(rules)), 0.0, 1.0, len(self.catalogue))
        return Scorer(
            rung, "points", self.catalogue, IDENTITY, POINTS_TABLE_ANCHORS, self.project.bands, NO_GRADES,
            table_lines=lines,
        )  # fmt: skip

    def _record(self, X: Float64) -> dict[str, Any]:
        found = self.evaluation
        recipe = found.recipe if found else Recipe("points")
        trees = (found.model if found else self.project.model).lightgbm
        halves = {half: each.to_json() for half, each in self.sub_recipes.items()}
        categories = [(i, f) for i, f in enumerate(self.catalogue.features) if f.is_category]
        return {
            "verdict": self.verdict,
            "question": question_of(self.project),
            "recipe": {**recipe.__dict__, "weights": list(recipe.weights), "lightgbm": trees.model_dump()},
            "prior_shift": (found.shift if found else NO_SHIFT).to_json(),
            "settings": self.project.plain_settings(),
            "metrics": {n: i.value for n, i in found.intervals.items()}
            if found and self.verdict != "refused"
            else {},
            **({"sub_scores": halves} if halves and self.verdict != "refused" else {}),
            "training": {
                "rows": len(self.dataset.y),
                "leads": len(np.unique(self.dataset.lead_code)),
                "conversions": int(self.dataset.y.sum()),
            },
            "other_share": {f.name: float(np.mean(X[:, i] == len(f.levels))) for i, f in categories},
            "leak_hunt": self.hunt.to_json(),
            **half_lives_record(self.dataset.half_lives),
            "digests": self.tables.digests,
            "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        }


def _grades(scorer: Scorer, X: Float64) -> Grades:
    _, phi, _ = scorer.explain(X[_spread_rows(len(X), GRADED_ROWS)])
    return fit_grades(*scorer.grade_sums(phi))


def _spread_rows(n: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))
