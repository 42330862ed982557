"""Runs, versions, aliases and fetched bundles on a temporary sqlite store."""

from __future__ import annotations

import dataclasses
import json
import os
import select
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import BundleError, InputError, OutputError
from models.bundle import load_bundle
from models.pyfunc import PyfuncModel
from models.settings import LightGBMSettings
from models.tuning import Tuning, TuningTrial
from pipeline import tracking
from pipeline.config import Project, load_project
from pipeline.record import TrainingRecord
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.tracking_content import input_example, run_metrics, run_parameters
from pipeline.tracking_ui import _end_group
from pipeline.train import Trained, train_project

SMALL = """
[model]
rungs = ["logistic"]
bootstrap = 100

[features]
families = ["explicit", "recency"]
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A small world, trained into the sqlite store that all tests of this file share."""
    folder = tmp_path_factory.mktemp("world")
    simulate_to_folder(WorldSettings(n_leads=1_200, seed=3, months=9), folder)
    path = folder / "lead-scoring.toml"
    path.write_text(path.read_text(encoding="utf-8") + SMALL, encoding="utf-8")
    return train_project(load_project(path), lambda _: None)


def with_tracking(project: Project, **settings: Any) -> Project:
    """The project with other settings of its section [tracking]."""
    return project.model_copy(update={"tracking": project.tracking.model_copy(update=settings)})


def named(record: TrainingRecord, name: str) -> TrainingRecord:
    """The record, to be registered under a name of its own in the same store."""
    return dataclasses.replace(record, project=with_tracking(record.project, registered_model=name))


def client_of(project: Project) -> Any:
    """MLflow's own client on the project's store."""
    from mlflow import MlflowClient

    return MlflowClient(project.tracking_uri)


@pytest.mark.parametrize("model", ["champion", "1", "models:/roundtrip@champion", "models:/roundtrip/1"])
def test_a_registered_bundle_comes_back_byte_for_byte(trained: Trained, model: str, tmp_path: Path) -> None:
    record = named(trained.record, "roundtrip")
    if tracking.champion_version(record.project) is None:
        logged = tracking.log_training(record, [])
        tracking.set_alias(record.project, str(logged.registered_version), "champion")

    found = tracking.fetch_bundle(record.project, model, tmp_path)

    written = trained.folder / "bundle"
    assert tracking.champion_version(record.project) == "1"
    assert {each.name for each in found.iterdir()} == {each.name for each in written.iterdir()}
    assert all((found / each.name).read_bytes() == each.read_bytes() for each in written.iterdir())


def test_a_store_may_be_named_by_its_address_alone(trained: Trained, tmp_path: Path) -> None:
    found = tracking.fetch_bundle(trained.record.project.tracking_uri, "1", tmp_path)

    assert trained.record.bundle is not None
    assert load_bundle(found).model_version == trained.record.bundle.model_version


def test_the_run_holds_settings_figures_with_intervals_and_digests(trained: Trained) -> None:
    run = client_of(trained.record.project).get_run(trained.run_id)

    auc = trained.record.evaluation.intervals["auc"]
    assert run.info.run_name == f"logistic {run.data.tags['model_version']}"
    assert [run.data.metrics[name] for name in ("auc", "auc_low", "auc_high")] == [
        auc.value,
        auc.low,
        auc.high,
    ]
    assert run.data.metrics["test/conversions"] == trained.record.evaluation.sizes["test"].conversions
    assert run.data.params["recipe.rung"] == "logistic"
    assert run.data.params["target.horizon"] == "30d"
    assert run.data.tags["verdict"] == trained.record.verdict
    digests = {each.dataset.name: each.dataset.digest for each in run.inputs.dataset_inputs}
    assert digests == {name: digest[:36] for name, digest in trained.record.digests.items()}
    assert {name: run.data.tags[f"data.{name}"] for name in digests} == trained.record.digests


def test_report_plots_settings_and_catalogue_lie_with_the_run(trained: Trained) -> None:
    files = {each.path for each in client_of(trained.record.project).list_artifacts(trained.run_id)}

    assert {"report.html", "gain.png", "reliability.png", "settings.json", "catalogue.json"} <= files
    assert {"shap_features.png", "shap_groups.png", "shap_dependence.png"} <= files


def test_the_input_example_holds_numbers_of_features_and_nothing_else(trained: Trained) -> None:
    assert trained.record.bundle is not None
    version = client_of(trained.record.project).get_model_version("lead_scoring", "1")
    uri = client_of(trained.record.project).get_model_version_download_uri("lead_scoring", version.version)
    example = json.loads(
        (Path(uri.removeprefix("file://")) / "input_example.json").read_text(encoding="utf-8")
    )

    assert example["columns"] == trained.record.bundle.scorer.catalogue.names
    cells = [cell for row in example["data"] for cell in row]
    assert cells
    assert all(cell is None or type(cell) in (int, float) for cell in cells)


