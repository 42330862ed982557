"""Overrides: what people decided about leads. They stand beside the model's own score and never move it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from features.durations import Duration
from features.errors import ConfigError
from features.prepare import FeatureSources
from features.readings import Reading, attribute_readings, plain, refuse_unreadable
from features.settings import AttributeSettings, Settings
from features.view import RowView

__all__ = [
    "ACTIONS",
    "Action",
    "Condition",
    "Override",
    "OverrideRule",
    "OverrideSettings",
    "matching_rows",
    "refuse_stray_rules",
    "strongest",
]

Int64 = NDArray[np.int64]
Action = Literal["disqualify", "hold", "raise"]
ACTIONS: tuple[Action, ...] = ("disqualify", "hold", "raise")  # the strongest first
PositiveDuration = Annotated[Duration, Field(gt=0)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _no_number(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError("write a day such as 2026-03-31")
    return value


Day = Annotated[date, BeforeValidator(_no_number)]


class Condition(Settings):
    """Which leads a rule meets: by an attribute, by events, or by silence; all as known strictly before as_of.

    `domain` compares what follows the @, with its subdomains; `contains` looks for a text anywhere in the
    value, in lower case. An event counts within `window` before as_of, or ever. A lead is silent since its
    last event of any kind, or since its spell began.
    """

    attribute: str | None = None
    domain: tuple[Text, ...] = ()
    contains: tuple[Text, ...] = ()
    event: str | None = None
    at_least: Annotated[int, Field(ge=1)] = 1
    window: PositiveDuration | None = None
    silent_for: PositiveDuration | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Condition:
        kinds = {
            "attribute": {"attribute", "domain", "contains"},
            "event": {"event", "at_least", "window"},
            "silent_for": {"silent_for"},
        }
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError("a rule's when needs exactly one of attribute, event and silent_for")
        stray = sorted(self.model_fields_set - kinds[given[0]])
        if stray:
            raise ValueError(f"{', '.join(stray)} can't stand beside {given[0]} in a rule's when")
        if given == ["attribute"] and bool(self.domain) == bool(self.contains):
            raise ValueError(f"the rule for '{self.attribute}' needs either domain or contains")
        return self


class OverrideRule(Settings):
    """One hard rule, who answers for it, why, and the day from which it no longer counts."""

    when: Condition
    action: Action
    owner: Text
    reason: Text
    until: Day | None = None

    @model_validator(mode="after")
    def _expires(self) -> OverrideRule:
        if self.until is None and self.action != "disqualify":
            raise ValueError(f"the action '{self.action}' needs `until`, the day up to which it counts")
        return self

    @property
    def override(self) -> Override:
        """What a lead that the rule meets is given."""
        return Override(self.action, self.owner, self.reason, self.until)


class OverrideSettings(Settings):
    """Hard rules, a file of decisions on single leads or accounts, and whether the priority list raises."""

    rules: tuple[OverrideRule, ...] = ()
    file: str | None = None
    priority: bool = False

    @property
    def is_on(self) -> bool:
        """Whether there can be any override."""
        return bool(self.rules) or self.file is not None or self.priority


@dataclass(frozen=True)
class Override:
    """A decision about a lead; `until` is the day, from 00:00 UTC on, when it no longer counts."""

    action: Action
    owner: str
    reason: str
    until: date | None = None

    def has_expired(self, moment: int) -> bool:
        """Whether it no longer counts at a moment in microseconds.

        Examples
        --------
        >>> Override("hold", "Kim", "on parental leave", date(1970, 1, 2)).has_expired(86_400_000_000)
        True
        """
        if self.until is None:
            return False
        midnight = datetime(self.until.year, self.until.month, self.until.day, tzinfo=UTC)
        return moment >= int(midnight.timestamp()) * 1_000_000

    def to_json(self) -> dict[str, str | None]:
        """Plain values: the struct `override` of the output."""
        until = None if self.until is None else self.until.isoformat()
        return {"action": self.action, "owner": self.owner, "reason": self.reason, "until": until}


def refuse_stray_rules(
    settings: OverrideSettings, attributes: AttributeSettings, *, is_static: bool, has_accounts: bool
) -> None:
    """Nothing, where every rule can be told from what is declared.

    Raises
    ------
    ValueError
        If a rule reads an attribute that is not declared, or of which only today's value is known; if a flat
        export, which has no events, has a rule about them; or if there are no accounts to have priority.
    """
    conditions = [rule.when for rule in settings.rules]
    if is_static and any(each.attribute is None for each in conditions):
        raise ValueError(
            "overrides.rules: a flat export has no events; use rules with `attribute`, or a file"
        )
    if settings.priority and not has_accounts:
        raise ValueError("overrides.priority needs the table data.accounts with the column is_priority")
    names = [each.attribute for each in conditions if each.attribute is not None]
    instead = "put the leads it is about into overrides.file"
    refuse_unreadable(names, "overrides.rules", attributes, is_static=is_static, instead=instead)


def matching_rows(view: RowView, when: Condition, sources: FeatureSources) -> Int64:
    """Positions of the view's rows that a condition meets, as known strictly before their as_of.

    Raises
    ------
    ConfigError
        If the model does not know the attribute, or nobody ever had such an event.
    """
    if when.attribute is not None:
        _require_attribute(when.attribute, sources)
        codes, readings = attribute_readings(view, when.attribute, sources)
        met = np.array([*(_is_met(each, when) for each in readings), False])
        return np.flatnonzero(met[codes])
    if when.event is not None:
        _require_event(when.event, view)
        return np.flatnonzero(view.count(f"type:{when.event}", when.window or 0) >= when.at_least)
    assert when.silent_for is not None
    since = view.microseconds_since("any")
    silent = np.where(np.isnan(since), view.rows.as_of - view.rows.spell_start, since)
    return np.flatnonzero(silent >= when.silent_for)


def strongest(n: int, candidates: Iterable[tuple[Sequence[int], Override]]) -> list[Override | None]:
    """One override a row, None where there is none: disqualify beats hold beats raise, else the first counts.

    Parameters
    ----------
    candidates : (rows, override) in the order in which they count.

    Examples
    --------
    >>> kim, ann = Override("raise", "Kim", "met at the fair"), Override("hold", "Ann", "legal check")
    >>> [each and each.owner for each in strongest(3, [([0, 1], kim), ([1], ann)])]
    ['Kim', 'Ann', None]
    """
    found: list[Override | None] = [None] * n
    for rows, override in candidates:
        for row in rows:
            present = found[row]
            if present is None or ACTIONS.index(override.action) < ACTIONS.index(present.action):
                found[row] = override
    return found


def _is_met(reading: Reading, when: Condition) -> bool:
    if when.contains:
        return any(plain(text) in word for text in when.contains for word in reading.words)
    domain = (reading.words[0] if reading.words else "").rpartition("@")[2]
    wanted = [plain(each).removeprefix("@") for each in when.domain]
    return any(domain == each or domain.endswith(f".{each}") for each in wanted)


def _require_attribute(name: str, sources: FeatureSources) -> None:
    if name.partition(".")[0] not in sources.attributes.availability():
        raise ConfigError(
            f"overrides.rules: the model was trained without the attribute '{name.partition('.')[0]}', or the leak "
            "hunt barred it. Train again with it, vouch for it in attributes.trusted, or use overrides.file."
        )


def _require_event(name: str, view: RowView) -> None:
    kinds = [*view.data.events.kinds, *view.settings.types]
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, n=1, cutoff=0.5)
        cure = f"Did you mean '{near[0]}'?" if near else "Declare it under [events.types], if it is to come."
        raise ConfigError(f"overrides.rules: there is no event of the type '{name}'. {cure}")
