"""How numbers and moments are written on the pages."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from urllib.parse import urlencode

__all__ = ["FILTERS", "day", "lead_address", "moment", "money", "moved", "points", "score", "share", "whole"]

SMALLEST, LARGEST = 0.0005, 0.995  # shares that would else be shown as none, as all


def score(value: float | None) -> str:
    """A score as a whole number, cut off: 50 is shown only on the line or above it.

    Examples
    --------
    >>> score(79.96)
    '79'
    """
    return "–" if value is None else str(math.floor(value))


def points(value: float | None) -> str:
    """Signed points with one decimal.

    Examples
    --------
    >>> points(-0.04), points(3.16)
    ('0.0', '+3.2')
    """
    if value is None:
        return "–"
    text = f"{value:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else text.replace("-", "−")


def share(value: float | None) -> str:
    """A probability as per cent; under ten with one decimal. None and all are said of none and all alone.

    Examples
    --------
    >>> share(0.0312), share(0.52), share(0.0004), share(0.9951)
    ('3.1 %', '52 %', '< 0.1 %', '> 99 %')
    """
    if value is None:
        return "–"
    exact = round(value, 9)  # sums and limits of intervals end a hair beside none and all
    if 0 < exact < SMALLEST:
        return "< 0.1 %"
    if LARGEST <= exact < 1:
        return "> 99 %"
    return f"{100 * value:.1f} %" if value < 0.0995 else f"{100 * value:.0f} %"


def moved(now: float, before: float) -> str:
    """`up`, `down` or `flat`, as the change is shown: by a twentieth of a point or more.

    Examples
    --------
    >>> moved(50.2, 48.0), moved(50.0, 50.04)
    ('up', 'flat')
    """
    change = points(now - before)
    return "flat" if change == "0.0" else "up" if now > before else "down"


def money(value: float | None) -> str:
    """An amount in whole units."""
    return "–" if value is None else f"{value:,.0f}"


def whole(value: int) -> str:
    """A count with its thousands apart."""
    return f"{value:,}"


def day(value: date | None) -> str:
    """A day, such as 3 Jan 2026."""
    return "–" if value is None else f"{value.day} {value:%b %Y}"


def moment(value: datetime | None) -> str:
    """A day and a time, UTC."""
    return "–" if value is None else f"{day(value)}, {value:%H:%M}"


def lead_address(lead_id: str, product: str | None = None, run: int | None = None, of: str = "") -> str:
    """Where the page of a lead lies, of one product or run if it is given.

    Parameters
    ----------
    of : the filters of the queue that it is opened from, as an address has them.

    Examples
    --------
    >>> lead_address("a&b"), lead_address("L1", "Analytics", 3)
    ('/lead?id=a%26b', '/lead?id=L1&product=Analytics&run=3')
    """
    pairs = [("id", lead_id), ("product", product or None), ("run", run), ("of", of or None)]
    return f"/lead?{urlencode([(name, value) for name, value in pairs if value is not None])}"


FILTERS: dict[str, Callable[..., str]] = {
    "score": score, "points": points, "share": share, "money": money, "day": day, "moment": moment,
    "moved": moved, "whole": whole, "lead_address": lead_address,
}  # fmt: skip
