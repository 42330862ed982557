"""The command `lead-scoring`: init, check, simulate, train, score, explain, models, promote, rollback, review, ui."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from features.errors import ConfigError, InputError, LeadScoringError, OutputError
from pipeline import cli_bands, cli_feedback, cli_ledger, cli_registry, cli_review, cli_runs, cli_scorecard
from pipeline.cli_options import (
    DEFAULT_PROJECT,
    AsOfOption,
    BundleOption,
    DataOption,
    JsonOption,
    ModelOption,
    ProjectOption,
    TargetOption,
    print_json,
    project_of,
)
from pipeline.cli_runs import chosen_bundle, moment_of
from pipeline.console import plain_console, printable, progress_lines
from pipeline.tables.snapshot import one_snapshot

if TYPE_CHECKING:
    from pipeline.explain_page import FileForm

__all__ = ["app", "main"]

app = typer.Typer(
    name="lead-scoring", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Predictive lead scoring: point-in-time features, calibrated probabilities, exact reasons.",
)  # fmt: skip


class FileFormat(StrEnum):
    """File formats of a simulated CRM."""

    parquet = "parquet"
    csv = "csv"


@app.command()
def init(
    files: Annotated[
        list[Path], typer.Argument(help="CSV or Parquet files of an export; with --url names of tables.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to write the draft.")
    ] = DEFAULT_PROJECT,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    url: Annotated[
        str | None, typer.Option("--url", help="Database of the tables, such as env:CRM_DATABASE_URL.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draft a project file from the files of an export, or from tables of a database."""
    from pipeline.draft import draft_project

    if output.exists() and not force:
        raise ConfigError(f"{output} exists already. Give another -o, or --force to replace it.")
    draft = draft_project(files, output, url)
    _write(output, draft.text)
    if as_json:
        print_json({"project": str(output), "guesses": list(draft.guesses)})
        return
    console = plain_console()
    for guess in draft.guesses:
        console.print(f"- {guess}")
    if draft.unused:
        console.print(f"- not used: {', '.join(path.name for path in draft.unused)}", markup=False)
    console.print(f"\nDrafted {output}. Read it, then run: lead-scoring check -p {output}")


