"""`lead-scoring bands` on the simulated CRM: honest paths, the table, the page, and lines set anew as an act."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from features.durations import MICROSECONDS
from features.errors import InputError, LockedError
from models.bundle import Bundle, load_bundle
from models.capacity_settings import CapacitySettings
from pipeline.bands_what_if import WhatIfs, what_ifs
from pipeline.config import load_project
from pipeline.ledger.acts import acts_of
from pipeline.ledger.store import open_ledger
from pipeline.open_leads import tables_for
from pipeline.re_anchor import anchors_of, re_anchor, with_anchors
from tests.pipeline.conftest import Crm, run_command, scores
from tests.pipeline.registry_by_hand import ByHand, registry_by_hand

WEEK = MICROSECONDS["w"]
ASKED = ("--sql-a-week", 4, "--mql-a-week", 12, "--weeks", 16)


def replayed(crm: Crm, project_file: Path, **settings: Any) -> WhatIfs:
    project = load_project(project_file)
    bundle = load_bundle(crm.bundle)
    asked = CapacitySettings(weeks=16, **settings)
    return what_ifs(project, tables_for(project, bundle), bundle, asked, (2.0, 8.0, 1e6), 30, lambda _: None)


@pytest.fixture(scope="module")
def found(crm: Crm) -> WhatIfs:
    """The whole CRM, replayed for two lines."""
    return replayed(crm, crm.whole / "lead-scoring.toml", sql_a_week=4.0, mql_a_week=12.0)


def test_the_table_is_in_order_and_a_capacity_out_of_reach_is_named(found: WhatIfs) -> None:
    capacities = [row.capacity for row in found.rows]

    assert capacities == [2.0, 4.0, 8.0, 12.0]
    lines = [row.line for row in found.rows]
    assert lines == sorted(lines, reverse=True)
    assert "No line lets in 1e+06 leads a week" in found.unreachable[0]
    for row in found.rows:
        assert len(row.by_week) == 16
        assert row.capacity - 1 < np.mean(row.by_week) <= row.capacity
        assert row.promise.entries.value == pytest.approx(13 * np.mean(row.by_week))


def test_the_champion_lets_in_as_many_open_leads_as_the_recipe_that_was_replayed(found: WhatIfs) -> None:
    odds = found.past.paths.log_odds
    unknown = found.past.complete > found.past.paths.cuts[-1]
    unknown[-1] = True

    stock = [int((odds[-1] >= row.replayed_line).sum()) for row in found.rows]

    assert 4 <= unknown.sum() <= 6  # a horizon of 30 days, weekly cuts
    for row, by_recipe in zip(found.rows, stock, strict=True):
        assert abs(row.stock_now - by_recipe) <= 5 + 0.5 * by_recipe


def test_nothing_fitted_for_the_replay_knew_the_replayed_weeks(
    crm: Crm, tmp_path: Path, found: WhatIfs
) -> None:
    """Every outcome from the first cut on is turned round; the paths up to the first of these outcomes stand."""
    outcomes = pd.read_csv(crm.whole / "outcomes.csv", dtype=str, keep_default_na=False)
    moment = pd.Timestamp(int(found.past.paths.cuts[0]), unit="us", tz="UTC")
    is_late = pd.to_datetime(outcomes["occurred_at"], format="ISO8601") >= moment
    was_won = outcomes["outcome"] == "won"
    outcomes.loc[is_late & was_won, "outcome"] = "lost"
    outcomes.loc[is_late & ~was_won, "outcome"] = "won"
    folder = replace(crm, folder=crm.whole).export(tmp_path / "turned", outcomes=outcomes)
    project = tmp_path / "turned.toml"
    head = (crm.whole / "lead-scoring.toml").read_text(encoding="utf-8")
    project.write_text(head.replace("[data]", f'[data]\nfolder = "{folder}"', 1), encoding="utf-8")

    turned = replayed(crm, project)

    assert turned.past.fitted_conversions == found.past.fitted_conversions
    assert np.array_equal(turned.past.paths.log_odds[0], found.past.paths.log_odds[0], equal_nan=True)
    known = np.isfinite(found.past.outcome) & np.isfinite(turned.past.outcome)
    assert (turned.past.outcome[known] != found.past.outcome[known]).any()


def test_outcomes_at_entry_are_unknown_until_the_horizon_is_over(found: WhatIfs) -> None:
    past = found.past
    late = past.complete > past.paths.cuts[-1]

    assert np.isnan(past.outcome[late]).all()
    assert np.isfinite(past.outcome[~late]).sum() > 0
    assert set(np.unique(past.outcome[np.isfinite(past.outcome)])) == {0.0, 1.0}


def test_the_terminal_says_lines_stock_promise_and_what_was_held_out(crm: Crm, tmp_path: Path) -> None:
    page = tmp_path / "bands.html"
    run = run_command(
        "bands",
        "-p",
        crm.whole / "lead-scoring.toml",
        "--bundle",
        crm.bundle,
        *ASKED,
        "--top",
        20,
        "-o",
        page,
    )

    assert run.code == 0, run.err
    for words in (
        "SQL: a line at", "lets in 4 leads a week", "SQL stock:", "SQL held out: found on the first 8 weeks",
        "Who was above the line when the weeks began is stock", "known before them", "Weekly top-N queue, N = 20",
        "another thing than a band",
    ):  # fmt: skip
        assert words in run.out
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_json_is_one_object_and_a_picture_is_png(crm: Crm, tmp_path: Path) -> None:
    picture = tmp_path / "bands.png"
    project = crm.written(
        tmp_path / "b2c.toml", '\n[capacity]\npreset = "b2c"\nevery = "84h"\nsql_a_week = 3\n', whole=True
    )

    found = run_command(
        "bands", "-p", project, "--bundle", crm.bundle, "--what-if", "2", "-o", picture, "--json"
    ).json

    assert (found["settings"]["every"], found["settings"]["cool_down"]) == ("84h", "7d")
    assert (found["settings"]["weeks"], found["settings"]["hysteresis"]) == (8, 3.0)
    assert [row["a_week"] for row in found["what_if"]] == [2.0, 3.0]
    assert found["sql"]["a_week"] == 3.0
    assert (found["mql"], found["weekly_queue"], found["applied"]) == (None, None, None)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--sql-a-week", 9, "--mql-a-week", 3), "sql_a_week must be less than mql_a_week"),
        (("--weeks", 4), "weeks: Input should be greater than or equal to 8"),
        (("--what-if", "ten"), "write capacities such as 10,20,40"),
        (("--what-if", "-3"), "is above 0"),
        (("-o", "bands.pdf"), "must end in .html or .png"),
        (("--html", "--png"), "Give one of --html and --png"),
        (("--apply", "--why", "x"), "leave out --bundle"),
    ],
)
def test_what_can_not_be_asked_is_refused_before_any_work(
    crm: Crm, given: tuple[Any, ...], words: str
) -> None:
    run = run_command("bands", "-p", crm.project, "--bundle", crm.bundle, *given)

    assert (run.code, run.out) == (2, "")
    assert words in " ".join(run.err.split())


def test_too_long_a_replay_leaves_nothing_to_fit_on_and_says_so(crm: Crm) -> None:
    run = run_command("bands", "-p", crm.whole / "lead-scoring.toml", "--bundle", crm.bundle, "--weeks", 75)

    assert run.code == 2
    assert "Replay fewer weeks (--weeks)" in run.err


def test_new_anchors_keep_the_model_and_move_the_bands(crm: Crm, found: WhatIfs, tmp_path: Path) -> None:
    old = load_bundle(crm.bundle)

    new = with_anchors(old, anchors_of(found), {"by": "ann", "why": "less"}, tmp_path / "new")

    assert new.model_version != old.model_version
    assert new.manifest["re_anchored"]["from_model_version"] == old.model_version
    assert new.manifest["re_anchored"]["from"] == old.scorer.anchors.to_json()
    assert new.manifest["metrics"] == old.manifest["metrics"]
    margins = np.linspace(-6.0, 6.0, 200)
    assert np.array_equal(new.scorer.probability(margins), old.scorer.probability(margins))
    p, score, band = new.scorer.probability(margins), new.scorer.score(margins), new.scorer.band(margins)
    assert found.mql is not None
    assert ((p >= found.mql.probability) == (score >= 50)).all()
    assert ((p >= new.scorer.anchors.p_sql) == (score >= 80)).all()
    assert ((band == "SQL") == (score >= 80)).all()


def test_lines_are_set_for_one_band_alone_only_if_the_other_stays_below(crm: Crm, found: WhatIfs) -> None:
    present = found.champion.scorer.anchors

    only_sql = anchors_of(replace(found, settings=found.settings.model_copy(update={"mql_a_week": None})))

    assert only_sql.p_mql == present.p_mql
    assert only_sql.method == "entries a week"
    nothing = found.settings.model_copy(update={"mql_a_week": None, "sql_a_week": None})
    with pytest.raises(InputError, match="give --sql-a-week, --mql-a-week or both"):
        anchors_of(replace(found, settings=nothing))
    high = found.settings.model_copy(update={"mql_a_week": 2.0, "sql_a_week": None})
    low = replace(present, p_mql=0.001, p_sql=float(expit(found.rows[0].line)) / 2)
    champion = replace(found.champion, scorer=replace(found.champion.scorer, anchors=low))
    with pytest.raises(InputError, match=r"would not lie below the SQL line at .*Give --sql-a-week as well"):
        anchors_of(replace(found, settings=high, champion=champion))


@pytest.fixture
def registry(crm: Crm, tmp_path: Path) -> ByHand:
    """A registry whose champion is the CRM's model, under its own name."""
    made = registry_by_hand(crm, tmp_path / "registry")
    made.add(model_version=load_bundle(crm.bundle).model_version)
    made.appoint(1)
    return made


