"""Settings of everything that turns features into probabilities, bands and grades."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from features.durations import Duration
from features.settings import Settings
from models.language import flat_phrases, form_count, phrase_faults, plural_rule

__all__ = [
    "BandSettings",
    "GateSettings",
    "LightGBMSettings",
    "ModelSettings",
    "NeedSettings",
    "Plan",
    "RollingSettings",
    "Rung",
    "SplitSettings",
    "TierSettings",
    "TuningSettings",
    "ValueSettings",
    "WordingSettings",
]

Rung = Literal["points", "logistic", "lightgbm", "blend"]
Share = Annotated[float, Field(gt=0, lt=1)]


class SplitSettings(Settings):
    """Development | gap | test, and the folds inside development."""

    test_share: Annotated[float, Field(gt=0.01, lt=0.9)] = 0.2
    folds: Annotated[int, Field(ge=1, le=20)] = 4


class LightGBMSettings(Settings):
    """Mild by default: few leaves, a slow rate, early stopping on each fold's own tail."""

    num_leaves: Annotated[int, Field(ge=2, le=127)] = 15
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.04
    max_rounds: Annotated[int, Field(ge=1, le=10_000)] = 600
    min_data_in_leaf: Annotated[int, Field(ge=1)] = 40
    lambda_l2: Annotated[float, Field(ge=0)] = 5.0
    feature_fraction: Annotated[float, Field(gt=0, le=1)] = 0.6
    bagging_fraction: Annotated[float, Field(gt=0, le=1)] = 0.8
    early_stopping_rounds: Annotated[int, Field(ge=1)] = 50


class TuningSettings(Settings):
    """Budget of the search over LightGBM's settings, in trials, in minutes, or both; 0 and 0 is no search."""

    trials: Annotated[int, Field(ge=0, le=10_000)] = 0
    minutes: Annotated[float, Field(ge=0)] = 0.0


class NeedSettings(Settings):
    """Conversions in development below which a rung is not tried; the blend needs what the trees need."""

    logistic: Annotated[int, Field(ge=20)] = 20
    lightgbm: Annotated[int, Field(ge=20)] = 150


class RollingSettings(Settings):
    """How the model will be run: refitted through the test, its level following the newest outcomes.

    `blocks` parts the test; `refit_every` counts blocks between refits, 0 is never.
    """

    blocks: Annotated[int, Field(ge=1, le=64)] = 4
    refit_every: Annotated[int, Field(ge=0)] = 0
    prior_shift: bool = True


class ModelSettings(Settings):
    """The ladder that is fitted, and how."""

    rungs: Annotated[tuple[Rung, ...], Field(min_length=1)] = ("points", "logistic", "lightgbm", "blend")
    seed: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=1)] = 2
    logistic_penalties: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (
        10.0,
        100.0,
        1000.0,
    )
    lightgbm: LightGBMSettings = LightGBMSettings()
    tuning: TuningSettings = TuningSettings()
    needs: NeedSettings = NeedSettings()
    bootstrap: Annotated[int, Field(ge=100)] = 400

    @model_validator(mode="after")
    def _blend_needs_parts(self) -> ModelSettings:
        if "blend" in self.rungs and not {"logistic", "lightgbm"} <= set(self.rungs):
            raise ValueError("the rung 'blend' needs 'logistic' and 'lightgbm' among the rungs")
        return self


class BandSettings(Settings):
    """Where MQL and SQL lie: quantiles, a capacity, a precision or given probabilities."""

    method: Literal["quantile", "capacity", "precision", "value", "given"] = "quantile"
    mql: Annotated[float, Field(gt=0)] = 0.70
    sql: Annotated[float, Field(gt=0)] = 0.90
    mql_name: str = "MQL"
    sql_name: str = "SQL"
    below_name: str = "below"
    further: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(default={})
    re_anchor: bool = False

    @model_validator(mode="after")
    def _lines_in_order(self) -> BandSettings:
        if self.method in {"quantile", "given", "precision"} and not self.mql < self.sql < 1:
            raise ValueError(
                f"method '{self.method}' needs 0 < mql < sql < 1; got mql = {self.mql:g}, sql = {self.sql:g}"
            )
        if self.method == "capacity" and self.sql >= self.mql:
            raise ValueError(
                "method 'capacity' counts leads: sql (the few) must be less than mql; "
                f"got mql = {self.mql:g}, sql = {self.sql:g}"
            )
        return self


