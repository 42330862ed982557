"""The points sheet that a project file names, read beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from features.errors import ConfigError
from features.points_sheet import read_points_sheet
from features.settings import POINTS_SHEET

__all__ = ["with_points_file"]


def with_points_file(path: Path, raw: dict[str, Any]) -> dict[str, Any]:
    """A project file's content with the rules of its points sheet, if it names one.

    Raises
    ------
    ConfigError
        If the sheet is missing or can't be read; with all its faults.
    """
    own = raw.get("points")
    if not isinstance(own, dict) or not isinstance(own.get("file"), str):
        return raw
    file = path.resolve().parent / own["file"]
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no points sheet {file}. Write points.file against the folder of the project file."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"The points sheet {file} is not in UTF-8: {error}. Save it as CSV UTF-8; a workbook is no sheet."
        ) from error
    except OSError as error:
        raise ConfigError(f"The points sheet {file} can't be read: {error}") from error
    return {**raw, "points": {**own, POINTS_SHEET: read_points_sheet(text, file.name)}}
