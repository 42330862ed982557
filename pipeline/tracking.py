"""Runs, versions and aliases in MLflow. The one file that imports it, and only when it is needed."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from features.errors import BundleError, OutputError
from models.bundle import Bundle, write_bundle
from pipeline.config import Project, TrackingSettings
from pipeline.record import TrainingRecord
from pipeline.tracking_content import (
    first_line,
    input_example,
    requirements,
    run_metrics,
    run_name,
    run_parameters,
    run_tags,
    shown_address,
)
from pipeline.tracking_ui import serve_ui

__all__ = [
    "CHAMPION",
    "CURE",
    "Alias",
    "Logged",
    "champion_version",
    "fetch_bundle",
    "is_absent",
    "log_re_anchored",
    "log_training",
    "missing_model",
    "open_store",
    "serve_ui",
    "set_alias",
]

Alias = Literal["champion", "challenger"]
CHAMPION: Alias = "champion"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}
DIGEST_SIZE = 36
CURE = (
    "Train first (lead-scoring train), or give a folder with --bundle DIR, or another version, such as "
    "--model models:/NAME@challenger."
)
ADDRESS = re.compile(r"models:/[^/@]+[/@][^/@]+|models:/m-\w+|runs:/.+")


@dataclass(frozen=True)
class Logged:
    """Where a training lies in the store; version and address are None where nothing was registered."""

    run_id: str
    run_name: str
    registered_version: str | None
    model_uri: str | None


def _mlflow() -> Any:
    """MLflow, imported late, with telemetry off and its log quiet. A setting made outside stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


@contextlib.contextmanager
def open_store(uri: str) -> Iterator[Any]:
    """MLflow at a store; what was set before comes back, what the store says no to is an OutputError."""
    mlflow = _mlflow()
    from sqlalchemy.exc import SQLAlchemyError

    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    named = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            yield mlflow
    except (mlflow.exceptions.MlflowException, SQLAlchemyError, OSError) as error:
        raise OutputError(
            f"The MLflow store {shown_address(uri)} can't be used: {first_line(error)} Check that tracking.uri is "
            "an sqlite:/// file or a server's address, and that it can be reached and written."
        ) from error
    finally:
        mlflow.set_tracking_uri(before)
        mlflow.set_registry_uri(None)
        for name, value in named.items():  # MLflow writes there what is set, and would go on using it
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def log_training(record: TrainingRecord, artifacts: list[Path]) -> Logged:
    """Record a training as one run and, unless it was refused, register its bundle as a new version.

    Parameters
    ----------
    record : the training; no row of its data is recorded, only counts, figures and digests.
    artifacts : files and folders to keep with the run, such as the report and its plots.

    Raises
    ------
    OutputError
        If the store can't be reached or written.
    """
    project = record.project
    file = _sqlite_file(project.tracking_uri)
    with open_store(project.tracking_uri) as mlflow:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        experiment = _experiment(mlflow, project, is_local=file is not None)
        with mlflow.start_run(
            experiment_id=experiment, run_name=run_name(record), tags=run_tags(record)
        ) as run:
            mlflow.log_params(run_parameters(record))
            model = None
            if record.bundle is not None and record.verdict != "refused":
                model = _log_bundle(
                    mlflow, record.bundle, project.tracking.registered_model, _version_tags(record)
                )
            mlflow.log_metrics(run_metrics(record), model_id=None if model is None else model.model_id)
            _log_inputs(mlflow, record)
            _log_trials(mlflow, record, experiment)
            mlflow.log_dict(project.plain_settings(), "settings.json")
            mlflow.log_dict({"features": record.catalogue.to_json()}, "catalogue.json")
            for path in artifacts:
                log = mlflow.log_artifacts if path.is_dir() else mlflow.log_artifact
                log(str(path), *([path.name] if path.is_dir() else []))
        found = run.info
    if model is None:
        return Logged(found.run_id, found.run_name, None, None)
    registered = str(model.registered_model_version)
    uri = f"models:/{project.tracking.registered_model}/{registered}"
    return Logged(found.run_id, found.run_name, registered, uri)


