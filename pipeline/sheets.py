"""The output column that names the score sheet a lead's score and band are read from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.sheets import SHARED
from models.tiers import segment_column

__all__ = ["sheet_columns", "sheet_names"]


def sheet_columns(bundle: Bundle, X: NDArray[np.float64]) -> dict[str, list[Any]]:
    """The column `sheet` of a chunk of rows, if the bundle has score sheets."""
    if bundle.scorer.sheets is None:
        return {}
    names = np.array(sheet_names(bundle), dtype=object)
    return {"sheet": names[bundle.scorer.sheet_codes(X)].tolist()}


def sheet_names(bundle: Bundle) -> list[str]:
    """Names of the sheets as the export spells the segments, the shared one last."""
    sheets, catalogue = bundle.scorer.sheets, bundle.scorer.catalogue
    if sheets is None:
        return [SHARED]
    feature = catalogue.features[segment_column(catalogue, sheets.column)]
    spelling = dict(zip(feature.levels, feature.spelling or feature.levels, strict=True))
    return [spelling.get(name, name) for name in sheets.names]
