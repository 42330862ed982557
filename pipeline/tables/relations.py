"""What only several tables together show: the export's end, leads without information, strangers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.contracts import CONTRACT, TableName, Tables, empty_frame
from features.errors import InputError
from features.values import Fault, Mask, is_in, is_null
from pipeline.config import Project
from pipeline.tables.check import CheckedTable, check_table
from pipeline.tables.raw import RawTable
from pipeline.tables.schema import Purpose

__all__ = ["check_tables"]

_MIN_ROWS = 10
_PLAUSIBLE_GAP = pd.Timedelta(days=30)


def check_tables(
    raw: Mapping[TableName, RawTable],
    project: Project,
    digests: Mapping[str, str],
    purpose: Purpose = "train",
) -> Tables:
    """Typed tables of a project, with each record that breaks the contract in quarantine.

    To the codes of `check_table` come, for leads that are good so far, `created_after_end` and then
    `no_information` (at least two attributes are declared, none has a value, and there is no event). Events,
    outcomes and field changes of leads that are not kept are dropped and counted.

    Raises
    ------
    InputError
        If a declared attribute has no value at all, or a column can't be read with the given settings.
    """
    checked = {name: check_table(raw[name], project, is_strict=purpose == "train") for name in raw}
    refusals = [refusal for table in checked.values() for refusal in (*table.refusals, *_mostly_bad(table))]
    if refusals:
        raise InputError("\n".join(["The tables can't be used:", *refusals]))
    data_end = _data_end(checked, project)
    leads = checked["leads"]
    if project.data.data_end is not None:
        _judge_end(leads, data_end)
    if project.snapshots.mode != "static":
        _judge_creation(leads)
        if "outcomes" in checked:
            _judge_outcomes(leads, checked["outcomes"])
    _judge_information(checked, project)
    _count_unknown_accounts(checked)
    for name in ("events", "outcomes", "field_changes"):
        if name in checked:
            _drop_strangers(checked[name], leads)
    frames = {name: checked[name].kept() if name in checked else empty_frame(name) for name in CONTRACT}
    return Tables(
        leads=frames["leads"],
        events=frames["events"],
        outcomes=frames["outcomes"],
        accounts=frames["accounts"],
        field_changes=frames["field_changes"],
        quarantine=pd.concat(
            [checked[name].quarantined() for name in CONTRACT if name in checked], ignore_index=True
        ),
        warnings=tuple(warning for name in CONTRACT if name in checked for warning in checked[name].warnings),
        rows_in={name: raw[name].source.records for name in CONTRACT if name in raw},
        data_end=data_end,
        digests=dict(digests),
        shown={name: _shown(checked[name]) for name in ("leads", "accounts") if name in checked},
    )


def _shown(table: CheckedTable) -> pd.DataFrame:
    """What people see of the good rows, by id; missing values are NaN."""
    shown, nulls = table.raw.shown, table.raw.settings.null_values
    values = {role: shown[role].mask(is_null(shown[role], nulls)) for role in shown}
    key = table.typed[table.raw.plan[0].name]
    return pd.DataFrame(values, index=key.index).set_axis(key, axis=0)[table.is_good()]


def _mostly_bad(table: CheckedTable) -> list[str]:
    """A refusal if most rows of a table other than leads are faulty, which no limit would stop.

    The share of faulty leads is for the caller to judge (data.quarantine_limit).
    """
    faulty, judged = int(table.is_faulty.sum()), int((~table.is_dropped).sum())
    if table.name == "leads" or judged < _MIN_ROWS or faulty * 2 <= judged:
        return []
    _, code, details = max(table.faults, key=lambda fault: len(fault[0]))
    return [
        f"  {table.name} ({table.raw.source.file}): {faulty} of {judged} records are faulty, most often "
        f"{code}; the first: {details[0]}. Check time_format, time_zone, null_values and columns under "
        f"[data.{table.name}]."
    ]


def _data_end(checked: Mapping[TableName, CheckedTable], project: Project) -> Any:
    """The setting, else the latest moment of the good events and outcomes, whose leads need not be kept."""
    if project.data.data_end is not None:
        return pd.Timestamp(project.data.data_end).tz_convert("UTC").as_unit("us")
    tables = [table for name, table in checked.items() if name in ("events", "outcomes")]
    moments = [table.typed["occurred_at"][table.is_good()].dropna() for table in tables]
    known = pd.concat(moments) if moments else pd.Series(dtype="datetime64[us, UTC]")
    if known.empty:
        return pd.NaT
    latest = known.max()
    before = known.nlargest(max(2, len(known) // 1000)).iloc[-1]
    if latest - before > _PLAUSIBLE_GAP:
        table = next(table for table, times in zip(tables, moments, strict=True) if (times == latest).any())
        words = (
            f"the latest moment, {latest:%Y-%m-%d}, is taken as the end of the data, but lies "
            f"{(latest - before).days} days after nearly all others; set data.data_end if it is an error"
        )
        table.warn("data_end_far", int((known > before).sum()), words)
    return latest


def _judge_end(leads: CheckedTable, data_end: pd.Timestamp) -> None:
    """Mark leads created after the declared end; a derived end is only the latest activity seen."""
    late = (leads.typed["created_at"] > data_end).to_numpy(dtype=bool)
    words = f"lies after the end of the data, {data_end:%Y-%m-%d %H:%M:%S} UTC (data.data_end)"
    if late.any():
        leads.mark(Fault(late, "created_after_end", words), "created_at")


def _judge_outcomes(leads: CheckedTable, outcomes: CheckedTable) -> None:
    """Mark leads with an outcome in quarantine: whether they are open, won or lost can't be told."""
    faulty = outcomes.quarantined()["lead_id"].dropna()
    has_faulty = leads.typed["lead_id"].isin(faulty).to_numpy(dtype=bool)
    if has_faulty.any():
        words = "an outcome of this lead is in quarantine, so nobody can tell whether it is open"
        leads.mark(Fault(has_faulty, "bad_outcome", words), "lead_id")


