"""Shared worlds and settings of the tests."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# worker threads that spin slow each other down where several tests run at once
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")

SHARED = Path(__file__).parents[2] / "shared" / "data"


def real_data(name: str) -> Path:
    """Folder of a real data set; the test is skipped, with the reason, where it is missing."""
    folder = SHARED / name
    if not folder.exists():
        pytest.skip(f"the real data set {name} is not at {folder}")
    return folder
