"""Phrases, numbers and dates as the project's language writes them."""

from __future__ import annotations

import math

import numpy as np

from features.asof import NEVER
from models.english import ENGLISH
from models.language import Phrase, plural_rule
from models.settings import WordingSettings

__all__ = ["Phrases"]

_LARGEST = 1e15  # beyond it a number is a fault of the data; its digits would say nothing
_SINGULAR_FIRST = plural_rule("n != 1")


class Phrases:
    """The phrases of a language; a key that the settings leave out stays English.

    A phrase left in English follows the English plural; numbers are written in the language's way.

    Examples
    --------
    >>> phrases = Phrases()
    >>> phrases.text("reason.unknown", what="company size"), phrases.counted("unit.day", 1)
    ('company size unknown', '1 day')
    """

    def __init__(self, settings: WordingSettings | None = None) -> None:
        settings = settings or WordingSettings()
        self.language = settings.language
        self._table: dict[str, Phrase] = {**ENGLISH, **settings.phrases}
        self._own = frozenset(settings.phrases)
        self._rule = plural_rule(settings.plural)
        self._marks = str.maketrans({",": settings.thousands, ".": settings.decimal})

    def text(self, key: str, **values: object) -> str:
        """The phrase with its placeholders filled; numbers are written by `number`, all else by `str`."""
        template = self._table[key]
        assert isinstance(template, str), f"the phrase '{key}' has plural forms"
        return template.format(**{name: self._shown(value) for name, value in values.items()})

    def plural(self, key: str, n: float, **values: object) -> str:
        """The form of a phrase that suits `n`, `{count}` and the other placeholders filled."""
        return self._form(key, n).format(
            count=self.number(n), **{name: self._shown(value) for name, value in values.items()}
        )

    def noun(self, key: str, n: float) -> str:
        """The form of a noun that suits `n`; a number that is not whole takes the last form."""
        return self._form(key, n)

    def counted(self, key: str, n: float) -> str:
        """A number with its noun: "3 days", "1 day"."""
        return self.text("number.counted", count=n, noun=self.noun(key, n))

    def number(self, x: float) -> str:
        """A number, whole where it is whole or large, else two decimals, or two digits where those say 0.

        Examples
        --------
        >>> [Phrases().number(x) for x in (1234.56, 2.5, -0.0004, float("nan"))]
        ['1,235', '2.5', '-0.0004', 'unknown']
        """
        if math.isnan(x):
            return self.text("number.unknown")
        if abs(x) >= _LARGEST:
            limit = f"{math.copysign(_LARGEST, x):,.0f}".translate(self._marks)
            return self.text("number.over" if x > 0 else "number.under", limit=limit)
        if x == round(x) or abs(x) >= 1000:
            return f"{round(x):,d}".translate(self._marks)
        written = f"{x:,.2f}".rstrip("0").rstrip(".")
        if written in {"0", "-0"}:
            written = np.format_float_positional(x, precision=2, fractional=False, trim="-")
        return written.translate(self._marks)

    def date(self, microseconds: int) -> str:
        """The UTC day of a moment in microseconds since 1970, `2026-03-01` unless the phrase "date" differs."""
        if microseconds == NEVER:
            return self.text("number.unknown")
        year, month, day = str(np.datetime64(microseconds, "us").astype("datetime64[D]")).rsplit("-", 2)
        return self.text("date", year=year, month=month, day=day)

    def moment(self, microseconds: int) -> str:
        """The UTC day of a moment, with the time of day unless it is midnight."""
        time = str(np.datetime64(microseconds, "us").astype("datetime64[m]")).partition("T")[2]
        day = self.date(microseconds)
        return day if microseconds == NEVER or time == "00:00" else f"{day} {time} UTC"

    def days(self, x: float) -> str:
        """A time in days: whole days, under one day hours; what has fully passed, so rounded down."""
        unit, n = _whole(x)
        if unit == "unknown":
            return self.text("number.unknown")
        return self.text("unit.under_hour") if unit == "under_hour" else self.counted(f"unit.{unit}", n)

    def lapse(self, section: str, x: float) -> str:
        """A time in days within a phrase of its own: of "ago" `3 days ago`, of "open" `Open for 3 days`.

        Parameters
        ----------
        section : a section of the table with the keys `day`, `hour` and `under_hour`.
        """
        unit, n = _whole(x)
        if unit == "unknown":
            return self.text("number.unknown")
        return self.text(f"{section}.{unit}") if unit == "under_hour" else self.plural(f"{section}.{unit}", n)

    def _form(self, key: str, n: float) -> str:
        forms = self._table[key]
        assert isinstance(forms, tuple), f"the phrase '{key}' has no plural forms"
        size = abs(n)
        if not math.isfinite(size) or size != int(size):
            return forms[-1]
        rule = self._rule if key in self._own else _SINGULAR_FIRST
        return forms[min(rule(int(size)), len(forms) - 1)]

    def _shown(self, value: object) -> str:
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        return self.number(float(value)) if is_number else str(value)  # type: ignore[arg-type]


def _whole(days: float) -> tuple[str, int]:
    """(unit, how many) of what has fully passed; a negative time counts as none."""
    if not math.isfinite(days):
        return "unknown", 0
    if days >= 1:
        return "day", int(days)
    hours = int(days * 24)
    return ("hour", hours) if hours > 0 else ("under_hour", 0)
