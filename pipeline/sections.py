"""Sections of the project file that say where things lie and how they are written."""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from features.settings import Settings
from models.settings import WordingSettings

__all__ = [
    "DataSettings",
    "LedgerSettings",
    "ProjectWording",
    "ReportSettings",
    "ScoreSettings",
    "ShownSettings",
    "TableSettings",
    "TrackingSettings",
    "safe_name",
]

_IDENTIFIER = re.compile(r"([^\W\d]\w{0,62}\.)?[^\W\d]\w{0,62}")


def safe_name(name: str) -> str:
    """The name, if files and registries can carry it."""
    if not re.fullmatch(r"[\w.-]{1,80}", name):
        raise ValueError("use 1 to 80 letters, digits, dots, dashes and underscores")
    return name


def _time_zone(name: str | None) -> str | None:
    if name is not None:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("no such time zone; write a name such as UTC or Europe/Berlin") from error
    return name


def _identifier(name: str | None) -> str | None:
    if name is not None and not _IDENTIFIER.fullmatch(name):
        raise ValueError(
            "write a table or view as NAME or SCHEMA.NAME, each of at most 63 letters, digits and underscores; "
            "for any other name make a view"
        )
    return name


class TableSettings(Settings):
    """Where one table lies, in a file or a database, and how its columns are named there (ours = theirs)."""

    path: str | None = None
    table: Annotated[str | None, AfterValidator(_identifier)] = None
    columns: dict[str, str] = Field(default={})
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: Literal["utf-8", "utf-16", "utf-32", "latin-1", "cp1252"] = "utf-8"
    null_values: tuple[str, ...] = ("",)
    time_format: str | None = None
    time_zone: Annotated[str | None, AfterValidator(_time_zone)] = None
    on_conflict: Literal["quarantine", "first", "last"] = "quarantine"

    @field_validator("delimiter")
    @classmethod
    def _no_mark(cls, value: str) -> str:
        if value in '"\r\n':
            raise ValueError("a quote or a line end can't be the delimiter")
        return value

    @field_validator("time_format")
    @classmethod
    def _strftime(cls, value: str | None) -> str | None:
        if value is not None and "%" not in value:
            raise ValueError("write the form with % codes, such as %d.%m.%Y %H:%M; leave it out for ISO 8601")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> TableSettings:
        if (self.path is None) == (self.table is None):
            raise ValueError("give either path (a file) or table (of the database at data.url)")
        of_files = sorted({"delimiter", "encoding"} & self.model_fields_set)
        if self.table is not None and of_files:
            raise ValueError(f"{' and '.join(of_files)}: only files have that, not tables of a database")
        return self

    @property
    def place(self) -> str:
        """The file or the table, as the project file names it."""
        return self.path or self.table or ""


class DataSettings(Settings):
    """The tables of a project."""

    folder: str = "."
    url: str | None = None
    time_zone: Annotated[str | None, AfterValidator(_time_zone)] = "UTC"
    data_end: datetime | None = None
    quarantine_limit: Annotated[float, Field(ge=0, le=1)] = 0.05
    leads: TableSettings
    events: TableSettings | None = None
    outcomes: TableSettings | None = None
    accounts: TableSettings | None = None
    field_changes: TableSettings | None = None

    @field_validator("data_end", mode="before")
    @classmethod
    def _aware(cls, value: object) -> object:
        if isinstance(value, int | float):
            raise ValueError("write a date or a time, such as 2026-01-31 or 2026-01-31T08:00:00Z")
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - made aware below
        if isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        return value

    @model_validator(mode="after")
    def _address_and_tables(self) -> DataSettings:
        tables = (self.leads, self.events, self.outcomes, self.accounts, self.field_changes)
        has_table = any(each is not None and each.table is not None for each in tables)
        if has_table and self.url is None:
            raise ValueError('a table needs url, the address of its database, such as "env:CRM_DATABASE_URL"')
        if self.url is not None and not has_table:
            raise ValueError("url names a database, but no section says table; without one url is of no use")
        return self


class TrackingSettings(Settings):
    """Where MLflow keeps runs and versions; sqlite beside the project file by default."""

    uri: str | None = None
    experiment: str = "lead_scoring"
    registered_model: Annotated[str, AfterValidator(safe_name)] = "lead_scoring"


class ShownSettings(Settings):
    """Columns of leads or accounts that people see beside a score; kept in the ledger alone, never a feature."""

    name: Annotated[str | None, Field(min_length=1)] = None
    company: Annotated[str | None, Field(min_length=1)] = None
    owner: Annotated[str | None, Field(min_length=1)] = None
    segment: Annotated[str | None, Field(min_length=1)] = None

    def columns(self) -> dict[str, str]:
        """Name of the column that fills each place, those declared."""
        return {place: column for place, column in self if column is not None}


class LedgerSettings(Settings):
    """Where every score given is kept: a file of SQLite or PostgreSQL, by URL; none by default."""

    url: str | None = None
    shown: ShownSettings = ShownSettings()


class ScoreSettings(Settings):
    """How scores are written."""

    top_reasons: Annotated[int, Field(ge=1, le=50)] = 5
    chunk_rows: Annotated[int, Field(ge=1)] = 20_000
    silent_until: bool = True
    sub_scores: bool = False
    rank_by: Literal["probability", "value"] = "probability"


class ReportSettings(Settings):
    """What the report parts the test by; no `segments` takes the first categories with 2 to 12 values."""

    segments: tuple[str, ...] = ()


class ProjectWording(WordingSettings):
    """The language of the project; what the TOML file named by `file` holds counts unless given beside it."""

    file: str | None = None
