"""Feedback from a CSV: every row read and judged before anything is written, and each answer added once."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import InputError

if TYPE_CHECKING:
    from pipeline.ledger.feedback import Feedback
    from pipeline.ledger.store import Ledger

__all__ = ["Imported", "import_feedback"]

REQUIRED = ("lead_id", "by")
COLUMNS = ("lead_id", "verdict", "code", "note", "worked_at", "by")
BEYOND = "(beyond the header)"
AT_ONCE = 500  # leads looked up in one question
MOST_NAMED = 20
MAX_SOURCE = 100
Fault = tuple[int, str]
Read = tuple[int, "Feedback"]


@dataclass(frozen=True)
class Imported:
    """What came of a file: rows in = added + already there + refused.

    Attributes
    ----------
    faults : (line, what is wrong) of each row that was refused.
    """

    rows_in: int
    added: int
    already_there: int
    faults: tuple[Fault, ...]

    def to_json(self) -> dict[str, Any]:
        """The counts and the faults as JSON values."""
        return {
            "rows_in": self.rows_in, "added": self.added, "already_there": self.already_there,
            "refused": len(self.faults), "faults": [{"line": line, "why": why} for line, why in self.faults],
        }  # fmt: skip


def import_feedback(ledger: Ledger, project: str, path: Path, *, is_skipping: bool = False) -> Imported:
    """Add the answers of a file; the same file twice adds nothing.

    The header names lead_id and by, and any of verdict, code, note and worked_at. Rows alike in all of them are one.

    Parameters
    ----------
    is_skipping : whether the good rows are added where others are bad.

    Raises
    ------
    InputError
        If the file can't be read, its header is another one, or a row is bad and none is to be skipped; nothing is
        written.
    """
    from pipeline.ledger.feedback import add_all

    faults = tuple(_faults(ledger, project, path))
    n = sum(1 for _ in _rows(path))
    if faults and not is_skipping:
        listed = "".join(f"\n  line {line}: {why}" for line, why in faults[:MOST_NAMED])
        more = f"\n  and {len(faults) - MOST_NAMED:,} more" if len(faults) > MOST_NAMED else ""
        raise InputError(
            f"{len(faults):,} of {n:,} rows in {path} can't be used; nothing was written. Mend them, or add the others "
            f"with --skip-bad:{listed}{more}"
        )
    bad = {line for line, _ in faults}
    good = (given for line, given in _answers(path) if line not in bad and not isinstance(given, str))
    named = ((given, _name(given)) for given in good)
    added, there = add_all(ledger, project, named, source=path.name[-MAX_SOURCE:])
    return Imported(n, added, there, faults)


def _name(given: Feedback) -> str:
    """What makes it the same answer in another file, or in this one read again."""
    return json.dumps(vars(given), default=str)


def _faults(ledger: Ledger, project: str, path: Path) -> Iterator[Fault]:
    """(line, what is wrong) of each bad row, in their order but for a few hundred rows."""
    from pipeline.ledger.feedback import unknown_leads

    left = _answers(path)
    while chosen := list(islice(left, AT_ONCE)):
        lead_ids = {given.lead_id for _, given in chosen if not isinstance(given, str)}
        with ledger.reading() as connection:
            unknown = unknown_leads(connection, project, lead_ids)
        for line, given in chosen:
            if isinstance(given, str):
                yield line, given
            elif given.lead_id in unknown:
                yield line, f"no run of {project} in the ledger has scored '{given.lead_id}'"


def _answers(path: Path) -> Iterator[tuple[int, Feedback | str]]:
    """(line, the answer or what is wrong with it) of each row."""
    for line, cells in _rows(path):
        try:
            yield line, _answer(cells)
        except InputError as error:
            yield line, str(error)


def _answer(cells: dict[str, str]) -> Feedback:
    from pipeline.ledger.feedback import Feedback

    if BEYOND in cells:
        raise InputError("it has more cells than the header; put texts with a comma in quotes")
    moment = cells.get("worked_at") or None
    try:
        worked_at = None if moment is None else datetime.fromisoformat(moment)
    except ValueError:
        raise InputError(f"worked_at is {moment!r}, expected a moment such as 2026-03-31T09:00:00Z") from None
    verdict, code = ((cells.get(name) or "").casefold() or None for name in ("verdict", "code"))
    lead_id, by = (cells.get(name, "") for name in REQUIRED)
    return Feedback(lead_id, verdict, code, cells.get("note"), worked_at, by)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(first line, cells by column) of each row that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            names = next(reader, [])
            _refuse_header(path, names)
            last = reader.line_num
            for row in reader:
                first, last = last + 1, reader.line_num
                if row:
                    beyond = {BEYOND: ""} if len(row) > len(names) else {}
                    yield first, dict(zip(names, map(str.strip, row), strict=False)) | beyond
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The file {path} can't be read: {error}. Feedback is a CSV in UTF-8.") from error


def _refuse_header(path: Path, names: list[str]) -> None:
    lost = [name for name in REQUIRED if name not in names]
    stray = [name for name in names if name not in COLUMNS]
    double = [name for name, n in Counter(names).items() if n > 1]
    if not lost and not stray and not double:
        return
    faults = (("without", lost), ("with the unknown", stray), ("twice with", double))
    said = "; ".join(f"{words} {', '.join(map(repr, found))}" for words, found in faults if found)
    raise InputError(
        f"The first line of {path} is {','.join(names)!r}: {said}. Expected are {', '.join(COLUMNS)}, separated by "
        f"commas; {' and '.join(REQUIRED)} are needed."
    )
