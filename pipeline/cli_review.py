"""The command review: the page for sales on the project's ledger, served on this machine."""

from __future__ import annotations

import importlib.util
import threading
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from features.errors import ConfigError
from pipeline.cli_options import DEFAULT_PROJECT, ProjectOption, project_of

if TYPE_CHECKING:
    from pipeline.config import Project

__all__ = ["review"]

NEEDED = ("fastapi", "uvicorn", "jinja2")
LOOK_AFTER_SECONDS = 0.8


def review(
    project: ProjectOption = DEFAULT_PROJECT,
    port: Annotated[int, typer.Option("--port", min=1, max=65_535, help="Port of the page.")] = 8765,
    host: Annotated[str, typer.Option("--host", help="Address; of this machine alone.")] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Serve the page for sales on the ledger: whom to call, why, what changed, and their answers."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"The page needs {', '.join(missing)}, not installed here. Run make setup EXTRAS=review."
        )
    from pipeline.review.security import require_loopback

    require_loopback(host)
    _serve(project_of(project), host, port, is_browser_opened=not no_browser)


def _serve(project: Project, host: str, port: int, *, is_browser_opened: bool) -> None:
    import uvicorn

    from pipeline.review.app import create_app
    from pipeline.tracking_ui import require_free

    app = create_app(project, host=host, port=port)
    require_free(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    typer.echo(f"The queue is at {address}; Ctrl-C ends it.")
    if is_browser_opened:
        look = threading.Timer(LOOK_AFTER_SECONDS, webbrowser.open, [address])
        look.daemon = True
        look.start()
    uvicorn.run(
        app, host=host, port=port, log_level="warning", access_log=False, server_header=False, ws="none",
        proxy_headers=False, timeout_graceful_shutdown=5,
    )  # fmt: skip
    typer.echo("The page has been ended.")
