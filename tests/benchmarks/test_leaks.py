"""The campaign of planted leaks: three kinds, a harmless one, and the page it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.leaks import Found, campaign, page, planted, summary
from benchmarks.plants import EXTRA, PLANTS
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.tables import load_tables


def test_leaks_of_three_kinds_are_caught() -> None:
    kinds = ["label_noise_5", "owner_on_win", "event_minutes_before"]

    found = list(campaign(3_000, [1], kinds))

    assert [(each.kind, each.result) for each in found] == [
        ("label_noise_5", "left out"),
        ("owner_on_win", "left out"),
        ("event_minutes_before", "named"),
    ]
    assert "settle the outcome" in found[0].evidence


def test_what_changes_no_feature_is_stopped() -> None:
    (found,) = campaign(1_500, [2], ["row_order"])

    assert (found.result, found.evidence) == ("stopped", "No feature of any example changes by it.")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    simulate_to_folder(WorldSettings(n_leads=400, seed=3), folder)
    return folder


@pytest.mark.parametrize("kind", sorted(PLANTS))
def test_every_kind_changes_what_it_says_and_can_be_read(kind: str, world: Path, tmp_path: Path) -> None:
    project = planted(world, tmp_path, PLANTS[kind], 1)
    tables = load_tables(project)

    changed = [path.name for path in sorted(tmp_path.iterdir()) if not path.is_symlink()]
    assert changed
    assert len(tables.leads) == 400
    if PLANTS[kind].kind is not None:
        place = tables.accounts if "accounts.parquet" in changed else tables.leads
        assert EXTRA in place
        assert place[EXTRA].nunique() >= 1
    elif "events.parquet" in changed:
        assert EXTRA in set(tables.events["event_type"])


def test_the_page_counts_results_and_tells_the_limits() -> None:
    found = [
        Found("label_text", 1, "left out", "AUC 1.00 | all."),
        Found("label_text", 2, "named", "AUC .8."),
        Found("score_faint", 1, "missed", "AUC 0.86 on the test."),
    ]

    text = page(found, 4_000)

    assert "| label_text | the label as text | 1 | 1 |  |  | AUC 1.00 / all. |" in summary(found)
    assert "`python benchmarks/leaks.py --leads 4000 --seeds 1 2 --write docs/leaks.md`" in text
    assert "2 kinds of leaks were planted, one at a time, into 2 simulated worlds of 4,000 leads." in text
    assert "1 of 2 kinds were caught in every world." in text
    assert "- score_faint: no stronger than an honest column" in text