def _judge_creation(leads: CheckedTable) -> None:
    """Mark leads without a creation time, for openness can't be told; if none has one, training says so."""
    is_missing = leads.typed["created_at"].isna().to_numpy(dtype=bool)
    if is_missing.any() and not is_missing.all():
        leads.mark(Fault(is_missing, "missing_value", "created_at is empty"), "created_at")


def _judge_information(checked: Mapping[TableName, CheckedTable], project: Project) -> None:
    """Mark leads of which nothing is known: no attribute, none of their account, no event, no change."""
    leads = checked["leads"]
    names = list(project.attributes.kinds())
    if len(names) < 2 or leads.frame.empty:
        return
    known = _has_value(leads)
    accounts = checked.get("accounts")
    if accounts is not None and accounts.raw.attributes:
        told = accounts.typed["account_id"][_has_value(accounts) & accounts.is_good()]
        known |= is_in(leads.typed["account_id"], told)
    for name in ("events", "field_changes"):
        if name in checked:
            active = checked[name].typed["lead_id"][checked[name].is_good()]
            known |= is_in(leads.typed["lead_id"], active)
    words = f"none of {len(names)} attributes has a value and there is no event"
    leads.mark(Fault(~known, "no_information", words))


def _has_value(table: CheckedTable) -> Mask:
    columns = [table.typed[name].notna().to_numpy(dtype=bool) for name in table.raw.attributes]
    return np.asarray(np.logical_or.reduce([np.zeros(len(table.frame), bool), *columns]))


def _count_unknown_accounts(checked: Mapping[TableName, CheckedTable]) -> None:
    leads, accounts = checked["leads"], checked.get("accounts")
    if accounts is not None:
        ids = leads.typed["account_id"][leads.is_good()].dropna()
        unknown = int((~is_in(ids, accounts.typed["account_id"][accounts.is_good()])).sum())
        if unknown:
            leads.warn("unknown_account", unknown, "leads whose account is not in the accounts table")


def _drop_strangers(table: CheckedTable, leads: CheckedTable) -> None:
    """Drop the rows of leads that are not kept, apart for leads in quarantine and leads nobody knows."""
    ids = table.typed["lead_id"]
    named = table.is_good() & ids.notna().to_numpy(dtype=bool)
    kept = is_in(ids, leads.typed["lead_id"][leads.is_good()])
    seen = is_in(ids, leads.typed["lead_id"])
    table.drop(named & ~seen, "orphan", "rows of leads that are not in the leads table, dropped")
    table.drop(named & seen & ~kept, "lead_in_quarantine", "rows of leads that are in quarantine, dropped")
