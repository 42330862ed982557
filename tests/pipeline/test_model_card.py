"""The card: one page of markdown that says what a version is for, what it knows, and where it ends."""

from __future__ import annotations

import math
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.gate import Check
from models.intervals import Interval
from models.slices import SliceFigures
from pipeline.config import load_project
from pipeline.model_card import model_card
from pipeline.record import TrainingRecord
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.train import train_project

GOLDEN = Path(__file__).parents[1] / "golden" / "model_card.md"
SMALL = """
[model]
rungs = ["logistic"]
bootstrap = 100

[features]
families = ["explicit", "recency"]
"""
BANDS = "Of 400 open leads 40 (10 %) would change band: 15 up, 25 down."
INTERVALS = {
    "auc": Interval(0.8134, 0.7912, 0.8349), "average_precision": Interval(0.31, 0.27, 0.36),
    "log_loss": Interval(0.2011, 0.1902, 0.2120), "brier": Interval(0.0551, 0.05, 0.06),
    "ece": Interval(0.0102, 0.008, 0.02), "calibration_ratio": Interval(1.04, 0.93, 1.16),
    "recall_at_20": Interval(0.62, 0.57, 0.68),
}  # fmt: skip


def checked(name: str, status: Any, words: str) -> Check:
    """A check by hand."""
    return Check(name, status, 1.0, 0.9, 1.1, (1.0,), words)


