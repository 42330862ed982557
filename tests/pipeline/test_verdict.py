"""The verdict in words: the headline first, what was found, what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.bands import Anchors
from models.evaluation import Evaluation, SliceSize
from models.gate import Check, Status
from models.intervals import Interval
from models.trainer import evaluate
from pipeline.config import load_project
from pipeline.dataset import Dataset, labelled_dataset
from pipeline.tables import load_tables
from pipeline.train import development_examples
from pipeline.verdict import data_words, finding, verdict_words

PROJECT = """
[data.leads]
path = "leads.csv"
[snapshots]
mode = "static"
[static]
label = "bought"
order = "row"
[attributes.at_creation]
number = ["size"]
[model]
rungs = ["logistic"]
bootstrap = 100
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, Dataset]:
    folder: Path = tmp_path_factory.mktemp("judged")
    rng = np.random.default_rng(1)
    size = rng.normal(size=500)
    bought = np.where(rng.random(500) < 1 / (1 + np.exp(-2 * size)), "1", "0").astype(object)
    bought[-7:] = ""
    pd.DataFrame({"lead_id": np.arange(500), "size": size, "bought": bought}).to_csv(
        folder / "leads.csv", index=False
    )
    (folder / "lead-scoring.toml").write_text(PROJECT, encoding="utf-8")
    project = load_project(folder / "lead-scoring.toml")
    dataset = labelled_dataset(project, load_tables(project))
    examples, catalogue = development_examples(project, dataset, lambda _: None)
    return evaluate(examples, catalogue, project.plan), dataset


def _measured(evaluation: Evaluation, **values: float) -> Evaluation:
    known = dict(evaluation.intervals)
    known |= {name: Interval(value, value - 0.01, value + 0.01) for name, value in values.items()}
    return replace(evaluation, intervals=known)


def _rates(evaluation: Evaluation, before: float, after: float) -> Evaluation:
    sizes = {
        "development": SliceSize(1000, 1000, int(1000 * before)),
        "test": SliceSize(1000, 900, int(1000 * after)),
    }
    return replace(evaluation, sizes=evaluation.sizes | sizes)


def _checks(evaluation: Evaluation, status: Status) -> Evaluation:
    checks = tuple(replace(each, status=status) for each in evaluation.calibration_checks)
    return replace(evaluation, calibration_checks=checks)


def test_the_headline_names_verdict_and_auc_with_its_interval(judged: tuple[Evaluation, Dataset]) -> None:
    evaluation, dataset = judged
    good = _checks(_measured(evaluation, auc=0.8), "passed")

    champion = verdict_words("champion", good, None, dataset)
    rival = verdict_words("challenger", good, None, dataset)
    uncalibrated = verdict_words("challenger", _checks(good, "not_shown"), None, dataset)
    refused = verdict_words("refused", good, None, dataset)

    assert (
        champion[0]
        == "Champion: the model ranks leads and its probabilities hold (AUC 0.800 (0.790 to 0.810))."
    )
    assert rival[0].endswith("but the champion stays.")
    assert uncalibrated[0].startswith("Challenger: ranking only, not calibrated (AUC 0.800")
    assert refused[0].startswith("Refused: nothing better than the base rate was found (AUC 0.800")


def test_the_top_of_the_list_is_held_against_any_order_or_the_points_table(
    judged: tuple[Evaluation, Dataset],
) -> None:
    evaluation, dataset = judged
    same = replace(evaluation, log_odds_by_rung={"points": evaluation.test_log_odds})
    points = replace(same, selection=replace(same.selection, recipe=replace(same.recipe, rung="points")))

    alone, beside, itself = (finding(each, dataset) for each in (evaluation, same, points))

    assert alone.endswith("; in any order it would find 20 %.")
    shown = alone.removeprefix("Working the top 20 % of the list finds ").partition(" of the buyers ")
    figure, interval = shown[0], shown[2].partition(";")[0]
    assert beside.endswith(f"; the points table finds {figure} {interval}.")
    assert itself == alone


