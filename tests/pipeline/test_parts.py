"""What parts the test: every row in one part of each kind, named as the data names it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.errors import ConfigError
from models.evaluation import Evaluation
from models.trainer import evaluate
from pipeline.config import Project, ReportSettings, load_project
from pipeline.dataset import Dataset, labelled_dataset
from pipeline.parts import figures_by_part, segment_columns, weak_words
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.tables import load_tables
from pipeline.train import development_examples

QUICK = '\n[model]\nrungs = ["logistic"]\nbootstrap = 100\n'


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Dataset, Evaluation]:
    """A small world and its evaluation."""
    folder = tmp_path_factory.mktemp("world")
    simulate_to_folder(WorldSettings(n_leads=1_500, seed=3, months=9), folder)
    path = folder / "lead-scoring.toml"
    path.write_text(path.read_text(encoding="utf-8") + QUICK, encoding="utf-8")
    project = load_project(path)
    dataset = labelled_dataset(project, load_tables(project))
    examples, catalogue = development_examples(project, dataset, lambda _: None)
    return project, dataset, evaluate(examples, catalogue, project.plan)


def with_segments(project: Project, *names: str) -> Project:
    return project.model_copy(update={"report": ReportSettings(segments=names)})


def test_every_row_of_the_test_lies_in_one_part_of_each_kind(judged: Any) -> None:
    project, dataset, evaluation = judged

    found = figures_by_part(project, dataset, evaluation)

    rows = Counter[str]()
    conversions = Counter[str]()
    for each in found:
        rows[each.kind] += each.rows
        conversions[each.kind] += each.conversions
    size = evaluation.sizes["test"]
    assert {"month", "band"} < set(rows)
    assert len(rows) > 2
    assert set(rows.values()) == {size.rows}
    assert set(conversions.values()) == {size.conversions}


def test_months_are_in_order_and_bands_from_the_top(judged: Any) -> None:
    found = figures_by_part(*judged)

    months = [each.name for each in found if each.kind == "month"]
    promised = [each.promised for each in found if each.kind == "band"]
    assert months == sorted(months)
    assert promised == sorted(promised, reverse=True)


def test_segments_are_named_by_the_project_or_found(judged: Any) -> None:
    project, dataset, _ = judged

    found = segment_columns(project, dataset)

    assert found == ("segment", "region", "company_country", "revenue_band")
    assert all(2 <= dataset.data.leads[name].nunique() <= 12 for name in found)
    assert segment_columns(with_segments(project, "lead_source", "country"), dataset) == (
        "lead_source",
        "country",
    )


def test_an_unknown_segment_is_refused_with_what_there_is(judged: Any) -> None:
    project, dataset, _ = judged

    with pytest.raises(
        ConfigError, match=r"names 1 columns that the leads do not have; the first is 'sector'"
    ):
        segment_columns(with_segments(project, "country", "sector"), dataset)


def test_rare_values_and_missing_ones_keep_their_rows(judged: Any) -> None:
    project, dataset, evaluation = judged
    leads = dataset.data.leads.copy()
    values = np.array([f"v{number % 15:02d}" for number in range(len(leads))], dtype=object)
    values[::7] = None
    leads["many"] = values
    changed = replace(dataset, data=replace(dataset.data, leads=leads))

    found = [
        each
        for each in figures_by_part(with_segments(project, "many"), changed, evaluation)
        if each.kind == "many"
    ]

    assert [each.name for each in found[-2:]] == ["all others", "(unknown)"]
    assert len(found) == 10
    assert sum(each.rows for each in found) == evaluation.sizes["test"].rows


def test_a_refused_model_has_no_bands(judged: Any) -> None:
    project, dataset, evaluation = judged
    failed = tuple(replace(each, status="failed") for each in evaluation.refusal)

    found = figures_by_part(project, dataset, replace(evaluation, refusal=failed))

    assert "band" not in {each.kind for each in found}


def test_a_flat_export_without_dates_is_parted_in_its_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["id,source,size,won"]
    for number in range(1200):
        size = rng.integers(1, 100)
        lines.append(f"{number},{'ab'[number % 2]},{size},{'yes' if rng.random() < size / 200 else 'no'}")
    (tmp_path / "leads.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "lead-scoring.toml").write_text(
        'name = "flat"\n[data.leads]\npath = "leads.csv"\ncolumns = { lead_id = "id" }\n[snapshots]\nmode = "static"\n'
        '[static]\nlabel = "won"\norder = "row"\n[attributes.at_creation]\ncategory = ["source"]\nnumber = ["size"]\n'
        + QUICK,
        encoding="utf-8",
    )
    project = load_project(tmp_path / "lead-scoring.toml")
    dataset = labelled_dataset(project, load_tables(project))
    examples, catalogue = development_examples(project, dataset, lambda _: None)

    found = figures_by_part(project, dataset, evaluate(examples, catalogue, project.plan))

    assert [each.name for each in found if each.kind == "period"] == [f"part {k} of 8" for k in range(1, 9)]
    assert [each.name for each in found if each.kind == "source"] == ["a", "b"]


def test_weak_slices_are_said_with_their_interval_and_n(judged: Any) -> None:
    found = figures_by_part(*judged)
    off = replace(found[0], check=replace(found[0].check, status="failed"))

    words = weak_words([off, replace(found[1], check=replace(found[1].check, status="passed"))])

    assert len(words) == 1
    assert words[0].startswith(f"month {off.name}: promised ")
    assert f"on {off.rows:,} rows with {off.conversions:,} conversions." in words[0]
