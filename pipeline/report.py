"""The report of a training: one offline page, and its pictures as files."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import bands as scale
from models.bundle import Bundle
from models.classifier import BlendRung, LightGBMRung, LogisticRung, PointsRung
from models.metrics import gain_curve
from pipeline import plots
from pipeline import report_content as content
from pipeline.record import TrainingRecord
from pipeline.report_words import REASONS, RUNGS, VERDICTS
from pipeline.tracking_content import requirements, run_parameters

__all__ = ["Report", "importance", "write_report"]

Float64 = NDArray[np.float64]
MOST_GROUPS = 15


@dataclass(frozen=True)
class Report:
    """Where the page and its pictures lie."""

    html: Path
    plots: tuple[Path, ...]


@dataclass(frozen=True)
class _Picture:
    name: str
    title: str
    caption: str
    figure: Any


def write_report(record: TrainingRecord, folder: Path) -> Report:
    """Write `report.html`, which loads nothing from elsewhere, and its pictures as PNG.

    The same record gives the same bytes: no moment of writing, no duration.

    Parameters
    ----------
    record : the training, refused or not.
    folder : made if it does not exist; files of the same name are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = _pictures(record)
    paths = []
    for picture in pictures:
        path = folder / f"{picture.name}.png"
        path.write_bytes(plots.png(picture.figure))
        paths.append(path)
    page = folder / "report.html"
    page.write_text(_rendered(record, pictures), encoding="utf-8", newline="\n")
    return Report(page, tuple(paths))


def _rendered(record: TrainingRecord, pictures: list[_Picture]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pipeline"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    shown = {
        each.name: {
            "svg": plots.svg(each.figure, each.name, each.title),
            "caption": each.caption,
            "title": each.title,
        }
        for each in pictures
    }
    return environment.get_template("report.html").render(**_facts(record), pictures=shown)


def _facts(record: TrainingRecord) -> dict[str, Any]:
    evaluation = record.evaluation
    sign, verdict, meaning = VERDICTS[record.verdict]
    return {
        "project": record.project.name,
        "version": record.bundle.model_version if record.bundle else None,
        "rung": RUNGS[evaluation.recipe.rung],
        "verdict": {"key": record.verdict, "sign": sign, "name": verdict, "meaning": meaning},
        "headline": content.headline(record),
        "words": [each for each in record.words if not each.startswith("Working the top")],
        "test": evaluation.sizes["test"],
        "metrics": content.metric_rows(record),
        "cards": _cards(record),
        "bands": content.band_rows(record),
        "anchors": evaluation.anchors,
        "band_names": record.project.bands,
        "checks": content.checks(record),
        "rungs": content.rung_rows(record),
        "ages": content.age_rows(record),
        "slices": content.slice_rows(record),
        "base_rate": content.base_rate_words(record),
        "gains": content.gain_points(record, (0.05, 0.1, 0.2, 0.3, 0.5)),
        "reliability": content.reliability_points(record),
        "audit": _audit(record),
        "warnings": record.warnings,
        "digests": sorted(record.digests.items()),
        "settings": run_parameters(record),
        "versions": requirements(),
    }


def _cards(record: TrainingRecord) -> list[content.Figure]:
    named = {
        "recall_at_10": ("%", "of the buyers are among the best tenth of the list"),
        "lift_at_10": ("x", "as many buyers in the best tenth as in a tenth drawn blindly"),
        "auc": ("%", "of the time a buyer is ranked above a non-buyer; chance is 50 %"),
        "calibration_ratio": ("2", "sales promised for each that came; 1 is right"),
    }
    found = record.evaluation.intervals
    return [
        content.Figure(name, *content.ranged(found[name], form), words)
        for name, (form, words) in named.items()
        if name in found
    ]


def _audit(record: TrainingRecord) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """What was read, by kind: its total, then what became of it."""
    dataset = record.dataset
    n_kept = len(dataset.data.leads)
    leads = [
        ("used", n_kept),
        *(_named(f"quarantined: {code}", n) for code, n in sorted(record.quarantined.items())),
    ]
    n_events = len(dataset.data.events.events)
    events = [("used", n_events), *(_named(reason, n) for reason, n in record.cleaned.items() if n)]
    examples = [("used", len(dataset.y)), *(_named(reason, n) for reason, n in dataset.left_out.items() if n)]
    parts = {"Leads": leads, "Events": events, "Rows (a lead at a moment)": examples}
    return [(name, sum(count for _, count in rows), rows) for name, rows in parts.items()]


