"""What parts the test: months, bands, and the values of segment columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from features.asof import NEVER
from features.errors import ConfigError
from models.evaluation import Evaluation
from models.slices import SliceFigures, judge_parts
from models.split import blocks_in_time
from pipeline.config import Project
from pipeline.dataset import Dataset

__all__ = ["figures_by_part", "periods", "segment_columns", "weak_words"]

Bools = NDArray[np.bool_]
MOST_COLUMNS = 4
MOST_VALUES = 12
SHOWN_VALUES = 8
UNDATED_PARTS = 8
OTHERS = "all others"
RESERVED = ("month", "period", "band")  # kinds of parts; a column of that name gets a star
MISSING = "(unknown)"


def figures_by_part(project: Project, dataset: Dataset, evaluation: Evaluation) -> tuple[SliceFigures, ...]:
    """Promised and came of the test by month, band and segment, in that order.

    Flat exports without dates are parted into eight parts in their order instead of months.

    Raises
    ------
    ConfigError
        If `report.segments` names a column that the leads do not have.
    """
    test = evaluation.test_rows
    y, p = dataset.y[test], np.asarray(expit(evaluation.test_log_odds))
    lead, cluster = dataset.lead_code[test], dataset.timeline.cluster[test]
    kinds: list[tuple[str, dict[str, Bools]]] = [periods(dataset, evaluation)]
    if not evaluation.is_refused:
        kinds.append(("band", _bands(project, evaluation, p)))
    for name in segment_columns(project, dataset):
        values = dataset.data.leads[name].to_numpy(dtype=object)[dataset.rows.lead[test]]
        kinds.append((f"{name}*" if name in RESERVED else name, _values(values)))
    found = [judge_parts(kind, parts, y, p, lead, cluster) for kind, parts in kinds]
    return tuple(each for kind in found for each in kind)


def segment_columns(project: Project, dataset: Dataset) -> tuple[str, ...]:
    """The columns named by `report.segments`, else the first categories with 2 to 12 values that are known in time."""
    leads = dataset.data.leads
    asked = project.report.segments
    lost = [name for name in asked if name not in leads.columns]
    if lost:
        raise ConfigError(
            f"report.segments names {len(lost)} columns that the leads do not have; the first is '{lost[0]}'. "
            f"Found are {', '.join(str(name) for name in leads.columns[:30])}."
        )
    if asked:
        return asked
    since, kinds = project.attributes.availability(), project.attributes.kinds()
    usable = [
        name
        for name, kind in kinds.items()
        if kind in {"category", "boolean"} and since[name] == "at_creation" and name in leads.columns
    ]
    return tuple([name for name in usable if 2 <= leads[name].nunique() <= MOST_VALUES][:MOST_COLUMNS])


def weak_words(slices: Sequence[SliceFigures]) -> list[str]:
    """A sentence for each slice in which the probabilities are shown to be off."""
    return [
        f"{each.kind} {each.name}: promised {100 * each.promised:.1f} %, came {100 * each.came.value:.1f} % "
        f"({100 * each.came.low:.1f} to {100 * each.came.high:.1f} %), on {each.rows:,} rows with "
        f"{each.conversions:,} conversions."
        for each in slices
        if each.is_weak
    ]


def periods(dataset: Dataset, evaluation: Evaluation) -> tuple[str, dict[str, Bools]]:
    """ "month" and the test rows of each; of flat exports without dates "period" and eight parts in their order."""
    as_of = dataset.rows.as_of[evaluation.test_rows]
    if (as_of != NEVER).all():
        months = pd.to_datetime(as_of, unit="us").strftime("%Y-%m").to_numpy(dtype=object)
        return "month", {str(month): months == month for month in np.unique(months.astype(str))}
    if not dataset.timeline.is_ordered:
        return "period", {}
    block = blocks_in_time(dataset.timeline.order[evaluation.test_rows], UNDATED_PARTS)[0]
    count = int(block.max()) + 1
    return "period", {f"part {each + 1} of {count}": block == each for each in range(count)}


def _bands(project: Project, evaluation: Evaluation, p: NDArray[np.float64]) -> dict[str, Bools]:
    names = evaluation.test_bands(project.bands)
    least = {str(name): float(p[names == name].min()) for name in set(names)}
    return {name: names == name for name in sorted(least, key=lambda each: -least[each])}


def _values(values: NDArray[np.object_]) -> dict[str, Bools]:
    """The most frequent values, the largest first, then all others, then what is missing."""
    is_missing: Bools = pd.isna(values)
    text = np.where(is_missing, MISSING, values.astype(str))
    counts = pd.Series(text[~is_missing]).value_counts()
    ranked = sorted(counts.index, key=lambda each: (-int(counts[each]), each))
    parts: dict[str, Bools] = {str(value): (text == value) & ~is_missing for value in ranked[:SHOWN_VALUES]}
    if len(ranked) > SHOWN_VALUES:
        parts[OTHERS] = np.isin(text, ranked[SHOWN_VALUES:]) & ~is_missing
    if is_missing.any():
        parts[MISSING] = is_missing
    return parts
