"""How often leads are won over time, and how many examples the project's settings make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency

from features.asof import microseconds, snapshot_examples, spells_of
from features.contracts import Tables
from features.labels import label_examples, latest_mature
from pipeline.audit.frames import LeadHistory
from pipeline.audit.result import Finding
from pipeline.audit.statistics import time_blocks
from pipeline.config import Project

__all__ = ["base_rates", "count_conversions"]

_FEW = 100


def base_rates(history: LeadHistory) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Share of wins by tenth of the leads in time order, and a warning where it moves.

    With snapshots a win counts within the horizon after creation, so that every lead had the same time.

    The warning's limits: chi-square p < .001, and the highest tenth at least 1.5 times the lowest.
    """
    known = ~np.isnan(history.y_in_time)
    if not history.is_ordered or known.sum() < 200:
        return [], []
    tenth, y = time_blocks(history.order[known]), history.y_in_time[known]
    table = pd.DataFrame({"tenth": tenth, "y": y}).groupby("tenth")["y"].agg(["size", "sum"])
    rates = [
        {"tenth": int(str(block)) + 1, "leads": int(row["size"]), "rate": float(row["sum"] / row["size"])}
        for block, row in table.iterrows()
    ]
    if len(rates) < 2 or not 0 < y.mean() < 1:
        return rates, []
    p = float(chi2_contingency(np.c_[table["sum"], table["size"] - table["sum"]])[1])
    shares = [row["rate"] for row in rates]
    if p >= 0.001 or max(shares) < 1.5 * min(shares):
        return rates, []
    words = (
        f"the share won moves over time from {min(shares):.1%} to {max(shares):.1%} by tenth of the leads "
        f"(chi-square {_p_words(p)}): a model of the past may be off for fresh leads; "
        "retrain often and watch calibration"
    )
    return rates, [Finding("outcomes", "rate_moves", "warning", words)]


def count_conversions(
    tables: Tables, history: LeadHistory, project: Project
) -> tuple[dict[str, Any], list[Finding]]:
    """Rows, leads and conversions that training would see, and how many rows are not mature yet."""
    if project.snapshots.mode == "static":
        known = ~np.isnan(history.y)
        counts: dict[str, Any] = {
            "rows": int(known.sum()),
            "leads": int(known.sum()),
            "conversions": int(np.nansum(history.y)),
            "open": int((~known).sum()),
        }
        return counts, _too_few(counts["conversions"])
    if pd.isna(tables.data_end):
        words = "nothing says when the data end: no event, no outcome and no data.data_end"
        return {}, [Finding("examples", "no_data_end", "warning", words)]
    end = int(microseconds(tables.data_end)[0])
    spells = spells_of(tables.leads, tables.outcomes, project.target)
    examples = snapshot_examples(spells, project.snapshots, end)
    labelled = label_examples(examples, end, project.target)
    last = latest_mature(end, project.target)
    counts = {
        "rows": len(labelled.y),
        "leads": len(np.unique(labelled.examples.lead)),
        "conversions": int(labelled.y.sum()),
        "immature_rows": labelled.n_immature,
        "rows_in_grace": labelled.n_in_grace,
        "latest_mature_as_of": str(np.datetime64(last, "us").astype("datetime64[s]")) + "Z",
        "data_end": tables.data_end.isoformat(),
    }
    found = _too_few(counts["conversions"])
    if labelled.n_immature > len(labelled.y):
        words = (
            f"{labelled.n_immature} of {len(examples)} rows are not mature: their target.horizon is "
            "not over at the end of the data. A shorter horizon or a longer export would use more of them"
        )
        found.append(Finding("examples", "mostly_immature", "warning", words, labelled.n_immature))
    return counts, found


def _p_words(p: float) -> str:
    return "p < 1e-12" if p < 1e-12 else f"p = {p:.1g}"


def _too_few(conversions: int) -> list[Finding]:
    if conversions >= _FEW:
        return []
    words = f"{conversions} conversions are few: below {_FEW} no model can be told from chance"
    return [Finding("examples", "few_conversions", "warning", words, conversions)]
