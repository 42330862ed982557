"""What sales answered to a score: accept, reject or just worked, with a coded reason. It never trains a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, insert, or_, select, text
from sqlalchemy.exc import IntegrityError

from features.errors import InputError
from pipeline.ledger.schema import FEEDBACK, RUNS, SCORES, shown_of
from pipeline.ledger.store import Ledger
from pipeline.ledger.texts import MAX_NOTE, note_of, one_line, refuse_unstorable
from pipeline.ledger.worked import feedback_summary, worked_share

__all__ = [
    "CODES",
    "MAX_NOTE",
    "Feedback",
    "add_all",
    "add_feedback",
    "answers_on",
    "feedback_of",
    "feedback_summary",
    "latest_feedback",
    "unknown_leads",
    "worked_share",
]

CODES: dict[str, tuple[str, ...]] = {
    "accept": (
        "good fit", "active now", "known contact", "asked for a meeting", "already in talks", "other",
    ),
    "reject": (
        "wrong person", "no budget", "no need", "bad timing", "competitor", "not reachable", "duplicate",
        "student or job seeker", "other",
    ),
}  # fmt: skip
MAX_NAME = 100
IMPORT_LOCK = 7_305_882  # any number of our own
AT_ONCE = 100  # answers in one transaction: other writers wait for it
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
CLOCKS_APART = timedelta(minutes=5)  # the clock of a CRM may be a little fast
JUST_NOW = timedelta(seconds=10)  # a form that says "now" says another moment at each click
COLUMNS = (
    "number", "lead_id", "verdict", "code", "note", "worked_at", "by", "source", "recorded_at", "run", "score", "band",
)  # fmt: skip


@dataclass(frozen=True)
class Feedback:
    """One answer of sales about a lead.

    Attributes
    ----------
    verdict : accept or reject; None where the lead was only worked.
    code : one of `CODES` of the verdict; None where no reason was clicked.
    note : free text of at most `MAX_NOTE` characters, without control characters; None where empty.
    worked_at : when somebody called, wrote or met; aware, kept in UTC; None where not said.
    by : who answers.

    Raises
    ------
    InputError
        If the verdict or the code is unknown, there is neither verdict nor worked_at, the note is too long, nobody
        answers for it, or worked_at has no zone, lies in the future or before 1970.
    """

    lead_id: str
    verdict: str | None
    code: str | None
    note: str | None
    worked_at: datetime | None
    by: str

    def __post_init__(self) -> None:
        refuse_unstorable("lead_id", self.lead_id)
        object.__setattr__(self, "by", one_line("by", self.by, MAX_NAME))
        object.__setattr__(self, "note", note_of(self.note))
        self._refuse_unknown()
        self._refuse_untimely()

    def _refuse_unknown(self) -> None:
        if self.verdict is not None and self.verdict not in CODES:
            raise InputError(f"The verdict {self.verdict!r} is none of {', '.join(CODES)}.")
        if self.verdict is None and self.worked_at is None:
            raise InputError(
                f"The feedback on '{self.lead_id}' says neither accept nor reject, nor when it was worked. Give a "
                "verdict, worked_at or both."
            )
        if self.code is None:
            return
        known = CODES.get(self.verdict or "", ())
        if self.code not in known:
            meant = f"one of: {', '.join(known)}" if known else "a code beside accept or reject only"
            what = self.verdict or "work a lead"
            raise InputError(f"The code {self.code!r} is no reason to {what}; expected {meant}.")

    def _refuse_untimely(self) -> None:
        if self.worked_at is None:
            return
        if self.worked_at.tzinfo is None:
            raise InputError(f"worked_at is {self.worked_at}, without a zone; write 2026-03-31T09:00:00Z.")
        if self.worked_at > datetime.now(UTC) + CLOCKS_APART:
            raise InputError(f"worked_at is {self.worked_at.isoformat()}, which lies in the future.")
        if self.worked_at < EARLIEST:
            raise InputError(f"worked_at is {self.worked_at.isoformat()}, before there was a CRM.")
        # the same moment in another zone is the same answer
        object.__setattr__(self, "worked_at", self.worked_at.astimezone(UTC))


def add_feedback(
    ledger: Ledger, project: str, given: Feedback, *, source: str, feedback_id: str | None = None,
    product: str | None = None,
) -> int | None:  # fmt: skip
    """The number of the new row; None, and nothing added, if it is there already.

    Beside it stand run, score and band as they were when the lead was worked, else as they are now: those of the
    latest complete run by then that scored the lead, empty if it was worked before any.

    Parameters
    ----------
    source : where it came from, such as "page" or the name of an imported file.
    feedback_id : what makes it the same answer, within the project. By default the content within two seconds, so
        that a double click adds one.
    product : whose score was answered to, where products are scored; None is the lead's best.

    Raises
    ------
    InputError
        If no complete run of the project has scored the lead.
    """
    if product is not None:
        refuse_unstorable("product", product)
    now = datetime.now(UTC)
    by_content = _ids_by_content(project, given, now, product)
    ids = by_content if feedback_id is None else [_id(project, feedback_id)]
    with ledger.writing() as connection:
        return _add(connection, project, given, ids, source, now, product)


def add_all(
    ledger: Ledger, project: str, answers: Iterable[tuple[Feedback, str]], *, source: str
) -> tuple[int, int]:
    """How many answers, each with its feedback_id, were added and how many were there; in many short transactions.

    Raises
    ------
    InputError
        As `add_feedback`; what was added before it stays.
    """
    added = there = 0
    left = iter(answers)
    while chosen := list(islice(left, AT_ONCE)):
        with ledger.writing() as connection:
            # two files with the same answers in another order would wait for each other for good
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": IMPORT_LOCK})
            now = datetime.now(UTC)
            found = [
                _add(connection, project, given, [_id(project, name)], source, now) for given, name in chosen
            ]
        there += found.count(None)
        added += len(found) - found.count(None)
    return added, there


def feedback_of(connection: Connection, project: str, lead_id: str, limit: int = 50) -> list[dict[str, Any]]:
    """The answers about a lead, the newest first, each with number, content, source and the score of that time."""
    refuse_unstorable("lead_id", lead_id)
    return _newest(connection, limit, FEEDBACK.c.project == project, FEEDBACK.c.lead_id == lead_id)


def answers_on(connection: Connection, project: str, lead_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """The latest answer about each of some leads, a few thousand at most; leads without one are left out.

    Latest is by when the lead was worked, else by when it was recorded: an old answer may be imported today.
    """
    names = ("verdict", "code", "by", "worked_at", "recorded_at")
    asked = (
        select(FEEDBACK.c.lead_id, *(FEEDBACK.c[name] for name in names))
        .where(FEEDBACK.c.project == project, FEEDBACK.c.lead_id.in_(lead_ids))
        .order_by(func.coalesce(FEEDBACK.c.worked_at, FEEDBACK.c.recorded_at), FEEDBACK.c.number)
    )
    return {
        row["lead_id"]: {name: row[name] for name in names} for row in connection.execute(asked).mappings()
    }


def latest_feedback(connection: Connection, project: str, limit: int = 50) -> list[dict[str, Any]]:
    """The answers about all leads, as `feedback_of`."""
    return _newest(connection, limit, FEEDBACK.c.project == project)


def unknown_leads(connection: Connection, project: str, lead_ids: Collection[str]) -> set[str]:
    """Those of some leads, a few hundred at most, that no complete run of the project has scored."""
    asked = _scores_of(project).with_only_columns(SCORES.c.lead_id).where(SCORES.c.lead_id.in_(lead_ids))
    return set(lead_ids) - set(connection.scalars(asked.distinct()))


def _newest(connection: Connection, limit: int, *chosen: ColumnElement[bool]) -> list[dict[str, Any]]:
    columns = (FEEDBACK.c[name] for name in COLUMNS)
    asked = select(*columns).where(*chosen).order_by(FEEDBACK.c.number.desc()).limit(limit)
    return [dict(row) for row in connection.execute(asked).mappings()]


def _add(
    connection: Connection, project: str, given: Feedback, ids: list[str], source: str, now: datetime,
    product: str | None = None,
) -> int | None:  # fmt: skip
    there = select(FEEDBACK.c.number).where(FEEDBACK.c.feedback_id.in_(ids)).limit(1)
    if connection.scalar(there) is not None:
        return None
    shown = _shown(connection, project, given, product)
    values = {
        **vars(given), "feedback_id": ids[0], "project": project, "recorded_at": now,
        "source": one_line("source", source, MAX_NAME), **({} if shown is None else dict(shown._mapping)),
    }  # fmt: skip
    try:
        with connection.begin_nested():
            made = connection.execute(insert(FEEDBACK).values(values)).inserted_primary_key
    except IntegrityError:  # the same answer came in meanwhile
        return None
    assert made is not None
    return int(made[0])


def _shown(
    connection: Connection, project: str, given: Feedback, product: str | None
) -> Row[tuple[int, float, str]] | None:
    """(run, score, band) that sales had before them; of several products the one told, else the best."""
    of_product = [] if product is None else [SCORES.c.product == product]
    asked = (
        _scores_of(project)
        .where(SCORES.c.lead_id == given.lead_id, *of_product)
        .order_by(RUNS.c.as_of.desc().nulls_last(), RUNS.c.number.desc(), SCORES.c.rank)
        .limit(1)
    )
    latest = connection.execute(asked).one_or_none()
    if latest is None:
        raise InputError(
            f"No run of {project} in the ledger has scored '{given.lead_id}'"
            f"{'' if product is None else f' for {product!r}'}, so there is no score to answer to. Ids "
            "are those of the leads table."
        )
    if given.worked_at is None:
        return latest
    # a run of a moment to come, as with made-up data, was shown from when it was recorded
    by_then = or_(RUNS.c.as_of <= given.worked_at, RUNS.c.recorded_at <= given.worked_at)
    return connection.execute(asked.where(by_then)).one_or_none()


def _scores_of(project: str) -> Select[tuple[int, float, str]]:
    """(run, score, band) in the project's complete runs on its leads."""
    return (
        select(SCORES.c.run, SCORES.c.score, SCORES.c.band)
        .join_from(SCORES, RUNS, RUNS.c.number == SCORES.c.run)
        .where(shown_of(project))
    )


def _ids_by_content(project: str, given: Feedback, now: datetime, product: str | None) -> list[str]:
    """The id within this second, and within the one before: a double click may straddle two."""
    is_now = given.worked_at is not None and abs(now - given.worked_at) < JUST_NOW
    content = [str(value) for value in {**vars(given), **({"worked_at": "now"} if is_now else {})}.values()]
    content += [] if product is None else [product]
    second = int(now.timestamp())
    return [_id(project, *content, str(second - back)) for back in (0, 1)]


def _id(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
