"""The models side by side, the search over settings, the learning curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.intervals import Interval
from models.learning_curve import CurvePoint
from models.selection import Trial
from models.settings import LightGBMSettings
from models.tuning import Tuning, TuningTrial
from pipeline.record import TrainingRecord
from pipeline.report_figures import Ranged, cell
from pipeline.report_models import (
    choice_words,
    curve_table,
    curve_words,
    rung_table,
    tuning_table,
    tuning_words,
)
from tests.pipeline.report_record import judged, trained


@pytest.fixture(scope="module")
def record() -> TrainingRecord:
    """The record of a small world."""
    return trained()


def with_trials(record: TrainingRecord, chosen: str, **stood: tuple[float, bool]) -> TrainingRecord:
    """The record with rungs of a mean loss each, clearly worse or not."""
    n = len(record.evaluation.out_of_fold.rows)
    trials = tuple(Trial(rung, np.full(n, loss), worse) for rung, (loss, worse) in stood.items())  # type: ignore[arg-type]
    selection = record.evaluation.selection
    recipe = replace(selection.recipe, rung=chosen)  # type: ignore[arg-type]
    return judged(record, selection=replace(selection, trials=trials, recipe=recipe))


def searched(record: TrainingRecord, *losses: float) -> TrainingRecord:
    """The record with a search of trials with these losses, and one pruned."""
    values = {"num_leaves": 15, "lambda_l2": 5.0}
    trials = [TuningTrial(n, values, loss, "complete", 4) for n, loss in enumerate(losses)]
    trials.append(TuningTrial(len(losses), values, 0.1, "pruned", 1))
    return judged(record, tuning=Tuning(LightGBMSettings(), tuple(trials)))


def curve(*points: tuple[float, int, float]) -> tuple[CurvePoint, ...]:
    """A learning curve by hand."""
    return tuple(
        CurvePoint(share, 10 * won, won, Interval(auc, auc - 0.02, auc + 0.02)) for share, won, auc in points
    )


def test_each_rung_has_its_figures_on_both_slices_and_one_is_chosen(record: TrainingRecord) -> None:
    table = rung_table(record)

    by_rung = record.evaluation.by_rung
    assert [each.cells[0] for each in table.rows] == ["Points table", "Logistic regression"]
    for row, rung in zip(table.rows, ("points", "logistic"), strict=True):
        shown = row.cells[3]
        assert isinstance(shown, Ranged)
        assert shown.value == f"{by_rung[rung]['auc']:.3f}"
        assert all(isinstance(each, Ranged) and " to " in each.interval for each in row.cells[3:])
    assert [each.cells[0] for each in table.rows if each.is_chosen] == ["Logistic regression"]
    assert f"{len(record.evaluation.out_of_fold.rows):,} rows" in table.note


def test_the_best_is_chosen_if_no_simpler_one_comes_close(record: TrainingRecord) -> None:
    said = choice_words(with_trials(record, "logistic", points=(0.3, True), logistic=(0.2, False)))

    assert said.startswith("Chosen: logistic regression, the best in development; no simpler one")
    assert "Points table: clearly worse in development." in said
    assert "one standard error" in said


def test_a_simpler_one_is_chosen_if_it_comes_close(record: TrainingRecord) -> None:
    said = choice_words(with_trials(record, "logistic", logistic=(0.21, False), blend=(0.2, False)))

    assert "It is simpler than the blend of the two models, the best in development" in said


def test_a_rung_with_less_loss_that_is_out_is_not_called_worse(record: TrainingRecord) -> None:
    unsteady = with_trials(record, "logistic", logistic=(0.21, False), lightgbm=(0.2, True))

    said = choice_words(unsteady)

    assert said.startswith("Chosen: logistic regression, the best in development of those whose order held;")
    assert "Gradient-boosted trees: its order did not hold in development." in said
    assert "clearly worse" not in said


def test_one_rung_alone_is_said(record: TrainingRecord) -> None:
    assert choice_words(with_trials(record, "logistic", logistic=(0.2, False))) == (
        "Only one model was tried: logistic regression."
    )


def test_a_search_is_told_against_the_projects_own_settings(record: TrainingRecord) -> None:
    better = searched(record, 0.25, 0.24, 0.26, 0.27, 0.2, 0.21, 0.22)

    table = tuning_table(better)

    assert "7 trials" not in tuning_words(better)
    assert "made 8 trials, 1 of them stopped early" in tuning_words(better)
    assert "log loss of 0.2000 in development, the project's own settings to 0.2500" in tuning_words(better)
    assert table is not None
    assert [each.cells[1] for each in table.rows] == ["0.2000", "0.2100", "0.2200", "0.2400", "0.2500"]
    assert [each.cells[0] for each in table.rows][-1] == "the project's own"
    assert [each.is_chosen for each in table.rows] == [True, False, False, False, False]
    assert table.head[2:] == ("Leaves", "L2 penalty")


def test_the_projects_own_settings_stand_there_even_if_they_are_not_among_the_best(
    record: TrainingRecord,
) -> None:
    table = tuning_table(searched(record, 0.9, 0.24, 0.26, 0.27, 0.2, 0.21, 0.22))

    assert table is not None
    assert len(table.rows) == 6
    assert table.rows[-1].cells[0] == "the project's own"


def test_a_search_that_found_nothing_better_says_so_and_no_search_says_nothing(
    record: TrainingRecord,
) -> None:
    assert "None beat the project's own settings (log loss 0.2000)" in tuning_words(
        searched(record, 0.2, 0.3)
    )
    assert tuning_words(record) == ""
    assert tuning_table(record) is None


def test_more_history_helps_if_doublings_brought_something(record: TrainingRecord) -> None:
    rising = judged(record, curve=curve((0.25, 50, 0.80), (0.5, 100, 0.84), (1.0, 200, 0.86)))
    noisy = judged(record, curve=curve((0.25, 50, 0.70), (0.5, 100, 0.69), (1.0, 200, 0.70)))

    assert curve_words(rising) == (
        "Twice the conversions (100 to 200) took the AUC from 0.840 to 0.860; over the whole curve a doubling brings "
        "+0.030: more history would still help."
    )
    assert "hardly help" in curve_words(noisy)
    assert curve_words(judged(record, curve=())).startswith("There are too few conversions")


def test_the_curve_has_its_parts_with_intervals(record: TrainingRecord) -> None:
    points = curve((0.5, 100, 0.84), (1.0, 200, 0.86))

    table = curve_table(judged(record, curve=points))

    assert table is not None
    assert [each.cells for each in table.rows] == [
        ("a half", "1,000", "100", cell(points[0].auc, "3")),
        ("all", "2,000", "200", cell(points[1].auc, "3")),
    ]
    assert curve_table(judged(record, curve=())) is None
