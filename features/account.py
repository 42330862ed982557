"""Account features: what is known of the other people at the lead's company."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Feature
from features.durations import MICROSECONDS
from features.kernel import event_pairs, first_at_or_after
from features.prepare import FeatureSources
from features.settings import PRIORITY
from features.titles import department
from features.view import RowView

__all__ = ["account_column", "describe_account", "title_attribute"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
DAY = MICROSECONDS["d"]
RECENT = 30 * DAY
_OTHERS = "activity of colleagues"
_OF_COLLEAGUES = (
    Feature("account", "people", "known", 0, "count", 0, "people", "other people known at the company"),
    Feature("account", "people", "active", RECENT, "count", 0, "people_active", "colleagues active"),
    Feature("account", "others", "count", 7 * DAY, "count", 0, "others", _OTHERS),
    Feature("account", "others", "count", RECENT, "count", 0, "others", _OTHERS),
    Feature("account", "others", "count", 90 * DAY, "count", 0, "others", _OTHERS),
    Feature("account", "others", "days_since", 0, "days", 0, "others", _OTHERS),
    Feature("account", "won", "count", 0, "count", 0, "account_won", "earlier purchases of the company"),
    Feature(
        "account",
        "lost",
        "count",
        0,
        "count",
        0,
        "account_lost",
        "earlier leads of the company without a purchase",
    ),
)
_DEPARTMENTS = Feature(
    "account", "departments", "active", 90 * DAY, "count", 0, "departments", "departments reached"
)
_PRIORITY = Feature("account", "is_priority", "value", 0, "flag", 0, "priority", "priority list")


def describe_account(view: RowView, sources: FeatureSources) -> list[Feature]:
    """Account features, where leads belong to accounts."""
    found: list[Feature] = []
    if (np.diff(view.data.member_start) > 1).any():
        found += _OF_COLLEAGUES
        if title_attribute(sources) is not None:
            found.append(_DEPARTMENTS)
    if _uses_priority(sources) and PRIORITY in view.data.leads and view.data.leads[PRIORITY].notna().any():
        found.append(_PRIORITY)
    return found


def _uses_priority(sources: FeatureSources) -> bool:
    """The list is today's: with snapshots it is used only where it is waived, like any `current` attribute."""
    attributes = sources.attributes
    return PRIORITY not in attributes.barred and (sources.is_static or PRIORITY in attributes.waived)


def account_column(view: RowView, feature: Feature, sources: FeatureSources) -> Float64:
    """The column of an account feature; NaN where the lead belongs to no account."""
    if feature.source == "is_priority":
        return view.data.leads["is_priority"].to_numpy(dtype=np.float64)[view.rows.lead]
    if feature.source in {"won", "lost"}:
        endings = view.data.wins if feature.source == "won" else view.data.losses
        found = _endings_before(endings, view.data.account[view.rows.lead], view.rows.as_of)
    elif feature.op == "known":
        found = _per_row(view, lambda row, _mate: np.ones(len(row)))
    elif feature.op == "active" and feature.source == "people":
        found = _per_row(
            view, lambda row, mate: (_mate_count(view, row, mate, feature.span) > 0).astype(np.float64)
        )
    elif feature.op == "active":
        found = _departments(view, feature.span, sources)
    elif feature.op == "count":
        found = _per_row(view, lambda row, mate: _mate_count(view, row, mate, feature.span))
    else:
        return _days_since_others(view)
    return np.where(view.data.account[view.rows.lead] >= 0, found, np.nan)


def title_attribute(sources: FeatureSources) -> str | None:
    """The attribute that holds job titles, if there is one fixed at creation."""
    names = [
        name for name, (kind, since) in sources.usable().items() if kind == "job_title" and since != "history"
    ]
    return names[0] if names else None


def _pairs(view: RowView) -> Iterator[tuple[slice, Int64, Int64]]:
    """(row, mate) pairs: the other leads of each row's account that existed before as_of."""
    account = view.data.account[view.rows.lead]
    low = np.where(account >= 0, view.data.member_start[account], 0)
    stop = np.where(
        account >= 0, view.data.member_start[np.minimum(account + 1, len(view.data.member_start) - 1)], 0
    )
    for rows, row, index in event_pairs(low, stop):
        mate = view.data.members[index]
        is_other = (mate != view.rows.lead[rows][row]) & (
            view.data.created[mate] < view.rows.as_of[rows][row]
        )
        yield rows, row[is_other], mate[is_other]


def _per_row(view: RowView, weigh: Callable[[Int64, Int64], Float64]) -> Float64:
    result = np.zeros(len(view))
    for rows, row, mate in _pairs(view):
        weight = weigh(row + rows.start, mate)
        result[rows] = np.bincount(row, weight, minlength=rows.stop - rows.start)
    return result


def _mate_window(view: RowView, row: Int64, mate: Int64, window: int) -> tuple[Int64, Int64]:
    place = np.searchsorted(view.mates, mate)
    low, high = view.mate_bounds[place], view.mate_bounds[place + 1]
    as_of = view.rows.as_of[row]
    stop = first_at_or_after(view.mate_events.time, low, high, as_of)
    return (first_at_or_after(view.mate_events.time, low, stop, as_of - window) if window else low), stop


def _mate_count(view: RowView, row: Int64, mate: Int64, window: int) -> Float64:
    start, stop = _mate_window(view, row, mate, window)
    return (stop - start).astype(np.float64)


def _days_since_others(view: RowView) -> Float64:
    latest = np.full(len(view), np.iinfo(np.int64).min)
    for rows, row, mate in _pairs(view):
        low, stop = _mate_window(view, row + rows.start, mate, 0)
        has_event = stop > low
        np.maximum.at(latest, row[has_event] + rows.start, view.mate_events.time[stop[has_event] - 1])
    is_known = latest > np.iinfo(np.int64).min
    return np.where(is_known, (view.rows.as_of - np.where(is_known, latest, 0)) / DAY, np.nan)


def _departments(view: RowView, window: int, sources: FeatureSources) -> Float64:
    name = title_attribute(sources)
    titles = view.data.leads[name].to_numpy(dtype=object)
    result = np.zeros(len(view))
    for rows, row, mate in _pairs(view):
        is_active = _mate_count(view, row + rows.start, mate, window) > 0
        reached, active = row[is_active], mate[is_active]
        codes, unique = pd.factorize(pd.Series(titles[active], dtype=object), use_na_sentinel=True)
        names = [department(str(title)) for title in unique]
        known = sorted({each for each in names if each is not None})
        place = np.array(
            [known.index(each) if each is not None else -1 for each in names] + [-1], dtype=np.int64
        )[codes]
        distinct = np.unique(np.stack([reached[place >= 0], place[place >= 0]]), axis=1)
        result[rows] = np.bincount(distinct[0], minlength=rows.stop - rows.start)
    return result


def _endings_before(endings: tuple[Int64, Int64], account: Int64, as_of: Int64) -> Float64:
    owner, moment = endings
    low = np.searchsorted(owner, account).astype(np.int64)
    high = np.searchsorted(owner, account, side="right").astype(np.int64)
    return (first_at_or_after(moment, low, high, as_of) - low).astype(np.float64)
