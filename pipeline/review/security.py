"""What stands before every page: whom we answer, which writes we take, and the headers that every answer carries."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import ConfigError

__all__ = ["HEADERS", "Guard", "require_loopback"]

LOG = logging.getLogger("lead_scoring")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FORM = "application/x-www-form-urlencoded"
MOST_BYTES = 64 * 1024  # of a form; the longest field is a note
MOST_FIELDS = 60
LONGEST_NAME = 100
NAME_COOKIE = "lead_scoring_by"
NAME_SECONDS = 365 * 24 * 3600
HTTP_PORT = 80
Refuse = Callable[[Request, int, str], Response]


class _RefusedError(Exception):
    """A request that is not taken: status and reason in words."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


def require_loopback(host: str) -> None:
    """Nothing, if the address can be reached from this machine alone.

    Raises
    ------
    ConfigError
        If others could reach it.
    """
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ConfigError(
            f"--host {host} is refused: the page has no log-in yet, and whoever reaches it could read every lead and "
            "answer in any name. Log-in and roles come later; until then it is served on this machine alone "
            "(--host 127.0.0.1, ::1 or localhost)."
        )


class Guard:
    """The app behind the checks of host, origin and token.

    The page runs for one person on one machine, so one session serves all its tabs: a value drawn at the start and
    kept in a cookie that other sites can't send. The token in each form is derived from it and from a secret that
    never leaves the process. Form fields are read here, once, so that no route can forget the check:
    `request.state.form` holds them, `request.state.by` who writes, `request.state.csrf` the token for forms.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int, default_name: str, refuse: Refuse) -> None:
        self.app, self.default_name, self.refuse = app, default_name, refuse
        names = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host}
        self.hosts = {f"{name}:{port}" for name in names} | (names if port == HTTP_PORT else set())
        self.cookie = (
            f"lead_scoring_{port}"  # cookies know no ports, and another project's page may run beside
        )
        self.session = secrets.token_urlsafe(32)
        self.token = hmac.new(secrets.token_bytes(32), self.session.encode(), "sha256").hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope, receive)
        answer = _Answer(send)
        self._set_state(request)
        try:
            await self._serve(request, answer)
        except _RefusedError as refused:
            await self.refuse(request, refused.status, refused.why)(scope, receive, answer.send)
        except Exception:
            LOG.exception("A page failed")
            if answer.is_started:
                raise
            words = "This page failed; the window in which lead-scoring review runs says why. Nothing was written."
            await self.refuse(request, 500, words)(scope, receive, answer.send)

    async def _serve(self, request: Request, answer: _Answer) -> None:
        if request.headers.get("host", "").lower() not in self.hosts:
            raise _RefusedError(421, "This page answers to this machine's own name alone, such as 127.0.0.1.")
        receive = request.receive
        if request.method not in {"GET", "HEAD"}:
            receive = await self._checked_write(request)
            answer.cookies.append(_cookie(NAME_COOKIE, quote(request.state.by, safe=""), NAME_SECONDS, "lax"))
        elif request.cookies.get(self.cookie) != self.session:
            answer.cookies.append(_cookie(self.cookie, self.session, None, "strict"))
        await self.app(request.scope, receive, answer.send)

    def _set_state(self, request: Request) -> None:
        request.state.csrf = self.token
        request.state.form = {}
        request.state.by = _name(unquote(request.cookies.get(NAME_COOKIE, ""))) or self.default_name

    async def _checked_write(self, request: Request) -> Receive:
        """The body once more for the route, if the write may go on."""
        _require_same_origin(request)
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
            raise _RefusedError(415, "Answers are sent by the forms of these pages.")
        body = await _body(request)
        form = _fields(body)
        known = hmac.compare_digest(request.cookies.get(self.cookie, "").encode(), self.session.encode())
        if not (hmac.compare_digest(form.get("csrf", "").encode(), self.token.encode()) and known):
            raise _RefusedError(
                403,
                "The form is older than the running page, so nothing was written. Go back, reload, send again.",
            )
        request.state.form = form
        request.state.by = _name(form.get("by", "")) or request.state.by

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return again


class _Answer:
    """What goes out: headers of every answer are added, cookies set."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_started = False
        self.cookies: list[str] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_started = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            for each in self.cookies:
                headers.append("Set-Cookie", each)
        await self._send(message)


def _require_same_origin(request: Request) -> None:
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = f"http://{request.headers['host']}".lower()
    # browsers write null where a page asks to send no referrer, as ours do; then the other header must vouch
    is_own = origin is None or origin.lower() == own or (origin == "null" and site is not None)
    if not is_own or site not in {None, "same-origin"}:
        raise _RefusedError(403, "Another site tried to write here in your name. Nothing was written.")


async def _body(request: Request) -> bytes:
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MOST_BYTES:
            raise _RefusedError(413, f"The form is longer than {MOST_BYTES:,} bytes. Nothing was written.")
    return bytes(found)


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise _RefusedError(400, "The form can't be read. Nothing was written.") from error
    return dict(pairs)


def _name(text: str) -> str:
    """A name on one line, without signs that can't be seen."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:LONGEST_NAME]


def _cookie(name: str, value: str, seconds: int | None, same_site: str) -> str:
    lasting: Any = "" if seconds is None else f"; Max-Age={seconds}"
    return f"{name}={value}; Path=/; HttpOnly; SameSite={same_site.capitalize()}{lasting}"
