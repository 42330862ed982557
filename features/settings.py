"""Settings of everything that turns tables into features: small frozen value classes.

They are read from the project file by `pipeline.config` and travel in the bundle, so that scoring
sees what training saw.
"""

from __future__ import annotations

import difflib
import math
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.durations import Duration, format_duration, parse_duration
from features.titles import DEPARTMENTS

__all__ = [
    "POINTS_SHEET",
    "AttributeGroup",
    "AttributeSettings",
    "Availability",
    "Entity",
    "EventSettings",
    "EventType",
    "Family",
    "FeatureSettings",
    "Kind",
    "PointsRule",
    "PointsSettings",
    "Settings",
    "SnapshotSettings",
    "StaticSettings",
    "TargetSettings",
]

Availability = Literal["at_creation", "history", "current"]
Kind = Literal["category", "number", "boolean", "job_title", "email", "company_size"]
Family = Literal["explicit", "implicit", "recency", "account"]
Entity = Literal["lead", "account", "product", "customer", "customer account"]
Stage = Literal["awareness", "consideration", "decision"]
PositiveDuration = Annotated[Duration, Field(gt=0)]
NotNegativeDuration = Annotated[Duration, Field(ge=0)]


class Settings(BaseModel):
    """A section of the project file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AttributeGroup(Settings):
    """Names of attributes of one availability, by what they hold; each name once."""

    category: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    boolean: tuple[str, ...] = ()
    job_title: tuple[str, ...] = ()
    email: tuple[str, ...] = ()
    company_size: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_name_once(self) -> AttributeGroup:
        names = [name for kind in type(self).model_fields for name in getattr(self, kind)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"attributes declared more than once: {', '.join(twice)}")
        return self

    def kinds(self) -> dict[str, Kind]:
        """Kind of each attribute, in the order of the file."""
        return {name: kind for kind in type(self).model_fields for name in getattr(self, kind)}  # type: ignore[misc]


PRIORITY = "is_priority"


class AttributeSettings(Settings):
    """Which columns of leads and accounts are attributes, what they hold, since when they are known.

    `at_creation`: fixed when the lead was made. `history`: the value at as_of from `field_changes`.
    `current`: today's value; barred from training wherever the past is rebuilt, unless `waived` by name.
    `trusted`: columns that the leak hunt of a training does not bar, whatever they look like.
    """

    at_creation: AttributeGroup = AttributeGroup()
    history: AttributeGroup = AttributeGroup()
    current: AttributeGroup = AttributeGroup()
    barred: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    max_categories: Annotated[int, Field(ge=2, le=250)] = 40
    min_category_rows: Annotated[int, Field(ge=1)] = 20
    max_unseen_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    ranges: dict[str, tuple[float, float]] = {}

    @model_validator(mode="after")
    def _each_name_once(self) -> AttributeSettings:
        names = [name for group in (self.at_creation, self.history, self.current) for name in group.kinds()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"attributes declared more than once: {', '.join(twice)}")
        stray = sorted(set(self.waived) - set(self.current.kinds()) - {PRIORITY})
        if stray:
            near = difflib.get_close_matches(stray[0], [*self.current.kinds(), PRIORITY], n=1, cutoff=0.5)
            cure = f"; did you mean '{near[0]}'?" if near else ""
            raise ValueError(f"waived, but not declared under attributes.current: {', '.join(stray)}{cure}")
        return self

    def availability(self) -> dict[str, Availability]:
        """Availability of each declared attribute that is not barred."""
        found: dict[str, Availability] = {}
        for availability in ("at_creation", "history", "current"):
            for name in getattr(self, availability).kinds():
                if name not in self.barred:
                    found[name] = availability
        return found

    def kinds(self) -> dict[str, Kind]:
        """Kind of each declared attribute, barred ones left out."""
        groups = (self.at_creation, self.history, self.current)
        return {n: kind for group in groups for n, kind in group.kinds().items() if n not in self.barred}


class EventType(Settings):
    """What one event type means: funnel stage, direction (-1 speaks against), words for sales.

    Types of one `group` share a half-life; without a group those of one stage do.
    """

    stage: Stage | None = None
    group: Annotated[str | None, Field(min_length=1)] = None
    direction: Literal[-1, 1] = 1
    words: str | None = None


class EventSettings(Settings):
    """Event catalogue and cleaning."""

    types: dict[str, EventType] = {}
    max_types: Annotated[int, Field(ge=1, le=200)] = 30
    bot_events: Annotated[int, Field(ge=2)] = 10
    bot_window: PositiveDuration = parse_duration("2s")
    barred: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    internal_column: str | None = None
    internal_values: tuple[str, ...] = ()
    use_value: bool = True


class TargetSettings(Settings):
    """What counts as converted, of whom, and how far ahead.

    `entity`: what one row is scored for; `name`: outcomes whose column `target` says so, without a name
    those that say nothing. `products`: those on offer, for `entity = "product"`. `since`: outcomes of leads
    that make a customer, for `entity = "customer"`; `also_ends`: outcomes of other targets that end this one.
    `roles`: departments of a buying group, for `entity = "account"`.
    """

    entity: Entity = "lead"
    name: str | None = None
    products: tuple[str, ...] = ()
    on_offer_since: dict[str, date] = {}
    on_offer_until: dict[str, date] = {}
    since: tuple[str, ...] = ("won",)
    also_ends: tuple[str, ...] = ("churned",)
    roles: tuple[str, ...] = ()
    won: tuple[str, ...] = ("won",)
    not_terminal: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ("reopened",)
    horizon: PositiveDuration = parse_duration("30d")
    outcome_delay: NotNegativeDuration = 0
    outcome_grace: NotNegativeDuration = 0
    outcome_events: tuple[str, ...] = ()
    product: str | None = None

    @model_validator(mode="after")
    def _grace_within_horizon(self) -> TargetSettings:
        if self.outcome_grace >= self.horizon:
            raise ValueError(
                "outcome_grace must be shorter than horizon; got "
                f"{format_duration(self.outcome_grace)} and {format_duration(self.horizon)}"
            )
        return self

    @model_validator(mode="after")
    def _products_on_offer(self) -> TargetSettings:
        stray = sorted({*self.on_offer_since, *self.on_offer_until} - set(self.products))
        if stray:
            raise ValueError(f"on offer, but not among products: {', '.join(stray)}")
        if len(set(self.products)) < len(self.products):
            raise ValueError("a product is listed twice")
        never = [each for each in self.on_offer_since if self._is_gone_before(each)]
        if never:
            raise ValueError(
                f"'{never[0]}' must go after it came: on_offer_until lies at or before on_offer_since"
            )
        marked = [each for each in self.products if " | " in each or not each.strip()]
        if marked:  # ids are "LEAD | PRODUCT", read from the right
            raise ValueError(f"a product needs a name without ' | ' in it; got {marked[0]!r}")
        return self

    def _is_gone_before(self, product: str) -> bool:
        until = self.on_offer_until.get(product)
        return until is not None and until <= self.on_offer_since[product]

    @model_validator(mode="after")
    def _known_roles(self) -> TargetSettings:
        stray = [role for role in self.roles if role not in DEPARTMENTS]
        if stray:
            near = difflib.get_close_matches(stray[0].casefold(), DEPARTMENTS, n=1, cutoff=0.5)
            cure = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(DEPARTMENTS)}"
            raise ValueError(f"roles: '{stray[0]}' is no department that job titles tell; {cure}")
        return self


class SnapshotSettings(Settings):
    """Which moments become examples: `calendar` cuts, `age` after creation, or `static` flat exports."""

    mode: Literal["calendar", "age", "static"] = "calendar"
    every: PositiveDuration = parse_duration("14d")
    ages: Annotated[tuple[PositiveDuration, ...], Field(min_length=1)] = tuple(
        parse_duration(age) for age in ("1d", "7d", "14d")
    )
    max_rows: Annotated[int, Field(ge=1_000)] = 300_000


class StaticSettings(Settings):
    """A flat export: its label column and what gives the time order."""

    label: str = "converted"
    positive: tuple[str, ...] = ("1", "true", "yes", "won")
    negative: tuple[str, ...] = ("0", "false", "no", "lost")
    open: tuple[str, ...] = ()
    order: str | None = None


class FeatureSettings(Settings):
    """Feature families, windows and half-lives."""

    families: tuple[Family, ...] = ("explicit", "implicit", "recency", "account")
    windows: Annotated[tuple[PositiveDuration, ...], Field(min_length=1)] = tuple(
        parse_duration(window) for window in ("7d", "30d", "90d")
    )
    half_lives: tuple[PositiveDuration, ...] = tuple(parse_duration(each) for each in ("3d", "14d", "60d"))
    half_lives_by_group: dict[str, PositiveDuration] = {}
    learn_half_lives: bool = False
    half_life_grid: Annotated[tuple[PositiveDuration, ...], Field(min_length=3)] = tuple(
        parse_duration(each)
        for each in ("36h", "2d", "3d", "4d", "6d", "8d", "12d", "16d", "24d", "32d", "48d", "64d", "96d")
    )
    tail: Annotated[float, Field(ge=0, lt=1)] = 0.0
    tail_half_life: PositiveDuration = parse_duration("365d")
    funnel: bool = False
    funnel_window: PositiveDuration = parse_duration("30d")
    funnel_change: PositiveDuration = parse_duration("7d")
    re_engaged_after: Duration | None = None
    missing_flags: bool = True
    words: dict[str, str] = {}

    @model_validator(mode="after")
    def _each_span_once(self) -> FeatureSettings:
        for name in ("windows", "half_lives"):
            spans = getattr(self, name)
            twice = [span for place, span in enumerate(spans) if span in spans[:place]]
            if twice:
                raise ValueError(f"{name} lists {format_duration(twice[0])} twice")
        return self

    @model_validator(mode="after")
    def _long_silence(self) -> FeatureSettings:
        if self.re_engaged_after is not None and self.re_engaged_after < parse_duration("7d"):
            raise ValueError(
                f"re_engaged_after must be at least 7d; got {format_duration(self.re_engaged_after)}"
            )
        return self

    @model_validator(mode="after")
    def _fine_grid(self) -> FeatureSettings:
        grid = self.half_life_grid
        for shorter, longer in pairwise(grid):
            if not shorter < longer <= 1.5 * shorter:
                raise ValueError(
                    "half_life_grid must rise by steps of at most one half; got "
                    f"{format_duration(shorter)}, then {format_duration(longer)}"
                )
        learned = grid if self.learn_half_lives else ()
        longest = max((*self.half_lives, *self.half_lives_by_group.values(), *learned), default=0)
        if self.tail and self.tail_half_life <= longest:
            raise ValueError(
                f"tail_half_life must be longer than every half-life; got {format_duration(self.tail_half_life)} "
                f"and {format_duration(longest)}"
            )
        return self


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


class PointsRule(Settings):
    """One line of a points table: points for values of an attribute, ranges of a number, or an event.

    `values` maps a value (compared in lower case, without outer blanks) to points; `ranges` maps a lower
    bound to points, the highest bound at or below the number wins; `event` gives `points` for having it
    (`per = "once"`) or for each, up to `most` times, within `window` before as_of.
    """

    attribute: str | None = None
    values: dict[str, float] = {}
    ranges: dict[str, float] = {}
    event: str | None = None
    points: float = 0.0
    per: Literal["once", "each"] = "once"
    most: Annotated[int, Field(ge=1)] = 100
    window: PositiveDuration | None = None
    words: str | None = None

    @model_validator(mode="after")
    def _attribute_or_event(self) -> PointsRule:
        if (self.attribute is None) == (self.event is None):
            raise ValueError("a points rule names either an attribute or an event")
        if self.attribute is not None and bool(self.values) == bool(self.ranges):
            raise ValueError(f"the points rule for '{self.attribute}' needs either values or ranges")
        stray = [bound for bound in self.ranges if not _is_number(bound)]
        if stray:
            raise ValueError(
                f"the lower bound '{stray[0]}' of the points rule for '{self.attribute}' is no number"
            )
        return self


POINTS_SHEET = "(rules of the sheet)"  # set by load_project; `sheet` in a file is an unknown key


class PointsSettings(Settings):
    """The traditional points table: a preset, a sheet, own rules, or all; MQL and SQL in points.

    `sheet` holds the rules of the sheet named by `file`. `pdo`, the points that double the odds, is the scale
    of a fitted scorecard; without it a point keeps the worth it has in the table.
    """

    preset: Literal["saas", "car_dealer"] | None = None
    file: str | None = None
    sheet: tuple[PointsRule, ...] = Field(default=(), validation_alias=POINTS_SHEET)
    rules: tuple[PointsRule, ...] = ()
    attributes: dict[str, str] = {}
    events: dict[str, str] = {}
    mql: float | None = None
    sql: float | None = None
    pdo: Annotated[float | None, Field(ge=1)] = None