class ValueSettings(Settings):
    """Money: what a win brings, bands by value per contact, and what a lead brings over a longer horizon.

    `needs`: won leads with an amount in development below which a win brings the plain mean. `bands`: least
    expected value of each band, in money; without any, quartiles named A to D.
    """

    enabled: bool = False
    needs: Annotated[int, Field(ge=20)] = 100
    bands: dict[str, Annotated[float, Field(ge=0)]] = Field(default={})
    below_name: str = "below"
    customer_horizon: Annotated[Duration | None, Field(gt=0)] = None
    customer_of: Literal["lead", "account"] = "lead"

    @model_validator(mode="after")
    def _lines_differ(self) -> ValueSettings:
        if len(set(self.bands.values())) < len(self.bands):
            raise ValueError("two value bands have the same line")
        if self.below_name in self.bands:
            raise ValueError(
                f"'{self.below_name}' names a band and what lies below all; set value.below_name"
            )
        return self


class GateSettings(Settings):
    """What a model must show before it becomes champion."""

    calibration_low: float = 0.8
    calibration_high: float = 1.25
    slope_low: float = 0.8
    slope_high: float = 1.25
    auc_confidence: Share = 0.99
    auc_most: Share = 0.985
    band_changes_most: Share = 0.5


class TierSettings(Settings):
    """Scores by segment: a calibration, lines and, where there are conversions for one, a model of its own each.

    `column`: a category known since the lead was made. `own_models`: whether segments may have models of their
    own; `model_conversions`: from how many conversions in development, by default what the model needs
    (model.needs). `sheet_conversions`: out-of-fold conversions from which a segment has MQL and SQL lines of its
    own.
    """

    column: str
    own_models: bool = True
    model_conversions: Annotated[int | None, Field(ge=20)] = None
    sheet_conversions: Annotated[int, Field(ge=1)] = 50


class Plan(Settings):
    """How a model is trained and judged: all that the trainer needs beside the examples."""

    split: SplitSettings = SplitSettings()
    rolling: RollingSettings = RollingSettings()
    model: ModelSettings = ModelSettings()
    bands: BandSettings = BandSettings()
    gate: GateSettings = GateSettings()
    tiers: TierSettings | None = None


class WordingSettings(Settings):
    """The language that sales reads: its plural rule, its marks in numbers, and phrases in place of English ones.

    `plural` is a gettext plural expression. `phrases` maps keys of `models.english.ENGLISH`, dotted or as
    nested tables, to a template, or to the plural forms where English has them.
    """

    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] = "en"
    plural: str = "n != 1"
    decimal: Annotated[str, Field(min_length=1, max_length=1, pattern=r"^[^0-9-]$")] = "."
    thousands: Annotated[str, Field(max_length=1, pattern=r"^[^0-9-]?$")] = ","
    phrases: dict[str, str | tuple[str, ...]] = Field(default={})

    @field_validator("plural")
    @classmethod
    def _readable(cls, value: str) -> str:
        plural_rule(value)
        return value

    @field_validator("phrases", mode="before")
    @classmethod
    def _flat(cls, value: object) -> object:
        return flat_phrases(value) if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _phrases_fit(self) -> WordingSettings:
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands must differ; both are {self.decimal!r}")
        faults = phrase_faults(self.phrases, form_count(plural_rule(self.plural)))
        if faults:
            raise ValueError(
                "\n    ".join([f"{len(faults)} of {len(self.phrases)} phrases can't be used:", *faults])
            )
        return self
