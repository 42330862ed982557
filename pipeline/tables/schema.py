"""Finds each column of the contract in the files, under our name or the one it is mapped from."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.contracts import CONTRACT, Column, ColumnKind, TableName, TableWarning
from features.errors import InputError
from features.settings import Kind
from pipeline.config import Project, TableSettings
from pipeline.tables.raw import RawTable, Source

__all__ = ["Purpose", "name_columns"]

Purpose = Literal["train", "score"]
_COLUMN_KINDS: dict[Kind, ColumnKind] = {"number": "number", "boolean": "boolean"}
_RESERVED = ("lead_id", "account_id", "created_at")


def name_columns(
    sources: Mapping[TableName, Source], project: Project, purpose: Purpose = "train"
) -> dict[TableName, RawTable]:
    """The tables in our column names; for `score` the label of a flat export may be absent.

    Raises
    ------
    InputError
        With every fault of every table's columns: missing, renamed, repeated or unusable ones.
    """
    searches = {table: _search(table, source, project, purpose) for table, source in sources.items()}
    _place_attributes(searches, project)
    _place_shown(searches, project)
    for search in searches.values():
        search.check_names()
    faults = [fault for search in searches.values() for fault in search.faults]
    if faults:
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise InputError("\n".join([f"The tables do not fit the contract ({count}):", *faults]))
    barred = project.attributes.barred
    return {table: search.table(barred) for table, search in searches.items()}


@dataclass
class _Search:
    """The search for one table's columns in its file."""

    name: TableName
    source: Source
    settings: TableSettings
    may_number_rows: bool = False
    plan: list[Column] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)
    attributes: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    shown: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Note a fault of this table."""
        self.faults.append(f"  {self.name} ({self.source.file}): {text}")

    def theirs(self, ours: str) -> str:
        """The name a column goes by in the file."""
        return self.settings.columns.get(ours, ours)

    def has(self, ours: str) -> bool:
        """Whether the file has a column under its exact name."""
        return self.theirs(ours) in self.source.names

    def look_for(self, column: Column) -> None:
        """Find a column; a required one that is missing or any one that is nearly there is a fault."""
        self.plan.append(column)
        theirs = self.theirs(column.name)
        if theirs in self.source.names:
            self.found[column.name] = self.source.names.index(theirs)
            self._check_type(column)
        elif column.name in self.settings.columns:
            if theirs == "" and not column.required:
                return  # mapped to nothing: the user says the file has no such column
            if not (column.name == "lead_id" and theirs == "row" and self.may_number_rows):
                near, what = _near(theirs, self.source.names), self.source.what
                hint = f"the nearest name is {near!r}" if near else self._has()
                self.fault(f"column {theirs!r}, mapped to {column.name!r}, is not in the {what}; {hint}.")
        else:
            self.miss(column.name, "required column" if column.required else None)

    def miss(self, ours: str, what: str | None) -> None:
        """A fault for a missing column; for an optional one (`what` None) only where a variant is there."""
        variants = [each for each in self._free() if _plain(each) == _plain(ours)]
        near = variants[0] if variants else _near(ours, self._free()) if what else None
        if near is None and what is None:
            return
        fault = f"{what or 'optional column'} {ours!r} is missing"
        if near is None:
            self.fault(
                f"{fault}; {self._has()}. "
                f"Map it with columns = {{ {_key(ours)} = ... }} under {self._section()}."
            )
            return
        cure = f"columns = {{ {_key(ours)} = {_quoted(near)} }} under {self._section()}"
        ignore = "" if what else f', or columns = {{ {_key(ours)} = "" }} if it is something else'
        self.fault(f"{fault}; the nearest name is {near!r}. If that is it, map it: {cure}{ignore}.")

    def check_names(self) -> None:
        """Repeated column names, and mappings of columns that nobody asked for."""
        twice = {name: count for name, count in Counter(self.source.names).items() if count > 1 and name}
        for name, count in twice.items():
            self.fault(
                f"column name {name!r} stands {count} times; names must be unique. Rename it in the export."
            )
        known = [*self.found, *(column.name for column in self.plan), *self.known]
        for ours in self.settings.columns:
            if ours not in known:
                near = _near(ours, known)
                hint = f"did you mean {near!r}?" if near else f"known here: {', '.join(sorted(set(known)))}."
                self.fault(
                    f"columns maps {ours!r}, which is no column of the contract and no attribute; {hint}"
                )

    def table(self, barred: tuple[str, ...]) -> RawTable:
        """The table under our names, with warnings for what is absent and what is left over."""
        frame = pd.DataFrame(index=pd.RangeIndex(len(self.source.rows)))
        for column in self.plan:
            if column.name in self.found:
                frame[column.name] = _series(self.source.columns[self.found[column.name]], column.kind)
            elif column.name == "lead_id" and self.may_number_rows:
                frame["lead_id"] = _row_numbers(self.source)
        absent = [c.name for c in self.plan if c.name not in frame]
        left_out = {*barred, *(self.theirs(name) for name in barred)}
        read, what = {*self.found.values(), *self.shown.values()}, self.source.what
        extra = [n for k, n in enumerate(self.source.names) if k not in read and n not in left_out]
        found = (
            ("blank_lines", self.source.blank_lines, "blank lines"),
            ("truncated", int(self.source.is_cut), "the last record is cut; the export may be incomplete"),
            ("repeated_rows", self.source.repeated, "rows equal to another; does a join repeat them?"),
            ("optional_missing", len(absent), f"optional columns not in the {what}: {', '.join(absent)}"),
            ("extra_column", len(extra), f"columns not declared, left out: {', '.join(extra)}"),
        )
        warnings = tuple(
            TableWarning(code, self.name, count, f"{self.source.file}: {words}")
            for code, count, words in found
            if count
        )
        plan, attributes = tuple(self.plan), tuple(self.attributes)
        shown = {role: _series(self.source.columns[place], "text") for role, place in self.shown.items()}
        return RawTable(
            self.name, self.source, self.settings, frame, plan, attributes, warnings, pd.DataFrame(shown)
        )

    def _check_type(self, column: Column) -> None:
        kind = self.source.columns[self.found[column.name]].type
        if column.kind in ("key", "reference") and pa.types.is_floating(kind):
            self.fault(
                f"{column.name!r} is stored as floating numbers ({kind}), which lose digits; "
                "write ids as text or integers."
            )

    def _free(self) -> list[str]:
        return [name for k, name in enumerate(self.source.names) if k not in self.found.values()]

    def _has(self) -> str:
        names = ", ".join(repr(name) for name in self.source.names[:12])
        return f"the {self.source.what} has {names}{', ...' if len(self.source.names) > 12 else ''}"

    def _section(self) -> str:
        return f"[data.{self.name}]"


def _search(table: TableName, source: Source, project: Project, purpose: Purpose) -> _Search:
    static = project.static if project.snapshots.mode == "static" else None
    settings: TableSettings = getattr(project.data, table)
    search = _Search(table, source, settings, may_number_rows=table == "leads" and static is not None)
    columns = list(CONTRACT[table])
    if table == "events" and project.events.internal_column:
        columns.append(Column(project.events.internal_column, "text", required=True))
    if table == "leads" and static is not None:
        wanted = [name for name in (static.label, static.order) if name and name != "row"]
        columns += [Column(name, "text", required=purpose == "train") for name in wanted]
    for column in columns:
        if column.name not in [each.name for each in search.plan]:
            search.look_for(column)
    if table == "field_changes" and not {"lead_id", "account_id"} & search.found.keys():
        search.miss("lead_id", "required column (or account_id)")
    return search


def _place_attributes(searches: Mapping[TableName, _Search], project: Project) -> None:
    """Give each declared attribute to leads if it is there, else to accounts; else it is a fault."""
    leads, accounts = searches["leads"], searches.get("accounts")
    for search in searches.values():
        search.known += [*project.attributes.kinds(), *project.attributes.barred]
    for name, kind in project.attributes.kinds().items():
        home = accounts if accounts and accounts.has(name) and not leads.has(name) else leads
        if name in _RESERVED:
            leads.fault(
                f"{name!r} is declared as an attribute, but is an id or a time of the contract; remove it."
            )
        elif home.has(name) and name not in [each.name for each in home.plan]:
            home.look_for(Column(name, _COLUMN_KINDS.get(kind, "text")))
            home.attributes.append(name)
        elif home.has(name):
            home.attributes.append(name)
        else:
            _miss_attribute(name, leads, accounts)


def _miss_attribute(name: str, leads: _Search, accounts: _Search | None) -> None:
    homes = [leads, accounts] if accounts else [leads]
    mapped = [search for search in homes if name in search.settings.columns]
    near_there = [search for search in homes if _near(name, search.source.names)]
    search = (mapped or near_there or homes)[0]
    if mapped:
        search.look_for(Column(name, "text", required=True))
    else:
        search.miss(name, "declared attribute")


def _place_shown(searches: Mapping[TableName, _Search], project: Project) -> None:
    """Find each column of `ledger.shown` in leads, else in accounts, under either name; else it is a fault."""
    homes = [searches[table] for table in ("leads", "accounts") if table in searches]
    for role, name in project.ledger.shown.columns().items():
        for search in homes:
            theirs = next((each for each in (search.theirs(name), name) if each in search.source.names), None)
            if theirs is not None:
                search.shown[role] = search.source.names.index(theirs)
                search.known.append(name)
                break
        else:
            near = _near(name, [each for search in homes for each in search.source.names])
            search = next((each for each in homes if near in each.source.names), homes[0])
            hint = f"the nearest name is {near!r}" if near else search._has()
            what = search.source.what
            search.fault(f"column {name!r}, named by ledger.shown.{role}, is not in the {what}; {hint}.")


def _series(values: pa.ChunkedArray, kind: ColumnKind) -> pd.Series:
    """A column as `str`, or as datetime64 where a time is wanted and the file has one."""
    if kind == "time" and pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("us"))
    if kind == "time" and pa.types.is_timestamp(values.type):
        return pd.Series(values.to_pandas())
    if pa.types.is_floating(values.type):
        wide = values.cast(pa.float64())
        values = pc.if_else(pc.is_nan(wide), None, wide)
    text = values if pa.types.is_string(values.type) else values.cast(pa.large_string())
    return pd.Series(pa.table({"": text}).to_pandas(types_mapper=_text_dtype)[""])


def _text_dtype(kind: pa.DataType) -> Any:
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return pd.StringDtype("pyarrow", na_value=np.nan) if is_text else None


def _row_numbers(source: Source) -> pd.Series:
    """The number of each record, the damaged ones counted, as text."""
    damaged = np.array([record.row for record in source.damaged], np.int64)
    before = np.searchsorted(np.sort(damaged), source.rows)
    return pd.Series((before + np.arange(1, len(source.rows) + 1)).astype(str), dtype="str")


def _near(name: str, names: list[str]) -> str | None:
    plain = {_plain(each): each for each in reversed(names)}
    found = difflib.get_close_matches(_plain(name), list(plain), n=1, cutoff=0.6)
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    """A name without what case, spaces, punctuation and Unicode forms add to it."""
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
