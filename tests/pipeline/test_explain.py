"""One lead explained: the same bits as in the batch, whole points that add up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from features.contracts import Tables
from features.errors import InputError
from models.bundle import Bundle, load_bundle
from models.settings import BandSettings
from pipeline.config import Project, load_project
from pipeline.explain import band_lines, explain_lead
from pipeline.open_leads import tables_for
from tests.pipeline.conftest import Crm, run_command, scores


@pytest.fixture(scope="module")
def known(crm: Crm) -> tuple[Project, Bundle, Tables]:
    project, bundle = load_project(crm.project), load_bundle(crm.bundle)
    return project, bundle, tables_for(project, bundle)


def _spread(found: pd.DataFrame) -> list[str]:
    """Leads from the top to the bottom of the list."""
    return [str(each) for each in found.index[:: max(1, len(found) // 25)]]


def test_one_lead_at_a_time_is_the_batch_bit_for_bit(
    known: tuple[Project, Bundle, Tables], scored: Path
) -> None:
    found = scores(scored)

    for lead in _spread(found):
        row, alone = found.loc[lead], explain_lead(*known, lead, None)
        assert (alone.probability, alone.score, alone.band, alone.base_score) == (
            row["probability"], row["score"], row["band"], row["base_score"],
        )  # fmt: skip
        assert alone.grade == row["fit_grade"] + row["engagement_grade"]
        assert alone.reasons == [dict(each) for each in row["reasons"]]


@pytest.mark.parametrize("top_reasons", [1, 5, 50])
def test_whole_points_add_up_and_no_reason_changes_sign(
    known: tuple[Project, Bundle, Tables], scored: Path, top_reasons: int
) -> None:
    project, bundle, tables = known
    settings = project.score.model_copy(update={"top_reasons": top_reasons})
    project = project.model_copy(update={"score": settings})

    for lead in _spread(scores(scored))[::4]:
        alone = explain_lead(project, bundle, tables, lead, None)
        lines = [
            (each["points"], whole)
            for each, whole in zip(alone.reasons, alone.shown_points, strict=True)
            if each["group"] != "rest"
        ]
        assert alone.shown_base + sum(alone.shown_points) == alone.shown_score
        assert all(whole * exact >= 0 for exact, whole in lines)
        assert (alone.shown_score >= 50) == (alone.band != "below")
        assert (alone.shown_score >= 80) == (alone.band == "SQL")


def test_the_printed_lines_add_up_to_the_printed_score(crm: Crm, scored: Path) -> None:
    best = str(scores(scored).index[0])

    run = run_command("explain", best, "-p", crm.project, "--bundle", crm.bundle)

    lines = [each.split("│")[0].strip() for each in run.out.splitlines() if "│" in each]
    points = [int(each) for each in lines if each]
    assert run.code == 0
    assert run.err == ""
    assert f"Lead {best}: score {points[-1]}, SQL" in run.out
    assert sum(points[:-1]) == points[-1]
    assert "because" not in run.out.casefold()


@pytest.mark.parametrize("form", ["html", "png"])
def test_a_page_or_a_picture_is_written_and_its_path_printed(
    form: str, crm: Crm, scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = str(scores(scored).index[0])
    monkeypatch.chdir(tmp_path)

    run = run_command("explain", best, "-p", crm.project, "--bundle", crm.bundle, f"--{form}")

    assert (run.code, run.out, run.err) == (0, f"explain-{best}.{form}\n", "")
    assert [each.name for each in tmp_path.iterdir()] == [f"explain-{best}.{form}"]


def test_json_holds_the_change_and_the_outlook_beside_the_keys_that_stay(crm: Crm, scored: Path) -> None:
    best = str(scores(scored).index[0])
    options = ("explain", best, "-p", crm.project, "--bundle", crm.bundle, "--json")

    alone = run_command(*options).json
    both = run_command(*options, "--since", "2025-12-30", "--since-bundle", crm.bundle).json

    kept = {
        "lead_id", "as_of", "probability", "score", "band", "grade", "base_score", "reasons",
        "shown_score", "shown_base", "shown_points", "model_version",
    }  # fmt: skip
    assert set(alone) == kept | {"since", "outlook", "override"}
    assert alone["since"] is None
    assert both["since"]["since"] == "2025-12-30T00:00:00.000000"
    assert both["since"]["score_after"] == both["score"]
    assert sum(both["since"]["shown_points"]) == both["since"]["shown_after"] - both["since"]["shown_before"]
    assert both["outlook"]["sentences"]
    assert {key: both[key] for key in kept} == {key: alone[key] for key in kept}


def test_what_changed_is_printed_as_a_second_table(crm: Crm, scored: Path) -> None:
    best = str(scores(scored).index[0])

    run = run_command("explain", best, "-p", crm.project, "--bundle", crm.bundle, "--since", "2025-12-30")

    before, after = run.out.split("What changed since 2025-12-30")
    assert "Score on 2025-12-30" in after
    assert "Score on 2025-12-30" not in before
    assert "Time passing (2 days)" in after


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--json", "--html"), "Give one of --json, --html and --png"),
        (("--html", "--png"), "Give one of --json, --html and --png"),
        (("-o", "x.html"), "-o names the file of --html or --png"),
        (("--html", "-o", "x.png"), "-o x.png must end in .html"),
        (("--since-bundle", "somewhere"), "--since-bundle needs --since"),
        (("--since", "lately"), "--since 'lately' is no moment"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...], said: str, crm: Crm) -> None:
    run = run_command("explain", "L1", "-p", crm.project, "--bundle", crm.bundle, *options)

    assert (run.code, run.out) == (2, "")
    assert said in run.err


def test_a_closed_lead_an_unknown_one_and_a_quarantined_one_are_told_apart(
    crm: Crm, known: tuple[Project, Bundle, Tables], scored: Path, tmp_path: Path
) -> None:
    project, bundle, tables = known
    closed = pd.read_csv(scored.parent / "scores.not_open.csv", dtype=str)["lead_id"].iloc[0]
    leads = crm.leads()
    leads.loc[0, "created_at"] = "soon"
    data = crm.export(tmp_path / "data", leads=leads)

    held = run_command(
        "explain", leads.loc[0, "lead_id"], "-p", crm.project, "--bundle", crm.bundle, "--data", data
    )

    with pytest.raises(InputError, match=f"'{closed}' is not open at 2026-01-01"):
        explain_lead(project, bundle, tables, closed, None)
    with pytest.raises(InputError, match="There is no lead 'nobody'"):
        explain_lead(project, bundle, tables, "nobody", None)
    assert held.code == 2
    assert "is in quarantine: bad_time" in held.err


def test_the_lines_are_those_of_the_bands_or_of_the_points_table(
    known: tuple[Project, Bundle, Tables],
) -> None:
    scorer = known[1].scorer
    named = replace(scorer, bands=BandSettings(mql_name="warm", sql_name="hot", further={"tepid": 30.0}))

    assert band_lines(scorer) == (("MQL", 50.0), ("SQL", 80.0))
    assert band_lines(named) == (("tepid", 30.0), ("warm", 50.0), ("hot", 80.0))
    assert band_lines(replace(named, table_lines=(12.0, None))) == (("warm", 12.0),)
    assert band_lines(replace(named, table_lines=(12.0, 20.0))) == (("warm", 12.0), ("hot", 20.0))


def test_a_past_moment_explains_what_was_known_then(
    crm: Crm, known: tuple[Project, Bundle, Tables], tmp_path: Path
) -> None:
    moment = pd.Timestamp("2025-09-15T10:00Z").as_unit("us")
    assert crm.score(tmp_path / "s.parquet", "--as-of", moment.isoformat()).code == 0
    found = scores(tmp_path / "s.parquet")

    for lead in _spread(found)[::5]:
        assert explain_lead(*known, lead, moment).score == found.loc[lead, "score"]
