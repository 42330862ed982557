"""The scoring run: every open lead gets one row; what is left out is counted and listed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER, Examples, microseconds, open_examples
from features.builder import build_features
from features.contracts import CONTRACT, Tables
from features.errors import BundleError, InputError, LeadScoringError
from features.hindsight import known_before
from features.prepare import Prepared, prepare
from models.bundle import Bundle
from models.scorer import Scored
from models.wording import Wording
from pipeline.companions import join_companions
from pipeline.config import Project
from pipeline.dataset import check_quarantine, data_end_of, known_labels, static_rows
from pipeline.ledger.keeping import check_ledger, contribution_lines, run_to_keep
from pipeline.optional_columns import optional_columns
from pipeline.output import SCHEMA_VERSION, ScoreRows, beside, files_of, publish, scores_table
from pipeline.overrides import overrides_file, overrides_of
from pipeline.score_warnings import stale_warning, unseen_warnings
from pipeline.silence import silent_until
from pipeline.tables import load_tables
from pipeline.value_parts import open_money, value_warnings

__all__ = [
    "OpenLeads",
    "ScoreRun",
    "ScoredRows",
    "feature_chunks",
    "leads_to_score",
    "reason_lines",
    "score_project",
    "score_rows",
    "scored_chunks",
    "tables_for",
    "why_unknown",
]

Float64 = NDArray[np.float64]
Tell = Callable[[str], None]
Companions = Mapping[str, Bundle | LeadScoringError | None]


@dataclass(frozen=True)
class OpenLeads:
    """The leads to score at one moment: rows for the builder, ids left out.

    Attributes
    ----------
    as_of : microseconds, `NEVER` for a flat export, which has no moment.
    rows : one example an open lead, sorted by lead_id.
    not_open : ids of leads not yet created or already closed, sorted.
    """

    data: Prepared
    rows: Examples
    as_of: int
    not_open: list[str]

    @property
    def lead_ids(self) -> list[str]:
        """Id of each row."""
        return [str(each) for each in self.data.leads["lead_id"].to_numpy(dtype=object)[self.rows.lead]]


@dataclass(frozen=True)
class ScoreRun:
    """A finished scoring run: lead rows in = scored + not open + quarantined."""

    rows_in: int
    scored: int
    not_open: int
    quarantined: int
    output: Path
    manifest: Path
    model_version: str
    exit_code: int
    targets: dict[str, ScoreRun] = field(default_factory=dict)
    not_scored: dict[str, str] = field(default_factory=dict)
    ledger_run: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The keys that other programs rely on."""
        found: dict[str, Any] = {name: run.to_json() for name, run in self.targets.items()}
        of_targets = {"targets": found | {name: {"error": why} for name, why in self.not_scored.items()}}
        return {
            "rows_in": self.rows_in, "scored": self.scored, "not_open": self.not_open,
            "quarantined": self.quarantined, "output": str(self.output), "manifest": str(self.manifest),
            "model_version": self.model_version, **(of_targets if self.targets or self.not_scored else {}),
            **({"ledger_run": self.ledger_run} if self.ledger_run else {}),
        }  # fmt: skip


@dataclass
class ScoredRows:
    """Open leads scored, before anything is written.

    `companions` are those of the project's targets, `overrides` what the manifest says of overrides.
    """

    project: Project
    bundle: Bundle
    tables: Tables
    leads: OpenLeads
    rows: ScoreRows
    quarantined: int
    warnings: list[str]
    companions: dict[str, ScoredRows] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)


def tables_for(project: Project, bundle: Bundle, tell: Tell | None = None) -> Tables:
    """The project's tables, read with what the bundle knows of attributes, events and target."""
    sources = bundle.sources
    known = {"attributes": sources.attributes, "events": sources.events, "features": sources.features}
    return load_tables(project.model_copy(update={**known, "target": sources.target}), tell, purpose="score")


