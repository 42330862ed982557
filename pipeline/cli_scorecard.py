"""The command scorecard: what each line of the points table is worth, as a table and as a sheet again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from features.errors import ConfigError, InputError
from pipeline.cli_options import DEFAULT_PROJECT, DataOption, JsonOption, ProjectOption, print_json
from pipeline.console import plain_console, printable, progress_lines

if TYPE_CHECKING:
    from models.intervals import Interval
    from pipeline.scorecard import PricedLine, Scorecard

__all__ = ["scorecard"]

_RIVALS = {"table": "your table", "scorecard": "scorecard", "champion": "champion model"}


def scorecard(
    project: ProjectOption = DEFAULT_PROJECT,
    data: DataOption = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to write the sheet, .csv or .toml.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit the points table to history: points that sum, and the probability of each total."""
    from pipeline.config import load_project
    from pipeline.scorecard import fit_scorecard, write_scorecard

    if output is not None and output.suffix not in {".csv", ".toml"}:
        raise InputError(f"-o {output} must end in .csv or .toml.")
    if output is not None and output.exists() and not force:
        raise ConfigError(f"{output} exists already. Give another -o, or --force to replace it.")
    loaded = load_project(project, data)
    with progress_lines(Console(stderr=True), "fitting points") as tell:
        found = fit_scorecard(loaded, tell)
    if output is not None:
        write_scorecard(found, output)
    if as_json:
        print_json({**found.to_json(), "output": str(output) if output else None})
        return
    _print(found, output)


def _print(found: Scorecard, output: Path | None) -> None:
    console, wide = plain_console(), Console(highlight=False)
    console.print(f"Fitted on {found.rows:,} rows with {found.conversions:,} conversions.\n")
    wide.print(_lines_table(found))
    _print_states(found)
    console.print(
        f"\nChance of a total: log-odds = {found.base:.3f} + {found.slope:.4f} x total, so "
        f"{found.points_to_double:.1f} points double the odds.\n"
    )
    wide.print(_totals_table(found))
    console.print(f"\nOut of time, on the last {found.n_test:,} rows, which none of these had seen:\n")
    wide.print(_figures_table(found))
    for name, each in found.against.items():
        console.print(f"Log loss of the scorecard minus {_RIVALS[name]}: {_signed(each)} (below 0: better)")
    lines = {name: line for name, line in (("mql", found.mql), ("sql", found.sql)) if line is not None}
    if lines:
        said = ", ".join(f"{name} = {line:g}" for name, line in lines.items())
        console.print(f"\nThe totals that promise what your lines promise now: {said}")
    if output is not None:
        console.print(
            f"Sheet:      {output}. To use it, write points.file, delete points.preset and points.rules"
            + (", and set the lines above." if lines else ".")
        )


def _lines_table(found: Scorecard) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("line", overflow="fold")
    for name in ("yours", "fitted", "95 %", "rows", "won"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in found.lines:
        table.add_row(
            printable(each.line.words), f"{each.line.points:g}", f"{each.fitted:g}", _ends(each),
            f"{each.rows:,}", f"{each.conversions:,}",
        )  # fmt: skip
    return table


def _ends(line: PricedLine) -> str:
    return "-" if line.low != line.low else f"{line.low:.1f} to {line.high:.1f}"


def _print_states(found: Scorecard) -> None:
    console = plain_console()
    said = {
        "no history": "Without history, so your points stay",
        "no conversion": "Not one conversion yet, so held near your points",
    }
    for state, words in said.items():
        names = [printable(each.line.words) for each in found.lines if each.state == state]
        if names:
            console.print(f"{words}: {'; '.join(names)}")


def _totals_table(found: Scorecard) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for name in ("total", "rows", "won", "came", "95 %", "chance"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in found.totals:
        span = f"{each.low:g}" if each.low == each.high else f"{each.low:g} to {each.high:g}"
        table.add_row(
            span, f"{each.rows:,}", f"{each.conversions:,}", f"{each.observed.value:.1%}",
            f"{each.observed.low:.1%} to {each.observed.high:.1%}", f"{each.probability:.1%}",
        )  # fmt: skip
    return table


def _figures_table(found: Scorecard) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("")
    for name in ("AUC", "log loss", "found in top 20 %", "promised / came"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, figures in found.out_of_time.items():
        cells = [_ranged(figures[key]) for key in ("auc", "log_loss", "found_in_top_20", "calibration_ratio")]
        table.add_row(_RIVALS[name], *cells)
    return table


def _ranged(each: Interval) -> str:
    return f"{each.value:.3f}\n{each.low:.3f}-{each.high:.3f}"


def _signed(each: Interval) -> str:
    return f"{each.value:+.4f} ({each.low:+.4f} to {each.high:+.4f})"
