"""The report of a training: one offline page, and its pictures as files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.entities import NOUNS
from pipeline import plots
from pipeline import report_calibration as calibration
from pipeline import report_content as content
from pipeline import report_data as data
from pipeline import report_gain as gain
from pipeline import report_models as models
from pipeline import report_rolling as rolling
from pipeline.record import TrainingRecord
from pipeline.report_declared import declared_tables
from pipeline.report_feedback import feedback_section
from pipeline.report_figures import Ranged, cell
from pipeline.report_parts import PARTS_NOTE, part_tables, parts_words
from pipeline.report_personas import persona_table
from pipeline.report_pictures import Picture, pictures_of
from pipeline.report_reasons import reason_table
from pipeline.report_sub_scores import sub_score_table
from pipeline.report_tiers import sheet_table, tier_table
from pipeline.report_value import worth_pictures, worth_section
from pipeline.report_words import CARDS, RUNGS, VERDICTS
from pipeline.tracking_content import requirements, run_parameters
from pipeline.verdict import data_words

__all__ = ["Report", "write_report"]


@dataclass(frozen=True)
class Report:
    """Where the page and its pictures lie."""

    html: Path
    plots: tuple[Path, ...]


def write_report(record: TrainingRecord, folder: Path) -> Report:
    """Write `report.html`, which loads nothing from elsewhere, and its pictures as PNG.

    The same record gives the same bytes: no moment of writing, no duration.

    Parameters
    ----------
    record : the training, refused or not.
    folder : made if it does not exist; files of the same name are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [*pictures_of(record), *worth_pictures(record)]
    paths = []
    for picture in pictures:
        path = folder / f"{picture.name}.png"
        path.write_bytes(plots.png(picture.figure))
        paths.append(path)
    page = folder / "report.html"
    page.write_text(_rendered(record, pictures), encoding="utf-8", newline="\n")
    return Report(page, tuple(paths))


def _rendered(record: TrainingRecord, pictures: list[Picture]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pipeline"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["text"] = lambda value: isinstance(value, str)
    environment.tests["ranged"] = lambda value: isinstance(value, Ranged)
    shown = {
        each.name: {
            "svg": plots.svg(each.figure, each.name, each.title),
            "caption": each.caption,
            "title": each.title,
        }
        for each in pictures
    }
    facts = {**_opening(record), **_sections(record), "pictures": shown}
    page = environment.get_template("report.html").render(**facts)
    return re.sub(r"(?<=\d) (?=%)|(?<=\bn) (?==)|(?<=\bn =) (?=\d)", "\N{NO-BREAK SPACE}", page)


def _opening(record: TrainingRecord) -> dict[str, Any]:
    """What the head of the page says."""
    evaluation = record.evaluation
    sign, verdict, meaning = VERDICTS[record.verdict]
    found = evaluation.intervals
    return {
        "project": record.project.name,
        "noun": NOUNS[entity] if (entity := record.project.target.entity) != "lead" else "",
        "version": record.bundle.model_version if record.bundle else None,
        "rung": RUNGS[evaluation.recipe.rung],
        "verdict": {"key": record.verdict, "sign": sign, "name": verdict, "meaning": meaning},
        "headline": content.headline(record),
        "words": content.words_of_the_verdict(record),
        "test": {name: f"{getattr(evaluation.sizes['test'], name):,}" for name in ("rows", "leads", "conversions")},
        "period": content.period(record.dataset.rows.as_of[evaluation.test_rows]),
        "cards": [(cell(found[name], form), words) for name, (form, words) in CARDS.items() if name in found],
        "left_out": [each.column for each in record.hunt.left_out],
    }  # fmt: skip


def _sections(record: TrainingRecord) -> dict[str, Any]:
    """What the page says below its head, in its order."""
    parts = part_tables(record)
    return {
        "work": gain.work_table(record),
        "ranking": gain.ranking_table(record),
        "calibration": calibration.calibration_table(record),
        "groups": calibration.group_table(calibration.reliability_points(record)),
        "bands": calibration.band_table(record),
        "checks": content.checks(record),
        "parts": parts,
        "parts_words": parts_words(record),
        "parts_note": PARTS_NOTE,
        "tiers": [each for each in (tier_table(record), sheet_table(record)) if each is not None],
        "personas": persona_table(record),
        "sales": feedback_section(record.answers),
        "base_rate": content.base_rate_words(record),
        "slices": data.slice_table(record),
        "running": rolling.headline_words(record),
        "refits": rolling.refit_table(record),
        "shift": rolling.shift_words(record),
        "choice": models.choice_words(record),
        "rungs": models.rung_table(record),
        "sub_scores": sub_score_table(record),
        "declared": declared_tables(record),
        "worth": worth_section(record),
        "tuning_words": models.tuning_words(record),
        "tuning": models.tuning_table(record),
        "curve_words": models.curve_words(record),
        "curve": models.curve_table(record),
        "reasons": reason_table(record.bundle) if record.bundle is not None else None,
        "hunt_words": data.hunt_words(record.hunt),
        "hunt": data.hunt_rows(record.hunt),
        "audit": data.audit_tables(record),
        "data_words": data_words(record.dataset),
        "warnings": [each for each in record.warnings if each not in record.evaluation.notes],
        "digests": sorted(record.digests.items()),
        "settings": run_parameters(record),
        "versions": requirements(),
    }
