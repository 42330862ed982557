"""Commands that run the pipeline: train and score, for the leads and for every other target."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from features.errors import InputError, LeadScoringError
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
from pipeline.console import plain_console, printable, progress_lines

if TYPE_CHECKING:
    import pandas as pd

    from models.bundle import Bundle
    from pipeline.config import Project
    from pipeline.score import ScoreRun
    from pipeline.train import Trained

__all__ = ["chosen_bundle", "moment_of", "score", "train"]


def train(
    project: ProjectOption = DEFAULT_PROJECT, data: DataOption = None, target: TargetOption = None,
    then_score: Annotated[bool, typer.Option("--score", help="Score the open leads afterwards.")] = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Train, judge, track and register a model, and one for each target; refuse what is no better than chance."""
    loaded = project_of(project, data, target)
    with progress_lines(Console(stderr=True), "training") as tell:
        trained = _trained(loaded, tell)
        others = {
            name: _trained(loaded.for_target(name), partial(_tell_of, tell, name)) for name in loaded.targets
        }
    if isinstance(trained, LeadScoringError):
        if not as_json:
            _print_targets(others, project)
        raise trained
    run = _score_after(loaded, trained) if then_score else None
    if as_json:
        found = trained.to_json() | ({"score": run.to_json()} if run else {})
        named = {
            name: each.to_json() if not isinstance(each, LeadScoringError) else {"error": str(each)}
            for name, each in others.items()
        }
        print_json(found | ({"targets": named} if named else {}))
    else:
        _print_verdict(trained, project, target)
        _print_targets(others, project)
        if run:
            _print_scores(run)
    raise typer.Exit(_train_code(trained, others, run))


def _train_code(
    trained: Trained, others: Mapping[str, Trained | LeadScoringError], run: ScoreRun | None
) -> int:
    """Exit code of a training: 8 refused, 3 where records or a whole target were left out, of the scores, too."""
    if trained.record.verdict == "refused":
        return 8
    is_partial = trained.record.quarantined or any(
        isinstance(each, LeadScoringError) for each in others.values()
    )
    return max(3 if is_partial else 0, run.exit_code if run else 0)


def _trained(project: Project, tell: Callable[[str], None]) -> Trained | LeadScoringError:
    """A training, or what is wrong with it: that does not undo the others."""
    from pipeline.train import train_project

    try:
        return train_project(project, tell)
    except LeadScoringError as error:
        return error


def _tell_of(tell: Callable[[str], None], name: str, words: str) -> None:
    tell(f"{name}: {words}")


def _print_targets(found: Mapping[str, Trained | LeadScoringError], project: Path) -> None:
    console = plain_console()
    for name, each in found.items():
        console.print(f"\nTarget {name}", style="bold")
        if isinstance(each, LeadScoringError):
            console.print(printable(f"not trained: {each}"))
        else:
            _print_verdict(each, project, name)


