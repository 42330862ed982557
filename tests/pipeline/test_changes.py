"""The difference between two scorings, split to the last digit and said in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from features.asof import microseconds
from features.contracts import Tables
from features.errors import InputError
from features.prepare import prepare
from features.settings import PointsRule
from models.bundle import Bundle, load_bundle
from pipeline.changes import PLAYERS, Change, Changes, changes, explain_change
from pipeline.config import Project, load_project
from pipeline.open_leads import leads_to_score, scored_chunks, tables_for
from tests.pipeline.conftest import Crm
from tests.pipeline.small_crm import (
    SOURCES,
    crm_of,
    day,
    event,
    microsecond,
    model_bundle,
    project_of,
    stage,
    table_bundle,
)

THEN, NOW = pd.Timestamp("2025-11-20T10:00Z").as_unit("us"), pd.Timestamp("2025-12-20T00:00Z").as_unit("us")
T0, T1 = int(THEN.value // 1000), int(NOW.value // 1000)
Known = tuple[Project, Bundle, Tables]


@pytest.fixture(scope="module")
def known(crm: Crm) -> Known:
    project, bundle = load_project(crm.whole / "lead-scoring.toml"), load_bundle(crm.bundle)
    return project, bundle, tables_for(project, bundle)


@pytest.fixture(scope="module")
def table(known: Known) -> Bundle:
    """Another model of the same CRM: a points table that looks at a field with a history."""
    _, bundle, tables = known
    rules = (
        PointsRule(event="pricing_view", points=7, per="each", most=40),
        PointsRule(attribute="lifecycle_stage", values={"opportunity": 25, "sales qualified": 15}),
    )
    return table_bundle(tables, replace(bundle.sources, points=rules), at=340)


@pytest.fixture(scope="module")
def split(known: Known) -> Changes:
    """All leads of the CRM, one model."""
    _, bundle, tables = known
    data = prepare(tables, bundle.sources)
    return changes(bundle, bundle, data, data, T0, T1)


def scored_at(known: Known, moment: pd.Timestamp) -> pd.Series:
    """Unbounded points of every open lead, through the scoring run."""
    project, bundle, tables = known
    leads = leads_to_score(tables, bundle, project, moment)
    ids, _, scored = next(scored_chunks(leads, bundle, len(leads.rows), 1))
    return pd.Series(scored.explained.lead_points, index=ids)


def worst_sum(found: Changes) -> float:
    gap: NDArray[np.float64] = found.points.sum(axis=0) - (found.after - found.before)
    return float(np.abs(gap).max())


def by_kind(found: Change) -> dict[str, float]:
    return {line["kind"]: line["points"] for line in found.lines}


def test_the_parts_add_up_for_every_lead_open_at_both_moments(known: Known, split: Changes) -> None:
    then, now = scored_at(known, THEN), scored_at(known, NOW)

    assert split.lead_ids == sorted(set(then.index) & set(now.index))
    assert len(split.lead_ids) > 300
    assert split.before.tolist() == then[split.lead_ids].tolist()
    assert split.after.tolist() == now[split.lead_ids].tolist()
    assert worst_sum(split) < 1e-6
    assert (split.points[PLAYERS.index("model")] == 0.0).all()


def test_the_parts_of_two_models_add_up_too(known: Known, table: Bundle, split: Changes) -> None:
    _, bundle, tables = known
    data_of_table, data = prepare(tables, table.sources), prepare(tables, bundle.sources)

    found = changes(table, bundle, data_of_table, data, T0, T1)

    assert found.lead_ids == split.lead_ids
    assert found.after.tolist() == split.after.tolist()
    assert worst_sum(found) < 1e-6
    assert (np.abs(found.points) > 1.0).any(axis=1).all()


def test_where_nothing_happened_only_time_counts(known: Known) -> None:
    project, bundle, tables = known
    soon, data = THEN + pd.Timedelta(days=2), prepare(tables, bundle.sources)
    account = tables.leads.set_index("lead_id")["account_id"]
    moments = (
        (tables.events, "occurred_at"), (tables.outcomes, "occurred_at"), (tables.field_changes, "changed_at"),
        (tables.leads, "created_at"),
    )  # fmt: skip
    busy = {
        lead for frame, name in moments for lead in frame["lead_id"][frame[name].between(THEN, soon, "left")]
    }
    busy_accounts = set(account[account.index.isin(busy)].dropna())

    found = changes(bundle, bundle, data, data, T0, int(soon.value // 1000))

    quiet = [
        place
        for place, lead in enumerate(found.lead_ids)
        if lead not in busy and account[lead] not in busy_accounts
    ]
    alone = explain_change(project, bundle, tables, found.lead_ids[quiet[0]], THEN, soon)
    assert len(quiet) >= 30
    assert (found.points[1:, quiet] == 0.0).all()
    assert (found.points[0, quiet] != 0.0).any()
    assert by_kind(alone).keys() <= {"time", "limit"}


def test_one_lead_alone_gets_the_parts_of_the_batch_and_lines_that_add_up(
    known: Known, split: Changes
) -> None:
    project, bundle, tables = known

    for place in range(0, len(split.lead_ids), 40):
        found = explain_change(project, bundle, tables, split.lead_ids[place], THEN, NOW)
        points, parts = by_kind(found), split.points[:, place].tolist()
        assert all(points.get(kind, 0.0) == part for kind, part in zip(PLAYERS, parts, strict=True))
        assert abs(sum(points.values()) - found.difference) < 1e-6
        assert found.difference == found.score_after - found.score_before
        assert sum(found.shown_points) == found.shown_after - found.shown_before
        assert all(
            whole * line["points"] >= 0 for whole, line in zip(found.shown_points, found.lines, strict=True)
        )


def test_what_the_scale_cuts_off_has_a_line(known: Known, split: Changes) -> None:
    project, bundle, tables = known
    beyond = int(np.argmax(np.maximum(split.before, split.after)))
    assert max(split.before[beyond], split.after[beyond]) > 100.0

    found = explain_change(project, bundle, tables, split.lead_ids[beyond], THEN, NOW)

    assert found.lines[-1]["text"] == "Limit of the scale (0 to 100)"
    assert max(found.score_before, found.score_after) == 100.0
    assert abs(sum(by_kind(found).values()) - found.difference) < 1e-6


def test_another_model_has_a_line_of_its_own(known: Known, table: Bundle, split: Changes) -> None:
    project, bundle, tables = known

    older = replace(table, scorer=replace(table.scorer, table_lines=None))

    found = explain_change(project, bundle, tables, split.lead_ids[0], THEN, NOW, older, tables)

    assert [line["text"] for line in found.lines if line["kind"] == "model"] == ["New model version"]
    assert (found.model_version_before, found.model_version) == ("table", bundle.model_version)
    assert abs(sum(by_kind(found).values()) - found.difference) < 1e-6


def test_the_export_is_read_again_for_another_model(known: Known, table: Bundle, split: Changes) -> None:
    lead = split.lead_ids[3]
    project, bundle, tables = known

    older = replace(table, scorer=replace(table.scorer, table_lines=None))

    found = explain_change(project, bundle, tables, lead, THEN, NOW, older)

    assert found == explain_change(project, bundle, tables, lead, THEN, NOW, older, tables)


def test_a_table_by_hand_is_split_by_hand() -> None:
    # 5 points a view in 30 days, at most 10; then: day 40, now: days 65 and 70; stage hot: 10
    events = [event("L1", 40), event("L1", 65), event("L1", 50, recorded_at=day(70))]
    tables = crm_of(events, [stage("L1", 20, "new"), stage("L1", 63, "hot")])

    found = explain_change(project_of(), table_bundle(tables), tables, "L1", day(60), day(74))

    late = "1 of them happened before 2025-03-02, but was recorded only since"
    assert found.to_json() | {"not_attributable": []} == {
        "lead_id": "L1", "since": "2025-03-02T00:00:00.000000", "as_of": "2025-03-16T00:00:00.000000",
        "score_before": 5.0, "score_after": 20.0, "band_before": "below", "band_after": "MQL", "difference": 15.0,
        "lines": [
            {"text": f"New activity: pricing page views (2); {late}", "points": 7.5, "kind": "events"},
            {"text": "Changed: deal stage (new → hot)", "points": 10.0, "kind": "fields"},
            {"text": "Time passing (14 days)", "points": -2.5, "kind": "time"},
        ],
        "shown_points": [8, 10, -3], "shown_before": 5, "shown_after": 20, "not_attributable": [],
        "model_version_before": "table", "model_version": "table",
    }  # fmt: skip


def test_what_only_the_earlier_model_took_for_activity_still_has_its_line() -> None:
    tables = crm_of([event("L1", 65)])
    blind = replace(SOURCES, target=SOURCES.target.model_copy(update={"outcome_events": ("pricing_view",)}))
    before, after = table_bundle(tables), table_bundle(tables, replace(blind, points=()), "blind")

    found = explain_change(project_of(), after, tables, "L1", day(60), day(74), before, tables)

    # alone it brings 5, after the change of the model nothing
    assert by_kind(found) == {"events": 2.5, "time": 0.0, "model": -2.5}
    assert found.lines[0]["text"] == "What became known since"


def test_a_points_table_and_a_model_are_not_compared() -> None:
    tables = crm_of([event("L1", 40)])
    table = table_bundle(tables)
    other = table_bundle(tables, version="model")
    model = replace(other, scorer=replace(other.scorer, table_lines=None))

    with pytest.raises(InputError, match="have two scales"):
        explain_change(project_of(), table, tables, "L1", day(60), day(74), before=model)


def test_values_known_only_as_they_are_today_are_named() -> None:
    tables = crm_of([event("L1", 40)])

    found = explain_change(project_of(), model_bundle(tables), tables, "L1", day(60), day(74))

    assert found.not_attributable == [
        "Earlier values of lead owner are not known; today's was used for both dates.",
        "Earlier priority lists are not known; today's was used for both dates.",
    ]
    assert [line["text"] for line in found.lines] == ["Time passing (14 days)"]


def outcome(number: float, name: str) -> dict[str, Any]:
    return {"lead_id": "L1", "occurred_at": day(number), "outcome": name}


@pytest.mark.parametrize(
    ("lead", "then", "now", "outcomes", "message"),
    [
        ("L1", 74, 60, [], "2025-03-16 00:00:00 UTC, must lie before the later one, 2025-03-02"),
        ("L1", 60, 60, [], "must lie before"),
        ("L", 60, 74, [], "There is no lead 'L' in the leads table. Did you mean 'L"),
        ("L1", 4, 74, [], "'L1' came in at 2025-01-11 00:00:00 UTC, so there is nothing to compare from"),
        ("L1", 4, 8, [], "'L1' came in at 2025-01-11 00:00:00 UTC, so it has no score at 2025-01-09"),
        ("L1", 60, 74, [outcome(65, "lost")], "'L1' was closed at 2025-03-07"),
        ("L1", 60, 74, [outcome(50, "won")], "'L1' was closed at 2025-02-20"),
        ("L1", 60, 74, [outcome(65, "lost"), outcome(66, "reopened")], "'L1' was opened again at 2025-03-08"),
    ],
)
def test_a_lead_without_two_scores_to_compare_is_refused_with_the_reason(
    lead: str, then: float, now: float, outcomes: list[dict[str, Any]], message: str
) -> None:
    tables = crm_of([event("L1", 40)], outcomes=outcomes)
    bundle = table_bundle(crm_of([event("L1", 40)]))

    with pytest.raises(InputError, match=message):
        explain_change(project_of(), bundle, tables, lead, day(then), day(now))


def test_a_quarantined_lead_is_refused_with_its_fault() -> None:
    tables = crm_of([event("L1", 40)])
    fault = {"lead_id": "L7", "code": "bad_time", "detail": "soon", "raw": ""}
    held = {"table": "leads", "file": "leads.csv", "row": 2, **fault}
    tables = replace(tables, quarantine=pd.DataFrame([held]))

    with pytest.raises(InputError, match="Lead 'L7' is in quarantine: bad_time, soon"):
        explain_change(project_of(), table_bundle(tables), tables, "L7", day(60), day(74))


def test_a_flat_export_has_nothing_to_compare() -> None:
    tables = crm_of([event("L1", 40)])
    bundle = table_bundle(tables)
    flat = replace(bundle, sources=replace(SOURCES, is_static=True))

    with pytest.raises(InputError, match="flat export, which has no history"):
        explain_change(project_of(), flat, tables, "L1", day(60), day(74))


def test_leads_that_were_not_open_at_both_moments_are_not_split() -> None:
    tables = crm_of([event("L1", 40)], outcomes=[outcome(65, "lost")])
    bundle, data = table_bundle(tables), prepare(tables, SOURCES)

    with pytest.raises(InputError, match=r"1 of 2 leads are not open, .* the first is 'L1'"):
        changes(bundle, bundle, data, data, microsecond(60), microsecond(74), ["L5", "L1"])


def test_without_a_later_moment_the_end_of_the_data_is_meant() -> None:
    tables = replace(crm_of([event("L1", 40)]), data_end=day(70))

    found = explain_change(project_of(), table_bundle(tables), tables, "L1", day(60), None)

    assert found.as_of == "2025-03-12T00:00:00.000000"
    assert int(microseconds(day(70))[0]) == microsecond(70)
