"""The manager's page: figures by hand, what stands in the page, and the card."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, update

from pipeline.config import Project
from pipeline.ledger.decisions import add_decision
from pipeline.ledger.feedback import Feedback, add_feedback
from pipeline.ledger.figures import Heap
from pipeline.ledger.schema import ACTS, DETAILS, OUTCOMES, RUNS, SCORES
from pipeline.ledger.store import Ledger
from pipeline.review.app import create_app
from pipeline.review.model_card import card_blocks, card_file
from pipeline.review.model_facts import kept
from pipeline.review.model_what_if import everyone, from_each_score, together
from tests.pipeline.ledger.filling import add_end, add_run, add_scores, day
from tests.pipeline.review.conftest import ADDRESS

ANCHORS = '{"p_mql": 0.05, "p_sql": 0.15}'
HOSTILE = "<script>alert(1)</script>"
CARD = f"""# Model card: `made`, version `m1`

A lead-scoring model. **Good** &amp; small: 1 &lt; 2. {HOSTILE}

## Use

- for `calls`
- not for <b>people</b>

| figure | value |
| --- | --- |
| AUC | 0.8 |
"""


def empty(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for table in (DETAILS, SCORES, OUTCOMES, RUNS):
            connection.execute(table.delete())


@pytest.fixture
def known(client: TestClient, made: Project, ledger: Ledger) -> TestClient:
    """The app on two runs of which the first is due: ten of SQL promised .8 and 4 won; ten of MQL .2 and 2 won."""
    empty(ledger)
    scores: dict[str, tuple[float | None, str]] = {f"S{k}": (0.8, "SQL") for k in range(10)}
    scores |= {f"M{k}": (0.2, "MQL") for k in range(10)}
    with ledger.writing() as connection:
        add_run(connection, 1, 1, 20, project=made.name)
        add_run(connection, 2, 11, 20, project=made.name)
        add_scores(connection, 1, scores)
        add_scores(connection, 2, {"S0": (0.9, "SQL"), "M0": (0.3, "MQL")}, {"S0": "SQL", "M0": "MQL"})
        for lead in ("S0", "S1", "S2", "S3", "M0", "M1"):
            add_end(connection, lead, day(6), project=made.name)
        add_end(connection, "S4", day(11), project=made.name)  # a moment too late
    return client


def test_bands_and_tenths_say_what_was_promised_and_what_came(known: TestClient) -> None:
    told = known.get("/api/model").json()["promises"]

    assert (told["is_due"], told["runs"], told["open_runs"]) == (True, 1, 1)
    assert [(e["name"], e["n"], e["won"]) for e in told["bands"]] == [("SQL", 10, 4), ("MQL", 10, 2)]
    assert [(e["name"], e["n"], e["won"]) for e in told["tenths"]] == [
        ("20 to 30 %", 10, 2),
        ("80 to 90 %", 10, 4),
    ]
    sql, mql = told["bands"]
    assert (sql["mean"], sql["share"]) == pytest.approx((0.8, 0.4))
    assert (sql["low"], sql["high"]) == pytest.approx((0.1682, 0.6873), abs=1e-4)  # Wilson, 4 of 10
    assert (sql["verdict"], mql["verdict"]) == ("promised too much", "in line, unsure")
    assert told["all"]["promised"] == pytest.approx(10.0)


def test_the_page_shows_each_figure_with_interval_and_number(known: TestClient) -> None:
    page = known.get("/model").text

    assert "20 first entries into a band, from 1 run (1 Jan 2026)" in page
    assert "40 % (17 % to 69 %)" in page
    assert "promised too much" in page
    assert page.count('<svg class="chart"') == 3


def test_before_the_first_promise_is_due_there_is_no_verdict(client: TestClient) -> None:
    told, page = client.get("/api/model").json()["promises"], client.get("/model").text

    assert told["is_due"] is False
    assert {each["verdict"] for each in told["bands"]} == {None}
    assert told["first_due"] == "2026-01-31T00:00:00+00:00"
    assert "the first does on <strong>31 Jan 2026</strong>" in page
    assert "Came so far" in page
    assert "more can still come of each lead, so it is no verdict" in page


@pytest.mark.parametrize(
    ("n", "promised", "won", "verdict"),
    [
        (1000, 200.0, 200, "kept"), (1000, 200.0, 150, "promised too much"), (1000, 200.0, 260, "promised too little"),
        (20, 4.0, 4, "in line, unsure"),
    ],
)  # fmt: skip
def test_a_promise_is_judged_by_its_interval(n: int, promised: float, won: int, verdict: str) -> None:
    assert kept("MQL", n, promised, won).verdict == verdict
    assert kept("MQL", n, promised, won, is_due=False).verdict is None


def test_a_cutoff_finds_the_sum_of_the_chances_above_it() -> None:
    heaps = [
        Heap(80, 2, 2, 1.0, 0.5, 2, 100.0),
        Heap(50, 3, 2, 0.6, 0.42, 0, 0.0),
        Heap(0, 5, 0, 0.0, 0.0, 0, 0.0),
    ]

    rows = from_each_score(heaps)

    assert [each.score for each in rows] == list(range(101))
    assert [rows[cut].leads for cut in (0, 1, 50, 51, 80, 81)] == [10, 5, 5, 2, 2, 0]
    assert (rows[50].conversions, rows[50].of_leads) == pytest.approx((1.6, 0.5))
    assert rows[80].of_conversions == pytest.approx(1.0 / 1.6)
    assert (rows[50].low, rows[50].high) == pytest.approx((0.0, 1.6 + 1.96 * 0.92**0.5))
    assert rows[80].high == pytest.approx(2.0)  # of two leads no more than two convert
    assert (rows[80].value, rows[81].value) == (100.0, None)
    assert (rows[81].low, rows[81].conversions, rows[81].high) == (0.0, 0.0, 0.0)  # nobody called, nobody won


def test_the_scores_of_a_points_table_beyond_both_ends_of_the_scale_are_not_lost() -> None:
    heaps = [Heap(score, n, 0, 0.0, 0.0, 0, 0.0) for score, n in ((160, 3), (100, 1), (20, 4), (-30, 2))]

    rows = from_each_score(heaps)

    assert [rows[cut].leads for cut in (0, 20, 21, 100)] == [8, 8, 4, 4]
    assert (rows[100].of_leads, rows[0].of_leads) == (0.4, 0.8)


def test_the_lines_are_called_as_the_project_calls_them(made: Project, ledger: Ledger) -> None:
    bands = made.bands.model_copy(
        update={"mql_name": "Warm", "sql_name": "Hot", "further": {"Lukewarm": 30.0}}
    )
    own = TestClient(create_app(made.model_copy(update={"bands": bands})), base_url=ADDRESS)

    page = own.get("/model").text
    with ledger.writing() as connection:
        connection.execute(update(SCORES).values(probability=None))

    assert "30 is the Lukewarm line, 50 is the Warm line, 80 is the Hot line." in page
    assert "MQL line" not in TestClient(create_app(made), base_url=ADDRESS).get("/model").text


def test_without_any_chance_nothing_is_expected() -> None:
    heaps = [Heap(60, 4, 0, 0.0, 0.0, 0, 0.0)]

    found = together(heaps[0], everyone(heaps))

    assert (found.leads, found.conversions, found.of_conversions, found.of_leads) == (4, None, None, 1.0)


def test_the_slider_asks_by_address_and_the_table_holds_every_cutoff(client: TestClient) -> None:
    told = client.get("/api/model?cutoff=30").json()["what_if"]
    page = client.get("/model?cutoff=30").text

    assert told["chosen"] == told["rows"][30]
    assert told["rows"][0]["leads"] == 300
    assert told["rows"][0]["of_conversions"] == 1.0
    assert 'max="100" value="30"' in page
    assert re.findall(r'<tr id="score-(\d+)"', page) == [str(score) for score in range(100, -1, -1)]
    assert '<script src="/static/model.js" defer></script>' in page
    assert client.get("/static/model.js").status_code == 200


def test_the_first_leads_of_the_queue_can_be_asked_for(client: TestClient) -> None:
    every = client.get("/api/model?first=300").json()["what_if"]
    few = client.get("/api/model?first=20").json()["what_if"]
    none = client.get("/api/model?first=&cutoff=40").json()["what_if"]

    assert every["chosen"]["of_conversions"] == pytest.approx(1.0)
    assert (few["chosen"]["leads"], few["cutoff"]) == (20, few["chosen"]["score"])
    assert 0 < few["chosen"]["conversions"] < every["chosen"]["conversions"]
    assert (none["first"], none["cutoff"]) == (None, 40)
    assert "Shown are the first 300: down" in client.get("/model?first=5000").text


@pytest.mark.parametrize("asked", ["cutoff=101", "cutoff=x", "first=12345678901"])
def test_a_cutoff_that_is_none_is_refused(client: TestClient, asked: str) -> None:
    assert client.get(f"/model?{asked}").status_code == 400


def test_the_figures_are_kept_until_a_run_comes(known: TestClient, made: Project, ledger: Ledger) -> None:
    first = known.get("/api/model").json()["promises"]
    with ledger.writing() as connection:
        add_run(connection, 3, 21, project=made.name)

    second = known.get("/api/model").json()["promises"]

    assert (first["runs"], second["runs"], second["open_runs"]) == (1, 2, 1)


def test_answers_decisions_and_acts_are_shown_as_text(
    client: TestClient, made: Project, ledger: Ledger
) -> None:
    lead = client.get("/api/model/run?number=4").json()["movers"][0]["lead_id"]
    add_feedback(
        ledger, made.name, Feedback(lead, "reject", "no budget", HOSTILE, None, HOSTILE), source="page"
    )
    until = datetime.now(UTC).date() + timedelta(days=9)
    add_decision(
        ledger, made.name, kind="lead_id", subject=lead, action="hold", owner=HOSTILE, reason=HOSTILE, until=until,
        by="Ann",
    )  # fmt: skip
    act = {"project": made.name, "kind": "promote", "model_version": "m2", "former": None, "anchors": ANCHORS}
    with ledger.writing() as connection:
        connection.execute(insert(ACTS).values(act | {"why": HOSTILE, "by": HOSTILE, "recorded_at": day(3)}))
        connection.execute(update(RUNS).values(model_version=HOSTILE))

    told, page = client.get("/api/model").json(), client.get("/model").text

    assert told["answers"]["summary"]["codes"]["reject"] == {"no budget": 1}
    assert [(e["verdict"], e["n"], e["won"]) for e in told["answers"]["came"]] == [("reject", 1, 0)]
    assert [each["action"] for each in told["decisions"]] == ["hold"]
    assert [each["kind"] for each in told["acts"]] == ["promote"]
    assert "<script>" not in page
    assert "nobody was drawn at random" in page
    assert "those with any answer since 5 Dec 2025, 30 days before the run" in page
    assert "1 answer about 1 lead: 0 accepted" in page
    assert "1 on hold" in page
    assert "MQL from a chance of 5.0 %, SQL from 15 %" in page


def test_a_run_shows_what_moved(client: TestClient) -> None:
    told, page = client.get("/api/model/run?number=2").json(), client.get("/model/run?number=2").text
    first = client.get("/model/run?number=1").text

    crossed = sum(each["n"] for each in told["crossings"])
    assert 0 < crossed < 300
    assert told["stayed"] == 300 - crossed
    assert all(each["before"] != each["after"] for each in told["crossings"])
    assert f"{told['stayed']} stayed in their band." in page
    assert "stayed in their band" not in first
    assert len(told["movers"]) == 20
    assert told["movers"][0]["lead_id"] in page
    assert "This is the first run: there is none before it to compare with." in first
    assert "against the run of" not in first
    assert "each against the run of 1 Jan 2026, 00:00 UTC" in page
    assert all(each["first_points"] is not None for each in told["movers"])
    assert client.get("/model/run?number=99").status_code == 404


def test_an_empty_ledger_says_what_fills_it(client: TestClient, ledger: Ledger) -> None:
    empty(ledger)

    page, told = client.get("/model"), client.get("/api/model").json()

    assert page.status_code == 200
    assert "The ledger holds no run of this project yet" in page.text
    assert (told["run"], told["what_if"], told["runs"]) == (None, None, [])


def test_the_card_of_the_version_is_shown_as_text(client: TestClient, made: Project) -> None:
    without = client.get("/model").text
    folder = made.output_folder / "models" / "made0001"
    folder.mkdir(parents=True)
    (folder / "model_card.md").write_text(CARD, encoding="utf-8")

    page = client.get("/model").text

    assert "does not lie on this machine" in without
    assert "<h3>Model card: <code>made</code>, version <code>m1</code></h3>" in page
    assert "<strong>Good</strong> &amp; small: 1 &lt; 2. &lt;script&gt;" in page
    assert "<li>not for &lt;b&gt;people&lt;/b&gt;</li>" in page
    assert "<td>AUC</td><td>0.8</td>" in page


@pytest.mark.parametrize("version", ["../secret", "..", "", "a/b", "a\\b", "x" * 200, ".hidden"])
def test_a_version_that_is_no_name_leads_to_no_file(made: Project, tmp_path: Path, version: str) -> None:
    (tmp_path / "model_card.md").write_text("secret", encoding="utf-8")

    assert card_file(made, version) is None


def test_the_golden_card_is_read_whole() -> None:
    text = (Path(__file__).parents[2] / "golden" / "model_card.md").read_text(encoding="utf-8")

    blocks = card_blocks(text)

    kinds = {each.kind for each in blocks}
    words = " ".join(words for each in blocks for row in each.rows for cell in row for _, words in cell)
    assert kinds == {"title", "heading", "paragraph", "list", "table"}
    assert not {"|", "`", "**"} & set(words.split())
    tables = [each for each in blocks if each.kind == "table"]
    assert all(len({len(row) for row in each.rows}) == 1 for each in tables)
