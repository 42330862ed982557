"""The past seen again: all that was known before a moment, and states between two moments.

Two scorings of a lead differ by what happened between them, by the fields that changed and by time alone.
`as_if` builds each mixture of the three, so that the difference can be split among them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from features.asof import NEVER, Spells
from features.cleaning import CleanedEvents, Events
from features.prepare import ChangeLog, Prepared

__all__ = ["as_if", "in_total_order", "known_before"]

Int64 = NDArray[np.int64]
Endings = tuple[Int64, Int64]
ChangeLogs = dict[str, ChangeLog]


def known_before(data: Prepared, moment: int) -> Prepared:
    """Everything as it was known strictly before a moment; positions of leads and accounts stay.

    Later events, outcomes and field changes are gone, a burst not yet told counts as people's activity, and
    leads created at or after the moment have no creation time, so that nobody meets them as colleagues.
    Features at as_of = moment are the same, bit for bit; at a later as_of they say what the lead looks like
    if nothing new happens to it or its account. Attributes without history stay as they are.

    Parameters
    ----------
    moment : microseconds; what happened at it is not yet known.
    """
    return replace(
        data,
        created=np.where(data.created < moment, data.created, NEVER),
        events=_events_before(data.events, moment),
        wins=_endings_before(data.wins, moment),
        losses=_endings_before(data.losses, moment),
        lead_changes=_changes_before(data.lead_changes, moment),
        account_changes=_changes_before(data.account_changes, moment),
        spells=None if data.spells is None else _spells_before(data.spells, moment),
    )


def as_if(
    data: Prepared, t0: int, t1: int, *, time: bool, events: bool, fields: bool
) -> tuple[Prepared, int]:
    """What is known if only some of what changed from t0 to t1 had changed, and the as_of to look from.

    With none of the three the features are those of t0, with all those of t1, bit for bit. For leads whose
    spell was open at both moments; creation and spell of a row's own lead stay, its age follows `time`.

    Parameters
    ----------
    t0, t1 : microseconds, t0 < t1; "meanwhile" is [t0, t1).
    time : whether as_of is t1, else t0.
    events : whether the events, outcomes and colleagues that became known meanwhile are there. Without
        `time` they lie t1 - t0 earlier, as fresh at t0 as they are at t1: events and time then differ only
        in what each does alone. An event may so come to lie before its lead's creation; it counts.
    fields : whether fields that changed meanwhile hold their new value.
    """
    known = known_before(data, t1 if events else t0)
    if events and not time:
        known = _earlier(known, t0, t1 - t0)
    moment = t1 if fields else t0
    latest = None if time or not fields else t0 - 1
    state = replace(
        known,
        # what is known of bursts is settled by now; a look from t0 must not open it again
        events=_without_bots(known.events),
        lead_changes=_changes_before(data.lead_changes, moment, latest),
        account_changes=_changes_before(data.account_changes, moment, latest),
        spells=data.spells,
    )
    return state, t1 if time else t0


def in_total_order(events: Events) -> Events:
    """Events in the order (lead, time, type, channel, product, value) that the features rely on.

    Examples
    --------
    >>> zero, time = np.zeros(2, dtype=np.int64), np.array([5, 3])
    >>> in_total_order(Events(zero, time, zero, zero, zero, np.zeros(2))).time.tolist()
    [3, 5]
    """
    columns = (events.value, events.product, events.channel, events.kind, events.time, events.lead)
    return events.take(np.lexsort(columns))


def _events_before(cleaned: CleanedEvents, moment: int) -> CleanedEvents:
    plain = cleaned.events.take(cleaned.events.time < moment)
    is_told = cleaned.told_at <= moment
    untold = cleaned.bots.take(~is_told & (cleaned.bots.time < moment))
    if len(untold):
        joined = {
            name: np.concatenate([getattr(plain, name), getattr(untold, name)])
            for name in plain.__dataclass_fields__
        }
        plain = in_total_order(Events(**joined))
    return replace(cleaned, events=plain, bots=cleaned.bots.take(is_told), told_at=cleaned.told_at[is_told])


def _without_bots(cleaned: CleanedEvents) -> CleanedEvents:
    none = np.zeros(0, dtype=np.int64)
    return replace(cleaned, bots=cleaned.bots.take(none), told_at=none)


def _endings_before(endings: Endings, moment: int) -> Endings:
    is_known = endings[1] < moment
    return endings[0][is_known], endings[1][is_known]


def _changes_before(logs: ChangeLogs, moment: int, latest: int | None = None) -> ChangeLogs:
    """Changes before a moment, those after `latest` moved there in their order."""
    found: ChangeLogs = {}
    for name, log in logs.items():
        is_known = log.time < moment
        when = log.time[is_known]
        found[name] = ChangeLog(
            log.owner[is_known], when if latest is None else np.minimum(when, latest), log.value[is_known]
        )
    return found


def _spells_before(spells: Spells, moment: int) -> Spells:
    rows = spells.start < moment
    has_ended = spells.end[rows] < moment
    return Spells(
        spells.lead[rows],
        spells.start[rows],
        np.where(has_ended, spells.end[rows], NEVER),
        spells.is_won[rows] & has_ended,
    )


def _earlier(data: Prepared, t0: int, shift: int) -> Prepared:
    """Events, outcomes and creations at or after t0 moved back; those without a moment stay so."""

    def moved(moments: Int64) -> Int64:
        return np.where((moments >= t0) & (moments != NEVER), moments - shift, moments)

    plain = data.events.events
    return replace(
        data,
        created=moved(data.created),
        events=replace(data.events, events=in_total_order(replace(plain, time=moved(plain.time)))),
        wins=_sorted_endings(data.wins[0], moved(data.wins[1])),
        losses=_sorted_endings(data.losses[0], moved(data.losses[1])),
    )


def _sorted_endings(owner: Int64, moment: Int64) -> Endings:
    order = np.lexsort((moment, owner))
    return owner[order], moment[order]
