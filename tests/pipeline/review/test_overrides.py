"""Overrides where people take their calls from: the queue, its export, the account's people, the lead."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Row, event, select, update

from pipeline.ledger.decisions import add_decision
from pipeline.ledger.schema import DETAILS, SCORES
from pipeline.ledger.store import Ledger
from pipeline.review.overrides import overrides_in_force
from tests.pipeline.review.lead_by_hand import read

PRESENT = 4
TODAY = datetime.now(UTC).date()
SOON = TODAY + timedelta(days=5)


def first(ledger: Ledger) -> Row[Any]:
    """The best lead of the present run."""
    with ledger.reading() as connection:
        asked = select(SCORES).where(SCORES.c.run == PRESENT, SCORES.c.rank == 1)
        return connection.execute(asked).one()


def decide(ledger: Ledger, kind: str, subject: str, action: str, until: date | None = SOON) -> None:
    """A decision of Kim's."""
    add_decision(
        ledger, "made", kind=kind, subject=subject, action=action, owner="Kim", reason=f"why {action}",
        until=None if action == "lift" else until, by="ann",
    )  # fmt: skip


def find_at_scoring(ledger: Ledger, rank: int, action: str, owner: str, until: date | None = SOON) -> None:
    """Let the present run have found an override for the lead at that place."""
    day = None if until is None else until.isoformat()
    override = {"action": action, "owner": owner, "reason": f"why {action}", "until": day}
    text = json.dumps({"funnel_stage": "decision", "override": override}, separators=(",", ":"))
    is_it = (DETAILS.c.run == PRESENT, DETAILS.c.rank == rank)
    with ledger.writing() as connection:
        connection.execute(update(DETAILS).where(*is_it).values(further=text))


def in_queue(client: TestClient, rank: int = 1) -> tuple[str, str] | None:
    """(owner, action) of the override that the queue shows for the lead at that place."""
    found = client.get(f"/api/queue?after={rank - 1}").json()["leads"][0]["override"]
    return found and (found["owner"], found["action"])


@pytest.mark.parametrize("kind", ["lead_id", "account_id"])
def test_a_decision_that_the_run_took_over_is_told_once_and_not_after_it_was_lifted(
    client: TestClient, ledger: Ledger, kind: str
) -> None:
    lead = first(ledger)
    subject = lead._mapping[kind]
    decide(ledger, kind, subject, "hold")
    find_at_scoring(ledger, 1, "hold", "Kim")

    held = read(client.get(f"/lead?id={lead.lead_id}").text).words
    assert in_queue(client) == ("Kim", "hold")
    for _ in range(20):  # more than the page lists of what was decided
        decide(ledger, kind, subject, "lift")
        decide(ledger, kind, subject, "raise")
    decide(ledger, kind, subject, "lift")

    lifted = read(client.get(f"/lead?id={lead.lead_id}").text).words
    assert held.count("On hold by Kim") == 2  # the notice, and the record of all decisions
    assert "By the project's rules" not in held + lifted
    assert client.get(f"/api/lead?id={lead.lead_id}").json()["override_at_scoring"] is None
    assert in_queue(client) is None


@pytest.mark.parametrize(
    ("of_lead", "of_account", "shown"),
    [("raise", "disqualify", "disqualify"), ("hold", "raise", "hold"), ("raise", "hold", "hold")],
)
def test_of_two_decisions_the_queue_shows_the_stronger(
    client: TestClient, ledger: Ledger, of_lead: str, of_account: str, shown: str
) -> None:
    lead = first(ledger)
    decide(ledger, "lead_id", lead.lead_id, of_lead)
    decide(ledger, "account_id", lead.account_id, of_account)

    page = client.get("/").text.split('<tr role="row">')[2]

    assert in_queue(client) == ("Kim", shown)
    assert f"<bdi>why {shown}</bdi>" in page


def test_among_equals_the_lead_s_own_counts_then_its_account_s_then_the_project_s(
    client: TestClient, ledger: Ledger
) -> None:
    lead = first(ledger)
    find_at_scoring(ledger, 1, "hold", "Rules")
    seen = [in_queue(client)]
    for kind, subject in (("account_id", lead.account_id), ("lead_id", lead.lead_id)):
        decide(ledger, kind, subject, "hold")
        found = client.get("/api/queue").json()["leads"][0]["override"]
        seen.append((found["kind"], found["subject"]))

    assert seen == [("Rules", "hold"), ("account_id", lead.account_id), ("lead_id", lead.lead_id)]


def test_what_the_project_s_rules_said_is_shown_until_its_day(client: TestClient, ledger: Ledger) -> None:
    lead = first(ledger)
    seen = []
    for until in (None, TODAY + timedelta(days=1), TODAY):
        find_at_scoring(ledger, 1, "disqualify", "Rules", until)
        words = read(client.get(f"/lead?id={lead.lead_id}").text).words
        seen.append((in_queue(client), "By the project's rules" in words))

    assert seen == [(("Rules", "disqualify"), True), (("Rules", "disqualify"), True), (None, False)]
    assert in_queue(client, 2) is None


def test_the_export_tells_who_decided_what_and_up_to_when(client: TestClient, ledger: Ledger) -> None:
    lead = first(ledger)
    decide(ledger, "lead_id", lead.lead_id, "hold")
    find_at_scoring(ledger, 2, "disqualify", "=Rules", None)

    answer = client.get("/export.csv")

    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    names = ("override", "override_owner", "override_reason", "override_until")
    told = [tuple(row[name] for name in names) for row in rows]
    assert told[0] == ("hold", "Kim", "why hold", SOON.isoformat())
    assert told[1] == ("disqualify", "'=Rules", "why disqualify", "")
    assert set(told[2:]) == {("", "", "", "")}
    assert [int(row["rank"]) for row in rows] == list(range(1, 301))


def test_the_people_of_an_account_have_theirs_beside_them(client: TestClient, ledger: Ledger) -> None:
    with ledger.reading() as connection:
        asked = select(SCORES.c.rank, SCORES.c.lead_id).where(
            SCORES.c.run == PRESENT, SCORES.c.account_id == "A000003"
        )
        own, of_rules, *others = connection.execute(asked.order_by(SCORES.c.rank)).all()
    decide(ledger, "lead_id", own.lead_id, "disqualify", None)
    find_at_scoring(ledger, of_rules.rank, "hold", "Rules")

    page, told = client.get("/account?id=A000003").text, client.get("/api/account?id=A000003").json()

    shown = [each["override"] and each["override"]["owner"] for each in told["people"]]
    assert shown == ["Kim", "Rules", *[None] * len(others)]
    assert "✕ disqualified: <bdi>why disqualify</bdi>" in page
    assert "‖ on hold: <bdi>why hold</bdi>" in page


def test_only_the_rows_that_are_shown_are_looked_up(ledger: Ledger) -> None:
    find_at_scoring(ledger, 1, "hold", "Rules")
    find_at_scoring(ledger, 3, "hold", "Rules")
    asked: list[tuple[str, tuple[Any, ...]]] = []
    event.listen(ledger.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    with ledger.reading() as connection:
        asking = select(SCORES).where(SCORES.c.run == PRESENT, SCORES.c.rank <= 2)
        rows = [dict(row) for row in connection.execute(asking).mappings()]
        found = overrides_in_force(connection, "made", PRESENT, rows)

    wide = [values for text, values in asked if "ledger_details" in text]
    assert list(found) == [1]
    assert [[each for each in values if isinstance(each, int)] for values in wide] == [[PRESENT, 1, 2]]
