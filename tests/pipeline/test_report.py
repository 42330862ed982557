"""The page: verdict and figures in words, nothing loaded from elsewhere."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest

from features.catalogue import Catalogue, Feature
from models.intervals import Interval
from models.ladder import Recipe, fit_rung
from models.settings import ModelSettings, Rung
from pipeline.config import load_project
from pipeline.record import TrainingRecord
from pipeline.report import importance, write_report
from pipeline.report_content import (
    band_rows,
    base_rate_words,
    gain_points,
    reliability_points,
    share_interval,
)
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.train import train_project

SMALL = """
[model]
rungs = ["logistic", "lightgbm", "blend"]
bootstrap = 100

[model.lightgbm]
max_rounds = 20

[features]
families = ["explicit", "recency"]
"""


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> TrainingRecord:
    """The record of a small world."""
    folder = tmp_path_factory.mktemp("world")
    simulate_to_folder(WorldSettings(n_leads=1_000, seed=5, months=9), folder)
    path = folder / "lead-scoring.toml"
    path.write_text(path.read_text(encoding="utf-8") + SMALL, encoding="utf-8")
    return train_project(load_project(path), lambda _: None).record


def page_of(record: TrainingRecord, folder: Path) -> str:
    """The page as text."""
    return write_report(record, folder).html.read_text(encoding="utf-8")


def refused(record: TrainingRecord) -> TrainingRecord:
    """The record as if nothing had been found."""
    return dataclasses.replace(record, verdict="refused", bundle=None, words=("Refused: nothing was found.",))


def with_intervals(record: TrainingRecord, **intervals: Interval) -> TrainingRecord:
    """The record with other figures."""
    found = {**record.evaluation.intervals, **intervals}
    return dataclasses.replace(record, evaluation=dataclasses.replace(record.evaluation, intervals=found))


def test_the_page_opens_with_what_working_the_top_finds(record: TrainingRecord, tmp_path: Path) -> None:
    page = page_of(with_intervals(record, recall_at_20=Interval(0.52, 0.47, 0.57)), tmp_path)

    heading = re.search(r"<h1>(.*?)</h1>", page)
    assert heading is not None
    assert heading[1] == "Working the top 20 % of leads finds 52 % of the buyers (47 % to 57 %)."


def test_every_figure_of_the_test_stands_there_with_its_interval_and_n(
    record: TrainingRecord, tmp_path: Path
) -> None:
    page = page_of(record, tmp_path)

    size = record.evaluation.sizes["test"]
    for name in ("auc", "average_precision"):
        found = record.evaluation.intervals[name]
        assert f"<strong>{found.value:.3f}</strong>" in page
        assert f"{found.low:.3f} to {found.high:.3f}" in page
    assert f"n = {size.rows:,} rows, {size.leads:,} leads, {size.conversions:,} conversions" in page
    assert record.evaluation.refusal[0].words.split(":")[0] in page
    assert all(digest in page for digest in record.digests.values())


def test_the_page_loads_nothing_from_elsewhere(record: TrainingRecord, tmp_path: Path) -> None:
    page = page_of(record, tmp_path)

    assert "http" not in page
    assert not re.search(r"<script|<link|<img|<iframe|\bsrc=|@import", page)
    assert all(each.startswith("#") for each in re.findall(r'href="([^"]*)"', page))
    assert all(each.startswith("#") for each in re.findall(r"url\(([^)]*)\)", page))


def test_the_pictures_lie_beside_the_page_and_in_it(record: TrainingRecord, tmp_path: Path) -> None:
    report = write_report(record, tmp_path / "made")

    assert [each.name for each in report.plots] == [
        "gain.png", "reliability.png", "scores.png", "rungs.png", "importance.png",
    ]  # fmt: skip
    assert all(each.read_bytes().startswith(b"\x89PNG") for each in report.plots)
    assert report.html.read_text(encoding="utf-8").count("<svg ") == 5


def test_the_same_record_gives_the_same_bytes(record: TrainingRecord, tmp_path: Path) -> None:
    assert page_of(record, tmp_path / "a") == page_of(record, tmp_path / "b")


def test_a_refused_record_says_so_and_promises_nothing(record: TrainingRecord, tmp_path: Path) -> None:
    report = write_report(refused(record), tmp_path)

    page = report.html.read_text(encoding="utf-8")
    assert "No model: nothing was shown to tell buyers from others." in page
    assert "What the bands promise" not in page
    assert "points, no probability" not in page
    assert "importance.png" not in [each.name for each in report.plots]


def test_a_refused_record_with_a_points_table_says_what_may_still_be_used(
    record: TrainingRecord, tmp_path: Path
) -> None:
    page = page_of(dataclasses.replace(record, verdict="refused"), tmp_path)

    assert "the points table as it was given: points, no probability" in page
    assert "use the order" not in page


def test_what_the_rows_can_not_show_is_said(record: TrainingRecord, tmp_path: Path) -> None:
    nan = math.nan

    page = page_of(with_intervals(record, ece=Interval(nan, nan, nan), auc=Interval(0.8, nan, nan)), tmp_path)

    assert "not shown" in page
    assert "too few to tell" in page
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL).lower().replace("finance", "")


def test_words_from_the_data_are_escaped(record: TrainingRecord, tmp_path: Path) -> None:
    page = page_of(dataclasses.replace(record, warnings=("<script>alert(1)</script>",)), tmp_path)

    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_bands_share_out_the_test_and_promise_less_as_they_fall(record: TrainingRecord) -> None:
    rows = band_rows(record)

    size = record.evaluation.sizes["test"]
    assert [each.name for each in rows] == ["SQL", "MQL", "below"]
    assert sum(each.rows for each in rows) == size.rows
    assert sum(each.conversions for each in rows) == size.conversions


def test_the_bins_share_out_the_test(record: TrainingRecord) -> None:
    points = reliability_points(record)

    assert sum(each.n_rows for each in points) == record.evaluation.sizes["test"].rows
    assert all(each.low <= each.observed <= each.high for each in points)


def test_the_interval_of_the_gain_curve_holds_the_figure(record: TrainingRecord) -> None:
    (point,) = gain_points(record, (0.2,))

    assert point.found == record.evaluation.intervals["recall_at_20"].value
    assert point.low <= point.found <= point.high


def test_a_base_rate_that_moved_is_said_with_what_it_does(record: TrainingRecord) -> None:
    sizes = {
        **record.evaluation.sizes,
        "development": dataclasses.replace(
            record.evaluation.sizes["development"], rows=1_000, conversions=60
        ),
        "test": dataclasses.replace(record.evaluation.sizes["test"], rows=1_000, conversions=310),
    }
    evaluation = dataclasses.replace(record.evaluation, sizes=sizes)
    moved = dataclasses.replace(record, evaluation=evaluation)

    words = base_rate_words(with_intervals(moved, calibration_ratio=Interval(0.2, 0.15, 0.25)))

    assert words.startswith("It moved: 6.0 % of the rows converted in development, 31 % in the test.")
    assert "too low on the latter: 0.20 sales promised for each that came" in words
    assert "The probabilities followed it" in base_rate_words(
        with_intervals(moved, calibration_ratio=Interval(1.0, 0.9, 1.1))
    )


def test_the_interval_of_a_share_is_wilsons_where_rows_stand_alone() -> None:
    found = share_interval(np.array([1.0, 0.0, 0.0, 0.0]), np.arange(4))

    n, p, z = 4, 0.25, 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half))


def test_rows_that_share_their_fate_widen_the_interval_of_a_share() -> None:
    y = np.repeat([1.0, 0.0, 0.0, 1.0], 25)

    alone, together = share_interval(y, np.arange(100)), share_interval(y, np.repeat(np.arange(4), 25))

    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_a_share_without_any_conversion_still_has_an_upper_end() -> None:
    found = share_interval(np.zeros(40), np.arange(40) // 2)

    assert (found.value, found.low) == (0.0, 0.0)
    assert 0.1 < found.high < 0.2
    assert math.isnan(share_interval(np.zeros(0), np.zeros(0, dtype=np.int64)).value)


@pytest.mark.parametrize("rung", ["logistic", "lightgbm", "blend", "points"])
def test_importance_finds_the_column_that_matters_on_every_rung(record: TrainingRecord, rung: Rung) -> None:
    generator = np.random.default_rng(0)
    X = np.concatenate(
        [generator.normal(size=(600, 2)), generator.integers(0, 2, (600, 2)) * [[9.0, 1.0]]], axis=1
    )
    y = (X[:, 0] + X[:, 2] + 0.3 * generator.normal(size=600) > 0).astype(np.float64)
    catalogue = Catalogue((
        Feature("explicit", "size", "value", group="size", words="size"),
        Feature("explicit", "noise", "value", group="noise", words="noise"),
        Feature("points", "visits", "rule0", unit="points", group="points:visits", words="visits"),
        Feature("points", "calls", "rule1", unit="points", group="points:calls", words="calls"),
    ))  # fmt: skip
    settings = ModelSettings()
    fitted = fit_rung(Recipe(rung, rounds=20), X, y, catalogue, settings)
    assert record.bundle is not None
    scorer = dataclasses.replace(record.bundle.scorer, rung=fitted, rung_name=rung, catalogue=catalogue)
    bundle = dataclasses.replace(record.bundle, scorer=scorer, golden=X[:20])

    shares, label = importance(bundle)

    assert next(iter(shares)) == ("Visits" if rung == "points" else "Size")
    assert sum(shares.values()) == pytest.approx(1.0)
    assert label.startswith("Share of")
