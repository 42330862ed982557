"""Half-lives by event group: which types share one, and the decayed sums from which one is learned."""

from __future__ import annotations

import difflib

import numpy as np
from numpy.typing import NDArray

from features.asof import Examples
from features.kernel import decayed_sums, with_tail
from features.prepare import FeatureSources, Prepared
from features.settings import EventSettings, FeatureSettings
from features.view import RowView

__all__ = ["decay_groups", "group_of", "group_sums", "half_lives_of", "refuse_stray_groups"]

Float64 = NDArray[np.float64]


def group_of(name: str, events: EventSettings) -> str:
    """The group of an event type: declared, else its funnel stage, else the type itself.

    Examples
    --------
    >>> from features.settings import EventType
    >>> events = EventSettings(types={"open": EventType(group="e-mail"), "demo": EventType(stage="decision")})
    >>> [group_of(name, events) for name in ("open", "demo", "fair")]
    ['e-mail', 'decision', 'fair']
    """
    declared = events.types.get(name)
    if declared is None:
        return name
    return declared.group or declared.stage or name


def refuse_stray_groups(features: FeatureSettings, events: EventSettings) -> None:
    """Refuse a group in `half_lives_by_group` that is nearly, but not quite, a declared one.

    Any other name may be that of an event type that is not declared, which is its own group.

    Raises
    ------
    ValueError
        With the nearest name.
    """
    known = sorted({group_of(name, events) for name in events.types})
    for name in features.half_lives_by_group:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        if near and name not in known:
            raise ValueError(f"half_lives_by_group: there is no group '{name}'; did you mean '{near[0]}'?")


def decay_groups(types: tuple[str, ...], events: EventSettings) -> dict[str, tuple[str, ...]]:
    """Event types by group, in the order of the groups' names."""
    names = sorted({group_of(name, events) for name in types})
    return {group: tuple(name for name in types if group_of(name, events) == group) for group in names}


def half_lives_of(source: str, types: tuple[str, ...], sources: FeatureSources) -> tuple[int, ...]:
    """The half-lives of an event type, or of a stage whose types all have the same.

    Those of its group where the group has one, else `features.half_lives`.
    """
    kind, _, name = source.partition(":")
    if kind == "type":
        members = [name]
    else:
        members = [
            each for each in types if (found := sources.events.types.get(each)) and found.stage == name
        ]
    by_group = sources.features.half_lives_by_group
    found_lives = {by_group.get(group_of(each, sources.events)) for each in members}
    only = found_lives.pop() if len(found_lives) == 1 else None
    return sources.features.half_lives if only is None else (only,)


def group_sums(
    data: Prepared, rows: Examples, groups: dict[str, tuple[str, ...]], sources: FeatureSources
) -> Float64:
    """(rows, groups, half-lives of the grid) decayed sums of each group's events before as_of."""
    types = tuple(sorted(name for members in groups.values() for name in members))
    view = RowView(data, rows, data.events.events, sources.events, types)
    places = {name: place for place, members in enumerate(groups.values()) for name in members}
    table = np.array([*(places[name] for name in types), -1], dtype=np.int64)
    settings = sources.features
    spans = (*settings.half_life_grid, settings.tail_half_life)
    sums = decayed_sums(
        view.events.time, table[view.type_codes], len(groups), view.low, view.stop, rows.as_of, spans
    )
    return with_tail(sums, settings.tail)
