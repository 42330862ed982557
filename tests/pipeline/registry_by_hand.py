"""A registry made by hand in a copy of the CRM's store: sound, damaged and odd versions, none trained anew."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.bundle import load_bundle, write_bundle
from pipeline.config import Project, load_project
from tests.pipeline.conftest import Crm, Run, run_command

NAME = "by_hand"


@dataclass(frozen=True)
class ByHand:
    """A project whose store holds the versions that a test adds, and no others under its name."""

    crm: Crm
    folder: Path

    @property
    def file(self) -> Path:
        """The project file."""
        return self.folder / "lead-scoring.toml"

    @property
    def project(self) -> Project:
        """The project."""
        return load_project(self.file)

    @property
    def client(self) -> Any:
        """MLflow's own client on the store."""
        from mlflow import MlflowClient

        return MlflowClient(self.project.tracking_uri)

    def add(self, **changes: Any) -> Path:
        """Register one more version, its manifest changed; the folder its files are fetched from.

        `calibrated` and `data_end` go to the version's tags, all else into the manifest.
        """
        place = self.folder / "files" / str(len(list((self.folder / "files").iterdir())) + 1)
        tags: dict[str, str] = {
            name: changes.pop(name) for name in ("calibrated", "data_end") if name in changes
        }
        bundle = load_bundle(self.crm.bundle)
        kept = {key: value for key, value in bundle.manifest.items() if key not in {"sources", "files"}}
        kept |= {"model_version": f"model{place.name}", **changes}
        write_bundle(place, bundle.scorer, bundle.sources, bundle.golden, kept)
        tags |= {
            "verdict": kept["verdict"],
            "rung": kept["recipe"]["rung"],
            "model_version": kept["model_version"],
        }
        trained = self.client.get_model_version("lead_scoring", "1")
        self.client.create_model_version(NAME, place.as_uri(), run_id=trained.run_id, tags=tags)
        return place

    def appoint(self, number: int) -> None:
        """Move the alias by other means than the command, as on MLflow's own page."""
        self.client.set_registered_model_alias(NAME, "champion", str(number))

    @property
    def champion(self) -> str:
        """The version in office, asked of MLflow itself."""
        return str(self.client.get_model_version_by_alias(NAME, "champion").version)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the registered model, asked of MLflow itself."""
        return dict(self.client.get_registered_model(NAME).tags)

    def run(self, command: str, *arguments: object) -> Run:
        """Run a command on the project."""
        return run_command(command, *arguments, "-p", self.file)


def registry_by_hand(crm: Crm, folder: Path, versions: int = 0) -> ByHand:
    """A registry with so many sound versions; the first is champion, appointed without a record."""
    found = ByHand(crm, folder)
    (folder / "files").mkdir(parents=True)
    shutil.copy(crm.whole / "out" / "mlflow.db", folder / "mlflow.db")
    crm.written(found.file, f'\n[tracking]\nuri = "sqlite:///mlflow.db"\nregistered_model = "{NAME}"\n')
    found.client.create_registered_model(NAME)
    for _ in range(versions):
        found.add()
    if versions:
        found.appoint(1)
    return found