@app.command()
def check(
    project: ProjectOption = DEFAULT_PROJECT, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Audit the data without training: schema, clocks, duplicates, suspected leaks."""
    from pipeline.audit import audit_project, render
    from pipeline.config import load_project

    loaded = load_project(project, data)
    with progress_lines(Console(stderr=True), "checking"):
        audit = audit_project(loaded)
    if as_json:
        print_json(audit.to_json())
    else:
        render(audit, Console(highlight=False))
    raise typer.Exit(3 if audit.quarantined else 0)


@app.command()
def simulate(
    leads: Annotated[int, typer.Option("--leads", min=1, help="Number of leads.")] = 20_000,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 1,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the tables and the project file.")
    ] = Path("sample"),
    file_format: Annotated[FileFormat, typer.Option("--format")] = FileFormat.parquet,
    months: Annotated[int, typer.Option("--months", min=1, help="Months of history.")] = 18,
    drift: Annotated[bool, typer.Option("--drift", help="Let mix and conversion change on the way.")] = False,
    seasonality: Annotated[
        bool, typer.Option("--seasonality", help="Let seasons move the inflow and the rate.")
    ] = False,
    shuffle_labels: Annotated[
        bool, typer.Option("--shuffle-labels", help="A control world: nothing predicts.")
    ] = False,
    broken_rows: Annotated[
        int, typer.Option("--broken-rows", min=0, help="Rows that break the contract (CSV).")
    ] = 0,
    on: Annotated[
        list[str] | None, typer.Option("--on", help="A mechanism to add, such as personas; repeatable.")
    ] = None,
    off: Annotated[
        list[str] | None, typer.Option("--off", help="A mechanism to remove, such as amount; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a simulated CRM, its project file and, kept apart, the truth."""
    from pipeline.simulate import WorldSettings, simulate_to_folder

    settings = WorldSettings(
        n_leads=leads, seed=seed, months=months, drift=drift, seasonality=seasonality,
        shuffle_labels=shuffle_labels, broken_rows=broken_rows, on=tuple(on or ()), off=tuple(off or ()),
    )  # fmt: skip
    with progress_lines(Console(stderr=True), "simulating") as tell:
        simulate_to_folder(
            settings, output, file_format.value, lambda done, total: tell(f"{done:,} of {total:,} leads")
        )
    project = output / "lead-scoring.toml"
    if as_json:
        print_json({"folder": str(output), "project": str(project), "leads": leads, "seed": seed})
    else:
        plain_console().print(f"Simulated {leads:,} leads in {output}. Next: lead-scoring train -p {project}")


@app.command()
def explain(
    lead_id: Annotated[str, typer.Argument(help="The lead to explain.")],
    project: ProjectOption = DEFAULT_PROJECT, data: DataOption = None, as_of: AsOfOption = None,
    model: ModelOption = None, bundle: BundleOption = None, target: TargetOption = None,
    since: Annotated[str | None, typer.Option("--since", help="Also say what changed since this moment.")] = None,
    since_bundle: Annotated[
        Path | None, typer.Option("--since-bundle", help="Bundle folder of the model at --since.")
    ] = None,
    as_json: JsonOption = False,
    as_html: Annotated[bool, typer.Option("--html", help="Write an offline page.")] = False,
    as_png: Annotated[bool, typer.Option("--png", help="Write a picture.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File of --html or --png.")
    ] = None,
) -> None:  # fmt: skip
    """Print, or draw, one lead's score and its reasons as points that add up."""
    from models.bundle import load_bundle
    from pipeline.explain import explain_fully
    from pipeline.explain_page import default_name, write_explanation
    from pipeline.explain_text import render
    from pipeline.explain_words import ExplainWords
    from pipeline.open_leads import tables_for

    form = _file_form(as_json, as_html, as_png, output)
    if since_bundle is not None and since is None:
        raise InputError("--since-bundle needs --since, the moment of that model.")
    moment, earlier = moment_of(as_of), moment_of(since, "--since")
    loaded = project_of(project, data, target)
    with ExitStack() as stack:
        tell = stack.enter_context(progress_lines(Console(stderr=True), "explaining"))
        chosen = chosen_bundle(loaded, model, bundle, stack)
        before = None if since_bundle is None else load_bundle(since_bundle)
        tables = tables_for(loaded, chosen, tell)
        found = explain_fully(loaded, chosen, tables, lead_id, moment, earlier, before)
        words = ExplainWords(found, loaded.phrases)
        if form is not None:
            place = output or Path(default_name(lead_id, form))
            write_explanation(words, place, form, loaded, [project])
    if as_json:
        print_json(found.to_json())
    elif form is not None:
        plain_console().print(place)
    else:
        render(words, Console(highlight=False))


def _file_form(as_json: bool, as_html: bool, as_png: bool, output: Path | None) -> FileForm | None:
    """The form of the file to write; None if none is to be written."""
    if as_json + as_html + as_png > 1:
        raise InputError("Give one of --json, --html and --png.")
    form: FileForm | None = "html" if as_html else "png" if as_png else None
    if output is not None and form is None:
        raise InputError("-o names the file of --html or --png; give one of them.")
    if output is not None and output.suffix != f".{form}":
        raise InputError(f"-o {output} must end in .{form}.")
    return form


@app.command()
def ui(
    project: ProjectOption = DEFAULT_PROJECT,
    host: Annotated[str, typer.Option("--host")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65_535)] = 5000,
) -> None:
    """Open MLflow's own page on the runs and versions of a project."""
    from pipeline.config import load_project
    from pipeline.tracking import serve_ui

    serve_ui(load_project(project), host, port)


for _command in (
    cli_runs.train,
    cli_runs.score,
    cli_registry.models,
    cli_registry.promote,
    cli_registry.rollback,
):
    app.command()(_command)
app.command()(cli_bands.bands)
app.command()(cli_scorecard.scorecard)
app.command()(cli_review.review)
cli_ledger.register(app)
cli_feedback.register(app)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error}.") from error


def _run(command: Callable[[], None]) -> int:
    try:
        with one_snapshot():
            command()
    except LeadScoringError as error:
        Console(stderr=True, highlight=False).print(
            f"{type(error).__name__}: {printable(str(error))}", markup=False, soft_wrap=True
        )
        return error.exit_code
    except OSError as error:
        Console(stderr=True, highlight=False).print(f"OutputError: {error}", markup=False, soft_wrap=True)
        return OutputError.exit_code
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a signal handler
    sys.exit(128 + number)


def main() -> None:
    """Run the command line; a known error prints its message and sets the exit code."""
    # idle worker threads must sleep: spinning ones slow a busy machine many times over
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a sign the console has no place for must not end the work
    # a stop by the system ends the work as Ctrl-C does: what lies under temporary names is taken away
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(_run(lambda: app(prog_name="lead-scoring")))
