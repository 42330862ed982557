"""The points table as features: one column a rule, holding the points that the rule gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Feature
from features.errors import ConfigError
from features.implicit import event_words
from features.prepare import FeatureSources
from features.readings import READERS, Reading, attribute_readings, plain, reader_fault
from features.settings import AttributeSettings, EventSettings, Kind, PointsRule, PointsSettings
from features.titles import DEPARTMENTS, ROLES, SENIORITIES
from features.view import RowView

__all__ = ["describe_points", "listed_rules", "points_column", "preset_lines", "resolve_rules"]

Float64 = NDArray[np.float64]

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
NO_EVENTS = EventSettings()
_READ_WORDS = {"role": ROLES, "department": DEPARTMENTS, "seniority": SENIORITIES}
_PRESETS = {"saas": (_SAAS, None, None), "car_dealer": (_CAR_DEALER, 30.0, None)}


def resolve_rules(
    settings: PointsSettings | None, attributes: AttributeSettings, events: EventSettings = NO_EVENTS
) -> tuple[PointsRule, ...]:
    """The rules of a points table: those of the preset, of the sheet, and the project's own.

    A preset names its columns job_title and company_size; they are found by `points.attributes`, by
    name, or by kind; those of a sheet as `listed_rules` says. Events are renamed by `points.events`.

    Raises
    ------
    ConfigError
        If a rule names an attribute that is not declared or is barred, or a reader that does not exist.
    """
    if settings is None:
        return ()
    preset = _PRESETS[settings.preset][0] if settings.preset else ()
    kinds = attributes.kinds()
    rules = [
        *(_on_columns(rule, settings, kinds) for rule in preset),
        *listed_rules(settings, attributes, events),
    ]
    lost = [
        rule.attribute for rule in rules if rule.attribute and rule.attribute.partition(".")[0] not in kinds
    ]
    if lost:
        raise ConfigError(
            f"{len(lost)} points rules name attributes that are not declared under [attributes]; the first is "
            f"'{lost[0]}'. Declare it, or say which column it is: [points] attributes = {{ {lost[0]} = \"...\" }}."
        )
    unread = [fault for rule in rules if rule.attribute and (fault := reader_fault(rule.attribute, kinds))]
    if unread:
        raise ConfigError(f"{len(unread)} points rules can't be read; the first is {unread[0]}.")
    return tuple(rules)


def listed_rules(
    settings: PointsSettings, attributes: AttributeSettings, events: EventSettings
) -> tuple[PointsRule, ...]:
    """The rules of the sheet on this project's columns, then the project's own as they are.

    Names in a sheet may differ from the project's in case, blanks and dashes. An attribute that is not declared
    is looked up in `points.attributes`, then by kind; role, department and seniority are read from the job
    title. A job title whose values are all roles (or departments, or seniorities) is read as such.
    """
    kinds, types = attributes.kinds(), {**{name: name for name in events.types}, **settings.events}
    return (*(_of_sheet(rule, settings, kinds, types) for rule in settings.sheet), *settings.rules)


def _of_sheet(
    rule: PointsRule, settings: PointsSettings, kinds: dict[str, Kind], types: dict[str, str]
) -> PointsRule:
    if rule.event is not None:
        event = next((ours for name, ours in types.items() if _alike(name, rule.event)), rule.event)
        return rule.model_copy(update={"event": event})
    name, _, reader = str(rule.attribute).partition(".")
    titles = [each for each, kind in kinds.items() if kind == "job_title"]
    given = next((ours for theirs, ours in settings.attributes.items() if _alike(theirs, name)), None)
    same = next((each for each in kinds if _alike(each, name)), None)
    of_kind = next((each for each, kind in kinds.items() if _alike(kind, name)), None)
    found = given or same or of_kind
    if found is None and plain(name) in READERS and len(titles) == 1:
        found = f"{titles[0]}.{plain(name)}"
    column, _, own_reader = (found or name).partition(".")
    reader = own_reader or plain(reader)
    if not reader and kinds.get(column) == "job_title" and rule.values:
        said = {plain(value) for value in rule.values} - {"", "(unknown)"}
        reader = next((each for each, known in _READ_WORDS.items() if said and said <= set(known)), "")
    return rule.model_copy(update={"attribute": f"{column}.{reader}" if reader else column})


def _alike(one: str, other: str) -> bool:
    first, second = (plain(each.replace("_", " ").replace("-", " ")) for each in (one, other))
    return first == second


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
    codes, readings = attribute_readings(view, str(rule.attribute), sources)
    return np.array([*(_points_of(each, rule) for each in readings), _of_missing(rule)])[codes]


def _points_of(reading: Reading, rule: PointsRule) -> float:
    if rule.ranges:
        bounds = sorted((float(bound), points) for bound, points in rule.ranges.items())
        number = reading.number
        reached = [points for bound, points in bounds if number is not None and number >= bound]
        return reached[-1] if reached else 0.0
    return next((points for value, points in rule.values.items() if plain(value) in reading.words), 0.0)


def _of_missing(rule: PointsRule) -> float:
    return next(
        (points for value, points in rule.values.items() if value.strip().casefold() in {"", "(unknown)"}),
        0.0,
    )
