"""models, promote and rollback on the command line: exit codes, one line of JSON, a table of 80 columns."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from pipeline import cli_registry
from tests.pipeline.conftest import Crm, Run
from tests.pipeline.registry_by_hand import NAME, ByHand, registry_by_hand


@pytest.fixture
def three(crm: Crm, tmp_path: Path) -> ByHand:
    """Versions 1 (champion), 2 and 3, which is not calibrated."""
    registry = registry_by_hand(crm, tmp_path / "three", 2)
    registry.add(verdict="challenger", calibrated="no", data_end="2026-01-08T10:00:00+00:00")
    return registry


def refused(run: Run, code: int, words: str) -> bool:
    """Whether a command left this code and one message, and nothing on standard output."""
    return run.code == code and run.out == "" and words in run.err and "Traceback" not in run.err


def test_the_list_names_every_version_and_act_and_fits_80_columns(
    crm: Crm, three: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert three.run("promote", "3", "--why", "won the pilot", "--by", "ann").code == 0

    run = three.run("models")

    table, history = run.out.split("Who made which version champion, the latest first:")
    assert (run.code, run.err) == (0, "")
    assert max(map(len, table.splitlines())) <= 80
    low, high = crm.trained["intervals"]["auc"]
    for shown in (
        "model3", "model2", "model1", "challenger", f"{crm.trained['auc']:.3f}", f"{low:.3f}-{high:.3f}",
        f"{crm.trained['log_loss']:.4f}", f"{crm.trained['n_test']:,}", "2026-01-08", crm.trained["rung"],
    ):  # fmt: skip
        assert shown in table
    assert table.index("model3") < table.index("model2") < table.index("model1")
    assert "UTC  1 -> 3  promote by ann: won the pilot" in history


def test_the_list_as_json_holds_the_figures_and_the_acts_newest_first(crm: Crm, three: ByHand) -> None:
    for number in ("2", "3"):
        three.run("promote", number, "--why", "forth", "--by", "ann")

    found = three.run("models", "--json").json

    assert (found["model"], found["champion"], found["damaged"]) == (NAME, "3", [])
    assert [each["version"] for each in found["versions"]] == ["3", "2", "1"]
    assert found["versions"][0]["aliases"] == ["champion"]
    assert [each["calibrated"] for each in found["versions"]] == [False, None, None]
    assert found["versions"][1]["calibration_ratio"][0] == crm.trained["calibration_ratio"]
    assert [(each["from"], each["to"]) for each in found["promotions"]] == [("2", "3"), ("1", "2")]


def test_promote_and_rollback_tell_one_json_object(three: ByHand) -> None:
    forth = three.run("promote", "model3", "--why", "forth", "--by", "ann", "--json").json
    again = three.run("promote", "3", "--why", "forth", "--by", "ann", "--json").json
    back = three.run("rollback", "--why", "back", "--by", "bob", "--json").json

    assert (forth["act"], forth["changed"], forth["version"], forth["champion"]) == (
        "promote",
        True,
        "3",
        "3",
    )
    assert "not calibrated" in forth["notes"][0]
    assert (again["changed"], again["record"]) == (False, None)
    assert (back["act"], back["version"], back["record"]["by"]) == ("rollback", "1", "bob")
    assert three.champion == "1"


def test_the_act_is_told_in_words(three: ByHand) -> None:
    forth = three.run("promote", "3", "--why", "forth", "--by", "ann")
    back = three.run("rollback", "--why", "back", "--by", "bob")

    first, note = forth.out.splitlines()
    assert first == "Champion: version 3 (model model3), before it version 1. Recorded: promote by ann, forth"
    assert note.startswith("- Version 3 ranks only")
    assert back.out.startswith("Champion: version 1 (model model1), before it version 3. Recorded: rollback")


def test_who_decides_is_the_login_name_unless_said(three: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "kim")

    assert three.run("promote", "2", "--why", "x", "--json").json["record"]["by"] == "kim"


def test_where_there_is_no_login_name_it_is_asked_for(three: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nobody)

    assert refused(three.run("promote", "2", "--why", "x"), 2, "say who decides with --by NAME")
    assert three.champion == "1"


@pytest.mark.parametrize("command", [("promote", "2"), ("rollback",)])
@pytest.mark.parametrize("why", ["", "   ", "x" * 501])
def test_an_act_without_a_fit_reason_exits_2(three: ByHand, command: tuple[str, ...], why: str) -> None:
    assert refused(three.run(*command, "--why", why, "--by", "ann", "--json"), 2, "InputError: --why")
    assert three.tags == {}


@pytest.mark.parametrize("command", [("promote", "2"), ("rollback",)])
def test_leaving_the_reason_out_is_wrong_usage(three: ByHand, command: tuple[str, ...]) -> None:
    assert refused(three.run(*command), 2, "Missing option '--why'")


def test_what_is_not_there_or_damaged_exits_5_and_moves_nothing(three: ByHand) -> None:
    file = three.add() / "model.json"
    file.write_bytes(file.read_bytes() + b" ")

    assert refused(three.run("promote", "99", "--why", "x"), 5, "There is no version '99'")
    assert refused(three.run("promote", "4", "--why", "x"), 5, "is damaged")
    assert refused(three.run("rollback", "--why", "x"), 5, "No champion before version 1 is on record")
    assert three.champion == "1"


@pytest.mark.parametrize("command", [("models",), ("promote", "1", "--why", "x"), ("rollback", "--why", "x")])
def test_before_any_training_the_commands_exit_5_and_make_no_store(
    crm: Crm, tmp_path: Path, command: tuple[str, ...]
) -> None:
    registry = registry_by_hand(crm, tmp_path / "none")
    (registry.folder / "mlflow.db").unlink()

    assert refused(registry.run(*command), 5, "does not exist. Train first (lead-scoring train)")
    assert not (registry.folder / "mlflow.db").exists()


def test_hostile_names_steer_no_terminal_and_no_markup(three: ByHand) -> None:
    hostile = "[red]x[/y]\x1b]0;z\x07 \u2028 a\nb"
    three.add(model_version="[bold]\x1b[2J")

    run = three.run("promote", "4", "--why", hostile, "--by", hostile)
    listed = three.run("models")

    assert (run.code, listed.code) == (0, 0)
    for text in (run.out, listed.out):
        assert "\x1b" not in text
        assert "\u2028" not in text
        assert "[red]x[/y]\\x1b]0;z\\x07 a b" in text
    assert "[bold]\\x1" in listed.out


def test_the_list_says_where_the_alias_moved_by_other_means_and_what_can_not_be_read(three: ByHand) -> None:
    three.run("promote", "2", "--why", "x", "--by", "ann")
    three.appoint(3)
    three.client.set_registered_model_tag(NAME, "promotion.junk", "{")

    run = three.run("models")

    assert "The alias has moved since by other means; the champion is version 3." in run.out
    assert "1 records of promotions can't be read, the first is the tag 'promotion.junk'." in run.out


def test_a_list_without_acts_says_so(three: ByHand) -> None:
    assert "No promotion is on record." in three.run("models").out


def test_figures_that_are_unknown_are_a_dash() -> None:
    nan = float("nan")

    assert cli_registry._ranged((nan, nan, nan), 3) == "-"
    assert cli_registry._ranged((0.8, nan, 0.9), 3) == "0.800"
