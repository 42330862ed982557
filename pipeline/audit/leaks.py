"""Weighs the evidence on all columns together and names the suspects."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.audit.aggregates import Aggregates
from pipeline.audit.evidence import ColumnEvidence, examine
from pipeline.audit.frames import AuditColumn, LeadHistory
from pipeline.audit.result import Grade, Suspect
from pipeline.audit.signs import Sign
from pipeline.audit.statistics import time_blocks

__all__ = ["grade_of", "suspect_columns"]

Mask = NDArray[np.bool_]
_RANK = {"conclusive": 0, "strong": 1, "calendar": 2, "telling": 3, "some": 4}
_REPORTED_WORDS = 3


def suspect_columns(
    columns: list[AuditColumn], history: LeadHistory, has_account: Mask, today: Aggregates
) -> list[Suspect]:
    """Suspects among the columns of leads and accounts, leaks first, then in the order of the file.

    Columns with the same missing pattern are judged together: what is filled in one act has one author.
    """
    found = [examine(column, history, has_account, today) for column in columns if column.kind != "empty"]
    found = _with_blocks(found, history)
    graded = [(each, grade_of(each)) for each in found]
    graded = _with_company(graded)
    suspects = [_suspect(each, grade) for each, grade in graded if grade is not None]
    return sorted(suspects, key=lambda suspect: suspect.grade != "leak")


def grade_of(evidence: ColumnEvidence) -> Grade | None:
    """`leak`, `look` or nothing; a name or a word never names a column without a measured sign.

    - leak: one conclusive sign; or power and sure values both strong; or a name that tells the act of
      selling, or two values or more that do, together with any strong sign or power; or a weaker name
      (score, quality, profile ...) together with two independent signs.
    - look: any other strong sign, a telling one, and what tells the period.
    """
    conclusive, strong = evidence.has("conclusive"), evidence.has("strong")
    measured = {sign.kind for sign in evidence.has("conclusive", "strong", "telling", "some")}
    has_desk_use = evidence.hint == "strong" or len(evidence.desk_words) >= 2
    if evidence.has("calendar") and not conclusive:
        return "look"
    if conclusive or {"power", "sure_values"} <= {sign.kind for sign in strong}:
        return "leak"
    if has_desk_use and measured:
        return "leak" if strong or "power" in measured else "look"
    if evidence.hint == "weak" and len(measured) >= 2 and strong:
        return "leak"
    return "look" if strong or evidence.has("telling") else None


def _with_blocks(found: list[ColumnEvidence], history: LeadHistory) -> list[ColumnEvidence]:
    """Add `batch_filled` to columns that are always filled together and whose filling comes and goes in time.

    The limit: two columns or more, the same rows missing (all but 0.5 %), and the share filled over tenths
    of time moves by half or more both up and down: a field of a form is introduced once, not filled for
    a while.
    """
    if not history.is_ordered:
        return found
    tenth = time_blocks(history.order)
    groups = _same_missing([each.column for each in found])
    signs: dict[int, list[Sign]] = defaultdict(list)
    for members in groups:
        missing = found[members[0]].column.is_missing
        filled = np.array([1 - missing[tenth == block].mean() for block in np.unique(tenth)])
        swing = min(_rise(filled), _rise(filled[::-1]))
        if swing < 0.5:
            continue
        best = max((found[k] for k in members), key=lambda each: each.power.auc if each.power else 0.0)
        words = (
            f"{len(members)} columns are filled in the same {int((~missing).sum())} of {len(missing)} "
            f"leads, and the share filled swings between {filled.min():.0%} and {filled.max():.0%} over "
            "time: written in batches"
        )
        for k in members:
            signs[k].append(Sign("batch_filled", "strong", words))
            if best is not found[k] and any(sign.kind == "power" for sign in best.signs):
                auc = best.power.auc if best.power else 0.0
                words_too = f"its companion {best.column.name!r} ranks won above lost with AUC {auc:.2f}"
                signs[k].append(Sign("comes_with_power", "some", words_too))
    return [replace(each, signs=(*each.signs, *signs[k])) for k, each in enumerate(found)]


def _with_company(
    graded: list[tuple[ColumnEvidence, Grade | None]],
) -> list[tuple[ColumnEvidence, Grade | None]]:
    """Columns that are missing in the same rows as a leak become at least `look`."""
    groups = _same_missing([each.column for each, _ in graded])
    result = list(graded)
    for members in groups:
        leaks = [graded[k][0].column.name for k in members if graded[k][1] == "leak"]
        for k in members if leaks else []:
            evidence, grade = graded[k]
            if grade != "leak":
                words = f"missing in the same leads as {leaks[0]!r}, which is a leak"
                joined = replace(evidence, signs=(*evidence.signs, Sign("comes_with_leak", "strong", words)))
                result[k] = (joined, grade_of(joined))
    return result


def _same_missing(columns: list[AuditColumn]) -> list[list[int]]:
    """Groups of two columns or more of the leads table that are missing in the same rows."""
    groups: list[list[int]] = []
    for k, column in enumerate(columns):
        missing = column.is_missing
        if column.table != "leads" or not 0.02 <= missing.mean() <= 0.98:
            continue
        for group in groups:
            if (columns[group[0]].is_missing != missing).mean() <= 0.005:
                group.append(k)
                break
        else:
            groups.append([k])
    return [group for group in groups if len(group) >= 2]


def _rise(shares: NDArray[np.float64]) -> float:
    """The largest rise from an earlier to a later share."""
    return float((shares - np.minimum.accumulate(shares)).max(initial=0.0))


def _suspect(evidence: ColumnEvidence, grade: Grade) -> Suspect:
    column = evidence.column
    signs = sorted(evidence.signs, key=lambda sign: _RANK[sign.weight])
    parts = [sign.words for sign in signs]
    if len(evidence.desk_words) >= 2:
        shown = ", ".join(repr(word) for word in evidence.desk_words[:_REPORTED_WORDS])
        parts.append(f"its values tell of the selling itself: {shown}")
    if evidence.hint:
        parts.append("its name suggests that the sales desk or a tool writes it")
    if column.use == "history":
        parts.append("today's value only: the project reads this field from the log, as of each moment")
    kinds = tuple(sign.kind for sign in signs)
    return Suspect(column.table, column.name, grade, kinds[0], "; ".join(parts) + ".", column.use, kinds)
