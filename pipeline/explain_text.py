"""An explained lead on the terminal: tables of whole points that add up, each with a small bar."""

from __future__ import annotations

import unicodedata

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.explain_words import ExplainWords
from pipeline.waterfall_layout import Waterfall, signed

__all__ = ["render"]

BAR_WIDTH = 8
LEAST_WIDTH = 60  # a narrower terminal keeps its room for the words


def render(words: ExplainWords, console: Console) -> None:
    """Print score, reasons, what changed and the outlook."""
    console.print(Text(_line(words.headline()), style="bold"), soft_wrap=True)
    console.print(Text(_line(words.moment()), style="dim"), soft_wrap=True)
    override = words.override()
    if override is not None:
        console.print(Text(_line(override), style="bold"), soft_wrap=True)
    console.print(_table(words.score(), words, console))
    change = words.change()
    if change is not None:
        console.print()
        console.print(Text(_line(words.since()), style="bold"), soft_wrap=True)
        console.print(Text(_line(words.moved())), soft_wrap=True)
        console.print(_table(change, words, console))
        for sentence in words.found.since.not_attributable if words.found.since else ():
            console.print(Text(f"- {_line(sentence)}", style="dim"), soft_wrap=True)
    if words.found.outlook.sentences:
        console.print()
        for sentence in words.found.outlook.sentences:
            console.print(Text(_line(sentence)), soft_wrap=True)
    console.print()
    console.print(Text(words.phrases.text("explain.note"), style="dim"), soft_wrap=True)


def _table(waterfall: Waterfall, words: ExplainWords, console: Console) -> Table:
    has_bars = console.width >= LEAST_WIDTH
    table = Table(show_edge=False, pad_edge=False)
    table.add_column(words.phrases.text("explain.points"), justify="right", no_wrap=True)
    if has_bars:
        table.add_column("", no_wrap=True, width=2 * BAR_WIDTH)
    table.add_column(words.phrases.text("explain.reason"), overflow="fold")
    most = max((abs(step.points) for step in waterfall.steps), default=0)

    def add(points: str, bar: str, text: str, style: str = "") -> None:
        cells = [points, *([bar] if has_bars else []), _line(text)]
        table.add_row(*(Text(cell, style=style) for cell in cells))

    add(str(waterfall.start), "", waterfall.start_text)
    for step in waterfall.steps:
        add(signed(step.points), _bar(step.points, most, console), step.text)
    table.add_section()
    add(str(waterfall.end), "", waterfall.end_text, "bold")
    return table


def _bar(points: int, most: int, console: Console) -> str:
    """Blocks to the right of the middle for more points, to the left for fewer; plus and minus in a pipe."""
    if not points:
        return ""
    length = max(1, round(BAR_WIDTH * abs(points) / most))
    has_blocks = console.is_terminal and console.encoding.casefold().startswith("utf")
    sign = ("█" if has_blocks else "+") if points > 0 else ("▒" if has_blocks else "-")
    return " " * BAR_WIDTH + sign * length if points > 0 else (sign * length).rjust(BAR_WIDTH)


def _line(text: str) -> str:
    """The text without the control signs that steer a terminal."""
    return "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text)
