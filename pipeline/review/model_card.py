"""The model card of a version as headings, lists and tables, so that the page never takes markup from a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.config import Project

__all__ = ["Block", "card_blocks", "card_file"]

Piece = tuple[Literal["plain", "code", "strong"], str]
MOST_BYTES = 200_000
NAME = re.compile(r"[\w.-]{1,80}")
PIECES = re.compile(r"`([^`]*)`|\*\*([^*]+)\*\*")
RULE = re.compile(r"\|(\s*:?-+:?\s*\|)+")


@dataclass(frozen=True)
class Block:
    """A heading, a paragraph, a list or a table.

    Attributes
    ----------
    rows : one row with one cell for heading and paragraph, one cell a row for a list; a table's first row is its
        head. A cell is a list of pieces of text.
    """

    kind: Literal["title", "heading", "paragraph", "list", "table"]
    rows: list[list[list[Piece]]]


def card_file(project: Project, model_version: str) -> Path | None:
    """The card that training wrote beside the version's report; None where it is not on this machine."""
    if not NAME.fullmatch(model_version) or model_version.startswith("."):
        return None
    path = project.output_folder / "models" / model_version / "model_card.md"
    try:
        return path if path.is_file() and path.stat().st_size <= MOST_BYTES else None
    except OSError:
        return None


def card_blocks(text: str) -> list[Block]:
    """The parts of a card; what is no heading, list or table is a paragraph.

    Examples
    --------
    >>> [each.kind for each in card_blocks("# Card\\n\\nWords.\\n\\n- one\\n- two\\n")]
    ['title', 'paragraph', 'list']
    """
    return [_block(part.strip().split("\n")) for part in re.split(r"\n\s*\n", text) if part.strip()]


def _block(lines: list[str]) -> Block:
    first = lines[0]
    for mark, kind in (("# ", "title"), ("## ", "heading")):
        if first.startswith(mark):
            return Block("title" if kind == "title" else "heading", [[_pieces(first.removeprefix(mark))]])
    if all(line.startswith("- ") for line in lines):
        return Block("list", [[_pieces(line[2:])] for line in lines])
    if len(lines) > 1 and RULE.fullmatch(lines[1].strip()):
        cells = [line.strip().strip("|").split("|") for line in (first, *lines[2:])]
        return Block("table", [[_pieces(cell.strip()) for cell in row] for row in cells])
    return Block("paragraph", [[_pieces(" ".join(lines))]])


def _pieces(text: str) -> list[Piece]:
    """Plain, code and strong pieces; the two entities that the card writes are read back."""
    found: list[Piece] = []
    at = 0
    for match in PIECES.finditer(text):
        found.append(("plain", text[at : match.start()]))
        code, strong = match.groups()
        found.append(("strong", strong) if code is None else ("code", code))
        at = match.end()
    found.append(("plain", text[at:]))
    read = [(kind, words if kind == "code" else _read_back(words)) for kind, words in found if words]
    return list(read)


def _read_back(words: str) -> str:
    return words.replace("&lt;", "<").replace("&amp;", "&")
