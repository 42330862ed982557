"""A lead taken out of the ledger for good, where privacy asks for it; the act is recorded without the id."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, tuple_, update

from features.entities import OF_ACCOUNTS
from features.errors import InputError
from pipeline.ledger.loading import withhold
from pipeline.ledger.schema import DETAILS, ERASURES, FEEDBACK, OUTCOMES, OVERRIDES, RUNS, SCORES
from pipeline.ledger.store import Ledger
from pipeline.ledger.texts import refuse_unstorable
from pipeline.promotions import stated

__all__ = ["Erasure", "forget", "hashed_id"]


@dataclass(frozen=True)
class Erasure:
    """A recorded deletion.

    Attributes
    ----------
    is_clean : whether no byte of the lead is left in SQLite's log, which other programs that read may keep.
    elsewhere : other projects of the ledger that have scored a lead of this id, such as a target that was taken out
        of the project file.
    """

    number: int
    scores_deleted: int
    why: str
    by: str
    is_clean: bool
    elsewhere: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {**vars(self), "elsewhere": list(self.elsewhere)}


def hashed_id(lead_id: str, salt: str) -> str:
    """Hex of scrypt: slow on purpose, so that ids can't be found by trying them all quickly."""
    return hashlib.scrypt(lead_id.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=32).hex()


def forget(ledger: Ledger, projects: Sequence[str], lead_id: str, why: str, by: str) -> Erasure:
    """Delete all that the ledger holds of a lead in these projects, and record that it was done.

    A run that is being loaded leaves the lead out from here on.

    Raises
    ------
    InputError
        If `why` or `by` is empty, the id is no text, or the ledger holds nothing of the lead.
    """
    refuse_unstorable("lead_id", lead_id)
    record = {
        "why": stated("why", why), "by": stated("by", by), "project": projects[0],
        "salt": (salt := secrets.token_hex(16)), "lead_hash": hashed_id(lead_id, salt),
    }  # fmt: skip
    with ledger.writing() as connection:
        loading = withhold(connection, projects, lead_id)
        scores, others = (
            _delete_scores(connection, projects, lead_id),
            _delete_answers(connection, projects, lead_id),
        )
        elsewhere = _elsewhere(connection, projects, lead_id)
        if not scores + others:
            there = f" Other projects have one: {', '.join(elsewhere)}." if elsewhere else ""
            later = " A run is being loaded: ask again when it is complete." if loading else ""
            raise InputError(
                f"The ledger holds no score of '{lead_id}', so nothing was deleted. Ids are those of the leads "
                f"table.{later}{there}"
            )
        values = {**record, "scores_deleted": scores, "recorded_at": datetime.now(UTC)}
        made = connection.execute(insert(ERASURES).values(values)).inserted_primary_key
    assert made is not None
    return Erasure(int(made[0]), scores, record["why"], record["by"], ledger.clean(), elsewhere)


def _delete_scores(connection: Connection, projects: Sequence[str], lead_id: str) -> int:
    runs = select(RUNS.c.number).where(RUNS.c.project.in_(projects), RUNS.c.entity.not_in(OF_ACCOUNTS))
    is_hers = (SCORES.c.lead_id == lead_id) & SCORES.c.run.in_(runs)
    keys = select(SCORES.c.run, SCORES.c.rank).where(is_hers)
    # what was counted of these runs holds the lead, and maybe a name of an owner or a segment that was hers alone
    counted = select(SCORES.c.run).where(is_hers)
    connection.execute(update(RUNS).where(RUNS.c.number.in_(counted)).values(facets=None))
    connection.execute(delete(DETAILS).where(tuple_(DETAILS.c.run, DETAILS.c.rank).in_(keys)))
    return connection.execute(delete(SCORES).where(is_hers)).rowcount


def _delete_answers(connection: Connection, projects: Sequence[str], lead_id: str) -> int:
    """What people said of her, and how it ended."""
    # where accounts are scored, answers are about those: a lead's id may be an account's, too
    of_leads = select(RUNS.c.project).where(RUNS.c.project.in_(projects), RUNS.c.entity.not_in(OF_ACCOUNTS))
    is_override = OVERRIDES.c.kind == "lead_id"
    return sum(
        connection.execute(delete(table).where(table.c.project.in_(of_leads), *hers)).rowcount
        for table, hers in (
            (FEEDBACK, [FEEDBACK.c.lead_id == lead_id]), (OUTCOMES, [OUTCOMES.c.lead_id == lead_id]),
            (OVERRIDES, [is_override, OVERRIDES.c.subject == lead_id]),
        )
    )  # fmt: skip


def _elsewhere(connection: Connection, projects: Sequence[str], lead_id: str) -> tuple[str, ...]:
    asked = (
        select(RUNS.c.project)
        .join_from(SCORES, RUNS, RUNS.c.number == SCORES.c.run)
        .where(
            SCORES.c.lead_id == lead_id, RUNS.c.project.not_in(projects), RUNS.c.entity.not_in(OF_ACCOUNTS)
        )
        .distinct()
        .order_by(RUNS.c.project)
    )
    return tuple(connection.scalars(asked))
