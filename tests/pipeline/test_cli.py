"""The command line: exit codes, streams, one JSON object on one line, messages instead of tracebacks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline.conftest import Crm, Run, as_line, manifest, run_apart, run_command

TRAIN_KEYS = {
    "verdict", "rung", "model_version", "registered", "n_test", "n_conversions", "auc", "average_precision",
    "log_loss", "brier", "ece", "calibration_ratio", "lift_at_10", "report",
}  # fmt: skip
SCORE_KEYS = {"rows_in", "scored", "not_open", "quarantined", "output", "manifest", "model_version"}
HOSTILE = ("[/x]", "[link=http://x]y[/link]", "\u2028line", "-5", "😀 العميل", 'a"b,c')


def _told_once(run: Run, kind: str) -> bool:
    """One message that names its kind, no traceback, nothing on standard output."""
    is_one = run.err.count(f"{kind}: ") == 1 and run.err.startswith(f"{kind}: ")
    return is_one and "Traceback" not in run.err and run.out == ""


def test_training_prints_the_promised_keys_and_report_and_bundle_exist(crm: Crm) -> None:
    found = crm.trained

    assert set(found) >= TRAIN_KEYS
    assert (found["verdict"], found["registered"]) == ("champion", "1")
    assert Path(found["report"]).read_text(encoding="utf-8").startswith("<!")
    assert (Path(found["bundle"]) / "manifest.json").exists()


def test_every_command_prints_one_json_object_and_nothing_else(crm: Crm, tmp_path: Path) -> None:
    lead = crm.leads()["lead_id"].iloc[0]
    options = ("-p", crm.project, "--bundle", crm.bundle, "--json")

    runs = {
        "simulate": run_command("simulate", "--leads", 20, "-o", tmp_path / "few", "--json"),
        "init": run_command("init", crm.folder / "leads.csv", "-o", tmp_path / "draft.toml", "--json"),
        "check": run_command("check", "-p", crm.project, "--json"),
        "score": run_command("score", *options, "-o", tmp_path / "scores.csv"),
        "explain": run_command("explain", lead, *options),
    }

    keys = {
        "simulate": {"folder", "project"}, "init": {"project", "guesses"}, "check": {"suspects"},
        "score": SCORE_KEYS, "explain": {"lead_id", "score", "base_score", "reasons"},
    }  # fmt: skip
    assert {name: (run.code, run.err) for name, run in runs.items()} == dict.fromkeys(runs, (0, ""))
    assert all(set(runs[name].json) >= wanted for name, wanted in keys.items())
    for suspect in runs["check"].json["suspects"]:
        assert set(suspect) >= {"column", "grade", "kind", "evidence"}
        assert suspect["grade"] in {"leak", "look"}


def test_the_console_command_is_silent_in_a_pipe_and_speaks_ascii_json(crm: Crm, tmp_path: Path) -> None:
    output = tmp_path / "scores.parquet"

    run = run_apart(
        "score", "-p", crm.project, "--bundle", crm.bundle, "-o", output, "--json",
        PYTHONIOENCODING="ascii",
    )  # fmt: skip

    assert (run.code, run.err) == (0, "")
    assert set(run.json) == SCORE_KEYS
    assert not {"\x1b", "\r"} & set(run.out)


def test_lines_for_people_stay_whole_in_a_pipe(crm: Crm, tmp_path: Path) -> None:
    output = tmp_path / ("long" * 25) / "[red]scores.parquet"

    run = run_command("score", "-p", crm.project, "--bundle", crm.bundle, "-o", output)

    assert run.code == 0
    assert f"Scores:     {output}\n" in run.out
    assert run.out.splitlines()[0].endswith(f"(model {crm.trained['model_version']})")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scor"], "No such command 'scor'"),
        (["score", "--bundel", "x"], "--bundel"),
        (["explain"], "Missing argument"),
        (["simulate", "--leads", "0"], "--leads"),
        (["simulate", "--leads", "many"], "--leads"),
    ],
)
def test_wrong_usage_exits_2_with_the_usage_message(arguments: list[str], said: str) -> None:
    run = run_command(*arguments)

    assert run.code == 2
    assert run.out == ""
    assert run.err.startswith("Usage: lead-scoring")
    assert said in run.err


def test_a_wrong_project_file_exits_2_with_all_its_faults(crm: Crm, tmp_path: Path) -> None:
    text = crm.project.read_text(encoding="utf-8").replace("horizon =", "horizn =")
    project = tmp_path / "wrong.toml"
    project.write_text(text.replace("quarantine_limit = 0.05", "quarantine_limit = 5"), encoding="utf-8")

    runs = [
        run_command(name, "-p", project, *more, "--json")
        for name, *more in [["check"], ["train"], ["score"], ["explain", "L1"]]
    ]

    for run in runs:
        assert run.code == 2
        assert _told_once(run, "ConfigError")
        assert "2 faults" in run.err
        assert "Did you mean 'horizon'?" in run.err
        assert "data.quarantine_limit" in run.err


def test_no_project_file_exits_2_and_names_the_cure(tmp_path: Path) -> None:
    run = run_command("train", "-p", tmp_path / "none.toml", "--json")

    assert run.code == 2
    assert _told_once(run, "ConfigError")
    assert "lead-scoring init" in run.err


def test_init_never_replaces_a_file_unless_forced(crm: Crm, tmp_path: Path) -> None:
    draft = tmp_path / "lead-scoring.toml"
    draft.write_text("mine", encoding="utf-8")

    refused = run_command("init", crm.folder / "leads.csv", "-o", draft, "--json")
    kept = draft.read_text(encoding="utf-8")
    forced = run_command("init", crm.folder / "leads.csv", "-o", draft, "--force", "--json")

    assert refused.code == 2
    assert _told_once(refused, "ConfigError")
    assert kept == "mine"
    assert forced.code == 0
    assert draft.read_text(encoding="utf-8") != "mine"


@pytest.mark.parametrize("moment", ["yesterday", "", "2026-13-01", "1e9"])
def test_a_moment_that_is_none_exits_2(crm: Crm, tmp_path: Path, moment: str) -> None:
    run = crm.score(tmp_path / "scores.parquet", "--as-of", moment)

    assert run.code == 2
    assert _told_once(run, "InputError")
    assert not list(tmp_path.iterdir())


def test_model_and_bundle_together_exit_2(crm: Crm, tmp_path: Path) -> None:
    run = crm.score(tmp_path / "scores.parquet", "--model", "champion")

    assert run.code == 2
    assert "not both" in run.err


def test_an_output_of_another_kind_exits_2(crm: Crm, tmp_path: Path) -> None:
    run = crm.score(tmp_path / "scores.xlsx")

    assert run.code == 2
    assert "must end in .parquet or .csv" in run.err


def test_an_output_that_would_replace_a_table_exits_2_and_the_table_stays(crm: Crm, tmp_path: Path) -> None:
    data = crm.export(tmp_path / "data", leads=crm.leads())
    (data / "x").mkdir()
    before = (data / "leads.csv").read_bytes()

    runs = [
        crm.score(output, "--data", data) for output in (data / "leads.csv", data / "x" / ".." / "leads.csv")
    ]

    assert [run.code for run in runs] == [2, 2]
    assert all("would replace a table" in run.err for run in runs)
    assert (data / "leads.csv").read_bytes() == before
    assert sorted(path.name for path in data.iterdir() if "leads" in path.name) == ["leads.csv"]


def test_a_quarantine_list_that_would_replace_a_table_exits_2(crm: Crm, tmp_path: Path) -> None:
    data = crm.export(tmp_path / "data")
    shutil.copy(crm.folder / "leads.csv", data / "scores.quarantine.csv")
    project = crm.written(tmp_path / "p" / "lead-scoring.toml")
    text = project.read_text(encoding="utf-8").replace('"leads.csv"', '"scores.quarantine.csv"')
    project.write_text(text, encoding="utf-8")

    run = crm.score(data / "scores.parquet", "-p", project, "--data", data)

    assert run.code == 2
    assert "would replace a table" in run.err


def test_rows_in_quarantine_within_the_limit_exit_3_everywhere(crm: Crm, tmp_path: Path) -> None:
    lines = crm.lines()
    data = crm.export(tmp_path / "data", leads="\n".join([*lines, lines[1] + ",one too many"]) + "\n")

    scored = crm.score(tmp_path / "scores.parquet", "--data", data)
    checked = run_command("check", "-p", crm.project, "--data", data, "--json")

    assert (scored.code, checked.code) == (3, 3)
    assert scored.json["quarantined"] == 1
    assert (scored.err, checked.err) == ("", "")


def test_rows_in_quarantine_over_the_limit_exit_4_in_scoring_and_in_training(
    crm: Crm, tmp_path: Path
) -> None:
    leads = crm.leads()
    leads.loc[:60, "created_at"] = "soon"
    data = crm.export(tmp_path / "data", leads=leads)
    project = crm.written(tmp_path / "lead-scoring.toml")

    scored = crm.score(tmp_path / "scores.parquet", "--data", data)
    trained = run_command("train", "-p", project, "--data", data, "--json")

    for run in (scored, trained):
        assert run.code == 4
        assert _told_once(run, "QuarantineLimitError")
        assert "61 of 800 lead rows (7.6%)" in run.err
        assert "row 2 of leads.csv" in run.err
    assert not (tmp_path / "scores.parquet").exists()
    assert not (tmp_path / "out").exists()


def test_a_limit_of_a_hundred_percent_lets_all_pass(crm: Crm, tmp_path: Path) -> None:
    data = crm.export(tmp_path / "data", leads=crm.leads().assign(created_at="soon"))
    project = crm.written(tmp_path / "lead-scoring.toml")
    project.write_text(
        project.read_text(encoding="utf-8").replace("limit = 0.05", "limit = 1"), encoding="utf-8"
    )

    run = crm.score(tmp_path / "scores.parquet", "-p", project, "--data", data)

    assert run.code == 3
    assert run.json["quarantined"] == run.json["rows_in"] == 800


@pytest.mark.parametrize(
    "model", ["challenger", "7", "models:/lead_scoring@nobody", "models:/other@champion"]
)
def test_a_missing_alias_or_version_exits_5(crm: Crm, tmp_path: Path, model: str) -> None:
    run = run_command("score", "-p", crm.project, "--model", model, "-o", tmp_path / "s.parquet", "--json")

    assert run.code == 5
    assert _told_once(run, "BundleError")
    assert not list(tmp_path.iterdir())


def test_scoring_before_any_training_exits_5_and_makes_no_store(crm: Crm, tmp_path: Path) -> None:
    project = crm.written(tmp_path / "lead-scoring.toml")

    run = run_command("score", "-p", project, "--json")

    assert run.code == 5
    assert "Train first" in run.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lead-scoring.toml"]


def test_the_champion_of_the_store_scores_like_its_bundle(crm: Crm, scored: Path, tmp_path: Path) -> None:
    output = tmp_path / "scores.parquet"

    run = run_command("score", "-p", crm.project, "-o", output, "--json")

    assert (run.code, run.err) == (0, "")
    assert output.read_bytes() == scored.read_bytes()


def test_output_that_cannot_be_written_exits_7(crm: Crm, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "folder.parquet").mkdir()
    outputs = [tmp_path / "file" / "s.parquet", tmp_path / "folder.parquet", Path("/proc/nowhere/s.csv")]

    runs = [crm.score(output) for output in outputs]

    assert [run.code for run in runs] == [7, 7, 7]
    assert all(_told_once(run, "OutputError") for run in runs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.parquet"]


@pytest.mark.parametrize("arguments", [["init", "leads.csv", "-o"], ["simulate", "--leads", "20", "-o"]])
def test_other_commands_that_cannot_write_exit_7_too(crm: Crm, arguments: list[str]) -> None:
    known = [str(crm.folder / each) if each == "leads.csv" else each for each in arguments]

    run = run_command(*known, "/proc/nowhere/made", "--json")

    assert run.code == 7
    assert _told_once(run, "OutputError")


def test_a_neighbour_that_cannot_be_replaced_leaves_the_old_output_whole(crm: Crm, tmp_path: Path) -> None:
    output = tmp_path / "scores.parquet"
    assert crm.score(output).code == 0
    (tmp_path / "scores.quarantine.csv").unlink()
    (tmp_path / "scores.quarantine.csv").mkdir()
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    run = crm.score(output, "--as-of", "2025-10-01")

    assert run.code == 7
    assert "The old output stands" in run.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_scoring_that_the_system_stops_leaves_nothing_under_temporary_names(
    crm: Crm, tmp_path: Path
) -> None:
    stopped = (
        "import os, signal, pipeline.output as output\n"
        "output._flush = lambda _: os.kill(os.getpid(), signal.SIGTERM)\n"
        "from pipeline.cli import main\nmain()"
    )
    arguments = [
        "score",
        "-p",
        str(crm.project),
        "--bundle",
        str(crm.bundle),
        "-o",
        str(tmp_path / "scores.csv"),
    ]

    done = subprocess.run([sys.executable, "-c", stopped, *arguments], capture_output=True, check=False)

    assert done.returncode == 143
    assert list(tmp_path.iterdir()) == []


def test_missing_tables_are_all_named_at_once(crm: Crm, tmp_path: Path) -> None:
    run = run_command("check", "-p", crm.project, "--data", tmp_path, "--json")

    assert run.code == 2
    assert _told_once(run, "InputError")
    assert [f"{name}.csv" in run.err for name in ("leads", "events", "outcomes")] == [True, True, True]


def test_hostile_ids_and_values_are_shown_as_text(crm: Crm, tmp_path: Path) -> None:
    lead = crm.leads().iloc[0].to_dict() | {"created_at": "2025-12-30T00:00:00Z"}
    rows = [as_line(lead | {"lead_id": each, "job_title": "[/bold] [red]Chief"}) for each in HOSTILE]
    data = crm.export(tmp_path / "data", leads="\n".join([*crm.lines(), *rows]) + "\n")
    options = ("-p", crm.project, "--bundle", crm.bundle, "--data", data)

    shown = {each: run_command("explain", *options, "--", each) for each in HOSTILE}
    told = {each: run_command("explain", *options, "--json", "--", each) for each in HOSTILE}

    assert [run.code for run in (*shown.values(), *told.values())] == [0] * (2 * len(HOSTILE))
    assert all(run.out.startswith(f"Lead {each}: score ") for each, run in shown.items())
    assert all(run.json["lead_id"] == each and len(run.out.splitlines()) == 1 for each, run in told.items())


def test_an_unknown_lead_exits_2_with_the_nearest_id(crm: Crm) -> None:
    lead = "x" + crm.leads()["lead_id"].iloc[0]

    run = run_command("explain", lead, "-p", crm.project, "--bundle", crm.bundle)

    assert run.code == 2
    assert _told_once(run, "InputError")
    assert "Did you mean" in run.err


def test_an_interrupt_ends_the_run_without_a_traceback_and_without_output(crm: Crm, tmp_path: Path) -> None:
    pipe = tmp_path / "data" / "leads.csv"
    crm.export(tmp_path / "data")
    pipe.unlink()
    os.mkfifo(pipe)  # reading waits here for ever, so the signal meets the run at work
    command = [str(Path(sys.executable).parent / "lead-scoring"), "score", "-p", str(crm.project)]
    command += ["--data", str(tmp_path / "data"), "--bundle", str(crm.bundle), "-o", str(tmp_path / "s.csv")]

    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    writer = _opened_by_reader(pipe)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    os.close(writer)

    assert running.returncode in {1, 130}
    assert out == ""
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def _opened_by_reader(pipe: Path) -> int:
    """The pipe's writing end, once somebody has begun to read."""
    for _ in range(600):
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.1)
    raise AssertionError("nobody read the table")


def test_json_holds_no_nan(crm: Crm, scored: Path) -> None:
    run = run_command("check", "-p", crm.project, "--json")

    texts = [run.out, json.dumps(crm.trained, allow_nan=False), json.dumps(manifest(scored), allow_nan=False)]

    assert not any("NaN" in text or "Infinity" in text for text in texts)
