"""A points sheet as a marketing team keeps it, CSV or TOML: its lines as rules of a points table."""

from __future__ import annotations

import csv
import difflib
import io
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from features.durations import parse_duration
from features.errors import ConfigError
from features.points_bands import PointsBand, band_bounds, read_band, read_number
from features.readings import plain
from features.settings import PointsRule

__all__ = ["NOTES", "read_points_sheet"]

NOTES = ("your points", "low", "high", "rows", "conversions", "note")
_NAMES = {
    "attribute": ("attribute", "field", "property", "criterion"),
    "event": ("event", "activity", "action", "behaviour", "behavior"),
    "value": ("value", "values"),
    "from": ("from", "min", "minimum", "at least"),
    "to": ("to", "max", "maximum", "up to"),
    "points": ("points", "point", "pts", "score"),
    "per": ("per", "counted"),
    "most": ("most", "at most", "cap"),
    "window": ("window", "within"),
    "words": ("words", "label", "description"),
    "": (*NOTES, "notes", "comment", "comments"),
}
_COLUMN_OF = {spelling: name for name, spellings in _NAMES.items() for spelling in spellings}
_ONCE, _EACH = ("", "once", "lead"), ("each", "every", "event", "time")
_UNKNOWN = ("(unknown)", "(missing)", "(blank)", "(empty)")
_UNITS = {"hour": "h", "day": "d", "week": "w"}
_SHOWN_FAULTS = 30


@dataclass
class _Attribute:
    """What the lines of one attribute say."""

    first: int
    name: str
    words: str | None = None
    values: dict[str, tuple[str, float, int]] = field(default_factory=dict)
    bands: list[tuple[PointsBand, float]] = field(default_factory=list)
    quoted: set[str] = field(default_factory=set)


def read_points_sheet(text: str, name: str) -> tuple[PointsRule, ...]:
    """The rules of a points sheet, in the order of their first lines.

    A CSV sheet (comma, semicolon or tab) names its columns in its first line: `points`; `attribute` with
    `value`, or with `from` and `to`; or `event` with `per` (once, each), `most` and `window`; and `words`.
    The values of an attribute stand on a line each; an empty attribute cell means the one above it. Ranges may be
    written as values: 500-999, 1000+, under 50. `(unknown)` stands for leads without a value. A TOML sheet
    holds `[[rules]]` as `points.rules` of a project file does.

    Parameters
    ----------
    name : the file's name, for its ending and for messages.

    Raises
    ------
    ConfigError
        With every line that can't be read, its number and what to write instead.
    """
    if name.casefold().endswith(".toml"):
        return _from_toml(text, name)
    if name.casefold().endswith(".csv"):
        return _CsvSheet(text, name).rules()
    raise ConfigError(f"The points sheet {name} must end in .csv or .toml.")


def _fail(name: str, faults: list[tuple[str, str]]) -> ConfigError:
    lines = [f"  {where}: {said}" for where, said in faults[:_SHOWN_FAULTS]]
    if len(faults) > _SHOWN_FAULTS:
        lines.append(f"  and {len(faults) - _SHOWN_FAULTS} more.")
    count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    return ConfigError("\n".join([f"The points sheet {name} has {count}:", *lines]))


def _from_toml(text: str, name: str) -> tuple[PointsRule, ...]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The points sheet {name} can't be read as TOML: {error}") from error
    rules = content.get("rules")
    if set(content) != {"rules"} or not isinstance(rules, list) or not rules:
        raise ConfigError(f"The points sheet {name} must hold [[rules]] and nothing else, at least one.")
    found: list[PointsRule] = []
    faults: list[tuple[str, str]] = []
    for number, rule in enumerate(rules, start=1):
        try:
            found.append(PointsRule.model_validate(rule))
        except ValidationError as error:
            faults += [(f"rule {number}", _said(each)) for each in error.errors()]
    if faults:
        raise _fail(name, faults)
    return tuple(found)


def _said(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(where, PointsRule.model_fields, n=1, cutoff=0.5)
        return f"{where}: unknown key. " + (
            f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(PointsRule.model_fields)}."
        )
    said = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


