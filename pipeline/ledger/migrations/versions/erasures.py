"""The record of leads whose scores were deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of erasures."""
    op.create_table(
        "ledger_erasures",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("lead_hash", sa.String(64), nullable=False),
        sa.Column("scores_deleted", sa.Integer, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    )
