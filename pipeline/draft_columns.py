"""Guesses what the columns of an export hold: kinds of attributes, what to bar, the label, the order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.settings import Kind
from features.values import parse_booleans, parse_numbers
from pipeline.audit.words import name_hint
from pipeline.draft_files import Export, plain, time_format_of
from pipeline.draft_names import LABEL_NAMES

__all__ = [
    "Bar",
    "ColumnGuess",
    "LabelGuess",
    "guess_column",
    "guess_end",
    "guess_label",
    "guess_order",
    "outcome_values",
]

Bar = Literal[
    "personal data", "id-like", "constant", "without a value", "a date", "free text", "written at the end"
]

_PERSONAL = re.compile(
    r"(first|last|sur|middle|full|given|family|contact|lead|person|customer)?name|salutation|.*phone.*|"
    r".*mobile.*|fax|.*street.*|.*address.*|.*birth.*|.*linkedin.*|.*twitter.*|.*skype.*|ipaddress|ip|.*website.*url|"
    r"(lead|contact|record)?owner(name|email|id)?|.*createdby.*|.*modifiedby.*|.*bemail$"
)
_EMAIL = re.compile(r"(work|business|primary|lead|contact)?e?mail(address)?\d?")
_SIZE = re.compile(r"(numberof|noof|num|no)?employees?(count|range)?|company(size|headcount)|headcount|size")
_TITLE = re.compile(r"(job|lead|contact)?(title|position|role|function)|jobtitle.*")
_CODE = re.compile(r".*(zip|postal|postcode|code)$")
_ENDS = re.compile(
    r"(actual)?close(d)?(date|at|value|amount|reason)|converted.*|(lost|won).*|.*(lost|won)reason"
)
_WON = (
    r"1|true|yes|y|t|won|closed ?won|converted|customer|success(ful)?|approved|.*_approved|accepted|"
    r"subscribed|bought|purchased|sold|sale"
)
_LOST = (
    r"0|false|no|n|f|lost|closed ?lost|not converted|rejected|declined|disqualified|unqualified|dead|failed|"
    r"failure|unsubscribed"
)
_OPEN = (
    r".*open.*|.*pending.*|in progress|new|working|qualified|engaging|prospecting|negotiation.*|proposal.*|"
    r"nurtur.*|contacted"
)


@dataclass(frozen=True)
class ColumnGuess:
    """What a column seems to be: the kind of attribute, or why it is barred."""

    name: str
    kind: Kind | None
    bar: Bar | None = None
    is_desk: bool = False


@dataclass(frozen=True)
class LabelGuess:
    """The label of a flat export with its values as they are written there."""

    column: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    others: tuple[str, ...] = ()


def guess_column(export: Export, name: str, *, is_flat: bool) -> ColumnGuess:
    """The kind of one column, or why it should be barred."""
    present = export.values(name).dropna()
    bar = _bar(present, plain(name), is_flat=is_flat)
    if bar is not None:
        return ColumnGuess(name, None, bar)
    text = present.astype("str").str.strip()
    return ColumnGuess(name, *_kind(text, plain(name), text.nunique()), is_desk=name_hint(name) is not None)


def _bar(present: pd.Series, short: str, *, is_flat: bool) -> Bar | None:
    if present.empty:
        return "without a value"
    if time_format_of(present)[0]:
        return "a date"
    text = present.astype("str").str.strip()
    is_mail = _is_mail(text)
    if (is_mail and not _EMAIL.fullmatch(short)) or (not is_mail and _PERSONAL.fullmatch(short)):
        return "personal data"
    if text.nunique() == 1:
        return "constant"
    return "written at the end" if is_flat and _ENDS.fullmatch(short) else None


def _is_mail(text: pd.Series) -> bool:
    return float(text.head(2_000).str.contains("@", regex=False).mean()) > 0.5


def _kind(text: pd.Series, short: str, distinct: int) -> tuple[Kind | None, Bar | None]:
    if _is_mail(text):
        return "email", None
    if _SIZE.fullmatch(short):
        return "company_size", None
    if _TITLE.fullmatch(short):
        return "job_title", None
    if distinct <= 2 and parse_booleans(text).values.notna().all():
        return "boolean", None
    return _number_or_text(text, short, distinct)


def _number_or_text(text: pd.Series, short: str, distinct: int) -> tuple[Kind | None, Bar | None]:
    n = len(text)
    is_number = parse_numbers(text).values.notna().mean() >= 0.995 and not _CODE.fullmatch(short)
    if is_number:
        is_id = text.str.fullmatch(r"\d+").all() and distinct >= 0.99 * n and n >= 20
        return (None, "id-like") if is_id else ("number", None)
    if distinct > 0.5 * n and n >= 20:
        return None, "free text" if float(text.str.len().mean()) > 40 or distinct < 0.9 * n else "id-like"
    return "category", None


def guess_label(export: Export, skip: set[str]) -> LabelGuess | None:
    """The column of a flat export that says who was won: by its name first, then by its values."""
    names = sorted(
        (str(name) for name in export.frame if str(name) not in skip and plain(str(name)) in LABEL_NAMES),
        key=lambda name: LABEL_NAMES.index(plain(name)),
    )
    for name in names:
        values = export.values(name).dropna().astype("str").str.strip()
        values = values.str.replace(r"^(\d+)\.0$", r"\1", regex=True)
        distinct = sorted(values.unique())
        if not 2 <= len(distinct) <= 20:
            continue
        positive = tuple(value for value in distinct if re.fullmatch(_WON, value.casefold()))
        negative = tuple(value for value in distinct if re.fullmatch(_LOST, value.casefold()))
        if positive and negative:
            others = tuple(value for value in distinct if value not in positive + negative)
            return LabelGuess(name, positive, negative, others)
    return None


def guess_end(export: Export, label: LabelGuess) -> str | None:
    """The date column that says when a lead ended: filled for those won or lost, empty for the others."""
    values = export.values(label.column).astype("str").str.strip()
    is_ended = values.isin([*label.positive, *label.negative]).to_numpy()
    if not 0 < is_ended.sum() < len(is_ended):
        return None
    for each in export.frame:
        name = str(each)
        if name in export.columns.values() or not time_format_of(export.values(name))[0]:
            continue
        is_filled = export.values(name).notna().to_numpy()
        if is_filled[is_ended].mean() >= 0.95 and is_filled[~is_ended].mean() <= 0.05:
            return name
    return None


def guess_order(export: Export, skip: set[str]) -> str | None:
    """A column of distinct whole numbers that rises or falls with the rows, else None."""
    for each in export.frame:
        name = str(each)
        if name in skip or not isinstance(export.frame[name].dtype, pd.StringDtype):
            continue
        numbers = parse_numbers(export.values(name)).values.to_numpy(dtype=np.float64)
        if np.isnan(numbers).any() or len(numbers) < 20 or len(np.unique(numbers)) < 0.99 * len(numbers):
            continue
        steps = np.diff(numbers)
        is_sorted = max((steps >= 0).mean(), (steps <= 0).mean()) >= 0.99
        if is_sorted and (numbers == np.round(numbers)).all():
            return name
    return None


def outcome_values(values: pd.Series) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, int], ...]]:
    """Outcomes that seem won, those that seem to end nothing, and all with their counts."""
    counts = values.dropna().astype("str").value_counts()
    ranked = tuple(
        sorted(((str(k), int(v)) for k, v in counts.items()), key=lambda item: (-item[1], item[0]))
    )
    won = tuple(value for value, _ in ranked if re.fullmatch(_WON, value.strip().casefold()))
    still = tuple(
        value for value, _ in ranked if value not in won and re.fullmatch(_OPEN, value.strip().casefold())
    )
    return won, still, ranked