def part(kind: str, name: str, status: Any) -> SliceFigures:
    """A slice by hand."""
    came, ratio = Interval(0.08, 0.06, 0.1), Interval(1.5, 1.2, 1.9)
    return SliceFigures(
        kind, name, 1200, 400, 96, 0.12, came, ratio, Interval(0.7, 0.6, 0.8), checked("slice", status, "")
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainingRecord:
    """The record of a small world."""
    folder = tmp_path_factory.mktemp("world")
    simulate_to_folder(WorldSettings(n_leads=1_000, seed=5, months=9), folder)
    path = folder / "lead-scoring.toml"
    path.write_text(path.read_text(encoding="utf-8") + SMALL, encoding="utf-8")
    return train_project(load_project(path), lambda _: None).record


@pytest.fixture(scope="module")
def record(trained: TrainingRecord) -> TrainingRecord:
    """The same with figures, checks and words by hand, so that the golden card speaks of the card alone."""
    evaluation = replace(
        trained.evaluation, intervals=INTERVALS, notes=("Three folds, for development is short.",),
        unseen_accounts=Interval(0.79, 0.75, 0.83),
        refusal=(checked("auc_within_time", "passed", "It ranks better than chance."),),
        calibration_checks=(checked("calibration_ratio", "not_shown", "Too few sales to tell."),),
    )  # fmt: skip
    assert trained.bundle is not None
    hunt = {
        "left_out": [{"table": "leads", "column": "deal_stage", "evidence": "AUC 0.99 | copy of <label>"}],
        "trusted": [],
    }
    bundle = replace(
        trained.bundle,
        manifest={**trained.bundle.manifest, "model_version": "0a1b2c3d4e5f", "leak_hunt": hunt},
    )
    words = ("Challenger: ranking only, not calibrated (AUC 0.813 (0.791 to 0.835)).",)
    return replace(
        trained, evaluation=evaluation, bundle=bundle, words=words, verdict="challenger", champion_check=None,
        quarantined={"duplicate_id": 3}, cleaned={"bot": 41, "internal": 0},
        bands_check=checked("band_stability", "passed", BANDS),
        slices=(part("channel", "`fairs`", "failed"), part("month", "2025-03", "passed")),
    )  # fmt: skip


def test_the_golden_card_reads_as_it_did(record: TrainingRecord) -> None:
    card = model_card(record)

    if os.environ.get("UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(card, encoding="utf-8")
    assert card == GOLDEN.read_text(encoding="utf-8")


def test_a_real_training_gives_a_card_of_one_page_twice_the_same(trained: TrainingRecord) -> None:
    card = model_card(trained)

    assert card == model_card(trained)
    assert len(card.splitlines()) < 110
    assert trained.bundle is not None
    assert f"version `{trained.bundle.model_version}`" in card
    for heading in (
        "The question", "Use", "Data and population", "Performance", "Checks", "What it reads",
        "Where it is weak", "Limits", "Going back",
    ):  # fmt: skip
        assert card.count(f"\n## {heading}\n") == 1
    assert not re.search(r"\bnan\b|None|\binf\b|\{|\}", card)


def test_every_figure_stands_there_with_its_interval_and_the_n(record: TrainingRecord) -> None:
    card, size = model_card(record), record.evaluation.sizes["test"]

    assert "| AUC | 0.813 | 0.791 to 0.835 |" in card
    assert "| Buyers in the top 20 % | 62 % | 57 % to 68 % |" in card
    assert "| Promised / came | 1.04 | 0.93 to 1.16 |" in card
    assert f"(n = {size.rows:,} rows, {size.leads:,} leads, {size.conversions:,} conversions)" in card


def test_a_figure_that_can_not_be_shown_says_so(record: TrainingRecord) -> None:
    nan = math.nan
    unknown = replace(record.evaluation, intervals={**INTERVALS, "ece": Interval(nan, nan, nan)})

    assert "| not shown | too few to tell |" in model_card(replace(record, evaluation=unknown))


def test_the_counts_of_the_data_are_those_of_the_training(record: TrainingRecord) -> None:
    card = model_card(record)

    for name, size in record.evaluation.sizes.items():
        assert re.search(
            rf"\| {name} \| [^|]* \| {size.rows:,} \| {size.leads:,} \| {size.conversions:,} \|", card
        )
    assert "Lead rows in quarantine: 3 duplicate id." in card
    assert "Events removed: 41 bot bursts and link scanners." in card
    assert record.dataset.data_end is not None
    assert f"The data ends on {record.dataset.data_end:%Y-%m-%d}" in card


def test_features_by_family_add_up(record: TrainingRecord) -> None:
    found = re.search(r"- ([\d,]+) features: (.*)\.\n", model_card(record))

    assert found is not None
    counts = [int(each.split()[0]) for each in found[2].split(", ")]
    assert sum(counts) == int(found[1].replace(",", "")) == len(record.catalogue)


def test_what_the_project_bars_is_apart_from_what_the_hunt_barred(record: TrainingRecord) -> None:
    barred = record.project.attributes.model_copy(update={"barred": ("deal_stage", "owner")})
    project = record.project.model_copy(update={"attributes": barred})

    card = model_card(replace(record, project=project))

    assert "- Left out by the project: `owner`.\n- Left out by the leak hunt: `deal_stage` (" in card


def test_of_many_names_the_first_are_listed(record: TrainingRecord) -> None:
    barred = tuple(f"f{number:02d}" for number in range(30))
    attributes = record.project.attributes.model_copy(update={"barred": barred})
    project = record.project.model_copy(update={"attributes": attributes})

    assert "`f23`, `f24` and 5 more." in model_card(replace(record, project=project))


def test_only_slices_shown_to_be_off_are_weak(record: TrainingRecord) -> None:
    card, clean = model_card(record), model_card(replace(record, slices=record.slices[1:]))

    assert "promised 12.0 %, came 8.0 % (6.0 to 10.0 %), on 1,200 rows with 96 conversions." in card
    assert "2025-03" not in card
    assert "No month, band or segment stood out." in clean


def test_a_refused_training_promises_nothing(record: TrainingRecord) -> None:
    refused = replace(record, verdict="refused", bundle=None, words=("Refused: nothing was found.",))

    card = model_card(refused)

    assert card.startswith("# Model card: `sample-crm`, no version")
    assert "Nothing was registered; the champion, if there is one, stays in use." in card
    assert "What it reads" not in card
    assert "rollback" not in card


def test_a_flat_export_has_no_horizon_and_no_moment(record: TrainingRecord) -> None:
    flat = record.project.model_copy(
        update={
            "snapshots": record.project.snapshots.model_copy(update={"mode": "static"}),
            "static": load_static(),
        }
    )

    card = model_card(replace(record, project=flat))

    assert "It converts if `bought` is `yes` or `won`." in card
    assert "Moment: a flat export has none" in card
    assert "learned from are those with a label, scored are those without." in card
    assert "within 30 days" not in card


def load_static() -> Any:
    """A section [static]."""
    from features.settings import StaticSettings

    return StaticSettings(label="bought", positive=("yes", "won"))


def test_checkpoints_of_age_delay_and_grace_are_said(record: TrainingRecord) -> None:
    day = 86_400_000_000
    snapshots = record.project.snapshots.model_copy(update={"mode": "age", "ages": (day // 24, day, 7 * day)})
    target = record.project.target.model_copy(
        update={"outcome_grace": day // 24, "outcome_delay": 2 * day, "product": "pro"}
    )
    project = record.project.model_copy(update={"snapshots": snapshots, "target": target})

    card = model_card(replace(record, project=project))

    assert "Moments learned from: 1h, 1 day and 7 days after a lead was made." in card
    assert "Outcomes within 1h of the moment are left out." in card
    assert "Outcomes are taken to be on record 2 days after they happen." in card
    assert "It converts if its first end of `pro` from then on is `won`, within 30 days." in card


@pytest.mark.parametrize(
    "name", ["a|b", "`x`", "<script>alert(1)</script>", "![x](http://y)", "n\n# title", "\x1b[2J"]
)
def test_a_hostile_name_is_no_markdown(record: TrainingRecord, name: str) -> None:
    assert record.bundle is not None
    hunt = {
        "left_out": [{"table": "leads", "column": name, "evidence": name}],
        "trusted": [{"table": "leads", "column": name, "evidence": name}],
    }
    bundle = replace(record.bundle, manifest={**record.bundle.manifest, "leak_hunt": hunt})
    barred = record.project.attributes.model_copy(update={"barred": (name, "other" + name)})
    project = record.project.model_copy(update={"attributes": barred})

    card = model_card(
        replace(record, bundle=bundle, project=project, words=(name,), slices=(part(name, name, "failed"),))
    )

    outside = re.sub(r"`[^`\n]*`", "", card)
    assert "<" not in outside
    assert "](" not in outside
    assert "`" not in outside
    assert "\x1b" not in card
    assert "\n# title" not in card
    assert all(line.count("|") in {0, 5, 7} for line in card.splitlines())
