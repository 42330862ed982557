"""A points table line by line: each value, range or event by itself, to be priced anew and written down."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from features.durations import format_duration
from features.points_bands import read_band, read_number
from features.readings import plain
from features.settings import PointsRule

__all__ = ["PointsLine", "lines_of", "merged", "priced", "to_csv", "to_toml"]

_COLUMNS = ("attribute", "value", "from", "to", "event", "points", "per", "most", "window", "words")


@dataclass(frozen=True)
class PointsLine:
    """One line of a points table.

    Attributes
    ----------
    place : position of its rule in the table.
    key : the value, or the lower bound of a range; None for an event.
    upper : where a range ends (not in it), None without an end.
    points : what the table gives for it.
    indicator : a rule that gives 1 point where the line applies, and for each event 1 up to its most.
    """

    place: int
    key: str | None
    upper: str | None
    points: float
    indicator: PointsRule

    @property
    def words(self) -> str:
        """The line as people read it."""
        rule = self.indicator
        if rule.event is not None:
            span = f" within {format_duration(rule.window)}" if rule.window else ""
            return f"{rule.event}{span}" + (f", each up to {rule.most}" if rule.per == "each" else "")
        if rule.ranges:
            return f"{rule.attribute}: {self.key} " + (f"to below {self.upper}" if self.upper else "and more")
        return f"{rule.attribute}: {self.key or '(unknown)'}"


def lines_of(rules: Sequence[PointsRule]) -> tuple[PointsLine, ...]:
    """The lines of a points table, in its order.

    Examples
    --------
    >>> rule = PointsRule(attribute="staff", ranges={"0": 0, "50": 5})
    >>> [(line.words, line.points) for line in lines_of([rule])]
    [('staff: 0 to below 50', 0.0), ('staff: 50 and more', 5.0)]
    """
    found: list[PointsLine] = []
    for place, rule in enumerate(rules):
        if rule.event is not None:
            one = rule.model_copy(update={"points": 1.0})
            found.append(PointsLine(place, None, None, rule.points, one))
        for value, points in rule.values.items():
            one = rule.model_copy(update={"values": {value: 1.0}})
            found.append(PointsLine(place, value, None, points, one))
        bounds = sorted(rule.ranges, key=float)
        for bound, upper in zip(bounds, [*bounds[1:], None], strict=False):
            ranges = {bound: 1.0} if upper is None else {bound: 1.0, upper: 0.0}
            one = rule.model_copy(update={"ranges": ranges})
            found.append(PointsLine(place, bound, upper, rule.ranges[bound], one))
    return tuple(found)


def merged(rules: Sequence[PointsRule]) -> tuple[PointsRule, ...]:
    """The same points from one rule of values, one of ranges and one of each kind of event count; points that add up.

    Examples
    --------
    >>> rules = [PointsRule(attribute="a", values={"x": 1}), PointsRule(attribute="a", values={"X": 2, "y": 3})]
    >>> [rule.values for rule in merged(rules)]
    [{'x': 3.0, 'y': 3.0}]
    """
    groups: dict[tuple[object, ...], list[PointsRule]] = {}
    for rule in rules:
        key = (rule.attribute, bool(rule.ranges), rule.event, rule.per, rule.window)
        groups.setdefault((*key, rule.most if rule.per == "each" else None), []).append(rule)
    return tuple(_sum(group) for group in groups.values())


def _sum(rules: Sequence[PointsRule]) -> PointsRule:
    first = rules[0]
    words = next((rule.words for rule in rules if rule.words), None)
    if first.event is not None:
        return first.model_copy(update={"points": sum(rule.points for rule in rules), "words": words})
    if first.ranges:
        bounds = sorted({float(bound): bound for rule in rules for bound in rule.ranges}.items())
        ranges = {text: sum(_reached(rule, bound) for rule in rules) for bound, text in bounds}
        return first.model_copy(update={"ranges": ranges, "words": words})
    texts: dict[str, str] = {}
    total: dict[str, float] = {}
    for rule in rules:
        own: dict[str, float] = {}
        for value, points in rule.values.items():
            key = "" if plain(value) == "(unknown)" else plain(value)
            texts.setdefault(key, value)
            own.setdefault(key, points)
        total = {key: total.get(key, 0.0) + own.get(key, 0.0) for key in {**total, **own}}
    values = {texts[key]: points for key, points in total.items()}
    return first.model_copy(update={"values": values, "words": words})


def _reached(rule: PointsRule, number: float) -> float:
    below = sorted((float(bound), points) for bound, points in rule.ranges.items() if float(bound) <= number)
    return below[-1][1] if below else 0.0


def priced(
    rules: Sequence[PointsRule], lines: Sequence[PointsLine], points: Sequence[float]
) -> tuple[PointsRule, ...]:
    """The rules with other points: those of each line, in the order of `lines_of`."""
    found = [
        rule.model_copy(update={"values": dict(rule.values), "ranges": dict(rule.ranges)}) for rule in rules
    ]
    for line, value in zip(lines, points, strict=True):
        rule = found[line.place]
        if line.key is None:
            found[line.place] = rule.model_copy(update={"points": float(value)})
        else:
            (rule.ranges if rule.ranges else rule.values)[line.key] = float(value)
    return tuple(found)


def to_csv(lines: Sequence[PointsLine], notes: Sequence[Mapping[str, object]] | None = None) -> str:
    """A CSV sheet that `read_points_sheet` reads as the same rules; `notes` are columns of its own for people."""
    names = list(dict.fromkeys(name for note in notes or () for name in note))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, *names])
    ranged = {line.indicator.attribute for line in lines if line.indicator.ranges}
    for place, line in enumerate(lines):
        note = notes[place] if notes else {}
        cells = _cells(line, has_ranges=line.indicator.attribute in ranged)
        writer.writerow([*cells, *(note.get(name, "") for name in names)])
    return text.getvalue()


def _cells(line: PointsLine, *, has_ranges: bool) -> list[str]:
    rule = line.indicator
    if rule.event is not None:
        most = str(rule.most) if rule.per == "each" else ""
        window = format_duration(rule.window) if rule.window else ""
        return ["", "", "", "", rule.event, f"{line.points:g}", rule.per, most, window, rule.words or ""]
    value, low, high = (line.key or "(unknown)", "", "")
    if rule.ranges:
        value, low, high = "", _bound(str(line.key)), _last(str(line.key), line.upper)
    elif (band := read_band(value)) is not None and (has_ranges or band.low != band.high):
        value = f'"{value}"'  # a text, though it looks like a range
    return [str(rule.attribute), value, low, high, "", f"{line.points:g}", "", "", "", rule.words or ""]


def _last(low: str, upper: str | None) -> str:
    """The end of a range as a sheet writes it: 999 for all below 1000; beside decimals the next one's beginning."""
    if upper is None:
        return ""
    is_whole = float(low).is_integer() and float(upper).is_integer()
    return _bound(str(int(float(upper)) - 1) if is_whole else upper)


def _bound(text: str) -> str:
    """A number that is read back as itself: 1.125 would be taken for a thousand and so on."""
    return text if read_number(text) == float(text) else f"{text}0"


def to_toml(lines: Sequence[PointsLine], rules: Sequence[PointsRule]) -> str:
    """A TOML sheet that `read_points_sheet` reads as the same rules."""
    blocks: list[str] = []
    for place, rule in enumerate(rules):
        mine = [line for line in lines if line.place == place]
        block = ["[[rules]]"]
        if rule.event is not None:
            block += [f"event = {_quoted(rule.event)}", f"points = {mine[0].points:g}", f'per = "{rule.per}"']
            block += [f"most = {rule.most}"] if rule.per == "each" else []
            block += [f'window = "{format_duration(rule.window)}"'] if rule.window else []
        else:
            pairs = ", ".join(f"{_quoted(str(line.key))} = {line.points:g}" for line in mine)
            block += [
                f"attribute = {_quoted(str(rule.attribute))}",
                f"{'ranges' if rule.ranges else 'values'} = {{ {pairs} }}",
            ]
        block += [f"words = {_quoted(rule.words)}"] if rule.words else []
        blocks.append("\n".join(block))
    return "\n\n".join(blocks) + "\n"


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