def test_applied_lines_are_a_new_champion_on_record_and_can_be_rolled_back(
    crm: Crm, registry: ByHand, tmp_path: Path
) -> None:
    before = crm.bundle
    tracking = '\n[tracking]\nuri = "sqlite:///mlflow.db"\nregistered_model = "by_hand"\n'
    whole = crm.written(registry.file, f'{tracking}[ledger]\nurl = "sqlite:///ledger.db"\n', whole=True)

    done = run_command(
        "bands", "-p", whole, *ASKED, "--apply", "--by", "ann", "--why", "four a week", "--json"
    ).json

    applied, (tag,) = (
        done["applied"],
        [each for name, each in registry.tags.items() if name.startswith("promotion.")],
    )
    assert (applied["version"], applied["former"], registry.champion) == ("2", "1", "2")
    record = json.loads(tag)
    assert (record["kind"], record["by"], record["why"], record["from"], record["to"]) == (
        "re-anchor", "ann", "four a week", "1", "2",
    )  # fmt: skip
    assert applied["after"]["p_sql"] >= done["sql"]["probability"]
    assert applied["after"]["p_mql"] == done["mql"]["probability"]
    old, new = tmp_path / "old.parquet", tmp_path / "new.parquet"
    assert run_command("score", "-p", whole, "--bundle", before, "-o", old).code == 0
    assert run_command("score", "-p", whole, "-o", new).code == 0
    was, now = scores(old), scores(new)
    assert (now["probability"] == was.loc[now.index, "probability"]).all()
    assert ((now["band"] == "SQL") == (now["probability"] >= applied["after"]["p_sql"])).all()
    assert ((now["score"] >= 50) == (now["probability"] >= applied["after"]["p_mql"])).all()
    changed = int((now["band"] != was.loc[now.index, "band"]).sum())
    assert changed == applied["band_changes"]["up"] + applied["band_changes"]["down"] > 0
    listed = registry.run("models", "--json").json["versions"][0]
    assert (listed["version"], listed["model_version"]) == ("2", applied["model_version"])
    assert listed["auc"][0] == crm.trained["auc"]
    assert registry.run("rollback", "--why", "back", "--by", "bob").code == 0
    assert registry.champion == "1"
    with open_ledger(registry.project).reading() as connection:
        acts = acts_of(connection, registry.project.name)
    assert [(each["kind"], each["anchors"]) for each in acts] == [
        ("rollback", applied["before"]), ("re-anchor", applied["after"]),
    ]  # fmt: skip
    assert applied["warning"] is None


def test_nothing_is_set_without_a_reason_or_over_another_champion(
    crm: Crm, registry: ByHand, found: WhatIfs
) -> None:
    run = registry.run("bands", *ASKED, "--apply")
    assert run.code == 2
    assert "--why is empty" in run.err

    registry.add()
    registry.appoint(2)
    project = registry.project
    with pytest.raises(LockedError, match="Meanwhile version 2 is champion"):
        re_anchor(project, tables_for(project, load_bundle(crm.bundle)), found, "ann", "why", lambda _: None)
    assert registry.champion == "2"


def test_a_bare_points_table_has_no_weeks_to_replay(crm: Crm, found: WhatIfs) -> None:
    project = load_project(crm.project)
    champion: Bundle = replace(
        found.champion, scorer=replace(found.champion.scorer, table_lines=(10.0, 20.0))
    )

    with pytest.raises(InputError, match="is a bare points table, so no past weeks can be replayed"):
        what_ifs(
            project, tables_for(project, champion), champion, CapacitySettings(), (2.0,), None, lambda _: None
        )
