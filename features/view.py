"""What is known at the as_of of each row: the events, counted, dated and decayed on demand."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from features.asof import Examples
from features.cleaning import Events
from features.kernel import (
    decayed_sums,
    first_at_or_after,
    last_before,
    running_count,
    window_days,
    window_sums,
    with_tail,
)
from features.prepare import Prepared, events_of_leads
from features.settings import EventSettings

__all__ = ["RowView"]

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


class RowView:
    """Examples with the events of their leads, everything strictly before each row's as_of.

    Windows are half-open, [as_of - window, as_of). Sources are "any", an event type, "stage:NAME",
    "channel:NAME" or "negative" (every type declared with direction -1).

    Parameters
    ----------
    types : event types of the catalogue, sorted; all others are counted together.
    """

    def __init__(
        self, data: Prepared, rows: Examples, events: Events, settings: EventSettings, types: tuple[str, ...]
    ) -> None:
        self.data = data
        self.rows = rows
        self.settings = settings
        self.types = types
        self._all_events = events
        leads, self.place = np.unique(rows.lead, return_inverse=True)
        self.leads = leads
        self.events = events_of_leads(events, leads)
        bounds = np.searchsorted(self.events.lead, np.arange(len(leads) + 1))
        self.low: Int64 = bounds[self.place]
        self._high: Int64 = bounds[self.place + 1]
        self._starts: dict[int, Int64] = {}
        self._totals: dict[str, Int64] = {}

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Events known at the latest as_of of their lead's rows; what comes later may teach nothing."""
        until = np.zeros(len(self.leads), dtype=np.int64)
        np.maximum.at(until, self.place, self.stop)
        return np.arange(len(self.events)) < until[self.events.lead]

    @cached_property
    def mates(self) -> Int64:
        """Leads that share an account with a lead of the rows, those included, sorted."""
        accounts = np.unique(self.data.account[self.leads])
        chosen = [
            self.data.members[self.data.member_start[a] : self.data.member_start[a + 1]]
            for a in accounts
            if a >= 0
        ]
        return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *chosen]))

    @cached_property
    def mate_events(self) -> Events:
        """Events of `mates`, sorted; their lead is the place in `mates`."""
        return events_of_leads(self._all_events, self.mates)

    @cached_property
    def mate_bounds(self) -> Int64:
        """Events of mate m are `mate_events[mate_bounds[m] : mate_bounds[m + 1]]`."""
        return np.searchsorted(self.mate_events.lead, np.arange(len(self.mates) + 1))

    @property
    def stop(self) -> Int64:
        """Index after the last event known at each row's as_of."""
        return self.start(0)

    def start(self, window: int) -> Int64:
        """Index of the first event in [as_of - window, as_of) of each row."""
        if window not in self._starts:
            self._starts[window] = first_at_or_after(
                self.events.time, self.low, self._high, self.rows.as_of - window
            )
        return self._starts[window]

    def mask(self, source: str) -> NDArray[np.bool_]:
        """Which events belong to a source."""
        cleaned = self.data.events
        if source == "any":
            return np.ones(len(self.events), dtype=bool)
        if source.startswith("channel:"):
            return _is_code(self.events.channel, cleaned.channels, [source.removeprefix("channel:")])
        if source.startswith("stage:"):
            stage = source.removeprefix("stage:")
            names = [name for name, each in self.settings.types.items() if each.stage == stage]
            return _is_code(self.events.kind, cleaned.kinds, names)
        if source == "negative":
            names = [name for name, each in self.settings.types.items() if each.direction < 0]
            return _is_code(self.events.kind, cleaned.kinds, names)
        return _is_code(self.events.kind, cleaned.kinds, [source.removeprefix("type:")])

    def count(self, source: str, window: int) -> Float64:
        """Events of a source in the window; a window of 0 counts everything known."""
        if source not in self._totals:
            self._totals[source] = running_count(self.mask(source))
        total = self._totals[source]
        return (total[self.stop] - total[self.start(window) if window else self.low]).astype(np.float64)

    def days_active(self, source: str, window: int) -> Float64:
        """Distinct UTC days with an event of a source in the window."""
        low = self.start(window) if window else self.low
        mask = self.mask(source)
        return window_days(self.events.lead, self.events.time, mask, low, self.stop).astype(np.float64)

    def value_sum(self, source: str, window: int) -> Float64:
        """Sum of the values carried by events of a source in the window; 0 without any."""
        code = np.where(self.mask(source), 0, -1)
        return window_sums(self.events.value, code, 1, self.start(window), self.stop)[:, 0]

    def last(self, source: str) -> Int64:
        """Index of the last known event of a source, -1 if none."""
        return last_before(self.mask(source), self.low, self.stop)

    def microseconds_since(self, source: str) -> Float64:
        """Microseconds from the last known event of a source to as_of, NaN if none."""
        last = self.last(source)
        if len(self.events) == 0:
            return np.full(len(self), np.nan)
        return np.where(
            last >= 0, (self.rows.as_of - self.events.time[np.maximum(last, 0)]).astype(np.float64), np.nan
        )

    def breadth(self, codes: Int64, n_codes: int, window: int) -> Float64:
        """Distinct codes among the events of the window; negative codes do not count."""
        found = np.zeros(len(self))
        for code in range(n_codes):
            total = running_count(codes == code)
            found += total[self.stop] > total[self.start(window)]
        return found

    @cached_property
    def type_codes(self) -> Int64:
        """Each event's place among `types`; len(types) for all other types."""
        kinds = self.data.events.kinds
        place = {name: i for i, name in enumerate(self.types)}
        table = np.array([place.get(name, len(self.types)) for name in kinds], dtype=np.int64)
        return table[self.events.kind] if len(self.events) else np.zeros(0, dtype=np.int64)

    def intensity(
        self, source: str, half_life: int, half_lives: tuple[int, ...], tail: tuple[float, int] = (0.0, 1)
    ) -> Float64:
        """Decayed number of events of a source; all half-lives are computed together, once.

        Parameters
        ----------
        tail : share and half-life of the long tail; a share of 0 for none.
        """
        decayed = self._decayed(half_lives, tail)[:, :, half_lives.index(half_life)]
        total = np.zeros(len(self))
        for code in self._codes_of(source):
            total = total + decayed[:, code]
        return total

    def _codes_of(self, source: str) -> list[int]:
        if source == "any":
            return list(range(len(self.types) + 1))
        declared = self.settings.types
        if source == "negative":
            names = {name for name, each in declared.items() if each.direction < 0}
        elif source.startswith("stage:"):
            names = {name for name, each in declared.items() if f"stage:{each.stage}" == source}
        else:
            names = {source.removeprefix("type:")}
        return [code for code, name in enumerate(self.types) if name in names]

    def _decayed(self, half_lives: tuple[int, ...], tail: tuple[float, int]) -> Float64:
        key = (half_lives, tail)
        if key not in self._decays:
            share, longest = tail
            sums = decayed_sums(
                self.events.time,
                self.type_codes,
                len(self.types) + 1,
                self.low,
                self.stop,
                self.rows.as_of,
                (*half_lives, longest) if share else half_lives,
            )
            self._decays[key] = with_tail(sums, share) if share else sums
        return self._decays[key]

    @cached_property
    def _decays(self) -> dict[tuple[tuple[int, ...], tuple[float, int]], Float64]:
        return {}


def _is_code(codes: Int64, vocabulary: tuple[str, ...], names: list[str]) -> NDArray[np.bool_]:
    wanted = np.array([vocabulary.index(name) for name in names if name in vocabulary], dtype=np.int64)
    return np.isin(codes, wanted)
