"""The registry as people see it: every version with its figures, and who made which one champion."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from features.errors import BundleError, LockedError
from pipeline.config import Project
from pipeline.promotions import History, Kind, Promotion, history_of
from pipeline.tracking import CHAMPION, CURE, is_absent, missing_model, open_store
from pipeline.tracking_content import shown_address

__all__ = [
    "Move",
    "RegisteredVersion",
    "Registry",
    "find_version",
    "move_champion",
    "promote_by_gate",
    "read_registry",
]

FIGURES = (
    "auc", "log_loss", "calibration_ratio", "average_precision", "brier", "ece", "recall_at_20",
)  # fmt: skip
PAGE = 200


@dataclass(frozen=True)
class RegisteredVersion:
    """One version: its number, aliases, tags, and the figures of the run that made it.

    Attributes
    ----------
    metrics : of the run, empty where they were not asked for or the run is gone.
    """

    number: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def model_version(self) -> str | None:
        """The name of its bundle; None if the version was not registered by `train`."""
        return self.tags.get("model_version")

    def figure(self, name: str) -> tuple[float, float, float]:
        """(value, low, high) of a metric on the test; NaN where unknown."""
        nan = float("nan")
        low, high = self.metrics.get(f"{name}_low", nan), self.metrics.get(f"{name}_high", nan)
        return self.metrics.get(name, nan), low, high

    def count(self, name: str) -> int | None:
        """`rows`, `leads` or `conversions` of the test; None where unknown."""
        found = self.metrics.get(f"test/{name}")
        return None if found is None else int(found)

    def to_json(self) -> dict[str, Any]:
        """The version as plain values; figures as [value, low, high]."""
        return {
            "version": self.number,
            "aliases": list(self.aliases),
            **{key: self.tags.get(key) for key in ("verdict", "rung", "model_version", "data_end")},
            "calibrated": {"yes": True, "no": False}.get(self.tags.get("calibrated", "")),
            "n_test": self.count("rows"),
            "n_conversions": self.count("conversions"),
            **{name: list(self.figure(name)) for name in FIGURES},
        }


@dataclass(frozen=True)
class Registry:
    """All versions, the newest first, and the acts that moved the alias `champion`."""

    versions: tuple[RegisteredVersion, ...]
    history: History

    @property
    def champion(self) -> str | None:
        """The number of the present champion; None where there is none."""
        return next((each.number for each in self.versions if CHAMPION in each.aliases), None)


@dataclass(frozen=True)
class Move:
    """A recorded move of the alias, the champion that was read afterwards, and the model_version before, if known."""

    record: Promotion
    champion: str | None
    former_model: str | None = None


def read_registry(project: Project, *, with_figures: bool = False) -> Registry:
    """The versions registered under the project's model name; figures cost one question a version.

    Raises
    ------
    BundleError
        If there is no store yet, or nothing is registered in it.
    OutputError
        If the store can't be reached.
    """
    name = project.tracking.registered_model
    if is_absent(project.tracking_uri):
        raise BundleError(
            f"There is no model {name} yet: {shown_address(project.tracking_uri)} does not exist. {CURE}"
        )
    with open_store(project.tracking_uri) as mlflow, missing_model(mlflow, name):
        client = mlflow.MlflowClient()
        model = client.get_registered_model(name)
        found = _all_versions(client, name)
        aliases: dict[str, list[str]] = {}
        for alias, number in sorted(model.aliases.items()):
            aliases.setdefault(str(number), []).append(alias)
        versions = tuple(
            RegisteredVersion(
                str(each.version), tuple(aliases.get(str(each.version), ())), dict(each.tags),
                _metrics(mlflow, client, each.run_id) if with_figures and each.run_id else {},
            )
            for each in sorted(found, key=lambda each: -int(each.version))
        )  # fmt: skip
    if not versions:
        raise BundleError(f"No version of {name} is registered. {CURE}")
    return Registry(versions, history_of(model.tags))


def _all_versions(client: Any, name: str) -> list[Any]:
    found, token = [], None
    while True:
        page = client.search_model_versions(f"name = '{name}'", max_results=PAGE, page_token=token)
        found += list(page)
        token = page.token
        if not token:
            return found


def _metrics(mlflow: Any, client: Any, run_id: str) -> dict[str, float]:
    """The figures of a run; none where the run was deleted for good."""
    try:
        return dict(client.get_run(run_id).data.metrics)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise


def find_version(versions: Collection[RegisteredVersion], chosen: str) -> RegisteredVersion:
    """The version meant by an alias, a number, or the bundle's model_version (the newest that has it).

    Raises
    ------
    BundleError
        If none is meant; with those there are.
    """
    for each in versions:
        if chosen == each.number or chosen in each.aliases:
            return each
    for each in versions:
        if chosen == each.model_version:
            return each
    listed = ", ".join(f"{each.number} ({each.model_version or 'no bundle'})" for each in list(versions)[:5])
    more = f" and {len(versions) - 5} more" if len(versions) > 5 else ""
    raise BundleError(
        f"There is no version {chosen!r}; expected an alias, a number or a model_version. "
        f"Registered are {listed}{more}; lead-scoring models lists them all."
    )


def move_champion(
    project: Project, to: RegisteredVersion, kind: Kind, by: str, why: str, seen: Registry | None = None
) -> Move:
    """Record an act and point the alias `champion` at a version.

    The record is written first and taken back if the alias can't be moved, so no move goes unrecorded. A
    store has no lock: of two acts at the same moment the later one decides, both are recorded, and the
    champion read afterwards tells who it was.

    Parameters
    ----------
    seen : what the decision rests on; None where it holds whoever is champion.

    Raises
    ------
    InputError
        If `why` or `by` is empty or too long; nothing is written.
    LockedError
        If another champion than the one seen is in office; nothing is written.
    BundleError
        If the version does not exist any more; nothing is written.
    """
    name = project.tracking.registered_model
    with open_store(project.tracking_uri) as mlflow, missing_model(mlflow, f"models:/{name}/{to.number}"):
        client = mlflow.MlflowClient()
        model = client.get_registered_model(name)
        former = _numbered(model.aliases.get(CHAMPION))
        if seen is not None and seen.champion != former:
            raise LockedError(
                f"Meanwhile the champion has changed from version {seen.champion or 'none'} to {former or 'none'}. "
                "Nothing was changed; look with lead-scoring models and decide again."
            )
        client.get_model_version(name, to.number)
        record = Promotion(
            history_of(model.tags).next_number, kind, by, why, datetime.now(UTC).replace(microsecond=0), former,
            to.number, to.model_version or "",
        )  # fmt: skip
        tag, text = record.as_tag()
        client.set_registered_model_tag(name, tag, text)
        try:
            client.set_registered_model_alias(name, CHAMPION, to.number)
        except BaseException:
            with contextlib.suppress(Exception):
                client.delete_registered_model_tag(name, tag)
            raise
        now = client.get_registered_model(name).aliases.get(CHAMPION)
    known = () if seen is None else seen.versions
    former_model = next((each.model_version for each in known if each.number == former), None)
    return Move(record, _numbered(now), former_model)


def promote_by_gate(project: Project, number: str, model_version: str, former: str | None) -> Move | None:
    """Make a version that has passed the gate champion, and record that the training did it.

    None, and nothing moved, where another champion is in office than `former`, which the gate compared it with.
    """
    version = RegisteredVersion(number, (), {"model_version": model_version})
    seen = read_registry(project)
    if seen.champion != former:
        return None
    try:
        return move_champion(project, version, "gate", "train", "passed the gate", seen)
    except LockedError:
        return None


def _numbered(version: Any) -> str | None:
    return None if version is None else str(version)
