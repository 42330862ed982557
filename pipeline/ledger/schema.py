"""The ledger's tables as the code reads and writes them; `migrations/` makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

__all__ = ["ERASURES", "METADATA", "RUNS", "SCORES", "VERSION_TABLE", "Moment"]

# names with a prefix, so that a team's database may hold MLflow's tables, too
VERSION_TABLE = "ledger_version"
METADATA = sa.MetaData()


class Moment(sa.TypeDecorator[datetime]):
    """A moment in UTC, aware in Python whatever the database keeps."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """The moment as the database takes it; SQLite knows no zones."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """The moment, aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


RUNS = sa.Table(
    "ledger_runs", METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(64), nullable=False, unique=True),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("entity", sa.String, nullable=False),
    sa.Column("target", sa.String),
    sa.Column("as_of", Moment),
    sa.Column("model_version", sa.String, nullable=False),
    sa.Column("rows_in", sa.Integer, nullable=False),
    sa.Column("scored", sa.Integer, nullable=False),
    sa.Column("not_open", sa.Integer, nullable=False),
    sa.Column("quarantined", sa.Integer, nullable=False),
    sa.Column("reason_groups", sa.Text, nullable=False),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
)  # fmt: skip
SCORES = sa.Table(
    "ledger_scores", METADATA,
    sa.Column("run", sa.Integer, sa.ForeignKey("ledger_runs.number"), primary_key=True),
    sa.Column("lead_id", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("probability", sa.Double),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("band", sa.String, nullable=False),
    sa.Column("fit_grade", sa.String),
    sa.Column("engagement_grade", sa.String),
    sa.Column("silent_until", Moment),
    sa.Column("expected_value", sa.Double),
    sa.Column("base_score", sa.Double, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("contributions", sa.Text, nullable=False),
    sa.Column("warnings", sa.Text),
    sa.Index("ledger_scores_of_lead", "lead_id"),
)  # fmt: skip
ERASURES = sa.Table(
    "ledger_erasures", METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("salt", sa.String(32), nullable=False),
    sa.Column("lead_hash", sa.String(64), nullable=False),
    sa.Column("scores_deleted", sa.Integer, nullable=False),
    sa.Column("why", sa.String, nullable=False),
    sa.Column("by", sa.String, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
)  # fmt: skip
