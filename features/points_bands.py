"""Ranges of a number as a points sheet writes them: "500-999", "1000+", "under 50"."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["PointsBand", "band_bounds", "read_band", "read_number"]

_NUMBER = r"([0-9][0-9,. ']*k?)"
_UNIT = r"(?:\s*(?:employees|people|staff|years))?"
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:[,. '][0-9]{3})+k?")
_FORMS = {
    "between": re.compile(rf"{_NUMBER}\s*(?:-|to)\s*{_NUMBER}{_UNIT}"),
    "from": re.compile(
        rf"(?:(?:>=?|≥|at least|from|over|above|more than)\s*{_NUMBER}"
        rf"|{_NUMBER}\s*(?:\+|plus|and (?:more|above)|or more)){_UNIT}"
    ),
    "to": re.compile(rf"(?:<=|≤|up to|at most)\s*{_NUMBER}{_UNIT}"),
    "below": re.compile(rf"(?:<|under|below|less than|fewer than)\s*{_NUMBER}{_UNIT}"),
    "number": re.compile(rf"{_NUMBER}{_UNIT}"),
}


@dataclass(frozen=True)
class PointsBand:
    """Numbers from `low` to `high`, both in it; `high` is infinite without an end, and not in it if `is_open`."""

    low: float
    high: float
    is_open: bool = False


def read_number(text: str) -> float | None:
    """A number as people write it, with marks between thousands or a k for them; None if it is none.

    Examples
    --------
    >>> read_number("1,000"), read_number("2.5"), read_number("5k"), read_number("many")
    (1000.0, 2.5, 5000.0, None)
    """
    plain = text.strip().casefold().replace("\N{MINUS SIGN}", "-")
    if _THOUSANDS.fullmatch(plain):
        plain = re.sub(r"[,. ']", "", plain)
    factor = 1000.0 if plain.endswith("k") else 1.0
    try:
        found = float(plain.removesuffix("k")) * factor
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def read_band(text: str) -> PointsBand | None:
    """The range that a text names, None if it names none; a single number is a range of its own.

    "over 1000" begins at 1000, as the lower end of such a band in the data is read; "under 50" begins at 0.

    Examples
    --------
    >>> read_band("500 - 999"), read_band("Under 50")
    (PointsBand(low=500.0, high=999.0, is_open=False), PointsBand(low=0.0, high=50.0, is_open=True))
    >>> read_band("C-level") is None
    True
    """
    plain = " ".join(re.sub("[\N{EN DASH}\N{EM DASH}]", "-", text).split()).casefold()
    for name, form in _FORMS.items():
        match = form.fullmatch(plain)
        if match is None:
            continue
        numbers = [read_number(each) for each in match.groups() if each]
        if None in numbers:
            return None
        first, last = float(numbers[0] or 0.0), float(numbers[-1] or 0.0)
        if name == "from":
            return PointsBand(first, math.inf)
        if name in {"between", "number"}:
            return PointsBand(first, last) if first <= last else None
        return PointsBand(0.0, first, name == "below") if first > 0 else None
    return None


def band_bounds(bands: Sequence[tuple[PointsBand, float]]) -> dict[str, float]:
    """Bands with their points as lower bounds with points; what lies between two bands gets 0.

    A band ends before the next number of as many digits: 500-999 holds all below 1000, 0.5-0.9 all below 1.

    Raises
    ------
    ValueError
        If two bands share numbers.

    Examples
    --------
    >>> band_bounds([(PointsBand(100, 499), 10.0), (PointsBand(1000, float("inf")), 5.0)])
    {'100': 10.0, '500': 0.0, '1000': 5.0}
    """
    ranked = sorted(bands, key=lambda each: each[0].low)
    found: dict[str, float] = {}
    for place, (band, points) in enumerate(ranked):
        next_low = ranked[place + 1][0].low if place + 1 < len(ranked) else math.inf
        touches = band.high == next_low and band.low < next_low
        if band.low == next_low or (band.high >= next_low and not touches):
            raise ValueError(f"{_shown(band)} and {_shown(ranked[place + 1][0])} share numbers")
        found[_text(band.low)] = points
        end = band.high if band.is_open or math.isinf(band.high) else _just_above(band.high)
        if end < next_low:
            found[_text(end)] = 0.0
    return found


def _just_above(number: float) -> float:
    digits = len(_text(number).partition(".")[2])
    return round(number + 10.0**-digits, digits)


def _text(number: float) -> str:
    return f"{number:.0f}" if float(number).is_integer() else repr(number)


def _shown(band: PointsBand) -> str:
    return f"{_text(band.low)}+" if math.isinf(band.high) else f"{_text(band.low)} to {_text(band.high)}"
