"""Features of examples: what the catalogue of a model is, and the matrix it describes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.account import account_column, describe_account
from features.asof import Examples
from features.catalogue import Catalogue, Feature
from features.cleaning import Events
from features.explicit import describe_explicit, explicit_column
from features.funnel import FUNNEL, describe_funnel, funnel_column
from features.implicit import describe_implicit, implicit_column
from features.points import describe_points, points_column
from features.prepare import FeatureSources, Prepared
from features.profile import PROFILE, describe_profile, profile_column
from features.recency import describe_age, describe_recency, recency_column
from features.view import RowView

__all__ = ["build_features", "frequent_types", "learn_catalogue"]

Float64 = NDArray[np.float64]


def learn_catalogue(data: Prepared, rows: Examples, sources: FeatureSources) -> Catalogue:
    """The features that the rows can have: vocabularies, event types and missing flags as known there.

    Nothing at or after a row's as_of is looked at, and no outcome.
    """
    types = () if sources.is_static else frequent_types(data, rows, sources)
    view = RowView(data, rows, data.events.events, sources.events, types)
    families = sources.features.families
    found: list[Feature] = []
    if "explicit" in families:
        found += describe_explicit(view, sources) + describe_profile(sources)
    has_events = not sources.is_static and bool(view.known.any())
    if "implicit" in families and has_events:
        found += describe_implicit(view, sources) + describe_funnel(sources)
    if "recency" in families and has_events:
        found += describe_recency(view, sources)
    if "recency" in families and not sources.is_static:
        found.append(describe_age())
    if "account" in families:
        found += _account(view, sources)
    return Catalogue((*found, *describe_points(sources)))


def build_features(data: Prepared, rows: Examples, catalogue: Catalogue, sources: FeatureSources) -> Float64:
    """The feature matrix: one row an example, one column a feature of the catalogue.

    Returns
    -------
    (rows, features) float64, C-contiguous. NaN means missing. Every figure of a row comes from what was
    known strictly before its as_of, and is the same, bit for bit, whatever other rows are asked for.
    """
    result = np.full((len(rows), len(catalogue)), np.nan)
    types = _types_of(catalogue)

    def fill(chosen: NDArray[np.int64], events: Events) -> None:
        view = RowView(data, rows.take(chosen), events, sources.events, types)
        spans = {f.span for f in catalogue.features if f.op == "intensity" and f.family == "recency"}
        half_lives = tuple(sorted(spans))
        for number, feature in enumerate(catalogue.features):
            result[chosen, number] = _column(view, feature, sources, half_lives)

    is_mid_burst = _is_mid_burst(data, rows)
    if not is_mid_burst.all():
        fill(np.flatnonzero(~is_mid_burst), data.events.events)
    for row in np.flatnonzero(is_mid_burst):
        fill(np.array([row]), _events_known_as_human(data, int(rows.as_of[row])))
    return result


def _column(view: RowView, feature: Feature, sources: FeatureSources, half_lives: tuple[int, ...]) -> Float64:
    if feature.family == "explicit":
        is_profile = feature.group == PROFILE
        return (profile_column if is_profile else explicit_column)(view, feature, sources)
    if feature.family == "implicit":
        is_funnel = feature.source == FUNNEL
        return funnel_column(view, feature, sources) if is_funnel else implicit_column(view, feature)
    if feature.family == "recency":
        settings = sources.features
        return recency_column(view, feature, half_lives, (settings.tail, settings.tail_half_life))
    if feature.family == "account":
        return account_column(view, feature, sources)
    return points_column(view, feature, sources)


def _account(view: RowView, sources: FeatureSources) -> list[Feature]:
    """Account features; a static export has no history of colleagues, only the priority list."""
    found = describe_account(view, sources)
    return [feature for feature in found if feature.op == "value"] if sources.is_static else found


def _types_of(catalogue: Catalogue) -> tuple[str, ...]:
    names = {
        f.source.removeprefix("type:")
        for f in catalogue.features
        if f.source.startswith("type:") and f.family != "points"
    }
    return tuple(sorted(names))


def frequent_types(data: Prepared, rows: Examples, sources: FeatureSources) -> tuple[str, ...]:
    """Event types seen before the rows' as_of: declared ones first, then the most frequent."""
    view = RowView(data, rows, data.events.events, sources.events, ())
    counts = np.bincount(view.events.kind[view.known], minlength=len(data.events.kinds))
    kinds = data.events.kinds
    ranked = sorted(
        np.flatnonzero(counts), key=lambda k: (kinds[k] not in sources.events.types, -counts[k], kinds[k])
    )
    return tuple(sorted(kinds[kind] for kind in ranked[: sources.events.max_types]))


def _is_mid_burst(data: Prepared, rows: Examples) -> NDArray[np.bool_]:
    """Rows whose as_of falls inside a bot burst at their lead or account, before it could be told."""
    found = np.zeros(len(rows), dtype=bool)
    bots = data.events.bots
    if len(bots) == 0:
        return found
    cuts = np.unique(rows.as_of)
    is_cut = np.searchsorted(cuts, bots.time, side="right") < np.searchsorted(cuts, data.events.told_at)
    for bot in np.flatnonzero(is_cut):
        moment, lead, told = bots.time[bot], bots.lead[bot], data.events.told_at[bot]
        inside = np.flatnonzero((rows.as_of > moment) & (rows.as_of < told))
        account = data.account[lead]
        same = (rows.lead[inside] == lead) | ((account >= 0) & (data.account[rows.lead[inside]] == account))
        found[inside[same]] = True
    return found


def _events_known_as_human(data: Prepared, as_of: int) -> Events:
    """All events, those of bursts included that could not yet be told at as_of."""
    bots = data.events.bots.take(data.events.told_at > as_of)
    plain = data.events.events
    parts = {
        name: np.concatenate([getattr(plain, name), getattr(bots, name)])
        for name in plain.__dataclass_fields__
    }
    joined = Events(**parts)
    order = np.lexsort((joined.value, joined.product, joined.channel, joined.kind, joined.time, joined.lead))
    return joined.take(order)
