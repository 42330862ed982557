"""Commands on the registry: models, promote, rollback."""

from __future__ import annotations

import getpass
import math
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from features.errors import InputError
from pipeline.cli_options import (
    DEFAULT_PROJECT,
    JsonOption,
    ProjectOption,
    TargetOption,
    print_json,
    project_of,
)
from pipeline.console import plain_console, printable

if TYPE_CHECKING:
    from pipeline.promote import Appointment
    from pipeline.promotions import Promotion
    from pipeline.tracking_registry import RegisteredVersion, Registry

__all__ = ["acting_name", "models", "promote", "rollback"]

WhyOption = Annotated[str, typer.Option("--why", help="The reason, kept with the act.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who decides; your login name if not given.")]


def models(
    project: ProjectOption = DEFAULT_PROJECT, target: TargetOption = None, as_json: JsonOption = False
) -> None:
    """List the registered versions with their figures, and who made which one champion."""
    from pipeline.tracking_registry import read_registry

    loaded = project_of(project, target=target)
    registry = read_registry(loaded, with_figures=True)
    newest = list(reversed(registry.history.records))
    if as_json:
        print_json({
            "model": loaded.tracking.registered_model,
            "champion": registry.champion,
            "versions": [each.to_json() for each in registry.versions],
            "promotions": [each.to_json() for each in newest],
            "damaged": list(registry.history.damaged),
        })  # fmt: skip
        return
    Console(highlight=False).print(_table(registry))
    _print_history(registry, newest)


def promote(
    version: Annotated[str, typer.Argument(help="A version's number, its alias, or its model_version.")],
    why: WhyOption,
    project: ProjectOption = DEFAULT_PROJECT,
    target: TargetOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a version champion, with a reason that is kept."""
    from pipeline.promote import promote as promote_version

    _print_act(promote_version(project_of(project, target=target), version, why, acting_name(by)), as_json)


def rollback(
    why: WhyOption,
    project: ProjectOption = DEFAULT_PROJECT,
    target: TargetOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go back to the champion before; each further rollback goes one further back."""
    from pipeline.promote import roll_back

    _print_act(roll_back(project_of(project, target=target), why, acting_name(by)), as_json)


def acting_name(by: str | None) -> str:
    """Who decides: the name given, else the login name."""
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:  # a user without a name, as in some containers
        raise InputError("Your login name is unknown here; say who decides with --by NAME.") from error


def _print_act(found: Appointment, as_json: bool) -> None:
    if as_json:
        print_json(found.to_json())
        return
    console = plain_console()
    if found.record is not None:
        former = f"version {found.record.former}" if found.record.former else "none"
        console.print(
            f"Champion: version {found.version} (model {printable(found.model_version)}), before it {former}. "
            f"Recorded: {found.record.kind} by {found.record.by}, {found.record.why}"
        )
    for note in found.notes:
        console.print(f"- {printable(note)}")


def _table(registry: Registry) -> Table:
    """One row a version, each figure above its interval."""
    table = Table(box=None, padding=(0, 1, 1, 0), pad_edge=False, header_style="bold")
    for name in ("version\nalias", "model\nrung", "verdict\ndata to"):
        table.add_column(name, overflow="fold")
    for name in ("AUC", "log loss", "promised\n/ came", "test rows\nwon"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in registry.versions:
        table.add_row(*(Text(printable(cell)) for cell in _cells(each)))
    return table


def _cells(version: RegisteredVersion) -> tuple[str, ...]:
    tags, missing = version.tags, "-"
    rows, won = version.count("rows"), version.count("conversions")
    verdict = tags.get("verdict", missing)
    return (
        "\n".join([version.number, *version.aliases]),
        f"{version.model_version or missing}\n{tags.get('rung', missing)}",
        f"{verdict}\n{tags.get('data_end', missing)[:10]}",
        _ranged(version.figure("auc"), 3),
        _formed(version.figure("log_loss")[0], 4),
        _ranged(version.figure("calibration_ratio"), 2),
        missing if rows is None else f"{rows:,}\n{won or 0:,}",
    )


def _ranged(figure: tuple[float, float, float], digits: int) -> str:
    value, low, high = figure
    if math.isnan(low) or math.isnan(high):
        return _formed(value, digits)
    return f"{_formed(value, digits)}\n{_formed(low, digits)}-{_formed(high, digits)}"


def _formed(value: float, digits: int = 4) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _print_history(registry: Registry, newest: list[Promotion]) -> None:
    console = plain_console()
    console.print()
    console.print(
        "Who made which version champion, the latest first:" if newest else "No promotion is on record."
    )
    for each in newest:
        console.print(
            f"{each.at:%Y-%m-%d %H:%M} UTC  {each.former or 'none'} -> {each.version}  {each.kind} "
            f"by {each.by}: {each.why}"
        )
    if newest and newest[0].version != registry.champion:
        console.print(
            f"The alias has moved since by other means; the champion is version {registry.champion or 'none'}."
        )
    if registry.history.damaged:
        console.print(
            f"{len(registry.history.damaged)} records of promotions can't be read, the first is the tag "
            f"{printable(registry.history.damaged[0])!r}."
        )
