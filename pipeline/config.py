"""The project file `lead-scoring.toml`: typed, validated whole before any work."""

from __future__ import annotations

import difflib
import tomllib
import zoneinfo
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from features.errors import ConfigError
from features.settings import (
    PRIORITY,
    AttributeSettings,
    EventSettings,
    FeatureSettings,
    PointsSettings,
    Settings,
    SnapshotSettings,
    StaticSettings,
    TargetSettings,
)
from models.language import flat_phrases
from models.phrases import Phrases
from models.settings import (
    BandSettings,
    GateSettings,
    ModelSettings,
    Plan,
    RollingSettings,
    SplitSettings,
    WordingSettings,
)
from pipeline.config_faults import all_faults

__all__ = [
    "DataSettings",
    "Project",
    "ProjectWording",
    "ReportSettings",
    "ScoreSettings",
    "TableSettings",
    "TrackingSettings",
    "load_project",
]

ROOT = "(folder of the file)"  # set by load_project; `root` in a file is an unknown key


def _safe_name(name: str) -> str:
    import re

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


class TableSettings(Settings):
    """Where one table lies and how its columns are named there (`columns`: ours = theirs)."""

    path: str
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


class DataSettings(Settings):
    """The tables of a project."""

    folder: str = "."
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


class TrackingSettings(Settings):
    """Where MLflow keeps runs and versions; sqlite beside the project file by default."""

    uri: str | None = None
    experiment: str = "lead_scoring"
    registered_model: Annotated[str, AfterValidator(_safe_name)] = "lead_scoring"


class ScoreSettings(Settings):
    """How scores are written."""

    top_reasons: Annotated[int, Field(ge=1, le=50)] = 5
    chunk_rows: Annotated[int, Field(ge=1)] = 20_000
    silent_until: bool = True


class ReportSettings(Settings):
    """What the report parts the test by; no `segments` takes the first categories with 2 to 12 values."""

    segments: tuple[str, ...] = ()


class ProjectWording(WordingSettings):
    """The language of the project; what the TOML file named by `file` holds counts unless given beside it."""

    file: str | None = None