def score(
    project: ProjectOption = DEFAULT_PROJECT, data: DataOption = None, as_of: AsOfOption = None,
    model: ModelOption = None, bundle: BundleOption = None, target: TargetOption = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="scores.parquet or scores.csv.")] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Score every open lead, and what the targets ask of others: probability, score, band and exact reasons."""
    from pipeline.score import score_project

    loaded = project_of(project, data, target)
    place = output or loaded.output_folder / "scores.parquet"
    if place.suffix not in {".parquet", ".csv"}:
        raise InputError(f"-o {place} must end in .parquet or .csv.")
    with ExitStack() as stack:
        tell = stack.enter_context(progress_lines(Console(stderr=True), "scoring"))
        chosen = chosen_bundle(loaded, model, bundle, stack)
        others = {} if bundle or model else _champions(loaded, stack)
        run = score_project(loaded, chosen, place, moment_of(as_of), tell, others)
    if as_json:
        print_json(run.to_json())
    else:
        _print_scores(run)
    raise typer.Exit(max(run.exit_code, *(each.exit_code for each in run.targets.values()), 0))


def _champions(project: Project, stack: ExitStack) -> dict[str, Bundle | LeadScoringError | None]:
    """Champions of the project's targets, None where there is none yet, what is wrong with one that can't be read."""
    from pipeline.tracking import champion_version

    def champion(part: Project) -> Bundle | LeadScoringError | None:
        try:
            return None if champion_version(part) is None else chosen_bundle(part, None, None, stack)
        except LeadScoringError as error:
            return error

    return {name: champion(project.for_target(name)) for name in project.targets}


def chosen_bundle(project: Project, model: str | None, folder: Path | None, stack: ExitStack) -> Bundle:
    """The bundle to score with: a folder, a registered model, else the champion."""
    from models.bundle import load_bundle

    if model is not None and folder is not None:
        raise InputError("Give either --model or --bundle, not both.")
    if folder is not None:
        return load_bundle(folder)
    from pipeline.tracking import fetch_bundle

    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return load_bundle(fetch_bundle(project, model or "champion", scratch))


def _score_after(project: Project, trained: Trained) -> ScoreRun | None:
    """Scores by the model just trained, or by the champion where one stays in office."""
    from pipeline.score import score_project
    from pipeline.tracking import champion_version

    with ExitStack() as stack:
        tell = stack.enter_context(progress_lines(Console(stderr=True), "scoring"))
        chosen = trained.record.bundle
        if trained.record.verdict != "champion" and champion_version(project) is not None:
            chosen = chosen_bundle(project, None, None, stack)
        if chosen is None:
            return None
        place = project.output_folder / "scores.parquet"
        return score_project(project, chosen, place, None, tell, _champions(project, stack))


def moment_of(text: str | None, option: str = "--as-of") -> pd.Timestamp | None:
    """A moment as people write it, in UTC; None for none."""
    import pandas as pd

    if text is None:
        return None
    try:
        moment = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
        # in plain Python, which refuses what lies beyond the years 1 to 9999
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{option} {text!r} is no moment: {error}. Write 2026-01-31, 2026-01-31T08:00Z or now."
        ) from error
    return pd.Timestamp(moment).as_unit("us")


def _print_verdict(trained: Trained, project: Path, target: str | None) -> None:
    from pipeline.tracking_content import shown_address

    console = plain_console()
    which = f" --target {target}" if target else ""
    first, *others = trained.record.words
    console.print(printable(first), style="bold")
    for line in others:
        console.print(printable(f"- {line}"))
    bundle = trained.folder / "bundle"
    console.print(f"\nReport:     {trained.report}")
    if trained.record.bundle is not None:
        console.print(f"Bundle:     {bundle}")
    console.print(
        f"Tracking:   {shown_address(trained.record.project.tracking_uri)} (lead-scoring ui -p {project})"
    )
    if trained.registered is not None:
        name = trained.record.project.tracking.registered_model
        verdict = trained.record.verdict
        console.print(f"Registered: {name} version {trained.registered}, alias {verdict}")
        model = "" if verdict == "champion" else f" --model models:/{name}@challenger"
        console.print(f"Next:       lead-scoring score -p {project}{which}{model}")
    elif trained.record.bundle is not None:
        console.print(
            f"Next:       lead-scoring score -p {project}{which} --bundle {bundle}  (points, no probability)"
        )


def _print_scores(run: ScoreRun) -> None:
    console = plain_console()
    console.print(
        f"{run.rows_in:,} lead rows in = {run.scored:,} scored + {run.not_open:,} not open "
        f"+ {run.quarantined:,} quarantined (model {run.model_version})"
    )
    console.print(f"Scores:     {run.output}\nManifest:   {run.manifest}")
    if run.ledger_run:
        console.print(f"Ledger:     run {run.ledger_run[:12]}")
    for notice in run.notices:
        console.print(printable(f"- {notice}"))
    for name, part in run.targets.items():
        console.print(
            f"{name}: {part.rows_in:,} in = {part.scored:,} scored + {part.not_open:,} not open "
            f"+ {part.quarantined:,} quarantined (model {part.model_version}), {part.output}"
        )
        for notice in part.notices:
            console.print(printable(f"- {name}: {notice}"))
    for name, why in run.not_scored.items():
        console.print(printable(f"{name}: not scored: {why}"))
