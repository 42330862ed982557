"""Events as the ledger keeps them: those that a run knew and the run before did not, and who woke up since."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from features.cleaning import Events
from features.durations import MICROSECONDS
from features.hindsight import known_before
from features.kernel import first_at_or_after
from features.prepare import Prepared

__all__ = ["MOST_KNOWN", "MOST_NEW", "Timeline", "timeline_of"]

Int64 = NDArray[np.int64]
MOST_NEW = 30  # events kept of a lead that the run before lacks
MOST_KNOWN = 500  # and of any lead, so that a machine's events fill no disk
ASLEEP = 30 * MICROSECONDS["d"]
FIRST_LOOK = 7 * MICROSECONDS["d"]  # back to where a first run looks for who woke up


@dataclass(frozen=True)
class Timeline:
    """The events known at a run, and the stretch of them that is new for each of its rows.

    Attributes
    ----------
    events : known before as_of, in their total order; an event counts from when it was known.
    kinds : event types, as JSON text.
    start, stop : (rows,) what is new to a row is `events[start:stop]`.
    is_awake : (rows,) at least one event since the run before and none in the 30 days before that.
    """

    events: Events
    kinds: tuple[str, ...]
    start: Int64
    stop: Int64
    is_awake: NDArray[np.bool_]

    @property
    def latest(self) -> int | None:
        """Moment of the latest event known, microseconds."""
        return int(self.events.time.max()) if len(self.events) else None

    def lines(self, rows: slice) -> list[str | None]:
        """JSON list of [moment, type] a row, None where nothing is new."""
        start, stop = self.start[rows], self.stop[rows]
        size = stop - start
        ends = np.cumsum(size)
        place = np.arange(int(size.sum())) + np.repeat(start - (ends - size), size)
        times = np.datetime_as_string(self.events.time[place].view("datetime64[us]"), unit="us")
        each = [
            f'["{time.removesuffix(".000000")}+00:00",{self.kinds[kind]}]'
            for time, kind in zip(times.tolist(), self.events.kind[place].tolist(), strict=True)
        ]
        bounds = [0, *ends.tolist()]
        return [f"[{','.join(each[low:high])}]" if high > low else None for low, high in pairwise(bounds)]


def timeline_of(
    data: Prepared, as_of: int, lead: Int64, is_known: NDArray[np.bool_], before: int | None
) -> Timeline:
    """What each row's lead did since the run before.

    Parameters
    ----------
    as_of : microseconds; what happened at it is not yet known.
    lead : (rows,) position of each row's lead.
    is_known : (rows,) whether the run before had scored it; of others the last events are new.
    before : moment of the run before, microseconds; None if there is none.
    """
    cleaned = data.events
    if (cleaned.events.time >= as_of).any() or (cleaned.told_at > as_of).any():
        cleaned = known_before(data, as_of).events
    events = cleaned.events
    low, high = np.searchsorted(events.lead, lead), np.searchsorted(events.lead, lead, side="right")
    low, high = low.astype(np.int64), high.astype(np.int64)

    def first_since(moment: int) -> Int64:
        return first_at_or_after(events.time, low, high, np.full(len(lead), moment))

    mark = as_of - FIRST_LOOK if before is None else before
    since, asleep = first_since(mark), first_since(mark - ASLEEP)
    start = np.where(is_known, np.maximum(since, high - MOST_KNOWN), np.maximum(low, high - MOST_NEW))
    was_there = data.created[lead] < mark  # a lead that is new was not asleep
    is_awake = was_there & (since < high) & (asleep == since)
    kinds = tuple(json.dumps(kind, ensure_ascii=False) for kind in cleaned.kinds)
    return Timeline(events, kinds, start, high, is_awake)
