"""Explicit features: who the lead is, from attributes as they were known at as_of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Feature
from features.errors import ConfigError
from features.kernel import first_at_or_after
from features.prepare import ChangeLog, FeatureSources
from features.settings import Kind
from features.titles import (
    DEPARTMENTS,
    EMAIL_KINDS,
    SENIORITIES,
    department,
    email_kind,
    seniority,
    size_band,
)
from features.view import RowView

__all__ = ["attribute_values", "describe_explicit", "explicit_column", "normalised"]

Float64 = NDArray[np.float64]
Objects = NDArray[np.object_]
UNKNOWN = "(unknown)"


def describe_explicit(view: RowView, sources: FeatureSources) -> list[Feature]:
    """Features of every usable attribute, vocabularies and missing flags learned from the rows."""
    found: list[Feature] = []
    for name, (kind, availability) in sources.usable().items():
        if availability != "history" and name not in view.data.leads.columns:
            continue  # a field of leads, where accounts are scored
        values = attribute_values(view, name, availability if not sources.is_static else "at_creation")
        words = sources.features.words.get(name, name.replace("_", " "))
        is_missing = pd.isna(values)
        if is_missing.all():
            continue
        found += _of_kind(name, kind, values, words, sources)
        if (
            sources.features.missing_flags
            and is_missing.any()
            and kind in {"number", "boolean", "company_size"}
        ):
            found.append(
                Feature("explicit", name, "missing", unit="flag", group=f"attribute:{name}", words=words)
            )
    return found


def _of_kind(name: str, kind: Kind, values: Objects, words: str, sources: FeatureSources) -> list[Feature]:
    if kind in {"number", "boolean"}:
        unit = "number" if kind == "number" else "flag"
        return [Feature("explicit", name, "value", unit=unit, group=f"attribute:{name}", words=words)]  # type: ignore[arg-type]
    if kind == "company_size":
        return [Feature("explicit", name, "size", unit="number", group=f"attribute:{name}", words=words)]
    if kind == "email":
        return [_category(name, "email_kind", EMAIL_KINDS, "e-mail address")]
    if kind == "job_title":
        level = Feature(
            "explicit",
            name,
            "seniority",
            unit="level",
            group=f"attribute:{name}:seniority",
            words="seniority",
        )
        decides = Feature(
            "explicit",
            name,
            "decision_maker",
            unit="flag",
            group=f"attribute:{name}:seniority",
            words="seniority",
        )
        return [level, decides, _category(name, "department", DEPARTMENTS, "department")]
    settings = sources.attributes
    counts = pd.Series(normalised(values)).value_counts()
    if not sources.features.missing_flags:
        counts = counts.drop(UNKNOWN, errors="ignore")
    frequent = counts[counts >= settings.min_category_rows]
    ranked = sorted(frequent.items(), key=lambda item: (-item[1], str(item[0])))[: settings.max_categories]
    levels = tuple(sorted(str(value) for value, _ in ranked))
    return [
        Feature(
            "explicit",
            name,
            "category",
            unit="category",
            group=f"attribute:{name}",
            words=words,
            levels=levels,
            spelling=_spelling(values, levels),
        )
    ]


def _spelling(values: Objects, levels: tuple[str, ...]) -> tuple[str, ...]:
    """How each level is mostly written among the values; of equally many the first in the alphabet."""
    counts = (
        pd.Series(values, dtype=object).dropna().map(lambda each: " ".join(str(each).split())).value_counts()
    )
    ranked = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    mostly: dict[str, str] = {}
    for text, _ in ranked:
        mostly.setdefault(str(text).casefold(), str(text))
    return tuple(mostly.get(level, level) for level in levels)


def _category(name: str, op: str, levels: tuple[str, ...], words: str) -> Feature:
    return Feature(
        "explicit", name, op, unit="category", group=f"attribute:{name}:{op}", words=words, levels=levels
    )


def explicit_column(view: RowView, feature: Feature, sources: FeatureSources) -> Float64:
    """The column of an explicit feature.

    Categories hold the index into `levels`, `len(levels)` for any other value, NaN for missing (or the
    same as other, where missing flags are off).
    """
    _, availability = sources.usable()[feature.source]
    values = attribute_values(view, feature.source, "at_creation" if sources.is_static else availability)
    if feature.op == "value":
        return _mapped(values, _as_number)
    if feature.op == "missing":
        return pd.isna(values).astype(np.float64)
    if feature.op == "category":
        return _coded(values, feature.levels, _casefolded, is_missing_told=sources.features.missing_flags)
    if feature.op == "decision_maker":
        levels = _mapped(values, seniority)
        return np.where(
            np.isnan(levels), np.nan, (levels >= SENIORITIES.index("director")).astype(np.float64)
        )
    parsed: dict[str, Callable[[str], float | None]] = {"seniority": seniority, "size": size_band}
    if feature.op in parsed:
        return _mapped(values, parsed[feature.op])
    reader = {"email_kind": email_kind, "department": department}[feature.op]
    return _coded(values, feature.levels, reader, is_missing_told=True)


def attribute_values(view: RowView, name: str, availability: str) -> Objects:
    """The attribute of each row's lead as known at as_of; missing values are None or NaN.

    `history` is the last change strictly before as_of, missing before the first recorded change: what
    the field held earlier can't be told from a later entry without looking ahead.
    """
    if availability != "history":
        if name not in view.data.leads:
            raise ConfigError(
                f"'{name}' is read by a rule, but the rows that are scored here hold no such attribute. Take it out of "
                "the rules, or name one that they hold."
            )
        column = view.data.leads[name].to_numpy(dtype=object)
        return column[view.rows.lead]
    result: Objects = np.full(len(view), None, dtype=object)
    of_account = view.data.account_changes.get(name)
    if of_account is not None:
        result = _value_at(of_account, view.data.account[view.rows.lead], view.rows.as_of, result)
    of_lead = view.data.lead_changes.get(name)
    if of_lead is not None:
        result = _value_at(of_lead, view.rows.lead, view.rows.as_of, result)
    return result


def _value_at(
    log: ChangeLog, owner: NDArray[np.int64], as_of: NDArray[np.int64], default: Objects
) -> Objects:
    if len(log.owner) == 0:  # every change came later and was let go
        return default
    low, high = np.searchsorted(log.owner, owner), np.searchsorted(log.owner, owner, side="right")
    last = first_at_or_after(log.time, low.astype(np.int64), high.astype(np.int64), as_of) - 1
    return np.where(last >= low, log.value[np.maximum(last, 0)], default)


def normalised(values: Objects) -> Objects:
    """Values in lower case, blanks at the ends and in a row removed; missing as `(unknown)`.

    Examples
    --------
    >>> normalised(np.array([" Google  Ads", None], dtype=object)).tolist()
    ['google ads', '(unknown)']
    """
    codes, unique = pd.factorize(pd.Series(values, dtype=object), use_na_sentinel=True)
    words = np.array([*(_casefolded(str(value)) for value in unique), UNKNOWN], dtype=object)
    return words[codes]


def _as_number(text: str) -> float | None:
    """A number, or 1 and 0 for yes and no: changes are logged as text."""
    word = text.strip().casefold()
    if word in {"true", "yes", "y", "t"}:
        return 1.0
    return 0.0 if word in {"false", "no", "n", "f"} else float(word)


def _casefolded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _coded(
    values: Objects, levels: tuple[str, ...], read: Callable[[str], str | None], *, is_missing_told: bool
) -> Float64:
    place = {level: float(i) for i, level in enumerate(levels)}
    other = float(len(levels))
    missing = np.nan if is_missing_told else other
    codes, unique = pd.factorize(pd.Series(values, dtype=object), use_na_sentinel=True)
    table = [_place_of(read(str(value)), place, other, missing) for value in unique]
    unknown = place.get(UNKNOWN, missing)
    return np.array([*table, unknown])[codes]


def _place_of(level: str | None, place: dict[str, float], other: float, missing: float) -> float:
    return missing if level is None else place.get(level, other)


def _mapped(values: Objects, read: Callable[[str], float | None]) -> Float64:
    codes, unique = pd.factorize(pd.Series(values, dtype=object), use_na_sentinel=True)
    read_values = (read(str(value)) for value in unique)
    return np.array([*(np.nan if each is None else float(each) for each in read_values), np.nan])[codes]
