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
LIMIT_TEXT = "Limit of the scale"
DAY = MICROSECONDS["d"]


class Wording:
    """Words for the reason groups of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.names, group = catalogue.groups()
        self._members = [
            [(int(i), catalogue.features[i]) for i in np.flatnonzero(group == number)]
            for number in range(len(self.names))
        ]

    def text(self, group: int, x: Float64) -> str:
        """One line about a lead with the feature values `x`: says what is, never why."""
        members = self._members[group]
        first = members[0][1]
        values = {(f.op, f.span): float(x[i]) for i, f in members}
        if first.family == "points":
            return f"{_capital(first.words)}: {_number(sum(values.values()))} points by the table"
        if first.family == "explicit":
            return _explicit_text(members, x)
        if first.family == "account":
            return _account_text(first, values)
        return _activity_text(first, values)


def _explicit_text(members: list[tuple[int, Feature]], x: Float64) -> str:
    feature = next((f for _, f in members if f.op != "missing"), members[0][1])
    value = float(x[next(i for i, f in members if f is feature)])
    words = _capital(feature.words)
    if math.isnan(value):
        return f"{words} unknown"
    if feature.is_category:
        place = int(value)
        level = feature.levels[place] if place < len(feature.levels) else "another value"
        return f"{words} unknown" if level == "(unknown)" else f"{words}: {level}"
    if feature.op == "seniority":
        return f"{words}: {SENIORITIES[int(value)]}"
    if feature.unit == "flag":
        return f"{words}: {'yes' if value else 'no'}"
    return f"{words}: {_number(value)}"


def _account_text(feature: Feature, values: dict[tuple[str, int], float]) -> str:
    value = values[feature.op, feature.span]
    if math.isnan(value):
        return "No company on record" if feature.source != "is_priority" else "Not on the priority list"
    if feature.source == "is_priority":
        return "On the priority list" if value else "Not on the priority list"
    if feature.source == "people":
        noun = "other person" if value == 1 else "other people"
        doing = "active in the last 30 days" if feature.op == "active" else "known"
        return f"{_count(value)} {noun} at the company {doing}"
    if feature.source == "departments":
        return (
            f"{_count(value)} department{'' if value == 1 else 's'} at the company active in the last 90 days"
        )
    if feature.source == "lost":
        return f"{_count(value)} earlier lead{'' if value == 1 else 's'} of the company closed without a purchase"
    if feature.source == "won":
        return f"{_count(value)} earlier purchase{'' if value == 1 else 's'} by the company"
    return _counted_text("activities of colleagues", values)


_SPECIAL: dict[str, Callable[[float], str]] = {
    "age": lambda v: f"Open for {_days(v)}",
    "silence": lambda v: "Active today" if v < 1 else f"No activity for {_days(v)}",
    "breadth": lambda v: f"{_count(v)} kind{'' if v == 1 else 's'} of activity in the last 90 days",
    "products": lambda v: f"{_count(v)} product{'' if v == 1 else 's'} looked at in the last 90 days",
}


def _activity_text(feature: Feature, values: dict[tuple[str, int], float]) -> str:
    if feature.group in _SPECIAL:
        return _SPECIAL[feature.group](values[feature.op, feature.span])
    if feature.group == "momentum":
        pace = values.get(("momentum", 7 * DAY), 0.0)
        return f"Activity is {'speeding up' if pace > 0.1 else 'slowing down' if pace < -0.1 else 'steady'}"
    if feature.group == "last_type":
        place = values[feature.op, feature.span]
        known = not math.isnan(place) and int(place) < len(feature.levels)
        return f"Latest activity: {feature.levels[int(place)].replace('_', ' ') if known else 'none or another kind'}"
    if feature.group == "value":
        return f"{_capital(feature.words)}: {_number(values[feature.op, feature.span])}"
    return _counted_text(feature.words, values)


def _counted_text(words: str, values: dict[tuple[str, int], float]) -> str:
    """The narrowest window that holds anything, else how long ago, else never."""
    counts = sorted((span, value) for (op, span), value in values.items() if op == "count" and span)
    since = next((v for (op, _), v in values.items() if op == "days_since" and not math.isnan(v)), None)
    ago = "" if since is None else f", the latest {'today' if since < 1 else _days(since) + ' ago'}"
    for span, count in counts:
        if count > 0:
            return f"{_capital(words)}: {_count(count)} in the last {_days(span / DAY)}{ago}"
    if since is not None:
        return f"{_capital(words)}: none lately{ago}"
    return f"{_capital(words)}: none so far"


def _days(value: float) -> str:
    whole = int(value)
    if whole < 1:
        hours = max(1, int(value * 24))
        return f"{hours} hour{'' if hours == 1 else 's'}"
    return f"{whole:,} day{'' if whole == 1 else 's'}"


def _count(value: float) -> str:
    return "No" if value == 0 else f"{int(value):,}"


def _number(value: float) -> str:
    return (
        f"{value:,.0f}"
        if value == round(value) or abs(value) >= 1000
        else f"{value:,.2f}".rstrip("0").rstrip(".")
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