def test_the_verdict_says_the_same_with_its_n(judged: tuple[Evaluation, Dataset]) -> None:
    evaluation, dataset = judged
    size = evaluation.sizes["test"]

    words = verdict_words("champion", evaluation, None, dataset)

    assert words[1].startswith(finding(evaluation, dataset))
    assert f"{size.rows:,} rows of {size.leads:,} leads" in words[1]
    assert set(data_words(dataset)) <= set(words)


def test_a_refusal_promises_nothing(judged: tuple[Evaluation, Dataset]) -> None:
    evaluation, dataset = judged
    ranks, predicts = (replace(each, status="failed") for each in evaluation.refusal)
    failed = replace(evaluation, refusal=(ranks, predicts))

    words = verdict_words("refused", failed, None, dataset)

    assert [check.words in words for check in failed.refusal] == [True, True]
    assert not any("finds" in each for each in words)


def test_checks_that_passed_are_not_dwelt_on_and_others_are_told(judged: tuple[Evaluation, Dataset]) -> None:
    evaluation, dataset = judged

    quiet = verdict_words("champion", _checks(evaluation, "passed"), None, dataset)
    told = verdict_words("challenger", _checks(evaluation, "failed"), None, dataset)

    assert all(check.words not in quiet for check in evaluation.calibration_checks)
    assert all(check.words in told for check in evaluation.calibration_checks)


def test_a_champion_compared_with_is_named(judged: tuple[Evaluation, Dataset]) -> None:
    evaluation, dataset = judged
    check = Check("log_loss_against_champion", "failed", 0.1, 0.0, 0.2, (0.0,), "The champion stays, words.")

    words = verdict_words("challenger", evaluation, check, dataset)
    anew = verdict_words("challenger", evaluation, check, dataset, is_re_anchored=True)

    assert "The champion stays, words." in words
    assert sum("lines are those of the champion" in each for each in words) == 1
    assert not any("lines are those of the champion" in each for each in anew)


def test_what_was_left_out_is_counted_and_nothing_is_said_of_zeros(
    judged: tuple[Evaluation, Dataset],
) -> None:
    evaluation, dataset = judged
    lost = replace(dataset, left_out={"immature": 1200, "in_grace": 0, "thinned": 3})

    assert "Rows left out of training and test: 7 unlabelled." in verdict_words(
        "champion", evaluation, None, dataset
    )
    assert "Rows left out of training and test: 1,200 immature, 3 thinned." in verdict_words(
        "champion", evaluation, None, lost
    )


@pytest.mark.parametrize(
    ("before", "after", "ratio", "said"),
    [
        (0.06, 0.31, 0.4, "from 0.06 in development to 0.31 in the test. The model learned the old rate"),
        (0.30, 0.10, 2.0, "so its probabilities are too high by a factor of 2.0"),
        (0.30, 0.10, 1.1, "the probabilities followed it (mean predicted / observed 1.10)"),
        (0.30, 0.10, float("nan"), "moved from 0.30"),
    ],
)  # fmt: skip
def test_a_rate_that_moved_is_told_plainly(
    judged: tuple[Evaluation, Dataset], before: float, after: float, ratio: float, said: str
) -> None:
    evaluation, dataset = judged
    moved = _rates(_measured(evaluation, calibration_ratio=ratio), before, after)

    assert said in " ".join(verdict_words("challenger", moved, None, dataset))


@pytest.mark.parametrize(("before", "after"), [(0.2, 0.25), (0.2, 0.15), (0.0, 0.2), (0.2, 0.0)])
def test_a_rate_that_stayed_or_is_unknown_is_not_spoken_of(
    judged: tuple[Evaluation, Dataset], before: float, after: float
) -> None:
    evaluation, dataset = judged

    words = verdict_words("champion", _rates(evaluation, before, after), None, dataset)

    assert not any("conversion rate moved" in each for each in words)


def test_a_raised_line_is_told(judged: tuple[Evaluation, Dataset]) -> None:
    evaluation, dataset = judged
    anchors: Anchors = replace(evaluation.anchors, moved=True)

    words = verdict_words("champion", replace(evaluation, anchors=anchors), None, dataset)

    assert any("SQL line was raised" in each for each in words)
