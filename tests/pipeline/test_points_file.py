"""Points sheets through the whole pipeline: two traditional tables as goldens, before any outcome is complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.errors import ConfigError
from pipeline.config import load_project
from tests.pipeline.conftest import run_command, scores

DEALER = """\
event,points,words
form submit,10,forms filled in
Email open,3,e-mails opened
email-click,7,e-mail links clicked
directions,20,requests for directions
"""
SAAS = """\
Attribute;Value;Points
Role;C-level;15
;PM;10
;Director;10
;assistant;0
Department;IT;15
;finance;10
;Marketing;0
Company size;1000+;5
;500-999;15
;100 - 499;10
;50-99;5
;under 50;0
"""
HEAD = """
[data]
data_end = "2026-03-10T00:00:00Z"
[data.leads]
path = "leads.csv"
[data.events]
path = "events.csv"
[data.outcomes]
path = "outcomes.csv"
"""
TYPES = ("form_submit", "email_open", "email_click", "visit_directions")


def project(folder: Path, sheet: str, points: str, leads: str, events: str = "", more: str = "") -> Path:
    """A project of a week, in which no outcome can be complete, and its sheet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "points.csv").write_text(sheet, encoding="utf-8")
    (folder / "leads.csv").write_text(leads, encoding="utf-8")
    (folder / "events.csv").write_text("lead_id,occurred_at,event_type\n" + events, encoding="utf-8")
    (folder / "outcomes.csv").write_text("lead_id,occurred_at,outcome\n", encoding="utf-8")
    types = "".join(f"[events.types.{name}]\n" for name in TYPES)
    path = folder / "lead-scoring.toml"
    path.write_text(f'{HEAD}[points]\nfile = "points.csv"\n{points}\n{types}{more}', encoding="utf-8")
    return path


def scored(path: Path) -> tuple[pd.DataFrame, str]:
    """The scores by the table that `train` offers instead of a model, and what it said."""
    trained = run_command("train", "-p", path)
    assert trained.code == 8, trained.err
    output = path.parent / "scores.parquet"
    bundle = trained.err.strip().split("--bundle ")[1]
    run = run_command("score", "-p", path, "--bundle", bundle, "-o", output, "--json")
    assert run.code == 0, run.err
    return scores(output), trained.err


def test_the_dealers_lead_with_form_open_click_and_directions_has_40_points_and_is_mql(
    tmp_path: Path,
) -> None:
    leads = "lead_id,created_at\n" + "".join(
        f"{name},2026-03-01T00:00:00Z\n" for name in ("all", "some", "none")
    )
    events = "".join(f"all,2026-03-0{2 + day}T08:00:00Z,{kind}\n" for day, kind in enumerate(TYPES))
    events += "some,2026-03-02T08:00:00Z,form_submit\nsome,2026-03-03T08:00:00Z,form_submit\n"
    path = project(tmp_path, DEALER, 'mql = 30\nevents = { directions = "visit_directions" }', leads, events)

    table, said = scored(path)

    assert said.startswith("NoModelError: No example is mature")
    assert table["score"].to_dict() == {"all": 40.0, "some": 10.0, "none": 0.0}
    assert table["band"].to_dict() == {"all": "MQL", "some": "below", "none": "below"}
    assert table["probability"].isna().all()
    lines: list[dict[str, Any]] = table["reasons"].to_dict()["all"]
    reasons = {each["text"]: each["points"] for each in lines}
    assert sorted(reasons.values(), reverse=True) == [20.0, 10.0, 7.0, 3.0]
    assert table.loc["all", "base_score"] == 0.0
    assert any("requests for directions" in text.casefold() for text in reasons)


