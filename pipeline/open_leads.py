"""Who is to be scored at a moment, and their rows chunk by chunk, as a bundle's model reads them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER, Examples, microseconds, open_examples
from features.builder import build_features
from features.contracts import Tables
from features.entities import NOUNS, PRODUCT_MARK
from features.errors import BundleError, InputError
from features.prepare import Prepared, prepare
from features.settings import Entity
from models.bundle import Bundle
from models.scorer import Scored
from pipeline.config import Project
from pipeline.dataset import data_end_of, known_labels, static_rows
from pipeline.tables import load_tables

__all__ = ["OpenLeads", "feature_chunks", "leads_to_score", "scored_chunks", "tables_for", "why_unknown"]

Float64 = NDArray[np.float64]
Tell = Callable[[str], None]


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


def why_unknown(tables: Tables, lead_id: str, entity: Entity = "lead") -> str:
    """Why there is no lead of this id: it is in quarantine, or not in the table; with the nearest id."""
    held = tables.quarantine[tables.quarantine["table"] == "leads"]
    held = held[held["lead_id"] == lead_id]
    if len(held):
        return f"Lead '{lead_id}' is in quarantine: {held.iloc[0]['code']}, {held.iloc[0]['detail']}."
    ids = [str(each) for each in tables.leads["lead_id"]]
    of_lead = [each for each in ids if each.startswith(lead_id + PRODUCT_MARK)]  # it lacks the product alone
    near = of_lead or difflib.get_close_matches(lead_id, ids, n=1)
    place = (
        f"There is no lead '{lead_id}' in the leads table."
        if entity == "lead"
        else f"'{lead_id}' is none of the {NOUNS[entity]} of this target."
    )
    return place + (f" Did you mean '{near[0]}'?" if near else "")


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
