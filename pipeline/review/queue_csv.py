"""The queue as CSV that a spreadsheet opens as text, whatever leads call themselves."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

__all__ = ["csv_lines", "plain_cell"]

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# a spreadsheet that parts cells at another sign than the comma sees a cell, or a row, of its own behind it
INNER = re.compile(
    r"([;|\t\n\v\f\r\x85\u2028\u2029](?:[^\S\t\n\v\f\r\x85\u2028\u2029]|[\"\u200b\ufeff])*)(?=[=+\-@＝＋－＠])"
)
BYTE_ORDER_MARK = "\ufeff"  # without it Excel takes UTF-8 for another encoding
COLUMNS = (
    "rank", "lead_id", "product", "name", "company", "account_id", "owner", "segment", "score", "band",
    "probability", "expected_value", "score_before", "band_before", "fit_grade", "engagement_grade", "first_reason",
    "first_points", "silent_until", "is_awake",
)  # fmt: skip
OF_OVERRIDE = {
    "override": "action", "override_owner": "owner", "override_reason": "reason", "override_until": "until",
}  # fmt: skip
OF_ANSWER = {
    "answer": "verdict", "answer_code": "code", "answered_by": "by", "worked_at": "worked_at",
    "answer_recorded_at": "recorded_at",
}  # fmt: skip


def plain_cell(value: Any) -> Any:
    """The value as a cell; an apostrophe stands before a text that a spreadsheet would run as a formula.

    Examples
    --------
    >>> plain_cell("=1+1"), plain_cell(" @SUM(A1)"), plain_cell(-2.5), plain_cell("Müller; Söhne")
    ("'=1+1", "' @SUM(A1)", -2.5, 'Müller; Söhne')
    >>> plain_cell("Müller;=1+1")
    "Müller;'=1+1"
    """
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str):
        return value
    # to find none is quicker than to replace none
    inside = INNER.sub(r"\1'", value) if INNER.search(value) else value
    return f"'{inside}" if value.lstrip(" \u00a0\ufeff\u200b").startswith(STARTS) else inside


def csv_lines(parts: Iterable[list[dict[str, Any]]]) -> Iterator[str]:
    """The lines of a CSV with a heading, a text a part; `override` and `answer` of a row may be None."""
    yield BYTE_ORDER_MARK + _text([(*COLUMNS, *OF_OVERRIDE, *OF_ANSWER)])
    for rows in parts:
        yield _text([[plain_cell(each) for each in _cells(row)] for row in rows])


def _cells(row: dict[str, Any]) -> list[Any]:
    override, answer = row["override"] or {}, row["answer"] or {}
    answer = answer and {**answer, "verdict": answer["verdict"] or "worked"}
    return [
        *(row[name] for name in COLUMNS),
        *(override.get(name) for name in OF_OVERRIDE.values()),
        *(answer.get(name) for name in OF_ANSWER.values()),
    ]


def _text(rows: Iterable[Iterable[Any]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()
