"""One lead's outlook: what an activity goes with is what scoring it says, in words that fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.asof import NEVER
from features.contracts import Tables
from features.errors import InputError
from models.bundle import Bundle, load_bundle
from pipeline.config import Project, load_project
from pipeline.open_leads import leads_to_score, scored_chunks, tables_for
from pipeline.outlook import Outlook, outlook_of, outlook_of_row
from tests.features.conftest import frame
from tests.pipeline.by_hand import AS_OF, PROJECT, events_before, points_bundle, world
from tests.pipeline.conftest import Crm, scores

MICROSECOND = pd.Timedelta(microseconds=1)
ALL_DO = 40  # leads that show what comes next: above the 30 that a share needs


@pytest.fixture(scope="module")
def known(crm: Crm) -> tuple[Project, Bundle, Tables]:
    project, bundle = load_project(crm.project), load_bundle(crm.bundle)
    return project, bundle, tables_for(project, bundle)


def _crowd(*kinds: str) -> list[dict[str, Any]]:
    """Leads that all did the same, one a day, long ago."""
    return [
        event
        for number in range(ALL_DO)
        for place, kind in enumerate(kinds)
        for event in events_before(f"X{number:02d}", **{kind: 300 - place})
    ]


def _told(bundle: Bundle, own: dict[str, float], *crowd: str) -> Outlook:
    return outlook_of(PROJECT, bundle, world(events_before("L", **own) + _crowd(*crowd)), "L", AS_OF)


def test_the_difference_is_that_of_scoring_the_export_with_the_event(
    known: tuple[Project, Bundle, Tables],
) -> None:
    project, bundle, tables = known
    moment = pd.Timestamp("2025-09-15T10:00Z").as_unit("us")
    leads = leads_to_score(tables, bundle, project, moment)
    _, _, now = next(scored_chunks(leads, bundle, 20_000, 1))

    for row in range(0, len(leads.rows), 15):
        found = outlook_of_row(project, bundle, leads, row).next_activity

        assert found is not None
        more = {
            "lead_id": leads.lead_ids[row],
            "event_type": found["type"],
            "occurred_at": moment - MICROSECOND,
        }
        events = pd.concat([tables.events, frame("events", [more]).reindex(columns=tables.events.columns)])
        grown = leads_to_score(replace(tables, events=events), bundle, project, moment)
        _, _, then = next(scored_chunks(grown, bundle, 20_000, 1))
        assert (found["score"], found["band"]) == (then.score[row], then.band[row])
        assert found["difference"] == then.score[row] - now.score[row]


def test_the_moment_is_that_of_the_batch(known: tuple[Project, Bundle, Tables], scored: Path) -> None:
    project, bundle, tables = known
    column = scores(scored)["silent_until"]
    leads = leads_to_score(tables, bundle, project, None)

    for row in range(0, len(leads.rows), 11):
        until = outlook_of_row(project, bundle, leads, row).silent_until
        moment = column[leads.lead_ids[row]]

        assert (until is None) == pd.isna(moment)
        assert until is None or pd.Timestamp(until, tz="UTC") == moment


@pytest.mark.parametrize(
    ("own", "rules", "sentence"),
    [
        ({"visit": 4}, {"visit": (10, 5)}, "If nothing happens, it falls below MQL on 2026-03-04 (in 2 days)."),
        ({"visit": 4.5}, {"visit": (10, 5)}, "If nothing happens, it falls below MQL on 2026-03-03 (in 1 day)."),
        ({"visit": 1}, {"visit": (20, 5)}, "If nothing happens, it falls below SQL on 2026-03-07 (in 5 days)."),
        ({"visit": 1}, {"visit": (20, 60)}, "Even if nothing happens, it stays at or above SQL for the next 30 days."),
        ({"visit": 1}, {"visit": (5, 60)}, "It is in the lowest band already."),
        (
            {"visit": 1, "stop": 1, "call": 1}, {"visit": (10, 3), "stop": (-10, 6), "call": (10, 60)},
            "If nothing happens, it drops below MQL for a while, but is back at the end of the next 30 days.",
        ),
    ],
)  # fmt: skip
def test_silence_in_words(own: dict[str, float], rules: dict[str, tuple[float, int]], sentence: str) -> None:
    found = _told(points_bundle(rules), own)

    assert found.sentences == [sentence]
    assert found.next_activity is None


def test_a_horizon_under_a_day_foretells_no_silence() -> None:
    found = _told(points_bundle({"visit": (10, 5)}, "12h"), {"visit": 1})

    assert found == Outlook(None, None, [])


@pytest.mark.parametrize(
    ("own", "crowd", "sentence"),
    [
        ({"visit": 1}, ("visit", "call"), "Latest activity: visits. Most common next step: call (100 % of the time)."),
        (
            {"visit": 1}, ("visit", "visit", "call", "visit", "visit"),
            "Latest activity: visits. Most common next step: more of the same (67 % of the time).",
        ),
        ({}, ("visit", "call"), "Most common first step: visits (98 % of the time)."),
    ],
)  # fmt: skip
def test_the_next_step_in_words(own: dict[str, float], crowd: tuple[str, ...], sentence: str) -> None:
    bundle = points_bundle({"visit": (2, 5), "call": (3, 5)})
    other = events_before("Y", call=1)  # one lead's first step is another

    tables = world(events_before("L", **own) + _crowd(*crowd) + other)
    found = outlook_of(PROJECT, bundle, tables, "L", AS_OF)

    assert found.sentences[1] == sentence


@pytest.mark.parametrize(
    ("points", "shown", "sentence"),
    [
        (7.0, 7, "Leads that look like this one, plus one such activity just now, score 7 points higher; "
         "that is what goes with it, not a promise."),
        (1.0, 1, "Leads that look like this one, plus one such activity just now, score 1 point higher; "
         "that is what goes with it, not a promise."),
        (-1.0, -1, "Leads that look like this one, plus one such activity just now, score 1 point lower; "
         "that is what goes with it, not a promise."),
        (-12.5, -13, "Leads that look like this one, plus one such activity just now, score 13 points lower; "
         "that is what goes with it, not a promise."),
        (0.25, 0, "Leads that look like this one, plus one such activity just now, score about the same."),
        (200.0, 200, "Leads that look like this one, plus one such activity just now, score 200 points higher; "
         "that is what goes with it, not a promise."),
    ],
)  # fmt: skip
def test_the_difference_in_words(points: float, shown: int, sentence: str) -> None:
    bundle = points_bundle({"visit": (4, 60), "call": (points, 5)})

    found = _told(bundle, {"visit": 1}, "visit", "call")

    assert found.next_activity == {
        "type": "call", "words": "call", "after": "visit", "share": 1.0, "seen": ALL_DO, "score": 4.0 + points,
        "band": "SQL" if points > 16 else "MQL" if points > 6 else "below", "difference": points,
        "shown_difference": shown,
    }  # fmt: skip
    assert found.sentences[2] == sentence
    assert "because" not in " ".join(found.sentences).casefold()


def test_at_the_top_of_the_scale_one_more_changes_nothing(known: tuple[Project, Bundle, Tables]) -> None:
    project, bundle, tables = known
    leads = leads_to_score(tables, bundle, project, None)
    calm = replace(bundle, scorer=replace(bundle.scorer, anchors=type(bundle.scorer.anchors)(1e-9, 1e-8)))

    found = outlook_of_row(project, calm, leads, 0)

    assert found.next_activity is not None
    assert (found.next_activity["score"], found.next_activity["shown_difference"]) == (100.0, 0)
    assert found.sentences[-1] == (
        "Leads that look like this one, plus one such activity just now, are at the top of the scale, too."
    )


def test_a_warning_sign_is_never_the_next_step() -> None:
    found = _told(points_bundle({"visit": (4, 60), "stop": (-5, 60)}), {"visit": 1}, "visit", "stop")

    assert found.next_activity is None


def test_what_the_model_does_not_know_is_never_the_next_step() -> None:
    found = _told(points_bundle({"visit": (4, 60)}), {"visit": 1}, "visit", "fax")

    assert found.next_activity is None


def test_other_phrases_are_heeded() -> None:
    wording = {"phrases": {"outlook.lowest": "Schon ganz unten."}}
    project = Project.model_validate({**PROJECT.model_dump(exclude={"root"}), "wording": wording})

    found = outlook_of(project, points_bundle({"visit": (4, 60)}), world([]), "L", AS_OF)

    assert found.sentences == ["Schon ganz unten."]


def test_a_flat_export_has_no_outlook(known: tuple[Project, Bundle, Tables]) -> None:
    project, bundle, tables = known
    leads = replace(leads_to_score(tables, bundle, project, None), as_of=NEVER)
    flat = replace(bundle, sources=replace(bundle.sources, is_static=True))

    found = outlook_of_row(project, flat, leads, 0)

    assert found.to_json() == {"silent_until": None, "next_activity": None, "sentences": []}


def test_a_lead_that_is_not_open_has_no_outlook() -> None:
    with pytest.raises(InputError, match="Lead 'nobody' is not among the 1 open leads"):
        outlook_of(PROJECT, points_bundle({"visit": (4, 60)}), world([]), "nobody", AS_OF)
