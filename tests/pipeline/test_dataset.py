"""Tables to examples: labels, time order and what is left out, with the counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from pipeline.config import Project, load_project
from pipeline.dataset import Dataset, check_quarantine, labelled_dataset
from pipeline.tables import load_tables

FLAT = """
[data]
[data.leads]
path = "leads.csv"
[snapshots]
mode = "static"
[static]
label = "bought"
positive = ["Yes"]
negative = ["no"]
open = ["Talking"]
{order}
[attributes.at_creation]
category = ["colour"]
"""
CRM = """
[data]
data_end = 2025-03-01
[data.leads]
path = "leads.csv"
[data.outcomes]
path = "outcomes.csv"
[target]
horizon = "10d"
outcome_grace = "1d"
reopened = ["again"]
not_terminal = ["talk"]
[snapshots]
{snapshots}
[attributes.at_creation]
category = ["colour"]
"""


def _flat(folder: Path, rows: list[str], order: str = 'order = "row"') -> Project:
    (folder / "leads.csv").write_text(
        "lead_id,bought,colour,number,day\n" + "\n".join(rows) + "\n", encoding="utf-8"
    )
    return _project(folder, FLAT.format(order=order))


def _crm(folder: Path, leads: list[str], outcomes: list[str], snapshots: str = 'every = "7d"') -> Project:
    (folder / "leads.csv").write_text(
        "lead_id,created_at,colour\n" + "\n".join(leads) + "\n", encoding="utf-8"
    )
    head = "lead_id,occurred_at,outcome\n"
    (folder / "outcomes.csv").write_text(head + "\n".join(outcomes) + "\n", encoding="utf-8")
    return _project(folder, CRM.format(snapshots=snapshots))


def _project(folder: Path, text: str) -> Project:
    (folder / "lead-scoring.toml").write_text(text, encoding="utf-8")
    return load_project(folder / "lead-scoring.toml")


def _dataset(project: Project) -> Dataset:
    return labelled_dataset(project, load_tables(project))


def _ids(dataset: Dataset) -> list[str]:
    return [str(each) for each in dataset.data.leads["lead_id"].to_numpy(dtype=object)[dataset.rows.lead]]


def _days(dataset: Dataset) -> list[str]:
    return [str(each) for each in dataset.rows.as_of.astype("datetime64[us]").astype("datetime64[D]")]


ROWS = [
    "b,YES,red,10,2025-03-01",
    "a, No ,blue,9,2025-01-01",
    "c,,red,8,2025-02-01",
    "d,talking,red,7,2025-02-01",
    "e,yes,blue,100,2025-02-01",
]


def test_labels_ignore_case_and_blanks_and_open_leads_are_counted_not_trained_on(tmp_path: Path) -> None:
    dataset = _dataset(_flat(tmp_path, ROWS))

    assert dict(zip(_ids(dataset), dataset.y.tolist(), strict=True)) == {"b": 1.0, "a": 0.0, "e": 1.0}
    assert dataset.left_out == {"unlabelled": 2}


def test_labels_that_are_neither_are_refused_with_counts_and_the_most_frequent(tmp_path: Path) -> None:
    project = _flat(
        tmp_path, [*ROWS, "f,maybe,red,1,2025-01-01", "g,maybe,red,1,2025-01-01", "h,?,red,1,2025-01-01"]
    )

    with pytest.raises(
        InputError, match=r"3 of 8 labels in 'bought' .* the most frequent is 'maybe' \(2 rows\)"
    ):
        _dataset(project)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([each for each in ROWS if "No" not in each], "2 converted, 0 not, 2 open"),
        (["a,no,red,1,", "b,no,red,1,"], "0 converted, 2 not, 0 open"),
        (["a,,red,1,", "b,,red,1,"], "0 converted, 0 not, 2 open"),
    ],
)
def test_a_single_class_is_refused_with_counts(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        _dataset(_flat(tmp_path, rows))


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ('order = "row"', ["b", "a", "e"]),
        ('order = "number"', ["a", "b", "e"]),
        ('order = "day"', ["a", "e", "b"]),
    ],
)
def test_a_flat_export_is_ordered_by_row_by_number_or_by_date(
    tmp_path: Path, order: str, ids: list[str]
) -> None:
    dataset = _dataset(_flat(tmp_path, ROWS, order))

    ranked = np.array(_ids(dataset))[np.argsort(dataset.timeline.order, kind="stable")]
    assert ranked.tolist() == ids
    assert dataset.timeline.is_ordered
    assert np.array_equal(dataset.timeline.order, dataset.timeline.known_at)


def test_a_date_that_gives_the_order_is_the_as_of(tmp_path: Path) -> None:
    dataset = _dataset(_flat(tmp_path, ROWS, 'order = "day"'))

    assert _days(dataset) == ["2025-03-01", "2025-01-01", "2025-02-01"]


def test_without_an_order_the_dataset_says_so(tmp_path: Path) -> None:
    assert not _dataset(_flat(tmp_path, ROWS, "")).timeline.is_ordered


def test_an_order_with_gaps_is_refused_with_counts_but_open_leads_need_none(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    good = _flat(tmp_path, [*ROWS, "z,,red,,"], 'order = "day"')
    bad = _flat(tmp_path / "bad", [*ROWS, "z,no,red,1,yesterday"], 'order = "day"')

    assert len(_dataset(good).y) == 3
    with pytest.raises(
        InputError, match="1 of 4 labelled rows have no usable order in 'day', the first is 'yesterday'"
    ):
        _dataset(bad)


def test_snapshots_are_mature_open_and_labelled_by_the_first_ending(tmp_path: Path) -> None:
    leads = ["w,2025-01-20T00:00Z,red", "l,2025-01-20T00:00Z,blue", "o,2025-01-20T00:00Z,red"]
    outcomes = [
        "w,2025-02-20T12:00Z,won",
        "l,2025-02-03T00:00Z,lost",
        "l,2025-02-10T00:00Z,won",
        "o,2025-02-01T00:00Z,talk",
    ]

    dataset = _dataset(_crm(tmp_path, leads, outcomes))

    found = dict(zip(zip(_ids(dataset), _days(dataset), strict=True), dataset.y.tolist(), strict=True))
    assert found == {
        ("w", "2025-01-25"): 0.0, ("l", "2025-01-25"): 0.0, ("o", "2025-01-25"): 0.0,
        ("w", "2025-02-01"): 0.0, ("l", "2025-02-01"): 0.0, ("o", "2025-02-01"): 0.0,
        ("w", "2025-02-08"): 0.0, ("o", "2025-02-08"): 0.0,
        ("w", "2025-02-15"): 1.0, ("o", "2025-02-15"): 0.0,
    }  # fmt: skip
    # the last two cuts, 22 February and 1 March, are immature: only `o` is open there
    assert dataset.left_out == {"immature": 2, "in_grace": 0, "thinned": 0}
    assert dataset.n_open == 1


def test_an_outcome_within_the_grace_is_left_out_and_counted(tmp_path: Path) -> None:
    leads = ["w,2025-01-20T00:00Z,red", "o,2025-01-20T00:00Z,red"]
    project = _crm(tmp_path, leads, ["w,2025-02-01T23:59Z,won", "o,2025-02-28T00:00Z,won"])

    dataset = _dataset(project)

    assert ("w", "2025-02-01") not in set(zip(_ids(dataset), _days(dataset), strict=True))
    assert dataset.left_out["in_grace"] == 1


def test_what_happens_to_young_leads_moves_no_label(tmp_path: Path) -> None:
    """Maturity depends on the moment alone: quick winners of the last days are left out with the rest."""
    leads = ["w,2025-01-20T00:00Z,red", "o,2025-01-20T00:00Z,red"]
    young = [f"y{number},2025-02-20T00:00Z,red" for number in range(50)]
    for name in ("quiet", "winning"):
        (tmp_path / name).mkdir()
    end = ["w,2025-02-18T00:00Z,won"]

    quiet = _dataset(_crm(tmp_path / "quiet", leads + young, end))
    winning = _dataset(
        _crm(
            tmp_path / "winning",
            leads + young,
            end + [f"{each.split(',')[0]},2025-02-21T00:00Z,won" for each in young],
        )
    )

    assert _ids(quiet) == _ids(winning)
    assert np.array_equal(quiet.y, winning.y)
    assert quiet.left_out["immature"] > winning.left_out["immature"] > 0


@pytest.mark.parametrize("mode", ['every = "7d"', 'mode = "age"\nages = ["12h", "8d"]'])
def test_a_young_cohort_moves_the_base_rate_by_nothing(tmp_path: Path, mode: str) -> None:
    """Leads created after the last mature as_of: many, half of them won at once, and no label moves."""
    leads = [f"o{n:02d},2025-01-{1 + n % 20:02d}T00:00Z,red" for n in range(60)]
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta([1 + n % 20 + n % 17 for n in range(50)], unit="D")
    kinds = ["lost" if n % 3 else "won" for n in range(50)]
    ends = [
        f"o{n:02d},{day:%Y-%m-%d}T06:00Z,{kind}"
        for n, (day, kind) in enumerate(zip(days, kinds, strict=True))
    ]
    young = [f"y{n:03d},2025-02-{20 + n % 8}T00:00Z,red" for n in range(400)]
    quick = [f"y{n:03d},2025-02-28T01:00Z,won" for n in range(200)]
    for name in ("without", "with"):
        (tmp_path / name).mkdir()

    without = _dataset(_crm(tmp_path / "without", leads, ends, mode))
    with_young = _dataset(_crm(tmp_path / "with", leads + young, ends + quick, mode))

    assert 0.05 < without.y.mean() < 0.5
    assert with_young.y.mean() - without.y.mean() == 0.0
    assert _ids(with_young) == _ids(without)
    assert with_young.left_out["immature"] > without.left_out["immature"]


def test_ages_are_measured_from_creation(tmp_path: Path) -> None:
    leads = ["w,2025-01-20T06:00Z,red", "late,2025-02-27T00:00Z,red"]
    project = _crm(tmp_path, leads, ["w,2025-02-04T00:00Z,won"], 'mode = "age"\nages = ["12h", "8d", "30d"]')

    dataset = _dataset(project)

    moments = [str(each) for each in dataset.rows.as_of.astype("datetime64[us]").astype("datetime64[m]")]
    assert list(zip(_ids(dataset), moments, dataset.y.tolist(), strict=True)) == [
        ("w", "2025-01-20T18:00", 0.0),
        ("w", "2025-01-28T06:00", 1.0),
    ]
    assert dataset.left_out["immature"] == 1


def test_nothing_mature_is_refused_with_the_days_that_are_missing(tmp_path: Path) -> None:
    project = _crm(tmp_path, ["w,2025-02-27T00:00Z,red"], ["w,2025-02-28T00:00Z,won"])

    with pytest.raises(InputError, match="No example is mature: an as_of must lie at least 10 days before"):
        _dataset(project)


def test_thinning_is_blind_to_the_outcome_and_counted(crm_tables: tuple[Project, Dataset]) -> None:
    project, everything = crm_tables
    small = project.model_copy(update={"snapshots": project.snapshots.model_copy(update={"max_rows": 2_000})})

    thinned = _dataset(small)

    assert 1_800 < len(thinned.y) < 2_200
    assert thinned.left_out["thinned"] == len(everything.y) - len(thinned.y)
    rate, noise = everything.y.mean(), np.sqrt(everything.y.mean() / len(thinned.y))
    assert abs(thinned.y.mean() - rate) < 4 * noise


@pytest.fixture(scope="module")
def crm_tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Dataset]:
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(3)
    created = pd.Timestamp("2024-06-01", tz="UTC") + pd.to_timedelta(rng.uniform(0, 200, 800), unit="D")
    ended = created + pd.to_timedelta(rng.exponential(30, 800), unit="D")
    ids = [f"L{number:04d}" for number in range(800)]
    leads = [f"{lead},{moment.isoformat()},red" for lead, moment in zip(ids, created, strict=True)]
    kinds = np.where(rng.random(800) < 0.4, "won", "lost")
    outcomes = [
        f"{lead},{moment.isoformat()},{kind}"
        for lead, moment, kind in zip(ids, ended, kinds, strict=True)
        if moment < pd.Timestamp("2025-03-01", tz="UTC")
    ]
    project = _crm(folder, leads, outcomes, 'every = "2d"')
    return project, _dataset(project)


def test_the_limit_of_the_quarantine_is_a_share_of_lead_rows_whatever_is_scored(tmp_path: Path) -> None:
    rows = [f"L{n},2025-01-01,A" for n in range(30)]
    lines = ["lead_id,created_at,account_id", *rows, ",2025-01-01,A"]
    (tmp_path / "leads.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "outcomes.csv").write_text(
        "lead_id,occurred_at,outcome\nL1,2025-02-01,won\n", encoding="utf-8"
    )
    path = tmp_path / "lead-scoring.toml"
    text = CRM.format(snapshots="").replace(
        "[attributes.at_creation]", '[targets.accounts]\nentity = "account"\n'
    )
    path.write_text(text.partition("category")[0], encoding="utf-8")
    project = load_project(path)
    of_accounts = project.for_target("accounts")

    tables = load_tables(of_accounts, purpose="score")  # one account; 1 of 31 lead rows is in quarantine

    assert tables.rows_in["leads"] == 2
    assert check_quarantine(of_accounts, tables) == check_quarantine(project, load_tables(project)) == 1
