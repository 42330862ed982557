"""Findings about tables, columns, clocks and events that are no leaks: what a person should know first."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER, microseconds
from features.cleaning import clean_events
from features.contracts import Tables
from features.durations import MICROSECONDS
from pipeline.audit.frames import AuditColumn, LeadHistory
from pipeline.audit.result import Finding, Level
from pipeline.config import Project

__all__ = ["clock_findings", "column_findings", "event_findings", "table_findings"]

_DAY = MICROSECONDS["d"]
_REMOVED = {
    "outcome_event": "events of declared outcome types; they are no features",
    "internal": "events of internal staff",
    "before_lead": "events earlier than their lead's creation",
    "duplicate": "exact copies of another event",
    "bot": "events in bursts of one type, as link scanners make them",
}


def table_findings(tables: Tables) -> list[Finding]:
    """Quarantined records by table and code, and what the readers let pass with a warning."""
    found = []
    kinds = tables.quarantine["table"].astype("str") + "." + tables.quarantine["code"].astype("str")
    for kind in sorted(kinds.unique()):
        rows = tables.quarantine[kinds == kind]
        table, code = kind.split(".", 1)
        first = f"the first: row {rows['row'].iloc[0]}, {rows['detail'].iloc[0]}"
        words = f"{len(rows)} records of {table} in quarantine as {code}; {first}"
        found.append(Finding("tables", f"quarantine_{code}", "warning", words, len(rows)))
    for warning in tables.warnings:
        is_note = warning.code in {"optional_missing", "extra_column", "not_terminal"}
        words = f"{warning.table}: {warning.message}"
        found.append(Finding("tables", warning.code, "note" if is_note else "warning", words, warning.count))
    return found


def column_findings(columns: list[AuditColumn]) -> list[Finding]:
    """Empty, constant, nearly constant, id-like and mostly missing columns."""
    empty, constant, rare, ids, sparse = [], [], [], [], []
    for column in columns:
        present = pd.Series(column.values).dropna()
        if present.empty:
            empty.append(column)
            continue
        counts = present.value_counts()
        if len(counts) == 1:
            constant.append(column)
        elif counts.iloc[0] >= 0.995 * len(present) and len(present) >= 200:
            rare.append(column)
        elif column.kind == "text" and len(counts) >= 0.95 * len(present) and len(present) >= 50:
            ids.append(column)
        if 0.5 <= column.is_missing.mean() < 1:
            sparse.append(column)
    kinds = (
        ("empty", empty, "without any value"),
        ("constant", constant, "with one value only"),
        ("nearly_constant", rare, "in which one value covers 99.5 % or more"),
        ("id_like", ids, "of which nearly every value is different, as ids and free text are"),
        ("mostly_missing", sparse, "missing for half of the leads or more"),
    )
    return [_columns_finding(code, which, words) for code, which, words in kinds if which]


def _columns_finding(code: str, which: list[AuditColumn], words: str) -> Finding:
    is_used = any(column.use in {"at_creation", "history", "current"} for column in which)
    names = ", ".join(
        f"{column.name} ({column.is_missing.mean():.0%})" if code == "mostly_missing" else column.name
        for column in which
    )
    level: Level = "warning" if is_used and code in {"empty", "constant", "id_like"} else "note"
    text = f"{len(which)} column{'s' if len(which) > 1 else ''} {words}: {names}"
    return Finding("columns", code, level, text, len(which))


def clock_findings(tables: Tables, history: LeadHistory) -> list[Finding]:
    """Moments that can't be right: after the end, before the creation, all at midnight, all at once."""
    found = []
    end = NEVER if pd.isna(tables.data_end) else int(microseconds(tables.data_end)[0])
    for name in ("events", "outcomes", "field_changes"):
        frame = getattr(tables, name)
        column = "changed_at" if name == "field_changes" else "occurred_at"
        moments = microseconds(frame[column])
        moments = moments[moments != NEVER]
        late = int((moments > end).sum())
        if late:
            words = f"{late} of {len(moments)} {name} lie after the end of the data, {tables.data_end}"
            found.append(Finding("time", "after_data_end", "warning", words, late))
        found += _midnight(name, moments)
    created = history.created[history.created != NEVER]
    found += _midnight("leads' created_at", created) + _one_burst(created)
    early = int(
        ((history.ended != NEVER) & (history.created != NEVER) & (history.ended < history.created)).sum()
    )
    if early:
        words = (
            f"{early} leads have an outcome before their own creation; they are never open and never scored"
        )
        found.append(Finding("time", "outcome_before_creation", "warning", words, early))
    return found


def _midnight(name: str, moments: NDArray[np.int64]) -> list[Finding]:
    if len(moments) < 50:
        return []
    share = float((moments % _DAY == 0).mean())
    if share < 0.9:
        return []
    words = (
        f"{share:.0%} of {len(moments)} moments of {name} are at midnight UTC: dates, not times. What "
        "happened on the day of scoring counts as known from its first minute"
    )
    return [Finding("time", "at_midnight", "warning", words, int((moments % _DAY == 0).sum()))]


def _one_burst(created: NDArray[np.int64]) -> list[Finding]:
    if len(created) < 50:
        return []
    days, counts = np.unique(created // _DAY, return_counts=True)
    most = int(counts.argmax())
    if len(days) < 10 or counts[most] < max(20, 0.2 * len(created)):
        return []
    day = np.datetime64(int(days[most]), "D")
    words = (
        f"{counts[most]} of {len(created)} leads were created on {day}: an import, not their true creation?"
    )
    return [Finding("time", "one_burst", "warning", words, int(counts[most]))]


def event_findings(tables: Tables, history: LeadHistory, project: Project) -> list[Finding]:
    """What the cleaning removes, events after the outcome, and leads without any event."""
    if tables.events.empty:
        return []
    n = len(tables.events)
    cleaned = clean_events(tables.events, tables.leads, project.events, project.target.outcome_events)
    found = []
    for code, words in _REMOVED.items():
        count = cleaned.removed.get(code, 0)
        if count:
            level: Level = "warning" if code == "before_lead" and count >= 0.01 * n else "note"
            text = f"{count} of {n} ({count / n:.1%}): {words}"
            found.append(Finding("events", f"removed_{code}", level, text, count))
    lead = pd.Index(tables.leads["lead_id"]).get_indexer(pd.Index(tables.events["lead_id"]))
    ended = history.ended[lead]
    after = int(((lead >= 0) & (ended != NEVER) & (microseconds(tables.events["occurred_at"]) > ended)).sum())
    if after:
        words = f"{after} of {n} ({after / n:.1%}): events after the outcome; an open lead has none"
        found.append(Finding("events", "after_outcome", "note", words, after))
    silent = len(tables.leads) - len(np.unique(lead[lead >= 0]))
    words = f"{silent} of {len(tables.leads)} leads have no event at all"
    if silent:
        found.append(
            Finding(
                "events",
                "silent_leads",
                "warning" if silent > 0.5 * len(tables.leads) else "note",
                words,
                silent,
            )
        )
    return found
