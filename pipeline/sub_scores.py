"""Fit alone and activity alone, where the project asks for them: their part of the bundle and their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.sub_scores import HALVES, sub_scores_from_text
from pipeline.config import Project

__all__ = ["SUB_SCORES", "sub_score_columns"]

Float64 = NDArray[np.float64]
SUB_SCORES = "sub_scores.json"


def sub_score_columns(project: Project, bundle: Bundle, X: Float64) -> dict[str, list[Any]]:
    """`fit_score` and `activity_score` of each row of X, in [0, 100].

    Nothing where the project does not ask for them or the bundle was trained without; one that has no
    features, such as activity in a flat export, is left out.
    """
    if not project.score.sub_scores or SUB_SCORES not in bundle.parts:
        return {}
    halves = sub_scores_from_text(bundle.parts[SUB_SCORES])
    anchors = bundle.scorer.anchors
    return {f"{half}_score": halves[half].score(X, anchors).tolist() for half in HALVES if half in halves}
