"""Attributes read as rules ask for them: the words a value goes by, and its number."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.explicit import attribute_values
from features.prepare import FeatureSources
from features.settings import AttributeSettings, Kind
from features.titles import SENIORITIES, department, role, seniority, size_band
from features.view import RowView

__all__ = ["READERS", "Reading", "attribute_readings", "plain", "reader_fault", "refuse_unreadable"]

READERS = ("department", "role", "seniority")
_READ_AS = {"role": role, "department": department}


@dataclass(frozen=True)
class Reading:
    """What a rule sees of one value.

    Attributes
    ----------
    words : what the value may be called, in plain letters; empty where a reader finds nothing in it.
    number : the number in it, a company size's lower end, or the place in `SENIORITIES`; None without one.
    """

    words: tuple[str, ...]
    number: float | None


def attribute_readings(
    view: RowView, attribute: str, sources: FeatureSources
) -> tuple[NDArray[np.int64], list[Reading]]:
    """(place of each row's value, its readings) of an attribute as it was known at as_of; -1 for missing.

    Parameters
    ----------
    attribute : a declared attribute; after a dot may stand one of `READERS`, as in "job_title.seniority".
    """
    name, _, reader = attribute.partition(".")
    availability = "at_creation" if sources.is_static else sources.attributes.availability()[name]
    values = attribute_values(view, name, availability)
    codes, unique = pd.factorize(pd.Series(values, dtype=object), use_na_sentinel=True)
    is_boolean = sources.attributes.kinds()[name] == "boolean"
    return codes.astype(np.int64), [_read(value, reader, is_boolean=is_boolean) for value in unique]


def refuse_unreadable(
    names: Iterable[str], section: str, attributes: AttributeSettings, *, is_static: bool, instead: str
) -> None:
    """Nothing, where rules can read every named attribute as of any moment.

    Parameters
    ----------
    section : where the rules stand, such as "overrides.rules".
    instead : what to do about an attribute of which only today's value is known.

    Raises
    ------
    ValueError
        If one is not declared, is read in a way that does not exist, or only today's value of it is known.
    """
    since = attributes.availability()
    for name in names:
        base = name.partition(".")[0]
        if base not in since:
            near = difflib.get_close_matches(base, list(since), n=1, cutoff=0.5)
            cure = f"did you mean '{near[0]}'?" if near else "declare it under [attributes]"
            raise ValueError(f"{section}: '{base}' is no declared attribute; {cure}")
        fault = reader_fault(name, attributes.kinds())
        if fault is not None:
            raise ValueError(f"{section}: {fault}")
        if since[base] == "current" and not is_static and base not in attributes.waived:
            raise ValueError(
                f"{section}: of '{base}' only today's value is known (attributes.current), not the one at as_of; "
                f"{instead}"
            )


def reader_fault(attribute: str, kinds: Mapping[str, Kind]) -> str | None:
    """What is wrong with the reader after the dot of a declared attribute, with the cure; None for nothing.

    Examples
    --------
    >>> reader_fault("title.role", {"title": "job_title"})
    >>> reader_fault("title.roll", {"title": "job_title"})
    "'title.roll': after the dot may stand department, role, seniority; did you mean 'role'?"
    """
    base, dot, reader = attribute.partition(".")
    if not dot:
        return None
    if reader not in READERS:
        near = difflib.get_close_matches(reader, READERS, n=1, cutoff=0.5)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return f"'{attribute}': after the dot may stand {', '.join(READERS)}{hint}"
    if kinds[base] not in {"job_title", "category"}:
        return (
            f"'{attribute}': a {reader} is read from job titles, and '{base}' is declared as {kinds[base]}; declare "
            "it as job_title if it holds them, or leave out what follows the dot"
        )
    return None


def plain(text: str) -> str:
    """In lower case, blanks at the ends and in a row removed."""
    return " ".join(text.split()).casefold()


def _read(value: object, reader: str, *, is_boolean: bool) -> Reading:
    words = _words_of(value, is_boolean=is_boolean)
    text = words[0]
    if reader == "seniority":
        level = seniority(text)
        return Reading((), None) if level is None else Reading((SENIORITIES[level],), float(level))
    number = size_band(text) if len(words) == 1 else float(text)
    if reader:
        found = _READ_AS[reader](text)
        return Reading(() if found is None else (plain(found),), number)
    return Reading(tuple(plain(each) for each in words), number)


def _words_of(value: object, *, is_boolean: bool) -> tuple[str, ...]:
    """A value as people write it: 3.0 is also 3, a boolean's 1.0 also yes and true."""
    if not isinstance(value, int | float):
        return (str(value),)
    exact = (repr(float(value)), f"{value:.0f}" if float(value).is_integer() else repr(value))
    return (*exact, *(("yes", "true") if value else ("no", "false"))) if is_boolean else exact
