"""The page of one account: its score, its people, and decisions about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from fastapi.testclient import TestClient
from sqlalchemy import delete, insert, select, update

from pipeline.config import Project
from pipeline.ledger.decisions import add_decision
from pipeline.ledger.schema import DETAILS, OVERRIDES, RUNS, SCORES
from pipeline.ledger.store import Ledger
from tests.pipeline.review.conftest import Post

ACCOUNT = "A000003"
PATH = f"/account?id={ACCOUNT}"
HOSTILE = "<script>alert(1)</script>"
UNTIL = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
DECISION = {
    "id": ACCOUNT,
    "action": "raise",
    "owner": "Kim",
    "reason": "met at the fair",
    "until": UNTIL,
    "by": "Ann",
}


def decisions(ledger: Ledger) -> list[tuple[str, str, str, str]]:
    columns = (OVERRIDES.c.kind, OVERRIDES.c.subject, OVERRIDES.c.action, OVERRIDES.c.by)
    with ledger.reading() as connection:
        asked = select(*columns).order_by(OVERRIDES.c.number)
        return [(row[0], row[1], row[2], row[3]) for row in connection.execute(asked)]


def add_account_run(ledger: Ledger) -> None:
    """A run of accounts in which ours has a score and a buying group."""
    further = {
        "people": 6, "people_active": 2, "roles_reached": ["Sales", "IT"], "roles_missing": [HOSTILE],
    }  # fmt: skip
    with ledger.writing() as connection:
        run = dict(connection.execute(select(RUNS).where(RUNS.c.number == 4)).mappings().one())
        run |= {
            "number": 5,
            "run_id": "5" * 64,
            "entity": "account",
            "target": "accounts",
            "horizon_days": 90.0,
        }
        connection.execute(insert(RUNS).values(run))
        person = dict(connection.execute(select(SCORES).where(SCORES.c.run == 4).limit(1)).mappings().one())
        own = {"run": 5, "rank": 1, "lead_id": ACCOUNT, "score": 83.4, "band": "SQL", "probability": 0.21}
        connection.execute(insert(SCORES).values(person | own))
        detail = {"run": 5, "rank": 1, "base_score": 38.0, "reasons": "[]", "contributions": "[]"}
        connection.execute(
            insert(DETAILS).values(
                detail
                | {"attributes": None, "events": None, "further": json.dumps(further), "warnings": None}
            )
        )


def test_the_roles_that_the_account_s_score_tells_to_be_missing_stand_on_its_people_s_pages(
    client: TestClient, ledger: Ledger
) -> None:
    with ledger.reading() as connection:
        of_account = select(SCORES.c.lead_id).where(SCORES.c.run == 4, SCORES.c.account_id == ACCOUNT)
        lead = connection.scalar(of_account.limit(1))
    before = client.get(f"/api/lead?id={lead}").json()["roles_missing"]
    add_account_run(ledger)

    page, told = client.get(f"/lead?id={lead}").text, client.get(f"/api/lead?id={lead}").json()

    assert before is None  # nobody tells
    assert told["roles_missing"] == [HOSTILE]
    assert "Roles missing:</strong> " in page
    assert HOSTILE not in page


def test_an_account_s_id_among_leads_leads_to_its_page(client: TestClient) -> None:
    page, told = client.get(f"/lead?id={ACCOUNT}"), client.get(f"/api/lead?id={ACCOUNT}").json()
    stranger = client.get("/lead?id=NOPE").text

    assert page.status_code == 404
    assert f'href="/account?id={ACCOUNT}"' in page.text
    assert told["is_account"] is True
    assert "/account?id=" not in stranger
    assert "Did you mean" not in stranger  # nothing is like it


def test_without_a_model_of_accounts_the_best_person_stands_in_and_it_is_said(client: TestClient) -> None:
    told, page = client.get(f"/api{PATH}").json(), client.get(PATH)

    people = told["people"]
    assert page.status_code == 200
    assert len(people) == 4
    assert [each["score"] for each in people] == sorted((each["score"] for each in people), reverse=True)
    assert told["score"] == {
        "of": "person", "score": people[0]["score"], "probability": people[0]["probability"],
        "band": people[0]["band"], "score_before": told["history"][-2]["best"], "as_of": None,
        "horizon_days": 30.0,
    }  # fmt: skip
    assert "No run here has scored accounts: shown is the best of its people." in page.text
    assert [each["n"] for each in told["history"]] == [4, 4, 4, 4]
    assert all(f'href="/lead?id={each["lead_id"]}"' in page.text for each in people)
    assert told["group"] is None


def test_the_trend_is_the_account_s_also_where_its_best_person_ended(
    client: TestClient, ledger: Ledger
) -> None:
    ann, ben = (each["lead_id"] for each in client.get(f"/api{PATH}").json()["people"][:2])
    of_account = SCORES.c.account_id == ACCOUNT
    with ledger.writing() as connection:
        connection.execute(update(SCORES).where(of_account).values(score=10.0, score_before=10.0))
        for run, lead, score, before in ((3, ann, 90.0, 90.0), (3, ben, 50.0, 50.0), (4, ben, 60.0, 50.0)):
            of_lead = (SCORES.c.run == run, SCORES.c.lead_id == lead)
            connection.execute(update(SCORES).where(*of_lead).values(score=score, score_before=before))
        connection.execute(delete(SCORES).where(SCORES.c.run == 4, SCORES.c.lead_id == ann))

    score, page = client.get(f"/api{PATH}").json()["score"], client.get(PATH).text
    with ledger.writing() as connection:
        connection.execute(delete(SCORES).where(SCORES.c.run == 3, of_account))
    unknown = client.get(f"/api{PATH}").json()["score"]

    assert (score["score"], score["score_before"]) == (60.0, 90.0)
    assert "−30.0" in page
    assert (unknown["score"], unknown["score_before"]) == (60.0, None)


def test_an_account_that_the_latest_run_of_accounts_lacks_is_told_so(
    client: TestClient, ledger: Ledger
) -> None:
    add_account_run(ledger)
    with ledger.writing() as connection:
        connection.execute(update(SCORES).where(SCORES.c.run == 5).values(lead_id="A-other"))

    page = client.get(PATH).text

    assert "The account has no score of its own in the latest run of accounts" in page
    assert "No run here has scored accounts" not in page


def test_an_account_with_its_own_score_shows_it_and_its_buying_group(
    client: TestClient, ledger: Ledger
) -> None:
    add_account_run(ledger)

    told, page = client.get(f"/api{PATH}").json(), client.get(PATH).text

    assert (told["score"]["of"], told["score"]["score"]) == ("account", 83.4)
    assert told["group"]["roles_reached"] == ["Sales", "IT"]
    assert "The account's own score" in page
    assert "21 % chance to convert within 90 days" in page
    assert "✓ Sales" in page
    assert "✗ &lt;script&gt;" in page
    assert HOSTILE not in page


def test_a_lead_that_carries_its_accounts_score_is_enough(client: TestClient, ledger: Ledger) -> None:
    person = client.get(f"/api{PATH}").json()["people"][0]
    further = {"account_score": 71.5, "account_probability": 0.125, "account_band": "MQL"}
    with ledger.writing() as connection:
        connection.execute(
            update(DETAILS)
            .where(DETAILS.c.run == 4, DETAILS.c.rank == person["rank"])
            .values(further=json.dumps(further))
        )

    told = client.get(f"/api{PATH}").json()

    assert told["score"] == {
        "of": "account", "score": 71.5, "probability": 0.125, "band": "MQL", "score_before": None, "as_of": None,
        "horizon_days": None,
    }  # fmt: skip


def test_a_decision_is_written_shown_and_lifted(client: TestClient, ledger: Ledger, post: Post) -> None:
    made = post("/account/override", **DECISION)
    shown = client.get(PATH).text
    lifted = post("/account/override", id=ACCOUNT, action="lift", reason="fair is over", by="Ann")
    after = client.get(PATH).text

    assert (made.status_code, made.headers["location"]) == (303, f"{PATH}#decision")
    assert lifted.status_code == 303
    assert decisions(ledger) == [
        ("account_id", ACCOUNT, "raise", "Ann"), ("account_id", ACCOUNT, "lift", "Ann"),
    ]  # fmt: skip
    assert "<strong>Raised</strong>" in shown
    assert "by Kim" in shown
    assert "<strong>Raised</strong>" not in after
    assert "No decision is in force." in after
    assert "fair is over" in after


def test_a_decision_that_lacks_something_is_refused_and_keeps_what_was_typed(
    ledger: Ledger, post: Post
) -> None:
    without_day = post("/account/override", **DECISION | {"until": ""})
    no_day = post("/account/override", **DECISION | {"until": HOSTILE})
    stranger = post("/account/override", **DECISION | {"id": "A999999"})

    assert [each.status_code for each in (without_day, no_day, stranger)] == [400, 400, 404]
    assert "needs `until`" in without_day.text
    assert 'value="met at the fair"' in without_day.text
    assert "until is no day: &#39;&lt;script" in no_day.text
    assert HOSTILE not in no_day.text
    assert decisions(ledger) == []


def test_a_decision_from_elsewhere_or_without_token_is_refused(
    client: TestClient, ledger: Ledger, post: Post
) -> None:
    elsewhere = post("/account/override", headers={"Origin": "http://evil.example"}, **DECISION)
    without = client.post("/account/override", data=DECISION)

    assert [elsewhere.status_code, without.status_code] == [403, 403]
    assert decisions(ledger) == []


def test_what_people_and_companies_are_called_is_shown_as_text(
    client: TestClient, made: Project, ledger: Ledger
) -> None:
    with ledger.writing() as connection:
        connection.execute(
            update(SCORES)
            .where(SCORES.c.account_id == ACCOUNT)
            .values(name=HOSTILE, company=HOSTILE, owner=HOSTILE, first_reason=HOSTILE)
        )
    add_decision(
        ledger, made.name, kind="account_id", subject=ACCOUNT, action="disqualify", owner=HOSTILE, reason=HOSTILE,
        until=None, by=HOSTILE,
    )  # fmt: skip

    page = client.get(PATH).text

    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)") > 8


def test_an_account_that_nobody_knows_is_not_found(client: TestClient) -> None:
    page, told = client.get("/account?id=%3Cb%3E"), client.get("/api/account?id=nobody")

    assert (page.status_code, told.status_code) == (404, 404)
    assert "knows this account" in told.json()["error"]


def test_an_account_whose_leads_all_ended_still_shows_its_past(client: TestClient, ledger: Ledger) -> None:
    told = client.get(f"/api{PATH}").json()
    with ledger.writing() as connection:
        of_account = (SCORES.c.run == 4, SCORES.c.account_id == ACCOUNT)
        connection.execute(update(SCORES).where(*of_account).values(account_id="A-moved"))

    now, page = client.get(f"/api{PATH}").json(), client.get(PATH).text

    assert told["people"]
    assert (now["people"], now["score"], len(now["history"])) == ([], None, 3)
    assert "None of its people is open in the latest run" in page
