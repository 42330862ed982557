"""Half-lives by group: which types share one, what replaces which, and the long tail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.builder import build_features, learn_catalogue
from features.catalogue import Catalogue
from features.durations import MICROSECONDS
from features.half_lives import decay_groups, group_sums, half_lives_of, refuse_stray_groups
from features.prepare import FeatureSources, prepare
from features.settings import EventSettings, EventType, FeatureSettings

START = pd.Timestamp("2025-01-01", tz="UTC")
DAY = MICROSECONDS["d"]
EVENTS = EventSettings(
    types={
        "open": EventType(group="e-mail", stage="awareness"),
        "click": EventType(group="e-mail", stage="awareness"),
        "demo": EventType(stage="decision"),
        "meeting": EventType(stage="decision"),
    }
)


def with_features(sources: FeatureSources, **settings: Any) -> FeatureSources:
    return replace(sources, features=FeatureSettings.model_validate(settings))


def spans(catalogue: Catalogue, source: str) -> list[int]:
    return [f.span // DAY for f in catalogue.features if f.source == source and f.op == "intensity"]


def test_types_share_a_half_life_by_group_else_by_stage_else_stand_alone() -> None:
    groups = decay_groups(("click", "demo", "fair", "meeting", "open"), EVENTS)

    assert groups == {"decision": ("demo", "meeting"), "e-mail": ("click", "open"), "fair": ("fair",)}


def test_a_group_with_a_half_life_has_it_instead_of_the_usual_ones(sources: FeatureSources) -> None:
    own = replace(
        with_features(sources, half_lives=["9d"], half_lives_by_group={"e-mail": "3d", "fair": "5d"}),
        events=EVENTS,
    )
    types = ("click", "demo", "fair", "meeting", "open")

    found = {source: half_lives_of(source, types, own) for source in ("type:open", "type:fair", "type:demo")}

    assert found == {"type:open": (3 * DAY,), "type:fair": (5 * DAY,), "type:demo": (9 * DAY,)}
    assert half_lives_of("stage:awareness", types, own) == (3 * DAY,)
    assert half_lives_of("stage:decision", types, own) == (9 * DAY,)


def test_a_stage_of_two_groups_keeps_the_usual_half_lives(sources: FeatureSources) -> None:
    mixed = EVENTS.model_copy(update={"types": {**EVENTS.types, "visit": EventType(stage="awareness")}})
    own = replace(
        with_features(sources, half_lives_by_group={"e-mail": "3d", "awareness": "5d"}), events=mixed
    )

    assert half_lives_of("stage:awareness", ("open", "visit"), own) == own.features.half_lives


def test_the_catalogue_holds_the_half_life_of_the_group_and_the_column_decays_with_it(
    random_tables: Any, sources: FeatureSources, open_at: Any
) -> None:
    tables, own = random_tables(4), with_features(sources, half_lives_by_group={"awareness": "5d"})
    data, rows = prepare(tables, own), open_at(tables, 90.0)

    catalogue = learn_catalogue(data, rows, own)

    assert spans(catalogue, "type:page_view") == spans(catalogue, "stage:awareness") == [5]
    assert spans(catalogue, "type:pricing_view") == spans(catalogue, "any") == [3, 14, 60]
    X = build_features(data, rows, catalogue, own)
    column = X[:, catalogue.names.index("recency__type:page_view__intensity__5d")]
    sums = group_sums(
        data,
        rows,
        {"awareness": ("page_view",)},
        with_features(sources, half_life_grid=["4d", "5d", "6d"]),
    )
    np.testing.assert_allclose(column, sums[:, 0, 1], rtol=1e-12)
    assert column.max() > 0


def test_with_a_tail_an_event_never_counts_for_nothing(
    make_tables: Any, sources: FeatureSources, open_at: Any
) -> None:
    base = {"source": "web", "budget": 1.0, "job_title": "CEO", "email": "a@b.io", "account_id": None}
    event = {"lead_id": "L", "occurred_at": START + pd.Timedelta(days=2), "event_type": "page_view"}
    tables = make_tables([{"lead_id": "L", "created_at": START, **base}], [event])
    own = with_features(sources, half_lives=["3d"], tail=0.2, tail_half_life="400d")
    data, rows = prepare(tables, own), open_at(tables, 202.0)

    found = {}
    for name, each in (("tail", own), ("none", with_features(sources, half_lives=["3d"]))):
        catalogue = learn_catalogue(data, rows, each)
        X = build_features(data, rows, catalogue, each)
        found[name] = X[0, catalogue.names.index("recency__any__intensity__3d")]

    assert found["tail"] == pytest.approx(0.8 * 2 ** (-200 / 3) + 0.2 * 2 ** (-0.5), rel=1e-12)
    assert found["none"] == pytest.approx(2 ** (-200 / 3), rel=1e-12)


def test_with_a_tail_one_lead_alone_has_the_bits_of_the_batch(
    random_tables: Any, sources: FeatureSources, open_at: Any
) -> None:
    tables, own = random_tables(9), with_features(sources, tail=0.1, half_lives_by_group={"decision": "2d"})
    data, rows = prepare(tables, own), open_at(tables, 90.0)
    catalogue = learn_catalogue(data, rows, own)

    together = build_features(data, rows, catalogue, own)
    alone = [build_features(data, rows.take(np.array([k])), catalogue, own) for k in range(len(rows))]

    assert together.tobytes() == np.vstack(alone).tobytes()


def test_a_group_nearly_named_like_a_declared_one_is_refused() -> None:
    refuse_stray_groups(FeatureSettings.model_validate({"half_lives_by_group": {"fair": "3d"}}), EVENTS)

    with pytest.raises(ValueError, match="there is no group 'email'; did you mean 'e-mail'"):
        refuse_stray_groups(FeatureSettings.model_validate({"half_lives_by_group": {"email": "3d"}}), EVENTS)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"half_life_grid": ["2d", "3d", "6d"]}, "rise by steps of at most one half; got 3d, then 6d"),
        ({"half_life_grid": ["3d", "3d", "4d"]}, "got 3d, then 3d"),
        ({"tail": 0.1, "tail_half_life": "60d"}, "longer than every half-life; got 60d and 60d"),
        ({"tail": 1.0}, "less than 1"),
        ({"re_engaged_after": "6d"}, "at least 7d; got 6d"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FeatureSettings.model_validate(settings)
