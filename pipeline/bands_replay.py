"""Out-of-sample paths of past weeks: a recipe that knows nothing of them scores every open lead at every cut.

The champion itself was fitted on all mature rows, the replayed weeks among them, so its own scores of these weeks
would be hindsight: its leads would look more certain than they were. Its recipe, fitted and calibrated on rows whose
labels were complete before the first cut, stands in for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.asof import Examples, open_examples
from features.builder import build_features, learn_catalogue
from features.catalogue import Catalogue
from features.contracts import Tables
from features.errors import InputError
from features.labels import label_examples
from features.prepare import FeatureSources, Prepared
from models.bundle import Bundle
from models.calibration import Calibration
from models.capacity import Paths, Replayed, paths_of
from models.capacity_forecast import Entries, Forecast, Level, forecast, level_at_entry, level_error
from models.classifier import RungModel
from models.ladder import fit_rung
from models.selection import out_of_fold, select_rung
from models.settings import LightGBMSettings, ModelSettings, Rung
from models.split import Timeline, rolling_folds
from pipeline.config import Project
from pipeline.dataset import Dataset, data_end_of, labelled_dataset

__all__ = ["Asked", "PastWeeks", "asked_of", "open_at", "past_weeks", "project_of", "promised"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Tell = Callable[[str], None]
LEAST_CONVERSIONS = 20


@dataclass(frozen=True)
class Asked:
    """What is fitted for the replay: one rung, its settings, and the moments of the cuts.

    Attributes
    ----------
    every : microseconds between cuts.
    n_cuts : how many, the last one at `last`.
    last : the latest cut; the end of the data unless an earlier one is asked for.
    """

    rung: Rung
    model: ModelSettings
    every: int
    n_cuts: int
    last: int | None = None


@dataclass(frozen=True)
class PastWeeks:
    """Past weeks as a model saw them that knew nothing of them.

    Attributes
    ----------
    paths : log-odds of the open leads at the cuts.
    outcome : (cuts, leads) 1 for a win within the horizon, 0 for none, NaN where that can't be told yet.
    complete : (cuts,) when the outcomes of the entries at each cut were all known.
    out_of_fold : labels, probabilities and clusters of the rows the calibration was fitted on.
    amounts : (wins,) amounts of the wins among the fitted rows, where known.
    fitted_rows, fitted_conversions : what the recipe was fitted on.
    """

    paths: Paths
    outcome: Float64
    complete: Int64
    out_of_fold: tuple[Float64, Float64, Int64]
    amounts: Float64
    fitted_rows: int
    fitted_conversions: int


def project_of(project: Project, champion: Bundle) -> Project:
    """The project with what the champion's training knew of attributes, events and target."""
    sources = champion.sources
    known = {"attributes": sources.attributes, "events": sources.events, "features": sources.features}
    return project.model_copy(update={**known, "target": sources.target})


def asked_of(project: Project, champion: Bundle, every: int, n_cuts: int) -> Asked:
    """The champion's recipe, to be fitted anew.

    Raises
    ------
    InputError
        If the champion gives no probabilities, or scores a flat export, which has no weeks.
    """
    if champion.sources.is_static or champion.scorer.table_lines is not None:
        what = "scores a flat export" if champion.sources.is_static else "is a bare points table"
        raise InputError(
            f"The champion {champion.model_version} {what}, so no past weeks can be replayed for it. Bands by "
            "capacity need leads, events and outcomes with their moments, and probabilities."
        )
    kept = champion.manifest["recipe"]
    trees = LightGBMSettings(**kept.get("lightgbm", project.model.lightgbm.model_dump()))
    rungs = ("logistic", "lightgbm", "blend") if kept["rung"] == "blend" else (kept["rung"],)
    update = {"lightgbm": trees, "logistic_penalties": (kept["penalty"],), "rungs": rungs}
    return Asked(kept["rung"], project.model.model_copy(update=update), every, n_cuts)


def past_weeks(project: Project, tables: Tables, asked: Asked, tell: Tell) -> PastWeeks:
    """Fit what is asked for on rows known before the first cut and score the open leads of every cut.

    Raises
    ------
    InputError
        If too little was known before the first cut to fit anything.
    """
    dataset = labelled_dataset(project, tables)
    end = data_end_of(tables)
    last = end if asked.last is None else asked.last
    cuts = last - asked.every * np.arange(asked.n_cuts, dtype=np.int64)[::-1]
    before = np.flatnonzero((dataset.timeline.known_at <= cuts[0]) & (dataset.rows.as_of < cuts[0]))
    won = int(dataset.y[before].sum())
    if won < LEAST_CONVERSIONS:
        weeks = asked.every * asked.n_cuts / 604_800_000_000
        raise InputError(
            f"Only {won} conversions among {len(before):,} rows were known {weeks:.0f} weeks before the end of the "
            f"data; at least {LEAST_CONVERSIONS} are needed to fit the recipe on. Replay fewer weeks (--weeks)."
        )
    tell(f"fitting the recipe on {len(before):,} rows known before the weeks to replay")
    fitted = _fit(dataset, before, asked, project)
    rows = open_at(dataset.data, cuts)
    odds = fitted.log_odds(dataset.data, rows, project.score.chunk_rows, tell)
    account = dataset.data.account[rows.lead]
    cluster = np.where(account >= 0, account, len(dataset.data.member_start) + rows.lead)
    paths = paths_of(rows.lead, rows.as_of, odds, cluster)
    amounts = dataset.amount[before]
    complete = cuts + project.target.horizon + project.target.outcome_delay
    return PastWeeks(
        paths, _outcomes(paths, rows, end, project), complete, fitted.out_of_fold, amounts[np.isfinite(amounts)],
        len(before), won,
    )  # fmt: skip


