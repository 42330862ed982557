"""The app as a whole, and the command that serves it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from features.errors import ConfigError, InputError, OutputError
from pipeline.cli import app as command_line
from pipeline.config import Project
from pipeline.review.app import create_app
from pipeline.review.security import HEADERS

PAGES = ["/", "/lead?id=L0000001", "/model", "/static/style.css", "/export.csv", "/api/queue"]
MINIMAL = '[data]\nleads.path = "leads.csv"\noutcomes.path = "outcomes.csv"\n'


@pytest.mark.parametrize(
    "path", [*PAGES, "/nowhere", "/lead?id=nobody", "/?after=x", "/static/../app.py", "/?run=99"]
)
def test_every_address_answers_with_the_strict_headers(client: TestClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code < 500
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("path", ["/", "/lead?id=L0000001", "/model", "/nowhere"])
def test_no_page_holds_a_style_or_script_of_its_own_or_an_address_elsewhere(
    client: TestClient, path: str
) -> None:
    page = client.get(path).text

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page, re.IGNORECASE)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", page)


def test_the_style_sheet_calls_for_nothing_from_elsewhere(client: TestClient) -> None:
    sheet = client.get("/static/style.css").text

    assert "url(" not in sheet
    assert "@import" not in sheet


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "There is no such page"),
        ("/docs", 404, "There is no such page"),
        ("/openapi.json", 404, "There is no such page"),
        ("/?run=99", 404, "has no run 99"),
        ("/?changed=maybe", 400, "The filter changed is 1 or left out; the address says 'maybe'"),
        ("/?after=-1", 400, "after is a whole number; the address says '-1'"),
    ],
)
def test_a_fault_is_a_page_in_words_and_json_for_programs(
    client: TestClient, path: str, status: int, words: str
) -> None:
    page = client.get(path, headers={"Accept": "text/html"})
    told = client.get(path, headers={"Accept": "application/json"})

    assert page.status_code == told.status_code == status
    assert words in page.text.replace("&#39;", "'")
    assert "<h1>" in page.text
    assert words in told.json()["error"]


def test_a_deep_link_leads_to_the_lead_whatever_signs_its_id_has(client: TestClient) -> None:
    answer = client.get("/", params={"lead": "a/b?c=d&e#f ü"})

    assert answer.status_code == 303
    assert answer.headers["location"] == "/lead?id=a%2Fb%3Fc%3Dd%26e%23f+%C3%BC"


def test_a_ledger_that_is_gone_is_told_and_not_made_anew(client: TestClient, made: Project) -> None:
    path = made.root / "ledger.db"
    for each in path.parent.glob("ledger.db*"):
        each.unlink()

    answer = client.get("/")

    assert answer.status_code == 503
    assert "is no longer there" in answer.text
    assert not path.exists()


def test_a_ledger_that_is_damaged_is_told_without_a_traceback(client: TestClient, made: Project) -> None:
    with sqlite3.connect(made.root / "ledger.db") as connection:
        connection.execute("DROP TABLE ledger_scores")

    answer = client.get("/api/queue")

    assert answer.status_code == 503
    assert "no such table: ledger_scores" in answer.json()["error"]
    assert "Traceback" not in answer.text


def test_the_app_reports_to_no_collector_whatever_the_environment_says(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    app: Any = create_app(made)

    assert not app._native_telemetry.enabled()


def test_without_a_ledger_the_app_says_what_to_do(made: Project) -> None:
    shutil.rmtree(made.root)

    with pytest.raises(InputError, match=r"no ledger .* yet; lead-scoring score starts it"):
        create_app(made)


def _review(folder: Path, *words: str, ledger: bool = True) -> Any:
    text = MINIMAL + ('[ledger]\nurl = "sqlite:///ledger.db"\n' if ledger else "")
    (folder / "lead-scoring.toml").write_text(text, encoding="utf-8")
    return CliRunner().invoke(
        command_line, ["review", "--no-browser", "-p", str(folder / "lead-scoring.toml"), *words]
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7"])
def test_review_refuses_an_address_that_others_can_reach(tmp_path: Path, host: str) -> None:
    found = _review(tmp_path, "--host", host)

    assert isinstance(found.exception, ConfigError)
    assert "Log-in and roles come later" in str(found.exception)


def test_review_without_a_ledger_says_to_score_first(tmp_path: Path) -> None:
    assert isinstance(_review(tmp_path).exception, InputError)
    assert "Add [ledger]" in str(_review(tmp_path, ledger=False).exception)


def test_review_on_a_taken_port_says_so(filled: Path, tmp_path: Path) -> None:
    shutil.copy(filled, tmp_path / "ledger.db")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        found = _review(tmp_path, "--port", str(taken.getsockname()[1]))

    assert isinstance(found.exception, OutputError)
    assert re.search(r"can't be used: .* Choose another --port", str(found.exception))


def test_review_without_its_extra_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else find(name))

    found = _review(tmp_path)

    assert isinstance(found.exception, ConfigError)
    assert "needs uvicorn" in str(found.exception)
    assert "make setup EXTRAS=review" in str(found.exception)


def test_review_serves_until_ctrl_c_and_ends_without_a_word_of_trouble(filled: Path, tmp_path: Path) -> None:
    shutil.copy(filled, tmp_path / "ledger.db")
    text = f'name = "made"\n{MINIMAL}[ledger]\nurl = "sqlite:///ledger.db"\n'
    (tmp_path / "lead-scoring.toml").write_text(text, encoding="utf-8")
    port = _free_port()
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "review", "--no-browser"]
    command += ["--port", str(port), "-p", str(tmp_path / "lead-scoring.toml")]
    served = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        said = served.stdout.readline()
        status = _status(f"http://127.0.0.1:{port}/", served)
        served.send_signal(signal.SIGINT)
        rest, trouble = served.communicate(timeout=30)
    finally:
        served.kill()

    assert said == f"The queue is at http://127.0.0.1:{port}; Ctrl-C ends it.\n"
    assert status == 200
    assert (rest, trouble, served.returncode) == ("The page has been ended.\n", "", 0)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _status(address: str, served: subprocess.Popen[str]) -> int:
    """What the page answers, as soon as it does."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and served.poll() is None:
        try:
            return httpx2.get(address).status_code
        except httpx2.ConnectError:
            time.sleep(0.05)
    return 0
