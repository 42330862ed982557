"""Commands on the ledger: runs, history, compare, forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.entities import NOUNS
from pipeline.cli_options import (
    DEFAULT_PROJECT,
    JsonOption,
    ProjectOption,
    TargetOption,
    print_json,
    project_of,
)
from pipeline.cli_registry import acting_name
from pipeline.console import changed_by, floored, minute, open_table, plain_console, printable, show_table

if TYPE_CHECKING:
    from pipeline.ledger.attribution import Changed
    from pipeline.ledger.comparing import Comparison
    from pipeline.ledger.reading import LedgerRun

__all__ = ["compare", "forget", "history", "register", "runs"]

LEAST_SHOWN = 0.05  # fewer points would be printed as 0.0
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
            str(each.number), each.run_id[:12], minute(each.as_of), each.model_version, f"{each.scored:,}",
            f"{each.not_open:,}", f"{each.quarantined:,}", minute(each.recorded_at),
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
        words = "" if reason is None else f"{reason['text']} ({changed_by(reason['points'])})"
        product = [printable(each.product)] if has_products else []
        table.add_row(
            str(each.run), minute(each.as_of), *product, floored(each.score),
            "" if each.change is None else changed_by(each.change), printable(each.band), f"{each.rank:,}",
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
        _print_comparison(found, NOUNS[loaded.target.entity], top)


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


def _print_comparison(found: Comparison, noun: str, top: int) -> None:
    console = plain_console()
    steady = found.both - found.up - found.down
    meant = {"base": "where an average lead starts", "limit": "the ends of the scale"}
    meant |= {**found.before.words, **found.after.words}
    console.print(f"Run {_named(found.after)} against run {_named(found.before)}", style="bold")
    console.print(
        f"- {found.both:,} {noun} in both: {found.up:,} up, {found.down:,} down, {steady:,} within half a point; "
        f"mean change {changed_by(found.mean_change, 2)} points"
    )
    for words, (count, best) in (("new", found.new), ("gone", found.gone)):
        listed = ", ".join(
            f"{printable(_who(lead, product))} ({floored(score)} {printable(band)})"
            for lead, product, score, band in best
        )
        console.print(f"- {count:,} {words}{': ' if listed else ''}{listed}")
    if found.crossings:
        table = open_table("from", "to", f">{noun}", "farthest")
        for (a, b), (count, moves) in found.crossings.items():
            listed = ", ".join(
                f"{printable(_who(each.lead_id, each.product))} {changed_by(each.change)}" for each in moves
            )
            table.add_row(printable(a), printable(b), f"{count:,}", listed)
        console.print("\nBands crossed")
        show_table(table)
    if found.moved:
        table = open_table("lead", ">before", ">after", ">change", "bands", "most by")
        for each in found.moved:
            bands = f"{each.band_before} > {each.band_after}"
            group = "" if each.group is None else meant.get(each.group, each.group)
            table.add_row(
                printable(_who(each.lead_id, each.product)), floored(each.before), floored(each.after),
                changed_by(each.change),
                printable(each.band_before if each.band_before == each.band_after else bands),
                f"{printable(group)} {changed_by(each.group_points)}" if group else "",
            )  # fmt: skip
        console.print("\nWho moved most")
        show_table(table)
    if found.parts:
        table = open_table("reason group", ">mean change", ">mean size")
        for name, mean, size in found.parts[:top]:
            table.add_row(printable(meant.get(name, name)), changed_by(mean, 2), f"{size:.2f}")
        if others := found.parts[top:]:
            table.add_row(
                f"{len(others)} others together", changed_by(sum(mean for _, mean, _ in others), 2), ""
            )
        console.print("\nWhat moved the scores, points a lead")
        show_table(table)


def _moved_words(change: Changed | None) -> str:
    """What moved a score most, and whether another model, or other lines, did it."""
    if change is None:
        return ""
    most = change.most
    is_seen = most is not None and abs(most.points) >= LEAST_SHOWN
    group = [f"{most.words} {changed_by(most.points)}"] if most is not None and is_seen else []
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


def _who(lead_id: str, product: str) -> str:
    return f"{lead_id} {product}".strip()


def _named(run: LedgerRun) -> str:
    return f"{run.number} ({minute(run.as_of)}, model {run.model_version})"
