"""Output columns read from what is declared: fit to the profile, funnel stage and change, re-engagement."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.asof import Examples
from features.builder import build_features
from features.catalogue import Catalogue, Feature
from features.funnel import NO_STAGE, funnel_readings, has_stages
from features.implicit import STAGES
from features.prepare import FeatureSources, Prepared
from features.profile import SHARE_MET
from features.recency import describe_re_engaged

__all__ = ["declared_columns"]

Float64 = NDArray[np.float64]


def declared_columns(sources: FeatureSources, data: Prepared, rows: Examples) -> dict[str, list[Any]]:
    """`profile_fit`, `funnel_stage`, `funnel_change` and `re_engaged`, those that the sources declare.

    They are built as features are, so they know what was known before as_of and no more.
    """
    wanted: list[Feature] = [SHARE_MET] if sources.profile else []
    has_funnel = has_stages(sources) and not sources.is_static
    if has_funnel:
        wanted += funnel_readings(sources)
    back = [] if sources.is_static else describe_re_engaged(sources)
    if not wanted and not back:
        return {}
    catalogue = Catalogue((*wanted, *back))
    columns = build_features(data, rows, catalogue, sources).T
    by_name = dict(zip(catalogue.names, columns, strict=True))
    found: dict[str, list[Any]] = {}
    if sources.profile:
        found["profile_fit"] = [None if np.isnan(each) else each for each in by_name[SHARE_MET.name].tolist()]
    if has_funnel:
        depth, change = (by_name[feature.name] for feature in funnel_readings(sources))
        found["funnel_stage"] = [(NO_STAGE, *STAGES)[int(each)] for each in depth]
        found["funnel_change"] = [_moved(float(each)) for each in change]
    if back:
        found["re_engaged"] = (by_name[back[0].name] > 0).tolist()
    return found


def _moved(change: float) -> str:
    if np.isnan(change):
        return "new"
    return "up" if change > 0 else "down" if change < 0 else "same"
