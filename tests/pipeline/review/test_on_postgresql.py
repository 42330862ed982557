"""The same ledger in SQLite and in PostgreSQL: every page says the same, and takes the same answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import create_engine, delete, insert, select, update

from pipeline.config import ROOT, Project
from pipeline.ledger.decisions import add_decision
from pipeline.ledger.schema import DETAILS, OUTCOMES, OVERRIDES, RUNS, SCORES
from pipeline.ledger.store import open_ledger
from pipeline.review.app import create_app
from tests.pipeline.databases import new_database
from tests.pipeline.postgres import Server
from tests.pipeline.review.conftest import ADDRESS, guard_of

ASKED = (
    "/api/queue", "/api/queue?band=MQL&segment=B2B", "/api/queue?owner=Ann&after=40", "/api/queue?before=200",
    "/api/queue?account=A000007", "/api/queue?q=PERSON+2", "/api/queue?q=%25", "/api/queue?q=mpany%5C",
    "/api/queue?changed=1", "/api/queue?awake=1", "/api/queue?cooling=1&run=2", "/api/model", "/api/model?first=25",
    "/api/model/run?number=4", "/api/account?id=A000007", "/export.csv?band=SQL",
)  # fmt: skip
HOSTILE = (
    "/?q=%00", "/?band=%00", "/?run=2147483648", "/?after=2147483648", "/lead?id=%00", "/lead?id=L0000001%00",
    "/lead?id=%ED%A0%80", "/lead?id=L0000001&product=%00", "/lead?id=L0000001&run=2147483648", "/account?id=%00",
    "/account?id=%ED%A0%80", "/model?first=999999999", "/model/run?number=99999999999999999999",
    "/model/run?number=-99999999999",
)  # fmt: skip


PAGES = (
    "/",
    "/?q=person+29&owner=Ben",
    "/model",
    "/model/run?number=3",
    "/account?id=A000007",
    "/lead?id=nobody",
)
FLOAT = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


@pytest.fixture(scope="module")
def on_server(filled: Path, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose ledger is a PostgreSQL database with the rows of `filled`."""
    folder = tmp_path_factory.mktemp("project")
    tables = {"leads": {"path": "leads.csv"}, "outcomes": {"path": "outcomes.csv"}}
    url = new_database(server, folder).url
    project = Project.model_validate({"name": "made", "data": tables, "ledger": {"url": url}, ROOT: folder})
    with (
        create_engine(f"sqlite:///{filled}").connect() as old,
        open_ledger(project, is_new_allowed=True).writing() as new,
    ):
        for table in (RUNS, SCORES, DETAILS, OUTCOMES):
            new.execute(insert(table), [dict(row) for row in old.execute(select(table)).mappings()])
    return project


@pytest.fixture
def other(on_server: Project) -> TestClient:
    """The app on PostgreSQL."""
    return TestClient(create_app(on_server), base_url=ADDRESS, follow_redirects=False)


def _told(response: Response) -> str:
    """What the page says, without the token of its forms; sums of floats agree but for the last digits."""
    assert response.status_code in {200, 404}
    plain = re.sub(r'name="csrf" value="\w+"', "", response.text)
    return FLOAT.sub(lambda found: f"{float(found[0]):.9g}", plain)


@pytest.mark.parametrize("address", [*ASKED, *PAGES])
def test_a_page_says_the_same_on_both_databases(client: TestClient, other: TestClient, address: str) -> None:
    assert _told(other.get(address)) == _told(client.get(address))


def test_the_pages_of_leads_say_the_same_on_both_databases(client: TestClient, other: TestClient) -> None:
    ids = [each["lead_id"] for each in client.get("/api/queue").json()["leads"]][::10]

    for lead in ids:
        for address in (f"/lead?id={lead}", f"/api/lead?id={lead}", f"/api/lead?id={lead}&run=3"):
            assert _told(other.get(address)) == _told(client.get(address))


def test_what_was_decided_is_shown_alike_on_both_databases(made: Project, on_server: Project) -> None:
    override = json.dumps(
        {"override": {"action": "hold", "owner": "Rules", "reason": "50% off", "until": None}}
    )
    third = (DETAILS.c.run == 4, DETAILS.c.rank == 3)
    told = []
    for project in (made, on_server):
        ledger, page = open_ledger(project), TestClient(create_app(project), base_url=ADDRESS)
        add_decision(
            ledger, "made", kind="account_id", subject="A000007", action="disqualify", owner="Kim", reason="a rival",
            until=None, by="ann",
        )  # fmt: skip
        with ledger.writing() as connection:
            further = connection.scalar(select(DETAILS.c.further).where(*third))
            connection.execute(update(DETAILS).where(*third).values(further=override))
        pages = [page.get(address).text for address in ("/export.csv", "/?account=A000007", "/")]
        told.append((
            re.findall(r"(\w+),(Kim|Rules),([^,]+),,,,,,\r\n", pages[0]),
            pages[1].count("✕ disqualified: <bdi>a rival"),
            pages[2].count("‖ on hold: <bdi>50% off</bdi> (<bdi>Rules</bdi>)"),
        ))  # fmt: skip
        with ledger.writing() as connection:  # the server's ledger is that of other tests, too
            connection.execute(update(DETAILS).where(*third).values(further=further))
            connection.execute(delete(OVERRIDES))

    assert sorted(told[0][0]) == [("disqualify", "Kim", "a rival")] * 3 + [("hold", "Rules", "50% off")]
    assert told[0][1:] == (3, 1)
    assert told[1] == told[0]


@pytest.mark.parametrize("address", HOSTILE)
def test_what_no_database_holds_is_refused_and_breaks_nothing(
    client: TestClient, other: TestClient, address: str
) -> None:
    answers = [each.get(address).status_code for each in (client, other)]

    assert answers[0] == answers[1]
    assert answers[0] in {200, 400, 404}


@pytest.mark.parametrize(
    ("path", "fields", "shown"),
    [
        ("/lead/feedback", {"verdict": "accept", "note": "naïve ⚑", "by": "Ann"}, "naïve ⚑"),
        (
            "/lead/override",
            {"action": "disqualify", "owner": "Ben", "reason": "a rival", "by": "Ann"},
            "a rival",
        ),
    ],
)
def test_an_answer_is_taken_on_postgresql(
    other: TestClient, path: str, fields: dict[str, str], shown: str
) -> None:
    lead = other.get("/api/queue").json()["leads"][0]["lead_id"]

    own = {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}
    sent = other.post(path, data={"csrf": guard_of(other).token, "id": lead} | fields, headers=own)

    assert sent.status_code == 303
    assert shown in other.get(sent.headers["location"]).text


@pytest.mark.parametrize("path", ["/lead/feedback", "/lead/override", "/account/override"])
def test_a_form_that_no_database_can_hold_is_refused_on_postgresql(other: TestClient, path: str) -> None:
    token = guard_of(other).token
    own = {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}
    said = {"action": "disqualify", "owner": "o\x00o", "reason": "r\x00", "verdict": "accept", "note": "\x00"}

    answer = other.post(path, data={"csrf": token, "id": "L0000001\x00", "by": "Ann"} | said, headers=own)

    assert answer.status_code in {400, 404}
