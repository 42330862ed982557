"""Reasons in words: what a reason group says of one lead, with the lead's own values."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue, Feature
from features.durations import MICROSECONDS
from features.titles import SENIORITIES

__all__ = ["LIMIT_TEXT", "REST_TEXT", "Wording"]

Float64 = NDArray[np.float64]
REST_TEXT = "Everything else"
LIMIT_TEXT = "Limit of the scale (0 to 100)"
DAY = MICROSECONDS["d"]
_UNITS = (("d", "day"), ("h", "hour"), ("m", "minute"), ("s", "second"))
# how people write the levels that the readers of titles and addresses know
_LEVELS = {
    "seniority": {"vp": "VP", "c-level": "C-level"},
    "department": {"it": "IT", "hr": "HR"},
    "email_kind": {
        "business": "company domain",
        "free": "free provider",
        "education": "school or university",
    },
}


class Wording:
    """Words for the reason groups of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.names, group = catalogue.groups()
        self._members = [
            [(int(i), catalogue.features[i]) for i in np.flatnonzero(group == number)]
            for number in range(len(self.names))
        ]
        self._type_words = {f.source: f.words for f in catalogue.features if f.family == "implicit"}

    def text(self, group: int, x: Float64) -> str:
        """One line about a lead with the feature values `x`: says what is, never why."""
        members = self._members[group]
        first = members[0][1]
        values = {(f.op, f.span): float(x[i]) for i, f in members}
        if first.family == "points":
            return f"{_capital(first.words)}: {_counted(sum(values.values()), 'point')} by the table"
        if first.family == "explicit":
            return _explicit_text(members, x)
        if first.family == "account":
            return _account_text(first, values)
        if first.op == "last_type":
            return self._latest_text(first, values[first.op, first.span])
        return _activity_text(first, values)

    def _latest_text(self, feature: Feature, place: float) -> str:
        if math.isnan(place):
            return "Latest activity: none so far"
        if int(place) >= len(feature.levels):
            return "Latest activity: of another kind"
        name = feature.levels[int(place)]
        return f"Latest activity: {self._type_words.get(f'type:{name}', name.replace('_', ' '))}"


def _explicit_text(members: list[tuple[int, Feature]], x: Float64) -> str:
    feature = next((f for _, f in members if f.op != "missing"), members[0][1])
    value = float(x[next(i for i, f in members if f is feature)])
    words = _capital(feature.words)
    if feature.op == "missing":
        return f"{words} {'unknown' if value else 'known'}"
    if math.isnan(value):
        return f"{words} unknown"
    if feature.is_category or feature.op == "seniority":
        levels = feature.levels if feature.is_category else SENIORITIES
        level = levels[int(value)] if int(value) < len(levels) else "another value"
        shown = _LEVELS.get(feature.op, {}).get(level, level)
        return f"{words} unknown" if level == "(unknown)" else f"{words}: {shown}"
    if feature.unit == "flag":
        return f"{words}: {'yes' if value else 'no'}"
    return f"{words}: {_number(value)}"


def _account_text(feature: Feature, values: dict[tuple[str, int], float]) -> str:
    if feature.source == "is_priority":
        return "On the priority list" if values[feature.op, feature.span] == 1 else "Not on the priority list"
    value = values[feature.op, feature.span]
    if math.isnan(value):
        return f"{_capital(feature.words)}: no company on record"
    if feature.source == "people":
        person = "other person" if value == 1 else "other people"
        doing = (
            f"active at the company {_within(feature.span)}"
            if feature.op == "active"
            else "known at the company"
        )
        return f"{_count(value)} {person} {doing}"
    counted = {
        "departments": ("department", f"at the company active {_within(feature.span)}"),
        "won": ("earlier purchase", "by the company"),
        "lost": ("earlier lead", "of the company closed without a purchase"),
    }
    if feature.source in counted:
        noun, rest = counted[feature.source]
        return f"{_counted(value, noun)} {rest}"
    return _windows_text(feature.words, values)


_SPECIAL: dict[str, Callable[[Feature, float], str]] = {
    "age": lambda _, v: f"Open for {_days(v)}",
    "silence": lambda _, v: "Active today" if v < 1 else f"No activity for {_days(v)}",
    "breadth": lambda f, v: f"{_counted(v, 'kind')} of activity {_within(f.span)}",
    "products": lambda f, v: f"{_counted(v, 'product')} looked at {_within(f.span)}",
    "value_sum": lambda f, v: f"Total value of activity {_within(f.span)}: {_number(v)}",
}


def _activity_text(feature: Feature, values: dict[tuple[str, int], float]) -> str:
    if feature.op in _SPECIAL:
        value = values[feature.op, feature.span]
        unknown = f"{_capital(feature.words)}: unknown"
        return unknown if math.isnan(value) else _SPECIAL[feature.op](feature, value)
    if feature.group == "momentum":
        pace = values.get(("momentum", 7 * DAY), 0.0)
        return f"Activity is {'speeding up' if pace > 0.1 else 'slowing down' if pace < -0.1 else 'steady'}"
    return _windows_text(feature.words, values)


def _windows_text(words: str, values: dict[tuple[str, int], float]) -> str:
    """The narrowest window that holds anything, else how long ago, else that there was none.

    "None so far" needs a figure that looks back all the way; windows alone say only how far they reach.
    """
    counts = sorted((span, value) for (op, span), value in values.items() if op == "count" and span)
    since = next((v for (op, _), v in values.items() if op == "days_since" and not math.isnan(v)), None)
    ago = "" if since is None else f", the latest {'today' if since < 1 else _days(since) + ' ago'}"
    for span, count in counts:
        if count > 0:
            return f"{_capital(words)}: {_count(count)} {_within(span)}{ago}"
    if since is not None:
        return f"{_capital(words)}: none lately{ago}"
    looks_back = any(op in {"days_since", "ever"} for op, _ in values)
    return f"{_capital(words)}: none {'so far' if looks_back or not counts else _within(counts[-1][0])}"


def _within(span: int) -> str:
    """A window in its largest whole unit."""
    if not span:
        return "so far"
    unit, name = next((u, n) for u, n in _UNITS if span % MICROSECONDS[u] == 0 or u == "s")
    number = span // MICROSECONDS[unit]
    return f"in the last {name}" if number == 1 else f"in the last {number:,} {name}s"


def _days(value: float) -> str:
    """Whole days, under one day hours; what has passed, so rounded down."""
    if value >= 1:
        return f"{int(value):,} day{'' if int(value) == 1 else 's'}"
    hours = int(value * 24)
    return f"{hours} hour{'' if hours == 1 else 's'}" if hours else "less than an hour"


def _counted(value: float, noun: str) -> str:
    if value == 0 and noun == "point":
        return "0 points"
    shown = _number(value) if noun == "point" else _count(value)
    return f"{shown} {noun}{'' if abs(value) == 1 else 's'}"


def _count(value: float) -> str:
    return "No" if value == 0 else f"{int(value):,}"


def _number(value: float) -> str:
    """Whole where it is or is large, else two decimals, or two digits where those would say 0."""
    if not math.isfinite(value):
        return "unknown"
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return text if text not in {"0", "-0"} else f"{value:.2g}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
