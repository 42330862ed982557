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
_READER_NAMES = ("", "department", "role", "seniority")

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
        If a rule names an attribute that is not declared or is barred, or a reader that does not exist.
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
    unread = [rule.attribute for rule in rules if str(rule.attribute).partition(".")[2] not in _READER_NAMES]
    if unread:
        raise ConfigError(
            f"{len(unread)} points rules read an attribute in a way that does not exist; the first is '{unread[0]}'. "
            f"After the dot may stand {', '.join(_READER_NAMES[1:])}."
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
    """One feature a rule, in the order of the table.

    Raises
    ------
    ConfigError
        If a rule would read today's value of an attribute where the past is rebuilt.
    """
    usable = sources.usable()
    late = [
        rule.attribute
        for rule in sources.points
        if rule.attribute and rule.attribute.partition(".")[0] not in usable
    ]
    if late:
        raise ConfigError(
            f"{len(late)} points rules would give past leads points for today's value of an attribute; the first is "
            f"'{late[0]}'. Declare it under attributes.at_creation or history, or name it in attributes.waived."
        )
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
    is_boolean = sources.attributes.kinds()[name] == "boolean"
    table = [_points_of(_words_of(value, is_boolean=is_boolean), rule, reader) for value in unique]
    return np.array([*table, _of_missing(rule)])[codes]


def _words_of(value: object, *, is_boolean: bool) -> tuple[str, ...]:
    """A value as people write it: 3.0 is also 3, a boolean's 1.0 also yes and true."""
    if not isinstance(value, int | float):
        return (str(value),)
    plain = (repr(float(value)), f"{value:.0f}" if float(value).is_integer() else repr(value))
    return (*plain, *(("yes", "true") if value else ("no", "false"))) if is_boolean else plain


def _points_of(words: tuple[str, ...], rule: PointsRule, reader: str) -> float:
    text = words[0]
    if rule.ranges:
        number = size_band(text) if len(words) == 1 else float(text)
        bounds = sorted((float(bound), points) for bound, points in rule.ranges.items())
        reached = [points for bound, points in bounds if number is not None and number >= bound]
        return reached[-1] if reached else 0.0
    if reader == "seniority":
        level = seniority(text)
        key: str | None = None if level is None else SENIORITIES[level]
    else:
        key = _READERS[reader](text) if reader else text
    wanted = {_plain(each) for each in ([key] if reader else words) if each is not None}
    return next((points for value, points in rule.values.items() if _plain(value) in wanted), 0.0)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _of_missing(rule: PointsRule) -> float:
    return next(
        (points for value, points in rule.values.items() if value.strip().casefold() in {"", "(unknown)"}),
        0.0,
    )
