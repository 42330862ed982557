"""Columns of the output that the project file switches on: one function a way of scoring, merged here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.asof import Examples
from features.prepare import Prepared
from models.bundle import Bundle
from models.scorer import Scored
from pipeline.config import Project
from pipeline.declared_columns import declared_columns
from pipeline.personas import persona_columns
from pipeline.sheets import sheet_columns
from pipeline.sub_scores import sub_score_columns
from pipeline.value_parts import value_columns

__all__ = ["optional_columns"]

Float64 = NDArray[np.float64]


def optional_columns(
    project: Project, bundle: Bundle, data: Prepared, rows: Examples, X: Float64, scored: Scored
) -> dict[str, list[Any]]:
    """Values of the `pipeline.output.OPTIONAL` columns that are switched on, one a row of the chunk.

    Parameters
    ----------
    rows : the chunk's examples, as `X` (rows, features) and `scored` hold them.
    """
    return {
        **sub_score_columns(project, bundle, X),
        **declared_columns(bundle.sources, data, rows),
        **value_columns(project, bundle, X, scored),
        **sheet_columns(bundle, X),
        **persona_columns(bundle, data, rows, X),
    }
