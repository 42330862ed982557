"""The ideal customer profile as features: which of its points a lead meets, and what share of its weight."""

from __future__ import annotations

import difflib

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Feature
from features.errors import ConfigError
from features.fit_settings import FitSettings, ProfileRule
from features.prepare import FeatureSources
from features.readings import Reading, attribute_readings, plain, reader_fault
from features.settings import AttributeSettings
from features.view import RowView

__all__ = ["PROFILE", "SHARE_MET", "describe_profile", "profile_column", "resolve_profile"]

Float64 = NDArray[np.float64]
PROFILE = "profile"
_WORDS = "ideal customer profile"
SHARE_MET = Feature("explicit", PROFILE, "share_met", unit="level", group=PROFILE, words=_WORDS)


def resolve_profile(settings: FitSettings | None, attributes: AttributeSettings) -> tuple[ProfileRule, ...]:
    """The rules of the profile, every attribute of theirs declared and every reader fit for it.

    Raises
    ------
    ConfigError
        If a rule names an attribute that is not declared or is barred, or a reader that does not exist
        or reads no such attribute.
    """
    rules = settings.rules if settings else ()
    kinds = attributes.kinds()
    lost = [rule.attribute for rule in rules if rule.attribute.partition(".")[0] not in kinds]
    if lost:
        name = lost[0].partition(".")[0]
        near = difflib.get_close_matches(name, list(kinds), n=1, cutoff=0.5)
        cure = f"Did you mean '{near[0]}'?" if near else "Declare it, or leave the rule out."
        if name in attributes.barred:
            cure = "It is barred; leave the rule out, or vouch for the column in attributes.trusted."
        raise ConfigError(
            f"{len(lost)} of {len(rules)} rules of [fit] name attributes that are not declared under [attributes]; "
            f"the first is '{lost[0]}'. {cure}"
        )
    unread = [fault for rule in rules if (fault := reader_fault(rule.attribute, kinds))]
    if unread:
        raise ConfigError(
            f"{len(unread)} of {len(rules)} rules of [fit] can't be read; the first is {unread[0]}."
        )
    return tuple(rules)


def describe_profile(sources: FeatureSources) -> list[Feature]:
    """Share of the weight met, rules met and unknown, and one flag a rule, in one reason group.

    Raises
    ------
    ConfigError
        If a rule would read today's value of an attribute where the past is rebuilt.
    """
    if not sources.profile:
        return []
    usable = sources.usable()
    late = [rule.attribute for rule in sources.profile if rule.attribute.partition(".")[0] not in usable]
    if late:
        raise ConfigError(
            f"{len(late)} rules of [fit] would read today's value of an attribute for past leads; the first is "
            f"'{late[0]}'. Declare it under attributes.at_creation or history, or name it in attributes.waived."
        )
    counts = [
        Feature("explicit", PROFILE, op, unit="level", group=PROFILE, words=_WORDS)
        for op in ("rules_met", "rules_unknown")
    ]
    flags = [
        Feature(
            "explicit", rule.attribute, f"profile{number}", unit="flag", group=PROFILE, words=_words_of(rule)
        )
        for number, rule in enumerate(sources.profile)
    ]
    return [SHARE_MET, *counts, *flags]


def profile_column(view: RowView, feature: Feature, sources: FeatureSources) -> Float64:
    """The column of a profile feature.

    A flag is 1 where the rule is met, 0 where it is not, NaN where the value is missing or can't be read.
    `share_met` is the weight of the rules met over that of all rules, from 0 to 1: what is unknown counts as
    not shown; NaN where every rule is unknown.
    """
    if feature.op.startswith("profile"):
        return _flag(view, sources.profile[int(feature.op.removeprefix("profile"))], sources)
    flags = np.stack([_flag(view, rule, sources) for rule in sources.profile])
    is_unknown = np.isnan(flags)
    if feature.op == "rules_unknown":
        return np.asarray(is_unknown.sum(axis=0).astype(np.float64))
    met = np.where(is_unknown, 0.0, flags)
    if feature.op == "rules_met":
        return np.asarray(met.sum(axis=0))
    share = np.zeros(len(view))
    for rule, is_met in zip(
        sources.profile, met, strict=True
    ):  # in the order of the rules, whatever the rows
        share = share + rule.weight * is_met
    share = share / sum(rule.weight for rule in sources.profile)
    return np.where(is_unknown.all(axis=0), np.nan, share)


def _flag(view: RowView, rule: ProfileRule, sources: FeatureSources) -> Float64:
    codes, readings = attribute_readings(view, rule.attribute, sources)
    wanted = frozenset(plain(each) for each in rule.values)
    return np.array([*(_is_met(each, rule, wanted) for each in readings), np.nan])[codes]


def _is_met(reading: Reading, rule: ProfileRule, wanted: frozenset[str]) -> float:
    if rule.values:
        return float(not wanted.isdisjoint(reading.words)) if any(reading.words) else np.nan
    if reading.number is None:
        return np.nan
    is_high = rule.low is None or reading.number >= rule.low
    return float(is_high and (rule.high is None or reading.number <= rule.high))


def _words_of(rule: ProfileRule) -> str:
    return rule.words or rule.attribute.replace(".", " ").replace("_", " ")
