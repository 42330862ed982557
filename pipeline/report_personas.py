"""What the report says of personas: who they are, what came of them, and what speaks for them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from features.builder import build_features
from models.slices import judge_parts
from pipeline.record import TrainingRecord
from pipeline.report_calibration import answer
from pipeline.report_figures import Row, Table, cell, formed, sized

__all__ = ["persona_table"]

NONE = "none of them"
HEAD = (
    "Persona",
    "Rows",
    "Leads",
    "Converted",
    "Promised",
    "Came true",
    "Answer",
    "Goes with more, and with less",
)
SHOWN_REASONS = 2


def persona_table(record: TrainingRecord) -> Table | None:
    """The personas of the test, the most frequent first; None where they are off."""
    if record.personas is None:
        return None
    evaluation, names = record.evaluation, record.personas.test
    test = evaluation.test_rows
    shown = np.where(pd.isna(names), NONE, names).astype(str)
    kinds, counts = np.unique(shown, return_counts=True)
    ranked = [str(kinds[k]) for k in np.argsort(-counts, kind="stable")]
    parts = {name: shown == name for name in ranked}
    figures = judge_parts(
        "persona", parts, record.dataset.y[test], np.asarray(expit(evaluation.test_log_odds)),
        record.dataset.lead_code[test], record.dataset.timeline.cluster[test],
    )  # fmt: skip
    reasons = _reasons(record, shown)
    rows = [
        Row((
            each.name, *sized(each.rows, each.leads, each.conversions), formed(each.promised, "%"),
            cell(each.came, "%"), answer(each), reasons.get(each.name, "not shown"),
        ))
        for each in figures
    ]  # fmt: skip
    return Table(
        "Personas", HEAD, tuple(rows), texts=("Answer", HEAD[-1]),
        note="On the test; learned personas are those that development shows. Below each figure: its 95 % interval. "
        "The last column: the reasons whose mean contribution, by the fitted model on these rows, lies furthest above "
        "and below that of all rows.",
    )  # fmt: skip


def _reasons(record: TrainingRecord, shown: NDArray[np.str_]) -> dict[str, str]:
    """The reasons of each persona in words; none without a model."""
    bundle, data = record.bundle, record.dataset
    if bundle is None or bundle.scorer.table_lines is not None:
        return {}
    catalogue = bundle.scorer.catalogue
    X = build_features(data.data, data.rows.take(record.evaluation.test_rows), catalogue, bundle.sources)
    phi = bundle.scorer.explain(X)[1]
    groups, _ = catalogue.groups()
    words = dict.fromkeys(groups, "")
    for feature in catalogue.features:
        words[feature.group] = words[feature.group] or feature.words or feature.group
    found = {}
    for name in np.unique(shown).tolist():
        off = phi[shown == name].mean(axis=0) - phi.mean(axis=0)
        up = [k for k in np.argsort(-off, kind="stable")[:SHOWN_REASONS] if off[k] > 0.005]
        down = [k for k in np.argsort(off, kind="stable")[:1] if off[k] < -0.005]
        told = [f"+ {words[groups[k]]}" for k in up] + [f"- {words[groups[k]]}" for k in down]
        found[name] = ", ".join(told) or "much as all"
    return found
