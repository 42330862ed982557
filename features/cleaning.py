"""Events before any feature: sorted into one total order, cleaned, and what was removed counted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER, microseconds
from features.durations import MICROSECONDS
from features.settings import EventSettings

__all__ = ["CleanedEvents", "Events", "bot_bursts", "clean_events", "hashed"]

Int64 = NDArray[np.int64]
DAY = MICROSECONDS["d"]


@dataclass(frozen=True)
class Events:
    """Events in the total order (lead, time, type, channel, product, value).

    Attributes
    ----------
    lead : (n,) position in the leads table.
    time : (n,) microseconds when the event was known: the later of occurred_at and recorded_at.
    kind, channel, product : (n,) index into the matching vocabulary of `CleanedEvents`, -1 for none.
    value : (n,) NaN where the event carries none.
    """

    lead: Int64
    time: Int64
    kind: Int64
    channel: Int64
    product: Int64
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.lead)

    def take(self, rows: NDArray[np.bool_] | Int64) -> Events:
        """The chosen events, by mask or by position."""
        return Events(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


@dataclass(frozen=True)
class CleanedEvents:
    """Events that count, those of bot bursts, and what was removed.

    `bots` holds the events that belong to a burst, with the moment the burst could first be told
    (`told_at`): an as_of between an event and that moment still counts it.
    """

    events: Events
    bots: Events
    told_at: Int64
    kinds: tuple[str, ...]
    channels: tuple[str, ...]
    products: tuple[str, ...]
    removed: dict[str, int]


def clean_events(
    events: pd.DataFrame, leads: pd.DataFrame, settings: EventSettings, outcome_events: tuple[str, ...]
) -> CleanedEvents:
    """Events sorted and cleaned.

    Removed and counted: declared outcome event types, barred types, events of internal staff, events before the lead
    existed, exact duplicates (in when they occurred, too), bot bursts. Whether an event stays never depends on
    a later event, save for bot bursts, which carry the moment from which they are told.
    """
    removed: dict[str, int] = {}
    is_kept = np.ones(len(events), dtype=bool)
    kind_text = events["event_type"].to_numpy(dtype=object)

    def remove(reason: str, mask: NDArray[np.bool_]) -> None:
        removed[reason] = int((is_kept & mask).sum())
        np.logical_and(is_kept, ~mask, out=is_kept)

    lead = pd.Index(leads["lead_id"]).get_indexer(pd.Index(events["lead_id"]))
    remove("outcome_event", np.isin(kind_text, outcome_events))
    remove("barred", np.isin(kind_text, settings.barred))
    column = settings.internal_column
    if column is not None and column in events:
        remove("internal", _is_internal(events[column], settings.internal_values))
    occurred = microseconds(events["occurred_at"])
    time = np.maximum(occurred, _recorded(events))
    created = microseconds(leads["created_at"])
    own_created = np.append(created, NEVER)[lead]  # of an unknown lead, -1, that is NEVER
    remove("before_lead", (own_created != NEVER) & (occurred < own_created))
    remove("unknown_lead", lead < 0)
    coded = {name: _codes(events[name]) for name in ("event_type", "channel", "product")}
    value = events["value"].to_numpy(dtype=np.float64) if settings.use_value else np.full(len(events), np.nan)
    everything = Events(lead, time, coded["event_type"][0], coded["channel"][0], coded["product"][0], value)
    rows = np.flatnonzero(is_kept)
    rows = rows[_total_order(everything.take(rows), occurred[rows])]
    rows = rows[~_repeats_previous(everything.take(rows), occurred[rows])]
    removed["duplicate"] = int(is_kept.sum()) - len(rows)
    ordered = everything.take(rows)
    told_at = bot_bursts(ordered, occurred[rows], settings.bot_events, settings.bot_window)
    is_bot = told_at != NEVER
    removed["bot"] = int(is_bot.sum())
    return CleanedEvents(
        ordered.take(~is_bot),
        ordered.take(is_bot),
        told_at[is_bot],
        coded["event_type"][1],
        coded["channel"][1],
        coded["product"][1],
        removed,
    )


def bot_bursts(events: Events, occurred: Int64, least: int, window: int) -> Int64:
    """When each event could first be told to be part of a burst, `NEVER` if it is none.

    A burst is `least` or more events of one type of one lead that occurred within `window` microseconds. The
    moment is one microsecond after the latest of `least` such events was known: an as_of there knows the
    whole burst. Events that were only recorded together are no burst.
    """
    order = np.lexsort((np.arange(len(events)), occurred, events.kind, events.lead))
    lead, kind, moment, known = events.lead[order], events.kind[order], occurred[order], events.time[order]
    told = np.full(len(events), NEVER)
    if len(events) < least:
        return told
    last = least - 1
    is_burst = (
        (lead[last:] == lead[:-last])
        & (kind[last:] == kind[:-last])
        & (moment[last:] - moment[:-last] <= window)
        & (moment[last:] % DAY != 0)  # a log of bare dates shows no bursts
    )
    for first in np.flatnonzero(is_burst):
        burst = order[first : first + least]
        told[burst] = np.minimum(told[burst], known[first : first + least].max() + 1)
    return told


def hashed(value: str) -> str:
    """A value as it is kept with a model: told again when met, but not readable."""
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"


def _is_internal(column: pd.Series, values: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which values are those of own staff, given plainly or hashed."""
    unique = [str(value) for value in column.dropna().unique()]
    staff = [value for value in unique if value in values or hashed(value) in values]
    return column.isin(staff).to_numpy(dtype=bool)


def _recorded(events: pd.DataFrame) -> Int64:
    recorded = microseconds(events["recorded_at"])
    return np.where(recorded == NEVER, np.iinfo(np.int64).min, recorded)


def _codes(column: pd.Series) -> tuple[Int64, tuple[str, ...]]:
    codes, values = pd.factorize(column, sort=True)
    return codes.astype(np.int64), tuple(str(value) for value in values)


def _total_order(events: Events, occurred: Int64) -> Int64:
    return np.lexsort(
        (occurred, events.value, events.product, events.channel, events.kind, events.time, events.lead)
    )


def _repeats_previous(events: Events, occurred: Int64) -> NDArray[np.bool_]:
    if len(events) == 0:
        return np.zeros(0, dtype=bool)
    same = occurred[1:] == occurred[:-1]
    for name in ("lead", "time", "kind", "channel", "product"):
        column = getattr(events, name)
        same &= column[1:] == column[:-1]
    before, after = events.value[:-1], events.value[1:]
    same &= (before == after) | (np.isnan(before) & np.isnan(after))
    return np.concatenate(([False], same))
