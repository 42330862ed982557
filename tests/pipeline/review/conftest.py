"""A made ledger and the app on it."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from pipeline.config import Project
from pipeline.ledger.store import Ledger, open_ledger
from pipeline.review.app import create_app
from pipeline.review.security import Guard

ADDRESS = "http://127.0.0.1:8765"
N_LEADS, N_RUNS = 300, 4
Post = Callable[..., Response]


def _benchmark() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks" / "made_ledger.py"
    spec = importlib.util.spec_from_file_location("made_ledger", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["made_ledger"] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SQLite with four runs of 300 made-up leads; tests copy it."""
    folder, made = tmp_path_factory.mktemp("filled"), _benchmark()
    project = made.project_with_ledger("sqlite:///ledger.db", folder)
    ledger = open_ledger(project, is_new_allowed=True)
    made.fill(ledger, project.name, N_LEADS, N_RUNS)
    ledger.clean()
    return folder / "ledger.db"


@pytest.fixture
def made(filled: Path, tmp_path: Path) -> Project:
    """A project whose ledger is a copy of `filled`, free to be written to."""
    shutil.copy(filled, tmp_path / "ledger.db")
    project: Project = _benchmark().project_with_ledger("sqlite:///ledger.db", tmp_path)
    return project


@pytest.fixture
def ledger(made: Project) -> Ledger:
    """The ledger of `made`."""
    return open_ledger(made)


@pytest.fixture
def client(made: Project) -> TestClient:
    """A browser without a window on the app; redirects are not followed."""
    return TestClient(create_app(made), base_url=ADDRESS, follow_redirects=False)


def guard_of(client: TestClient) -> Guard:
    """What stands before the app's pages."""
    client.get("/static/icon.svg")
    layer: Any = client.app.middleware_stack  # type: ignore[attr-defined]
    while not isinstance(layer, Guard):
        layer = layer.app
    return layer


@pytest.fixture
def post(client: TestClient) -> Post:
    """Send a form as the pages do: with the cookie, the token and the headers of the same origin."""

    def send(path: str, headers: dict[str, str] | None = None, **fields: Any) -> Response:
        token = guard_of(client).token  # asking brings the cookie
        own = {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"} if headers is None else headers
        return client.post(path, data={"csrf": token} | fields, headers=own)

    return send
