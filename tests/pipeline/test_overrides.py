"""Overrides at scoring: read from the project and its file, beside the scores, and never in them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from features.asof import NEVER, open_examples
from features.contracts import Tables
from features.errors import ConfigError, InputError
from features.prepare import prepare
from models.bundle import load_bundle
from models.overrides import Override
from pipeline.config import ROOT, Project, load_project
from pipeline.dataset import static_rows
from pipeline.explain import explain_fully
from pipeline.explain_page import page_of
from pipeline.explain_text import render
from pipeline.explain_words import ExplainWords
from pipeline.overrides import LeadOverrides, overrides_of
from tests.pipeline.conftest import Crm, manifest, scores
from tests.pipeline.small_crm import SOURCES, crm_of, day, event, microsecond, project_of, table_bundle

HEAD = "lead_id,account_id,action,owner,reason,until\n"
RULES = """
[overrides]
file = "overrides.csv"
priority = true

[[overrides.rules]]
when = { attribute = "job_title", contains = ["intern", "student"] }
action = "disqualify"
owner = "sales operations"
reason = "students do not buy"

[[overrides.rules]]
when = { event = "careers_view", at_least = 2, window = "30d" }
action = "hold"
owner = "sales operations"
reason = "looks for a job"
until = 2026-03-31

[[overrides.rules]]
when = { silent_for = "1d" }
action = "raise"
owner = "nobody"
reason = "long over"
until = 2025-01-01
"""


def found_in(
    folder: Path, text: str = "", at: float = 74, tables: Tables | None = None, **settings: Any
) -> LeadOverrides:
    """Overrides of L1 (account A, on the priority list), L5 (of nobody) and L9 (account A), by a file's text."""
    (folder / "overrides.csv").write_text(HEAD + text, encoding="utf-8")
    named = {name: {"path": f"{name}.csv"} for name in ("leads", "outcomes", "accounts")}
    overrides = {"file": "overrides.csv", **settings}
    project = Project.model_validate({"data": named, "overrides": overrides, ROOT: folder})
    tables = tables or crm_of()
    data = prepare(tables, SOURCES)
    assert data.spells is not None
    rows = open_examples(data.spells, microsecond(at))
    ids = data.leads["lead_id"].to_numpy(dtype=object)[rows.lead]
    return overrides_of(
        project, SOURCES, tables, data, rows.take(np.argsort(ids, kind="stable")), microsecond(at)
    )


def by_owner(found: LeadOverrides) -> list[str | None]:
    return [None if each is None else each.owner for each in found.by_row]


def test_a_row_of_the_file_overrides_its_lead_or_every_lead_of_its_account(tmp_path: Path) -> None:
    found = found_in(tmp_path, "L5,,disqualify,Kim,wrong number,\n,A,hold,Ann,legal check,2025-06-30\n")

    assert found.by_row == [
        Override("hold", "Ann", "legal check", date(2025, 6, 30)),
        Override("disqualify", "Kim", "wrong number"),
        Override("hold", "Ann", "legal check", date(2025, 6, 30)),
    ]
    assert found.column()[0] == {
        "action": "hold",
        "owner": "Ann",
        "reason": "legal check",
        "until": "2025-06-30",
    }


def test_a_lead_without_an_account_is_not_of_the_account_called_nan(tmp_path: Path) -> None:
    mate = {"lead_id": "L7", "created_at": day(1), "account_id": "nan"}

    found = found_in(tmp_path, ",nan,disqualify,Kim,a test entry,\n", tables=crm_of(mates=[mate]))

    assert by_owner(found) == [None, None, "Kim", None]  # L1, L5 (of nobody), L7, L9


