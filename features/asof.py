"""Which leads are open when: spells, openness and the moments that become examples.

Every moment is an int64 count of microseconds since 1970 in UTC; `NEVER` stands for "not yet".
Known at `as_of` means strictly before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import InputError
from features.settings import SnapshotSettings, TargetSettings

__all__ = [
    "NEVER",
    "Examples",
    "Spells",
    "calendar_cuts",
    "microseconds",
    "open_examples",
    "snapshot_examples",
    "spells_of",
    "thin_by_hash",
]

Int64 = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Spells:
    """Periods in which leads were open, one entry a spell, sorted by (lead, start).

    Attributes
    ----------
    lead : (n,) position of the lead in the leads table.
    start : (n,) microseconds; the lead is open strictly after it.
    end : (n,) microseconds of the first terminal outcome, `NEVER` while open.
    is_won : (n,) whether that outcome is a win.
    """

    lead: Int64
    start: Int64
    end: Int64
    is_won: NDArray[np.bool_]


@dataclass(frozen=True)
class Examples:
    """Rows to train on or to score: one (lead, as_of) each.

    Attributes
    ----------
    lead : (n,) position of the lead in the leads table.
    as_of : (n,) microseconds; the features know what lies strictly before.
    spell_start : (n,) microseconds, when the open spell began.
    spell_end : (n,) microseconds of its terminal outcome, `NEVER` while open; never a feature.
    is_won : (n,) whether that outcome is a win; never a feature.
    age : (n,) the checkpoint in microseconds after the spell's start, 0 where cuts follow the calendar.
    """

    lead: Int64
    as_of: Int64
    spell_start: Int64
    spell_end: Int64
    is_won: NDArray[np.bool_]
    age: Int64

    def __len__(self) -> int:
        return len(self.lead)

    def take(self, rows: NDArray[np.bool_] | Int64) -> Examples:
        """The chosen rows, by mask or by position."""
        return replace(self, **{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def microseconds(times: pd.Series | pd.Timestamp) -> Int64:
    """UTC moments as int64 microseconds; a missing moment becomes `NEVER`.

    Examples
    --------
    >>> microseconds(pd.Series(pd.to_datetime(["1970-01-01T00:00:01Z", None]).astype("datetime64[us, UTC]"))).tolist()
    [1000000, 9223372036854775807]
    """
    series = pd.Series([times]) if isinstance(times, pd.Timestamp) else times
    values = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(np.isnat(values), NEVER, values.astype(np.int64))


def spells_of(leads: pd.DataFrame, outcomes: pd.DataFrame, target: TargetSettings) -> Spells:
    """Spells of every lead that has a creation time.

    A spell starts when the lead is created or reopened (`target.reopened`) and ends with its first
    terminal outcome; further outcomes of an ended spell change nothing.

    Raises
    ------
    InputError
        If leads lack a creation time: openness can't be told without one.
    """
    created = microseconds(leads["created_at"])
    missing = int((created == NEVER).sum())
    if missing:
        raise InputError(
            f"{missing} of {len(leads)} leads have no created_at; without it nobody can tell when a lead was open. "
            "Map the column under [data.leads] columns, or use snapshots.mode = 'static' for a flat export."
        )
    rows = outcomes if target.product is None else outcomes[outcomes["product"] == target.product]
    lead = pd.Index(leads["lead_id"]).get_indexer(pd.Index(rows["lead_id"]))
    moment = microseconds(rows["occurred_at"])
    kind = rows["outcome"].to_numpy(dtype=object)
    is_reopened = np.isin(kind, target.reopened)
    is_won = np.isin(kind, target.won)
    # at one instant a win counts before any other ending, and a reopening comes last
    order = np.lexsort((is_reopened, ~is_won, moment, lead))
    order = order[lead[order] >= 0]
    return _walk(created, lead[order], moment[order], is_won[order], is_reopened[order])


def _walk(
    created: Int64, lead: Int64, moment: Int64, is_won: NDArray[np.bool_], is_reopened: NDArray[np.bool_]
) -> Spells:
    end = np.full(len(created), NEVER)
    won = np.zeros(len(created), dtype=bool)
    # a reopening before any ending reopens nothing
    ending = np.flatnonzero(~is_reopened)
    owner_of, place = np.unique(lead[ending], return_index=True)
    end[owner_of], won[owner_of] = moment[ending[place]], is_won[ending[place]]
    extra: list[tuple[int, int, int, bool]] = []
    for owner in np.unique(lead[is_reopened]):
        extra += _reopened_spells(int(owner), lead, moment, is_won, is_reopened)
    starts = np.r_[created, np.array([max(row[1], created[row[0]]) for row in extra], dtype=np.int64)]
    owners = np.r_[np.arange(len(created)), np.array([row[0] for row in extra], dtype=np.int64)]
    ends = np.r_[end, np.array([row[2] for row in extra], dtype=np.int64)]
    wins = np.r_[won, np.array([row[3] for row in extra], dtype=bool)]
    order = np.lexsort((starts, owners))
    return Spells(owners[order], starts[order], ends[order], wins[order])


def _reopened_spells(
    owner: int, lead: Int64, moment: Int64, is_won: NDArray[np.bool_], is_reopened: NDArray[np.bool_]
) -> list[tuple[int, int, int, bool]]:
    """Spells of one lead after its first, as (lead, start, end, is_won)."""
    low, high = np.searchsorted(lead, [owner, owner + 1])
    found: list[tuple[int, int, int, bool]] = []
    start: int | None = None
    has_ended = False
    for row in range(int(low), int(high)):
        if is_reopened[row]:
            if has_ended and start is None:
                start = int(moment[row])
        elif start is not None:
            found.append((owner, start, int(moment[row]), bool(is_won[row])))
            start = None
        else:
            has_ended = True
    if start is not None:
        found.append((owner, start, NEVER, False))
    return found


def open_examples(spells: Spells, as_of: int) -> Examples:
    """One example for every lead open at `as_of`: started before it, not ended before it."""
    is_open = (spells.start < as_of) & (spells.end >= as_of)
    chosen = np.flatnonzero(is_open)
    return _examples(spells, chosen, np.full(len(chosen), as_of), np.zeros(len(chosen), dtype=np.int64))


def calendar_cuts(first: int, last: int, every: int) -> Int64:
    """Evenly spaced moments in (first, last], the latest at `last`, in time order.

    Examples
    --------
    >>> calendar_cuts(0, 10, 4).tolist()
    [2, 6, 10]
    """
    count = max(0, -(-(last - first) // every))
    return last - every * np.arange(count, dtype=np.int64)[::-1]


def snapshot_examples(spells: Spells, settings: SnapshotSettings, last: int) -> Examples:
    """Examples of every open lead at the cuts of the calendar or at its checkpoints of age.

    Parameters
    ----------
    last : the latest moment that may be an as_of (inclusive).
    """
    if len(spells.lead) == 0:
        return _examples(
            spells, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        )
    parts: list[tuple[Int64, Int64, Int64]] = []
    if settings.mode == "calendar":
        for cut in calendar_cuts(int(spells.start.min()), last, settings.every):
            rows = np.flatnonzero((spells.start < cut) & (spells.end >= cut))
            parts.append((rows, np.full(len(rows), cut), np.zeros(len(rows), dtype=np.int64)))
    else:
        for age in sorted(set(settings.ages)):
            moment = spells.start + age
            rows = np.flatnonzero((moment <= last) & (spells.end >= moment))
            parts.append((rows, moment[rows], np.full(len(rows), age)))
    empty = np.zeros(0, dtype=np.int64)
    rows, as_of, age_of = (
        (np.concatenate([empty, *column]) for column in zip(*parts, strict=True))
        if parts
        else (empty, empty, empty)
    )
    order = np.lexsort((spells.lead[rows], as_of))
    return _examples(spells, rows[order], as_of[order], age_of[order])


def thin_by_hash(examples: Examples, lead_ids: pd.Series, most: int) -> Examples:
    """At most about `most` examples, taken by a hash of (lead_id, as_of): blind to the outcome."""
    if len(examples) <= most:
        return examples
    frame = pd.DataFrame({"lead": lead_ids.to_numpy()[examples.lead], "as_of": examples.as_of})
    hashed = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return examples.take(hashed < np.uint64(int(most / len(examples) * float(2**64 - 1))))


def _examples(spells: Spells, rows: Int64, as_of: Int64, age: Int64) -> Examples:
    found = Examples(spells.lead[rows], as_of, spells.start[rows], spells.end[rows], spells.is_won[rows], age)
    return _one_a_moment(found)


def _one_a_moment(rows: Examples) -> Examples:
    """Spells that overlap (the people of an account) are one example a moment: it ends with the first win."""
    order = np.lexsort((rows.lead, rows.as_of))
    lead, as_of = rows.lead[order], rows.as_of[order]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (lead[1:] != lead[:-1]) | (as_of[1:] != as_of[:-1])
    if is_first.all():
        return rows
    starts = np.flatnonzero(is_first)
    won = np.where(rows.is_won[order], rows.spell_end[order], NEVER)
    end = np.minimum.reduceat(won, starts)
    return Examples(
        lead[starts],
        as_of[starts],
        np.minimum.reduceat(rows.spell_start[order], starts),
        end,
        end != NEVER,
        np.maximum.reduceat(rows.age[order], starts),
    )
