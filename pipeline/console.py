"""What people see while work goes on: a line that moves on a terminal, silence in a pipe or a log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = [
    "changed_by",
    "floored",
    "minute",
    "open_table",
    "plain_console",
    "printable",
    "progress_lines",
    "show_table",
]


def plain_console() -> Console:
    """Standard output that takes text as it is; words wrap on a terminal, in a pipe a line stays one line."""
    console = Console(highlight=False, markup=False)
    console.soft_wrap = not console.is_terminal
    return console


@contextmanager
def progress_lines(console: Console, title: str) -> Iterator[Callable[[str], None]]:
    """A function that shows the latest step beside a spinner; it does nothing off a terminal."""
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status(f"{title} ...") as status:
        # a name out of the data is text, whatever signs it holds
        yield lambda step: status.update(Text(printable(f"{title}: {step}")))


def printable(text: str) -> str:
    """The text with its lines; signs that steer a terminal, such as those of a hostile id, are spelled out."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def floored(score: float) -> str:
    """A score with one decimal, cut off: 50.0 is printed only on the line or above it."""
    return f"{math.floor(score * 10) / 10:.1f}"


def changed_by(points: float, digits: int = 1) -> str:
    """Points with their sign, none before what is printed as zero.

    Examples
    --------
    >>> changed_by(-0.04), changed_by(3.16), changed_by(-0.034, 2)
    ('0.0', '+3.2', '-0.03')
    """
    text = f"{points:+.{digits}f}"
    return text[1:] if not float(text) else text


def minute(moment: datetime | None) -> str:
    """A moment to the minute, empty for none."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def open_table(*names: str) -> Table:
    """An open table; a column named with > stands to the right."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left")
    return table


def show_table(table: Table) -> None:
    """Print a table; in a pipe nothing is cut or wrapped, for other programs read lines."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 1_000
    console.print(table)