def test_the_file_counts_before_the_rules_and_these_before_the_list_unless_an_action_is_stronger(
    tmp_path: Path,
) -> None:
    rules = [
        {
            "when": {"silent_for": "1d"},
            "action": action,
            "owner": action,
            "reason": "why",
            "until": "2025-06-30",
        }
        for action in ("raise", "hold")
    ]

    assert by_owner(found_in(tmp_path, "L1,,hold,Kim,why,2025-06-30\n", rules=rules)) == [
        "Kim",
        "hold",
        "hold",
    ]
    assert by_owner(found_in(tmp_path, "", rules=rules[:1], priority=True)) == ["raise"] * 3
    assert by_owner(found_in(tmp_path, "", priority=True)) == ["priority list", None, "priority list"]
    found = found_in(tmp_path, "L1,,disqualify,Kim,why,\n", priority=True)
    assert by_owner(found) == ["Kim", None, "priority list"]


def test_what_has_expired_at_as_of_is_counted_and_ignored(tmp_path: Path) -> None:
    row = "L1,,raise,Kim,met at the fair,2025-03-10\n"  # day 68: as_of lies on day 67.9 or 68

    before, at = (found_in(tmp_path, row, at=moment) for moment in (67.9, 68.0))

    assert (by_owner(before), before.expired) == (["Kim", None, None], 0)
    assert (by_owner(at), at.expired) == ([None] * 3, 1)


def test_the_manifest_counts_by_action_and_names_the_leads_that_are_raised(tmp_path: Path) -> None:
    text = "L5,,hold,Kim,why,2025-06-30\nL5,,raise,Ann,why,2025-01-31\nL9,,disqualify,Kim,why,\n"

    record = found_in(tmp_path, text, priority=True).record(["L1", "L5", "L9"])

    assert record == {
        "overrides": {"disqualify": 1, "hold": 1, "raise": 1, "ignored_expired": 1},
        "raised": ["L1"],
    }


def test_later_events_change_no_override(tmp_path: Path) -> None:
    burst = [event("L1", 73.99999 + second / 86_400) for second in (0.0, 0.5)]
    later = [event("L1", 74 + second / 86_400) for second in (0.0, 0.5, 1.0)]
    rule = {
        "when": {"event": "pricing_view", "at_least": 2},
        "action": "disqualify",
        "owner": "Kim",
        "reason": "why",
    }

    found = [found_in(tmp_path, rules=[rule], tables=crm_of(events)) for events in (burst, burst + later)]

    # with what came later the visits turn out to be a bot's; at as_of nobody could tell
    assert [by_owner(each) for each in found] == [["Kim", None, None]] * 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("L7,,disqualify,Kim,why,\nL8,,hold,,why,\nL1,,hold,Kim,why,2025-06-30\n",
         r"2 of 3 overrides in .*overrides.csv can't be used; the first stands in line 2: there is no lead 'L7'"),
        (",B,disqualify,Kim,why,\n", "there is no account 'B'"),
        ("L1,A,disqualify,Kim,why,\n", "either a lead_id or an account_id"),
        (",,disqualify,Kim,why,\n", "either a lead_id or an account_id"),
        ("L1,,ban,Kim,why,\n", "'ban' is none of disqualify, hold, raise"),
        ("L1,,disqualify, ,why,\n", "the decision on 'L1' has no owner"),
        ("L1,,disqualify,Kim,,\n", "the decision on 'L1' has no reason"),
        ("L1,,hold,Kim,why,31.03.2026\n", "until is '31.03.2026', expected a day such as 2026-03-31"),
        ("L1,,raise,Kim,why,\n", "the action 'raise' needs `until`"),
        ("L1,,raise,Kim,why,and so on,2026-03-31\n", "more cells than the header"),
        ('L1,,disqualify,Kim,"no budget,\nL2,,hold,Kim,why,2026-03-31\n', "unexpected end of data.* not closed"),
        ('L1,,disqualify,Kim,"' + 200_000 * "a" + '",\n', "field larger than field limit"),
    ],
)  # fmt: skip
def test_bad_rows_are_refused_with_their_number_and_the_first_one(
    tmp_path: Path, rows: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        found_in(tmp_path, rows)


def test_a_lead_in_quarantine_is_no_unknown_lead(tmp_path: Path) -> None:
    tables = crm_of()
    held = pd.DataFrame([{"table": "leads", "lead_id": "L7"}]).reindex(columns=tables.quarantine.columns)
    object.__setattr__(tables, "quarantine", held)

    assert by_owner(found_in(tmp_path, "L7,,disqualify,Kim,why,\n", tables=tables)) == [None] * 3


def test_a_file_that_is_absent_or_has_no_such_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"can't be read: .*No such file"):
        found_in(tmp_path, file="elsewhere.csv")
    (tmp_path / "other.csv").write_text("id;owner\n", encoding="utf-8")
    with pytest.raises(
        InputError, match="needs the columns action, owner, reason, until and lead_id or account_id"
    ):
        found_in(tmp_path, file="other.csv")


