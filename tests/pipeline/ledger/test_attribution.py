"""Why a score moved, from runs put into the ledger by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.config import Project
from pipeline.ledger.attribution import Changed, Part, changes_over_runs, what_changed
from pipeline.ledger.facts import RunFacts
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger.conftest import kept

ANCHORS = '{"p_mql":0.1,"p_sql":0.3}'


def write(
    project: Project,
    day: int,
    leads: dict[str, tuple[float, float]],
    values: dict[str, Any] | None = None,
    **told: Any,
) -> None:
    """A run by hand with facts about its leads, in call order; `values` are columns of the run."""
    columns = {
        **RunFacts.none(len(leads)).columns,
        **{name: told.pop(name) for name in list(told) if name in _WIDE},
    }
    facts = replace(RunFacts.none(len(leads)), columns=columns, **{"anchors": ANCHORS, **told})
    run = kept(project, day, leads, facts=facts)
    replace(run, values={**run.values, **(values or {})}).write()


_WIDE = ("attributes", "events")


def asked(ledger: Ledger, project: Project, lead: str = "L1", **more: Any) -> Changed | None:
    """What changed of a lead."""
    with ledger.reading() as connection:
        return what_changed(connection, project.name, lead, **more)


def test_the_parts_add_up_and_the_largest_comes_first(project: Project, ledger: Ledger) -> None:
    write(project, 1, {"L1": (5.0, 1.0)})
    write(project, 2, {"L1": (15.5, -2.0)})

    found = asked(ledger, project)

    assert found is not None
    assert [(part.name, part.points) for part in found.parts] == [("visits", 10.5), ("country", -3.0)]
    assert (found.change, found.score_before, found.score, found.run, found.run_before) == (
        7.5,
        46.0,
        53.5,
        2,
        1,
    )
    assert (found.band_crossed, found.band_before, found.band) == (True, "below", "MQL")
    assert (found.is_new_model, found.is_new_scale) == (False, False)
    assert found.most == Part("visits", 10.5, "visits")


def test_what_the_end_of_the_scale_takes_is_a_part(project: Project, ledger: Ledger) -> None:
    write(project, 1, {"L1": (50.0, 0.0)})
    write(project, 2, {"L1": (75.0, 0.0)})

    found = asked(ledger, project)

    assert found is not None
    assert [(part.name, part.points) for part in found.parts] == [("visits", 25.0), ("limit", -15.0)]
    assert found.parts[1].words == "limit of the scale"


def test_a_rounding_is_no_limit_of_the_scale(project: Project, ledger: Ledger) -> None:
    write(project, 1, {"L1": (1.0000004, 1 / 3)})
    write(project, 2, {"L1": (2.0000001, 2 / 3)})

    found = asked(ledger, project)

    assert found is not None
    assert [part.name for part in found.parts] == ["visits", "country"]
    assert sum(part.points for part in found.parts) == pytest.approx(found.change, abs=1e-12)


def test_another_model_and_other_lines_are_said_and_its_own_groups_count(
    project: Project, ledger: Ledger
) -> None:
    write(project, 1, {"L1": (5.0, 1.0)})
    groups = {"reason_groups": '["silence","country"]', "model_version": "m2"}
    words = json.dumps({"group_words": {"silence": "days without activity"}})
    write(project, 2, {"L1": (4.0, 1.0)}, {**groups, "manifest": words}, anchors='{"p_mql":0.2,"p_sql":0.3}')

    found = asked(ledger, project)

    assert found is not None
    assert [(part.name, part.points, part.words) for part in found.parts] == [
        ("visits", -5.0, "visits"), ("silence", 4.0, "days without activity"),
    ]  # fmt: skip
    assert (found.is_new_model, found.model_before, found.model_version, found.is_new_scale) == (
        True,
        "m1",
        "m2",
        True,
    )


def test_changed_attributes_are_those_that_both_runs_wrote_down(project: Project, ledger: Ledger) -> None:
    before, after = ["hot", 3, None, "gone"], [None, 3, True, "new"]
    write(project, 1, {"L1": (5.0, 1.0)}, attributes=[json.dumps(before)])
    names = [("stage", "size", "consent", "former"), ("stage", "size", "consent", "later")]
    with ledger.writing() as connection:
        connection.exec_driver_sql(f"UPDATE ledger_runs SET attributes = '{json.dumps(names[0])}'")
    facts = {"attributes": [json.dumps(after)]}
    write(project, 2, {"L1": (6.0, 1.0)}, {"attributes": json.dumps(names[1])}, **facts)

    found = asked(ledger, project)

    assert found is not None
    assert [(each.name, each.old, each.new) for each in found.attributes] == [
        ("stage", "hot", None), ("consent", None, True),
    ]  # fmt: skip


def test_a_run_that_lacked_the_lead_is_skipped_and_only_events_since_are_told(
    project: Project, ledger: Ledger
) -> None:
    write(project, 1, {"L1": (5.0, 1.0), "L2": (0.0, 0.0)})
    write(project, 2, {"L2": (0.0, 0.0)})
    events = [["2025-12-30T08:00:00+00:00", "old"], ["2026-01-01T00:00:00+00:00", "visit"]]
    write(project, 3, {"L1": (6.0, 1.0), "L2": (0.0, 0.0)}, events=[json.dumps(events), None])

    found = asked(ledger, project)

    assert found is not None
    assert (found.run_before, found.events) == (1, ((datetime(2026, 1, 1, tzinfo=UTC), "visit"),))


def test_the_first_run_of_a_lead_and_a_stranger_have_nothing_before(project: Project, ledger: Ledger) -> None:
    write(project, 1, {"L1": (5.0, 1.0)})
    write(project, 2, {"L1": (6.0, 1.0), "L2": (0.0, 0.0)})

    assert asked(ledger, project, run=1) is None
    assert asked(ledger, project, "L2") is None
    assert asked(ledger, project, "nobody") is None


def test_a_run_that_is_not_complete_is_none(project: Project, ledger: Ledger) -> None:
    for day in (1, 2, 3):
        write(project, day, {"L1": (5.0 + day, 1.0)})
    with ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE ledger_runs SET is_complete = (number <> 2)")

    found = asked(ledger, project)

    assert found is not None
    assert (found.run, found.run_before) == (3, 1)


def test_every_step_of_a_lead_is_told_in_order(project: Project, ledger: Ledger) -> None:
    for day, points in ((1, 0.0), (3, 9.0), (2, 4.0)):
        write(project, day, {"L1": (points, 0.0)})

    with ledger.reading() as connection:
        found = changes_over_runs(connection, project.name, "L1")

    assert [(each.run_before, each.run, each.change) for each in found] == [(1, 3, 4.0), (3, 2, 5.0)]


def test_a_change_is_json(project: Project, ledger: Ledger) -> None:
    write(project, 1, {"L1": (5.0, 1.0)})
    write(project, 2, {"L1": (6.0, 1.0)}, events=['[["2026-01-01T08:00:00+00:00","visit"]]'])

    found = asked(ledger, project)

    assert found is not None
    told = json.loads(json.dumps(found.to_json()))
    assert (told["change"], told["as_of"], told["events"]) == (
        1.0, "2026-01-02T00:00:00+00:00", [["2026-01-01T08:00:00+00:00", "visit"]],
    )  # fmt: skip
    assert told["parts"] == [{"name": "visits", "points": 1.0, "words": "visits"}]
