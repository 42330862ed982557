"""Runs and the scores they gave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of runs and scores."""
    op.create_table(
        "ledger_runs",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String(64), nullable=False, unique=True),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("target", sa.String),
        sa.Column("as_of", sa.DateTime(timezone=True)),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("rows_in", sa.Integer, nullable=False),
        sa.Column("scored", sa.Integer, nullable=False),
        sa.Column("not_open", sa.Integer, nullable=False),
        sa.Column("quarantined", sa.Integer, nullable=False),
        sa.Column("reason_groups", sa.Text, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "ledger_scores",
        sa.Column("run", sa.Integer, sa.ForeignKey("ledger_runs.number"), primary_key=True),
        sa.Column("lead_id", sa.String, primary_key=True),
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("probability", sa.Double),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("band", sa.String, nullable=False),
        sa.Column("fit_grade", sa.String),
        sa.Column("engagement_grade", sa.String),
        sa.Column("silent_until", sa.DateTime(timezone=True)),
        sa.Column("expected_value", sa.Double),
        sa.Column("base_score", sa.Double, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("contributions", sa.Text, nullable=False),
        sa.Column("warnings", sa.Text),
    )
    op.create_index("ledger_scores_of_lead", "ledger_scores", ["lead_id"])
