"""The ledger's tables as the code reads and writes them; `migrations/` makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

__all__ = [
    "ACTS",
    "DETAILS",
    "ERASURES",
    "FEEDBACK",
    "LOADING",
    "METADATA",
    "OUTCOMES",
    "OVERRIDES",
    "RUNS",
    "SCORES",
    "VERSION_TABLE",
    "Moment",
    "of_run",
    "shown_of",
]

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
    sa.Column("horizon_days", sa.Double),
    sa.Column("rows_in", sa.Integer, nullable=False),
    sa.Column("scored", sa.Integer, nullable=False),
    sa.Column("not_open", sa.Integer, nullable=False),
    sa.Column("quarantined", sa.Integer, nullable=False),
    sa.Column("reason_groups", sa.Text, nullable=False),
    sa.Column("attributes", sa.Text, nullable=False),
    sa.Column("anchors", sa.Text, nullable=False),
    sa.Column("event_watermark", Moment),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("facets", sa.Text),
    sa.Column("is_complete", sa.Boolean, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
)  # fmt: skip
# a row while a run is being loaded: how many of its ranks are done, and whom to leave out
LOADING = sa.Table(
    "ledger_loading", METADATA,
    sa.Column("run", sa.Integer, sa.ForeignKey("ledger_runs.number"), primary_key=True, autoincrement=False),
    sa.Column("loaded", sa.Integer, nullable=False),
    sa.Column("withheld", sa.Text, nullable=False),
)  # fmt: skip
# narrow rows in call order, which lists are made from; the wide ones stand in DETAILS under the same key, with SQLite's
# own row ids: without them a row of more than 1 kB takes a page of its own
SCORES = sa.Table(
    "ledger_scores", METADATA,
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
    sa.Column("silent_until", Moment),
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
    sa.Index("ledger_scores_of_account", "account_id", "run"),
    sqlite_with_rowid=False,
)  # fmt: skip
DETAILS = sa.Table(
    "ledger_details", METADATA,
    sa.Column("run", sa.Integer, sa.ForeignKey("ledger_runs.number"), primary_key=True),
    sa.Column("rank", sa.Integer, primary_key=True),
    sa.Column("base_score", sa.Double, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("contributions", sa.Text, nullable=False),
    sa.Column("attributes", sa.Text),
    sa.Column("events", sa.Text),
    sa.Column("further", sa.Text),
    sa.Column("warnings", sa.Text),
)  # fmt: skip
OUTCOMES = sa.Table(
    "ledger_outcomes", METADATA,
    sa.Column("project", sa.String, primary_key=True),
    sa.Column("lead_id", sa.String, primary_key=True),
    sa.Column("ended_at", Moment, primary_key=True),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("is_won", sa.Boolean, nullable=False),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Index("ledger_outcomes_of_time", "project", "ended_at"),
)  # fmt: skip
FEEDBACK = sa.Table(
    "ledger_feedback", METADATA,
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
    sa.Column("worked_at", Moment),
    sa.Column("by", sa.String, nullable=False),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Index("ledger_feedback_of_lead", "project", "lead_id"),
)  # fmt: skip
OVERRIDES = sa.Table(
    "ledger_overrides", METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("action", sa.String, nullable=False),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("until", sa.Date),
    sa.Column("by", sa.String, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Index("ledger_overrides_of_subject", "project", "kind", "subject"),
)  # fmt: skip
# promotions, rollbacks and anchors set anew
ACTS = sa.Table(
    "ledger_acts", METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("model_version", sa.String, nullable=False),
    sa.Column("former", sa.String),
    sa.Column("anchors", sa.Text),
    sa.Column("why", sa.String, nullable=False),
    sa.Column("by", sa.String, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
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


def shown_of(project: str) -> sa.ColumnElement[bool]:
    """Of RUNS those that readers see: the project's own, loaded to the end."""
    return sa.and_(RUNS.c.project == project, RUNS.c.target.is_(None), RUNS.c.is_complete)


def of_run(run: int) -> sa.ColumnElement[bool]:
    """Of SCORES the rows of a run, found by the lead that is asked for beside it.

    By the bare column SQLite would walk through the whole run for it.
    """
    return SCORES.c.run + 0 == run
