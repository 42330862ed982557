"""What a scoring run warns of: an old export, settings and categories unlike those of the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from features.asof import NEVER, microseconds
from features.contracts import Tables
from features.entities import without_derived
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
    itself adds (columns of its entity, what the leak hunt bars, half-lives it learned) is no change, nor are words.
    """
    try:
        own, known = sources_of(project), bundle.sources
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
    barred = {
        f"{section}.barred": set(getattr(own, section).barred) - set(getattr(known, section).barred)
        for section in ("attributes", "events")
    }
    changed += [name for name, more in barred.items() if more]
    changed += ["points"] if _wordless(own.points) != _wordless(known.points) else []
    changed += ["fit"] if _wordless(own.profile) != _wordless(known.profile) else []
    if not changed:
        return []
    return [
        f"changed in the project file since this model was trained, and not in force before the next training: "
        f"{', '.join(changed)}"
    ]


def _settled(sources: FeatureSources, project: Project) -> dict[str, dict[str, Any]]:
    """The settings that a training takes over as they stand."""
    attributes = without_derived(sources.attributes, project.target.entity).model_dump(
        exclude={"barred", "trusted", "max_unseen_share"}
    )
    features = sources.features.model_dump(
        exclude={"words", *(["half_lives_by_group"] if project.features.learn_half_lives else [])}
    )
    events = sources.events.model_dump(exclude={"barred", "trusted", "types"})
    only_words = EventType().model_dump(exclude={"words"})
    types = {name: each.model_dump(exclude={"words"}) for name, each in sources.events.types.items()}
    events["types"] = {name: each for name, each in types.items() if each != only_words}
    return {
        "target": sources.target.model_dump(),
        "attributes": attributes,
        "events": events,
        "features": features,
    }


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
