"""Judges the values of one table: typed columns, and each record that breaks the contract in quarantine."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.contracts import Column, TableWarning, empty_column, empty_quarantine
from features.keys import conflicting_rows, duplicate_rows, is_empty_key, near_duplicates
from features.settings import AttributeSettings
from features.values import Fault, Mask, Parsed, is_in, is_null, parse_booleans, parse_numbers, parse_times
from pipeline.config import Project
from pipeline.tables.raw import Positions, RawTable

__all__ = ["CheckedTable", "check_table"]

_MIN_ROWS_ALL_NULL = 30
# characters; PostgreSQL's indexes, which find a lead in the ledger, hold no text of 2,700 bytes
_MAX_ID = 500


class CheckedTable:
    """One table while it is judged: typed columns and, for each row, the first fault found."""

    def __init__(self, raw: RawTable) -> None:
        self.raw, self.name, self.frame = raw, raw.table, raw.frame
        self.typed: dict[str, pd.Series] = {}
        self.is_faulty: Mask = np.zeros(len(raw.frame), bool)
        self.is_dropped: Mask = np.zeros(len(raw.frame), bool)
        self.faults: list[tuple[Positions, str, list[str]]] = []
        self.refusals: list[str] = []
        self.warnings = list(raw.warnings)

    def mark(self, fault: Fault, column: str | None = None) -> None:
        """Note a fault for its rows, except those that have one already."""
        new = np.flatnonzero(fault.mask & ~self.is_faulty & ~self.is_dropped)
        if not len(new):
            return
        details = [fault.words] * len(new)
        if column is not None:
            values = self.frame[column].iloc[new]
            details = [f"{column} {_shown(value)} {fault.words}" for value in values]
        self.faults.append((new, fault.code, details))
        self.is_faulty[new] = True

    def drop(self, mask: Mask, code: str, words: str) -> None:
        """Leave rows out without quarantine, counted in a warning."""
        if mask.any():
            self.is_dropped |= mask
            self.warn(code, int(mask.sum()), words)

    def warn(self, code: str, count: int, words: str) -> None:
        """Record a warning of this table."""
        self.warnings.append(TableWarning(code, self.name, count, f"{self.raw.source.file}: {words}"))

    def is_good(self) -> Mask:
        """Mask of the rows without a fault that are not dropped."""
        return ~self.is_faulty & ~self.is_dropped

    def kept(self) -> pd.DataFrame:
        """The typed good rows, numbered from 0."""
        good, frame = self.is_good(), pd.DataFrame(self.typed)
        return frame if good.all() else frame[good].reset_index(drop=True)

    def quarantined(self) -> pd.DataFrame:
        """The records left out, by the reader or here, in the order of the file."""
        source = self.raw.source
        parts = [empty_quarantine()]
        if source.damaged:
            rows = [(record.row, None, record.code, record.detail, record.raw) for record in source.damaged]
            parts.append(pd.DataFrame(rows, columns=["row", "lead_id", "code", "detail", "raw"]))
        for positions, code, details in self.faults:
            ids = self.frame["lead_id"].iloc[positions].tolist() if "lead_id" in self.frame else None
            columns = {"row": source.rows[positions], "lead_id": ids, "code": code, "detail": details}
            parts.append(pd.DataFrame(columns | {"raw": source.raw(positions)}, index=range(len(positions))))
        dtypes = {name: "int64" if name == "row" else "str" for name in parts[0].columns}
        parts = [part.assign(table=self.name, file=source.file).astype(dtypes) for part in parts]
        return pd.concat(parts)[list(dtypes)].sort_values("row", kind="stable", ignore_index=True)


def check_table(raw: RawTable, project: Project, *, is_strict: bool = True) -> CheckedTable:
    """One table with typed columns and the records that break its own rules marked.

    The first code found stands: `empty_id` and, of ids, `oversize`; then by column, in the order of the output,
    `missing_value`, `bad_time`, `infinite`, `bad_number`, `bad_boolean`, `out_of_range`; then `conflicting_duplicate`
    and `duplicate`, judged among records that are otherwise good. Equal events and outcomes are no duplicates.

    Parameters
    ----------
    is_strict : an attribute without any value is refused in a table of any size; otherwise from 30 rows on,
        so that single leads can be scored.
    """
    table = CheckedTable(raw)
    if raw.table == "outcomes":
        _drop_not_terminal(table, project.target.not_terminal)
    _check_keys(table)
    for column in raw.plan:
        _check_column(table, column, project)
    if raw.table == "field_changes":
        _check_changes(table, project)
    _refuse_all_null(table, is_strict)
    if raw.table in ("leads", "accounts"):
        _check_duplicates(table)
    return table


def _drop_not_terminal(table: CheckedTable, stages: tuple[str, ...]) -> None:
    if stages:
        mask = is_in(table.frame["outcome"].fillna(""), pd.Series(stages, dtype="str"))
        table.drop(mask, "not_terminal", f"outcomes in a stage that ends nothing ({', '.join(stages)})")


def _check_keys(table: CheckedTable) -> None:
    keys = [c.name for c in table.raw.plan if c.kind == "key"]
    if table.name == "field_changes":
        keys = [name for name in ("lead_id", "account_id") if name in table.frame]
    empty = np.logical_and.reduce([is_empty_key(table.frame[name]) for name in keys])
    table.mark(Fault(empty, "empty_id", f"{' and '.join(keys)} {'are' if len(keys) > 1 else 'is'} empty"))
    ids = [c.name for c in table.raw.plan if c.kind in ("key", "reference") and c.name in table.frame]
    for name in ids:
        is_long = (table.frame[name].str.len() > _MAX_ID).to_numpy(dtype=bool, na_value=False)
        table.mark(Fault(is_long, "oversize", f"has more than {_MAX_ID} characters"), name)


def _check_column(table: CheckedTable, column: Column, project: Project) -> None:
    name = column.name
    if name not in table.frame:
        table.typed[name] = empty_column(column.kind, len(table.frame))
        return
    values = table.frame[name]
    null = is_null(values, table.raw.settings.null_values)
    if column.kind == "key":
        table.typed[name] = values
        return
    if column.filled:
        table.mark(Fault(null, "missing_value", f"{name} is empty"))
    parsed = _parse(table, column, values.mask(null) if null.any() else values, project)
    for fault in parsed.faults:
        table.mark(fault, name)
    table.typed[name] = parsed.values
    if name in project.attributes.ranges and column.kind == "number":
        table.mark(_out_of_range(parsed.values, name, project.attributes), name)


def _parse(table: CheckedTable, column: Column, values: pd.Series, project: Project) -> Parsed:
    settings = table.raw.settings
    if column.kind == "number":
        return parse_numbers(values)
    if column.kind == "boolean":
        return parse_booleans(values)
    if column.kind == "time":
        try:
            return parse_times(values, settings.time_format, settings.time_zone or project.data.time_zone)
        except ValueError as error:
            table.refusals.append(
                f"  {table.name} ({table.raw.source.file}): column {column.name!r} {error}."
            )
            return Parsed(empty_column("time", len(values)))
    return Parsed(values)


def _out_of_range(values: pd.Series, name: str, attributes: AttributeSettings) -> Fault:
    low, high = attributes.ranges[name]
    outside = ((values < low) | (values > high)).to_numpy(dtype=bool)
    return Fault(outside, "out_of_range", f"lies outside {low:g} to {high:g} (attributes.ranges)")


def _check_changes(table: CheckedTable, project: Project) -> None:
    """Field names under our names, and values that fit the attribute they are of."""
    attributes = project.attributes
    names = {
        theirs: ours
        for settings in (project.data.leads, project.data.accounts)
        if settings is not None
        for ours, theirs in settings.columns.items()
        if ours in attributes.kinds() and theirs not in attributes.kinds()
    }
    fields = table.typed["field"].replace(names) if names else table.typed["field"]
    table.typed["field"] = fields
    new_values = table.typed["new_value"]
    changed = set(fields.dropna().unique())
    for name, kind in attributes.kinds().items():
        if kind not in ("number", "boolean") or name not in changed:
            continue
        values = new_values.where((fields == name).to_numpy(dtype=bool))
        parsed = parse_numbers(values) if kind == "number" else parse_booleans(values)
        for fault in parsed.faults:
            table.mark(fault, "new_value")
        if name in attributes.ranges and kind == "number":
            table.mark(_out_of_range(parsed.values, name, attributes), "new_value")


def _refuse_all_null(table: CheckedTable, is_strict: bool) -> None:
    rows = int((~table.is_dropped).sum())
    empty = [
        name
        for name in table.raw.attributes
        if rows and is_null(table.frame[name], table.raw.settings.null_values).all()
    ]
    if empty and (is_strict or rows >= _MIN_ROWS_ALL_NULL):
        names = ", ".join(repr(name) for name in empty)
        table.refusals.append(
            f"  {table.name} ({table.raw.source.file}): {len(empty)} of {len(table.raw.attributes)} declared "
            f"attributes have no value in any of {rows} rows: {names}. Mend the export, or remove them from "
            "[attributes] or add them to attributes.barred."
        )
    elif empty:
        table.warn("all_null", len(empty), f"attributes without any value: {', '.join(empty)}")


def _check_duplicates(table: CheckedTable) -> None:
    key = table.raw.plan[0].name
    good = np.flatnonzero(table.is_good())
    frame = table.frame.iloc[good]
    rule = table.raw.settings.on_conflict
    found = (
        (
            conflicting_rows(frame, key, rule),
            "conflicting_duplicate",
            f"{key} has records that differ ({rule})",
        ),
        (duplicate_rows(frame), "duplicate", f"{key} has an equal record before this one"),
    )
    for rows, code, words in found:
        mask = np.zeros(len(table.frame), bool)
        mask[good[rows]] = True
        table.mark(Fault(mask, code, words))
    near = near_duplicates(table.frame[key].iloc[np.flatnonzero(table.is_good())])
    if near:
        words = f"values of {key} that differ only in case, spaces or Unicode form, the first {near[0]!r}"
        table.warn("near_duplicate_id", len(near), words)


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