def log_re_anchored(
    project: Project, bundle: Bundle, tags: Mapping[str, str], figures: Mapping[str, float]
) -> str:
    """Register a champion whose lines were set anew; the number of the version.

    Parameters
    ----------
    tags, figures : of the version it was made from; its ranking and probabilities are the same.

    Raises
    ------
    OutputError
        If the store can't be reached or written.
    """
    file = _sqlite_file(project.tracking_uri)
    kept = {
        name: text for name, text in tags.items() if name in {"verdict", "rung", "calibrated", "data_end"}
    }
    kept["model_version"] = bundle.model_version
    with open_store(project.tracking_uri) as mlflow:
        experiment = _experiment(mlflow, project, is_local=file is not None)
        name = f"re-anchored {bundle.model_version}"
        with mlflow.start_run(
            experiment_id=experiment, run_name=name, tags={**kept, "project": project.name}
        ):
            mlflow.log_dict(bundle.manifest["re_anchored"], "re_anchored.json")
            model = _log_bundle(mlflow, bundle, project.tracking.registered_model, kept)
            mlflow.log_metrics(dict(figures), model_id=model.model_id)
    return str(model.registered_model_version)


def _experiment(mlflow: Any, project: Project, is_local: bool) -> str:
    """The experiment's id; made where it does not exist, its files beside an sqlite store."""
    name = project.tracking.experiment
    found = mlflow.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage != "active":
        raise OutputError(
            f"The MLflow experiment '{name}' has been deleted. Restore it (mlflow experiments restore "
            f"--experiment-id {found.experiment_id}) or set another tracking.experiment."
        )
    if found is not None:
        return str(found.experiment_id)
    place = (project.output_folder / "mlartifacts").resolve().as_uri() if is_local else None
    return str(mlflow.create_experiment(name, artifact_location=place))


def _log_bundle(mlflow: Any, bundle: Bundle, name: str, tags: dict[str, str]) -> Any:
    """Log the bundle's files with signature and example, and register them under the name.

    MLflow tells standard error of each version; the command line says it in its own words.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.double, column) for column in bundle.scorer.catalogue.names]),
        outputs=Schema([
            ColSpec(DataType.double, "probability"),
            ColSpec(DataType.double, "score"),
            ColSpec(DataType.string, "band"),
        ]),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        manifest = {key: value for key, value in bundle.manifest.items() if key not in {"sources", "files"}}
        write_bundle(folder, bundle.scorer, bundle.sources, bundle.golden, manifest, parts=bundle.parts)
        with contextlib.redirect_stderr(io.StringIO()):
            model = mlflow.pyfunc.log_model(
                name="bundle",
                loader_module="models.bundle",
                data_path=str(folder),
                registered_model_name=name,
                pip_requirements=requirements(),
                signature=signature,
                input_example=input_example(bundle),
            )
    for key, text in tags.items():
        mlflow.MlflowClient().set_model_version_tag(name, str(model.registered_model_version), key, text)
    return model


def _version_tags(record: TrainingRecord) -> dict[str, str]:
    """What the registry tells of a version without its files: verdict, rung, calibrated or not, its data's end."""
    of_run, end = run_tags(record), record.dataset.data_end
    tags = {key: of_run[key] for key in ("verdict", "rung", "model_version")}
    tags["calibrated"] = "yes" if record.evaluation.is_calibrated else "no"
    return tags if end is None else tags | {"data_end": end.isoformat()}


def _log_trials(mlflow: Any, record: TrainingRecord, experiment: str) -> None:
    """Each trial of the search over the trees' settings as a child run."""
    for trial in record.evaluation.tuning.trials if record.evaluation.tuning else ():
        tags = {"state": trial.state, "project": record.project.name}
        name = f"trial {trial.number + 1}"
        with mlflow.start_run(experiment_id=experiment, run_name=name, nested=True, tags=tags):
            mlflow.log_params(trial.values)
            mlflow.log_metrics({"log_loss": trial.loss, "folds": trial.folds})