def test_no_file_of_the_store_names_a_person_or_a_lead(trained: Trained) -> None:
    leads = trained.record.dataset.data.leads
    secrets = [*leads["lead_id"].head(300), *leads["email"].dropna().head(300)]
    files = [
        each for each in (trained.record.project.output_folder / "mlartifacts").rglob("*") if each.is_file()
    ]

    texts = [each.read_text(encoding="utf-8") for each in files if each.suffix != ".png"]

    assert len(texts) > 10
    assert [secret for secret in secrets if any(f'"{secret}"' in text for text in texts)] == []


def test_mlflow_itself_loads_the_bundle_and_scores_alike(trained: Trained, tmp_path: Path) -> None:
    import mlflow

    bundle = trained.record.bundle
    assert bundle is not None
    found = tracking.fetch_bundle(trained.record.project, "1", tmp_path)
    folder = next(parent for parent in found.parents if (parent / "MLmodel").exists())

    scores = mlflow.pyfunc.load_model(str(folder)).predict(input_example(bundle))

    margins = bundle.scorer.margin(bundle.golden[:5])
    assert list(scores.columns) == ["probability", "score", "band"]
    assert scores["probability"].tolist() == bundle.scorer.probability(margins).tolist()
    assert scores["score"].tolist() == bundle.scorer.score(margins).tolist()


def test_features_may_come_in_any_order_but_none_may_lack(trained: Trained) -> None:
    assert trained.record.bundle is not None
    model, example = PyfuncModel(trained.record.bundle), input_example(trained.record.bundle)

    turned = model.predict(example[example.columns[::-1]])

    pd.testing.assert_frame_equal(turned, model.predict(example))
    with pytest.raises(InputError, match=f"1 of {example.shape[1]} features have no column"):
        model.predict(example.iloc[:, 1:])


def test_a_refused_training_is_a_run_without_a_version(trained: Trained) -> None:
    record = dataclasses.replace(named(trained.record, "never"), verdict="refused", bundle=None)

    logged = tracking.log_training(record, [])

    run = client_of(record.project).get_run(logged.run_id)
    assert (logged.registered_version, logged.model_uri) == (None, None)
    assert (run.data.tags["verdict"], run.info.run_name) == ("refused", "logistic refused")
    assert client_of(record.project).search_registered_models("name = 'never'") == []


def test_a_refused_training_with_a_points_table_registers_nothing_either(trained: Trained) -> None:
    record = dataclasses.replace(named(trained.record, "never"), verdict="refused")

    assert tracking.log_training(record, []).registered_version is None


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            "nobody",
            r"no model models:/lead_scoring@nobody: .*Train first.*--bundle DIR.*--model models:/",
        ),
        ("99", "no model models:/lead_scoring/99"),
        ("models:/nobody@champion", "no model models:/nobody@champion"),
        ("models:/", "names no model; expected an alias, a number or models:/NAME@ALIAS"),
    ],
)
def test_a_missing_model_names_the_cure(trained: Trained, model: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=words):
        tracking.fetch_bundle(trained.record.project, model, tmp_path)


def test_asking_a_store_that_does_not_exist_does_not_make_it(trained: Trained, tmp_path: Path) -> None:
    project = with_tracking(trained.record.project, uri=f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}")

    assert tracking.champion_version(project) is None
    with pytest.raises(BundleError, match=r"does not exist yet\. Train first"):
        tracking.fetch_bundle(project, "champion", tmp_path / "files")
    assert list(tmp_path.iterdir()) == []


def test_an_alias_needs_a_version_that_exists(trained: Trained) -> None:
    with pytest.raises(BundleError, match="no model models:/lead_scoring/77"):
        tracking.set_alias(trained.record.project, "77", "champion")


