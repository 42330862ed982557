"""Columns that declarations switch on: through the builder, told in words, kept by the bundle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.asof import Examples, open_examples
from features.builder import build_features, learn_catalogue
from features.contracts import Tables
from features.fit_settings import ProfileRule
from features.hindsight import known_before
from features.prepare import FeatureSources, Prepared, prepare
from features.settings import EventSettings, EventType, FeatureSettings
from models.bundle import load_bundle, write_bundle
from models.wording import Wording
from pipeline.declared_columns import declared_columns
from tests.pipeline.small_crm import SOURCES, crm_of, event, microsecond, model_bundle, stage

DECLARED = replace(
    SOURCES,
    events=EventSettings(
        types={"pricing_view": EventType(stage="decision"), "page_view": EventType(stage="awareness")},
        bot_events=4,
    ),
    features=FeatureSettings.model_validate({"funnel": True, "re_engaged_after": "30d"}),
    profile=(
        ProfileRule(attribute="stage", values=("hot",), weight=3),
        ProfileRule(attribute="owner", values=("Kim",)),
    ),
)
TABLES = crm_of(
    [
        event("L1", 15),
        event("L1", 70, "page_view"),
        event("L1", 73.5),
        event("L9", 50),
        event("L9", 69.5, "page_view"),
    ],
    [stage("L1", 20, "hot"), stage("L9", 20, "cold")],
    mates=[{"lead_id": "L7", "created_at": crm_of().leads["created_at"].max(), "owner": None}],
)


def open_on(tables: Tables, sources: FeatureSources, at: float = 74) -> tuple[Prepared, Examples]:
    data = prepare(tables, sources)
    assert data.spells is not None
    rows = open_examples(data.spells, microsecond(at))
    return data, rows.take(np.argsort(data.leads["lead_id"].to_numpy()[rows.lead]))


def test_each_declaration_fills_its_columns() -> None:
    found = declared_columns(DECLARED, *open_on(TABLES, DECLARED))

    # L1, L5, L7, L9
    assert found["profile_fit"] == [1.0, 0.25, None, 0.25]
    assert found["funnel_stage"] == ["decision", "(none)", "(none)", "decision"]
    assert found["funnel_change"] == ["up", "same", "same", "same"]
    assert found["re_engaged"] == [True, False, False, False]


def test_a_stage_that_is_left_goes_down_and_a_new_lead_is_new() -> None:
    later = declared_columns(DECLARED, *open_on(TABLES, DECLARED, at=81))
    first = declared_columns(DECLARED, *open_on(TABLES, DECLARED, at=12))

    assert later["funnel_change"] == ["same", "same", "same", "down"]
    assert later["funnel_stage"][3] == "awareness"
    assert first["funnel_change"] == ["new", "same", "new", "same"]


def test_what_is_not_declared_stays_out() -> None:
    assert declared_columns(SOURCES, *open_on(TABLES, SOURCES)) == {}


def test_a_flat_export_has_its_profile_alone() -> None:
    flat = replace(DECLARED, is_static=True, profile=DECLARED.profile[1:])
    data, rows = open_on(TABLES, DECLARED)

    assert declared_columns(flat, data, rows) == {"profile_fit": [1.0, 1.0, None, 1.0]}


@pytest.mark.parametrize("at", [15.0, 50.0, 73.5, 74.0])
def test_what_comes_later_changes_no_column(at: float) -> None:
    data, rows = open_on(TABLES, DECLARED, at)

    assert declared_columns(DECLARED, data, rows) == declared_columns(
        DECLARED, known_before(data, microsecond(at)), rows
    )


def test_the_reasons_say_what_the_columns_say() -> None:
    data, rows = open_on(TABLES, DECLARED)
    catalogue = learn_catalogue(data, rows, DECLARED)
    X = build_features(data, rows, catalogue, DECLARED)
    wording = Wording(catalogue)

    said = {name: [wording.text(wording.names.index(name), x) for x in X] for name in ("profile", "funnel")}
    back = [wording.text(wording.names.index("re_engaged"), x) for x in X]
    silent = wording.text(wording.names.index("silence"), X[3])

    assert said["profile"] == [
        "Meets 2 of 2 points of the ideal customer profile",
        "Meets 1 of 2 points of the ideal customer profile, 1 unknown",
        "Ideal customer profile: nothing known",
        "Meets 1 of 2 points of the ideal customer profile",
    ]
    assert said["funnel"] == [
        "Funnel stage: decision, moving up",
        "No activity in any funnel stage in the last 30 days",
        "No activity in any funnel stage in the last 30 days",
        "Funnel stage: decision, as before",
    ]
    assert back[:2] == [
        "Back after a long silence: 2 activities in the last 7 days",
        "No return from a long silence",
    ]
    assert silent == "Last active 4 days ago"


def test_a_funnel_reason_says_of_a_new_lead_that_it_is_new() -> None:
    catalogue = learn_catalogue(*open_on(TABLES, DECLARED), DECLARED)
    X = build_features(*open_on(TABLES, DECLARED, at=15.5), catalogue, DECLARED)
    wording = Wording(catalogue)

    said = [wording.text(wording.names.index("funnel"), x) for x in X]

    assert said[0] == "New in the last 7 days; funnel stage: decision"
    assert said[2] == "New in the last 7 days, without activity in any funnel stage"


def test_a_bundle_keeps_profile_and_half_lives_and_older_ones_have_none(tmp_path: object) -> None:
    from pathlib import Path

    learned = DECLARED.features.model_copy(update={"half_lives_by_group": {"decision": 3 * 86_400_000_000}})
    own = replace(DECLARED, features=learned)
    for name, sources in (("new", own), ("plain", SOURCES)):
        made = model_bundle(TABLES, sources)
        write_bundle(Path(str(tmp_path)) / name, made.scorer, sources, made.golden, {})

    found = load_bundle(Path(str(tmp_path)) / "new")

    assert found.sources == own
    assert load_bundle(Path(str(tmp_path)) / "plain").sources.profile == ()
    spans = [f.span for f in found.scorer.catalogue.features if f.op == "intensity" and "pricing" in f.source]
    assert spans == [3 * 86_400_000_000]
