"""Audits a project: all tests over all tables, before anything is trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from features.contracts import CONTRACT, Tables
from features.settings import StaticSettings
from pipeline.audit.aggregates import aggregates_of
from pipeline.audit.findings import clock_findings, column_findings, event_findings, table_findings
from pipeline.audit.frames import AuditColumn, LeadHistory, lead_history, raw_columns
from pipeline.audit.leaks import suspect_columns
from pipeline.audit.log_tests import suspect_event_types, suspect_fields
from pipeline.audit.rates import base_rates, count_conversions
from pipeline.audit.result import Audit, Finding, Suspect, TableShape
from pipeline.config import Project
from pipeline.tables.load import load_tables

__all__ = ["audit_project", "suspects_of"]


def audit_project(project: Project, tables: Tables | None = None) -> Audit:
    """What a person should know about a project's data before training: suspected leaks first.

    The leak hunt reads every column of the leads and accounts files, declared or not; barred ones are
    reported too, marked as barred. Nothing is fitted but cross-fitted rates of single columns. The same
    data give the same audit.

    Raises
    ------
    InputError
        If the tables can't be read (only where they are not handed over), or leads have no creation time
        in a project with snapshots.
    """
    tables = load_tables(project) if tables is None else tables
    history = lead_history(project, tables)
    columns = raw_columns(project, tables)
    suspects = _suspects(project, tables, history, columns)
    rates, of_rates = base_rates(history)
    conversions, of_examples = count_conversions(tables, history, project)
    findings = [
        *table_findings(tables),
        *column_findings(columns),
        *clock_findings(tables, history),
        *event_findings(tables, history, project),
        *_label_findings(tables, history, project),
        *of_rates,
        *of_examples,
    ]
    return Audit(
        project=project.name,
        mode=project.snapshots.mode,
        tables=_shapes(tables),
        suspects=suspects,
        findings=tuple(findings),
        rates=tuple(rates),
        conversions=conversions,
    )


def suspects_of(project: Project, tables: Tables) -> tuple[Suspect, ...]:
    """The leak hunt alone: suspected columns and event types, leaks first."""
    return _suspects(project, tables, lead_history(project, tables), raw_columns(project, tables))


def _suspects(
    project: Project, tables: Tables, history: LeadHistory, columns: list[AuditColumn]
) -> tuple[Suspect, ...]:
    has_account = tables.leads["account_id"].notna().to_numpy()
    found = suspect_columns(columns, history, has_account, aggregates_of(tables, history))
    found = _merged(found, suspect_fields(tables, history, project))
    found += suspect_event_types(tables, history, project)
    return tuple(sorted(found, key=lambda suspect: suspect.grade != "leak"))


def _merged(first: list[Suspect], second: list[Suspect]) -> list[Suspect]:
    """One suspect a column: the worse grade, the evidence of both."""
    by_name = {(suspect.table, suspect.column): suspect for suspect in first}
    for suspect in second:
        key = (suspect.table, suspect.column)
        known = by_name.get(key)
        if known is None:
            by_name[key] = suspect
            continue
        is_worse = suspect.grade == "leak" and known.grade == "look"
        lead, other = (suspect, known) if is_worse else (known, suspect)
        evidence = f"{lead.evidence.removesuffix('.')}; {other.evidence}"
        by_name[key] = replace(lead, evidence=evidence, kinds=(*lead.kinds, *other.kinds))
    return list(by_name.values())


def _shapes(tables: Tables) -> tuple[TableShape, ...]:
    shapes = []
    for name in CONTRACT:
        if name in tables.rows_in:
            frame: pd.DataFrame = getattr(tables, name)
            quarantined = int((tables.quarantine["table"] == name).sum())
            shapes.append(
                TableShape(name, tables.rows_in[name], len(frame), quarantined, tuple(frame.columns))
            )
    return tuple(shapes)


def _label_findings(tables: Tables, history: LeadHistory, project: Project) -> list[Finding]:
    """What the label or the outcomes hold, in words."""
    if project.snapshots.mode == "static" and project.static is not None:
        found = _open_labels(tables.leads[project.static.label], history, project.static)
        if not history.is_ordered:
            words = "nothing gives a time order (static.order): the split is random, its figures are too good"
            found.append(Finding("outcomes", "no_order", "warning", words))
        return found
    kinds = {str(value): int(n) for value, n in tables.outcomes["outcome"].value_counts().items()}
    won = project.target.won
    shown = ", ".join(f"{value} {count}{' (won)' if value in won else ''}" for value, count in kinds.items())
    words = f"{len(tables.outcomes)} outcomes: {shown or 'none'}"
    found = [Finding("outcomes", "kinds", "note", words, len(tables.outcomes))]
    missing = [value for value in won if value not in kinds]
    if missing:
        there = ", ".join(kinds) or "none"
        words = f"target.won names {', '.join(missing)}, which no outcome has; there are: {there}"
        found.append(Finding("outcomes", "won_not_found", "warning", words))
    return found


def _open_labels(label: pd.Series, history: LeadHistory, static: StaticSettings) -> list[Finding]:
    others = label[np.isnan(history.y)]
    if others.empty:
        return []
    counts = others.fillna("(missing)").astype("str").value_counts().head(5)
    shown = ", ".join(f"{value!r} {count}" for value, count in counts.items())
    words = f"{len(others)} of {len(label)} leads are neither won nor lost, so open: {shown}"
    found = [Finding("outcomes", "open_leads", "note", words, len(others))]
    named = [value.casefold() for value in static.open]
    stray = others[others.notna() & ~others.astype("str").str.strip().str.casefold().isin(named)]
    if len(stray):
        words = f"{len(stray)} labels are named nowhere in [static]; training refuses them; see static.open"
        found.append(Finding("outcomes", "unknown_labels", "warning", words, len(stray)))
    return found
