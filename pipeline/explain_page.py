"""An explained lead as a file: one offline page, or one picture."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from features.errors import InputError, OutputError
from pipeline import plots
from pipeline.addresses import input_files
from pipeline.config import Project
from pipeline.explain_words import ExplainWords
from pipeline.waterfall import described, waterfall_plot
from pipeline.waterfall_layout import Waterfall, signed

__all__ = ["FileForm", "default_name", "page_of", "picture_of", "write_explanation"]

FileForm = Literal["html", "png"]
LONGEST_ID = 80


def page_of(words: ExplainWords) -> str:
    """The page: it loads nothing, runs nothing, and follows light and dark."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pipeline"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    change = words.change()
    return environment.get_template("explain.html").render(
        words=words,
        found=words.found.explanation,
        since=words.found.since,
        outlook=words.found.outlook,
        say=words.phrases.text,
        language=words.phrases.language,
        score=_shown("score", words.score()),
        change=None if change is None else _shown("change", change),
    )


def _shown(name: str, waterfall: Waterfall) -> dict[str, Any]:
    said = described(waterfall)
    return {
        "wide": plots.svg(waterfall_plot([waterfall]), f"{name}-wide", said),
        "narrow": plots.svg(waterfall_plot([waterfall], is_narrow=True), f"{name}-narrow", said),
        "start": (str(waterfall.start), waterfall.start_text),
        "rows": [(signed(step.points), step.text) for step in waterfall.steps],
        "end": (str(waterfall.end), waterfall.end_text),
    }


def picture_of(words: ExplainWords) -> bytes:
    """The waterfalls as one PNG that says whose they are."""
    change = words.change()
    return plots.png(
        waterfall_plot(
            [words.score(), *([] if change is None else [change])],
            heading=(words.headline(), words.moment()),
            note=words.phrases.text("explain.note"),
        )
    )


def default_name(lead_id: str, form: FileForm) -> str:
    """A file name for a lead, whatever its id; a hash tells ids apart that can't stand as they are.

    Examples
    --------
    >>> default_name("L0001", "html")
    'explain-L0001.html'
    >>> default_name("../a b", "png")
    'explain-..-a-b-2c2c791a.png'
    """
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", lead_id)[:LONGEST_ID]
    if safe != lead_id:
        safe += f"-{hashlib.sha256(lead_id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"explain-{safe}.{form}"


def write_explanation(
    words: ExplainWords, path: Path, form: FileForm, project: Project, inputs: Iterable[Path] = ()
) -> None:
    """Write the page or the picture, whole or not at all.

    Parameters
    ----------
    inputs : files beside the project's tables that must not be replaced, such as the project file.

    Raises
    ------
    InputError
        If the file would replace an input.
    OutputError
        If it can't be written; what stood there before stays.
    """
    _refuse_inputs(path, project, inputs)
    content = page_of(words).encode("utf-8", "replace") if form == "html" else picture_of(words)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error}. What stood there before stands.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _refuse_inputs(path: Path, project: Project, inputs: Iterable[Path]) -> None:
    wording = [] if project.wording.file is None else [project.root / project.wording.file]
    read = [*input_files(project), *wording, *inputs]
    if path.resolve() in {each.resolve() for each in read}:
        raise InputError(
            f"Writing {path} would replace an input of the project. Nothing was written. Give another -o."
        )
