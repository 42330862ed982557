"""Promotions and rollbacks on a real store: what moves, what is refused, what is kept of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from features.errors import BundleError, InputError
from pipeline.ledger.acts import acts_of
from pipeline.ledger.store import open_ledger
from pipeline.promote import promote, roll_back
from pipeline.promotions import history_of
from tests.pipeline.conftest import Crm
from tests.pipeline.registry_by_hand import NAME, ByHand, registry_by_hand


@pytest.fixture
def three(crm: Crm, tmp_path: Path) -> ByHand:
    """Versions 1 (champion), 2 and 3."""
    return registry_by_hand(crm, tmp_path / "three", 3)


@pytest.mark.parametrize("chosen", ["2", "model2", "rival"])
def test_a_version_is_named_by_number_alias_or_model(three: ByHand, chosen: str) -> None:
    three.client.set_registered_model_alias(NAME, "rival", "2")

    found = promote(three.project, chosen, "won the pilot", "ann")

    assert (three.champion, found.version, found.model_version, found.notes) == ("2", "2", "model2", ())
    (kept,) = history_of(three.tags).records
    assert kept == found.record
    assert (kept.kind, kept.by, kept.why, kept.former, kept.version) == (
        "promote", "ann", "won the pilot", "1", "2",
    )  # fmt: skip
    assert kept.at.utcoffset() is not None


def test_of_two_versions_of_one_model_the_newest_is_meant(three: ByHand) -> None:
    three.add(model_version="model2")

    assert promote(three.project, "model2", "same again", "ann").version == "4"


def test_promoting_the_champion_changes_nothing_and_says_so(three: ByHand) -> None:
    found = promote(three.project, "champion", "to be sure", "ann")

    assert (three.champion, found.record, found.to_json()["changed"]) == ("1", None, False)
    assert found.notes == ("Version 1 is the champion already; nothing was changed.",)
    assert three.tags == {}


@pytest.mark.parametrize("chosen", ["9", "nobody", "", "../1", "models:/x@y", "2' OR name='x"])
def test_a_version_that_is_not_there_is_refused_with_those_there_are(three: ByHand, chosen: str) -> None:
    with pytest.raises(BundleError, match=r"no version .* Registered are 3 \(model3\), 2 \(model2\), 1 \("):
        promote(three.project, chosen, "x", "ann")

    assert (three.champion, three.tags) == ("1", {})


@pytest.mark.parametrize("name", ["model.json", "calibration.json", "golden.json", "manifest.json"])
def test_a_damaged_bundle_moves_nothing(three: ByHand, name: str) -> None:
    file = three.add() / name
    file.write_bytes(file.read_bytes() + b" ")

    with pytest.raises(BundleError, match=r"damaged|SHA-256"):
        promote(three.project, "4", "x", "ann")

    assert (three.champion, three.tags) == ("1", {})


def test_a_bundle_whose_files_are_gone_moves_nothing(three: ByHand) -> None:
    shutil.rmtree(three.add())

    with pytest.raises(BundleError, match="models:/by_hand/4"):
        promote(three.project, "4", "x", "ann")

    assert (three.champion, three.tags) == ("1", {})


def test_a_refused_version_is_not_promoted(three: ByHand) -> None:
    three.add(verdict="refused")

    with pytest.raises(BundleError, match="Version 4 was refused: it is no better than the base rate"):
        promote(three.project, "4", "x", "ann")

    assert (three.champion, three.tags) == ("1", {})


def test_an_uncalibrated_challenger_is_promoted_on_word_and_it_is_said(three: ByHand) -> None:
    three.add(verdict="challenger", calibrated="no")
    three.add(verdict="challenger", calibrated="yes")

    first, second = (promote(three.project, number, "x", "ann") for number in ("4", "5"))

    assert "ranks only, its probabilities were not shown to hold (not calibrated)" in first.notes[0]
    assert second.notes == ("The gate had kept version 5 as challenger; its report says why.",)
    assert three.champion == "5"


def test_another_question_is_said_and_obeyed(three: ByHand) -> None:
    three.add(question={"mode": "age"})

    found = promote(three.project, "4", "x", "ann")

    assert "another question than the champion before it" in found.notes[0]
    assert three.champion == "4"


def test_a_damaged_champion_can_be_replaced(three: ByHand) -> None:
    shutil.rmtree(three.folder / "files" / "1")

    found = promote(three.project, "2", "the old one is broken", "ann")

    assert "The present champion can't be read, so the two were not compared" in found.notes[0]
    assert three.champion == "2"


def test_the_first_champion_needs_no_other_before_it(crm: Crm, tmp_path: Path) -> None:
    registry = registry_by_hand(crm, tmp_path / "none")
    registry.add()

    found = promote(registry.project, "1", "a start", "ann")

    assert found.record is not None
    assert (registry.champion, found.record.former) == ("1", None)


def test_rollbacks_walk_back_and_end_with_an_error(three: ByHand) -> None:
    for number in ("2", "3"):
        promote(three.project, number, "forth", "ann")

    back = [roll_back(three.project, "back", "bob").version for _ in range(2)]

    assert back == ["2", "1"]
    assert three.champion == "1"
    with pytest.raises(
        BundleError,
        match=r"No champion before version 1 is on record.* with the same -p and --target as here",
    ):
        roll_back(three.project, "back", "bob")
    kinds = [(each.kind, each.former, each.version) for each in history_of(three.tags).records]
    assert kinds == [
        ("promote", "1", "2"), ("promote", "2", "3"), ("rollback", "3", "2"), ("rollback", "2", "1"),
    ]  # fmt: skip


def test_acts_stand_in_the_ledger_with_the_models_they_moved(three: ByHand) -> None:
    with three.file.open("a", encoding="utf-8") as file:
        file.write('\n[ledger]\nurl = "sqlite:///ledger.db"\n')

    found = [promote(three.project, "2", "forth", "ann"), roll_back(three.project, "back", "bob")]

    with open_ledger(three.project).reading() as connection:
        acts = acts_of(connection, three.project.name)
    assert [each.notes for each in found] == [(), ()]
    assert [(each["kind"], each["former"], each["model_version"], each["why"], each["by"]) for each in acts] == [
        ("rollback", "model2", "model1", "back", "bob"), ("promote", "model1", "model2", "forth", "ann"),
    ]  # fmt: skip
    assert acts[0]["anchors"]["p_mql"] < acts[0]["anchors"]["p_sql"]


def test_a_ledger_that_is_down_is_said_and_the_champion_moves(three: ByHand) -> None:
    with three.file.open("a", encoding="utf-8") as file:
        file.write('\n[ledger]\nurl = "sqlite:///ledger.db"\n')
    (three.folder / "ledger.db").write_bytes(b"this is no database, though it has the name of one" * 100)

    found = promote(three.project, "2", "forth", "ann")

    assert three.champion == "2"
    assert "The act is done, but the ledger does not show it" in found.notes[0]


def test_a_rollback_passes_over_a_version_deleted_since_and_its_record_stays(three: ByHand) -> None:
    for number in ("2", "3"):
        promote(three.project, number, "forth", "ann")
    three.client.delete_model_version(NAME, "2")

    assert roll_back(three.project, "back", "bob").version == "1"
    assert [each.version for each in history_of(three.tags).records] == ["2", "3", "1"]


def test_a_rollback_to_a_damaged_bundle_moves_nothing(three: ByHand) -> None:
    promote(three.project, "2", "forth", "ann")
    shutil.rmtree(three.folder / "files" / "1")

    with pytest.raises(BundleError):
        roll_back(three.project, "back", "bob")

    assert three.champion == "2"


def test_a_rollback_does_not_guess_where_a_record_is_damaged(three: ByHand) -> None:
    promote(three.project, "2", "forth", "ann")
    three.client.set_registered_model_tag(NAME, "promotion.000002.00000000", "{")

    with pytest.raises(
        BundleError, match=r"1 records .* 'promotion\.000002\.00000000' .* lead-scoring promote"
    ):
        roll_back(three.project, "back", "bob")
    found = promote(three.project, "3", "forth", "ann")

    assert found.record is not None
    assert (found.record.number, three.champion) == (3, "3")


@pytest.mark.parametrize(("why", "by"), [("", "ann"), (" ", "ann"), ("x", ""), ("x" * 501, "ann")])
def test_an_act_without_a_fit_reason_or_name_moves_nothing(three: ByHand, why: str, by: str) -> None:
    with pytest.raises(InputError, match=r"--why|--by"):
        promote(three.project, "2", why, by)
    with pytest.raises(InputError, match=r"--why|--by"):
        roll_back(three.project, why, by)

    assert (three.champion, three.tags) == ("1", {})


def test_the_other_of_two_acts_at_once_is_said(three: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    move = MlflowClient.set_registered_model_alias

    def and_another_moves(client: MlflowClient, name: str, alias: str, version: str) -> None:
        move(client, name, alias, version)
        move(client, name, alias, "3")

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", and_another_moves)

    found = promote(three.project, "2", "x", "ann")

    assert (found.version, found.champion) == ("2", "3")
    assert found.notes == ("Another act at the same moment made version 3 champion; both are on record.",)