def _named(reason: str, count: int) -> tuple[str, int]:
    return REASONS.get(reason, reason.replace("_", " ")), count


def _pictures(record: TrainingRecord) -> list[_Picture]:
    evaluation = record.evaluation
    y, odds = content.labels_on_test(record), evaluation.test_log_odds
    chosen = RUNGS[evaluation.recipe.rung]
    scores = scale.score(scale.points(odds, evaluation.anchors))
    bands = record.project.bands
    lines = {bands.mql_name: 50.0, bands.sql_name: 80.0, **bands.further}
    found = [
        _Picture(
            "gain", "How many buyers the top of the list finds",
            "On the test. Shaded: the 95 % interval of each point, whole accounts drawn.",
            plots.gain_plot({chosen: gain_curve(y, odds)}, content.gain_points(record)),
        ),
        _Picture(
            "reliability", "Do the probabilities hold?",
            "On the test, leads in up to 15 groups of equal size by probability; dots on the line are right. "
            "Both axes are stretched at the low end.",
            plots.reliability_plot(content.reliability_points(record)),
        ),
        _Picture(
            "scores", "Who gets which score",
            "On the test. The further apart the two, the better the model tells them apart.",
            plots.score_plot(scores, y, lines),
        ),
    ]  # fmt: skip
    if len(evaluation.selection.trials) > 1:
        found.append(_Picture(
            "rungs", "Buyers found, rung by rung",
            "On the test. The rung was chosen on development, before the test was read.",
            plots.gain_plot(_rung_curves(record)),
        ))  # fmt: skip
    shares, label = importance(record.bundle) if record.bundle is not None else ({}, "")
    if shares:
        found.append(_Picture(
            "importance", "What the model looks at",
            "Weight of each kind of information in the model; it goes with buying, it need not cause it.",
            plots.importance_plot(shares, label),
        ))  # fmt: skip
    return found


def _rung_curves(record: TrainingRecord) -> dict[str, tuple[Float64, Float64]]:
    found = record.evaluation
    y = record.dataset.y[found.test_rows]
    return {RUNGS[name]: gain_curve(y, odds) for name, odds in found.log_odds_by_rung.items()}


def importance(bundle: Bundle) -> tuple[dict[str, float], str]:
    """Share of each reason group in the model, the largest first, and what the share is of.

    Trees: total gain of the splits. Logistic: absolute weights on standardised columns. Blend: both
    shares, mixed by the blend's weights. Points: the mean points of a rule on the golden rows.
    """
    weights, label = _weights(bundle.scorer.rung, bundle.golden)
    total = weights.sum()
    shares: dict[str, float] = defaultdict(float)
    for feature, weight in zip(bundle.scorer.catalogue.features, weights, strict=True):
        shares[_capital(feature.words or feature.group)] += float(weight / total) if total > 0 else 0.0
    ranked = sorted(
        ((name, share) for name, share in shares.items() if share > 0), key=lambda each: (-each[1], each[0])
    )
    return dict(ranked[:MOST_GROUPS]), label


def _weights(rung: Any, golden: Float64) -> tuple[Float64, str]:
    if isinstance(rung, BlendRung):
        linear, trees = (_weights(part, golden)[0] for part in (rung.logistic, rung.trees))
        parts = [each / each.sum() if each.sum() > 0 else each for each in (linear, trees)]
        return rung.weights[1] * parts[0] + rung.weights[2] * parts[
            1
        ], "Share of weights and of gain, blended"
    if isinstance(rung, LightGBMRung):
        return rung.importance(), "Share of the trees' gain"
    found = np.zeros(golden.shape[1])
    if isinstance(rung, LogisticRung):
        np.add.at(found, rung.encoding.feature, np.abs(rung.weights))
        return found, "Share of the absolute weights"
    if isinstance(rung, PointsRung):
        found[rung.rules] = np.abs(golden[:, rung.rules]).mean(axis=0)
    return found, "Share of the points given"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
