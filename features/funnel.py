"""The funnel stage of a lead and its change, from the stages declared for event types."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Feature
from features.durations import format_duration
from features.implicit import STAGES
from features.kernel import running_count
from features.prepare import FeatureSources
from features.view import RowView

__all__ = ["FUNNEL", "NO_STAGE", "describe_funnel", "funnel_column", "funnel_readings", "has_stages"]

Float64 = NDArray[np.float64]
FUNNEL = "funnel"
NO_STAGE = "(none)"
_WORDS = "funnel stage"


def has_stages(sources: FeatureSources) -> bool:
    """Whether any event type has a funnel stage."""
    return any(each.stage for each in sources.events.types.values())


def funnel_readings(sources: FeatureSources) -> tuple[Feature, Feature]:
    """The depth of the deepest stage in the window, and how far it has moved."""
    settings = sources.features
    change = f"change_of_{format_duration(settings.funnel_window)}"
    return (
        Feature("implicit", FUNNEL, "depth", settings.funnel_window, "level", 0, FUNNEL, _WORDS),
        Feature("implicit", FUNNEL, change, settings.funnel_change, "level", 0, FUNNEL, _WORDS),
    )


def describe_funnel(sources: FeatureSources) -> list[Feature]:
    """Depth, its change, distinct event types of each stage and days with decision activity."""
    if not sources.features.funnel or not has_stages(sources):
        return []
    window = sources.features.funnel_window
    used = {each.stage for each in sources.events.types.values()}
    found = list(funnel_readings(sources))
    for stage in (each for each in STAGES if each in used):
        source, words = f"stage:{stage}", f"{stage} activity"
        found.append(Feature("implicit", source, "breadth", window, "count", 0, source, words))
        if stage == STAGES[-1]:
            found.append(Feature("implicit", source, "days_active", window, "days", 0, source, words))
    return found


def funnel_column(view: RowView, feature: Feature, sources: FeatureSources) -> Float64:
    """Depth: 0 without activity of a stage, 1 to 3 as in `STAGES`; its change is NaN for leads that are new.

    The change is the depth of [as_of - window, as_of) less that of the same window `funnel_change` earlier.
    """
    window = sources.features.funnel_window
    depth = _depth(view, window, 0)
    if feature.op == "depth":
        return depth
    is_new = view.rows.spell_start >= view.rows.as_of - feature.span
    return np.where(is_new, np.nan, depth - _depth(view, window, feature.span))


def _depth(view: RowView, window: int, ago: int) -> Float64:
    """Depth of the deepest stage in [as_of - ago - window, as_of - ago)."""
    depth = np.zeros(len(view))
    first, stop = view.start(ago + window), view.start(ago)
    for level, stage in enumerate(STAGES, start=1):
        total = running_count(view.mask(f"stage:{stage}"))
        depth[total[stop] > total[first]] = level
    return depth
