"""The scoring run: every open lead gets one row; what is left out is counted and listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER
from features.contracts import Tables
from features.errors import InputError, LeadScoringError
from features.hindsight import known_before
from models.bundle import Bundle
from models.scorer import Scored
from models.wording import Wording
from pipeline.addresses import input_files
from pipeline.companions import join_companions
from pipeline.config import Project
from pipeline.dataset import check_quarantine
from pipeline.ledger.facts import before_of, trend_of
from pipeline.ledger.keeping import check_ledger, forgotten_so_far, run_to_keep
from pipeline.open_leads import OpenLeads, leads_to_score, scored_chunks, tables_for
from pipeline.optional_columns import optional_columns
from pipeline.output import SCHEMA_VERSION, ScoreRows, beside, files_of, publish, scores_table
from pipeline.overrides import overrides_file, overrides_of, recorded_overrides
from pipeline.reason_lines import reason_lines
from pipeline.score_warnings import changed_settings, stale_warning, unseen_warnings
from pipeline.silence import silent_until
from pipeline.value_parts import open_money, value_warnings

__all__ = [
    "ScoreRun",
    "ScoredRows",
    "score_project",
    "score_rows",
]

Float64 = NDArray[np.float64]
Tell = Callable[[str], None]
Companions = Mapping[str, Bundle | LeadScoringError | None]


@dataclass(frozen=True)
class ScoreRun:
    """A finished scoring run: lead rows in = scored + not open + quarantined.

    `notices` are those of the manifest's warnings that ask something of a person.
    """

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
    notices: tuple[str, ...] = ()

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

    `companions` are those of the project's targets, `overrides` what the manifest says of overrides, `forgotten` how
    many leads the ledger had forgotten before the tables were read.
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
    forgotten: int = 0
    notices: list[str] = field(default_factory=list)


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
    _refuse_other_export(found, parts)
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


def _refuse_other_export(found: ScoredRows, parts: dict[str, ScoredRows]) -> None:
    """Refuse targets that read other files than the leads did; a database is read in one state."""
    files, own = {path.name for path in input_files(found.project)}, found.tables.digests
    for name, part in parts.items():
        other = [file for file, sha in part.tables.digests.items() if file in files and own.get(file) != sha]
        if other:
            raise InputError(
                f"{', '.join(other)} changed after the leads were scored and before the target {name} was: the scores "
                "would be of two exports. Nothing was published; score again when the export is complete."
            )


def score_rows(project: Project, bundle: Bundle, as_of: pd.Timestamp | None, tell: Tell) -> ScoredRows:
    """Every open lead scored, nothing written.

    Raises
    ------
    QuarantineLimitError, InputError
        As `score_project`.
    """
    forgotten = forgotten_so_far(project)
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
    beside_scores = _overrides(project, bundle, tables, leads, rows, is_present=as_of is None)
    for ids, X, scored in scored_chunks(leads, bundle, project.score.chunk_rows, project.score.top_reasons):
        rows.silent_until += _silent_until(bundle, leads, len(rows.lead_id), X, scored, is_asked=looks_ahead)
        chunk = leads.rows.take(np.arange(len(rows.lead_id), len(rows.lead_id) + len(ids)))
        rows.add_optional(optional_columns(project, bundle, leads.data, chunk, X, scored))
        _collect(rows, ids, X, scored, wording, bundle, unseen)
        ahead = ", looked ahead" if looks_ahead else ""
        tell(f"scored {len(rows.lead_id):,} of {len(leads.rows):,} leads{ahead}")
    warnings = [f"{each.message} ({each.count:,})" for each in tables.warnings]
    warnings += [f"events at or after as_of, ignored ({later:,})"] if later else []
    notices = [
        *stale_warning(leads.as_of, tables),
        *changed_settings(project, bundle),
        *value_warnings(project, bundle),
    ]
    warnings += notices
    warnings += unseen_warnings(unseen, len(rows.lead_id), bundle, project)
    return ScoredRows(
        project, bundle, tables, leads, rows, quarantined, warnings, overrides=beside_scores, forgotten=forgotten,
        notices=notices,
    )  # fmt: skip


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
    before = before_of(found)
    rows.optional["trend"] = trend_of(found, before)
    table = scores_table(rows, stamp, bundle.model_version, project.score.rank_by)
    kept = run_to_keep(found, table, manifest, before)
    record, run_id = (kept.write, kept.run_id) if kept else (None, None)
    manifest |= {"ledger_run": run_id} if run_id else {}
    left_out = (leads.not_open, tables.quarantine)
    path = publish(output, table, project.score.top_reasons, *left_out, manifest, record)
    return ScoreRun(
        rows_in, len(rows.lead_id), len(leads.not_open), quarantined, output, path, bundle.model_version,
        3 if quarantined else 0, ledger_run=run_id, notices=tuple(found.notices),
    )  # fmt: skip


def _overrides(
    project: Project, bundle: Bundle, tables: Tables, leads: OpenLeads, rows: ScoreRows, *, is_present: bool
) -> dict[str, Any]:
    """Put the column `override` into the rows, where there can be any; what the manifest says of it."""
    recorded = recorded_overrides(project, leads.as_of, is_present=is_present)
    if not project.overrides.is_on and not recorded:
        return {}
    found = overrides_of(project, bundle.sources, tables, leads.data, leads.rows, leads.as_of, recorded)
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
        rows.contributions.append(scored.explained.points)
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
    decisions = overrides_file(project)
    read = [*input_files(project), *([] if decisions is None else [decisions])]
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
