"""How the page of a lead says things: chances, places, spans of days, the project's names for events and fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from pipeline.review import shown

__all__ = [
    "attribute_words",
    "band_words",
    "chance_words",
    "days_words",
    "event_words",
    "grade_words",
    "group_words",
    "ordinal",
    "plural",
    "signed",
    "value_words",
]

FIT = {"A": "right company", "B": "good fit", "C": "some fit", "D": "poor fit"}
ENGAGEMENT = {"1": "very active", "2": "active", "3": "quiet", "4": "asleep"}
RARE, NEAR_SURE = 0.001, 0.95
DENOMINATORS = (2, 3, 4, 5, 10)
ONE_IN = 0.3  # below it "1 in n" is read at once; above it a fraction of few parts
TEENS = (11, 12, 13)
GROUPS = {
    "negative": "warning signs", "any": "activity", "breadth": "kinds of activity", "products": "products looked at",
    "value": "time and value of activity", "silence": "days without activity", "momentum": "pace of activity",
    "velocity": "activities a day",
    "last_type": "latest activity", "age": "days since the lead came in", "people": "people known at the company",
    "people_active": "colleagues active", "others": "activity of colleagues", "departments": "departments reached",
    "account_won": "earlier purchases of the company", "priority": "priority list",
    "email:email_kind": "e-mail address",
}  # fmt: skip


def chance_words(probability: float | None, horizon_days: float | None) -> str | None:
    """A probability as people say it; None where there is none.

    Examples
    --------
    >>> chance_words(0.122, 30), chance_words(0.68, None)
    ('about 1 in 8 convert within 30 days', 'about 2 in 3 convert')
    >>> chance_words(0.0004, 7)
    'fewer than 1 in 1,000 convert within 7 days'
    """
    if probability is None:
        return None
    within = "" if horizon_days is None else f" within {plural(horizon_days, 'day')}"
    return f"{_part(probability)} convert{within}"


def _part(p: float) -> str:
    if p < RARE:
        return "fewer than 1 in 1,000"
    if p > NEAR_SURE:
        return "more than 19 in 20"
    if p < ONE_IN:
        n = round(1 / p)
        # beyond 20 a round number says as much
        n = n if n <= 20 else 5 * round(n / 5) if n < 100 else 50 * round(n / 50)
        return f"about 1 in {n:,}"
    parts = [(abs(k / n - p), n, k) for n in DENOMINATORS for k in range(1, n)]
    _, n, k = min(parts)
    return f"about {k} in {n}"


def plural(n: float, noun: str) -> str:
    """A count with its noun.

    Examples
    --------
    >>> plural(1, "day"), plural(2_000, "lead")
    ('1 day', '2,000 leads')
    """
    return f"{n:,.4g} {noun}" if n == 1 else f"{n:,.0f} {noun}s" if n == int(n) else f"{n:,.1f} {noun}s"


def ordinal(n: int) -> str:
    """A place in an order.

    Examples
    --------
    >>> ordinal(1), ordinal(12), ordinal(1_203)
    ('1st', '12th', '1,203rd')
    """
    ending = "th" if n % 100 in TEENS else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"


def days_words(start: datetime, end: datetime) -> str:
    """From a moment to another: to a later one in nights, since an earlier one in full days, as reasons count them.

    Examples
    --------
    >>> from datetime import UTC
    >>> midnight, evening = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, 18, tzinfo=UTC)
    >>> days_words(evening, midnight), days_words(midnight, evening)
    ('in 1 day', 'today')
    """
    days = (end.date() - start.date()).days if end > start else (start - end).days
    ahead = end > start
    return "today" if days == 0 else f"in {plural(days, 'day')}" if ahead else f"{plural(days, 'day')} ago"


def signed(points: int) -> str:
    """Whole points with their sign.

    Examples
    --------
    >>> signed(3), signed(0)
    ('+3', '0')
    """
    return f"{points:+d}".replace("-", "−") if points else "0"


def band_words(name: str | None, below_name: str, lowest_line: str) -> str:
    """A band's name; the lowest, where the project gave it none of its own, after the line above it."""
    if name is None:
        return "no band"
    return f"below {lowest_line}" if name == below_name == "below" else name


def grade_words(fit: str | None, engagement: str | None) -> str | None:
    """What the grades mean, such as "A4: right company, asleep"; None without grades."""
    if not fit and not engagement:
        return None
    said = [FIT.get(fit or "", ""), ENGAGEMENT.get(engagement or "", "")]
    meaning = ", ".join(each for each in said if each)
    return f"{fit or '–'}{engagement or '–'}" + (f": {meaning}" if meaning else "")


def event_words(event_type: str, words: Mapping[str, str]) -> str:
    """What sales calls an event type: the project's words, else its name made readable."""
    return words.get(f"type:{event_type}") or event_type.replace("_", " ").replace("|", " ")


def attribute_words(name: str, words: Mapping[str, str]) -> str:
    """What sales calls an attribute."""
    return words.get(name) or name.replace("_", " ")


def value_words(name: str, value: object, words: Mapping[str, str]) -> str:
    """A value of an attribute as sales reads it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.6g}"
    if isinstance(value, datetime):
        return shown.day(value)
    return words.get(f"{name}={' '.join(str(value).split()).casefold()}") or str(value)


def group_words(group: str, words: Mapping[str, str]) -> str:
    """What a reason group is about: the project's words, else its name made readable.

    Examples
    --------
    >>> group_words("type:demo_request", {}), group_words("job_title:seniority", {}), group_words("any", {})
    ('demo request', 'job title: seniority', 'activity')
    """
    kind, _, name = group.partition(":")
    found = words.get(group) or GROUPS.get(group) or words.get(name or kind)
    if found:
        return found
    plain = (name or kind).replace("_", " ")
    if kind == "channel":
        return f"{plain} activity"
    if kind == "stage":
        return f"{plain} stage activity"
    return plain if kind in {"type", "attribute"} or not name else f"{attribute_words(kind, words)}: {plain}"
