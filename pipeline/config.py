"""The project file `lead-scoring.toml`: typed, validated whole before any work."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, model_validator

from features.errors import ConfigError
from features.fit_settings import FitSettings
from features.half_lives import refuse_stray_groups
from features.points import listed_rules
from features.profile import resolve_profile
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
from models.capacity_settings import CapacitySettings
from models.language import flat_phrases
from models.overrides import OverrideSettings, refuse_stray_rules
from models.persona_rules import PersonaSettings, refuse_stray_personas
from models.phrases import Phrases
from models.settings import (
    BandSettings,
    GateSettings,
    ModelSettings,
    Plan,
    RollingSettings,
    SplitSettings,
    TierSettings,
    ValueSettings,
)
from pipeline.config_faults import all_faults
from pipeline.points_file import with_points_file
from pipeline.sections import (
    DataSettings,
    LedgerSettings,
    ProjectWording,
    ReportSettings,
    ScoreSettings,
    TableSettings,
    TrackingSettings,
    safe_name,
)

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

OF_LEADS = ("points", "tiers", "personas", "overrides", "fit")  # sections that other entities do without
WORDS_OF_PRODUCTS = {
    "channel:this product": "this-product",
    "channel:another product": "other-product",
}
ROOT = "(folder of the file)"  # set by load_project; `root` in a file is an unknown key


class Project(Settings):
    """A whole project file, validated; `root` is its folder."""

    name: Annotated[str, AfterValidator(safe_name)] = "leads"
    output: str = "out"
    data: DataSettings
    target: TargetSettings = TargetSettings()
    targets: dict[Annotated[str, AfterValidator(safe_name)], TargetSettings] = Field(default={})
    snapshots: SnapshotSettings = SnapshotSettings()
    static: StaticSettings | None = None
    attributes: AttributeSettings = AttributeSettings()
    events: EventSettings = EventSettings()
    features: FeatureSettings = FeatureSettings()
    split: SplitSettings = SplitSettings()
    rolling: RollingSettings = RollingSettings()
    model: ModelSettings = ModelSettings()
    points: PointsSettings | None = None
    fit: FitSettings | None = None
    bands: BandSettings = BandSettings()
    value: ValueSettings = ValueSettings()
    tiers: TierSettings | None = None
    personas: PersonaSettings | None = None
    gate: GateSettings = GateSettings()
    capacity: CapacitySettings = CapacitySettings()
    overrides: OverrideSettings = OverrideSettings()
    report: ReportSettings = ReportSettings()
    score: ScoreSettings = ScoreSettings()
    tracking: TrackingSettings = TrackingSettings()
    ledger: LedgerSettings = LedgerSettings()
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
        if self.targets and self.snapshots.mode == "static":
            raise ValueError(
                "targets need outcomes with moments; a flat export (snapshots.mode = 'static') has one"
            )
        taken = sorted({"not_open", "quarantine", "manifest", "models"} & set(self.targets))
        if taken or any(not name.strip(".") for name in self.targets):
            raise ValueError(
                f"targets.{taken[0] if taken else '.'}: a target's scores lie beside the leads' under its name, and "
                "this name is taken; give it another"
            )
        for name in self.targets:
            self.for_target(name)
        self._refuse_row_numbers()
        self._money_agrees()
        self._ways_agree()
        self._overrides_agree()
        self._tiers_agree()
        if self.personas is not None:
            refuse_stray_personas(self.personas, self.attributes, is_static=self.snapshots.mode == "static")
        self._refuse_stray_trust()
        return self

    def _ways_agree(self) -> None:
        """The rules of [fit] name declared attributes, `half_lives_by_group` groups that there are."""
        try:
            resolve_profile(self.fit, self.attributes)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        refuse_stray_groups(self.features, self.events)

    def _refuse_row_numbers(self) -> None:
        is_numbered = self.static is not None and (
            self.static.order == "row" or self.data.leads.columns.get("lead_id") == "row"
        )
        if is_numbered and self.data.leads.table is not None:
            raise ValueError(
                "rows of a database have no order of their own: name columns for static.order and lead_id, not 'row'"
            )

    def _tiers_agree(self) -> None:
        """The segment must be a category that is known and fixed since the lead was made."""
        if self.tiers is None:
            return
        known = self.attributes.at_creation.category
        if self.tiers.column not in known:
            near = difflib.get_close_matches(self.tiers.column, known, n=1, cutoff=0.5)
            cure = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known) or 'none'}."
            raise ValueError(
                f"tiers.column = '{self.tiers.column}' is not among attributes.at_creation.category; {cure}"
            )

    def _overrides_agree(self) -> None:
        if self.overrides.is_on and self.target.entity != "lead":
            raise ValueError("overrides are decisions about leads; they need target.entity = 'lead'")
        is_static, has_accounts = self.snapshots.mode == "static", self.data.accounts is not None
        refuse_stray_rules(self.overrides, self.attributes, is_static=is_static, has_accounts=has_accounts)

    def _money_agrees(self) -> None:
        horizon = self.value.customer_horizon
        if self.score.rank_by == "value" and not self.value.enabled:
            raise ValueError("score.rank_by = 'value' needs expected values: set value.enabled = true")
        if horizon is not None and horizon < self.target.horizon:
            raise ValueError("value.customer_horizon must not be shorter than target.horizon")

    def for_target(self, name: str) -> Project:
        """The project of one of `targets`: its own question, model name and output folder; else the same.

        What the target leaves open it takes from [target]. Points tables, tiers, personas and overrides are
        those of leads and stay behind.

        Raises
        ------
        ConfigError
            If there is no such target; with the nearest name.
        """
        if name not in self.targets:
            near = difflib.get_close_matches(name, self.targets, n=1, cutoff=0.5)
            cure = (
                f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(self.targets) or 'none'}."
            )
            raise ConfigError(f"The project has no target '{name}'. {cure}")
        own, base = self.targets[name], self.target
        given = own.model_dump(exclude_unset=True)
        is_customer = given.get("entity", base.entity).startswith("customer")
        inherited = {**base.model_dump(), "since": base.won, "name": name if is_customer else base.name}
        target = TargetSettings.model_validate({**inherited, **given})
        families = tuple(
            each for each in self.features.families if target.entity != "product" or each != "account"
        )
        plain = {
            key: type(self).model_fields[key].get_default()
            for key in OF_LEADS
            if key in type(self).model_fields
        }
        words = {**(WORDS_OF_PRODUCTS if target.entity == "product" else {}), **self.features.words}
        tracking = {"uri": self.tracking_uri, "registered_model": f"{self.tracking.registered_model}_{name}"}
        return self.model_copy(
            update={
                **plain,
                "name": f"{self.name}-{name}",
                "output": f"{self.output}/{name}",
                "target": target,
                "targets": {},
                "features": self.features.model_copy(update={"families": families, "words": words}),
                "tracking": self.tracking.model_copy(update=tracking),
            }
        )

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

        Left out are addresses of stores (a password?), names of staff, phrases, overrides: none makes a score.
        """
        settings: dict[str, Any] = self.model_dump(mode="json")
        settings["tracking"].pop("uri", None)
        settings["data"].pop("url", None)
        settings["events"].pop("internal_values", None)
        settings["wording"].pop("phrases", None)
        settings.pop("overrides", None)
        settings.pop("ledger", None)
        settings.pop("capacity", None)
        return settings

    @property
    def plan(self) -> Plan:
        """How the model is trained and judged."""
        return Plan(
            split=self.split, rolling=self.rolling, model=self.model, bands=self.bands, gate=self.gate,
            tiers=self.tiers,
        )  # fmt: skip

    @property
    def phrases(self) -> Phrases:
        """The phrases that sales reads, in the project's language."""
        return Phrases(self.wording)

    @property
    def words(self) -> dict[str, str]:
        """What sales calls attributes, events and rules of the points table, as `models.wording` asks for it."""
        rules = listed_rules(self.points, self.attributes, self.events) if self.points else ()
        of_rules = {
            f"points:{rule.attribute or f'type:{rule.event}'}": rule.words for rule in reversed(rules)
        }
        of_events = {f"type:{name}": kind.words for name, kind in self.events.types.items()}
        found = {**self.features.words, **of_events, **of_rules}
        return {name: words for name, words in found.items() if words}

    def table_path(self, table: TableSettings) -> Path:
        """Where the file of a table lies: its path, against data.folder, against the project file's folder."""
        assert table.path is not None, "a table of a database has no path"
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
    raw = with_points_file(path, raw)
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
