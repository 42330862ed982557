"""The command `bands`: lines by what sales can take a week, and setting them anew as a recorded act."""

from __future__ import annotations

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from features.errors import InputError
from pipeline.cli_options import (
    DEFAULT_PROJECT,
    BundleOption,
    DataOption,
    JsonOption,
    ProjectOption,
    TargetOption,
    print_json,
    project_of,
)
from pipeline.cli_registry import acting_name
from pipeline.console import plain_console, printable, progress_lines

if TYPE_CHECKING:
    from models.capacity_settings import CapacitySettings
    from pipeline.bands_page import BandsForm
    from pipeline.bands_what_if import WhatIfs
    from pipeline.config import Project

__all__ = ["bands"]


class Preset(StrEnum):
    """Working cycles."""

    b2b = "b2b"
    b2c = "b2c"


def bands(
    project: ProjectOption = DEFAULT_PROJECT, data: DataOption = None, target: TargetOption = None,
    bundle: BundleOption = None,
    sql: Annotated[float | None, typer.Option("--sql-a-week", help="New SQLs that sales can take a week.")] = None,
    mql: Annotated[float | None, typer.Option("--mql-a-week", help="New MQLs that can be taken a week.")] = None,
    weeks: Annotated[int | None, typer.Option("--weeks", help="Past weeks to replay.")] = None,
    ahead: Annotated[int | None, typer.Option("--ahead", help="Weeks to promise for.")] = None,
    preset: Annotated[Preset | None, typer.Option("--preset", help="Working cycle of the business.")] = None,
    what_if: Annotated[str | None, typer.Option("--what-if", help="Capacities of the table, such as 10,20,40.")] = None,
    top: Annotated[int | None, typer.Option("--top", help="Also name the weekly top-N queue of this size.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Set the champion's lines anew: a new version.")] = False,
    why: Annotated[str, typer.Option("--why", help="With --apply: the reason, kept with the act.")] = "",
    by: Annotated[str | None, typer.Option("--by", help="With --apply: who decides; else your login name.")] = None,
    as_html: Annotated[bool, typer.Option("--html", help="Write an offline page, bands.html.")] = False,
    as_png: Annotated[bool, typer.Option("--png", help="Write a picture, bands.png.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File of the page or the picture.")] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Find the lines that let in as many leads a week as sales can take; --apply sets them."""
    from pipeline.bands_page import write_bands
    from pipeline.bands_what_if import DEFAULT_CAPACITIES, what_ifs
    from pipeline.cli_runs import chosen_bundle
    from pipeline.open_leads import tables_for
    from pipeline.promotions import stated
    from pipeline.re_anchor import anchors_of, re_anchor

    loaded = project_of(project, data, target)
    form, file = _file(as_html, as_png, output)
    given = {"sql_a_week": sql, "mql_a_week": mql, "weeks": weeks, "ahead": ahead, "preset": preset}
    settings = _settings(loaded, given)
    capacities = DEFAULT_CAPACITIES if what_if is None else _numbers(what_if)
    who = ""
    if apply:
        if bundle is not None:
            raise InputError("--apply sets the lines of the registered champion; leave out --bundle.")
        who = acting_name(by)
        stated("why", why)
    with ExitStack() as stack:
        tell = stack.enter_context(progress_lines(Console(stderr=True), "bands"))
        champion = chosen_bundle(loaded, None, bundle, stack)
        tables = tables_for(loaded, champion, tell)
        found = what_ifs(loaded, tables, champion, settings, capacities, top, tell)
        if form is not None:
            write_bands(found, file, form, loaded.name)
        act = None
        if apply:
            anchors_of(found)
            act = re_anchor(loaded, tables, found, who, why, tell)
    if as_json:
        print_json(found.to_json() | {"applied": None if act is None else act.to_json()})
        return
    _print(found)
    console = plain_console()
    for line in act.words if act else ():
        console.print(printable(line))
    if form is not None:
        console.print(file)


def _settings(project: Project, given: dict[str, Any]) -> CapacitySettings:
    """The project's [capacity] with what was given on the command line in its place."""
    from models.capacity_settings import CapacitySettings

    asked = {name: value for name, value in given.items() if value is not None}
    own = project.capacity
    kept = {name: getattr(own, name) for name in own.model_fields_set}
    try:
        # durations are read already: they must not be parsed again
        both = CapacitySettings.model_validate(asked)
        merged = CapacitySettings.model_construct(
            **{**kept, **{name: getattr(both, name) for name in asked}},
            _fields_set={*kept, *asked},
        )
        return CapacitySettings.model_validate(merged.model_dump(mode="json"))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise InputError(f"The capacity can't be used: {faults}.") from error


def _numbers(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(each) for each in text.split(","))
    except ValueError as error:
        raise InputError(
            f"--what-if {text!r} holds no numbers; write capacities such as 10,20,40."
        ) from error
    if not all(0.0 < each < float("inf") for each in found):
        raise InputError(f"--what-if {text!r}: a capacity counts leads a week and is above 0.")
    return found


def _file(as_html: bool, as_png: bool, output: Path | None) -> tuple[BandsForm | None, Path]:
    if as_html and as_png:
        raise InputError("Give one of --html and --png.")
    form: BandsForm | None = "html" if as_html else "png" if as_png else None
    if output is None:
        return form, Path(f"bands.{form}")
    suffix = output.suffix.removeprefix(".")
    if suffix not in {"html", "png"} or (form is not None and suffix != form):
        raise InputError(f"-o {output} must end in {f'.{form}' if form else '.html or .png'}.")
    return "html" if suffix == "html" else "png", output


def _print(found: WhatIfs) -> None:
    from pipeline.bands_words import HEAD, cells, headline, notes, sentences

    console = plain_console()
    console.print(headline(found), style="bold")
    for line in sentences(found):
        console.print(f"- {line}")
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for name in HEAD:
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.rows:
        table.add_row(*cells(row))
    ahead = found.rows[0].promise.weeks if found.rows else 0
    console.print(f"\nWhat if: entries and conversions of the next {ahead} weeks")
    Console(highlight=False).print(table)
    console.print()
    for line in notes(found):
        console.print(f"- {line}")
