"""One lead between two moments: whether it can be compared, and what happened to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER, Examples, microseconds
from features.catalogue import Feature
from features.cleaning import CleanedEvents, Events
from features.contracts import Tables
from features.errors import InputError
from features.explicit import attribute_values
from features.hindsight import known_before
from features.prepare import Prepared
from features.view import RowView
from models.bundle import Bundle
from pipeline.open_leads import why_unknown

__all__ = ["Facts", "facts_of", "history_fields", "moment_text", "require_open", "tables_around"]

Bools = NDArray[np.bool_]
_KEY = ["lead_id", "time", "event_type", "channel", "product", "value"]


@dataclass(frozen=True)
class Facts:
    """What became known of a lead in [since, as_of); only what the models look at.

    Attributes
    ----------
    since, as_of : microseconds.
    activity : new events of the lead by type, the most frequent first.
    late : those of them that had occurred before `since` and were recorded only after it.
    colleagues, colleagues_late : the same of the other leads of its account, counted.
    people, purchases, losses : new leads, wins and other outcomes at the account.
    machines : events of before `since` that now are known to be part of a bot burst.
    fields : (name, old, new) of every field with another value; None where there is none.
    """

    since: int
    as_of: int
    activity: dict[str, int]
    late: int
    colleagues: int
    colleagues_late: int
    people: int
    purchases: int
    losses: int
    machines: int
    fields: tuple[tuple[str, str | None, str | None], ...]


def facts_of(
    tables: Tables, data: Prepared, lead_id: str, since: int, as_of: int, bundles: Sequence[Bundle]
) -> Facts:
    """What happened to the lead and its account, of `tables_around` it and their `Prepared`."""
    features = [f for bundle in bundles for f in bundle.scorer.used_features]
    of_account = {(f.source, f.op) for f in features if f.family == "account"}
    known, lead = known_before(data, as_of), _position(data, lead_id)
    is_mate = (data.account == data.account[lead]) & (data.account >= 0) & (known.created != NEVER)
    is_mate[lead] = False
    events = known.events.events.take(known.events.events.time >= since)
    own = events.take((events.lead == lead) & _is_used(events, known.events, features))
    theirs = events.take(is_mate[events.lead] & _uses_colleagues(of_account))
    bots, told_at = data.events.bots, data.events.told_at
    is_unmasked = (bots.time < since) & (told_at > since) & (told_at <= as_of)
    is_own = (bots.lead == lead) & _is_used(bots, known.events, features)
    whose = is_own | (is_mate[bots.lead] & _uses_colleagues(of_account))
    late = _late_rows(tables, since, as_of)
    kinds = Counter(np.array(known.events.kinds, dtype=object)[own.kind].tolist())
    return Facts(
        since=since,
        as_of=as_of,
        activity=dict(sorted(kinds.items(), key=lambda each: (-each[1], each[0]))),
        late=_count_late(own, known, late),
        colleagues=len(theirs),
        colleagues_late=_count_late(theirs, known, late),
        people=int((is_mate & (data.created >= since)).sum()) if ("people", "known") in of_account else 0,
        purchases=_endings_since(known.wins, data.account[lead], since)
        if ("won", "count") in of_account
        else 0,
        losses=_endings_since(known.losses, data.account[lead], since)
        if ("lost", "count") in of_account
        else 0,
        machines=int((is_unmasked & whose).sum()),
        fields=_changed_fields(data, lead, since, as_of, bundles),
    )


def history_fields(bundle: Bundle) -> list[str]:
    """Attributes with a history that the model looks at, in the order of its features."""
    availability = bundle.sources.attributes.availability()
    read = [
        f.source.partition(".")[0] for f in bundle.scorer.used_features if f.family in {"explicit", "points"}
    ]
    return [name for name in dict.fromkeys(read) if availability.get(name) == "history"]


def _position(data: Prepared, lead_id: str) -> int:
    return int(np.flatnonzero((data.leads["lead_id"] == lead_id).to_numpy(dtype=bool))[0])


def _is_used(events: Events, cleaned: CleanedEvents, features: Sequence[Feature]) -> Bools:
    """Which events the models look at: all of them, or those that a points table names."""
    if any(f.family == "implicit" or (f.family == "recency" and f.op != "age") for f in features):
        return np.ones(len(events), dtype=bool)
    named = {f.source.removeprefix("type:") for f in features if f.family == "points"}
    codes = [code for code, kind in enumerate(cleaned.kinds) if kind in named]
    return np.isin(events.kind, codes)


def _uses_colleagues(of_account: set[tuple[str, str]]) -> bool:
    return any(source == "others" or op == "active" for source, op in of_account)


def _late_rows(tables: Tables, since: int, as_of: int) -> pd.DataFrame:
    """Events that occurred before `since` but were recorded at or after it, as keys."""
    events = tables.events
    occurred, recorded = microseconds(events["occurred_at"]), microseconds(events["recorded_at"])
    is_late = (occurred < since) & (recorded >= since) & (recorded < as_of)
    named = events.assign(time=recorded)[_KEY]
    return named[is_late].astype(object).drop_duplicates()


def _count_late(events: Events, data: Prepared, late: pd.DataFrame) -> int:
    """How many of the cleaned events are among the late rows; their value may have been left out."""
    cleaned = data.events
    columns = {
        "lead_id": data.leads["lead_id"].to_numpy(dtype=object)[events.lead],
        "time": events.time,
        "event_type": _named(events.kind, cleaned.kinds),
        "channel": _named(events.channel, cleaned.channels),
        "product": _named(events.product, cleaned.products),
        "value": events.value,
    }
    rows = pd.DataFrame(columns).astype(object)
    key = _KEY if rows["value"].notna().any() else _KEY[:-1]
    return len(rows.merge(late[key].drop_duplicates(), on=key))


def _named(codes: NDArray[np.int64], names: tuple[str, ...]) -> NDArray[np.object_]:
    return np.array([*names, None], dtype=object)[codes]


def _endings_since(
    endings: tuple[NDArray[np.int64], NDArray[np.int64]], account: np.int64, since: int
) -> int:
    return int(((endings[0] == account) & (endings[1] >= since)).sum()) if account >= 0 else 0


def _changed_fields(
    data: Prepared, lead: int, since: int, as_of: int, bundles: Sequence[Bundle]
) -> tuple[tuple[str, str | None, str | None], ...]:
    two = np.array([since, as_of])
    rows = Examples(
        np.full(2, lead), two, two, np.full(2, NEVER), np.zeros(2, dtype=bool), np.zeros(2, dtype=np.int64)
    )
    view = RowView(data, rows, data.events.events, bundles[0].sources.events, ())
    found = []
    for name in dict.fromkeys(each for bundle in bundles for each in history_fields(bundle)):
        old, new = (
            None if pd.isna(value) else str(value) for value in attribute_values(view, name, "history")
        )
        if old != new:
            found.append((name, old, new))
    return tuple(found)


def tables_around(tables: Tables, lead_id: str) -> Tables:
    """All that is known of a lead and of the leads of its account; their features need no more.

    Raises
    ------
    InputError
        If the lead is unknown or in quarantine.
    """
    leads = tables.leads
    is_lead = (leads["lead_id"] == lead_id).to_numpy(dtype=bool)
    if not is_lead.any():
        raise InputError(why_unknown(tables, lead_id))
    account = leads["account_id"].to_numpy(dtype=object)[is_lead][0]
    mates = is_lead if pd.isna(account) else is_lead | (leads["account_id"] == account).to_numpy(dtype=bool)
    near = leads[mates]
    changed = tables.field_changes
    is_changed = changed["lead_id"].isin(near["lead_id"])
    if not pd.isna(account):
        is_changed |= changed["account_id"] == account
    return replace(
        tables,
        leads=near.reset_index(drop=True),
        events=_of_leads(tables.events, near),
        outcomes=_of_leads(tables.outcomes, near),
        field_changes=changed[is_changed].reset_index(drop=True),
    )


def _of_leads(frame: pd.DataFrame, leads: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["lead_id"].isin(leads["lead_id"])].reset_index(drop=True)


def require_open(data: Prepared, lead_id: str, since: int, as_of: int) -> None:
    """Refuse a lead without a score at one of the moments, or closed and reopened between them.

    Raises
    ------
    InputError
        If it is such a lead; the message says which, and when.
    """
    assert data.spells is not None
    lead = _position(data, lead_id)
    spells = data.spells
    mine = np.flatnonzero((spells.lead == lead) & (spells.start < as_of))
    if len(mine) == 0:
        came = moment_text(int(spells.start[spells.lead == lead][0]))
        raise InputError(f"Lead '{lead_id}' came in at {came}, so it has no score at {moment_text(as_of)}.")
    # people of an account overlap: it is open while one of them is, since the one who came first of those
    still = mine[spells.end[mine] >= as_of]
    chosen = still[0] if len(still) else mine[np.argmax(spells.end[mine])]
    start, end = int(spells.start[chosen]), int(spells.end[chosen])
    if end < as_of:
        raise InputError(
            f"Lead '{lead_id}' was closed at {moment_text(end)}, so it has no score at {moment_text(as_of)}. "
            "Compare moments before it was closed."
        )
    if start >= since:
        event = "came in" if chosen == mine[0] else "was opened again"
        raise InputError(
            f"Lead '{lead_id}' {event} at {moment_text(start)}, so there is nothing to compare from "
            f"{moment_text(since)} on. Give a later --since."
        )


def moment_text(moment: int) -> str:
    """A moment in microseconds as people read it, UTC."""
    return f"{np.datetime64(moment, 'us').astype('datetime64[s]')}".replace("T", " ") + " UTC"
