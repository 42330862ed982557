"""Drafts a project file from an export: every guess is a comment that a person can check."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from features.contracts import CONTRACT, TableName
from features.settings import Kind
from pipeline.draft_columns import (
    ColumnGuess,
    LabelGuess,
    guess_column,
    guess_end,
    guess_label,
    guess_order,
    outcome_values,
)
from pipeline.draft_files import Export, assign_tables, map_columns, plain, read_export, read_tables
from pipeline.draft_text import (
    attribute_lines,
    barred_lines,
    event_lines,
    listed,
    quoted,
    static_lines,
    table_lines,
    target_lines,
)

__all__ = ["Draft", "draft_project"]


@dataclass(frozen=True)
class Draft:
    """A drafted project file.

    Attributes
    ----------
    text : the TOML; `load_project` reads it without a fault.
    tables : which file was taken for which table.
    guesses : what was guessed, one line each; the same words stand in the text.
    unused : files that fit no table.
    """

    text: str
    tables: dict[str, Path]
    guesses: tuple[str, ...]
    unused: tuple[Path, ...] = ()


def draft_project(files: list[Path], output: Path, url: str | None = None) -> Draft:
    """A project file for the given export files, to be written to `output`; nothing is written here.

    With the address of a database `files` are names of its tables and views. Read are the first 50,000 rows of
    each. What can't be shown to be fixed at the lead's creation is proposed as `current`, or as `history` where
    a log of changes names it.

    Raises
    ------
    ConfigError, InputError
        If a file or the database can't be read, the address holds a password, or no file is given.
    """
    names = [str(path) for path in files]
    exports = read_tables(url, names, output.parent) if url else [read_export(Path(path)) for path in files]
    found = assign_tables(exports)
    found = {
        table: replace(found[table], columns=map_columns(found[table], table))
        for table in CONTRACT
        if table in found
    }
    label = None if "outcomes" in found else _label(found["leads"])
    if label is not None and "events" in found and (end := guess_end(found["leads"], label)) is not None:
        found["outcomes"] = _outcomes_in_leads(found["leads"], label, end)
    guesses = [f"{table} = {export.path.name}" for table, export in found.items()]
    is_flat = "outcomes" not in found
    if is_flat:
        found = {table: export for table, export in found.items() if table in {"leads", "accounts"}}
    unused = tuple(e.path for e in exports if all(e.path != other.path for other in found.values()))
    builder = _Builder(found, output, label, url, is_flat=is_flat)
    text = builder.text(unused)
    guesses += builder.guesses
    return Draft(text, {table: export.path for table, export in found.items()}, tuple(guesses), unused)


def _outcomes_in_leads(leads: Export, label: LabelGuess, end: str) -> Export:
    """The leads file read as outcomes: its label, at the moment its lead ended."""
    columns = {"occurred_at": end, "outcome": label.column}
    if "lead_id" in leads.columns:
        columns["lead_id"] = leads.columns["lead_id"]
    return replace(leads, columns=columns)


def _label(leads: Export) -> LabelGuess | None:
    keys = {leads.columns[name] for name in ("lead_id", "created_at", "account_id") if name in leads.columns}
    return guess_label(leads, keys)


class _Builder:
    """Puts a draft together, section by section."""

    def __init__(
        self,
        found: dict[TableName, Export],
        output: Path,
        label: LabelGuess | None,
        url: str | None,
        *,
        is_flat: bool,
    ) -> None:
        self.found, self.label, self.url, self.is_flat = found, label, url, is_flat
        self.guesses: list[str] = []
        files = [output if url else export.path for export in found.values()]
        self.folder = os.path.commonpath([str(path.resolve().parent) for path in files])
        self.relative = os.path.relpath(self.folder, output.resolve().parent)
        self.name = re.sub(r"[^\w.-]+", "-", Path(self.folder).name).strip("-.")[:80] or "leads"
        self.order = self._order() if is_flat else None
        self.attributes, self.renamed, self.barred = self._attributes()

    def _order(self) -> str | None:
        leads = self.found["leads"]
        if leads.columns.get("created_at"):
            return leads.columns["created_at"]
        skip = {self.label.column} if self.label else set()
        return None if self.url else guess_order(leads, skip) or "row"

    def _attributes(self) -> tuple[dict[str, dict[Kind, list[str]]], dict[str, str], dict[str, list[str]]]:
        """Attributes by availability and kind, the renamed ones (ours = theirs), and barred by reason."""
        declared: dict[str, dict[Kind, list[str]]] = defaultdict(lambda: defaultdict(list))
        renamed: dict[str, str] = {}
        barred: dict[str, list[str]] = defaultdict(list)
        logged = self._logged_fields()
        seen: set[str] = set()
        for table in ("leads", "accounts"):
            export = self.found.get(table)
            for guess in self._guesses(export) if export is not None else []:
                if guess.name in seen:
                    continue
                seen.add(guess.name)
                if guess.kind is None:
                    barred[guess.bar or "free text"].append(guess.name)
                    continue
                ours = logged.get(plain(guess.name), guess.name)
                if ours != guess.name and table == "leads":
                    renamed[ours] = guess.name
                else:
                    ours = guess.name
                declared[self._availability(guess, logged)][guess.kind].append(ours)
        return declared, renamed, barred

    def _guesses(self, export: Export) -> list[ColumnGuess]:
        used = set(export.columns.values()) | ({self.order} if self.order else set())
        if self.label:
            used.add(self.label.column)
        used |= {"lead_id", "account_id", "created_at"}
        return [
            guess_column(export, str(n), is_flat=self.is_flat) for n in export.frame if str(n) not in used
        ]

    def _logged_fields(self) -> dict[str, str]:
        log = self.found.get("field_changes")
        if log is None:
            return {}
        fields = log.values(log.columns["field"]).dropna().astype("str").unique()
        return {plain(str(name)): str(name) for name in sorted(fields)}

    def _availability(self, guess: ColumnGuess, logged: dict[str, str]) -> str:
        if plain(guess.name) in logged:
            return "history"
        return "at_creation" if self.is_flat and not guess.is_desk else "current"

    def text(self, unused: tuple[Path, ...]) -> str:
        """The whole project file."""
        lines = self._head(unused)
        for table, export in self.found.items():
            columns = dict(export.columns)
            if table == "leads":
                columns |= self.renamed
                if "lead_id" not in columns and self.is_flat and self.url is None:
                    columns["lead_id"] = "row"
            lines += table_lines(table, export, columns, self.folder, is_flat=self.is_flat)
        lines += self._static() if self.is_flat else self._target()
        lines += attribute_lines(self.attributes, is_flat=self.is_flat)
        lines += barred_lines(self.barred)
        if "events" in self.found:
            events = self.found["events"]
            values = events.values(events.columns["event_type"])
            lines += event_lines(values)
            self.guesses.append(f"{values.nunique()} event types, stages guessed from their names")
        return "\n".join(lines).rstrip() + "\n"

    def _head(self, unused: tuple[Path, ...]) -> list[str]:
        lines = [
            "# Drafted from the export by `lead-scoring init`. Every line is a guess: read it, then run",
            "# `lead-scoring check`, which names fields that know the outcome. Paths start at this folder.",
        ]
        if unused:
            why = " (without outcomes, no log is of use)" if self.is_flat else ""
            lines.append(f"# Files not used{why}: {', '.join(path.name for path in unused)}.")
        return [
            *lines,
            f"name = {quoted(self.name)}",
            'output = "out"',
            "",
            "[data]",
            f"url = {quoted(self.url)}" if self.url else f"folder = {quoted(self.relative)}",
        ]

    def _target(self) -> list[str]:
        outcomes = self.found["outcomes"]
        won, still, ranked = outcome_values(outcomes.values(outcomes.columns["outcome"]))
        if self.label:
            won, still = self.label.positive, self.label.others
        self.guesses.append(f"won = {listed(won)}" if won else "no outcome looks won")
        return target_lines(won, still, ranked)

    def _static(self) -> list[str]:
        label, order = self.label, self.order
        self.guesses.append(f"label = {label.column}" if label else "no label column was found")
        self.guesses.append(f"order = {order}" if order else "no column gives the time order")
        is_date = order is not None and order == self.found["leads"].columns.get("created_at")
        return static_lines(label, order, is_date=is_date)
