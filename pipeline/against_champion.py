"""The new model against the present champion: its losses on the test, and the bands of the open leads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.builder import build_features
from features.catalogue import Catalogue
from features.contracts import Tables
from models.bundle import Bundle, load_bundle, write_bundle
from models.calibration import row_log_loss
from models.evaluation import Evaluation, Examples
from models.gate import Check, judge_champion
from models.ladder import Recipe
from models.settings import LightGBMSettings
from models.tiers import fit_tiered, tiering_of
from pipeline.band_stability import band_check, band_stability
from pipeline.config import Project
from pipeline.dataset import Dataset
from pipeline.final_fit import is_same_question
from pipeline.record import Verdict

__all__ = [
    "against_champion",
    "against_its_bands",
    "as_challenger",
    "champion_features",
    "champion_odds",
    "present_champion",
]

Float64 = NDArray[np.float64]
Tell = Callable[[str], None]


def present_champion(project: Project, tell: Tell) -> Bundle | None:
    """The champion's bundle, if it answers the same question: target, horizon and entity."""
    from pipeline import tracking

    if tracking.champion_version(project) is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        bundle = load_bundle(tracking.fetch_bundle(project, "champion", Path(scratch)))
    if not is_same_question(bundle.manifest["question"], project):
        tell(
            "the champion answers another question (target, horizon or snapshots): a new line of versions starts"
        )
        return None
    return bundle


def against_champion(
    champion: Bundle | None,
    evaluation: Evaluation,
    dataset: Dataset,
    examples: Examples,
    catalogue: Catalogue,
    project: Project,
) -> Check | None:
    """Paired log losses on the test; the champion's recipe is fitted again on what came before it.

    The champion's own fit may have seen the test, so it is its recipe, features and calibration that
    compete; both fitted once and without a shift of the level, so that neither knows more of the test.
    Where the tables no longer hold its attributes, its recipe makes do with the new features.
    """
    if champion is None:
        return None
    X = examples.X
    own = champion_features(champion, dataset)
    if own is not None:
        catalogue, X = own
    if champion.manifest["recipe"]["rung"] == "points" and len(catalogue.columns(["points"])) == 0:
        nan = float("nan")
        said = (
            "The champion is a points table whose columns are gone, so nothing could be compared; the champion stays "
            "until a version is promoted by hand (lead-scoring promote)."
        )
        return Check("log_loss_against_champion", "not_shown", nan, nan, nan, (0.0,), said)
    rows, test = evaluation.slices.development, evaluation.test_rows
    odds = champion_odds(champion, catalogue, X[rows], examples.y[rows], X[test], project)
    y, clusters = examples.y[test], examples.timeline.cluster[test]
    return judge_champion(row_log_loss(y, evaluation.static_log_odds), row_log_loss(y, odds), clusters)


def champion_features(champion: Bundle, dataset: Dataset) -> tuple[Catalogue, Float64] | None:
    """The champion's own features of all examples; None where the tables no longer hold its attributes."""
    # what this training may not look at, its rival may not either: a leak would stay champion for ever
    usable = set(dataset.data.leads.columns).intersection(dataset.sources.usable())
    if not set(champion.sources.usable()) <= usable:
        return None
    catalogue = champion.scorer.catalogue
    return catalogue, build_features(dataset.data, dataset.rows, catalogue, champion.sources)


def champion_odds(
    champion: Bundle, catalogue: Catalogue, X: Float64, y: Float64, X_test: Float64, project: Project
) -> Float64:
    """(test,) calibrated log-odds of the champion's recipe, fitted again on other rows and without its shift."""
    kept = champion.manifest["recipe"]
    recipe = Recipe(kept["rung"], kept["penalty"], kept["rounds"], tuple(kept["weights"]))
    trees = LightGBMSettings(**kept.get("lightgbm", project.model.lightgbm.model_dump()))
    model = project.model.model_copy(update={"lightgbm": trees})
    rung = fit_tiered(recipe, tiering_of(champion.scorer.rung, catalogue), X, y, catalogue, model)
    shift = champion.manifest.get("prior_shift", {}).get("value", 0.0)
    return champion.scorer.calibration.shifted(-shift).log_odds(rung.margin(X_test))


def against_its_bands(
    project: Project,
    tables: Tables,
    champion: Bundle | None,
    bundle: Bundle | None,
    verdict: Verdict,
    tell: Tell,
) -> Check | None:
    """Whether open leads would keep their bands; None without a champion or a model to compare."""
    if champion is None or bundle is None or verdict == "refused":
        return None
    found = band_stability(project, tables, champion, bundle, tell)
    if found is None:
        return None
    return band_check(found, project.gate.band_changes_most, is_re_anchored=project.bands.re_anchor)


def as_challenger(bundle: Bundle, folder: Path) -> Bundle:
    """The same bundle with the verdict that its bands have left it."""
    kept = {name: value for name, value in bundle.manifest.items() if name not in {"sources", "files"}}
    record = {**kept, "verdict": "challenger"}
    return write_bundle(folder, bundle.scorer, bundle.sources, bundle.golden, record, parts=bundle.parts)
