"""The page of a lead as a person, and the same as a program, would read it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from features.settings import AttributeSettings
from pipeline.config import Project
from pipeline.ledger.decisions import add_decision
from pipeline.ledger.schema import DETAILS, OUTCOMES, RUNS, SCORES
from pipeline.ledger.store import Ledger
from pipeline.review.app import create_app
from tests.pipeline.review.conftest import ADDRESS
from tests.pipeline.review.lead_by_hand import read

LAST = 4
HOSTILE = '"><script>alert(1)</script><b>x</b>{{ 7 * 7 }}' + "W" * 300


def of_present(ledger: Ledger, **is_like: Any) -> Any:
    """The best row of the present run that has these values."""
    with ledger.reading() as connection:
        asked = select(SCORES).where(
            SCORES.c.run == LAST, *(SCORES.c[name] == value for name, value in is_like.items())
        )
        return connection.execute(asked.order_by(SCORES.c.rank).limit(1)).one()


def changed(ledger: Ledger) -> Any:
    """A row of the present run whose score moved within the scale, with new activity."""
    with ledger.reading() as connection:
        asked = (
            select(SCORES)
            .join_from(SCORES, DETAILS, (DETAILS.c.run == SCORES.c.run) & (DETAILS.c.rank == SCORES.c.rank))
            .where(SCORES.c.run == LAST, SCORES.c.score.between(1, 99), DETAILS.c.events.is_not(None))
            .where(SCORES.c.score - SCORES.c.score_before > 1)
        )
        return connection.execute(asked.order_by(SCORES.c.rank).limit(1)).one()


def tell(ledger: Ledger, lead: str, run: int = LAST, **values: Any) -> None:
    """Write other values into a lead's rows of a run."""
    with ledger.writing() as connection:
        rank = connection.scalar(select(SCORES.c.rank).where(SCORES.c.run == run, SCORES.c.lead_id == lead))
        for table in (SCORES, DETAILS):
            own = {name: value for name, value in values.items() if name in table.c}
            if own:
                connection.execute(update(table).where(table.c.run == run, table.c.rank == rank).values(own))


