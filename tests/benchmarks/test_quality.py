"""Quality beside others: the verdict by hand, the page, and a run of ours beside a logistic regression."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from benchmarks import quality, tasks
from benchmarks.peers import PEERS, Job, TimeFolds, pooled_loss
from benchmarks.quality import judged, run_set, sections, verdict_of
from benchmarks.tasks import QUICK, Answer, Budget, Task, ask_peer, job_of, last_words, learn_ours, load_task
from features.catalogue import Catalogue
from models.intervals import Interval
from models.settings import LightGBMSettings, ModelSettings
from models.trainer import evaluate


@pytest.fixture(scope="module")
def world() -> Task:
    """1,500 simulated leads with every sixth feature, and a ladder that is quick to fit."""
    task = load_task("world", Budget(leads=1_500), lambda _: None)
    assert task is not None
    trees = LightGBMSettings(
        max_rounds=40, learning_rate=0.15, early_stopping_rounds=10, num_leaves=7, min_data_in_leaf=30
    )
    model = ModelSettings(lightgbm=trees, bootstrap=100, logistic_penalties=(100.0,))
    return replace(
        task,
        examples=replace(task.examples, X=np.ascontiguousarray(task.examples.X[:, ::6])),
        catalogue=Catalogue(task.catalogue.features[::6]),
        plan=task.plan.model_copy(update={"model": model}),
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.009, -0.001, "better"),
        (-0.009, 0.0, "matched"),
        (-0.009, 0.006, "matched"),
        (0.001, 0.006, "matched"),
        (-0.009, 0.0061, "undecided (1,234)"),
        (0.001, 0.02, "undecided (1,234)"),
        (0.006, 0.02, "undecided (1,234)"),
        (0.0061, 0.02, "worse"),
        (float("nan"), float("nan"), "undecided (1,234)"),
    ],
)
def test_the_verdict_follows_the_ends_of_the_interval_and_the_line(
    low: float, high: float, verdict: str
) -> None:
    assert verdict_of(Interval(0.5 * (low + high), low, high), 0.006, 1234) == verdict


def made_up(rate_in_test: float) -> tasks.Result:
    """A result of one set with one peer that is worse, one that did not install."""
    figures = {name: [0.5, 0.25, 0.75] for name in quality.FIGURES}
    common = {"figures": figures, "ece_floor": 0.0131, "predicted_over_observed": 1.0, "chosen": {}}
    found = {
        "name": "tiny", "about": "made | up", "features": 3, "development_rows": 4000, "gap_rows": 10,
        "test_rows": 1000, "test_clusters": 900, "test_conversions": 200, "rates": [0.1, rate_in_test],
        "constant_log_loss": 0.6, "line": 0.006,
        "models": [
            {**common, "model": "ours", "title": "ours", "cpu_s": 2.0, "verdict": None, "versions": {"b": "2"},
             "difference": [0.0, 0.0, 0.0]},
            {**common, "model": "catboost", "title": "CatBoost", "cpu_s": 5.0, "verdict": "better",
             "versions": {"a": "1"}, "difference": [-0.02, -0.03, -0.01]},
            {"model": "autogluon", "title": "AutoGluon", "failed": "did not install: no wheel"},
        ],
    }  # fmt: skip
    return {"machine": quality.machine(), "budget": vars(QUICK), "missing": [], "sets": [found]}


def test_the_page_shows_each_figure_with_its_range_and_who_did_not_install() -> None:
    page = "\n\n".join(sections(made_up(0.2)))

    assert "| set | CatBoost | AutoGluon |\n| --- | --- | --- |\n| tiny | better (2.5) | - |" in page
    ours = next(line for line in page.splitlines() if line.startswith("| ours |"))
    assert ours.split(" | ")[1] == "0.500 (0.250 to 0.750)"
    assert ours.endswith("| 0.50 (0.25 to 0.75) | 0.013 | 2.0 |  |  |")
    assert "| 5.0 | -0.0200 (-0.0300 to -0.0100) | better |" in page
    assert "| AutoGluon | did not install: no wheel |" in page
    assert "Versions: a 1, b 2." in page
    rows = [
        line for line in page.splitlines() if line.startswith(("| ours", "| CatBoost", "| AutoG", "| model"))
    ]
    assert {line.count("|") for line in rows} == {12}


def test_a_rate_that_moved_is_said_to_put_every_level_off() -> None:
    moved, steady = ("\n".join(sections(made_up(rate))) for rate in (0.31, 0.12))

    assert "The rate moved from 0.100 in development to 0.310 in the test: every static model" in moved
    assert "The rate moved" not in steady


def test_the_page_names_no_folder_host_or_user() -> None:
    text = json.dumps(quality.machine())

    assert "/" not in text.replace("\\/", "")
    said = "Building\nerror: 404 for https://some.host/packages\nhint: no wheel at /tmp/y for me@host here\n"
    assert last_words(said) == "hint: no wheel at for here"
    assert last_words("") == "no word of why"


def test_ours_is_what_the_trainer_chooses(world: Task) -> None:
    answer = learn_ours(world, lambda _: None)

    found = evaluate(world.examples, world.catalogue, world.plan)
    assert_allclose(answer.p, expit(found.static_log_odds), rtol=0, atol=1e-12)
    assert world.slices.test.tolist() == found.test_rows.tolist()
    assert answer.chosen["rung"] == found.recipe.rung
    assert answer.cpu_s is not None
    assert answer.cpu_s > 0


def test_a_peer_gets_folds_that_never_look_ahead(world: Task) -> None:
    job, timeline = job_of(world), world.examples.timeline

    rows = np.sort(timeline.order[world.slices.development])
    for k, fold in enumerate(world.folds):
        train, held = job[f"train_{k}"], job[f"validate_{k}"]
        assert rows[train].max() < rows[held].min()
        assert job["y"][held].sum() == world.examples.y[fold.validate].sum()
    assert rows[-1] < timeline.order[world.slices.test].min()
    assert job["X_test"].shape == (len(world.slices.test), job["X"].shape[1])
    assert job["is_category"].sum() == sum(each.is_category for each in world.catalogue.features) > 0


def test_ours_and_a_logistic_regression_are_judged_on_a_simulated_world(world: Task, tmp_path: Path) -> None:
    budget = Budget(n_boot=50)

    found = run_set(world, ["logistic"], budget, tmp_path, lambda _: None)

    by_name = {row["model"]: row for row in found["models"]}
    assert list(by_name) == ["ours", "logistic", "truth"]
    auc = {name: row["figures"]["auc"][0] for name, row in by_name.items()}
    assert 0.65 < auc["logistic"] < auc["truth"]
    assert 0.65 < auc["ours"] < auc["truth"]
    low, high = by_name["logistic"]["difference"][1:]
    assert by_name["logistic"]["verdict"] == verdict_of(
        Interval(0.0, low, high), found["line"], found["test_rows"]
    )
    assert by_name["logistic"]["chosen"]["C"] in {1e-3, 1e-2, 1e-1, 1.0, 10.0}
    assert by_name["truth"]["verdict"] is None
    assert found["line"] == pytest.approx(0.01 * found["constant_log_loss"])
    assert json.loads(json.dumps(found)) == found

    kept = ask_peer("logistic", job_of(world), budget, tmp_path)

    assert isinstance(kept, Answer)
    assert kept.cpu_s == by_name["logistic"]["cpu_s"]  # taken from the folder, not fitted again


def test_a_peer_that_fails_says_so_and_the_others_go_on(
    world: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "environment_of", lambda _: "no wheel for this Python")

    answer = ask_peer("catboost", job_of(world), QUICK, tmp_path)
    assert answer == "did not install: no wheel for this Python"
    ours = Answer("ours", "ours", np.full(len(world.y), 0.2), 1.0, {}, {})
    found = judged(world, [ours, ("catboost", answer)], 20)

    assert found["models"][1] == {"model": "catboost", "title": PEERS["catboost"].title, "failed": answer}


def test_a_missing_category_and_a_new_one_are_levels_of_their_own() -> None:
    X = np.array([[0.0, 1.5], [np.nan, 2.5], [1.0, np.nan]])
    folds = [(np.array([0, 1]), np.array([2]))]
    job = Job(X, np.array([0.0, 1.0, 1.0]), np.array([True, False]), X[:1] + 1.0, folds, 1, 1, 1)

    learned, test = job.frame(job.X), job.frame(np.array([[2.0, 0.0]]))

    assert learned["f0"].tolist() == ["c0", "c-1", "c1"]
    assert test["f0"].tolist() == ["c2"]
    assert learned["f0"].cat.categories.tolist() == test["f0"].cat.categories.tolist()
    assert pooled_loss(job, [np.array([0.5])]) == pytest.approx(np.log(2.0))
    assert TimeFolds(folds).get_n_splits() == len(TimeFolds(folds).split()) == 1


def test_a_set_whose_files_are_missing_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").mkdir()
    source = tasks.ROOT / "examples" / "x_education.toml"
    (tmp_path / "examples" / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(tasks, "ROOT", tmp_path)

    assert load_task("x_education", QUICK, lambda _: None) is None
