"""Recency features: when the lead did it, and whether it is waking up or falling asleep."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.asof import NEVER
from features.catalogue import Feature
from features.durations import MICROSECONDS
from features.half_lives import half_lives_of
from features.implicit import STAGES, event_words
from features.prepare import FeatureSources
from features.view import RowView

__all__ = ["BACK_WINDOW", "describe_age", "describe_re_engaged", "describe_recency", "recency_column"]

Float64 = NDArray[np.float64]
DAY = MICROSECONDS["d"]
BACK_WINDOW = 7 * DAY


def describe_recency(view: RowView, sources: FeatureSources) -> list[Feature]:
    """Days since, decayed intensity, momentum, velocity, silence and age."""
    found: list[Feature] = []
    used = {each.stage for each in sources.events.types.values()}
    named = [(f"type:{name}", event_words(name, sources)) for name in view.types]
    named += [(f"stage:{stage}", f"{stage} activity") for stage in STAGES if stage in used]
    for source, words in named:
        sign = -1 if _is_negative(source, sources) else 0
        found.append(Feature("recency", source, "days_since", 0, "days", 0, source, words))
        found += [
            Feature("recency", source, "intensity", half_life, "intensity", sign, source, words)
            for half_life in half_lives_of(source, view.types, sources)
        ]
    found += [
        Feature("recency", "any", "intensity", half_life, "intensity", 0, "any", "activity")
        for half_life in sources.features.half_lives
    ]
    found += [
        Feature("recency", "any", "silence", 0, "days", 0, "silence", "days without activity"),
        Feature("recency", "any", "momentum", 7 * DAY, "log ratio", 0, "momentum", "pace of activity"),
        Feature("recency", "any", "velocity", 0, "per day", 0, "velocity", "activity a day"),
        Feature("recency", "any", "last_type", 0, "category", 0, "last_type", "latest activity", view.types),
    ]
    return found + describe_re_engaged(sources)


def describe_re_engaged(sources: FeatureSources) -> list[Feature]:
    """Activity after a long silence, where `re_engaged_after` says how long that is."""
    least = sources.features.re_engaged_after
    words = "activity after a long silence"
    if least is None:
        return []
    return [Feature("recency", "any", "re_engaged", least, "count", 0, "re_engaged", words)]


def describe_age() -> Feature:
    """How long the lead has been open; needs no events."""
    return Feature("recency", "lead", "age", 0, "days", 0, "age", "days since the lead came in")


def recency_column(
    view: RowView, feature: Feature, half_lives: tuple[int, ...], tail: tuple[float, int] = (0.0, 1)
) -> Float64:
    """The column of a recency feature; days are fractional, NaN where there was no such event."""
    if feature.op == "days_since":
        return view.microseconds_since(feature.source) / DAY
    if feature.op == "intensity":
        return view.intensity(feature.source, feature.span, half_lives, tail)
    if feature.op == "last_type":
        return _last_type(view)
    if feature.op == "re_engaged":
        return _after_silence(view, feature.span)
    if feature.op == "momentum":
        week, five = view.count("any", 7 * DAY), view.count("any", 35 * DAY)
        return np.log((week + 0.5) / ((five - week) / 4 + 0.5))
    return _since_start(view, feature.op)


def _last_type(view: RowView) -> Float64:
    last = view.last("any")
    if len(view.events) == 0:
        return np.full(len(view), np.nan)
    return np.where(last >= 0, view.type_codes[np.maximum(last, 0)].astype(np.float64), np.nan)


def _after_silence(view: RowView, least: int) -> Float64:
    """Events of the last 7 days where a silence of at least `least` came before the first of them, else 0.

    The silence counts from the event before, or from when the lead came in where there is none.
    """
    first = view.start(BACK_WINDOW)
    if len(view.events) == 0:
        return np.zeros(len(view))
    time, last = view.events.time, len(view.events) - 1
    before = np.where(first > view.low, time[np.maximum(first - 1, 0)], view.rows.spell_start)
    is_back = (view.stop > first) & (time[np.minimum(first, last)] - before >= least)
    return np.where(is_back, (view.stop - first).astype(np.float64), 0.0)


def _since_start(view: RowView, op: str) -> Float64:
    """Age of the spell; silence and velocity measured against it."""
    age = (view.rows.as_of - view.rows.spell_start) / DAY
    if op == "age":
        return age
    if op == "silence":
        since = view.microseconds_since("any") / DAY
        return np.where(np.isnan(since), age, since)
    created = view.data.created[view.rows.lead]
    known = np.where(created == NEVER, view.rows.spell_start, created)
    return view.count("any", 0) / np.maximum((view.rows.as_of - known) / DAY, 1.0)


def _is_negative(source: str, sources: FeatureSources) -> bool:
    declared = sources.events.types.get(source.removeprefix("type:"))
    return declared is not None and declared.direction < 0