def leads_to_score(tables: Tables, bundle: Bundle, project: Project, as_of: pd.Timestamp | None) -> OpenLeads:
    """Leads open at as_of (default: the end of the data); of a flat export those without a label.

    Raises
    ------
    InputError
        If no as_of is given and the data has no end.
    """
    data = prepare(tables, bundle.sources)
    ids = data.leads["lead_id"].to_numpy(dtype=object)
    if bundle.sources.is_static:
        if project.static is None:
            raise BundleError(
                f"The bundle {bundle.model_version} was trained on a flat export, but the project has no [static]. "
                "Score with the project file it was trained with, or train again."
            )
        if as_of is not None:
            raise InputError(
                "A flat export has no history, so it can't be scored as of another moment; leave out --as-of."
            )
        is_open = np.isnan(known_labels(data.leads, project.static))
        rows, moment = static_rows(np.flatnonzero(is_open)), NEVER
    else:
        assert data.spells is not None
        moment = data_end_of(tables) if as_of is None else int(microseconds(as_of)[0])
        rows = open_examples(data.spells, moment)
    rows = rows.take(np.argsort(ids[rows.lead], kind="stable"))
    not_open = np.setdiff1d(np.arange(len(ids)), rows.lead)
    return OpenLeads(data, rows, moment, sorted(str(each) for each in ids[not_open]))


def why_unknown(tables: Tables, lead_id: str) -> str:
    """Why there is no lead of this id: it is in quarantine, or not in the table; with the nearest id."""
    held = tables.quarantine[tables.quarantine["table"] == "leads"]
    held = held[held["lead_id"] == lead_id]
    if len(held):
        return f"Lead '{lead_id}' is in quarantine: {held.iloc[0]['code']}, {held.iloc[0]['detail']}."
    near = difflib.get_close_matches(lead_id, [str(each) for each in tables.leads["lead_id"]], n=1)
    return f"There is no lead '{lead_id}' in the leads table." + (
        f" Did you mean '{near[0]}'?" if near else ""
    )


def feature_chunks(leads: OpenLeads, bundle: Bundle, chunk_rows: int) -> Iterator[tuple[list[str], Float64]]:
    """(lead ids, features) of the rows, chunk by chunk, as the bundle's model reads them."""
    ids = leads.lead_ids
    for start in range(0, len(ids), chunk_rows):
        rows = leads.rows.take(np.arange(start, min(start + chunk_rows, len(ids))))
        yield (
            ids[start : start + chunk_rows],
            build_features(leads.data, rows, bundle.scorer.catalogue, bundle.sources),
        )


def scored_chunks(
    leads: OpenLeads, bundle: Bundle, chunk_rows: int, top_k: int
) -> Iterator[tuple[list[str], Float64, Scored]]:
    """(lead ids, features, scores) of the rows, chunk by chunk; the chunk size changes no bit."""
    for ids, X in feature_chunks(leads, bundle, chunk_rows):
        yield ids, X, bundle.scorer.scored(X, top_k)


def reason_lines(scored: Scored, row: int, x: Float64, wording: Wording) -> list[dict[str, Any]]:
    """Reasons of one row: the strongest, everything else, the limit of the scale; they close the sum."""
    lines: list[dict[str, Any]] = []
    for group, points in zip(
        scored.reasons.groups[row].tolist(), scored.reasons.points[row].tolist(), strict=True
    ):
        if group >= 0:
            lines.append({"text": wording.text(group, x), "points": points, "group": wording.names[group]})
    rest, limit = float(scored.reasons.rest[row]), float(scored.explained.limit[row])
    if rest != 0.0:
        others = int(np.count_nonzero(scored.explained.points[row])) - len(lines)
        text = wording.phrases.plural("reason.rest_of", others)
        lines.append({"text": text, "points": rest, "group": "rest"})
    if limit != 0.0:
        text = wording.phrases.text(_limit_phrase(float(scored.explained.lead_points[row])))
        lines.append({"text": text, "points": limit, "group": "limit"})
    return lines


def _limit_phrase(lead_points: float) -> str:
    """Why a score has a limit line: the lead, else the average lead, lies beyond an end of the scale."""
    if 0.0 <= lead_points <= 100.0:
        return "reason.limit_base"
    return "reason.limit_top" if lead_points > 100.0 else "reason.limit_bottom"


