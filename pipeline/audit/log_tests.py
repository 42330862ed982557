"""Tests that need a log: event types tied to the outcome, and fields changed at or after it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER, microseconds
from features.contracts import Tables
from features.durations import MICROSECONDS
from pipeline.audit.frames import LeadHistory
from pipeline.audit.open_leads import open_at
from pipeline.audit.result import Grade, Suspect
from pipeline.audit.signs import Sign
from pipeline.audit.statistics import wilson
from pipeline.config import Project

__all__ = ["suspect_event_types", "suspect_fields"]

Int64 = NDArray[np.int64]
_INSTANT = MICROSECONDS["s"]
_LEAST = 20
_EXPECTED = 8.0


def suspect_event_types(tables: Tables, history: LeadHistory, project: Project) -> list[Suspect]:
    """Event types that are the outcome, or come with it; types declared in `target.outcome_events` are left out.

    An event counts from when it is known, the later of `occurred_at` and `recorded_at`, as features count it.

    - `event_at_outcome`: of its events on leads with an outcome, 80 % or more (leak) or 20 % or more (look)
      lie within one second of it. Ordinary types reach 3 % where outcomes fall into the middle of work.
    - `event_near_outcome`, look: 80 % or more of those on leads that lived ten times as long lie within the last hour
      or day before the outcome (and before its grace, within which no example is used). Ordinary types reach .66 a day.
    - `event_tells_outcome`, look: of the leads that had it before their outcome nearly all were won (by the lower 95 %
      bound more than three quarters of the way from the base rate to 1; ordinary types reach .69 of 1), or it
      is near the outcome and nearly none were (the upper bound below a sixth of the base rate).
    - `event_gone_from_open`, look: leads open now lack it, those open at earlier times have it, see `_gone_from_open`.
    - Two of the last three together make a leak.
    - `event_after_outcome`, look: half of them or more lie later than the outcome. Such events reach no feature of
      an open lead, but the type is often written by the same hand.

    Types with fewer than 20 events on such leads are not judged.
    """
    events = tables.events
    if events.empty:
        return []
    lead = pd.Index(tables.leads["lead_id"]).get_indexer(pd.Index(events["lead_id"]))
    ended = history.ended[lead]
    on_closed = (lead >= 0) & (ended != NEVER)
    occurred, recorded = microseconds(events["occurred_at"]), microseconds(events["recorded_at"])
    known = np.where(recorded == NEVER, occurred, np.maximum(occurred, recorded))
    kinds = events["event_type"].to_numpy(dtype=object)
    frame = pd.DataFrame({"kind": kinds, "lead": lead, "known": known, "on_closed": on_closed})[lead >= 0]
    found = []
    for kind, rows in frame.groupby("kind", sort=True):
        if str(kind) in project.target.outcome_events or rows["on_closed"].sum() < _LEAST:
            continue
        signs = _signs_of_type(rows, history, project)
        if signs:
            found.append(_suspect_type(str(kind), signs))
    return sorted(found, key=lambda suspect: suspect.grade != "leak")


def _suspect_type(kind: str, signs: list[Sign]) -> Suspect:
    names = tuple(sign.kind for sign in signs)
    grade: Grade = "leak" if len(signs) > 1 or signs[0].weight == "conclusive" else "look"
    words = "; ".join(sign.words for sign in signs)
    return Suspect("events", kind, grade, names[0], f"{words}.", "event", names)


def _signs_of_type(rows: pd.DataFrame, history: LeadHistory, project: Project) -> list[Sign]:
    """What speaks against one event type."""
    on_closed = rows["on_closed"].to_numpy(dtype=bool)
    every, known = rows["lead"].to_numpy(dtype=np.int64), rows["known"].to_numpy(dtype=np.int64)
    lead = every[on_closed]
    away = known[on_closed] - history.ended[lead]
    at, after = int((np.abs(away) <= _INSTANT).sum()), int((away > _INSTANT).sum())
    counts = f"of {len(away)} such events on leads with an outcome"
    if at >= max(_LEAST, 0.2 * len(away)):
        words = f"{at} {counts} lie within one second of it"
        cure = "declare it in target.outcome_events if it is the outcome, or set target.outcome_grace"
        return [
            Sign("event_at_outcome", "conclusive" if at >= 0.8 * len(away) else "strong", f"{words}; {cure}")
        ]
    if after >= 0.5 * len(away):
        return [Sign("event_after_outcome", "strong", f"{after} {counts} come after it")]
    before = away < -project.target.outcome_grace
    near = _near_outcome(lead[before], away[before], history)
    # with the leads that have no outcome: where only wins are written down, all others have been won
    had = np.concatenate([lead[before], every[~on_closed]])
    told = _tells_outcome(np.unique(had), history, is_near=bool(near))
    return [*near, *told, *_gone_from_open(every, known, history)]


def _near_outcome(lead: Int64, away: Int64, history: LeadHistory) -> list[Sign]:
    life = history.ended[lead] - history.created[lead]
    for window, words in ((MICROSECONDS["h"], "hour"), (MICROSECONDS["d"], "day")):
        judged = life > 10 * window
        n, near = int(judged.sum()), int((away[judged] >= -window).sum())
        if n >= _LEAST and near >= 0.8 * n:
            said = f"{near} of {n} such events on leads that lived longer lie in the last {words} before the outcome"
            return [Sign("event_near_outcome", "strong", said)]
    return []


def _gone_from_open(lead: Int64, known: Int64, history: LeadHistory) -> list[Sign]:
    """Hold the open leads that have the event now against those that had it one to six horizons ago.

    Both are counted by the moments of the events, so a type that comes late in a lead's life is no exception. One that
    is written with the outcome, and dated back, is on leads that were open then, and on none that is open now.
    """
    if history.end == NEVER or not history.horizon or (known >= history.end - history.horizon).sum() < 2:
        return []
    had: list[float] = []
    now = open_at(history, history.end)
    for horizons in range(1, 7):
        moment = history.end - horizons * history.horizon
        then = open_at(history, moment)
        if then.sum() < _LEAST:
            return []
        scale = min(1.0, float(now.sum() / then.sum()))
        had.append(scale * len(np.unique(lead[(known < moment) & then[lead]])))
    expected, there = float(np.mean(had)), len(np.unique(lead[(known < history.end) & now[lead]]))
    if expected < _EXPECTED or there > 0.1 * expected:
        return []
    words = (
        f"{there} open leads have it, where {expected:.0f} had it before their outcome at earlier times, as if it were "
        "dated back when the outcome is written"
    )
    return [Sign("event_gone_from_open", "strong", words)]


def _tells_outcome(leads: Int64, history: LeadHistory, *, is_near: bool) -> list[Sign]:
    y = history.y[leads]
    y, everyone = y[~np.isnan(y)], history.y[~np.isnan(history.y)]
    if len(y) < _LEAST or not len(everyone):
        return []
    base = float(everyone.mean())
    low, high = wilson(np.array([y.sum()]), np.array([float(len(y))]))
    if low[0] > base + 0.75 * (1 - base) or (is_near and high[0] < base / 6):
        words = (
            f"of {len(y)} leads that had it before their outcome {y.mean():.0%} were won, of all {base:.0%}"
        )
        return [Sign("event_tells_outcome", "strong", words)]
    return []


def suspect_fields(tables: Tables, history: LeadHistory, project: Project) -> list[Suspect]:
    """Fields that the log shows being changed at or after the outcome, or changing though declared fixed.

    - `changed_after_outcome`: among the leads with an outcome, the field was changed at that moment (within
      a second before) or later in 50 % or more (leak) or 5 % or more (look): today's value knows the outcome.
    - `changes_over_time`, look: declared `at_creation`, but changed more than a day after creation for 5 %
      of the leads or more.
    """
    changes = tables.field_changes
    changes = changes[changes["lead_id"].notna()]
    if changes.empty:
        return []
    lead = pd.Index(tables.leads["lead_id"]).get_indexer(pd.Index(changes["lead_id"]))
    keep = lead >= 0
    moment, lead = microseconds(changes["changed_at"])[keep], lead[keep]
    fields = changes["field"].to_numpy(dtype=object)[keep]
    found = []
    for name in sorted({str(each) for each in fields}):
        rows = fields == name
        suspect = _suspect_field(name, lead[rows], moment[rows], history, project)
        if suspect is not None:
            found.append(suspect)
    return found


def _suspect_field(
    name: str, owner: Int64, moment: Int64, history: LeadHistory, project: Project
) -> Suspect | None:
    ended, created = history.ended[owner], history.created[owner]
    n_closed, n_leads = int((history.ended != NEVER).sum()), len(history.created)
    late = len(np.unique(owner[(ended != NEVER) & (moment >= ended - _INSTANT)]))
    moved = len(np.unique(owner[(created != NEVER) & (moment > created + MICROSECONDS["d"])]))
    unknown = "barred" if name in project.attributes.barred else "undeclared"
    use = project.attributes.availability().get(name, unknown)
    column = project.data.leads.columns.get(name, name)
    if late >= max(_LEAST, 0.05 * n_closed):
        words = f"the log shows changes at or after the outcome for {late} of {n_closed} closed leads."
        grade: Grade = "leak" if late >= 0.5 * n_closed else "look"
        return Suspect(
            "leads", column, grade, "changed_after_outcome", words, use, ("changed_after_outcome",)
        )
    if use == "at_creation" and moved >= max(_LEAST, 0.05 * n_leads):
        words = f"declared at_creation, but the log shows later changes for {moved} of {n_leads} leads."
        return Suspect("leads", column, "look", "changes_over_time", words, use, ("changes_over_time",))
    return None
