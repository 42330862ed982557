"""What a scoring run warns of: settings that wait for the next training, and what is printed of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from features.cleaning import hashed
from models.bundle import load_bundle
from pipeline.config import load_project
from pipeline.score_warnings import changed_settings
from tests.pipeline.conftest import Crm, manifest, run_command


@pytest.mark.parametrize(
    ("section", "more", "said"),
    [
        ("", "\n[score]\nchunk_rows = 500\n", []),
        ("[attributes]\n", 'max_unseen_share = 0.9\ntrusted = ["industry"]\n', []),
        ("[attributes]\n", 'barred = ["industry"]\n', ["attributes.barred"]),
        ("[attributes]\n", "min_category_rows = 21\n", ["attributes.min_category_rows"]),
        ("[target]\n", 'outcome_delay = "3d"\n', ["target.outcome_delay"]),
        ("[features]\n", "tail = 0.1\n", ["features.tail"]),
        ("[events]\n", "max_types = 29\n", ["events.max_types"]),
        ("", '\n[fit]\nrules = [{ attribute = "industry", values = ["x"] }]\n', ["fit"]),
    ],
)
def test_settings_that_wait_for_the_next_training_are_named_and_change_no_score(
    crm: Crm, scored: Path, tmp_path: Path, section: str, more: str, said: list[str]
) -> None:
    project = crm.written(tmp_path / "lead-scoring.toml", "" if section else more)
    text = project.read_text(encoding="utf-8")
    if section and section not in text:
        text += f"\n{section}{more}"
    elif section:
        text = text.replace(section, section + more, 1)
    project.write_text(text, encoding="utf-8")

    run = crm.score(tmp_path / "scores.parquet", "-p", project)

    assert run.code == 0, run.err
    told = [
        each for each in manifest(tmp_path / "scores.parquet")["warnings"] if "in the project file" in each
    ]
    assert [each.rpartition(": ")[2] for each in told] == said
    assert (tmp_path / "scores.parquet").read_bytes() == scored.read_bytes()


def test_what_asks_something_of_a_person_is_printed_and_what_does_not_is_not(
    crm: Crm, scored: Path, tmp_path: Path
) -> None:
    project = crm.written(tmp_path / "lead-scoring.toml")
    text = project.read_text(encoding="utf-8").replace("[features]\n", "[features]\ntail = 0.1\n", 1)
    project.write_text(text, encoding="utf-8")
    output = tmp_path / "scores.parquet"

    run = run_command("score", "-p", project, "--bundle", crm.bundle, "-o", output, "--as-of", "2026-02-01")
    plain = run_command("score", "-p", crm.project, "--bundle", crm.bundle, "-o", tmp_path / "plain.parquet")

    assert run.code == plain.code == 0
    said = [line for line in run.out.splitlines() if line.startswith("- ")]
    assert len(said) == 2
    assert "days after the end of the data" in said[0]
    assert said[1].endswith("before the next training: features.tail")
    assert {line.removeprefix("- ") for line in said} <= set(manifest(output)["warnings"])
    assert manifest(scored)["warnings"]  # columns that the files lack
    assert not any(line.startswith("- ") for line in plain.out.splitlines())


def test_rules_that_the_next_training_will_refuse_are_warned_of_and_scoring_goes_on(
    crm: Crm, scored: Path, tmp_path: Path
) -> None:
    project = crm.written(tmp_path / "lead-scoring.toml")
    text, lost = project.read_text(encoding="utf-8"), '{ attribute = "planet", values = { x = 1 } },'
    project.write_text(text.replace("rules = [\n", f"rules = [\n  {lost}\n", 1), encoding="utf-8")

    run = crm.score(tmp_path / "scores.parquet", "-p", project)

    assert run.code == 0, run.err
    told = manifest(tmp_path / "scores.parquet")["warnings"]
    assert any("next training will refuse it" in each and "'planet'" in each for each in told)
    assert (tmp_path / "scores.parquet").read_bytes() == scored.read_bytes()


def test_what_a_bundle_hides_and_in_which_order_names_stand_is_no_change(crm: Crm, tmp_path: Path) -> None:
    project = load_project(crm.project)
    group = project.attributes.at_creation
    turned = project.attributes.model_copy(
        update={
            "at_creation": group.model_copy(update={"category": group.category[::-1]}),
            "barred": ("no such column",),
        }
    )
    staff = project.events.model_copy(
        update={"internal_column": "actor", "internal_values": ("bob@ours.com", "eve")}
    )
    bundle = load_bundle(crm.bundle)
    hidden = bundle.sources.events.model_copy(
        update={"internal_column": "actor", "internal_values": (hashed("eve"), hashed("bob@ours.com"))}
    )
    known = replace(bundle, sources=replace(bundle.sources, events=hidden))

    same = changed_settings(project.model_copy(update={"attributes": turned, "events": staff}), known)
    other = changed_settings(project, known)

    assert same == []
    assert other[0].endswith(": events.internal_column, events.internal_values")
    assert len(group.category) > 1