def score_project(
    project: Project, bundle: Bundle, output: Path, as_of: pd.Timestamp | None, tell: Tell,
    companions: Companions | None = None,
) -> ScoreRun:  # fmt: skip
    """Score all open leads, and what the project's targets ask of others, and publish the results.

    Parameters
    ----------
    companions : bundles of the project's `targets` by name, None where there is no champion, or what is wrong with
        it; each is scored into files beside the output, `scores.NAME.parquet`, and what it says of a lead stands in
        the lead's row. A target that can't be scored leaves the leads' scores alone; the manifest says why.

    Raises
    ------
    QuarantineLimitError
        If more lead rows are in quarantine than `data.quarantine_limit` allows; nothing is published.
    InputError
        If a category holds mostly values the model has never seen, or a file written would replace one
        of the project's tables; nothing is published.
    """
    outputs = {name: beside(output, f"{name}{output.suffix}") for name in companions or {}}
    for path in (output, *outputs.values()):
        _refuse_inputs(project, path)
    check_ledger(project)
    found = score_rows(project, bundle, as_of, tell)
    parts, lost = _scored_companions(project, companions or {}, as_of, tell)
    found.warnings += [f"target {name} was not scored: {why}" for name, why in lost.items()]
    join_companions(found, parts)
    for part in (found, *parts.values()):
        _refuse_lost_rows(part)
    runs = {name: _published(part, outputs[name]) for name, part in parts.items()}
    run = _published(found, output)
    return replace(run, targets=runs, not_scored=lost, exit_code=3 if lost else run.exit_code)


def _scored_companions(
    project: Project, companions: Companions, as_of: pd.Timestamp | None, tell: Tell
) -> tuple[dict[str, ScoredRows], dict[str, str]]:
    """What the targets say, and why some say nothing."""
    parts: dict[str, ScoredRows] = {}
    lost: dict[str, str] = {}
    for name, companion in companions.items():
        tell(f"scoring {name}")
        if companion is None:
            lost[name] = "it has no champion yet (lead-scoring models, lead-scoring promote)"
            continue
        if isinstance(companion, LeadScoringError):
            lost[name] = str(companion)
            continue
        try:
            parts[name] = score_rows(project.for_target(name), companion, as_of, tell)
        except LeadScoringError as error:
            lost[name] = str(error)
    return parts, lost


def score_rows(project: Project, bundle: Bundle, as_of: pd.Timestamp | None, tell: Tell) -> ScoredRows:
    """Every open lead scored, nothing written.

    Raises
    ------
    QuarantineLimitError, InputError
        As `score_project`.
    """
    tables = tables_for(project, bundle, tell)
    quarantined = check_quarantine(project, tables)
    leads = leads_to_score(tables, bundle, project, as_of)
    unseen = {f.name: 0 for f in bundle.scorer.catalogue.features if f.is_category}
    rows = ScoreRows(contributions=None if project.ledger.url is None else [])
    wording = Wording(bundle.scorer.catalogue, project.phrases, project.words)
    later = int((leads.data.events.events.time >= leads.as_of).sum())
    looks_ahead = project.score.silent_until and not bundle.sources.is_static
    if looks_ahead:  # the features of now are the same; what came later is let go
        leads = replace(leads, data=known_before(leads.data, leads.as_of))
    beside_scores = _overrides(project, bundle, tables, leads, rows)
    for ids, X, scored in scored_chunks(leads, bundle, project.score.chunk_rows, project.score.top_reasons):
        rows.silent_until += _silent_until(bundle, leads, len(rows.lead_id), X, scored, is_asked=looks_ahead)
        chunk = leads.rows.take(np.arange(len(rows.lead_id), len(rows.lead_id) + len(ids)))
        rows.add_optional(optional_columns(project, bundle, leads.data, chunk, X, scored))
        _collect(rows, ids, X, scored, wording, bundle, unseen)
        ahead = ", looked ahead" if looks_ahead else ""
        tell(f"scored {len(rows.lead_id):,} of {len(leads.rows):,} leads{ahead}")
    warnings = [f"{each.message} ({each.count:,})" for each in tables.warnings]
    warnings += [f"events at or after as_of, ignored ({later:,})"] if later else []
    warnings += stale_warning(leads.as_of, tables)
    warnings += value_warnings(project, bundle)
    warnings += unseen_warnings(unseen, len(rows.lead_id), bundle, project)
    return ScoredRows(project, bundle, tables, leads, rows, quarantined, warnings, overrides=beside_scores)


def _refuse_lost_rows(found: ScoredRows) -> None:
    rows_in, scored, not_open = (
        found.tables.rows_in["leads"],
        len(found.rows.lead_id),
        len(found.leads.not_open),
    )
    if rows_in != scored + not_open + found.quarantined:
        raise LeadScoringError(
            f"{rows_in} lead rows in, but {scored} scored + {not_open} not open + {found.quarantined} quarantined: a "
            "lead was lost or doubled. Nothing was published; please report this."
        )


