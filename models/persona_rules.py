"""Declared personas: rules over attributes and events, the first that is met counts."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from features.errors import ConfigError
from features.prepare import FeatureSources
from features.readings import Reading, attribute_readings, plain, refuse_unreadable
from features.settings import AttributeSettings, PositiveDuration, Settings
from features.view import RowView

__all__ = ["PersonaCondition", "PersonaRule", "PersonaSettings", "declared_personas", "refuse_stray_personas"]

Bools = NDArray[np.bool_]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class PersonaCondition(Settings):
    """One thing that must hold strictly before as_of.

    An attribute has one of `values` (in lower case, without outer blanks), or a number from `at_least` to
    `at_most`; an event occurred from `at_least` (1 by default) to `at_most` times, within `window` or ever.
    """

    attribute: str | None = None
    values: tuple[str, ...] = ()
    event: str | None = None
    window: PositiveDuration | None = None
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _attribute_or_event(self) -> PersonaCondition:
        if (self.attribute is None) == (self.event is None):
            raise ValueError("a persona's condition names either an attribute or an event")
        has_range = self.at_least is not None or self.at_most is not None
        if self.attribute is not None and bool(self.values) == has_range:
            raise ValueError(
                f"the condition on '{self.attribute}' needs either values, or at_least or at_most"
            )
        if self.attribute is not None and self.window is not None:
            raise ValueError(f"the condition on '{self.attribute}' has a window; only events have one")
        if self.event is not None and self.values:
            raise ValueError(f"the condition on the event '{self.event}' has values; use at_least or at_most")
        return self


class PersonaRule(Settings):
    """A persona and what must hold, all of it."""

    name: Name
    when: Annotated[tuple[PersonaCondition, ...], Field(min_length=1)]


class PersonaSettings(Settings):
    """Personas: declared by `rules`, learned as so many clusters, or both; a lead that meets a rule is that one.

    `learn`: a number of clusters, or the least and the most, of which the clearest is taken; 0 learns none.
    `attributes`: what learned personas are about; all attributes if none are named. `events`: whether also what
    leads did.
    """

    rules: tuple[PersonaRule, ...] = ()
    learn: (
        Annotated[int, Field(ge=0, le=20)]
        | tuple[Annotated[int, Field(ge=2, le=20)], Annotated[int, Field(ge=2, le=20)]]
    ) = 0
    attributes: tuple[str, ...] = ()
    events: bool = True

    @model_validator(mode="after")
    def _clusters_to_learn(self) -> PersonaSettings:
        if isinstance(self.learn, tuple) and self.learn[0] > self.learn[1]:
            raise ValueError(f"personas.learn must rise; got {self.learn[0]} to {self.learn[1]}")
        if self.learn == 1:
            raise ValueError("personas.learn = 1 would put every lead into one persona; use at least 2")
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of clusters to try."""
        if isinstance(self.learn, tuple):
            return tuple(range(self.learn[0], self.learn[1] + 1))
        return (self.learn,) if self.learn else ()


def declared_personas(
    view: RowView, rules: tuple[PersonaRule, ...], sources: FeatureSources
) -> NDArray[np.object_]:
    """(rows,) name of the first rule that each row meets, None where it meets none.

    Raises
    ------
    ConfigError
        If the model was trained without an attribute that a rule names.
    """
    found = np.full(len(view), None, dtype=object)
    for rule in reversed(rules):
        is_met = np.ones(len(view), dtype=bool)
        for condition in rule.when:
            is_met &= _is_met(view, condition, sources)
        found[is_met] = rule.name
    return found


def refuse_stray_personas(
    settings: PersonaSettings, attributes: AttributeSettings, *, is_static: bool
) -> None:
    """Nothing, where every rule can be told from what is declared.

    Raises
    ------
    ValueError
        If a rule or `attributes` names an attribute that is not declared or of which only today's value is known,
        or a flat export, which has no events, has a rule about them.
    """
    conditions = [each for rule in settings.rules for each in rule.when]
    if is_static and any(each.event is not None for each in conditions):
        raise ValueError("personas.rules: a flat export has no events; use conditions on attributes")
    named = [each.attribute for each in conditions if each.attribute is not None]
    instead = "use another attribute, or name it in attributes.waived"
    names = [*named, *settings.attributes]
    refuse_unreadable(names, "personas", attributes, is_static=is_static, instead=instead)


def _is_met(view: RowView, condition: PersonaCondition, sources: FeatureSources) -> Bools:
    if condition.event is not None:
        count = view.count(f"type:{condition.event}", condition.window or 0)
        least = 1.0 if condition.at_least is None and condition.at_most is None else condition.at_least or 0.0
        return np.asarray((count >= least) & (count <= _most(condition)))
    name = str(condition.attribute)
    if name.partition(".")[0] not in sources.attributes.availability():
        raise ConfigError(
            f"personas.rules: the model was trained without the attribute '{name.partition('.')[0]}', or the leak hunt "
            "left it out. Train again with rules on other attributes."
        )
    codes, readings = attribute_readings(view, name, sources)
    met = np.array([*(_fits(each, condition) for each in readings), False])
    return np.asarray(met[codes])


def _most(condition: PersonaCondition) -> float:
    return np.inf if condition.at_most is None else condition.at_most


def _fits(reading: Reading, condition: PersonaCondition) -> bool:
    if condition.values:
        return bool({plain(each) for each in condition.values} & set(reading.words))
    least = -np.inf if condition.at_least is None else condition.at_least
    return reading.number is not None and least <= reading.number <= _most(condition)
