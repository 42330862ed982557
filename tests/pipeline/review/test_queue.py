"""The queue as people and programs see it."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, update

from pipeline.config import Project
from pipeline.ledger.decisions import add_decision
from pipeline.ledger.erasing import forget
from pipeline.ledger.feedback import Feedback, add_feedback
from pipeline.ledger.queue import keep_facets
from pipeline.ledger.schema import RUNS, SCORES
from pipeline.ledger.store import Ledger
from pipeline.review.app import create_app

HOSTILE = ['<script>alert("x")</script>', '"><img src=x onerror=alert(1)>', "{{7*7}}", "\u202eevil\u2066"]
PRESENT = 4


def _set(ledger: Ledger, rank: int, **values: Any) -> None:
    with ledger.writing() as connection:
        connection.execute(
            update(SCORES).where(SCORES.c.run == PRESENT, SCORES.c.rank == rank).values(values)
        )


def _ids(client: TestClient, address: str) -> list[str]:
    return [each["lead_id"] for each in client.get(address).json()["leads"]]


def _in_ledger(ledger: Ledger, *conditions: Any) -> list[str]:
    asked = select(SCORES.c.lead_id).where(SCORES.c.run == PRESENT, *conditions).order_by(SCORES.c.rank)
    with ledger.reading() as connection:
        return list(connection.execute(asked).scalars())


def test_the_page_shows_the_present_run_s_first_fifty_in_call_order(
    client: TestClient, ledger: Ledger
) -> None:
    page = client.get("/").text

    shown = re.findall(r'href="/lead\?id=(\w+)"', page)
    assert shown == _in_ledger(ledger)[:50]
    assert "300 leads" in page
    assert ">below MQL <" in page
    assert "run 4" in page
    assert "4 Jan 2026, 00:00 UTC" in page
    assert "made0001" in page


def test_paging_walks_through_every_lead_once_and_back(client: TestClient, ledger: Ledger) -> None:
    address, seen, pages = "/api/queue", [], []
    while address:
        found = client.get(address).json()
        seen += [each["lead_id"] for each in found["leads"]]
        pages.append(found)
        address = found["next"]

    assert seen == _in_ledger(ledger)
    assert len(pages) == 6
    back = client.get(pages[-1]["previous"]).json()
    assert back["leads"] == pages[-2]["leads"]
    assert pages[0]["previous"] is None
    assert client.get(back["previous"]).json()["leads"] == pages[-3]["leads"]


def test_the_first_page_reached_backwards_has_nothing_before_it(client: TestClient) -> None:
    second = client.get(client.get("/api/queue").json()["next"]).json()

    assert client.get(second["previous"]).json()["previous"] is None


def test_filters_combine_and_survive_paging(client: TestClient, ledger: Ledger) -> None:
    expected = _in_ledger(
        ledger, SCORES.c.band == "below", SCORES.c.segment == "B2B", SCORES.c.lead_id.contains("L0000")
    )
    first = client.get("/api/queue", params={"band": "below", "segment": "B2B", "q": "l0000"}).json()

    second = client.get(first["next"]).json()

    assert [each["lead_id"] for each in first["leads"] + second["leads"]] == expected[:100]
    assert first["n"] == second["n"] == len(expected)
    assert parse_qs(urlsplit(first["next"]).query) == {
        "band": ["below"], "segment": ["B2B"], "q": ["l0000"], "after": [str(first["leads"][-1]["rank"])],
    }  # fmt: skip


@pytest.mark.parametrize("flag", ["changed", "awake", "cooling"])
def test_the_number_on_a_chip_is_what_the_filter_finds(client: TestClient, flag: str) -> None:
    page = client.get("/").text

    chip = re.search(rf'href="/\?{flag}=1">[^<]*<span class="n">(\d+)</span>', page)

    assert chip is not None
    assert int(chip[1]) == client.get(f"/api/queue?{flag}=1").json()["n"] > 0


def test_the_numbers_on_the_bands_follow_the_other_filters(client: TestClient, ledger: Ledger) -> None:
    found = client.get("/api/queue?owner=Ann&band=MQL").json()

    assert list(found["bands"]) == ["SQL", "MQL", "below"]
    for band, n in found["bands"].items():
        assert n == len(_in_ledger(ledger, SCORES.c.owner == "Ann", SCORES.c.band == band))
    assert found["n"] == found["bands"]["MQL"]


def test_a_chosen_filter_is_marked_and_its_link_takes_it_away(client: TestClient) -> None:
    page = client.get("/?band=SQL&awake=1").text

    assert re.search(r'href="/\?awake=1" aria-current="true">SQL', page)
    assert re.search(r'href="/\?band=SQL" aria-current="true">Newly awake', page)


def test_the_trend_is_told_by_sign_and_number_and_not_by_colour_alone(
    client: TestClient, ledger: Ledger
) -> None:
    _set(ledger, 1, score=90.0, score_before=80.0)
    _set(ledger, 2, score=80.0, score_before=82.5)
    _set(ledger, 3, score_before=None)

    rows = client.get("/").text.split('<tr role="row">')[2:]

    assert re.search(r'▲</span><span class="sr">up </span>\+10\.0', rows[0])
    assert re.search(r'▼</span><span class="sr">down </span>−2\.5', rows[1])
    assert '<span class="tag">not in the run before</span>' in rows[2]


def test_an_override_in_force_stands_beside_the_score(
    client: TestClient, ledger: Ledger, made: Project
) -> None:
    first, second = _in_ledger(ledger)[:2]
    with ledger.reading() as connection:
        account = connection.execute(select(SCORES.c.account_id).where(SCORES.c.lead_id == second)).scalar()
    until = (datetime.now(UTC) + timedelta(days=5)).date()
    given: dict[str, Any] = {"owner": "Ann", "by": "ann", "until": until}
    add_decision(
        ledger, made.name, kind="lead_id", subject=first, action="hold", reason="on <b>leave</b>", **given
    )
    add_decision(
        ledger, made.name, kind="account_id", subject=str(account), action="raise", reason="fair", **given
    )

    rows = client.get("/").text.split('<tr role="row">')[2:]

    assert "on hold: <bdi>on &lt;b&gt;leave&lt;/b&gt;</bdi> (<bdi>Ann</bdi>, until" in rows[0]
    assert "raised: <bdi>fair</bdi>" in rows[1]
    assert client.get("/api/queue").json()["leads"][0]["override"]["reason"] == "on <b>leave</b>"
    assert "on hold" not in rows[2]


def test_what_sales_answered_last_stands_beside_the_lead_on_the_page_in_json_and_in_the_export(
    client: TestClient, ledger: Ledger, made: Project
) -> None:
    first, second = _in_ledger(ledger)[:2]
    day = datetime(2026, 1, 3, 9, tzinfo=UTC)
    for verdict, code in (("accept", "good fit"), ("reject", "duplicate")):
        given = Feedback(first, verdict, code, None, day, "Ann <b>")
        add_feedback(ledger, made.name, given, source="test", feedback_id=code)
    add_feedback(ledger, made.name, Feedback(second, None, None, None, day, "Ben"), source="test")
    earlier = Feedback(first, "accept", "good fit", None, day - timedelta(days=30), "Old file")
    add_feedback(ledger, made.name, earlier, source="import", feedback_id="imported later")
    other = Feedback(_in_ledger(ledger)[2], "accept", None, None, None, "Cara")
    add_feedback(ledger, made.name, other, source="test")

    rows = client.get("/").text.split('<tr role="row">')[2:]
    told = client.get("/api/queue").json()["leads"]
    exported = list(csv.DictReader(io.StringIO(client.get("/export.csv").content.decode("utf-8-sig"))))

    assert "✗ rejected: duplicate (<bdi>Ann &lt;b&gt;</bdi>, 3 Jan 2026)" in rows[0]
    assert "accepted" not in rows[0]
    assert "worked (<bdi>Ben</bdi>, 3 Jan 2026)" in rows[1]
    assert [(told[0]["answer"] or {}).get(name) for name in ("verdict", "code", "by")] == [
        "reject",
        "duplicate",
        "Ann <b>",
    ]
    assert [each["answer"] is None for each in told[:4]] == [False, False, False, True]
    names = ("answer", "answer_code", "answered_by", "worked_at")
    assert [exported[0][name] for name in names] == ["reject", "duplicate", "Ann <b>", day.isoformat()]
    assert exported[1]["answer"] == "worked"
    assert exported[2]["worked_at"] == ""
    assert exported[2]["answer_recorded_at"].startswith(str(datetime.now(UTC).date())[:4])
    assert [exported[3][name] for name in names] == [""] * 4


@pytest.mark.parametrize("text", HOSTILE)
def test_what_leads_are_called_is_shown_as_text(client: TestClient, ledger: Ledger, text: str) -> None:
    fields = ("name", "company", "owner", "segment", "first_reason", "account_id")
    _set(ledger, 1, **dict.fromkeys(fields, text))

    page = client.get("/", params={"q": text}).text

    assert page.count("<script") == client.get("/").text.count("<script")
    assert "<img" not in page
    if text == "{{7*7}}":
        assert page.count("{{7*7}}") >= 5
    assert client.get("/api/queue", params={"q": text}).json()["leads"][0]["name"] == text


def test_an_id_of_any_signs_is_linked_so_that_it_comes_back_whole(client: TestClient, ledger: Ledger) -> None:
    odd = "a/../b?id=x&y#z \"'<>+% ü"
    _set(ledger, 1, lead_id=odd)

    address = client.get("/api/queue").json()["leads"][0]["address"]

    assert parse_qs(urlsplit(address).query) == {"id": [odd]}
    assert urlsplit(address).path == "/lead"


def test_another_run_can_be_looked_at_and_the_page_says_so(client: TestClient) -> None:
    page = client.get("/?run=2").text

    assert "This is run 2; the present one is run 4" in page
    assert 'href="/?run=2&amp;band=SQL"' in page or 'href="/?band=SQL&amp;run=2"' in page
    assert client.get("/api/queue?run=2").json()["run"]["number"] == 2


def test_scores_of_long_ago_are_told_to_be_stale(client: TestClient, ledger: Ledger) -> None:
    assert re.search(r"These scores are [\d,]+ days old", client.get("/").text)

    with ledger.writing() as connection:
        connection.execute(update(RUNS).where(RUNS.c.number == PRESENT).values(as_of=datetime.now(UTC)))

    assert "days old" not in client.get("/").text


def test_a_ledger_without_a_run_says_what_writes_the_first(client: TestClient, ledger: Ledger) -> None:
    with ledger.writing() as connection:
        connection.execute(update(RUNS).values(is_complete=False))

    assert "No run is in the ledger yet" in client.get("/").text
    assert client.get("/api/queue").json() == {"run": None, "n": 0, "leads": []}
    assert client.get("/export.csv").status_code == 404


def test_a_place_beyond_the_end_of_the_list_leads_back_to_its_beginning(client: TestClient) -> None:
    page = client.get("/?owner=Ann&after=9999999").text

    assert "The list ends before this place" in page
    assert 'href="/?owner=Ann">To its first page' in page
    assert "fits all of these filters" not in page


def test_who_was_forgotten_is_in_no_count(client: TestClient, ledger: Ledger, made: Project) -> None:
    with ledger.writing() as connection:
        keep_facets(connection, PRESENT)
    _set(ledger, 1, owner="Cara alone")
    leads, told = _in_ledger(ledger), [client.get("/").text]
    for lead in leads[:2]:
        forget(ledger, [made.name], lead, "asked", "dpo")
        told.append(client.get("/").text)

    assert [
        "300 leads, scored" in told[0],
        "299 leads, scored" in told[1],
        "298 leads, scored" in told[2],
    ] == [True] * 3
    assert "Export 298 as CSV" in told[2]
    assert "Of the 298 leads open now" in client.get("/model").text
    assert "Cara alone" not in told[1]


def test_nothing_found_is_said_with_a_way_back(client: TestClient) -> None:
    page = client.get("/?q=no+such+lead").text

    assert "No lead fits all of these filters" in page
    assert "0 leads in call order" in page


def test_the_counts_of_a_run_that_brings_none_are_counted(client: TestClient, ledger: Ledger) -> None:
    before = client.get("/api/queue").json()["bands"]
    with ledger.writing() as connection:
        connection.execute(update(RUNS).values(facets=None))

    assert client.get("/api/queue").json()["bands"] == before


def test_a_run_of_the_same_moment_is_not_what_changes_are_counted_from(
    client: TestClient, ledger: Ledger
) -> None:
    with ledger.writing() as connection:
        before = connection.execute(select(RUNS.c.as_of).where(RUNS.c.number == PRESENT - 1)).scalar_one()
        connection.execute(update(RUNS).where(RUNS.c.number == PRESENT).values(as_of=before))

    assert "Changed since 2 Jan 2026" in client.get("/").text


def test_changes_are_dated_by_the_run_that_they_were_counted_from(client: TestClient, ledger: Ledger) -> None:
    replayed = datetime(2026, 1, 3, tzinfo=UTC)  # after run 4 was made, for a moment before it
    with ledger.writing() as connection:
        run = connection.execute(select(RUNS).where(RUNS.c.number == PRESENT)).mappings().one()
        replay = {"number": 5, "run_id": "5" * 64, "as_of": replayed, "recorded_at": datetime.now(UTC)}
        connection.execute(insert(RUNS).values({**run, **replay}))
        connection.execute(update(RUNS).where(RUNS.c.number == PRESENT - 1).values(is_complete=False))

    assert "Changed since 2 Jan 2026 <" in client.get("/").text
    assert "Changed since 2 Jan 2026 <" in client.get("/?run=5").text


def test_a_first_run_has_nothing_to_be_compared_with(client: TestClient, ledger: Ledger) -> None:
    with ledger.writing() as connection:
        connection.execute(update(RUNS).where(RUNS.c.number != PRESENT).values(is_complete=False))
        connection.execute(update(SCORES).values(score_before=None, band_before=None))

    queue, account = client.get("/").text, client.get("/account?id=A000003").text

    assert "300 leads" in queue
    assert "Changed since" not in queue
    assert "not in the run before" not in queue + account
    assert "open leads of the latest run" in account


def test_the_runs_of_a_flat_export_call_no_lead_new(client: TestClient, ledger: Ledger) -> None:
    with ledger.writing() as connection:
        connection.execute(update(RUNS).values(as_of=None))
        connection.execute(update(SCORES).values(score_before=None, band_before=None))

    queue, moved = client.get("/").text, client.get(f"/model/run?number={PRESENT}").text

    assert "not in the run before" not in queue
    assert "Changed since" not in queue
    assert ">new<" not in moved
    assert "not in the run before" not in moved
    assert "This run has no moment" in moved


def test_the_runs_of_a_flat_export_are_told_by_the_day_they_were_recorded(
    client: TestClient, ledger: Ledger
) -> None:
    with ledger.writing() as connection:
        connection.execute(update(RUNS).values(as_of=None))

    queue, table = client.get("/").text, client.get("/model").text

    assert '<option value="3">3 · 3 Jan 2026</option>' in queue
    assert '<td data-label="Scored at">3 Jan 2026, 02:00</td>' in table
    assert "· –<" not in queue
    assert 'data-label="Scored at">–<' not in table


def test_the_way_to_the_present_run_keeps_the_filters_and_is_shown_on_older_runs_alone(
    client: TestClient,
) -> None:
    older, present = client.get("/?run=2&band=SQL&owner=Ann&after=3").text, client.get("/?run=4").text

    assert '<a href="/?band=SQL&amp;owner=Ann">To the present run</a>' in older
    assert "days old" in present
    assert "To the present run" not in present


def test_the_export_holds_all_that_is_filtered_and_no_formula(client: TestClient, ledger: Ledger) -> None:
    _set(ledger, 1, name="=HYPERLINK(1)", company="+1, Inc.", owner="Ann")
    expected = _in_ledger(ledger, SCORES.c.owner == "Ann")

    answer = client.get("/export.csv?owner=Ann")

    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["lead_id"] for row in rows] == expected
    assert (rows[0]["name"], rows[0]["company"]) == ("'=HYPERLINK(1)", "'+1, Inc.")
    assert float(rows[0]["score"]) == client.get("/api/queue?owner=Ann").json()["leads"][0]["score"]
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''made.run-4.csv"


@pytest.mark.parametrize(
    "asked", ["after=1e3", "before=x", "run=-2", "after=99999999999", "q=" + "x" * 201, "owner=%00"]
)
def test_an_address_that_makes_no_sense_is_refused_in_words(client: TestClient, asked: str) -> None:
    answer = client.get(f"/api/queue?{asked}")

    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


def test_empty_fields_of_a_form_ask_for_all(client: TestClient) -> None:
    assert _ids(client, "/api/queue?q=&band=&segment=&owner=&account=&run=&changed=") == _ids(
        client, "/api/queue"
    )


def test_a_project_may_be_named_in_any_script(made: Project, ledger: Ledger) -> None:
    with ledger.writing() as connection:
        connection.execute(update(RUNS).values(project="销售"))
    client = TestClient(
        create_app(made.model_copy(update={"name": "销售"})), base_url="http://127.0.0.1:8765"
    )

    assert "销售" in client.get("/").text
    assert client.get("/export.csv").headers["content-disposition"].endswith("''%E9%94%80%E5%94%AE.run-4.csv")
