"""A lead taken out of the ledger for good, where privacy asks for it; the act is recorded without the id."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select

from features.errors import InputError
from pipeline.ledger.schema import ERASURES, RUNS, SCORES
from pipeline.ledger.store import Ledger
from pipeline.promotions import stated

__all__ = ["Erasure", "forget", "hashed_id"]

OF_ACCOUNTS = ("account", "customer account")  # their ids are those of companies, not of leads


@dataclass(frozen=True)
class Erasure:
    """A recorded deletion."""

    number: int
    scores_deleted: int
    why: str
    by: str

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        return dict(vars(self))


def hashed_id(lead_id: str, salt: str) -> str:
    """Hex of scrypt: slow on purpose, so that ids can't be found by trying them all quickly."""
    return hashlib.scrypt(lead_id.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=32).hex()


def forget(ledger: Ledger, projects: Sequence[str], lead_id: str, why: str, by: str) -> Erasure:
    """Delete every score of a lead in the runs of these projects, and record that it was done.

    Raises
    ------
    InputError
        If `why` or `by` is empty, or the ledger holds no score of the lead.
    """
    record = {
        "why": stated("why", why), "by": stated("by", by), "project": projects[0],
        "salt": (salt := secrets.token_hex(16)), "lead_hash": hashed_id(lead_id, salt),
    }  # fmt: skip
    runs = select(RUNS.c.number).where(RUNS.c.project.in_(projects), RUNS.c.entity.not_in(OF_ACCOUNTS))
    with ledger.writing() as connection:
        found = connection.execute(delete(SCORES).where(SCORES.c.lead_id == lead_id, SCORES.c.run.in_(runs)))
        if not found.rowcount:
            raise InputError(
                f"The ledger holds no score of '{lead_id}', so nothing was deleted. Ids are those of the leads table."
            )
        values = {**record, "scores_deleted": found.rowcount, "recorded_at": datetime.now(UTC)}
        made = connection.execute(insert(ERASURES).values(values)).inserted_primary_key
    ledger.clean()
    assert made is not None
    return Erasure(int(made[0]), found.rowcount, record["why"], record["by"])
