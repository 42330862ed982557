"""The project file `lead-scoring.toml`: typed, validated whole before any work."""

from __future__ import annotations

import difflib
import tomllib
import zoneinfo
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_validator, model_validator

from features.errors import ConfigError
from features.settings import (
    AttributeSettings,
    EventSettings,
    FeatureSettings,
    PointsSettings,
    Settings,
    SnapshotSettings,
    StaticSettings,
    TargetSettings,
)
from models.settings import BandSettings, GateSettings, ModelSettings, Plan, SplitSettings

__all__ = ["DataSettings", "Project", "ScoreSettings", "TableSettings", "TrackingSettings", "load_project"]

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
    model: ModelSettings = ModelSettings()
    points: PointsSettings | None = None
    bands: BandSettings = BandSettings()
    gate: GateSettings = GateSettings()
    score: ScoreSettings = ScoreSettings()
    tracking: TrackingSettings = TrackingSettings()
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
        return self

    def plain_settings(self) -> dict[str, Any]:
        """The resolved settings as JSON values, without the store's address (a password?) and names of staff."""
        settings: dict[str, Any] = self.model_dump(mode="json")
        settings["tracking"].pop("uri", None)
        settings["events"].pop("internal_values", None)
        return settings

    @property
    def plan(self) -> Plan:
        """How the model is trained and judged."""
        return Plan(split=self.split, model=self.model, bands=self.bands, gate=self.gate)

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
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no project file {path}. Draft one with `lead-scoring init FILES... -o {path.name}`."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} can't be read as TOML: {error}") from error
    try:
        project = Project.model_validate({**raw, ROOT: path.resolve().parent})
    except ValidationError as error:
        raise ConfigError(_all_faults(path, error)) from error
    if data is not None:
        folder = str(data.resolve())
        project = project.model_copy(update={"data": project.data.model_copy(update={"folder": folder})})
    return project


def _all_faults(path: Path, error: ValidationError) -> str:
    faults = error.errors()
    lines = [f"{path} has {len(faults)} fault{'s' if len(faults) > 1 else ''}:"]
    for fault in faults:
        where = ".".join(str(part) for part in fault["loc"]) or "(the whole file)"
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {where}: unknown key.{_nearest(fault['loc'])}")
        elif fault["type"] == "missing":
            lines.append(f"  {where}: is required and missing.")
        else:
            said = fault["msg"].removeprefix("Value error, ")
            # a fault between sections is told by its words; the sections themselves would bury them
            got = "" if isinstance(fault["input"], dict) else f"; got {_short(fault['input'])}"
            lines.append(f"  {where}: {said}{got}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _nearest(location: tuple[int | str, ...]) -> str:
    known = _known_keys(location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else f" Known here: {', '.join(known)}."


def _known_keys(parents: tuple[int | str, ...]) -> list[str]:
    model: Any = Project
    is_named_by_user = False
    for part in parents:
        if isinstance(part, int):
            continue
        if is_named_by_user or not _is_model(model) or part not in model.model_fields:
            is_named_by_user = False
            continue
        annotation = model.model_fields[part].annotation
        is_named_by_user = getattr(annotation, "__origin__", None) is dict
        model = _model_inside(annotation)
    names = list(model.model_fields) if _is_model(model) else []
    return [name for name in names if name != "root"]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _model_inside(annotation: Any) -> Any:
    if _is_model(annotation):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_inside(inner)
        if found is not None:
            return found
    return None