def promised(past: PastWeeks, found: Replayed, ahead: int, known_by: int) -> tuple[Forecast, Level]:
    """What the weeks ahead bring over a line, by its replayed weeks and what had come of their entries by a moment.

    Where too few outcomes were known the level is left as it is, and its error is that of the out-of-fold rows at or
    above the line.
    """
    odds = past.paths.log_odds[found.cut, found.lead]
    cluster = past.paths.cluster[found.lead]
    is_known = past.complete[found.cut] <= known_by
    level = level_at_entry(np.where(is_known, past.outcome[found.cut, found.lead], np.nan), odds, cluster)
    error = level.error
    if not np.isfinite(error):
        y, p, by_account = past.out_of_fold
        is_above = p >= expit(found.line)
        error = level_error(y[is_above], p[is_above], by_account[is_above])
    entries = Entries(found.week, cluster, expit(odds + level.shift), found.weeks)
    said = forecast(
        entries,
        ahead,
        level=error if np.isfinite(error) else 0.0,
        dispersion=level.dispersion,
        amounts=past.amounts,
    )
    return said, level


@dataclass(frozen=True)
class _Fitted:
    rung: RungModel
    calibration: Calibration
    catalogue: Catalogue
    sources: FeatureSources
    out_of_fold: tuple[Float64, Float64, Int64]

    def log_odds(self, data: Prepared, rows: Examples, chunk_rows: int, tell: Tell) -> Float64:
        parts = []
        for start in range(0, len(rows), chunk_rows):
            chunk = rows.take(np.arange(start, min(start + chunk_rows, len(rows))))
            X = build_features(data, chunk, self.catalogue, self.sources)
            parts.append(self.calibration.log_odds(self.rung.margin(X)))
            tell(f"scored {start + len(chunk):,} of {len(rows):,} open leads at past cuts")
        return np.concatenate([np.zeros(0), *parts])


def _fit(dataset: Dataset, before: Int64, asked: Asked, project: Project) -> _Fitted:
    """The rung on the rows before, calibrated on rolling folds among them."""
    rows, y, times = dataset.rows.take(before), dataset.y[before], dataset.timeline
    timeline = Timeline(times.order[before], times.known_at[before], times.cluster[before], times.is_ordered)
    catalogue = learn_catalogue(dataset.data, rows, dataset.sources)
    X = build_features(dataset.data, rows, catalogue, dataset.sources)
    folds = rolling_folds(timeline, np.arange(len(y)), y, project.split)
    if not folds:
        raise InputError(
            f"The {len(y):,} rows known before the weeks to replay make no folds to calibrate on. Replay fewer weeks "
            "(--weeks)."
        )
    found = out_of_fold(X, y, catalogue, timeline, folds, asked.model)
    selection = select_rung(found, y, timeline, asked.model, catalogue)
    recipe = replace(selection.recipe, rung=asked.rung)
    calibration = selection.calibrations[asked.rung]
    margins = _margins(found.margins, asked.rung, recipe.weights)
    held = (y[found.rows], calibration.probability(margins), timeline.cluster[found.rows])
    return _Fitted(
        fit_rung(recipe, X, y, catalogue, asked.model), calibration, catalogue, dataset.sources, held
    )


def _margins(by_rung: dict[str, Float64], rung: Rung, weights: tuple[float, float, float]) -> Float64:
    if rung != "blend":
        return by_rung[rung]
    return weights[0] + weights[1] * by_rung["logistic"] + weights[2] * by_rung["lightgbm"]


def open_at(data: Prepared, cuts: Int64) -> Examples:
    """The leads open at each cut, cut by cut."""
    assert data.spells is not None
    parts = [open_examples(data.spells, int(cut)) for cut in cuts]
    columns = {name: np.concatenate([getattr(each, name) for each in parts]) for name in vars(parts[0])}
    return Examples(**columns)


def _outcomes(paths: Paths, rows: Examples, end: int, project: Project) -> Float64:
    labelled = label_examples(rows, end, project.target)
    found = np.full(paths.log_odds.shape, np.nan)
    cut = np.searchsorted(paths.cuts, labelled.examples.as_of)
    found[cut, np.searchsorted(paths.lead, labelled.examples.lead)] = labelled.y
    return found
