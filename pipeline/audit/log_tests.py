"""Tests that need a log: event types tied to the outcome, and fields changed at or after it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER, microseconds
from features.contracts import Tables
from features.durations import MICROSECONDS
from pipeline.audit.frames import LeadHistory
from pipeline.audit.result import Grade, Suspect
from pipeline.config import Project

__all__ = ["suspect_event_types", "suspect_fields"]

Int64 = NDArray[np.int64]
_INSTANT = MICROSECONDS["s"]
_LEAST = 20


def suspect_event_types(tables: Tables, history: LeadHistory, project: Project) -> list[Suspect]:
    """Event types that are the outcome, or follow it; types declared in `target.outcome_events` are left out.

    - `event_at_outcome`: of its events on leads with an outcome, 80 % or more (leak) or 20 % or more (look)
      lie within one second of it. Ordinary types reach 3 % where outcomes fall into the middle of work.
    - `event_after_outcome`, look: half of them or more lie later than that. Such events reach no feature of
      an open lead, but the type is often written by the same hand.

    Types with fewer than 20 events on such leads are not judged.
    """
    events = tables.events
    if events.empty:
        return []
    lead = pd.Index(tables.leads["lead_id"]).get_indexer(pd.Index(events["lead_id"]))
    ended = history.ended[lead]
    on_closed = (lead >= 0) & (ended != NEVER)
    away = (microseconds(events["occurred_at"]) - np.where(on_closed, ended, 0))[on_closed]
    frame = pd.DataFrame({"kind": events["event_type"].to_numpy(dtype=object)[on_closed], "away": away})
    found = []
    for kind, rows in frame.groupby("kind", sort=True)["away"]:
        if str(kind) in project.target.outcome_events or len(rows) < _LEAST:
            continue
        at, after = int((rows.abs() <= _INSTANT).sum()), int((rows > _INSTANT).sum())
        counts = f"of {len(rows)} such events on leads with an outcome"
        if at >= max(_LEAST, 0.2 * len(rows)):
            words = f"{at} {counts} lie within one second of it"
            cure = "declare it in target.outcome_events if it is the outcome, or set target.outcome_grace"
            grade: Grade = "leak" if at >= 0.8 * len(rows) else "look"
            found.append(_of_event(str(kind), grade, "event_at_outcome", f"{words}; {cure}."))
        elif after >= 0.5 * len(rows):
            found.append(
                _of_event(str(kind), "look", "event_after_outcome", f"{after} {counts} come after it.")
            )
    return sorted(found, key=lambda suspect: suspect.grade != "leak")


def _of_event(kind: str, grade: Grade, test: str, evidence: str) -> Suspect:
    return Suspect("events", kind, grade, test, evidence, "event", (test,))


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
