"""Things that would make a model look right and be wrong are refused, or kept from promotion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.builder import learn_catalogue
from features.errors import ConfigError, InputError
from models.gate import judge_plausibility
from models.intervals import Interval
from pipeline.config import Project, load_project
from pipeline.dataset import labelled_dataset
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.tables import load_tables


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guards")
    simulate_to_folder(WorldSettings(n_leads=600, seed=2), folder, "csv")
    return folder


def changed(crm: Path, tmp_path: Path, old: str, new: str) -> Project:
    text = (crm / "lead-scoring.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "lead-scoring.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return load_project(path, crm)


def copied(crm: Path, tmp_path: Path, table: str, change: object) -> Project:
    for path in crm.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    frame = pd.read_csv(tmp_path / f"{table}.csv", dtype=str, keep_default_na=False)
    change(frame)  # type: ignore[operator]
    frame.to_csv(tmp_path / f"{table}.csv", index=False)
    return load_project(crm / "lead-scoring.toml", tmp_path)


def test_a_label_among_the_attributes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lead-scoring.toml"
    path.write_text(
        '[data.leads]\npath = "x.csv"\n[snapshots]\nmode = "static"\n[static]\nlabel = "won"\n'
        '[attributes.at_creation]\ncategory = ["won"]\n'
    )

    with pytest.raises(ConfigError, match="the outcome can't be a feature"):
        load_project(path)


def test_a_figure_too_good_to_be_true_is_never_passed() -> None:
    assert judge_plausibility(Interval(0.99, 0.988, 0.993), 0.985).status == "failed"
    assert judge_plausibility(Interval(0.93, 0.91, 0.95), 0.985).status == "passed"


def test_a_target_that_no_outcome_has_is_refused_with_what_there_is(crm: Path, tmp_path: Path) -> None:
    project = changed(crm, tmp_path, 'won = ["won"]', 'won = ["sold"]')

    with pytest.raises(InputError, match=r"None of the .* outcomes is one of target.won.*'lost'"):
        labelled_dataset(project, load_tables(project))


def test_an_outcome_written_almost_like_a_win_is_refused(crm: Path, tmp_path: Path) -> None:
    def change(frame: pd.DataFrame) -> None:
        frame.loc[np.flatnonzero(frame["outcome"] == "won")[:5], "outcome"] = "Won"

    project = copied(crm, tmp_path, "outcomes", change)

    with pytest.raises(InputError, match=r"almost like one of target.won.*'Won' \(5 rows\)"):
        labelled_dataset(project, load_tables(project))


def test_one_event_far_in_the_future_is_no_end_of_the_data(crm: Path, tmp_path: Path) -> None:
    def change(frame: pd.DataFrame) -> None:
        frame.loc[0, "occurred_at"] = "2052-04-13T00:00:00Z"

    project = copied(crm, tmp_path, "events", change)
    project = project.model_copy(update={"data": project.data.model_copy(update={"data_end": None})})

    with pytest.raises(InputError, match=r"2052-04-13.*set data.data_end"):
        labelled_dataset(project, load_tables(project))


def test_a_lead_without_a_creation_time_goes_to_quarantine_alone(crm: Path, tmp_path: Path) -> None:
    def change(frame: pd.DataFrame) -> None:
        frame.loc[3, "created_at"] = ""

    tables = load_tables(copied(crm, tmp_path, "leads", change))

    assert tables.quarantine["code"].tolist() == ["missing_value"]
    assert len(tables.leads) == tables.rows_in["leads"] - 1


def test_a_lead_whose_outcome_cannot_be_read_is_neither_open_nor_lost(crm: Path, tmp_path: Path) -> None:
    owner: list[str] = []

    def change(frame: pd.DataFrame) -> None:
        owner.append(str(frame.loc[0, "lead_id"]))
        frame.loc[0, "occurred_at"] = "soon"

    tables = load_tables(copied(crm, tmp_path, "outcomes", change))

    of_leads = tables.quarantine[tables.quarantine["table"] == "leads"]
    assert of_leads[["lead_id", "code"]].to_numpy().tolist() == [[owner[0], "bad_outcome"]]
    assert owner[0] not in set(tables.leads["lead_id"])


def test_the_priority_list_of_today_is_used_only_where_it_is_waived(crm: Path, tmp_path: Path) -> None:
    waived = load_project(crm / "lead-scoring.toml")
    plain = changed(crm, tmp_path, 'waived = ["is_priority"]', "waived = []")
    found = []
    for project in (waived, plain):
        dataset = labelled_dataset(project, load_tables(project))
        found.append(
            "account__is_priority__value"
            in learn_catalogue(dataset.data, dataset.rows, dataset.sources).names
        )

    assert found == [True, False]


def test_the_order_of_the_rows_of_leads_changes_no_example(crm: Path, tmp_path: Path) -> None:
    plain = load_project(crm / "lead-scoring.toml")

    def change(frame: pd.DataFrame) -> None:
        frame[:] = frame.iloc[::-1].to_numpy()

    mixed = copied(crm, tmp_path, "leads", change)
    one, other = (labelled_dataset(project, load_tables(project)) for project in (plain, mixed))

    assert one.rows.as_of.tolist() == other.rows.as_of.tolist()
    assert one.lead_code.tolist() == other.lead_code.tolist()
    assert one.timeline.cluster.tolist() == other.timeline.cluster.tolist()
    assert one.y.tolist() == other.y.tolist()