def _published(found: ScoredRows, output: Path) -> ScoreRun:
    project, bundle, rows, tables, leads = found.project, found.bundle, found.rows, found.tables, found.leads
    stamp = None if leads.as_of == NEVER else np.datetime64(leads.as_of, "us")
    rows_in, quarantined = tables.rows_in["leads"], found.quarantined
    manifest = {
        "schema_version": SCHEMA_VERSION, "model_version": bundle.model_version,
        "as_of": None if stamp is None else str(stamp),
        "rows_in": rows_in, "scored": len(rows.lead_id), "not_open": len(leads.not_open), "quarantined": quarantined,
        "quarantined_by_code": _by_code(tables.quarantine), "events_removed": leads.data.events.removed,
        "inputs": tables.digests, "warnings": found.warnings,
        "verdict": bundle.manifest.get("verdict"), "entity": project.target.entity,
        "targets": {name: part.bundle.model_version for name, part in found.companions.items()},
    }  # fmt: skip
    manifest |= open_money(project, bundle, rows) | found.overrides
    table = scores_table(rows, stamp, bundle.model_version, project.score.rank_by)
    kept = run_to_keep(found, table, manifest)
    record, run_id = (kept.write, kept.run_id) if kept else (None, None)
    manifest |= {"ledger_run": run_id} if run_id else {}
    left_out = (leads.not_open, tables.quarantine)
    path = publish(output, table, project.score.top_reasons, *left_out, manifest, record)
    return ScoreRun(
        rows_in, len(rows.lead_id), len(leads.not_open), quarantined, output, path, bundle.model_version,
        3 if quarantined else 0, ledger_run=run_id,
    )  # fmt: skip


def _overrides(
    project: Project, bundle: Bundle, tables: Tables, leads: OpenLeads, rows: ScoreRows
) -> dict[str, Any]:
    """Put the column `override` into the rows, where there can be any; what the manifest says of it."""
    if not project.overrides.is_on:
        return {}
    found = overrides_of(project, bundle.sources, tables, leads.data, leads.rows, leads.as_of)
    rows.add_optional({"override": found.column()})
    return found.record(leads.lead_ids)


def _collect(
    rows: ScoreRows,
    ids: list[str],
    X: Float64,
    scored: Scored,
    wording: Wording,
    bundle: Bundle,
    unseen: dict[str, int],
) -> None:
    categories = [(i, f) for i, f in enumerate(bundle.scorer.catalogue.features) if f.is_category]
    new = {
        f.name: (wording.rare_value(f), X[:, i] == len(f.levels)) for i, f in categories if f.op == "category"
    }
    for name, (_, mask) in new.items():
        unseen[name] += int(mask.sum())
    rows.lead_id += ids
    rows.probability += scored.probability.tolist()
    rows.score += scored.score.tolist()
    rows.band += scored.band.tolist()
    rows.fit_grade += scored.fit_grade.tolist()
    rows.engagement_grade += scored.engagement_grade.tolist()
    rows.base_score += np.broadcast_to(scored.explained.base_score, len(ids)).tolist()
    rows.reasons += [reason_lines(scored, row, X[row], wording) for row in range(len(ids))]
    if rows.contributions is not None:
        rows.contributions += contribution_lines(scored.explained.points)
    rows.warnings += [[words for words, mask in new.values() if mask[row]] for row in range(len(ids))]


def _silent_until(
    bundle: Bundle, leads: OpenLeads, start: int, X: Float64, scored: Scored, *, is_asked: bool
) -> list[int | None]:
    """When the band of each row of a chunk falls if nothing happens, None for never and where not asked."""
    if not is_asked:
        return [None] * len(scored.margin)
    chunk = leads.rows.take(np.arange(start, start + len(scored.margin)))
    found = silent_until(bundle, leads.data, chunk, scored.margin, X)
    return [None if moment == NEVER else moment for moment in found.tolist()]


def _refuse_inputs(project: Project, output: Path) -> None:
    tables = [table for table in (getattr(project.data, name) for name in CONTRACT) if table is not None]
    decisions = overrides_file(project)
    read = [*map(project.table_path, tables), *([] if decisions is None else [decisions])]
    inputs = {path.resolve() for path in read}
    for path in files_of(output):
        if path.resolve() in inputs:
            raise InputError(
                f"Writing {path} would replace a table of the project. Nothing was written. Give another -o."
            )


def _by_code(quarantine: pd.DataFrame) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for (table, code), rows in quarantine.groupby(["table", "code"], sort=True):
        counts.setdefault(str(table), {})[str(code)] = len(rows)
    return counts
