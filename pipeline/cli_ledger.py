"""Commands on the ledger: runs, history, compare, forget."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli_options import (
    DEFAULT_PROJECT,
    JsonOption,
    ProjectOption,
    TargetOption,
    print_json,
    project_of,
)
from pipeline.cli_registry import acting_name
from pipeline.console import open_table, plain_console, printable, show_table

if TYPE_CHECKING:
    from pipeline.ledger.attribution import Changed
    from pipeline.ledger.comparing import Comparison
    from pipeline.ledger.reading import LedgerRun

__all__ = ["compare", "forget", "history", "register", "runs"]

RunArgument = Annotated[str, typer.Argument(help="latest, previous, a run's number or the start of its id.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (runs, history, compare, forget):
        app.command()(command)


def runs(
    project: ProjectOption = DEFAULT_PROJECT, target: TargetOption = None, as_json: JsonOption = False
) -> None:
    """List the scoring runs in the ledger."""
    from pipeline.ledger.reading import list_runs
    from pipeline.ledger.store import open_ledger

    loaded = project_of(project, None, target)
    with open_ledger(loaded).reading() as connection:
        found = list_runs(connection, loaded.name)
    if as_json:
        print_json({"project": loaded.name, "runs": [each.to_json() for each in found]})
        return
    table = open_table(">run", "id", "as of", "model", ">scored", ">not open", ">quarantined", "recorded")
    for each in found:
        table.add_row(
            str(each.number), each.run_id[:12], _moment(each.as_of), each.model_version, f"{each.scored:,}",
            f"{each.not_open:,}", f"{each.quarantined:,}", _moment(each.recorded_at),
        )  # fmt: skip
    show_table(table)


def history(
    lead_id: Annotated[str, typer.Argument(help="The lead.")],
    project: ProjectOption = DEFAULT_PROJECT, target: TargetOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Print a lead's scores over the runs in the ledger, and what moved them."""
    from pipeline.ledger.attribution import changes_over_runs
    from pipeline.ledger.reading import history as history_of
    from pipeline.ledger.store import open_ledger

    loaded = project_of(project, None, target)
    with open_ledger(loaded).reading() as connection:
        found = history_of(connection, loaded.name, lead_id)
        changes = {
            (each.run, each.product): each for each in changes_over_runs(connection, loaded.name, lead_id)
        }
    moved = [changes.get((each.run, each.product)) for each in found]
    if as_json:
        told = [each.to_json() | _moved_json(by) for each, by in zip(found, moved, strict=True)]
        print_json({"lead_id": lead_id, "scores": told})
        return
    has_products = any(each.product for each in found)
    names = [">run", "as of", *(["product"] if has_products else []), ">score", ">change", "band", ">rank"]
    table = open_table(*names, "moved most by", "first reason")
    for each, by in zip(found, moved, strict=True):
        reason = each.first_reason
        words = "" if reason is None else f"{reason['text']} ({reason['points']:+.1f})"
        product = [printable(each.product)] if has_products else []
        table.add_row(
            str(each.run), _moment(each.as_of), *product, _floored(each.score),
            "" if each.change is None else f"{each.change:+.1f}", printable(each.band), f"{each.rank:,}",
            printable(_moved_words(by)), printable(words),
        )  # fmt: skip
    show_table(table)


