"""The raw columns of the leads and their accounts, declared or not, with what became of each lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from features.asof import NEVER, microseconds, spells_of
from features.contracts import TableName, Tables
from features.labels import latest_mature
from features.values import is_null, parse_numbers, parse_times
from pipeline.config import Project, TableSettings
from pipeline.tables.load import read_source
from pipeline.tables.raw import Source

__all__ = ["AuditColumn", "LeadHistory", "lead_history", "raw_columns", "static_label"]

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
ColumnType = Literal["number", "time", "text", "empty"]
_READABLE = 0.98


@dataclass(frozen=True)
class AuditColumn:
    """One raw column, one value a lead.

    Attributes
    ----------
    name : its name in the file; `table` is `leads` or `accounts`.
    use : availability it is declared with, `barred`, `undeclared`, or `key` for the account's id.
    kind : `number` or `time` (microseconds) where at least 98 % of the values read as such.
    values : (leads,) float64 for numbers and times, else text; NaN or None where missing.
    """

    table: TableName
    name: str
    use: str
    kind: ColumnType
    values: NDArray[np.generic]

    @property
    def is_missing(self) -> Mask:
        """Mask of the leads without a value."""
        return np.asarray(pd.isna(self.values))


@dataclass(frozen=True)
class LeadHistory:
    """What became of each lead of the leads table.

    Attributes
    ----------
    y : (leads,) 1 won, 0 lost (or still open past horizon and delay), NaN where it can't be told yet.
    y_in_time : (leads,) the same, but a win counts only within horizon and delay after creation, so that old
        leads have no more time to win than young ones.
    is_closed : (leads,) whether a terminal outcome is known.
    order : (leads,) rank in time order, ties sharing a rank; the row number where nothing gives an order.
    is_ordered : whether the order is one of time.
    created, ended : (leads,) microseconds, `NEVER` where unknown; a reopened lead has no single end.
    is_young : (leads,) younger than the horizon (and delay) at the end of the data.
    end, horizon : microseconds; `NEVER` and 0 in a flat export.
    """

    y: Float64
    y_in_time: Float64
    is_closed: Mask
    order: Float64
    is_ordered: bool
    created: NDArray[np.int64]
    ended: NDArray[np.int64]
    is_young: Mask
    end: int = NEVER
    horizon: int = 0


def static_label(values: pd.Series, positive: tuple[str, ...], negative: tuple[str, ...]) -> Float64:
    """1 for a positive value, 0 for a negative one, NaN for any other: the lead is still open.

    Values are compared in lower case and without outer blanks; `1.0` is `1`.

    Examples
    --------
    >>> static_label(pd.Series(["Yes", "no ", "open"]), ("yes",), ("no",)).tolist()
    [1.0, 0.0, nan]
    """
    text = values.astype("str").str.strip().str.casefold().str.replace(r"^(\d+)\.0$", r"\1", regex=True)
    won = text.isin([value.strip().casefold() for value in positive]).to_numpy(dtype=bool)
    lost = text.isin([value.strip().casefold() for value in negative]).to_numpy(dtype=bool)
    return np.where(won, 1.0, np.where(lost, 0.0, np.nan))


def lead_history(project: Project, tables: Tables) -> LeadHistory:
    """What became of each kept lead, and the time order of the leads."""
    created = microseconds(tables.leads["created_at"])
    order, is_ordered = _order(project, tables, created)
    n = len(tables.leads)
    nothing = np.full(n, NEVER)
    if project.static is not None and project.snapshots.mode == "static":
        label = tables.leads[project.static.label]
        y = static_label(label, project.static.positive, project.static.negative)
        return LeadHistory(y, y, ~np.isnan(y), order, is_ordered, created, nothing, np.zeros(n, bool))
    spells = spells_of(tables.leads, tables.outcomes, project.target)
    first = np.searchsorted(spells.lead, np.arange(n))
    ended = spells.end[first]
    ever_won = np.zeros(n, bool)
    np.logical_or.at(ever_won, spells.lead, spells.is_won)
    is_closed = ended != NEVER
    end = NEVER if pd.isna(tables.data_end) else int(microseconds(tables.data_end)[0])
    is_young = created > latest_mature(end, project.target)
    y = np.where(ever_won, 1.0, np.where(is_closed | ~is_young, 0.0, np.nan))
    y = np.where(is_young, np.nan, y)
    is_reopened = np.bincount(spells.lead, minlength=n) > 1
    in_time = ended - created < project.target.horizon + project.target.outcome_delay
    y_in_time = np.where(np.isnan(y), np.nan, (spells.is_won[first] & in_time).astype(np.float64))
    ended = np.where(is_reopened, NEVER, ended)
    horizon = project.target.horizon
    return LeadHistory(y, y_in_time, is_closed, order, is_ordered, created, ended, is_young, end, horizon)


def _order(project: Project, tables: Tables, created: NDArray[np.int64]) -> tuple[Float64, bool]:
    rows = np.arange(len(created), dtype=np.float64)
    static = project.static if project.snapshots.mode == "static" else None
    if static is None or static.order == "created_at":
        known = np.where(created == NEVER, created[created != NEVER].max(initial=0), created)
        return known.astype(np.float64), True
    if static.order is None or static.order == "row":
        return rows, static.order == "row"
    column = tables.leads[static.order]
    numbers = parse_numbers(column).values if isinstance(column.dtype, pd.StringDtype) else column
    if numbers.notna().mean() < _READABLE:
        settings = project.data.leads
        moments = parse_times(
            column, settings.time_format, settings.time_zone or project.data.time_zone or "UTC"
        )
        numbers = pd.Series(microseconds(moments.values).astype(np.float64)).replace(float(NEVER), np.nan)
    found = numbers.to_numpy(dtype=np.float64)
    if np.isnan(found).all():
        return rows, False
    return np.where(np.isnan(found), np.nanmax(found), found), True


def raw_columns(project: Project, tables: Tables) -> list[AuditColumn]:
    """Every column of the leads file, and of the accounts file where there is one, by kept lead.

    The lead's own id, its creation time, and in a flat export the label and the order column are left out.
    """
    static = project.static if project.snapshots.mode == "static" else None
    skip = {"lead_id", "created_at", *((static.label, static.order or "") if static else ())}
    settings = project.data.leads
    source, _ = read_source(project, "leads", settings)
    found = _columns_of("leads", source, settings, project, skip, tables.leads["lead_id"])
    if project.data.accounts is not None and not tables.accounts.empty:
        settings = project.data.accounts
        keys = tables.leads["account_id"]
        source, _ = read_source(project, "accounts", settings)
        found += _columns_of("accounts", source, settings, project, {"account_id", "created_at"}, keys)
    return found


def _columns_of(
    table: TableName,
    source: Source,
    settings: TableSettings,
    project: Project,
    skip: set[str],
    keys: pd.Series,
) -> list[AuditColumn]:
    ours = {theirs: name for name, theirs in settings.columns.items()}
    place = _places(table, source, settings, keys)
    found = []
    for number, theirs in enumerate(source.names):
        name = ours.get(theirs, theirs)
        if name in skip or theirs in skip:
            continue
        values = _series(source.columns[number])
        kind, typed = _typed(values, settings, project)
        taken = np.full(len(place), np.nan, dtype=typed.dtype)
        taken[place >= 0] = typed[place[place >= 0]]
        found.append(AuditColumn(table, theirs, _use(name, theirs, project), kind, taken))
    return found


def _places(table: TableName, source: Source, settings: TableSettings, keys: pd.Series) -> NDArray[np.int64]:
    """Position in the file of each wanted key; the first record of a repeated one, -1 for none."""
    key = "lead_id" if table == "leads" else "account_id"
    theirs = settings.columns.get(key, key)
    if theirs not in source.names:
        damaged = np.sort(np.array([record.row for record in source.damaged], dtype=np.int64))
        before = np.searchsorted(damaged, source.rows)
        ids = pd.Series((before + np.arange(1, len(source.rows) + 1)).astype(str))
    else:
        ids = _series(source.columns[source.names.index(theirs)]).astype("str")
    first = ~ids.duplicated().to_numpy()
    positions = np.flatnonzero(first)
    found = pd.Index(ids[first]).get_indexer(pd.Index(keys))
    place = np.where(found >= 0, positions[np.maximum(found, 0)], -1) if len(positions) else found
    return np.asarray(np.where(keys.isna().to_numpy(), -1, place), dtype=np.int64)


def _series(values: pa.ChunkedArray) -> pd.Series:
    if pa.types.is_timestamp(values.type) or pa.types.is_floating(values.type):
        typed: pd.Series = values.to_pandas()
        return typed
    return pd.Series(values.cast(pa.large_string()).to_pandas(), dtype="str")


def _typed(
    values: pd.Series, settings: TableSettings, project: Project
) -> tuple[ColumnType, NDArray[np.generic]]:
    zone = settings.time_zone or project.data.time_zone or "UTC"
    if isinstance(values.dtype, np.dtype) and values.dtype.kind == "f":
        return "number", values.to_numpy(dtype=np.float64)
    if not isinstance(values.dtype, pd.StringDtype):
        return "time", _as_float(parse_times(values.dt.as_unit("us"), None, zone).values)
    values = values.mask(is_null(values, settings.null_values))
    present = int(values.notna().sum())
    if not present:
        return "empty", np.full(len(values), None, dtype=object)
    numbers = parse_numbers(values).values
    if numbers.notna().sum() >= _READABLE * present:
        return "number", numbers.to_numpy(dtype=np.float64)
    for time_format in dict.fromkeys((settings.time_format, None)):
        moments = parse_times(values, time_format, zone).values
        if moments.notna().sum() >= _READABLE * present:
            return "time", _as_float(moments)
    return "text", values.str.strip().to_numpy(dtype=object)


def _as_float(moments: pd.Series) -> Float64:
    found = microseconds(moments)
    return np.where(found == NEVER, np.nan, found.astype(np.float64))


def _use(ours: str, theirs: str, project: Project) -> str:
    if ours == "account_id":
        return "key"
    if ours in project.attributes.barred or theirs in project.attributes.barred:
        return "barred"
    return project.attributes.availability().get(ours, "undeclared")
