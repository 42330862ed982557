"""The registry read and the champion moved, with what others do to the store in between."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import BundleError, LockedError, OutputError
from pipeline.promotions import history_of
from pipeline.tracking_registry import find_version, move_champion, promote_by_gate, read_registry
from tests.pipeline.conftest import Crm
from tests.pipeline.registry_by_hand import NAME, ByHand, registry_by_hand

MOVE = """
import json, sys
from pathlib import Path
from pipeline.config import load_project
from pipeline.tracking_registry import find_version, move_champion, read_registry
project = load_project(Path(sys.argv[1]))
version = find_version(read_registry(project).versions, sys.argv[2])
print("ready", flush=True)
input()
print(json.dumps(move_champion(project, version, "gate", "train", "passed the gate").record.to_json()))
"""


@pytest.fixture
def three(crm: Crm, tmp_path: Path) -> ByHand:
    """Versions 1 (champion), 2 and 3."""
    return registry_by_hand(crm, tmp_path / "three", 3)


def test_versions_come_newest_first_with_aliases_tags_and_the_figures_of_their_run(
    crm: Crm, three: ByHand
) -> None:
    three.client.set_registered_model_alias(NAME, "challenger", "3")

    found = read_registry(three.project, with_figures=True)

    assert [(each.number, each.aliases) for each in found.versions] == [
        ("3", ("challenger",)), ("2", ()), ("1", ("champion",)),
    ]  # fmt: skip
    assert found.champion == "1"
    newest = found.versions[0].to_json()
    assert newest["auc"] == [crm.trained["auc"], *crm.trained["intervals"]["auc"]]
    assert (newest["n_test"], newest["n_conversions"]) == (
        crm.trained["n_test"],
        crm.trained["n_conversions"],
    )
    assert (newest["model_version"], newest["rung"]) == ("model3", crm.trained["rung"])


def test_training_tells_the_registry_whether_a_version_is_calibrated_and_where_its_data_ends(
    crm: Crm, three: ByHand
) -> None:
    tags = three.client.get_model_version("lead_scoring", "1").tags

    assert tags["calibrated"] == "yes"
    assert tags["data_end"][:2] == "20"
    assert tags["data_end"].endswith("+00:00")


def test_a_version_of_a_stranger_has_no_figures_and_harms_nobody(three: ByHand) -> None:
    three.client.create_model_version(NAME, (three.folder / "files" / "1").as_uri())

    found = read_registry(three.project, with_figures=True).versions[0]

    assert (found.number, found.model_version, found.count("rows")) == ("4", None, None)
    assert all(math.isnan(each) for each in found.figure("auc"))


def test_a_run_deleted_for_good_leaves_a_version_without_figures(three: ByHand) -> None:
    three.client.create_model_version(NAME, (three.folder / "files" / "1").as_uri(), run_id="0" * 32)

    assert read_registry(three.project, with_figures=True).versions[0].metrics == {}


def test_a_run_that_can_not_be_read_is_an_error_and_no_empty_row(
    three: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def out_of_reach(*_: object) -> None:
        raise MlflowException("the server is on fire")

    monkeypatch.setattr(MlflowClient, "get_run", out_of_reach)

    with pytest.raises(OutputError, match="the server is on fire"):
        read_registry(three.project, with_figures=True)


def test_more_versions_than_a_page_are_all_read(three: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tracking_registry.PAGE", 2)

    assert [each.number for each in read_registry(three.project).versions] == ["3", "2", "1"]


def test_without_a_store_or_a_version_there_is_nothing_to_list(crm: Crm, tmp_path: Path) -> None:
    empty = registry_by_hand(crm, tmp_path / "empty")

    with pytest.raises(BundleError, match="No version of by_hand is registered"):
        read_registry(empty.project)
    empty.client.delete_registered_model(NAME)
    with pytest.raises(BundleError, match="There is no model by_hand"):
        read_registry(empty.project)
    (empty.folder / "mlflow.db").unlink()
    with pytest.raises(BundleError, match=r"no model by_hand yet: .*mlflow\.db does not exist\. Train first"):
        read_registry(empty.project)
    assert not (empty.folder / "mlflow.db").exists()


def test_an_alias_wins_over_a_model_of_the_same_name_and_a_number_over_both(three: ByHand) -> None:
    three.add(model_version="2")

    versions = read_registry(three.project).versions

    assert find_version(versions, "2").number == "2"
    assert find_version(versions, "champion").number == "1"


def test_the_promotion_by_a_gate_is_on_record(three: ByHand) -> None:
    move = promote_by_gate(three.project, "2", "model2", "1")

    assert move is not None
    assert history_of(three.tags).records == (move.record,)
    assert (move.champion, three.champion) == ("2", "2")
    assert (move.record.kind, move.record.by, move.record.why, move.record.former) == (
        "gate", "train", "passed the gate", "1",
    )  # fmt: skip


def test_a_decision_on_a_champion_that_has_left_is_not_carried_out(three: ByHand) -> None:
    seen = read_registry(three.project)
    three.appoint(3)

    with pytest.raises(LockedError, match=r"changed from version 1 to 3\. Nothing was changed"):
        move_champion(three.project, find_version(seen.versions, "2"), "promote", "ann", "x", seen)

    assert (three.champion, three.tags) == ("3", {})


def test_a_version_deleted_meanwhile_leaves_no_record(three: ByHand) -> None:
    seen = read_registry(three.project)
    three.client.delete_model_version(NAME, "2")

    with pytest.raises(BundleError, match="no model models:/by_hand/2"):
        move_champion(three.project, find_version(seen.versions, "2"), "promote", "ann", "x", seen)

    assert (three.champion, three.tags) == ("1", {})


def test_an_alias_that_can_not_be_moved_takes_its_record_back(
    three: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    def out_of_space(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", out_of_space)

    with pytest.raises(OutputError, match="no space left"):
        promote_by_gate(three.project, "2", "model2", "1")

    assert (three.champion, three.tags) == ("1", {})


def test_the_champion_read_afterwards_is_told_where_another_act_came_between(
    three: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    move = MlflowClient.set_registered_model_alias

    def and_another_moves(client: MlflowClient, name: str, alias: str, version: str) -> None:
        move(client, name, alias, version)
        move(client, name, alias, "3")

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", and_another_moves)

    moved = promote_by_gate(three.project, "2", "model2", "1")

    assert moved is not None
    assert moved.champion == "3"


def test_a_gate_that_compared_with_a_champion_that_has_left_moves_nothing(three: ByHand) -> None:
    three.appoint(3)

    assert promote_by_gate(three.project, "2", "model2", "1") is None
    assert promote_by_gate(three.project, "2", "model2", None) is None
    assert (three.champion, three.tags) == ("3", {})


def test_of_two_processes_that_promote_at_once_no_record_is_lost(three: ByHand) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", MOVE, str(three.file), number],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in ("2", "3")
    ]  # fmt: skip
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60) for process in both]

    told = {json.dumps(json.loads(out), sort_keys=True) for out, _ in said}
    kept = {json.dumps(each.to_json(), sort_keys=True) for each in history_of(three.tags).records}
    assert kept == told
    assert len(kept) == 2
    assert three.champion in {"2", "3"}
