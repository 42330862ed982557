"""Writes the sections of a drafted project file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence

import pandas as pd

from features.contracts import CONTRACT, TableName
from features.settings import Kind
from pipeline.draft_columns import LabelGuess
from pipeline.draft_files import Export, time_format_of

__all__ = [
    "attribute_lines",
    "barred_lines",
    "event_lines",
    "key",
    "listed",
    "quoted",
    "static_lines",
    "table_lines",
    "target_lines",
]

_WIDTH = 100
_AGAINST = r"unsubscrib|opt.?out|career|job|bounce|spam|complain"
_STAGES = (
    ("decision", r"pricing|price|demo|trial|quote|proposal|meeting|call|offer|checkout|cart"),
    ("consideration", r"webinar|white.?paper|case.?stud|ebook|download|form|seminar|event|compar|product"),
    ("awareness", r"page|blog|open|click|visit|view|social|ad\b|session|email|newsletter"),
)
_UNSURE = ("unknown", "Unknown", "None", "none")


def quoted(text: str) -> str:
    """A TOML string.

    Examples
    --------
    >>> print(quoted('a "b"'))
    "a \\"b\\""
    """
    return json.dumps(text, ensure_ascii=False)


def key(name: str) -> str:
    """A TOML key, quoted where it must be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def listed(names: Sequence[str]) -> str:
    """A TOML array of strings, broken over lines where it is long."""
    flat = "[" + ", ".join(quoted(name) for name in names) + "]"
    if len(flat) <= _WIDTH:
        return flat
    lines, line = [], " "
    for name in names:
        piece = f" {quoted(name)},"
        if len(line) + len(piece) > _WIDTH and line.strip():
            lines.append(line)
            line = " "
        line += piece
    return "\n".join(["[", *lines, line, "]"])


def table_lines(
    table: TableName, export: Export, columns: Mapping[str, str], folder: str, *, is_flat: bool
) -> list[str]:
    """The section of one table: path or name, mapping, delimiter, null markers, format of its times."""
    place = f"path = {quoted(os.path.relpath(export.path.resolve(), folder))}"
    lines = ["", f"[data.{table}]", f"table = {quoted(str(export.path))}" if export.is_table else place]
    if export.delimiter != ",":
        lines.append(f"delimiter = {quoted(export.delimiter)}")
    if export.encoding != "utf-8":
        lines.append(f"encoding = {quoted(export.encoding)}")
    mapping = {ours: theirs for ours, theirs in columns.items() if ours != theirs}
    if mapping:
        pairs = ", ".join(f"{key(ours)} = {quoted(theirs)}" for ours, theirs in mapping.items())
        lines.append(f"columns = {{ {pairs} }}")
    missing = [column.name for column in CONTRACT[table] if column.required and column.name not in columns]
    if missing:
        lines.append(f"# No column was found for {', '.join(missing)}: map it under columns.")
    if table == "leads" and not columns.get("created_at") and not is_flat:
        lines.append(
            "# No creation time was found: without one nobody can tell when a lead was open. Map created_at."
        )
    if export.nulls:
        lines.append(f"null_values = {listed(['', *export.nulls])}  # markers that stand for nothing")
    unsure = [w for w in _UNSURE if any((export.frame[n] == w).any() for n in export.frame)]
    if unsure:
        lines.append(
            f"# Kept as answers: {', '.join(quoted(word) for word in unsure)}. "
            "Add them to null_values if nothing is meant."
        )
    return lines + _time_lines(table, export, columns)


def _time_lines(table: TableName, export: Export, columns: Mapping[str, str]) -> list[str]:
    ours = [column.name for column in CONTRACT[table] if column.kind == "time"]
    times = [columns[name] for name in ours if columns.get(name)]
    if not times:
        return []
    values = export.values(times[0])
    _, time_format, is_ambiguous = time_format_of(values)
    lines = []
    if time_format is not None:
        doubt = "  # day and month may be the other way round" if is_ambiguous else ""
        lines.append(f"time_format = {quoted(time_format)}{doubt}")
    has_zone = isinstance(values.dtype, pd.DatetimeTZDtype) or (
        isinstance(values.dtype, pd.StringDtype)
        and bool(values.dropna().head(100).str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True).all())
        and time_format is None
    )
    if not has_zone:
        lines.append('time_zone = "UTC"  # the times carry no zone: say in which they were written')
    return lines