class _CsvSheet:
    """One reading of a CSV sheet: rules as far as they can be read, and every fault."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.faults: list[tuple[int, str]] = []
        self.events: list[tuple[int, PointsRule]] = []
        self.attributes: dict[str, _Attribute] = {}
        self.above: str | None = None
        head, *body = self._records(text)
        columns = self._columns(head[1])
        for number, cells in body:
            if any(cells[len(columns) :]):
                self._fault(
                    number, f"has {len(cells)} cells under {len(columns)} columns; put texts in quotes"
                )
                continue
            self._read(number, {name: cell for name, cell in zip(columns, cells, strict=False) if name})

    def rules(self) -> tuple[PointsRule, ...]:
        """All rules, or all faults."""
        found = [*self.events, *(rule for each in self.attributes.values() for rule in self._of(each))]
        if self.faults:
            raise _fail(self.name, [(f"line {number}", said) for number, said in sorted(self.faults)])
        if not found:
            raise ConfigError(f"The points sheet {self.name} has no line below its first.")
        return tuple(rule for _, rule in sorted(found, key=lambda each: each[0]))

    def _fault(self, number: int, said: str) -> None:
        self.faults.append((number, said + ("" if said.endswith((".", "?")) else ".")))

    def _records(self, text: str) -> list[tuple[int, list[str]]]:
        """Records with their line numbers; empty lines and those that begin with # are none."""
        body = text.removeprefix("\ufeff")
        first = next((line for line in body.splitlines() if line.strip(" ,;\t") and line[0] != "#"), "")
        mark = max(",;\t", key=first.count)
        reader = csv.reader(io.StringIO(body), delimiter=mark, skipinitialspace=True, strict=True)
        try:
            found = [(reader.line_num, [" ".join(cell.split()) for cell in cells]) for cells in reader]
        except csv.Error as error:
            raise ConfigError(
                f"The points sheet {self.name} can't be read beyond line {reader.line_num}: {error}. Look for a quote "
                "that is not closed."
            ) from error
        kept = [(number, cells) for number, cells in found if any(cells) and not cells[0].startswith("#")]
        if not kept:
            raise ConfigError(f"The points sheet {self.name} is empty; its first line names the columns.")
        return kept

    def _columns(self, cells: list[str]) -> list[str]:
        spelled = [plain(cell).replace("_", " ") for cell in cells]
        faults: list[tuple[str, str]] = []
        for cell in (each for each in spelled if each and each not in _COLUMN_OF):
            near = difflib.get_close_matches(cell, _COLUMN_OF, n=1, cutoff=0.6)
            known = ", ".join(name for name in _NAMES if name)
            faults.append(
                (
                    "columns",
                    f"'{cell}' is unknown. " + (f"Did you mean '{near[0]}'?" if near else f"Known: {known}."),
                )
            )
        found = [_COLUMN_OF.get(cell, "") for cell in spelled]
        if "points" not in found or not {"attribute", "event"} & set(found):
            faults.append(("columns", "points, and attribute or event, must be among them"))
        twice = sorted({name for name in found if name and found.count(name) > 1})
        faults += [("columns", f"'{name}' is there twice.") for name in twice]
        if faults:
            raise _fail(self.name, faults)
        return found

    def _read(self, number: int, cells: dict[str, str]) -> None:
        attribute, event = cells.get("attribute", ""), cells.get("event", "")
        is_below = any(cells.get(name) for name in ("value", "from", "to"))
        if not attribute and not event and is_below:
            attribute = self.above or ""
        points = _points(cells.get("points", ""))
        if points is None:
            self._fault(
                number, f"points '{cells.get('points', '')}' is no number; write one such as 10, -5 or 0"
            )
        if bool(attribute) == bool(event):
            self._fault(number, "needs either an attribute or an event")
        elif event:
            self.above = None
            self._event(number, event, cells, points or 0.0)
        else:
            self.above = attribute
            self._value(number, attribute, cells, points or 0.0)

    def _event(self, number: int, event: str, cells: dict[str, str], points: float) -> None:
        if stray := [name for name in ("value", "from", "to") if cells.get(name)]:
            self._fault(number, f"an event has no {stray[0]}; use per, most and window")
        most, per, window = cells.get("most", ""), plain(cells.get("per", "")), None
        if per not in {*_ONCE, *_EACH}:
            self._fault(number, f"per '{per}' is unknown; write once or each")
        if most and (not most.isdecimal() or int(most) < 1):
            self._fault(number, f"most '{most}' is no whole number from 1")
            most = ""
        try:
            window = _window(cells.get("window", ""))
        except ValueError as error:
            self._fault(number, f"window: {error}")
        is_each = per in _EACH or (per == "" and bool(most))
        rule = PointsRule(
            event=event, points=points, per="each" if is_each else "once", words=cells.get("words") or None
        )
        more: dict[str, Any] = {"window": window, **({"most": int(most)} if most else {})}
        rule = rule.model_copy(update=more)
        same = [line for line, each in self.events if _counts_alike(each, rule)]
        if same:
            self._fault(number, f"repeats the event '{event}' of line {same[0]}; keep one of the two")
        self.events.append((number, rule))

    def _value(self, number: int, attribute: str, cells: dict[str, str], points: float) -> None:
        if stray := [name for name in ("per", "most", "window") if cells.get(name)]:
            self._fault(number, f"'{stray[0]}' is for events; an attribute has a value, or from and to")
        value, low, high = (cells.get(name, "") for name in ("value", "from", "to"))
        found = self.attributes.setdefault(plain(attribute), _Attribute(number, attribute))
        found.words = found.words or cells.get("words") or None
        if bool(value) == bool(low or high):
            said = (
                "has both a value and a range; keep one"
                if value
                else "has no value; write (unknown) for leads without one"
            )
            self._fault(number, f"'{attribute}' {said}")
            return
        is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
        value = value[1:-1].strip() if is_quoted else value
        band = (None if is_quoted else read_band(value)) if value or is_quoted else _between(low, high)
        if not (value or is_quoted) and band is None:
            self._fault(number, f"from '{low}' to '{high}' is no range; write numbers, the lower one first")
        elif band is not None and not (value and band.low == band.high):
            found.bands.append((band, points))
        else:
            key = "" if plain(value) in _UNKNOWN else value
            found.quoted |= {plain(key)} if is_quoted else set()
            _, former, line = found.values.setdefault(plain(key), (key, points, number))
            if former != points:
                self._fault(
                    number, f"gives '{value}' {points:g} points, line {line} gives it {former:g}; keep one"
                )

    def _of(self, attribute: _Attribute) -> list[tuple[int, PointsRule]]:
        """The rules of one attribute: its ranges, and its values; beside ranges a number is a range."""
        values, bands = dict(attribute.values), list(attribute.bands)
        for key, (text, points, _) in attribute.values.items():
            band = read_band(text) if bands and key not in attribute.quoted else None
            if band is not None:
                bands.append((band, points))
                del values[key]
        made: list[Callable[[], PointsRule]] = []
        name, words = attribute.name, attribute.words
        if bands:
            made.append(lambda: PointsRule(attribute=name, ranges=band_bounds(bands), words=words))
        if values:
            of_value = {text: points for text, points, _ in values.values()}
            made.append(lambda: PointsRule(attribute=name, values=of_value, words=words))
        found: list[tuple[int, PointsRule]] = []
        for make in made:
            try:
                found.append((attribute.first, make()))
            except ValueError as error:
                self._fault(attribute.first, f"'{name}': the ranges {error}")
        return found


def _counts_alike(one: PointsRule, other: PointsRule) -> bool:
    return (one.event, one.per, one.most, one.window) == (other.event, other.per, other.most, other.window)


def _points(text: str) -> float | None:
    return read_number(re.sub(r"(?<=[0-9])\s*(?:points?|pts?)\.?$", "", text.casefold()).removeprefix("+"))


def _window(text: str) -> int | None:
    """Microseconds of "30d", "30 days" or "30" (days); None for no window."""
    spelled = plain(text)
    if spelled in {"", "all", "ever", "any time"}:
        return None
    match = re.fullmatch(r"([0-9]+)\s*(?:(hour|day|week)s?)?", spelled)
    found = parse_duration(f"{match[1]}{_UNITS[match[2] or 'day']}" if match else spelled)
    if found == 0:
        raise ValueError("a window must be longer than 0")
    return found


def _between(low: str, high: str) -> PointsBand | None:
    """The range of two cells; an empty `from` is 0, an empty `to` has no end."""
    first = read_number(low) if low else 0.0
    last = read_number(high) if high else float("inf")
    if first is None or last is None or first > last:
        return None
    return PointsBand(first, last)
