"""The pages of projects that score something else than leads: their words, and whom they count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, select, update

from features.settings import Entity
from pipeline.config import Project
from pipeline.ledger.feedback import feedback_of
from pipeline.ledger.schema import OVERRIDES, RUNS, SCORES
from pipeline.ledger.store import Ledger
from pipeline.review import lead_view
from pipeline.review.app import create_app
from tests.pipeline.review.conftest import ADDRESS, guard_of
from tests.pipeline.review.lead_by_hand import read

ACCOUNT = "A000003"
PAGE = f"/account?id={ACCOUNT}"
PEOPLE = ("L0000012", "L0000013")
OWN = {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}


def client_of(project: Project, ledger: Ledger, entity: Entity) -> TestClient:
    """The app on a project that scores such rows."""
    with ledger.writing() as connection:
        connection.execute(update(RUNS).values(entity=entity))
    target = project.target.model_copy(update={"entity": entity})
    app = create_app(project.model_copy(update={"target": target}))
    return TestClient(app, base_url=ADDRESS, follow_redirects=False)


@pytest.fixture
def products(made: Project, ledger: Ledger) -> TestClient:
    """The app on lead x product: the account has two people, the first of them with its two best rows."""
    of_account = SCORES.c.account_id == ACCOUNT
    pairs = [(lead, product) for lead in PEOPLE for product in "AB"]
    with ledger.writing() as connection:
        connection.execute(update(SCORES).values(product="A"))
        connection.execute(update(SCORES).where(of_account).values(product=SCORES.c.lead_id))
        for run in range(1, 5):
            ranks = connection.scalars(select(SCORES.c.rank).where(of_account, SCORES.c.run == run)).all()
            for rank, (lead, product) in zip(sorted(ranks), pairs, strict=True):
                row = (SCORES.c.run == run, SCORES.c.rank == rank)
                connection.execute(update(SCORES).where(*row).values(lead_id=lead, product=product))
    return client_of(made, ledger, "product")


@pytest.fixture
def accounts(made: Project, ledger: Ledger) -> TestClient:
    """The app on accounts: ours is one row of each run."""
    of_account = SCORES.c.account_id == ACCOUNT
    with ledger.writing() as connection:
        connection.execute(delete(SCORES).where(of_account, SCORES.c.lead_id != PEOPLE[0]))
        connection.execute(update(SCORES).where(of_account).values(lead_id=ACCOUNT))
    return client_of(made, ledger, "account")


def test_pairs_of_lead_and_product_are_not_called_leads(products: TestClient) -> None:
    queue, model, account = (read(products.get(path).text).words for path in ("/", "/model", PAGE))
    found = read(products.get(f"/?account={ACCOUNT}").text).words

    assert "300 pairs of lead and product, scored" in queue
    assert "All pairs of lead and product in call order" in queue
    assert "4 pairs of lead and product in call order" in found
    assert "Of the 300 pairs of lead and product open now." in model
    assert "4 open pairs of lead and product, 2 leads, of the latest run, in call order" in account


def test_others_at_the_account_are_so_many_people_not_rows(
    products: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_view, "MOST_PEOPLE", 1)

    told = products.get(f"/api/lead?id={PEOPLE[0]}").json()
    page = read(products.get(f"/lead?id={PEOPLE[0]}").text)

    assert [each["lead_id"] for each in told["people"]] == [PEOPLE[1]]
    assert page.words.count("Others at") == 1


def test_an_answer_to_one_product_keeps_the_score_of_that_product(
    products: TestClient, ledger: Ledger
) -> None:
    asked = select(SCORES.c.product, SCORES.c.score).where(SCORES.c.run == 4, SCORES.c.lead_id == PEOPLE[0])
    with ledger.reading() as connection:
        scores = {row.product: row.score for row in connection.execute(asked)}
    worse = min(scores, key=lambda each: scores[each])

    fields = {"csrf": guard_of(products).token, "id": PEOPLE[0], "verdict": "accept", "by": "Ann"}
    sent = products.post("/lead/feedback", data=fields | {"product": worse}, headers=OWN)
    unknown = products.post("/lead/feedback", data=fields | {"product": "C\x00"}, headers=OWN)

    with ledger.reading() as connection:
        kept = feedback_of(connection, "made", PEOPLE[0])
    assert (sent.status_code, unknown.status_code) == (303, 404)
    assert scores["A"] != scores["B"]
    assert [each["score"] for each in kept] == [scores[worse]]


@pytest.mark.parametrize("rows", ["products", "accounts"])
def test_where_no_scoring_would_read_a_decision_none_is_asked_for_nor_taken(
    rows: str, ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    client = request.getfixturevalue(rows)
    until = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    fields = {"csrf": guard_of(client).token, "by": "Ann", "owner": "Kim", "reason": "x", "until": until}
    lead = ACCOUNT if rows == "accounts" else PEOPLE[0]

    pages = [client.get(path).text for path in (f"/lead?id={lead}", PAGE)]
    sent = [
        client.post(path, data=fields | {"id": of, "action": "hold"}, headers=OWN)
        for path, of in (("/lead/override", lead), ("/account/override", ACCOUNT))
    ]

    assert not any("/override" in page for page in pages)
    assert "/lead/feedback" in pages[0]
    assert [each.status_code for each in sent] == [400, 400]
    assert all("Overrides are decisions about leads" in each.text for each in sent)
    with ledger.reading() as connection:
        assert connection.execute(select(OVERRIDES)).all() == []


def test_a_product_that_did_not_score_the_lead_is_named_and_not_the_lead(products: TestClient) -> None:
    told = products.get(f"/api/lead?id={PEOPLE[0]}&product=Gone").json()

    assert told["error"].startswith(f"The lead '{PEOPLE[0]}' has scores, but none for 'Gone'")


def test_the_pages_of_accounts_count_no_people_of_theirs(accounts: TestClient) -> None:
    queue, model, account, lead = (
        read(accounts.get(path).text).words for path in ("/", "/model", PAGE, f"/lead?id={ACCOUNT}")
    )
    told = accounts.get(f"/api{PAGE}").json()

    assert "accounts, scored" in queue
    assert "All accounts in call order" in queue
    assert "accounts to call" in model
    assert (told["history"], told["people"]) == ([], [])
    assert told["score"]["of"] == "account"
    assert "Its people over the runs" not in account
    assert "How it ended No end is known yet" in account
    assert "their people have no scores of their own. Why the account has its score" in account
    assert "Of accounts like this one" in lead
    assert "Similar past accounts" in lead
    assert "Nobody has answered to this account yet" in lead
    assert "Others at" not in lead
    assert "Nobody else of this account" not in lead
