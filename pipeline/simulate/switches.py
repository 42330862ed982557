"""Names of the mechanisms that a simulated world may be given (`on`) or denied (`off`)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["OFF", "ON", "faults_of"]

# The position of a name in ON seeds its random draws: new names go to the end.
ON = ("segments", "personas", "competitor", "growth", "memory", "buying")
OFF = ("fit", "entry", "activity", "lifecycle", "amount", "product", "account", "negative")


def faults_of(field: str, names: Iterable[str], known: tuple[str, ...]) -> list[str]:
    """What is wrong with the names given, one text a fault, each with the nearest known name.

    Examples
    --------
    >>> faults_of("off", ["amont"], OFF)
    ["off holds 'amont', expected 'amount'"]
    """
    faults = []
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            faults.append(f"{field} holds {name!r}, expected {repr(near[0]) if near else ', '.join(known)}")
    return faults
