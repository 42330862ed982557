"""What usually comes next: from the order of events of all leads, and one event more for one of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from features.cleaning import Events
from features.hindsight import in_total_order
from features.prepare import Prepared

__all__ = ["NextEvent", "next_event", "with_event"]

_LEAST_SEEN = 30  # of fewer a share says little


@dataclass(frozen=True)
class NextEvent:
    """The commonest type of the next event.

    Attributes
    ----------
    after : type of the lead's latest event; None without one, `kind` is then the commonest first type.
    share : of all `seen` events that came next (or first), those of this type; in (0, 1].
    """

    after: str | None
    kind: str
    share: float
    seen: int


def next_event(
    data: Prepared, lead: int, types: Collection[str], unwanted: Collection[str] = ()
) -> NextEvent | None:
    """What most often came next, at any lead, after an event of the type that this lead's latest one has.

    Only events of `types` are looked at, as if there were no others. A type counts as following itself. Of
    types seen equally often the first by name is taken.

    Parameters
    ----------
    data : as known before the moment of interest (`features.hindsight.known_before`).
    lead : position in the leads table.
    unwanted : types that count in the shares but are not given back.

    Returns
    -------
    None if fewer than 30 next events were seen, or none that is wanted.
    """
    events = data.events.events
    kinds = data.events.kinds
    is_known = np.isin(events.kind, [code for code, name in enumerate(kinds) if name in types])
    owner, kind = events.lead[is_known], events.kind[is_known]
    follows = np.concatenate(([False], owner[1:] == owner[:-1])) if len(owner) else np.zeros(0, dtype=bool)
    of_lead = kind[owner == lead]
    if len(of_lead):
        chosen = np.flatnonzero(follows)
        chosen = chosen[kind[chosen - 1] == of_lead[-1]]
    else:
        chosen = np.flatnonzero(~follows)
    counts = np.bincount(kind[chosen], minlength=len(kinds))
    wanted = [code for code in np.flatnonzero(counts).tolist() if kinds[code] not in unwanted]
    if len(chosen) < _LEAST_SEEN or not wanted:
        return None
    best = min(wanted, key=lambda code: (-counts[code], kinds[code]))
    after = kinds[int(of_lead[-1])] if len(of_lead) else None
    return NextEvent(after, kinds[best], float(counts[best] / len(chosen)), len(chosen))


def with_event(data: Prepared, lead: int, kind: str, moment: int) -> Prepared:
    """The data with one more event of a lead, without channel, product and value.

    Parameters
    ----------
    kind : a type that occurs in the data.
    moment : microseconds when it is known.
    """
    plain = data.events.events
    low, high = np.searchsorted(plain.lead, [lead, lead + 1])
    new = {"lead": lead, "time": moment, "kind": data.events.kinds.index(kind)}
    grown: dict[str, np.ndarray] = {}
    for name in plain.__dataclass_fields__:
        column = getattr(plain, name)
        missing = np.nan if name == "value" else -1
        grown[name] = np.append(column[low:high], np.array([new.get(name, missing)], dtype=column.dtype))
    own = in_total_order(Events(**grown))
    parts = {
        name: np.concatenate([getattr(plain, name)[:low], getattr(own, name), getattr(plain, name)[high:]])
        for name in plain.__dataclass_fields__
    }
    return replace(data, events=replace(data.events, events=Events(**parts)))
