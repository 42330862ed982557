"""The page: verdict first, every table with its figures, nothing loaded from elsewhere."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from models.intervals import Interval
from models.slices import SliceFigures
from pipeline.audit.result import Suspect
from pipeline.leak_hunt import LeakHunt
from pipeline.record import TrainingRecord
from pipeline.report import write_report
from pipeline.report_pictures import pictures_of
from tests.pipeline.report_record import (
    judged,
    page_of,
    refused,
    trained,
    unordered,
    with_intervals,
    without_points,
)


@pytest.fixture(scope="module")
def record() -> TrainingRecord:
    """The record of a small world."""
    return trained()


def plain(page: str) -> str:
    """What a reader sees beside the pictures."""
    return re.sub(r"<svg.*?</svg>|<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)


def heading(page: str) -> str:
    """The sentence on top."""
    found = re.search(r"<h1>(.*?)</h1>", page)
    assert found is not None
    return found[1]


def section(page: str, name: str) -> str:
    """One section of the page."""
    found = re.search(rf'<section id="{name}">.*?</section>', page, flags=re.DOTALL)
    assert found is not None
    return found[0]


def test_the_page_opens_with_what_working_the_top_finds_beside_the_points_table(
    record: TrainingRecord, tmp_path: Path
) -> None:
    page = page_of(with_intervals(record, recall_at_20=Interval(0.52, 0.47, 0.57)), tmp_path)

    assert re.fullmatch(
        r"Working the top 20 % of the list finds 52 % of the buyers \(47 % to 57 %\); "
        r"the points table finds \d+ % \(\d+ % to \d+ %\)\.",
        heading(page),
    )


def test_terminal_page_and_table_say_the_same_figure_of_the_top_fifth(
    record: TrainingRecord, tmp_path: Path
) -> None:
    page = page_of(record, tmp_path)

    model, table = re.findall(r"finds (\d+ %)(?: of the buyers)? \((\d+ % to \d+ %)\)", heading(page))
    (row,) = re.findall(r'<th scope="row">20 %</th>.*?</tr>', section(page, "gain"), flags=re.DOTALL)
    cells = re.findall(r'<strong>(.*?)</strong> <span class="range">(.*?)</span>', row)
    assert record.words[1].startswith(heading(page))
    assert cells[0] == model
    assert cells[-1] == table


def test_without_a_points_table_the_top_is_held_against_any_order(
    record: TrainingRecord, tmp_path: Path
) -> None:
    page = page_of(without_points(record), tmp_path)

    assert heading(page).endswith("; in any order it would find 20 %.")
    assert "points table finds" not in plain(page).lower()


def test_what_the_verdict_says_stands_once(record: TrainingRecord, tmp_path: Path) -> None:
    text = plain(page_of(record, tmp_path))

    assert text.count("Working the top 20 %") == 1
    assert text.count("The data ends on") == 1
    assert record.words[0] in text


def test_the_page_of_another_target_says_whom_its_leads_stand_for(
    record: TrainingRecord, tmp_path: Path
) -> None:
    target = record.project.target.model_copy(update={"entity": "account"})
    of_accounts = replace(record, project=record.project.model_copy(update={"target": target}))

    assert "where this page says leads, read accounts" in page_of(of_accounts, tmp_path / "accounts")
    assert "This target asks about" not in page_of(record, tmp_path / "leads")


def test_every_figure_of_the_test_stands_there_with_its_interval_and_n(
    record: TrainingRecord, tmp_path: Path
) -> None:
    page = page_of(record, tmp_path)

    size = record.evaluation.sizes["test"]
    for name in ("auc", "average_precision"):
        found = record.evaluation.intervals[name]
        assert f"<strong>{found.value:.3f}</strong>" in page
        assert f"{found.low:.3f} to {found.high:.3f}" in page
    n = f"n = {size.rows:,} rows, {size.leads:,} leads, {size.conversions:,} conversions"
    assert f"n = {size.rows:,} rows (a lead at a moment) of {size.leads:,} leads" in page
    assert all(n in section(page, name) for name in ("gain", "probabilities", "time", "models", "history"))
    assert all(digest in page for digest in record.digests.values())


@pytest.mark.parametrize(
    "name", ["gain", "probabilities", "bands", "parts", "time", "models", "history", "reasons"]
)
def test_every_table_of_figures_has_intervals_and_its_n(
    record: TrainingRecord, tmp_path: Path, name: str
) -> None:
    part = section(page_of(record, tmp_path), name)

    tables = re.findall(r"<table>.*?</table>", part, flags=re.DOTALL)
    assert tables
    assert all('class="range"' in each for each in tables)
    assert "n = " in part or all('<th scope="col" class="n">Rows</th>' in each for each in tables)


def test_the_page_loads_nothing_from_elsewhere(record: TrainingRecord, tmp_path: Path) -> None:
    page = page_of(record, tmp_path)

    assert "http" not in page
    assert not re.search(r"<script|<link|<img|<iframe|\bsrc=|@import", page)
    assert all(each.startswith("#") for each in re.findall(r'href="([^"]*)"', page))
    assert all(each.startswith("#") for each in re.findall(r"url\(([^)]*)\)", page))


def test_every_link_of_the_contents_has_its_section(record: TrainingRecord, tmp_path: Path) -> None:
    for number, each in enumerate((record, refused(record))):
        page = page_of(each, tmp_path / str(number))

        wanted = set(re.findall(r'<a href="#([^"]+)"', page))
        assert {"verdict", "gain", "settings"} <= wanted
        assert wanted <= set(re.findall(r'\bid="([^"]+)"', page))


def test_the_pictures_lie_beside_the_page_and_in_it(record: TrainingRecord, tmp_path: Path) -> None:
    report = write_report(record, tmp_path / "made")

    assert [each.name for each in report.plots] == [
        "gain.png", "scores.png", "reliability.png", "months.png", "rungs.png", "learning.png", "importance.png",
    ]  # fmt: skip
    assert all(each.read_bytes().startswith(b"\x89PNG") for each in report.plots)
    assert report.html.read_text(encoding="utf-8").count("<svg ") == 7


def test_what_there_is_too_little_of_is_not_drawn(record: TrainingRecord) -> None:
    thin = judged(replace(record, slices=record.slices[:1]), curve=())

    drawn = {each.name for each in pictures_of(record)}

    assert drawn - {each.name for each in pictures_of(thin)} == {"months", "learning"}


def test_the_same_record_gives_the_same_bytes(record: TrainingRecord, tmp_path: Path) -> None:
    assert page_of(record, tmp_path / "a") == page_of(record, tmp_path / "b")


def test_a_refused_record_says_so_and_promises_nothing(record: TrainingRecord, tmp_path: Path) -> None:
    report = write_report(refused(record), tmp_path)

    page = report.html.read_text(encoding="utf-8")
    assert heading(page) == "No model: nothing was shown to tell buyers from others."
    assert "What the bands promise" not in page
    assert "What moves the scores" not in page
    assert "Working the top" not in page
    assert "points, no probability" not in page
    assert "importance.png" not in [each.name for each in report.plots]


def test_a_refused_record_with_a_points_table_says_what_may_still_be_used(
    record: TrainingRecord, tmp_path: Path
) -> None:
    page = page_of(replace(record, verdict="refused"), tmp_path)

    assert "the points table as it was given: points, no probability" in page
    assert "use the order" not in page


def test_leads_without_an_order_have_no_refits_and_are_told_why(
    record: TrainingRecord, tmp_path: Path
) -> None:
    page = page_of(unordered(record), tmp_path)

    assert "Nothing gives these leads a time order" in section(page, "time")
    assert "<table>" not in section(page, "time")


def test_what_the_rows_can_not_show_is_said(record: TrainingRecord, tmp_path: Path) -> None:
    nan = math.nan

    page = page_of(with_intervals(record, ece=Interval(nan, nan, nan), auc=Interval(0.8, nan, nan)), tmp_path)

    assert "not shown" in page
    assert "too few to tell" in page
    assert not re.search(r"\bnan\b", plain(page), flags=re.IGNORECASE)


def test_words_from_the_data_are_escaped(record: TrainingRecord, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    months = [each for each in record.slices if each.kind == "month"]
    suspect = Suspect("leads", hostile, "leak", "hindsight", hostile, "at_creation")

    page = page_of(
        replace(
            record,
            warnings=(hostile,),
            slices=(*months, replace(months[0], kind=hostile, name=hostile)),
            hunt=LeakHunt(left_out=(suspect,)),
        ),
        tmp_path,
    )

    assert "<script>" not in page
    for name in ("parts", "leaks", "data"):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in section(page, name)


def test_a_suspect_stands_with_its_evidence_and_the_line_that_vouches_for_it(
    record: TrainingRecord, tmp_path: Path
) -> None:
    suspect = Suspect("leads", "closed_by", "leak", "hindsight", "Set after 90 % of the wins.", "at_creation")
    hunt = LeakHunt(left_out=(suspect,))

    page = page_of(replace(record, hunt=hunt, words=(*record.words, *hunt.words())), tmp_path)

    assert 'Left out by the <a href="#leaks">leak hunt</a>: closed_by.' in page
    assert "Set after 90 % of the wins." in section(page, "leaks")
    assert "attributes.trusted = [&#34;closed_by&#34;]" in section(page, "leaks")
    assert "Nothing was found" in section(page_of(record, tmp_path), "leaks")


def test_a_long_list_is_folded_with_every_row_in_it(record: TrainingRecord, tmp_path: Path) -> None:
    month = next(each for each in record.slices if each.kind == "month")
    many: list[SliceFigures] = [replace(month, name=f"20{number}-01") for number in range(10, 40)]

    part = section(page_of(replace(record, slices=tuple(many)), tmp_path), "parts")

    shown, folded = part.split("<summary>16 more</summary>")
    assert "2023-01" in shown
    assert "2024-01" not in re.sub(r"<svg.*?</svg>", "", shown, flags=re.DOTALL)
    assert all(f"20{number}-01" in folded for number in range(24, 40))


def test_settings_versions_and_files_are_folded_away(record: TrainingRecord, tmp_path: Path) -> None:
    part = section(page_of(record, tmp_path), "settings")

    assert part.count("<details>") == 3
    assert "<details open" not in part
    assert "rolling.refit_every" in part
    assert "numpy==" in part
