"""Fit alone and activity alone, from the project file to the columns and the report, and in simulated worlds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.builder import build_features
from models.bundle import Bundle
from models.intervals import Interval
from models.sub_scores import choose_sub_recipes, fit_sub_scores, half_columns
from models.trainer import evaluate
from pipeline.config import Project, load_project
from pipeline.dataset import labelled_dataset
from pipeline.open_leads import leads_to_score, tables_for
from pipeline.record import TrainingRecord
from pipeline.report_sub_scores import sub_score_table
from pipeline.score import score_project
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.sub_scores import SUB_SCORES, sub_score_columns
from pipeline.tables import load_tables
from pipeline.train import development_examples, train_project
from tests.pipeline.conftest import FLAT, manifest, scores

QUICK = """
[model]
rungs = ["logistic"]
bootstrap = 200
[rolling]
blocks = 1
[features]
windows = ["30d"]
half_lives = ["14d"]
[split]
folds = 3
"""


def flat_project(folder: Path) -> Project:
    """A flat export in which size and colour tell the outcome; the last 30 leads are open."""
    rng, n = np.random.default_rng(7), 600
    size, colour = rng.normal(size=n).round(3), rng.choice(["red", "blue", "green"], n)
    odds = -0.8 + 1.2 * (size + (colour == "red"))
    bought = np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "yes", "no").astype(object)
    bought[-30:] = ""
    ids = [f"F{number:04d}" for number in range(n)]
    leads = pd.DataFrame({"lead_id": ids, "size": size, "colour": colour, "bought": bought})
    leads.to_csv(folder / "leads.csv", index=False)
    text = f"{FLAT}[score]\nsub_scores = true\n"
    (folder / "lead-scoring.toml").write_text(text, encoding="utf-8")
    return load_project(folder / "lead-scoring.toml")


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, TrainingRecord, Path]:
    """A flat project trained with the setting on, and its scores."""
    folder = tmp_path_factory.mktemp("flat")
    project = flat_project(folder)
    record = train_project(project, lambda _: None).record
    assert record.bundle is not None
    score_project(project, kept(record), folder / "scores.parquet", None, lambda _: None)
    return project, record, folder / "scores.parquet"


def kept(record: TrainingRecord) -> Bundle:
    """The record's bundle, as its place has it."""
    assert record.bundle is not None
    return record.bundle


def halves_in(folder: Path, *off: str) -> dict[str, Interval]:
    """AUC of both halves, and of the lead's age alone, in a simulated world that is denied some mechanisms."""
    simulate_to_folder(WorldSettings(n_leads=6_000, seed=3, off=off), folder, "csv")
    path = folder / "lead-scoring.toml"
    text = path.read_text(encoding="utf-8").replace('every = "14d"', 'every = "28d"')
    path.write_text(text + QUICK, encoding="utf-8")
    project = load_project(path)
    dataset = labelled_dataset(project, load_tables(project))
    examples, catalogue = development_examples(project, dataset, lambda _: None)
    evaluation = evaluate(examples, catalogue, project.plan)
    found = choose_sub_recipes(examples, catalogue, evaluation, project.split)
    but_age = [i for i in half_columns(catalogue, "activity") if catalogue.features[i].op != "age"]
    X = examples.X.copy()
    X[:, but_age] = 0.0
    aged = choose_sub_recipes(replace(examples, X=X), catalogue, evaluation, project.split)["activity"]
    return {**{half: each.intervals["auc"] for half, each in found.items()}, "age": aged.intervals["auc"]}


def test_the_scores_from_the_bundle_are_those_of_a_fresh_fit_to_the_bit(
    flat: tuple[Project, TrainingRecord, Path],
) -> None:
    project, record, output = flat
    dataset, evaluation, bundle = record.dataset, record.evaluation, kept(record)
    examples, catalogue = development_examples(project, dataset, lambda _: None)
    recipes = choose_sub_recipes(examples, catalogue, evaluation, project.split)
    X = build_features(dataset.data, dataset.rows, record.catalogue, dataset.sources)
    fresh = fit_sub_scores(recipes, X, dataset.y, record.catalogue, evaluation.shift.value)
    leads = leads_to_score(tables_for(project, bundle), bundle, project, None)
    asked = build_features(leads.data, leads.rows, bundle.scorer.catalogue, bundle.sources)

    found = scores(output).loc[leads.lead_ids, "fit_score"]

    assert found.tolist() == fresh["fit"].score(asked, evaluation.anchors).tolist()
    assert found.between(0, 100).all()
    assert found.nunique() > 10


def test_a_flat_export_has_a_fit_score_and_no_activity_score(
    flat: tuple[Project, TrainingRecord, Path],
) -> None:
    _, record, output = flat

    assert scores(output)["activity_score"].isna().all()
    assert list(json.loads(kept(record).parts[SUB_SCORES])) == ["fit"]
    assert list(kept(record).manifest["sub_scores"]) == ["fit"]


def test_the_report_sets_the_halves_beside_the_model_with_the_manifests_figures(
    flat: tuple[Project, TrainingRecord, Path],
) -> None:
    _, record, _ = flat

    table = sub_score_table(record)

    assert table is not None
    assert [row.cells[0] for row in table.rows] == ["Fit alone", "The model, both"]
    value, low, high = kept(record).manifest["sub_scores"]["fit"]["auc"]
    assert 0.5 < low < value < high
    shown = table.rows[0].cells[2]
    assert (shown.value, shown.interval) == (f"{value:.3f}", f"{low:.3f} to {high:.3f}")  # type: ignore[union-attr]
    # of a flat export fit is all there is: the whole, which has the same features and ladder, says the same
    assert table.rows[1].cells[2].value == pytest.approx(shown.value)  # type: ignore[union-attr]


def test_without_the_setting_there_is_neither_part_nor_figure_nor_section_nor_column(
    flat: tuple[Project, TrainingRecord, Path],
) -> None:
    project, record, output = flat
    off = project.model_copy(update={"score": project.score.model_copy(update={"sub_scores": False})})
    bare = replace(
        kept(record), parts={}, manifest={k: v for k, v in kept(record).manifest.items() if k != "sub_scores"}
    )

    assert sub_score_columns(off, kept(record), np.zeros((1, len(record.catalogue)))) == {}
    assert sub_score_columns(project, bare, np.zeros((1, len(record.catalogue)))) == {}
    assert sub_score_table(replace(record, bundle=bare)) is None
    assert sub_score_table(replace(record, bundle=None)) is None
    assert "overrides" not in manifest(output)


@pytest.mark.slow
def test_where_activity_says_nothing_the_fit_score_carries_all(tmp_path: Path) -> None:
    found = halves_in(tmp_path, "activity", "account")

    # what is left in the activity half is how long the lead has been open, which no switch takes away
    assert found["activity"].value < found["age"].high
    assert found["activity"].low < 0.55
    assert found["fit"].low > 0.55
    assert found["fit"].value > found["activity"].value + 0.05


@pytest.mark.slow
def test_where_fit_says_nothing_the_activity_score_carries_all(tmp_path: Path) -> None:
    found = halves_in(tmp_path, "fit", "entry", "account", "lifecycle")

    assert found["fit"].low < 0.55
    assert found["activity"].low > 0.7
    assert found["activity"].value > found["fit"].value + 0.15