def target_lines(won: Sequence[str], still: Sequence[str], ranked: Sequence[tuple[str, int]]) -> list[str]:
    """What counts as won, and the snapshots."""
    shown = ", ".join(f"{value} {count}" for value, count in ranked[:12])
    lines = ["", "[target]", f"# Outcomes found: {shown}{' ...' if len(ranked) > 12 else ''}."]
    if not won:
        lines.append("# None of them looks won: name it.")
    lines.append(f"won = {listed(won or ['won'])}")
    if still:
        lines.append(f"not_terminal = {listed(still)}  # these end nothing")
    lines += [
        'horizon = "30d"  # how far ahead "converts" looks: about the length of your sales cycle',
        "",
        "[snapshots]",
        'mode = "calendar"  # every open lead at evenly spaced moments, as a nightly scorer sees them',
        'every = "14d"',
    ]
    return lines


def static_lines(label: LabelGuess | None, order: str | None, *, is_date: bool) -> list[str]:
    """The label of a flat export, and its order where it has one."""
    lines = [
        "",
        "# A flat export: one row a lead with its result, no log of events.",
        "[snapshots]",
        'mode = "static"',
    ]
    lines += ["", "[static]"]
    if label is None:
        lines.append("# No label column was found: name the column that says who was won, and its values.")
        lines.append('label = "converted"')
    else:
        lines.append(f"label = {quoted(label.column)}")
        lines.append(f"positive = {listed(label.positive)}")
        lines.append(f"negative = {listed(label.negative)}")
        if label.others:
            lines.append(f"open = {listed(label.others)}  # taken as not ended yet: scored, not trained on")
    if order is None:
        return [*lines, "# Rows of a database have no order: name a column that rises with time, order = ..."]
    if is_date:
        why = "the leads' creation time"
    elif order == "row":
        why = "no date or rising number was found: are the rows in order of time? Else remove this line"
    else:
        why = "a rising number, taken for the order of creation"
    return [*lines, f"order = {quoted(order)}  # {why}"]


def attribute_lines(attributes: Mapping[str, Mapping[Kind, list[str]]], *, is_flat: bool) -> list[str]:
    """The attributes by availability, with what each availability claims."""
    words = {
        "at_creation": "# Taken as known when the lead was made. Nothing in a flat export shows that: a\n"
        "# field filled in after the outcome is a leak. `lead-scoring check` hunts for them.",
        "history": "# Rebuilt as of any moment from field_changes.",
        "current": "# Names that the sales desk or a tool often writes after the fact: bar what leaks."
        if is_flat
        else "# Today's value. Nothing shows that it was the same when the lead was young, so training\n"
        "# leaves these out. Move what is fixed since the lead was made to [attributes.at_creation].",
    }
    lines: list[str] = []
    for availability, said in words.items():
        kinds = attributes.get(availability)
        if kinds:
            lines += ["", said, f"[attributes.{availability}]"]
            lines += [f"{kind} = {listed(names)}" for kind, names in sorted(kinds.items())]
    return lines


def barred_lines(barred: Mapping[str, list[str]]) -> list[str]:
    """Columns that are never features, each group with its reason."""
    if not barred:
        return []
    lines = ["", "[attributes]", "barred = ["]
    for reason, names in barred.items():
        lines.append(f"  # {reason}")
        body = listed(names).removeprefix("[").removesuffix("]").strip("\n")
        lines += [line if line.startswith("  ") else f"  {line}," for line in body.splitlines()]
    return [*lines, "]"]


def event_lines(values: pd.Series) -> list[str]:
    """The catalogue of event types: stage and direction guessed from their names."""
    counts = values.dropna().astype("str").value_counts()
    ranked = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))[:40]
    guessed: list[str] = []
    others: list[str] = []
    for name, _ in ranked:
        entry = _event_entry(str(name))
        (guessed if entry else others).append(f"{key(str(name))} = {{ {entry} }}" if entry else str(name))
    lines = [
        "",
        "# Stage and direction (-1 speaks against) guessed from the names.",
        "[events.types]",
        *guessed,
    ]
    if others:
        lines.append(f"# No guess for: {', '.join(others[:15])}{' ...' if len(others) > 15 else ''}.")
    return lines


def _event_entry(name: str) -> str:
    plain = name.casefold().replace("_", " ")
    if re.search(_AGAINST, plain):
        return "direction = -1"
    return next((f'stage = "{stage}"' for stage, pattern in _STAGES if re.search(pattern, plain)), "")
