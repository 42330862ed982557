"""The first form of the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    _make_runs()
    _make_scores()
    _make_answers()
    _make_acts()


def _make_runs() -> None:
    op.create_table(
        "ledger_runs",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String(64), nullable=False, unique=True),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("target", sa.String),
        sa.Column("as_of", MOMENT),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("horizon_days", sa.Double),
        sa.Column("rows_in", sa.Integer, nullable=False),
        sa.Column("scored", sa.Integer, nullable=False),
        sa.Column("not_open", sa.Integer, nullable=False),
        sa.Column("quarantined", sa.Integer, nullable=False),
        sa.Column("reason_groups", sa.Text, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("anchors", sa.Text, nullable=False),
        sa.Column("event_watermark", MOMENT),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("facets", sa.Text),
        sa.Column("is_complete", sa.Boolean, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
    )
    op.create_table(
        "ledger_loading",
        sa.Column(
            "run", sa.Integer, sa.ForeignKey("ledger_runs.number"), primary_key=True, autoincrement=False
        ),
        sa.Column("loaded", sa.Integer, nullable=False),
        sa.Column("withheld", sa.Text, nullable=False),
    )


def _make_scores() -> None:
    op.create_table(
        "ledger_scores",
        sa.Column("run", sa.Integer, sa.ForeignKey("ledger_runs.number"), primary_key=True),
        sa.Column("rank", sa.Integer, primary_key=True),
        sa.Column("lead_id", sa.String, nullable=False),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("probability", sa.Double),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("band", sa.String, nullable=False),
        sa.Column("score_before", sa.Double),
        sa.Column("band_before", sa.String),
        sa.Column("fit_grade", sa.String),
        sa.Column("engagement_grade", sa.String),
        sa.Column("silent_until", MOMENT),
        sa.Column("expected_value", sa.Double),
        sa.Column("is_awake", sa.Boolean),
        sa.Column("account_id", sa.String),
        sa.Column("name", sa.String),
        sa.Column("company", sa.String),
        sa.Column("owner", sa.String),
        sa.Column("segment", sa.String),
        sa.Column("first_reason", sa.Text),
        sa.Column("first_points", sa.Double),
        sa.UniqueConstraint("lead_id", "product", "run", name="ledger_scores_of_lead"),
        sqlite_with_rowid=False,
    )
    op.create_index("ledger_scores_of_account", "ledger_scores", ["account_id", "run"])
    op.create_table(
        "ledger_details",
        sa.Column("run", sa.Integer, sa.ForeignKey("ledger_runs.number"), primary_key=True),
        sa.Column("rank", sa.Integer, primary_key=True),
        sa.Column("base_score", sa.Double, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("contributions", sa.Text, nullable=False),
        sa.Column("attributes", sa.Text),
        sa.Column("events", sa.Text),
        sa.Column("further", sa.Text),
        sa.Column("warnings", sa.Text),
    )
    op.create_table(
        "ledger_outcomes",
        sa.Column("project", sa.String, primary_key=True),
        sa.Column("lead_id", sa.String, primary_key=True),
        sa.Column("ended_at", MOMENT, primary_key=True),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("is_won", sa.Boolean, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
    )
    op.create_index("ledger_outcomes_of_time", "ledger_outcomes", ["project", "ended_at"])


def _make_answers() -> None:
    op.create_table(
        "ledger_feedback",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("feedback_id", sa.String(64), nullable=False, unique=True),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("lead_id", sa.String, nullable=False),
        sa.Column("run", sa.Integer),
        sa.Column("score", sa.Double),
        sa.Column("band", sa.String),
        sa.Column("verdict", sa.String),
        sa.Column("code", sa.String),
        sa.Column("note", sa.Text),
        sa.Column("worked_at", MOMENT),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
    )
    op.create_index("ledger_feedback_of_lead", "ledger_feedback", ["project", "lead_id"])
    op.create_table(
        "ledger_overrides",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
    )
    op.create_index("ledger_overrides_of_subject", "ledger_overrides", ["project", "kind", "subject"])


def _make_acts() -> None:
    op.create_table(
        "ledger_acts",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("former", sa.String),
        sa.Column("anchors", sa.Text),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
    )
    op.create_table(
        "ledger_erasures",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("lead_hash", sa.String(64), nullable=False),
        sa.Column("scores_deleted", sa.Integer, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
    )
