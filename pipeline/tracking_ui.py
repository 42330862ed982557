"""MLflow's own page on the project's store, as a child process that ends with us."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from features.errors import OutputError
from pipeline.config import Project

__all__ = ["require_free", "serve_ui"]

PATIENCE_SECONDS = 10.0
SERVER_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def serve_ui(project: Project, host: str, port: int, tell: Callable[[str], None] = print) -> None:
    """Serve MLflow's page on the project's store until Ctrl-C, then end the server and its workers.

    Parameters
    ----------
    host, port : where it listens; 127.0.0.1 keeps it to this machine.
    tell : told the address, once the server has been started.

    Raises
    ------
    OutputError
        If the port is taken, or the server ends by itself.
    """
    require_free(host, port)
    uri = project.tracking_uri
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += [
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        "1",
        "--uvicorn-opts",
        "--log-level=warning",
    ]
    before = signal.signal(signal.SIGTERM, _interrupt)
    server = subprocess.Popen(command, env={**os.environ, **SERVER_SETTINGS}, start_new_session=True)  # noqa: S603 - no shell, own words
    try:
        tell(f"MLflow is starting at http://{host}:{port} (some seconds); Ctrl-C ends it.")
        status = server.wait()
        raise OutputError(f"MLflow's server ended by itself with status {status}; its lines above say why.")
    except KeyboardInterrupt:
        tell("MLflow has been ended.")
    finally:
        _end_group(server)
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a signal handler
    raise KeyboardInterrupt


def require_free(host: str, port: int) -> None:
    """Nothing, if a server may listen there.

    Raises
    ------
    OutputError
        If the port is taken, or the address is none of this machine's.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OutputError(
                f"{host}:{port} can't be used: {error.strerror}. Choose another --port."
            ) from error


def _end_group(server: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            return
        try:
            server.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