def _log_inputs(mlflow: Any, record: TrainingRecord) -> None:
    """Name and digest of every file read; no row of it."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    for name, digest in sorted(record.digests.items()):
        source = CodeDatasetSource({"file": name, "sha256": digest})
        dataset = MetaDataset(source, name=name, digest=digest[:DIGEST_SIZE])  # type: ignore[abstract]
        mlflow.log_input(dataset, context="training")


def set_alias(project: Project, version: str, alias: Alias) -> None:
    """Point an alias at a registered version.

    Raises
    ------
    BundleError
        If there is no such version.
    """
    name = project.tracking.registered_model
    with open_store(project.tracking_uri) as mlflow, missing_model(mlflow, f"models:/{name}/{version}"):
        mlflow.MlflowClient().set_registered_model_alias(name, alias, version)


def champion_version(project: Project) -> str | None:
    """The version that the alias `champion` points at; None where nothing is champion yet."""
    if is_absent(project.tracking_uri):
        return None
    name = project.tracking.registered_model
    with open_store(project.tracking_uri) as mlflow:
        try:
            return str(mlflow.MlflowClient().get_model_version_by_alias(name, CHAMPION).version)
        except mlflow.exceptions.MlflowException as error:
            if _is_missing(error):
                return None
            raise


def fetch_bundle(store: Project | str, model: str, folder: Path) -> Path:
    """Copy a registered bundle's files and return the folder that holds its manifest.

    Parameters
    ----------
    store : a project, or the address of a store.
    model : an address such as `models:/lead_scoring@champion`, an alias, or a version number.
    folder : where the files go, into a new folder of their own.

    Raises
    ------
    BundleError
        If there is no such model, or its files hold no bundle.
    OutputError
        If the store can't be reached.
    """
    uri = store if isinstance(store, str) else store.tracking_uri
    name = TrackingSettings().registered_model if isinstance(store, str) else store.tracking.registered_model
    address = _address(name, model)
    if is_absent(uri):
        raise BundleError(f"There is no model {address}: {shown_address(uri)} does not exist yet. {CURE}")
    folder.mkdir(parents=True, exist_ok=True)
    place = tempfile.mkdtemp(prefix="bundle-", dir=folder)
    with open_store(uri) as mlflow, missing_model(mlflow, address):
        mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=place)
    found = sorted(Path(place).rglob("manifest.json"))
    if len(found) != 1:
        raise BundleError(f"{address} holds {len(found)} files manifest.json; a bundle has one. {CURE}")
    return found[0].parent


def _address(name: str, model: str) -> str:
    address = model
    if ":/" not in model:
        address = f"models:/{name}/{model}" if model.isdigit() else f"models:/{name}@{model}"
    if ADDRESS.fullmatch(address) is None:
        raise BundleError(
            f"{model!r} names no model; expected an alias, a number or models:/NAME@ALIAS. {CURE}"
        )
    return address


@contextlib.contextmanager
def missing_model(mlflow: Any, address: str) -> Iterator[None]:
    """A missing model, version or alias as a BundleError that names the cure."""
    try:
        yield
    except mlflow.exceptions.MlflowException as error:
        if not _is_missing(error):
            raise
        raise BundleError(f"There is no model {address}: {first_line(error)} {CURE}") from error


def _is_missing(error: Any) -> bool:
    is_no_alias = "registered model alias" in str(error).lower()
    return is_no_alias or error.error_code in {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}


def _sqlite_file(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def is_absent(uri: str) -> bool:
    """Whether the store is an sqlite file that nobody has made yet; asking MLflow would make it."""
    file = _sqlite_file(uri)
    return file is not None and not file.exists()