def test_what_is_shown_adds_up_on_the_page_and_as_json(client: TestClient, ledger: Ledger) -> None:
    lead = changed(ledger).lead_id

    page, told = read(client.get(f"/lead?id={lead}").text), client.get(f"/api/lead?id={lead}").json()

    whole = str(int(told["score"] // 1))
    assert len(page.waterfalls()) == 2
    for points, score in page.waterfalls():
        assert sum(points) == score == int(whole)
    assert page.all_of("data-lead-score") == [whole]
    assert [line["points"] for line in told["waterfall"][:-1]] == page.waterfalls()[0][0]
    exact = [line["exact"] for line in told["waterfall"]]
    assert sum(exact[:-1]) == pytest.approx(exact[-1], abs=1e-4)
    moved = [line["exact"] for line in told["changed"]["waterfall"]]
    assert sum(moved[1:-1]) == pytest.approx(told["changed"]["points"], abs=1e-6)


def test_the_smaller_reasons_can_be_read_one_by_one_and_add_up_to_their_line(
    client: TestClient, ledger: Ledger
) -> None:
    row = changed(ledger)
    with ledger.reading() as connection:
        known = connection.execute(
            select(DETAILS.c.reasons, DETAILS.c.base_score).where(
                DETAILS.c.run == LAST, DETAILS.c.rank == row.rank
            )
        ).one()
    # of the reasons only the first keeps a line: the others go to the rest
    tell(ledger, row.lead_id, reasons=json.dumps(json.loads(known.reasons)[:1]))

    told = client.get(f"/api/lead?id={row.lead_id}").json()
    page = client.get(f"/lead?id={row.lead_id}").text

    rest = next(line for line in told["waterfall"] if line["kind"] == "rest")
    assert sum(each["points"] for each in told["smaller"]) == pytest.approx(rest["exact"], abs=0.5)
    sizes = [abs(each["points"]) for each in told["smaller"]]
    assert sizes == sorted(sizes, reverse=True)
    listed = re.search(r"The smaller reasons one by one</summary>\s*<dl.*?>(.*?)</dl>", page, re.S)
    assert listed is not None
    assert listed[1].count("<dt>") == len(sizes) > 3


def test_what_is_known_reads_as_its_kind_asks_for(made: Project, ledger: Ledger) -> None:
    row = changed(ledger)
    tell(ledger, row.lead_id, attributes=json.dumps(["1234567", "FALCON.EXAMPLE", "1524", "Referral"]))
    attributes = AttributeSettings.model_validate(
        {
            "at_creation": {
                "number": ["job_title"],
                "company_size": ["country"],
                "email": ["industry"],
                "category": ["lead_source"],
            }
        }
    )
    client = TestClient(create_app(made.model_copy(update={"attributes": attributes})), base_url=ADDRESS)

    said = read(client.get(f"/lead?id={row.lead_id}").text).words

    for words in (
        "Job title 1,234,567",
        "Industry domain falcon.example",
        "Country 1,524",
        "Lead source Referral",
    ):
        assert words in said


def test_the_head_says_who_how_likely_and_where_in_the_queue(client: TestClient, ledger: Ledger) -> None:
    row = of_present(ledger, owner="Ann")

    page = read(client.get(f"/lead?id={row.lead_id}").text)

    assert f"Person {int(row.lead_id[1:])}" in page.words
    assert "owner Ann" in page.words
    assert re.search(rf"{row.rank}(st|nd|rd|th) of 300 on 4 Jan 2026", page.words)
    assert re.search(r"Of leads like this one, (about|fewer|more) .* convert within 30 days", page.words)
    assert f"/account?id={row.account_id}" in page.all_of("href")


def test_the_three_questions_are_answered(client: TestClient, ledger: Ledger) -> None:
    row = changed(ledger)
    tell(ledger, row.lead_id, silent_until=datetime(2026, 1, 12, tzinfo=UTC))

    told = client.get(f"/api/lead?id={row.lead_id}").json()

    why, now, change = told["answers"]
    assert why["line"].casefold().startswith(told["known"]["reasons"][0]["text"].casefold()) or why["against"]
    assert any("Latest: " in each for each in [now["line"], *now["details"]])
    assert "Cold on 12 Jan 2026 (in 8 days) if nothing happens" in [now["line"], *now["details"]]
    before, after = int(row.score_before), int(row.score)
    assert change["line"].startswith(f"{before} → {after} since 3 Jan 2026")
    assert "new activit" in change["details"][-1]


def test_names_are_text_whatever_they_hold(client: TestClient, ledger: Ledger) -> None:
    row = changed(ledger)
    with ledger.writing() as connection:
        connection.execute(
            update(SCORES).where(SCORES.c.account_id == row.account_id).values(name=HOSTILE, owner=HOSTILE)
        )
    reasons = [{"text": HOSTILE, "points": 3.0, "group": "job title"}]
    tell(
        ledger, row.lead_id, company=HOSTILE, segment=HOSTILE, reasons=json.dumps(reasons),
        warnings=json.dumps([HOSTILE]), events=json.dumps([["2026-01-03T10:00:00+00:00", HOSTILE]]),
        attributes=json.dumps([HOSTILE, None, HOSTILE, None]),
        further=json.dumps({"persona": HOSTILE, "roles_missing": [HOSTILE]}),
    )  # fmt: skip

    answer = client.get(f"/lead?id={row.lead_id}")

    page = read(answer.text)
    assert answer.status_code == 200
    assert {tag for tag, _ in page.elements} & {"script", "b", "img"} == set()
    assert "<script" not in answer.text
    assert "{{ 7 * 7 }}" in page.words
    assert page.words.count("alert(1)") >= 10


def test_the_page_keeps_to_its_policy_and_speaks_to_all(client: TestClient, ledger: Ledger) -> None:
    page = read(client.get(f"/lead?id={changed(ledger).lead_id}").text)

    assert page.all_of("style") == []
    assert [name for _, each in page.elements for name in each if name.startswith("on")] == []
    ids = page.all_of("id")
    assert len(ids) == len(set(ids))
    named = [
        name
        for value in page.all_of("aria-labelledby") + page.all_of("aria-describedby")
        for name in value.split()
    ]
    assert set(named) <= set(ids)
    labelled = set(page.all_of("for"))
    for tag, each in page.elements:
        if tag in {"select", "textarea"} or (tag == "input" and each.get("type") not in {"hidden", "radio"}):
            assert each["id"] in labelled
        if tag == "svg":
            assert each.get("aria-hidden") == "true" or {"aria-labelledby", "x", "y"} & set(each)


def test_the_timeline_draws_runs_bands_events_and_the_end(client: TestClient, ledger: Ledger) -> None:
    with ledger.reading() as connection:
        ended = connection.execute(select(OUTCOMES).where(OUTCOMES.c.run == LAST).limit(1)).one()

    page = read(client.get(f"/lead?id={ended.lead_id}").text)

    kinds = [each.get("class") for _, each in page.elements]
    assert kinds.count("dot") == 3
    assert kinds.count("event") >= 4
    assert kinds.count("ending") == 1
    assert (
        f"Ended: {ended.outcome} on 3 Jan 2026. Shown is the last score before, of 3 Jan 2026" in page.words
    )
    assert "MQL 50" in page.words
    assert "email open" in page.words


def test_an_older_run_is_shown_as_it_was(client: TestClient, ledger: Ledger) -> None:
    lead = changed(ledger).lead_id

    page = read(client.get(f"/lead?id={lead}&run=2").text)
    told = client.get(f"/api/lead?id={lead}&run=2").json()

    assert "You are looking at run 2 of 2 Jan 2026" in page.words
    assert [each["run"] for each in told["scores"]] == [1, 2]
    assert max(each["occurred_at"] for each in told["events"]) < "2026-01-02"
    assert told["similar"]["looked_at"] <= 3  # ends of the first day alone; ten at the third
    assert all(each["ended_at"] < "2026-01-02" for each in told["similar"]["leads"])
    assert (told["run"], told["is_present"], told["present_run"]) == (2, False, LAST)


def test_similar_leads_are_told_with_what_became_of_them(client: TestClient, ledger: Ledger) -> None:
    with ledger.reading() as connection:
        ends = {row.lead_id: row for row in connection.execute(select(OUTCOMES))}
    lead = changed(ledger).lead_id

    page, told = (
        read(client.get(f"/lead?id={lead}").text),
        client.get(f"/api/lead?id={lead}").json()["similar"],
    )

    n = len(told["leads"])
    assert (told["looked_at"], n) == (len(ends), min(10, len(ends)))
    assert told["won"] == sum(ends[each["lead_id"]].is_won for each in told["leads"])
    assert f"{told['won']} of the {n} most similar" in page.words
    assert f"Of all {len(ends)} looked at" in page.words


def test_where_nothing_ended_yet_it_is_said(client: TestClient, ledger: Ledger) -> None:
    with ledger.writing() as connection:
        connection.execute(OUTCOMES.delete())

    page = read(client.get(f"/lead?id={changed(ledger).lead_id}").text)

    assert "There are none yet" in page.words


def test_people_of_the_account_and_missing_roles_are_named(client: TestClient, ledger: Ledger) -> None:
    row = changed(ledger)
    tell(ledger, row.lead_id, further=json.dumps({"roles_missing": ["finance", "it"]}))
    with ledger.reading() as connection:
        asked = select(SCORES.c.lead_id).where(SCORES.c.run == LAST, SCORES.c.account_id == row.account_id)
        others = set(connection.scalars(asked)) - {row.lead_id}

    page, told = (
        read(client.get(f"/lead?id={row.lead_id}").text),
        client.get(f"/api/lead?id={row.lead_id}").json(),
    )

    assert {each["lead_id"] for each in told["people"]} == others
    assert others
    assert "Roles missing: finance, it" in page.words


def test_a_decision_stands_beside_the_models_own_score(client: TestClient, ledger: Ledger) -> None:
    row = changed(ledger)
    until = datetime.now(UTC).date() + timedelta(days=9)
    for kind, subject, action in (("account_id", row.account_id, "hold"), ("lead_id", row.lead_id, "raise")):
        add_decision(
            ledger, "made", kind=kind, subject=subject, action=action, owner="Olga", reason=f"why {action}",
            until=until, by="Ben",
        )  # fmt: skip
    rule = {"action": "disqualify", "owner": "Rules", "reason": "a rival", "until": None}
    tell(ledger, row.lead_id, further=json.dumps({"override": rule}))

    page = read(client.get(f"/lead?id={row.lead_id}").text)

    score = int(row.score)
    assert (
        f"Raised by Olga until {until.day} {until:%b %Y}: why raise. The model's own score stays {score}"
        in page.words
    )
    assert f"why hold. The model's own score stays {score}. Decided for the whole account" in page.words
    assert "Disqualified by Rules: a rival. By the project's rules" in page.words
    assert "Lift" in page.words


def test_an_unknown_lead_is_said_in_words_with_ids_near_it(client: TestClient, ledger: Ledger) -> None:
    lead = changed(ledger).lead_id

    page, told = client.get(f"/lead?id={lead.lower()}%20"), client.get(f"/api/lead?id={lead}x")

    assert page.status_code == told.status_code == 404
    assert f"/lead?id={lead}" in read(page.text).all_of("href")
    assert lead in told.json()["nearest"]
    assert f"scored a lead '{lead}x'" in told.json()["error"]


@pytest.mark.parametrize(
    "asked", ["", "?id=", "?id=%00", "?id=" + "x" * 3000, "?id=<script>", "?id=%F0%9F%98%80"]
)
def test_an_address_that_names_no_lead_is_no_fault(client: TestClient, asked: str) -> None:
    answer = client.get(f"/lead{asked}")

    assert answer.status_code == 404
    assert "No such lead" in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize("run", ["99", "x", "-1", "9" * 30])
def test_a_run_that_has_not_scored_the_lead_is_said(client: TestClient, ledger: Ledger, run: str) -> None:
    lead = changed(ledger).lead_id

    answer = client.get(f"/lead?id={lead}&run={run}")

    assert answer.status_code == 404
    assert "The run that the address names has not scored the lead" in answer.text


def test_a_run_half_loaded_is_not_shown(client: TestClient, ledger: Ledger) -> None:
    lead = changed(ledger).lead_id
    with ledger.writing() as connection:
        connection.execute(update(RUNS).where(RUNS.c.number == LAST).values(is_complete=False))

    assert client.get(f"/api/lead?id={lead}").json()["run"] == LAST - 1
    assert client.get(f"/lead?id={lead}&run={LAST}").status_code == 404


def test_a_flat_export_has_no_time_and_a_points_table_no_chance(client: TestClient, ledger: Ledger) -> None:
    lead = changed(ledger).lead_id
    with ledger.writing() as connection:
        connection.execute(update(RUNS).values(as_of=None, horizon_days=None))
        connection.execute(update(SCORES).values(probability=None, silent_until=None))

    page = read(client.get(f"/lead?id={lead}").text)

    assert "no chance to convert" in page.words
    assert "no moment" in page.words
    for points, score in page.waterfalls():
        assert sum(points) == score
