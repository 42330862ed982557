"""What a scoring run warns of: an old export, settings and categories unlike those of the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from features.asof import NEVER, microseconds
from features.cleaning import hashed
from features.contracts import Tables
from features.entities import DERIVED, without_derived
from features.errors import ConfigError, InputError
from features.fit_settings import ProfileRule
from features.prepare import FeatureSources
from features.settings import EventType, PointsRule
from models.bundle import Bundle
from pipeline.config import Project
from pipeline.dataset import sources_of

__all__ = ["changed_settings", "stale_warning", "unseen_warnings"]

LEAST_FOR_SHARES = 30  # of fewer leads a share says nothing: a single lead may hold a rare value


def stale_warning(as_of: int, tables: Tables) -> list[str]:
    """Scoring long after the data ends makes every lead look asleep."""
    if as_of == NEVER or pd.isna(tables.data_end):
        return []
    days = (as_of - int(microseconds(tables.data_end)[0])) // 86_400_000_000
    return (
        [f"as_of lies {days:,} days after the end of the data: all that happened since is unknown"]
        if days >= 1
        else []
    )


def changed_settings(project: Project, bundle: Bundle) -> list[str]:
    """One warning that names what the project file asks otherwise than when the model was trained, if anything.

    Questions and features are the bundle's, so a change in the file waits for the next training. What a training
    itself adds (columns of its entity, what the leak hunt bars, half-lives it learned) is no change, nor are words,
    the order of names, or what a flat export does not ask.
    """
    known = bundle.sources
    try:
        own = sources_of(_with_derived(project, known))
    except ConfigError as error:
        return [f"the project file changed so that the next training will refuse it: {error}"]
    if own.is_static != known.is_static:
        return []  # refused with a message of its own, or about to be
    before, now = _settled(known, project), _settled(own, project)
    changed = [
        f"{section}.{name}"
        for section in now
        for name in now[section]
        if now[section][name] != before[section][name]
    ]
    barred = set(own.attributes.barred) - set(known.attributes.barred)
    changed += ["attributes.barred"] if barred & set(known.attributes.kinds()) else []
    if not own.is_static:
        changed += ["events.barred"] if set(own.events.barred) - set(known.events.barred) else []
    changed += ["points"] if _wordless(own.points) != _wordless(known.points) else []
    changed += ["fit"] if _wordless(own.profile) != _wordless(known.profile) else []
    if not changed:
        return []
    return [
        f"changed in the project file since this model was trained, and not in force before the next training: "
        f"{', '.join(changed)}"
    ]


def _with_derived(project: Project, known: FeatureSources) -> Project:
    """The project with the attributes that a training got from its entity's tables, for rules may read them."""
    theirs, group = known.attributes.at_creation.kinds(), project.attributes.at_creation.model_dump()
    for name, kind in DERIVED[project.target.entity].items():
        if name in theirs and name not in group[kind]:
            group[kind] = (*group[kind], name)
    attributes = project.attributes.model_copy(
        update={"at_creation": type(project.attributes.at_creation)(**group)}
    )
    return project.model_copy(update={"attributes": attributes})


def _settled(sources: FeatureSources, project: Project) -> dict[str, dict[str, Any]]:
    """The settings that a training takes over as they stand, lists in one order."""
    attributes = without_derived(sources.attributes, project.target.entity).model_dump(
        exclude={"barred", "trusted", "max_unseen_share"}
    )
    features = sources.features.model_dump(
        exclude={"words", *(["half_lives_by_group"] if project.features.learn_half_lives else [])}
    )
    found = {"attributes": attributes, "features": features}
    if not sources.is_static:
        events = sources.events.model_dump(exclude={"barred", "trusted", "types"})
        staff = sources.events.internal_values
        events["internal_values"] = [v if v.startswith("sha256:") else hashed(v) for v in staff]
        only_words = EventType().model_dump(exclude={"words"})
        types = {name: each.model_dump(exclude={"words"}) for name, each in sources.events.types.items()}
        events["types"] = {name: each for name, each in types.items() if each != only_words}
        found |= {"target": sources.target.model_dump(), "events": events}
    return {section: _in_order(values) for section, values in found.items()}


def _in_order(value: Any) -> Any:
    """The value with every list in it sorted."""
    if isinstance(value, dict):
        return {name: _in_order(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return sorted((_in_order(each) for each in value), key=repr)
    return value


def _wordless(rules: Sequence[PointsRule | ProfileRule]) -> list[dict[str, Any]]:
    return [rule.model_dump(exclude={"words"}) for rule in rules]


def unseen_warnings(unseen: dict[str, int], n: int, bundle: Bundle, project: Project) -> list[str]:
    limit = project.attributes.max_unseen_share
    trained = bundle.manifest.get("other_share", {})
    faults = [
        f"{name}: {count:,} of {n:,} values ({count / n:.0%}) are rare or unknown to the model; "
        f"in training it was {trained.get(name, 0.0):.0%}"
        for name, count in unseen.items()
        if n >= LEAST_FOR_SHARES and count / n - trained.get(name, 0.0) > limit
    ]
    if faults:
        raise InputError(
            "\n".join(
                [
                    "Categories do not look like those of the training:",
                    *faults,
                    "Nothing was published. Check the export, retrain, or raise attributes.max_unseen_share.",
                ]
            )
        )
    return [f"{name}: {count:,} values rare or new to the model" for name, count in unseen.items() if count]