def test_a_store_out_of_reach_is_an_output_error_without_its_password(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    project = with_tracking(trained.record.project, uri="http://ann:secret@127.0.0.1:9")

    with pytest.raises(OutputError, match=r"http://\*\*\*@127\.0\.0\.1:9 can't be used") as caught:
        tracking.champion_version(project)

    assert "secret" not in str(caught.value)


def test_a_damaged_store_is_an_output_error(trained: Trained, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_bytes(b"no database" * 500)

    with pytest.raises(OutputError, match="can't be used"):
        tracking.champion_version(with_tracking(trained.record.project, uri=f"sqlite:///{file}"))


def test_a_deleted_experiment_says_how_to_bring_it_back(trained: Trained) -> None:
    project = with_tracking(trained.record.project, experiment="gone")
    client = client_of(project)
    client.delete_experiment(client.create_experiment("gone"))

    with pytest.raises(OutputError, match=r"'gone' has been deleted\. Restore it"):
        tracking.log_training(dataclasses.replace(trained.record, project=project), [])


def test_artifacts_lie_beside_the_sqlite_store(trained: Trained) -> None:
    project = trained.record.project

    place = client_of(project).get_experiment_by_name("lead_scoring").artifact_location

    assert place == (project.output_folder / "mlartifacts").resolve().as_uri()


def test_telemetry_is_off_and_a_setting_made_outside_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setenv("DO_NOT_TRACK", "1")

    tracking._mlflow()

    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["DO_NOT_TRACK"] == "1"


def test_importing_tracking_imports_neither_mlflow_nor_matplotlib() -> None:
    words = "import sys, pipeline.tracking, pipeline.report; print({'mlflow', 'matplotlib', 'shap'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


def test_the_store_that_was_set_before_comes_back(trained: Trained) -> None:
    import mlflow

    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    before, named_before = mlflow.get_tracking_uri(), [os.environ.get(name) for name in names]

    tracking.champion_version(trained.record.project)

    assert (mlflow.get_tracking_uri(), [os.environ.get(name) for name in names]) == (before, named_before)


def test_a_registry_named_outside_stays_named(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "sqlite:///elsewhere.db")

    tracking.champion_version(trained.record.project)

    assert os.environ["MLFLOW_REGISTRY_URI"] == "sqlite:///elsewhere.db"


def test_settings_are_recorded_without_the_address_of_the_store(trained: Trained) -> None:
    project = with_tracking(trained.record.project, uri="postgresql://ann:secret@db/leads")
    record = dataclasses.replace(trained.record, project=project)

    assert "secret" not in json.dumps(project.plain_settings())
    assert "secret" not in json.dumps(run_parameters(record))


def test_parameters_are_short_and_figures_finite(trained: Trained) -> None:
    many = trained.record.project.data.model_copy(update={"folder": "long/" * 400})
    record = dataclasses.replace(
        trained.record, project=trained.record.project.model_copy(update={"data": many})
    )
    unknown = dataclasses.replace(record.evaluation.intervals["auc"], low=float("nan"))
    evaluation = dataclasses.replace(record.evaluation, intervals={"auc": unknown})

    figures = run_metrics(dataclasses.replace(record, evaluation=evaluation))

    assert max(map(len, run_parameters(record).values())) == 500
    assert "auc_low" not in figures
    assert np.isfinite(list(figures.values())).all()


def test_a_port_that_is_taken_is_said_before_anything_starts(trained: Trained) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(
            OutputError, match=rf"127\.0\.0\.1:{port} can't be used: .* Choose another --port"
        ):
            tracking.serve_ui(trained.record.project, "127.0.0.1", port)


def test_ending_the_page_ends_its_workers_too() -> None:
    words = "import subprocess; subprocess.Popen(['sleep', '60']); print('ready', flush=True); input()"
    server = subprocess.Popen(
        [sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )

    with server:
        assert server.stdout is not None
        server.stdout.readline()
        _end_group(server)

        is_closed, _, _ = select.select([server.stdout], [], [], 10)
        assert is_closed, "the worker still holds the pipe"
        assert server.stdout.read() == b""


def test_each_trial_of_a_search_is_a_child_run(trained: Trained, tmp_path: Path) -> None:
    trials = (
        TuningTrial(0, {"num_leaves": 15, "lambda_l2": 5.0}, 0.41, "complete", 4),
        TuningTrial(1, {"num_leaves": 31, "lambda_l2": 1.0}, 0.44, "pruned", 2),
    )
    searched = replace(trained.record.evaluation, tuning=Tuning(LightGBMSettings(), trials))
    project = with_tracking(trained.record.project, uri=f"sqlite:///{tmp_path / 'runs.db'}")

    logged = tracking.log_training(
        replace(trained.record, evaluation=searched, project=project, bundle=None), []
    )

    client = client_of(project)
    parent = client.get_run(logged.run_id)
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{logged.run_id}'", order_by=["start_time"]
    )
    assert [each.data.params["num_leaves"] for each in children] == ["15", "31"]
    assert [each.data.tags["state"] for each in children] == ["complete", "pruned"]
    assert children[1].data.metrics == {"log_loss": 0.44, "folds": 2.0}
    assert parent.data.metrics["tuning/best_loss"] == 0.41
