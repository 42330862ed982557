"""One lead's outlook: how long its band holds in silence, and what the next likely activity goes with."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER
from features.builder import build_features
from features.contracts import Tables
from features.errors import InputError
from features.hindsight import known_before
from features.next_event import NextEvent, next_event, with_event
from features.prepare import Prepared
from models.bundle import Bundle
from models.wording import Wording
from pipeline.config import Project
from pipeline.open_leads import OpenLeads, leads_to_score
from pipeline.silence import DAY, days_ahead, is_lower, silent_until

__all__ = ["Outlook", "outlook_of", "outlook_of_row"]

_TOP = 100.0


@dataclass(frozen=True)
class Outlook:
    """What lies ahead of one lead, as an association: nothing here is a promise.

    Attributes
    ----------
    silent_until : first moment, ISO, UTC, from which the band stays lower than now if nothing happens; None
        if there is none within the horizon, the band is the lowest already, or the export is flat.
    next_activity : None where too little was seen, else what most often comes next: `type`, `words`, `after`
        (the latest type, None without one), `share` of the `seen` next events, and the `score`, `band`,
        `difference` and `shown_difference` (whole points) of the lead with that one activity just now.
    sentences : the same in words.
    """

    silent_until: str | None
    next_activity: dict[str, Any] | None
    sentences: list[str]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(self.__dict__)


def outlook_of(
    project: Project, bundle: Bundle, tables: Tables, lead_id: str, as_of: pd.Timestamp | None
) -> Outlook:
    """The outlook of one lead, by its id.

    Raises
    ------
    InputError
        If the lead is unknown, in quarantine or not open at as_of.
    """
    leads = leads_to_score(tables, bundle, project, as_of)
    place = [row for row, each in enumerate(leads.lead_ids) if each == lead_id]
    if not place:
        raise InputError(
            f"Lead '{lead_id}' is not among the {len(leads.rows):,} open leads, so there is no outlook for it. "
            f"`lead-scoring explain {lead_id}` says why."
        )
    return outlook_of_row(project, bundle, leads, place[0])


def outlook_of_row(project: Project, bundle: Bundle, leads: OpenLeads, row: int) -> Outlook:
    """The outlook of one row of leads that are prepared already."""
    if bundle.sources.is_static:
        return Outlook(None, None, [])
    chosen = replace(leads, data=known_before(leads.data, leads.as_of), rows=leads.rows.take(np.array([row])))
    wording = Wording(bundle.scorer.catalogue, project.phrases, project.words)
    until, said = _silence(bundle, chosen, wording)
    coming, said_of_coming = _coming(bundle, chosen, wording)
    moment = None if until == NEVER else str(np.datetime64(until, "us"))
    return Outlook(moment, coming, said + said_of_coming)


def _features(bundle: Bundle, leads: OpenLeads, data: Prepared) -> NDArray[np.float64]:
    return build_features(data, leads.rows, bundle.scorer.catalogue, bundle.sources)


def _silence(bundle: Bundle, leads: OpenLeads, wording: Wording) -> tuple[int, list[str]]:
    """From when on the band is lower, and the sentence that says so."""
    X, phrases = _features(bundle, leads, leads.data), wording.phrases
    margins = bundle.scorer.margin(X)
    rank, line = bundle.scorer.band_rank(margins, X), str(bundle.scorer.band(margins, X)[0])
    n_days = days_ahead(bundle)
    if rank[0] == 0:
        return NEVER, [phrases.text("outlook.lowest")]
    if n_days == 0:
        return NEVER, []
    until = int(silent_until(bundle, leads.data, leads.rows, margins, X)[0])
    if until != NEVER:
        days = (until - leads.as_of) // DAY
        return until, [phrases.plural("outlook.falls", days, line=line, date=phrases.date(until))]
    lower = is_lower(bundle, leads.data, leads.rows, rank, np.arange(1, n_days + 1))
    return NEVER, [phrases.plural("outlook.dips" if lower.any() else "outlook.stays", n_days, line=line)]


def _coming(bundle: Bundle, leads: OpenLeads, wording: Wording) -> tuple[dict[str, Any] | None, list[str]]:
    """What most often comes next and the score the lead would have with it, and the sentences."""
    words = _event_words(bundle, wording)
    unwanted = {name for name, each in bundle.sources.events.types.items() if each.direction < 0}
    lead = int(leads.rows.lead[0])
    found = next_event(leads.data, lead, words.keys(), unwanted)
    if found is None or found.after in unwanted:  # what follows a warning sign is no advice
        return None, []
    scorer = bundle.scorer
    grown = with_event(leads.data, lead, found.kind, leads.as_of - 1)
    X = np.concatenate([_features(bundle, leads, data) for data in (leads.data, grown)])
    margins = scorer.margin(X)
    now, then = scorer.score(margins, X).tolist()
    coming = {
        "type": found.kind, "words": words[found.kind], "after": found.after, "share": found.share,
        "seen": found.seen, "score": then, "band": str(scorer.band(margins, X)[1]), "difference": then - now,
        "shown_difference": math.floor(then) - math.floor(now),
    }  # fmt: skip
    is_at_top = scorer.table_lines is None and min(now, then) >= _TOP
    effect = _effect(wording, coming["shown_difference"], is_at_top=is_at_top)
    return coming, [_step(wording, found, words), effect]


def _event_words(bundle: Bundle, wording: Wording) -> dict[str, str]:
    """What sales calls each event type that the model knows."""
    features = [f for f in bundle.scorer.used_features if f.family in {"implicit", "recency", "points"}]
    of_types = [f for f in reversed(features) if f.source.startswith("type:")]
    return {f.source.removeprefix("type:"): wording.what(f) for f in of_types}


def _step(wording: Wording, found: NextEvent, words: dict[str, str]) -> str:
    key = "first" if found.after is None else "again" if found.after == found.kind else "next"
    latest = "" if found.after is None else words[found.after]
    share = round(100 * found.share)
    return wording.phrases.text(f"outlook.{key}", latest=latest, next=words[found.kind], share=share)


def _effect(wording: Wording, difference: int, *, is_at_top: bool) -> str:
    if difference == 0:
        return wording.phrases.text("outlook.top" if is_at_top else "outlook.same")
    return wording.phrases.plural(f"outlook.{'higher' if difference > 0 else 'lower'}", abs(difference))
