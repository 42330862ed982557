"""The points table as features: one column a rule, holding the points that the rule gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Feature
from features.errors import ConfigError
from features.explicit import attribute_values
from features.implicit import event_words
from features.prepare import FeatureSources
from features.settings import AttributeSettings, Kind, PointsRule, PointsSettings
from features.titles import SENIORITIES, department, role, seniority, size_band
from features.view import RowView

__all__ = ["describe_points", "points_column", "preset_lines", "resolve_rules"]

Float64 = NDArray[np.float64]
_READERS = {"role": role, "department": department}

_SAAS: tuple[PointsRule, ...] = (
    PointsRule(attribute="job_title.role", values={"c-level": 15, "pm": 10, "director": 10, "assistant": 0}),
    PointsRule(attribute="job_title.department", values={"it": 15, "finance": 10, "marketing": 0}),
    PointsRule(attribute="company_size", ranges={"0": 0, "50": 5, "100": 10, "500": 15, "1000": 5}),
)
_CAR_DEALER: tuple[PointsRule, ...] = (
    PointsRule(event="form_submit", points=10, words="forms filled in"),
    PointsRule(event="email_open", points=3, words="e-mails opened"),
    PointsRule(event="email_click", points=7, words="e-mail links clicked"),
    PointsRule(event="directions_request", points=20, words="requests for directions"),
)
_PRESETS = {"saas": (_SAAS, None, None), "car_dealer": (_CAR_DEALER, 30.0, None)}


def resolve_rules(settings: PointsSettings | None, attributes: AttributeSettings) -> tuple[PointsRule, ...]:
    """The rules of a points table: those of the preset on this project's columns, then its own.

    A preset names its columns job_title and company_size; they are found by `points.attributes`, by
    name, or by kind. Events are renamed by `points.events`.

    Raises
    ------
    ConfigError
        If a rule names an attribute that is not declared or is barred.
    """
    if settings is None:
        return ()
    preset = _PRESETS[settings.preset][0] if settings.preset else ()
    kinds = attributes.kinds()
    rules = [_on_columns(rule, settings, kinds) for rule in preset] + list(settings.rules)
    lost = [
        rule.attribute for rule in rules if rule.attribute and rule.attribute.partition(".")[0] not in kinds
    ]
    if lost:
        raise ConfigError(
            f"{len(lost)} points rules name attributes that are not declared under [attributes]; the first is "
            f"'{lost[0]}'. Declare it, or say which column it is: [points] attributes = {{ {lost[0]} = \"...\" }}."
        )
    return tuple(rules)


def preset_lines(settings: PointsSettings) -> tuple[float | None, float | None]:
    """MQL and SQL lines in points: the settings', else the preset's."""
    _, mql, sql = _PRESETS[settings.preset] if settings.preset else ((), None, None)
    return (
        settings.mql if settings.mql is not None else mql,
        settings.sql if settings.sql is not None else sql,
    )


def _on_columns(rule: PointsRule, settings: PointsSettings, kinds: dict[str, Kind]) -> PointsRule:
    if rule.event is not None:
        return rule.model_copy(update={"event": settings.events.get(rule.event, rule.event)})
    logical, dot, reader = str(rule.attribute).partition(".")
    of_kind = [name for name, kind in kinds.items() if kind == logical]
    actual = settings.attributes.get(logical) or (logical if logical in kinds else (of_kind or [logical])[0])
    return rule.model_copy(update={"attribute": f"{actual}{dot}{reader}"})


def describe_points(sources: FeatureSources) -> list[Feature]:
    """One feature a rule, in the order of the table."""
    found: list[Feature] = []
    for number, rule in enumerate(sources.points):
        source = rule.attribute or f"type:{rule.event}"
        words = rule.words or (
            event_words(rule.event, sources) if rule.event else source.replace(".", " ").replace("_", " ")
        )
        found.append(
            Feature(
                "points", source, f"rule{number}", rule.window or 0, "points", 1, f"points:{source}", words
            )
        )
    return found


def points_column(view: RowView, feature: Feature, sources: FeatureSources) -> Float64:
    """Points that the rule gives each row; 0 where nothing matches."""
    rule = sources.points[int(feature.op.removeprefix("rule"))]
    if rule.event is not None:
        counted = np.minimum(view.count(f"type:{rule.event}", rule.window or 0), float(rule.most))
        return rule.points * (counted if rule.per == "each" else (counted > 0).astype(np.float64))
    name, _, reader = str(rule.attribute).partition(".")
    availability = "at_creation" if sources.is_static else sources.attributes.availability()[name]
    values = attribute_values(view, name, availability)
    codes, unique = pd.factorize(pd.Series(values, dtype=object), use_na_sentinel=True)
    return np.array([*(_points_of(str(value), rule, reader) for value in unique), _of_missing(rule)])[codes]


def _points_of(text: str, rule: PointsRule, reader: str) -> float:
    if rule.ranges:
        number = size_band(text)
        bounds = sorted((float(bound), points) for bound, points in rule.ranges.items())
        reached = [points for bound, points in bounds if number is not None and number >= bound]
        return reached[-1] if reached else 0.0
    if reader == "seniority":
        level = seniority(text)
        key: str | None = None if level is None else SENIORITIES[level]
    else:
        key = _READERS[reader](text) if reader else text
    wanted = " ".join(str(key).split()).casefold()
    matches = [
        points for value, points in rule.values.items() if " ".join(value.split()).casefold() == wanted
    ]
    return matches[0] if matches and key is not None else 0.0


def _of_missing(rule: PointsRule) -> float:
    return next(
        (points for value, points in rule.values.items() if value.strip().casefold() in {"", "(unknown)"}),
        0.0,
    )