class Project(Settings):
    """A whole project file, validated; `root` is its folder."""

    name: Annotated[str, AfterValidator(_safe_name)] = "leads"
    output: str = "out"
    data: DataSettings
    target: TargetSettings = TargetSettings()
    snapshots: SnapshotSettings = SnapshotSettings()
    static: StaticSettings | None = None
    attributes: AttributeSettings = AttributeSettings()
    events: EventSettings = EventSettings()
    features: FeatureSettings = FeatureSettings()
    split: SplitSettings = SplitSettings()
    rolling: RollingSettings = RollingSettings()
    model: ModelSettings = ModelSettings()
    points: PointsSettings | None = None
    bands: BandSettings = BandSettings()
    gate: GateSettings = GateSettings()
    report: ReportSettings = ReportSettings()
    score: ScoreSettings = ScoreSettings()
    tracking: TrackingSettings = TrackingSettings()
    wording: ProjectWording = ProjectWording()
    root: Path = Field(default=Path(), exclude=True, validation_alias=ROOT)

    @model_validator(mode="after")
    def _sections_agree(self) -> Project:
        if self.snapshots.mode == "static" and self.static is None:
            raise ValueError("snapshots.mode = 'static' needs a section [static] with the label column")
        if self.snapshots.mode != "static" and self.data.outcomes is None:
            raise ValueError(
                f"snapshots.mode = '{self.snapshots.mode}' needs the table data.outcomes; "
                "a flat export with a label column is snapshots.mode = 'static'"
            )
        mql, sql = (self.points.mql, self.points.sql) if self.points else (None, None)
        if mql is not None and sql is not None and mql >= sql:
            raise ValueError(f"points.mql must be below points.sql; got mql = {mql:g}, sql = {sql:g}")
        if self.static is not None and self.static.label in self.attributes.kinds():
            raise ValueError(
                f"static.label '{self.static.label}' is also declared under attributes: the outcome can't be a feature"
            )
        self._refuse_stray_trust()
        return self

    def _refuse_stray_trust(self) -> None:
        """A name in `attributes.trusted` that is no declared attribute, nor its column in the file, is a slip."""
        settings = self.attributes
        groups = (settings.at_creation, settings.history, settings.current)
        declared = [*(name for group in groups for name in group.kinds()), PRIORITY]
        tables = [table for table in (self.data.leads, self.data.accounts) if table is not None]
        theirs = [name for table in tables for ours, name in table.columns.items() if ours in declared]
        stray = [name for name in settings.trusted if name not in {*declared, *theirs}]
        if stray:
            near = difflib.get_close_matches(stray[0], [*declared, *theirs], n=1, cutoff=0.5)
            cure = f"did you mean '{near[0]}'?" if near else "declare it under attributes, or leave it out"
            raise ValueError(f"attributes.trusted names no declared attribute: {', '.join(stray)}; {cure}")

    def plain_settings(self) -> dict[str, Any]:
        """The resolved settings as JSON values.

        Left out are the store's address (a password?), names of staff, and phrases: they make no score.
        """
        settings: dict[str, Any] = self.model_dump(mode="json")
        settings["tracking"].pop("uri", None)
        settings["events"].pop("internal_values", None)
        settings["wording"].pop("phrases", None)
        return settings

    @property
    def plan(self) -> Plan:
        """How the model is trained and judged."""
        return Plan(
            split=self.split, rolling=self.rolling, model=self.model, bands=self.bands, gate=self.gate
        )

    @property
    def phrases(self) -> Phrases:
        """The phrases that sales reads, in the project's language."""
        return Phrases(self.wording)

    @property
    def words(self) -> dict[str, str]:
        """What sales calls attributes, events and rules of the points table, as `models.wording` asks for it."""
        rules = self.points.rules if self.points else ()
        of_rules = {
            f"points:{rule.attribute or f'type:{rule.event}'}": rule.words for rule in reversed(rules)
        }
        of_events = {f"type:{name}": kind.words for name, kind in self.events.types.items()}
        found = {**self.features.words, **of_events, **of_rules}
        return {name: words for name, words in found.items() if words}

    def table_path(self, table: TableSettings) -> Path:
        """Where a table lies: its path, against data.folder, against the project file's folder."""
        return self.root / self.data.folder / table.path

    @property
    def output_folder(self) -> Path:
        """Where runs write, against the project file's folder."""
        return self.root / self.output

    @property
    def tracking_uri(self) -> str:
        """The MLflow store: the setting, else sqlite in the output folder; paths against the file's folder."""
        uri = self.tracking.uri
        if uri is None:
            return f"sqlite:///{(self.output_folder / 'mlflow.db').resolve()}"
        prefix, path = "sqlite:///", uri.removeprefix("sqlite:///")
        return f"{prefix}{(self.root / path).resolve()}" if uri.startswith(prefix) else uri


def load_project(path: Path, data: Path | None = None) -> Project:
    """A project file read and validated whole.

    Parameters
    ----------
    path : the TOML file; paths inside it resolve against its folder.
    data : overrides where the tables lie (`data.folder`).

    Raises
    ------
    ConfigError
        With every fault of the file, each with its path and, for an unknown key, the nearest name.
    """
    raw = _read_toml(path, f"Draft one with `lead-scoring init FILES... -o {path.name}`.", "project file")
    raw, read = _with_wording_file(path, raw)
    try:
        project = Project.model_validate({**raw, ROOT: path.resolve().parent})
    except ValidationError as error:
        raise ConfigError(all_faults(read, error, Project)) from error
    if data is not None:
        folder = str(data.resolve())
        project = project.model_copy(update={"data": project.data.model_copy(update={"folder": folder})})
    return project


def _read_toml(path: Path, cure: str, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(f"There is no {what} {path}. {cure}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} can't be read as TOML: {error}") from error


def _with_wording_file(path: Path, raw: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A project file's content with that of its wording file, if it names one, below its own; what was read."""
    own = raw.get("wording")
    if not isinstance(own, dict) or not isinstance(own.get("file"), str):
        return raw, str(path)
    file = path.resolve().parent / own["file"]
    shared = _read_toml(file, "Write the path against the folder of the project file.", "wording file")
    if "file" in shared:
        raise ConfigError(f"{file} names another wording file; put all phrases into one.")
    read, phrases = f"{path}, with {file.name},", (shared.get("phrases", {}), own.get("phrases", {}))
    if not all(isinstance(each, dict) for each in phrases):
        return {**raw, "wording": {**shared, **own}}, read
    try:
        merged = flat_phrases(phrases[0]) | flat_phrases(phrases[1])
    except ValueError as error:
        raise ConfigError(f"{read} has 1 fault:\n  wording.phrases: {error}") from error
    return {**raw, "wording": {**shared, **own, "phrases": merged}}, read
