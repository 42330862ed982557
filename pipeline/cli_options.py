"""Options that commands share, and how they print JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.config import Project

__all__ = [
    "DEFAULT_PROJECT",
    "AsOfOption",
    "BundleOption",
    "DataOption",
    "JsonOption",
    "ModelOption",
    "ProjectOption",
    "TargetOption",
    "print_json",
    "project_of",
]

ProjectOption = Annotated[Path, typer.Option("-p", "--project", help="The project file.")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of the tables, instead of data.folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on one line, nothing else.")]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="A registered model: models:/NAME@champion, an alias or a version."),
]
BundleOption = Annotated[Path | None, typer.Option("--bundle", help="A bundle folder; MLflow is not needed.")]
AsOfOption = Annotated[str | None, typer.Option("--as-of", help="Moment of scoring (ISO 8601) or 'now'.")]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="A target of the project instead of its leads.")
]
DEFAULT_PROJECT = Path("lead-scoring.toml")


def project_of(path: Path, data: Path | None = None, target: str | None = None) -> Project:
    """The project of a file, or that of one of its targets."""
    from pipeline.config import load_project

    loaded = load_project(path, data)
    return loaded if target is None else loaded.for_target(target)


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