def test_the_saas_table_gives_every_title_and_size_its_points(tmp_path: Path) -> None:
    titles = {
        "CEO": 15, "CTO": 30, "CFO": 25, "Product Manager": 10, "IT Project Manager": 25, "Finance Director": 20,
        "Marketing Director": 10, "IT Assistant": 15, "Assistant": 0,
    }  # fmt: skip
    sizes = {"1000+": 5, "500-999": 15, "100-499": 10, "50-99": 5, "under 50": 0}
    expected = {
        f"{title}|{size}": float(for_title + for_size)
        for title, for_title in titles.items()
        for size, for_size in sizes.items()
    }
    rows = "".join(f"{name},2026-03-01T00:00:00Z,{name.replace('|', ',')}\n" for name in expected)
    more = '[attributes.at_creation]\njob_title = ["position"]\ncompany_size = ["staff"]\n'
    path = project(tmp_path, SAAS, "mql = 25", f"lead_id,created_at,position,staff\n{rows}", more=more)

    table, _ = scored(path)

    found: dict[Any, float] = table["score"].to_dict()
    assert found == expected
    assert found["CEO|500-999"] > found["CEO|1000+"]
    assert (table["band"] == "MQL").sum() == sum(points >= 25 for points in expected.values())


def test_a_firm_with_losses_and_no_win_yet_scores_in_points_and_is_asked_for_its_wins(tmp_path: Path) -> None:
    leads = "lead_id,created_at\nL1,2026-03-01T00:00:00Z\nL2,2026-03-01T00:00:00Z\n"
    path = project(tmp_path, DEALER, "mql = 5", leads, "L2,2026-03-02T08:00:00Z,form_submit\n")
    with (tmp_path / "outcomes.csv").open("a", encoding="utf-8") as file:
        file.write("L1,2026-03-05T00:00:00Z,lost\n")

    table, said = scored(path)

    assert "None of the 1 outcomes is one of target.won = ['won']; found are 'lost' (1)" in said
    assert table["band"].to_dict() == {"L2": "MQL"}


def test_where_nothing_is_mature_and_there_is_no_table_the_exit_code_stays_2(tmp_path: Path) -> None:
    leads = "lead_id,created_at\nL,2026-03-01T00:00:00Z\n"
    path = project(tmp_path, DEALER, "", leads)  # a table without an MQL line can't say who is one

    run = run_command("train", "-p", path)

    assert (run.code, run.err.startswith("NoHistoryError: No example is mature")) == (2, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("points", ["mql = 5", "preset = 'car_dealer'"])
def test_the_rules_of_the_sheet_come_after_the_preset_and_before_the_projects_own(
    tmp_path: Path, points: str
) -> None:
    from pipeline.dataset import sources_of

    path = project(
        tmp_path, "event,points\nb,2\n", points, "lead_id\n", more='[[points.rules]]\nevent = "c"\n'
    )

    found = sources_of(load_project(path)).points

    preset = ["form_submit", "email_open", "email_click", "directions_request"] if "preset" in points else []
    assert [rule.event for rule in found] == [*preset, "b", "c"]


def faulted(path: Path) -> str:
    """What is said of a project that can't be read."""
    with pytest.raises(ConfigError) as caught:
        load_project(path)
    return str(caught.value)


def test_a_sheet_that_is_not_there_or_no_text_is_named_with_its_cure(tmp_path: Path) -> None:
    path = project(tmp_path, DEALER, "", "lead_id\n")
    (tmp_path / "points.csv").write_bytes(b"event,points\n\xe9,1\n")
    of_bytes = faulted(path)
    (tmp_path / "points.csv").unlink()
    of_nothing = faulted(path)

    assert "is not in UTF-8" in of_bytes
    assert "Save it as CSV UTF-8" in of_bytes
    assert f"There is no points sheet {tmp_path / 'points.csv'}" in of_nothing
    assert "against the folder of the project file" in of_nothing


def test_the_rules_of_the_sheet_can_not_be_written_into_the_project_file(tmp_path: Path) -> None:
    path = project(tmp_path, DEALER, "sheet = []", "lead_id\n")

    said = faulted(path)

    assert "points.sheet: unknown key." in said
    assert "sheet'" not in said.split("unknown key.")[1]


def test_words_and_settings_of_the_sheet_travel_with_the_project(tmp_path: Path) -> None:
    path = project(tmp_path, DEALER, "", "lead_id\n")

    found = load_project(path)

    assert found.words["points:type:form_submit"] == "forms filled in"
    settings: dict[str, Any] = found.plain_settings()["points"]
    assert [rule["points"] for rule in settings["sheet"]] == [10.0, 3.0, 7.0, 20.0]
