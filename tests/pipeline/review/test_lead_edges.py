"""The page of a lead where the score is old, stands at the end of the scale, or is one of several products'."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from fastapi.testclient import TestClient
from sqlalchemy import select, update

from pipeline.ledger.schema import OUTCOMES, RUNS, SCORES
from pipeline.ledger.store import Ledger
from tests.pipeline.review.lead_by_hand import read
from tests.pipeline.review.test_lead import LAST, changed, of_present, tell


def test_a_score_of_long_ago_says_what_its_days_count_from(client: TestClient, ledger: Ledger) -> None:
    lead = of_present(ledger).lead_id
    old, earlier = client.get(f"/lead?id={lead}").text, client.get(f"/lead?id={lead}&run=3").text

    with ledger.writing() as connection:
        connection.execute(update(RUNS).where(RUNS.c.number == LAST).values(as_of=datetime.now(UTC)))
    fresh = client.get(f"/lead?id={lead}").text

    assert re.search(r"This score is [\d,]+ days old", old)
    assert "counts from 4 Jan 2026" in old
    assert "days old" not in earlier  # the page says already that it is an earlier run
    assert "days old" not in fresh


def test_each_product_s_links_lead_to_that_product(client: TestClient, ledger: Ledger) -> None:
    lead = of_present(ledger).lead_id
    with ledger.writing() as connection:
        connection.execute(update(RUNS).values(entity="product"))
        connection.execute(update(SCORES).values(product="A & B"))

    page, account = read(client.get(f"/lead?id={lead}").text), read(client.get("/account?id=A000007").text)
    moved = read(client.get(f"/model/run?number={LAST}").text)

    links = [each for each in moved.all_of("href") if each.startswith("/lead?")]
    assert links
    assert all(each.endswith(f"&product=A+%26+B&run={LAST}") for each in links)
    assert any("product=A+%26+B" in each for each in account.all_of("href"))
    assert "Won of any product: the ledger does not tell by which." in page.words


def test_a_score_at_the_end_of_the_scale_says_what_moved_below_it(client: TestClient, ledger: Ledger) -> None:
    lead = changed(ledger)
    tell(ledger, lead.lead_id, score=100.0, base_score=120.0, contributions=_points(ledger, 3.0))
    tell(ledger, lead.lead_id, LAST - 1, score=100.0, base_score=110.0, contributions=_points(ledger, 1.0))

    page = read(client.get(f"/lead?id={lead.lead_id}").text)

    assert "The score did not move, but what it is made of did:" in page.words
    assert [sum(points) for points, _ in page.waterfalls()] == [100, 100]
    assert "what it is made of is as before" not in page.words


def test_a_small_move_over_a_whole_number_is_told_alike_everywhere(
    client: TestClient, ledger: Ledger
) -> None:
    lead, none = changed(ledger), _points(ledger, 0.0)
    tell(ledger, lead.lead_id, score=49.98, base_score=49.98, contributions=none, band="below")
    tell(ledger, lead.lead_id, LAST - 1, score=50.01, base_score=50.01, contributions=none, band="MQL")

    page, told = (
        read(client.get(f"/lead?id={lead.lead_id}").text),
        client.get(f"/api/lead?id={lead.lead_id}").json(),
    )

    assert told["answers"][2]["line"].startswith("50 → 49 since 3 Jan 2026")
    assert "stands as on" not in page.words
    assert "The score did not move" not in page.words


def test_a_lead_that_ended_is_not_told_when_it_would_go_cold(client: TestClient, ledger: Ledger) -> None:
    with ledger.reading() as connection:
        ended = connection.scalars(select(OUTCOMES.c.lead_id).where(OUTCOMES.c.run == LAST).limit(1)).one()
    tell(ledger, ended, LAST - 1, silent_until=datetime(2026, 1, 12, tzinfo=UTC))

    page = read(client.get(f"/lead?id={ended}").text)

    assert "Ended:" in page.words
    assert "12 Jan" not in page.words


def test_two_runs_of_one_day_are_told_apart_by_their_numbers(client: TestClient, ledger: Ledger) -> None:
    lead = changed(ledger).lead_id
    with ledger.writing() as connection:
        moment = datetime(2026, 1, 4, 6, tzinfo=UTC)
        connection.execute(update(RUNS).where(RUNS.c.number == LAST).values(as_of=moment))
        connection.execute(update(RUNS).where(RUNS.c.number == LAST - 1).values(as_of=moment.replace(hour=3)))

    page = read(client.get(f"/lead?id={lead}").text)

    assert f"Score in run {LAST - 1}" in page.words
    assert f"Score in run {LAST}" in page.words


def _points(ledger: Ledger, each: float) -> str:
    with ledger.reading() as connection:
        names = connection.scalar(select(RUNS.c.reason_groups).where(RUNS.c.number == LAST))
    return json.dumps([each] * len(json.loads(names or "[]")))
