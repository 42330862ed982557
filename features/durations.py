"""Durations as people write them (`15m`, `30d`) and as the kernel counts them (microseconds)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

__all__ = ["MICROSECONDS", "Duration", "format_duration", "parse_duration"]

MICROSECONDS = {
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_PATTERN = re.compile(r"([0-9]{1,15})\s*([smhdw])")
_LONGEST = 365_000 * MICROSECONDS["d"]


def parse_duration(text: object) -> int:
    """Microseconds in a duration written as a whole number and a unit: s, m, h, d or w.

    Raises
    ------
    ValueError
        If the text is no such duration.

    Examples
    --------
    >>> parse_duration("15m")
    900000000
    """
    match = _PATTERN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(
            f"{text!r} is no duration; write a whole number and a unit, such as 15m, 1h, 30d or 8w"
        )
    found = int(match[1]) * MICROSECONDS[match[2]]
    if found > _LONGEST:
        raise ValueError(f"{text!r} is longer than 1000 years")
    return found


def format_duration(microseconds: int) -> str:
    """The shortest text in days, hours, minutes or seconds that says the duration exactly.

    Examples
    --------
    >>> format_duration(604_800_000_000), format_duration(5_400_000_000)
    ('7d', '90m')
    """
    for unit in "dhm":
        if microseconds % MICROSECONDS[unit] == 0:
            return f"{microseconds // MICROSECONDS[unit]}{unit}"
    return f"{microseconds // MICROSECONDS['s']}s"


Duration = Annotated[int, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
