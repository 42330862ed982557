"""What sales sends from the page of a lead: kept, told, and refused in words at the field."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from html import escape
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from pipeline.ledger.decisions import active_decisions, decisions_of
from pipeline.ledger.feedback import MAX_NOTE, feedback_of
from pipeline.ledger.schema import FEEDBACK, OVERRIDES, SCORES
from pipeline.ledger.store import Ledger
from tests.pipeline.review.conftest import Post
from tests.pipeline.review.lead_by_hand import read


@pytest.fixture
def lead(ledger: Ledger) -> str:
    """The best lead of the present run."""
    with ledger.reading() as connection:
        return str(connection.scalar(select(SCORES.c.lead_id).where(SCORES.c.run == 4, SCORES.c.rank == 1)))


def in_days(n: int) -> date:
    """A day from today on, UTC."""
    return datetime.now(UTC).date() + timedelta(days=n)


def count(ledger: Ledger) -> int:
    """Answers and decisions that the ledger holds."""
    with ledger.reading() as connection:
        return sum(
            int(connection.scalar(select(func.count()).select_from(table)) or 0)
            for table in (FEEDBACK, OVERRIDES)
        )


def test_who_was_called_from_a_filtered_queue_leads_to_the_next_one_there(
    client: TestClient, post: Post, ledger: Ledger
) -> None:
    with ledger.reading() as connection:
        mine = (
            select(SCORES.c.lead_id).where(SCORES.c.run == 4, SCORES.c.owner == "Ann").order_by(SCORES.c.rank)
        )
        leads = list(connection.scalars(mine))
    of = "owner=Ann"
    opened = read(client.get("/?owner=Ann").text).all_of("href")
    address = f"/lead?{urlencode({'id': leads[0], 'of': of})}"

    page = read(client.get(address).text)
    kept = post("/lead/feedback", id=leads[0], of=of, verdict="reject", by="Ann").headers["location"]
    thanked = client.get(kept).text
    last = client.get(f"/lead?{urlencode({'id': leads[-1], 'of': of})}").text

    assert address in opened
    following = f"/lead?{urlencode({'id': leads[1], 'of': of})}"
    assert {"/?owner=Ann", following} <= set(page.all_of("href"))
    assert page.all_of("value").count(of) == 2  # both forms keep it
    assert thanked.count(escape(following)) == 2
    searched = client.get(f"/lead?{urlencode({'id': leads[0], 'of': 'q=Person'})}").text
    assert '<a href="/?q=Person">← The queue as filtered</a>' in searched
    assert "Next:" not in searched
    assert "the last one there" not in searched
    assert "Next:" not in last
    assert "the last one there" in last


@pytest.mark.parametrize("of", ["owner=" + "x" * 300, "cooling=7", "&".join(["a=1"] * 50), "q=%00", "="])
def test_an_address_of_a_lead_from_a_queue_that_cannot_be_asked_for_counts_as_from_all(
    client: TestClient, lead: str, of: str
) -> None:
    page = client.get("/lead", params={"id": lead, "of": of})

    assert page.status_code == 200
    assert '<a href="/">← The queue</a>' in page.text


def test_a_lead_further_down_leads_back_to_its_own_page_of_the_queue_and_an_ended_one_to_none(
    client: TestClient, ledger: Ledger
) -> None:
    with ledger.reading() as connection:
        of_rank = select(SCORES.c.lead_id, SCORES.c.rank).where(
            SCORES.c.run == 4, SCORES.c.rank.in_((50, 51, 120))
        )
        found = {rank: lead for lead, rank in connection.execute(of_rank)}
        now = select(SCORES.c.lead_id).where(SCORES.c.run == 4)
        gone = connection.scalar(
            select(SCORES.c.lead_id).where(SCORES.c.run == 1, SCORES.c.lead_id.not_in(now)).limit(1)
        )

    back = {rank: client.get(f"/lead?id={lead}").text for rank, lead in found.items()}

    assert '<a href="/">← The queue</a>' in back[50]
    assert '<a href="/?after=50">← The queue</a>' in back[51]
    assert '<a href="/?after=100">← The queue</a>' in back[120]
    assert gone is None or "← The queue" not in client.get(f"/lead?id={gone}").text


def test_an_answer_given_on_an_older_run_goes_on_in_its_queue(
    client: TestClient, post: Post, ledger: Ledger
) -> None:
    with ledger.reading() as connection:
        of_run = select(SCORES.c.lead_id).where(SCORES.c.run == 2).order_by(SCORES.c.rank).limit(2)
        first, second = connection.scalars(of_run)

    page = read(client.get(f"/lead?id={first}&run=2").text)
    fields = {"id": first, "run": "2", "verdict": "reject", "by": "Ann"}
    kept = post("/lead/feedback", **fields).headers["location"]

    assert page.all_of("value").count("2") == 2
    assert kept == f"/lead?id={first}&run=2&told=feedback"
    assert escape(f"/lead?id={second}&run=2") in client.get(kept).text


def test_an_answer_is_kept_and_told(client: TestClient, post: Post, ledger: Ledger, lead: str) -> None:
    yesterday = in_days(-1)
    answer = post(
        "/lead/feedback", id=lead, verdict="accept", code="active now", note="Call\nafter 3", worked_on=str(yesterday),
        by="Ann",
    )  # fmt: skip

    page = read(client.get(answer.headers["location"]).text)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/lead?id={lead}&told=feedback")
    with ledger.reading() as connection:
        (kept,) = feedback_of(connection, "made", lead)
    assert (kept["verdict"], kept["code"], kept["note"], kept["by"]) == (
        "accept",
        "active now",
        "Call\nafter 3",
        "Ann",
    )
    assert (kept["worked_at"], kept["source"], kept["score"]) == (
        datetime(yesterday.year, yesterday.month, yesterday.day, 12, tzinfo=UTC), "page", 100.0,
    )  # fmt: skip
    assert "Thank you: your answer is kept" in page.words
    assert "✓ Accepted : active now by Ann" in page.words.replace("Accepted:", "Accepted :")


def test_a_lead_that_was_only_worked_needs_its_day(post: Post, ledger: Ledger, lead: str) -> None:
    without = post("/lead/feedback", id=lead, verdict="worked", by="Ann")
    today = post("/lead/feedback", id=lead, verdict="worked", worked_on=str(in_days(0)), by="Ann")

    assert (without.status_code, today.status_code) == (400, 303)
    assert "Say on which day you worked it" in without.text
    with ledger.reading() as connection:
        (kept,) = feedback_of(connection, "made", lead)
    assert kept["verdict"] is None
    assert datetime.now(UTC) - kept["worked_at"] < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({}, "verdict", "accept or reject it"),
        ({"verdict": "maybe"}, "verdict", "accept or reject it"),
        ({"verdict": "accept", "code": "no budget"}, "code", "no reason to accept; choose one of: good fit"),
        ({"verdict": "worked", "worked_on": "2026-01-02", "code": "other"}, "code", "Leave the reason open"),
        ({"verdict": "reject", "worked_on": "soon"}, "worked_on", "no day; write it as 2026-03-31"),
        ({"verdict": "reject", "worked_on": str(in_days(2))}, "worked_on", "still to come"),
        ({"verdict": "reject", "note": "x" * (MAX_NOTE + 1)}, "note", "at most 2,000"),
    ],
)
def test_an_answer_that_can_not_be_is_refused_at_its_field(
    post: Post, ledger: Ledger, lead: str, given: dict[str, str], field: str, said: str
) -> None:
    answer = post("/lead/feedback", id=lead, by="Ann", **{"note": "typed <before>"} | given)

    page = read(answer.text)

    assert answer.status_code == 400
    assert said in page.words
    assert f"feedback-{field}-fault" in page.all_of("aria-describedby")
    assert f"feedback-{field}-fault" in page.all_of("id")
    assert given.get("note", "typed <before>") in page.words
    chosen = [each for tag, each in page.elements if tag == "option" and "selected" in each]
    assert bool(chosen) == ("code" in given)
    assert "Nothing was kept" in page.words
    assert ("input", given.get("worked_on", "")) in [
        (t, e.get("value")) for t, e in page.elements if e.get("id") == "worked_on"
    ]
    assert count(ledger) == 0


def test_a_decision_is_kept_and_can_be_lifted(
    client: TestClient, post: Post, ledger: Ledger, lead: str
) -> None:
    raised = post(
        "/lead/override",
        id=lead,
        action="raise",
        owner="Olga",
        reason="met at the fair",
        until=str(in_days(5)),
        by="Ann",
    )
    page = read(client.get(raised.headers["location"]).text)
    lifted = post("/lead/override", id=lead, action="lift", reason="called", owner="", until="", by="Ben")

    assert (raised.status_code, lifted.status_code) == (303, 303)
    assert "Raised by Olga" in page.words
    assert "The model's own score stays 100" in page.words
    with ledger.reading() as connection:
        found = decisions_of(connection, "made", "lead_id", lead)
        assert active_decisions(connection, "made", datetime.now(UTC), [("lead_id", lead)]) == []
    assert [(each["action"], each["owner"], each["by"], each["until"]) for each in found] == [
        ("lift", "Ben", "Ben", None), ("raise", "Olga", "Ann", in_days(5)),
    ]  # fmt: skip
    assert "Lifted by Ben: called" in read(client.get(f"/lead?id={lead}").text).words


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"action": ""}, "action", "Choose what is decided"),
        ({"action": "promote"}, "action", "Choose what is decided"),
        ({"owner": " "}, "owner", "Say who answers for it"),
        ({"reason": ""}, "reason", "Say why"),
        ({"until": ""}, "until", "Say up to which day"),
        ({"until": str(in_days(0))}, "until", "Give a day after today"),
        ({"until": "31.12.2026"}, "until", "no day"),
    ],
)
def test_a_decision_that_can_not_be_is_refused_at_its_field(
    post: Post, ledger: Ledger, lead: str, given: dict[str, str], field: str, said: str
) -> None:
    whole = {"action": "hold", "owner": "Olga", "reason": "a <tender>", "until": str(in_days(5))}

    answer = post("/lead/override", id=lead, by="Ann", **whole | given)

    page = read(answer.text)
    assert answer.status_code == 400
    assert said in page.words
    assert f"override-{field}-fault" in page.all_of("id")
    typed = {
        str(each.get("id")): each.get("value")
        for tag, each in page.elements
        if tag == "input" and "id" in each
    }
    assert {name: typed[name] for name in ("owner", "reason", "until")} == {
        name: value for name, value in (whole | given).items() if name != "action"
    }
    assert any(tag == "details" and "open" in each for tag, each in page.elements)
    assert count(ledger) == 0


def test_the_ends_of_a_note_s_lines_count_once(post: Post, ledger: Ledger, lead: str) -> None:
    note = "x\r\n" * (MAX_NOTE // 2 - 1) + "yy"  # as a browser sends what its field took for 2,000 signs

    answer = post("/lead/feedback", id=lead, by="Ann", verdict="accept", note=note)

    assert answer.status_code == 303
    with ledger.reading() as connection:
        assert feedback_of(connection, "made", lead)[0]["note"] == note.replace("\r\n", "\n")


def test_nothing_to_lift_is_said(post: Post, ledger: Ledger, lead: str) -> None:
    answer = post("/lead/override", id=lead, action="lift", reason="none", by="Ann")

    assert answer.status_code == 400
    assert "there is nothing to lift" in read(answer.text).words
    assert count(ledger) == 0


def test_who_writes_must_be_known(client: TestClient, post: Post, ledger: Ledger, lead: str) -> None:
    client.cookies.clear()
    answer = post("/lead/feedback", id=lead, verdict="accept", by=" ")

    kept = count(ledger)
    assert (answer.status_code, kept) in {(400, 0), (303, 1)}  # 303 where the machine knows who is logged in
    assert answer.status_code == 303 or "Say who you are" in answer.text


@pytest.mark.parametrize("path", ["/lead/feedback", "/lead/override"])
def test_an_answer_on_an_unknown_lead_adds_nothing(post: Post, ledger: Ledger, path: str) -> None:
    answer = post(
        path,
        id="nobody",
        verdict="accept",
        action="hold",
        owner="O",
        reason="r",
        until=str(in_days(3)),
        by="Ann",
    )

    assert answer.status_code == 404
    assert "No such lead" in answer.text
    assert count(ledger) == 0


@pytest.mark.parametrize("path", ["/lead/feedback", "/lead/override"])
def test_another_site_can_not_answer(client: TestClient, ledger: Ledger, lead: str, path: str) -> None:
    answer = client.post(
        path, data={"id": lead, "verdict": "accept", "by": "Ann"}, headers={"Origin": "http://evil.example"}
    )

    assert answer.status_code == 403
    assert count(ledger) == 0
