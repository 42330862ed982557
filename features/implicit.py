"""Implicit features: what the lead did, counted over windows that end just before as_of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Feature
from features.prepare import FeatureSources
from features.view import RowView

__all__ = ["STAGES", "describe_implicit", "event_words", "implicit_column"]

Float64 = NDArray[np.float64]
STAGES = ("awareness", "consideration", "decision")
_MAX_CHANNELS = 8


def describe_implicit(view: RowView, sources: FeatureSources) -> list[Feature]:
    """Counts, active days, values and breadth of what the rows show."""
    windows = sources.features.windows
    longest = max(windows)
    found: list[Feature] = []
    for name in view.types:
        sign = _sign(name, sources)
        words = event_words(name, sources)
        shape = {"unit": "count", "monotone": sign, "group": f"type:{name}", "words": words}
        found += [Feature("implicit", f"type:{name}", "count", window, **shape) for window in windows]  # type: ignore[arg-type]
        found.append(Feature("implicit", f"type:{name}", "ever", **shape))  # type: ignore[arg-type]
    for stage in _stages(sources):
        shape = {"unit": "count", "group": f"stage:{stage}", "words": f"{stage} activity"}
        found += [Feature("implicit", f"stage:{stage}", "count", window, **shape) for window in windows]  # type: ignore[arg-type]
    if any(each.direction < 0 for each in sources.events.types.values()):
        found.append(
            Feature("implicit", "negative", "count", longest, "count", -1, "negative", "warning signs")
        )
    overall = [("count", window) for window in windows] + [("days_active", window) for window in windows[1:]]
    found += [
        Feature("implicit", "any", op, window, "count" if op == "count" else "days", 0, "any", "activity")
        for op, window in overall
    ]
    found.append(Feature("implicit", "any", "breadth", longest, "count", 0, "breadth", "kinds of activity"))
    if (view.events.product[view.known] >= 0).any():
        found.append(
            Feature("implicit", "any", "products", longest, "count", 0, "products", "products looked at")
        )
    if not np.isnan(view.events.value[view.known]).all():
        found.append(
            Feature(
                "implicit", "any", "value_sum", longest, "number", 0, "value", "time and value of activity"
            )
        )
    for channel in _frequent_channels(view):
        words = sources.features.words.get(f"channel:{channel}", f"{channel} activity")
        found.append(
            Feature(
                "implicit", f"channel:{channel}", "count", longest, "count", 0, f"channel:{channel}", words
            )
        )
    return found


def _frequent_channels(view: RowView) -> list[str]:
    """Channels of the events known, the most frequent first."""
    names, codes = view.data.events.channels, view.events.channel[view.known]
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    ranked = sorted(np.flatnonzero(counts), key=lambda code: (-counts[code], names[code]))
    return [names[code] for code in ranked[:_MAX_CHANNELS]]


def implicit_column(view: RowView, feature: Feature) -> Float64:
    """The column of an implicit feature."""
    if feature.op in {"count", "ever"}:
        return view.count(feature.source, feature.span)
    if feature.op == "days_active":
        return view.days_active(feature.source, feature.span)
    if feature.op == "value_sum":
        return view.value_sum(feature.source, feature.span)
    if feature.op == "products":
        return view.breadth(view.events.product, len(view.data.events.products), feature.span)
    return view.breadth(
        np.where(view.mask(feature.source), view.type_codes, -1), len(view.types), feature.span
    )


def event_words(name: str, sources: FeatureSources) -> str:
    """What sales calls an event type: declared words, else the type's own name in plain letters."""
    declared = sources.events.types.get(name)
    if declared is not None and declared.words:
        return declared.words
    return sources.features.words.get(name, name.replace("_", " ").replace("|", " "))


def _sign(name: str, sources: FeatureSources) -> int:
    declared = sources.events.types.get(name)
    return -1 if declared is not None and declared.direction < 0 else 0


def _stages(sources: FeatureSources) -> list[str]:
    used = {each.stage for each in sources.events.types.values()}
    return [stage for stage in STAGES if stage in used]