def test_a_priority_list_that_names_nobody_is_refused(tmp_path: Path) -> None:
    tables = crm_of()
    tables.accounts["is_priority"] = np.nan

    with pytest.raises(InputError, match="no account has a value in is_priority"):
        found_in(tmp_path, tables=tables, priority=True)


def of_flat_export(tables: Tables, until: str) -> LeadOverrides:
    """One rule with an expiry, where rows have no moment."""
    rule = {
        "when": {"attribute": "owner", "contains": ["kim"]},
        "action": "hold",
        "owner": "Ann",
        "reason": "why",
    }
    project = project_of(overrides={"rules": [{**rule, "until": until}]}, attributes=SOURCES.attributes)
    data = prepare(tables, SOURCES)
    return overrides_of(project, SOURCES, tables, data, static_rows(np.arange(3)), NEVER)


def test_without_a_moment_of_scoring_the_end_of_the_data_decides_what_has_expired() -> None:
    tables = crm_of()
    with pytest.raises(InputError, match=r"1 of 1 overrides have an expiry.*Set data.data_end"):
        of_flat_export(tables, "2025-03-10")

    object.__setattr__(tables, "data_end", pd.Timestamp("2025-03-09T23:59Z"))

    assert by_owner(of_flat_export(tables, "2025-03-10")) == ["Ann"] * 3
    assert by_owner(of_flat_export(tables, "2025-03-09")) == [None] * 3


def test_rules_of_a_project_file_are_checked_with_the_rest_of_it(tmp_path: Path) -> None:
    path = tmp_path / "lead-scoring.toml"
    head = '[data.leads]\npath = "l.csv"\n[data.outcomes]\npath = "o.csv"\n'
    rule = '[[overrides.rules]]\nwhen = { attribute = "emial", domain = ["a.b"] }\n'
    rule += 'action = "hold"\nowner = "x"\nreason = "y"\n'

    path.write_text(head + rule)
    with pytest.raises(ConfigError, match=r"overrides\.rules\.0: the action 'hold' needs `until`"):
        load_project(path)
    path.write_text(head + rule + "until = 2026-01-01\n")
    with pytest.raises(ConfigError, match="'emial' is no declared attribute"):
        load_project(path)


def test_what_the_run_and_the_bundle_record_of_a_project_names_no_owner() -> None:
    project = project_of(overrides={"file": "overrides.csv"})

    assert "overrides" not in project.plain_settings()


def explained(crm_tables: Tables, project: Project) -> ExplainWords:
    bundle = table_bundle(crm_tables)
    as_of = pd.Timestamp(microsecond(74), unit="us", tz="UTC").as_unit("us")
    return ExplainWords(explain_fully(project, bundle, crm_tables, "L1", as_of), project.phrases)


