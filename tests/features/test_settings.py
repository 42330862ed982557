"""Settings of the features: a slip in the project file is an error, never another feature."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from features.settings import (
    AttributeGroup,
    AttributeSettings,
    EventSettings,
    FeatureSettings,
    PointsRule,
    SnapshotSettings,
    TargetSettings,
)


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        (TargetSettings, {"horizn": "30d"}, "horizn"),
        (TargetSettings, {"horizon": "0d"}, "greater than 0"),
        (TargetSettings, {"horizon": "one month"}, "such as 15m"),
        (
            TargetSettings,
            {"horizon": "1d", "outcome_grace": "1d"},
            "outcome_grace must be shorter than horizon",
        ),
        (SnapshotSettings, {"mode": "weekly"}, "calendar"),
        (SnapshotSettings, {"mode": "age", "ages": []}, "at least 1"),
        (EventSettings, {"bot_events": 1}, "greater than or equal to 2"),
        (FeatureSettings, {"windows": ["7d", "1w"]}, "windows lists 7d twice"),
        (FeatureSettings, {"half_lives": ["3d", "72h"]}, "half_lives lists 3d twice"),
        (FeatureSettings, {"windows": []}, "at least 1"),
        (FeatureSettings, {"families": ["implicit", "magic"]}, "explicit"),
        (PointsRule, {}, "names either an attribute or an event"),
        (PointsRule, {"attribute": "a", "event": "b", "values": {"x": 1}}, "names either"),
        (PointsRule, {"attribute": "a"}, "needs either values or ranges"),
        (PointsRule, {"attribute": "a", "values": {"x": 1}, "ranges": {"0": 1}}, "needs either"),
        (PointsRule, {"attribute": "a", "ranges": {"fifty": 1}}, "the lower bound 'fifty' .* is no number"),
        (PointsRule, {"attribute": "a", "ranges": {"nan": 1}}, "the lower bound 'nan' .* is no number"),
        (AttributeSettings, {"waived": ["x"]}, "not declared under attributes.current: x"),
        (
            AttributeSettings,
            {"at_creation": {"number": ["x"]}, "current": {"category": ["x"]}},
            "more than once: x",
        ),
        (AttributeSettings, {"at_creation": {"number": ["x"], "category": ["x"]}}, "more than once: x"),
    ],
)
def test_what_can_not_work_is_refused_in_words(
    section: type[BaseModel], values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        section.model_validate(values)


@pytest.mark.parametrize(
    "made",
    [
        TargetSettings(),
        SnapshotSettings(),
        EventSettings(),
        FeatureSettings(),
        PointsRule.model_validate({"event": "visit", "points": 3, "window": "1h"}),
        AttributeSettings(at_creation=AttributeGroup(number=("budget",)), barred=("budget",)),
    ],
)
def test_settings_survive_json(made: BaseModel) -> None:
    assert type(made).model_validate_json(made.model_dump_json()) == made


def test_barred_attributes_have_neither_kind_nor_availability() -> None:
    group = AttributeGroup(number=("budget",), category=("source",))

    made = AttributeSettings(at_creation=group, barred=("budget",))

    assert made.kinds() == {"source": "category"}
    assert made.availability() == {"source": "at_creation"}
