"""Options that commands share, and how they print JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["DEFAULT_PROJECT", "DataOption", "JsonOption", "ProjectOption", "print_json"]

ProjectOption = Annotated[Path, typer.Option("-p", "--project", help="The project file.")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of the tables, instead of data.folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on one line, nothing else.")]
DEFAULT_PROJECT = Path("lead-scoring.toml")


def print_json(values: dict[str, Any]) -> None:
    """Print one JSON object on one line of standard output."""
    # ASCII: no terminal's encoding and no exotic line end can break the line; JSON knows no NaN
    typer.echo(json.dumps(_finite(values), default=str))


def _finite(value: Any) -> Any:
    """The value with null for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