def test_explain_says_it_on_the_terminal_in_json_and_on_the_page() -> None:
    rule = {
        "when": {"silent_for": "1d"},
        "action": "hold",
        "owner": "Kim",
        "reason": "legal <check>",
        "until": "2026-03-31",
    }
    words = explained(crm_of(), project_of(overrides={"rules": [rule]}))
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123

    render(words, console)

    line = "Override beside the score: put on hold by Kim: legal <check> (until 2026-03-31)"
    assert line in console.export_text()
    assert line.replace("<", "&lt;").replace(">", "&gt;") in page_of(words)
    assert words.found.to_json()["override"] == {
        "action": "hold", "owner": "Kim", "reason": "legal <check>", "until": "2026-03-31",
    }  # fmt: skip


def test_explain_is_silent_where_nobody_decided_anything() -> None:
    words = explained(crm_of(), project_of())

    assert words.override() is None
    assert words.found.to_json()["override"] is None
    assert "Override" not in page_of(words)


def test_overrides_stand_beside_the_scores_and_move_none_of_them(
    crm: Crm, scored: Path, tmp_path: Path
) -> None:
    project = crm.written(tmp_path / "p" / "lead-scoring.toml", RULES)
    plain = scores(scored)
    chosen = sorted(plain.index)[:3]
    rows = [f"{chosen[0]},,disqualify,Kim,competitor,\n", f"{chosen[1]},,hold,Ann,on leave,2026-02-01\n"]
    (tmp_path / "p" / "overrides.csv").write_text(HEAD + "".join(rows), encoding="utf-8")
    output = tmp_path / "scores.parquet"

    assert crm.score(output, "-p", project).code == 0

    found, told = scores(output), manifest(output)
    pd.testing.assert_frame_equal(found.drop(columns="override"), plain.drop(columns="override"))
    overrides = found["override"].dropna()
    assert overrides[chosen[0]] == {
        "action": "disqualify",
        "owner": "Kim",
        "reason": "competitor",
        "until": None,
    }
    assert overrides[chosen[1]]["until"] == "2026-02-01"
    counts = overrides.map(lambda each: each["action"]).value_counts().to_dict()
    assert told["overrides"] == {"disqualify": 0, "hold": 0, "raise": 0, **counts, "ignored_expired": 1}
    raised = overrides[overrides.map(lambda each: each["owner"] == "priority list")]
    assert told["raised"] == sorted(raised.index)
    assert set(counts) == {"disqualify", "hold", "raise"}
    by_hand = crm.leads().set_index("lead_id")["job_title"].str.casefold()
    students = by_hand[by_hand.str.contains("intern|student")].index.intersection(found.index)
    assert set(students) == set(
        overrides[overrides.map(lambda each: each["reason"] == "students do not buy")].index
    )


def test_without_overrides_the_manifest_says_nothing_of_them(scored: Path) -> None:
    assert not {"overrides", "raised"} & set(manifest(scored))
    assert scores(scored)["override"].isna().all()


def test_an_output_that_would_replace_the_file_of_overrides_is_refused(crm: Crm, tmp_path: Path) -> None:
    project = crm.written(tmp_path / "lead-scoring.toml", '\n[overrides]\nfile = "scores.csv"\n')
    (tmp_path / "scores.csv").write_text(HEAD, encoding="utf-8")

    run = crm.score(tmp_path / "scores.csv", "-p", project)

    assert run.code == 2
    assert "would replace" in run.err
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8") == HEAD


def test_with_negative_signals_a_warning_sign_counts_against_a_lead(crm: Crm, scored: Path) -> None:
    bundle = load_bundle(crm.bundle)
    signs = {f.group for f in bundle.scorer.catalogue.features if f.monotone < 0}
    assert signs & {"type:careers_view", "type:unsubscribe", "negative"}
    events = pd.read_csv(crm.folder / "events.csv")
    had = set(events.loc[events["event_type"].isin(["careers_view", "unsubscribe"]), "lead_id"])

    shown = [
        (lead, reason["points"])
        for lead, reasons in scores(scored)["reasons"].items()
        for reason in reasons
        if reason["group"] in signs and lead in had
    ]

    assert sum(points < 0 for _, points in shown) > 5 * sum(points > 0 for _, points in shown)
