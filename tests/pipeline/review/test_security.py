"""Whom the app answers, which writes it takes, and what every answer carries."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.testclient import TestClient

from features.errors import ConfigError
from pipeline.review.security import HEADERS, Guard, require_loopback
from pipeline.review.site import wants_json

OWN = "http://127.0.0.1:8765"
SAME = {"Origin": OWN, "Sec-Fetch-Site": "same-origin"}


class Door:
    """A guarded app with one page, one that fails, and a form whose writes are kept in a list."""

    def __init__(self) -> None:
        self.written: list[dict[str, str]] = []
        app = FastAPI()

        @app.get("/page")
        def page(request: Request) -> Response:
            return Response(f"{request.state.csrf}|{request.state.by}")

        @app.get("/broken")
        def broken() -> Response:
            raise RuntimeError("a secret of the inside")

        @app.post("/write")
        async def write(request: Request) -> Response:
            body = await request.body()
            self.written.append(request.state.form | {"by": request.state.by, "body": body.decode()})
            return RedirectResponse("/page", 303)

        app.add_middleware(Guard, host="127.0.0.1", port=8765, default_name="ann", refuse=_words)
        self.client = TestClient(app, base_url=OWN, follow_redirects=False)

    def token(self) -> str:
        """The token of a page that was opened, which brings the cookie."""
        return self.client.get("/page").text.split("|")[0]

    def write(self, headers: dict[str, str] | None = None, **fields: str) -> Any:
        """Send the form as the page would."""
        return self.client.post(
            "/write", data={"csrf": self.token()} | fields, headers=SAME if headers is None else headers
        )


def _words(request: Request, status: int, why: str) -> Response:
    return Response(("json " if wants_json(request) else "") + why, status)


@pytest.fixture
def door() -> Door:
    """A guarded app and a client before it."""
    return Door()


@pytest.mark.parametrize("path", ["/page", "/nowhere", "/broken"])
def test_every_answer_carries_the_headers_whatever_went_wrong(door: Door, path: str) -> None:
    answer = door.client.get(path)

    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8765",
        "127.0.0.1",
        "127.0.0.1:80",
        "localhost.evil.example:8765",
        "127.0.0.1:8765.evil.example",
    ],
)
def test_a_page_under_another_name_is_refused(door: Door, host: str) -> None:
    answer = door.client.get("/page", headers={"Host": host})

    assert answer.status_code == 421
    assert "this machine's own name" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["localhost:8765", "LOCALHOST:8765", "[::1]:8765", "127.0.0.1:8765"])
def test_a_loopback_name_with_our_port_is_answered(door: Door, host: str) -> None:
    assert door.client.get("/page", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "example.com", "", "127.0.0.1.example.com"])
def test_an_address_that_others_can_reach_is_refused_with_the_reason(host: str) -> None:
    with pytest.raises(ConfigError, match=r"no log-in yet.*roles come later"):
        require_loopback(host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "::1"])
def test_an_address_of_this_machine_alone_is_taken(host: str) -> None:
    require_loopback(host)


def test_a_form_of_the_own_page_is_written_and_the_body_reaches_the_route(door: Door) -> None:
    answer = door.write(note="a=b & c", by="Ann  Müller\x00")

    assert answer.status_code == 303
    assert door.written[0]["note"] == "a=b & c"
    assert "note=a%3Db" in door.written[0]["body"]
    assert door.written[0]["by"] == "Ann Müller"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": OWN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:9999", "Sec-Fetch-Site": "same-site"},
        {"Origin": "https://127.0.0.1:8765"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_write_from_another_origin_is_refused_in_words(door: Door, headers: dict[str, str]) -> None:
    answer = door.write(headers)

    assert answer.status_code == 403
    assert "Another site tried to write here" in answer.text
    assert door.written == []


@pytest.mark.parametrize("headers", [SAME, {"Origin": "null", "Sec-Fetch-Site": "same-origin"}, {}])
def test_a_write_of_the_own_page_or_of_a_program_with_the_token_is_taken(
    door: Door, headers: dict[str, str]
) -> None:
    assert door.write(headers).status_code == 303


@pytest.mark.parametrize("token", ["", "0" * 64, "wrong", "ü" * 64])
def test_a_write_without_the_page_s_token_is_refused(door: Door, token: str) -> None:
    answer = door.write(csrf=token)

    assert answer.status_code == 403
    assert "Go back, reload, send again" in answer.text
    assert door.written == []


def test_the_token_alone_is_no_use_without_the_cookie(door: Door) -> None:
    token = door.token()
    door.client.cookies.clear()

    answer = door.client.post("/write", data={"csrf": token}, headers=SAME)

    assert answer.status_code == 403
    assert door.written == []


def test_the_token_of_another_run_of_the_app_is_refused(door: Door) -> None:
    assert door.write(csrf=Door().token()).status_code == 403


def test_tabs_opened_one_after_the_other_share_one_token(door: Door) -> None:
    first = door.token()
    door.client.cookies.clear()  # as a link from another site: its request brings no strict cookie

    assert door.token() == first
    assert door.write(csrf=first).status_code == 303


def test_the_session_s_cookie_stays_from_other_sites_and_from_scripts(door: Door) -> None:
    cookie = door.client.get("/page").headers["set-cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "set-cookie" not in door.client.get("/page").headers


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_a_body_that_is_no_form_is_refused(door: Door, kind: str) -> None:
    answer = door.client.post("/write", content=b"{}", headers=SAME | {"Content-Type": kind})

    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"a=" + b"x" * 70_000, 413), (b"&".join([b"a=1"] * 100), 400), (b"a=\xff", 400), (b"a=%ff", 400)],
)
def test_a_body_that_is_too_long_or_damaged_is_refused(door: Door, body: bytes, status: int) -> None:
    answer = door.client.post(
        "/write", content=body, headers=SAME | {"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert answer.status_code == status
    assert "Nothing was written" in answer.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_every_method_that_may_write_is_checked(door: Door, method: str) -> None:
    assert door.client.request(method, "/page", headers={"Origin": "http://evil.example"}).status_code == 403


def test_who_writes_is_remembered_in_a_cookie(door: Door) -> None:
    assert door.client.get("/page").text.endswith("|ann")

    door.write(by="Zoë O'Neil; HttpOnly")

    assert door.client.get("/page").text.endswith("|Zoë O'Neil; HttpOnly")


def test_a_page_that_fails_says_so_without_what_went_wrong_inside(door: Door) -> None:
    said = logging.StreamHandler(io.StringIO())
    logger = logging.getLogger("lead_scoring")
    logger.addHandler(said)
    try:
        answer = door.client.get("/broken")
    finally:
        logger.removeHandler(said)

    assert answer.status_code == 500
    assert "This page failed" in answer.text
    assert "secret" not in answer.text
    assert "RuntimeError: a secret of the inside" in said.stream.getvalue()