def compare(
    before: RunArgument = "previous", after: RunArgument = "latest",
    project: ProjectOption = DEFAULT_PROJECT, target: TargetOption = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Leads in each list; counts are of all.")] = 10,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Compare two runs: who moved, which bands were crossed, which reasons changed; the earlier run comes first."""
    from pipeline.ledger.comparing import compare as compare_runs
    from pipeline.ledger.reading import find_run, list_runs
    from pipeline.ledger.store import open_ledger

    loaded = project_of(project, None, target)
    with open_ledger(loaded).reading() as connection:
        asked = {find_run(connection, loaded.name, each).number for each in (before, after)}
        chosen = [each for each in list_runs(connection, loaded.name) if each.number in asked]
        found = compare_runs(connection, chosen[0], chosen[-1], top)
    if as_json:
        print_json(found.to_json())
    else:
        _print_comparison(found)


def forget(
    lead_id: Annotated[str, typer.Argument(help="The lead whose scores are deleted.")],
    why: Annotated[str, typer.Option("--why", help="The reason, kept with the act.")],
    by: Annotated[str | None, typer.Option("--by", help="Who decides; else your login name.")] = None,
    project: ProjectOption = DEFAULT_PROJECT, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Delete all scores of a lead from the ledger, targets included; the act is recorded without the id."""
    from pipeline.ledger.erasing import forget as forget_lead
    from pipeline.ledger.store import open_ledger

    loaded = project_of(project)
    names = [loaded.name, *(loaded.for_target(each).name for each in loaded.targets)]
    found = forget_lead(open_ledger(loaded), names, lead_id, why, acting_name(by))
    if as_json:
        print_json(found.to_json())
        return
    plain_console().print(
        f"Deleted {found.scores_deleted:,} scores; recorded as erasure {found.number}, without the id. Files of scores "
        "and the source tables are as they were: while the lead stands there, the next run writes it again."
    )
    if found.elsewhere:
        plain_console().print(
            f"Other projects in this ledger have scored a lead of that id, too: {', '.join(found.elsewhere)}. A target "
            "that was taken out of the project file stands there under its old name; forget the lead there as well, if "
            "it is the same."
        )
    if not found.is_clean:
        plain_console().print(
            "Other programs read the ledger meanwhile, so its log still holds what was deleted; it goes when they end."
        )


def _print_comparison(found: Comparison) -> None:
    console = plain_console()
    steady = found.both - found.up - found.down
    meant = {"base": "where an average lead starts", "limit": "the ends of the scale"}
    meant |= {**found.before.words, **found.after.words}
    console.print(f"Run {_named(found.after)} against run {_named(found.before)}", style="bold")
    console.print(
        f"- {found.both:,} leads in both: {found.up:,} up, {found.down:,} down, {steady:,} within half a point; "
        f"mean change {found.mean_change:+.2f} points"
    )
    for words, (count, best) in (("new", found.new), ("gone", found.gone)):
        listed = ", ".join(
            f"{printable(lead)} ({_floored(score)} {printable(band)})" for lead, score, band in best
        )
        console.print(f"- {count:,} {words}{': ' if listed else ''}{listed}")
    if found.crossings:
        table = open_table("from", "to", ">leads", "farthest")
        for (a, b), (count, moves) in found.crossings.items():
            listed = ", ".join(f"{printable(each.lead_id)} {each.change:+.1f}" for each in moves)
            table.add_row(printable(a), printable(b), f"{count:,}", listed)
        console.print("\nBands crossed")
        show_table(table)
    if found.moved:
        table = open_table("lead", ">before", ">after", ">change", "bands", "most by")
        for each in found.moved:
            bands = f"{each.band_before} > {each.band_after}"
            name = f"{each.lead_id} {each.product}".strip()
            group = "" if each.group is None else meant.get(each.group, each.group)
            table.add_row(
                printable(name), _floored(each.before), _floored(each.after), f"{each.change:+.1f}",
                printable(each.band_before if each.band_before == each.band_after else bands),
                f"{printable(group)} {each.group_points:+.1f}" if group else "",
            )  # fmt: skip
        console.print("\nWho moved most")
        show_table(table)
    if found.parts:
        table = open_table("reason group", ">mean change", ">mean size")
        for name, mean, size in found.parts[: len(found.moved) or None]:
            table.add_row(printable(meant.get(name, name)), f"{mean:+.2f}", f"{size:.2f}")
        console.print("\nWhat moved the scores, points a lead")
        show_table(table)


def _moved_words(change: Changed | None) -> str:
    """What moved a score most, and whether another model, or other lines, did it."""
    if change is None:
        return ""
    most = change.most
    group = [] if most is None else [f"{most.words} {most.points:+.1f}"]
    return "; ".join(
        [
            *group,
            *(["another model"] if change.is_new_model else []),
            *(["other lines"] if change.is_new_scale else []),
        ]
    )


def _moved_json(change: Changed | None) -> dict[str, Any]:
    if change is None:
        return {"moved_most_by": None, "is_new_model": None, "is_new_scale": None}
    most = None if change.most is None else vars(change.most)
    return {"moved_most_by": most, "is_new_model": change.is_new_model, "is_new_scale": change.is_new_scale}


def _named(run: LedgerRun) -> str:
    return f"{run.number} ({_moment(run.as_of)}, model {run.model_version})"


def _floored(score: float) -> str:
    """A score with one decimal, cut off: 50.0 is printed only on the line or above it."""
    return f"{math.floor(score * 10) / 10:.1f}"


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
