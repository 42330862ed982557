"""Targets beside the leads: accounts, lead x product and customers by the same commands, end to end."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.asof import microseconds, open_examples
from features.builder import build_features
from features.errors import BundleError, ConfigError, InputError, NoModelError
from features.prepare import prepare
from models.bundle import load_bundle
from pipeline.changes import changes
from pipeline.changes_facts import require_open
from pipeline.cli_runs import _train_code
from pipeline.config import load_project
from pipeline.open_leads import tables_for
from pipeline.score import score_project
from pipeline.score_warnings import changed_settings
from tests.pipeline.conftest import Run, manifest, run_command, without_ledger

if TYPE_CHECKING:
    from pipeline.score import ScoreRun
    from pipeline.train import Trained

PRODUCTS = ["Analytics", "Automation", "Platform", "Enterprise Suite"]
MORE = f"""
[targets.accounts]
entity = "account"
roles = ["it", "finance", "legal"]

[targets.products]
entity = "product"
products = {PRODUCTS}

[model]
rungs = ["logistic"]
bootstrap = 100
logistic_penalties = [100.0]

[features]
windows = ["30d"]
half_lives = ["14d"]

[split]
folds = 3

[rolling]
blocks = 1
"""


@dataclass(frozen=True)
class Sold:
    """A CRM with customers, its targets trained and scored."""

    project: Path
    trained: dict[str, Any]
    scored: Run

    def table(self, name: str) -> pd.DataFrame:
        """Scores of a target, or of the leads."""
        found: pd.DataFrame = pq.read_table(self.project.parent / "scores" / f"{name}.parquet").to_pandas()
        return found


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Sold:
    folder = tmp_path_factory.mktemp("sold")
    made = run_command("simulate", "--leads", 4000, "--seed", 5, "--on", "growth", "-o", folder / "crm")
    assert made.code == 0, made.err
    project = folder / "crm" / "lead-scoring.toml"
    text = project.read_text(encoding="utf-8").replace('every = "14d"', 'every = "28d"')
    text = re.sub(r"\[targets\.(cross_sell|renewal)\]\n(?:.+\n)+", "", text)  # two trainings less
    project.write_text(text + MORE, encoding="utf-8")
    trained = run_command("train", "-p", project, "--json")
    assert trained.code == 0, trained.err
    for target in ([], *(["--target", name] for name in trained.json["targets"])):
        run_command("promote", "1", "--why", "a small world", "-p", project, *target)
    output = folder / "crm" / "scores" / "scores.parquet"
    return Sold(project, trained.json, run_command("score", "-p", project, "-o", output, "--json"))


def test_every_target_is_trained_by_the_one_command_and_registered_under_its_own_name(sold: Sold) -> None:
    found = sold.trained["targets"]

    assert set(found) == {"accounts", "products", "upsell"}
    assert all("error" not in each for each in found.values())
    versions = run_command("models", "-p", sold.project, "--target", "accounts", "--json").json
    assert versions["model"] == "lead_scoring_accounts"
    assert len(versions["versions"]) == 1


def test_every_lead_account_product_and_customer_is_scored_once(sold: Sold) -> None:
    run = sold.scored.json
    leads = sold.table("scores")

    assert sold.scored.code == 0
    for name in run["targets"]:
        part = run["targets"][name]
        assert part["rows_in"] == part["scored"] + part["not_open"] + part["quarantined"]
        assert len(sold.table(f"scores.{name}")) == part["scored"]
    products = sold.table("scores.products")
    assert not products.duplicated(["lead_id", "product"]).any()
    assert set(products["lead_id"]) == set(leads["lead_id"])
    assert products.groupby("lead_id")["product"].nunique().eq(4).all()


def test_a_target_changed_since_its_training_is_warned_of_and_no_other_is(sold: Sold) -> None:
    project = load_project(sold.project)
    parts = {name: load_bundle(Path(each["bundle"])) for name, each in sold.trained["targets"].items()}
    products = project.for_target("products")
    more = products.target.model_copy(update={"products": (*PRODUCTS, "New")})

    of_leads = manifest(sold.project.parent / "scores" / "scores.parquet")["warnings"]
    assert not any("in the project file" in each for each in of_leads)
    assert all(changed_settings(project.for_target(name), bundle) == [] for name, bundle in parts.items())
    (said,) = changed_settings(products.model_copy(update={"target": more}), parts["products"])
    assert said.endswith("not in force before the next training: target.products")


def test_a_lead_shows_what_its_account_and_its_products_get(sold: Sold) -> None:
    leads, accounts = sold.table("scores"), sold.table("scores.accounts").set_index("account_id")
    products = sold.table("scores.products").set_index(["lead_id", "product"])["probability"]

    of_companies = leads[leads["account_id"].notna()]
    assert len(of_companies)
    expected = accounts.loc[of_companies["account_id"], "probability"]
    assert of_companies["account_probability"].tolist() == expected.tolist()
    assert leads.loc[leads["account_id"].isna(), "account_probability"].isna().all()
    for lead in leads.head(20).to_dict("records"):
        shown = {each["product"]: each["probability"] for each in lead["products"]}
        assert shown == products[lead["lead_id"]].to_dict()
        assert lead["product"] == max(shown, key=lambda each: (shown[each], each))


def test_an_account_names_the_people_who_carry_it_and_the_roles_it_lacks(sold: Sold) -> None:
    accounts, leads = sold.table("scores.accounts"), sold.table("scores").set_index("lead_id")

    assert (accounts["people"] >= accounts["people_active"]).all()
    for account in accounts.head(30).to_dict("records"):
        carried = [each["lead_id"] for each in account["carried_by"]]
        mates = leads[leads["account_id"] == account["lead_id"]]["probability"].sort_values(ascending=False)
        assert carried == mates.index[:3].tolist()
        assert set(account["roles_missing"]) == {"it", "finance", "legal"} - set(account["roles_reached"])


def test_customers_are_scored_for_their_own_question_alone(sold: Sold) -> None:
    leads, upsell = sold.table("scores"), sold.table("scores.upsell")

    assert not set(upsell["lead_id"]) & set(leads["lead_id"])
    assert manifest(sold.project.parent / "scores" / "scores.upsell.parquet")["entity"] == "customer"
    assert upsell["probability"].between(0, 1).all()
    assert leads["expected_value"].isna().all()


def test_reasons_of_every_target_add_up_to_its_score(sold: Sold) -> None:
    for name in ("scores.accounts", "scores.products", "scores.upsell"):
        found = sold.table(name)
        total = found["base_score"] + [sum(line["points"] for line in lines) for lines in found["reasons"]]
        np.testing.assert_allclose(total, found["score"], atol=1e-6)


def test_one_target_is_scored_and_explained_alone(sold: Sold, tmp_path: Path) -> None:
    output = tmp_path / "accounts.csv"
    run = run_command("score", "-p", sold.project, "--target", "accounts", "-o", output, "--json")
    whole = sold.table("scores.accounts")

    assert run.code == 0
    alone = pd.read_csv(output)
    assert alone["lead_id"].tolist() == whole["lead_id"].tolist()
    np.testing.assert_allclose(alone["probability"], whole["probability"], rtol=1e-12)
    first = whole["lead_id"][0]
    told = run_command("explain", first, "-p", sold.project, "--target", "accounts", "--json").json
    assert told["score"] == pytest.approx(whole["score"][0], abs=1e-6)


def test_a_lead_asked_for_without_its_product_is_told_the_whole_name_and_reasons_read_well(
    sold: Sold,
) -> None:
    lead = sold.table("scores.products")["lead_id"][0]
    refused = run_command("explain", lead, "-p", sold.project, "--target", "products")
    stranger = run_command("explain", "nobody", "-p", sold.project, "--target", "accounts")
    texts = {line["text"] for lines in sold.table("scores.products")["reasons"] for line in lines}

    assert refused.code == stranger.code == 2
    assert f"'{lead}' is none of the pairs of lead and product of this target." in refused.err
    assert f"Did you mean '{lead} | " in refused.err
    assert "'nobody' is none of the accounts of this target." in stranger.err
    assert any(text.startswith("This-product activity: ") for text in texts)
    assert not any("activity activity" in text or "product activity on" in text for text in texts)


def test_a_bundle_of_accounts_scores_without_any_store(sold: Sold, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(sold.trained["targets"]["accounts"]["bundle"], bundle)
    output = tmp_path / "scores.parquet"

    run = run_command("score", "-p", sold.project, "--target", "accounts", "--bundle", bundle, "-o", output)

    assert run.code == 0, run.err
    found = pq.read_table(output).to_pandas()
    assert found["probability"].tolist() == sold.table("scores.accounts")["probability"].tolist()
    assert load_bundle(bundle).sources.target.entity == "account"


def test_a_target_without_a_champion_leaves_the_leads_scores_alone(sold: Sold, tmp_path: Path) -> None:
    project, output = sold.project.with_name("one-more.toml"), tmp_path / "scores.parquet"
    more = '[targets.later]\nentity = "account"\nhorizon = "60d"\n\n[targets.accounts]'
    project.write_text(
        sold.project.read_text(encoding="utf-8").replace("[targets.accounts]", more), encoding="utf-8"
    )

    run = run_command("score", "-p", project, "-o", output, "--json")

    assert run.code == 3
    assert "no champion yet" in run.json["targets"]["later"]["error"]
    assert any("target later was not scored" in each for each in manifest(output)["warnings"])
    found = pq.read_table(output).to_pandas()
    assert found["probability"].tolist() == sold.table("scores")["probability"].tolist()
    assert found["account_score"].notna().any()


def test_a_training_that_lost_a_target_or_its_scores_ends_with_3() -> None:
    def code(verdict: str, others: dict[str, Any], scored: int) -> int:
        trained = SimpleNamespace(record=SimpleNamespace(verdict=verdict, quarantined={}))
        run = SimpleNamespace(exit_code=scored)
        return _train_code(cast("Trained", trained), others, cast("ScoreRun", run))

    lost = {"upsell": NoModelError("no customer yet")}
    assert [code("champion", {}, 0), code("champion", {}, 3), code("champion", lost, 0)] == [0, 3, 3]
    assert code("refused", lost, 3) == 8


def test_a_target_whose_champion_is_damaged_leaves_the_leads_scores_alone(sold: Sold, tmp_path: Path) -> None:
    project, output = load_project(sold.project), tmp_path / "scores.parquet"
    damaged = {"accounts": BundleError("the file bands.json has another content")}

    run = score_project(
        project, load_bundle(Path(sold.trained["bundle"])), output, None, lambda _: None, damaged
    )

    assert run.exit_code == 3
    assert "another content" in run.not_scored["accounts"]
    found = pq.read_table(output).to_pandas()
    assert found["probability"].tolist() == sold.table("scores")["probability"].tolist()


def test_targets_are_refused_whose_files_changed_after_the_leads_were_scored(
    sold: Sold, tmp_path: Path
) -> None:
    project, output = load_project(sold.project), tmp_path / "scores.parquet"
    of_leads, of_accounts = (
        load_bundle(Path(each["bundle"])) for each in (sold.trained, sold.trained["targets"]["accounts"])
    )
    assert project.data.events is not None
    events = project.table_path(project.data.events)
    before = events.read_bytes()

    def replaced(words: str) -> None:
        if words == "scoring accounts":
            pq.write_table(pq.read_table(events).slice(0, 1_000), events)

    try:
        with pytest.raises(InputError, match=r"events.parquet changed after the leads were scored"):
            score_project(project, of_leads, output, None, replaced, {"accounts": of_accounts})
    finally:
        events.write_bytes(before)

    assert list(tmp_path.iterdir()) == []


def test_what_changed_an_accounts_score_adds_up_though_its_people_come_and_go(sold: Sold) -> None:
    project = load_project(sold.project).for_target("accounts")
    bundle = load_bundle(Path(sold.trained["targets"]["accounts"]["bundle"]))
    data = prepare(tables_for(project, bundle), bundle.sources)
    assert data.spells is not None
    t0, t1 = (int(microseconds(pd.Timestamp(each, tz="UTC"))[0]) for each in ("2025-10-01", "2025-12-15"))
    ids = data.leads["lead_id"].to_numpy(dtype=object)

    def points(moment: int) -> tuple[dict[str, float], dict[str, int]]:
        assert data.spells is not None
        rows = open_examples(data.spells, moment)
        X = build_features(data, rows, bundle.scorer.catalogue, bundle.sources)
        found = bundle.scorer.points(bundle.scorer.margin(X), X)
        names = ids[rows.lead].tolist()
        return dict(zip(names, found.tolist(), strict=True)), dict(
            zip(names, rows.spell_start.tolist(), strict=True)
        )

    split = changes(bundle, bundle, data, data, t0, t1)
    (before, came), (after, comes) = points(t0), points(t1)

    assert any(came[each] != comes[each] for each in split.lead_ids)  # who came first has left
    np.testing.assert_allclose(split.before, [before[each] for each in split.lead_ids], atol=1e-9)
    np.testing.assert_allclose(split.after, [after[each] for each in split.lead_ids], atol=1e-9)
    np.testing.assert_allclose(split.points.sum(axis=0), split.after - split.before, atol=1e-6)
    for each in split.lead_ids:
        require_open(data, each, t0, t1)


@pytest.mark.parametrize("name", ["not_open", "quarantine", "."])
def test_a_target_may_not_bear_the_name_of_a_file_beside_the_scores(sold: Sold, name: str) -> None:
    project = sold.project.with_name("taken.toml")
    text = sold.project.read_text(encoding="utf-8")
    project.write_text(f'{text}\n[targets."{name}"]\nentity = "account"\n', encoding="utf-8")

    with pytest.raises(ConfigError, match="this name is taken"):
        load_project(project)


def test_leads_that_cannot_be_trained_do_not_keep_the_targets_from_it(sold: Sold) -> None:
    project = sold.project.with_name("no-leads.toml")
    text = sold.project.read_text(encoding="utf-8").replace('won = ["won"]', 'won = ["wonn"]', 1)
    text = re.sub(r"\[targets\.(accounts|products)\]\n(?:.+\n)+", "", text)
    project.write_text(
        text.replace('won = ["upsell"]', 'won = ["upsell"]\nsince = ["won"]', 1), encoding="utf-8"
    )

    run = run_command("train", "-p", project)

    assert run.code == 2
    assert "target.won = ['wonn']" in run.err
    assert "Target upsell" in run.out
    assert "AUC" in run.out


def test_an_unknown_target_is_refused_with_the_nearest_name(sold: Sold) -> None:
    with pytest.raises(ConfigError, match=r"no target 'account'\. Did you mean 'accounts'"):
        load_project(sold.project).for_target("account")


def test_every_target_has_runs_of_its_own_in_the_ledger_and_a_lead_is_forgotten_in_all(
    sold: Sold, tmp_path: Path
) -> None:
    project, output = sold.project.with_name("with-ledger.toml"), tmp_path / "scores.parquet"
    section = f'\n[ledger]\nurl = "sqlite:///{tmp_path}/ledger.db"\n'
    own = without_ledger(sold.project.read_text(encoding="utf-8"))
    project.write_text(own + section, encoding="utf-8")

    for _ in range(2):
        assert run_command("score", "-p", project, "-o", output, "--json").code == 0

    products = pq.read_table(tmp_path / "scores.products.parquet").to_pandas()
    lead = str(products["lead_id"].iloc[0])
    asked = ("history", lead, "-p", project, "--json", "--target", "products")
    found = {each["product"]: each["score"] for each in run_command(*asked).json["scores"]}
    for name in ("accounts", "products", "upsell"):
        runs = run_command("runs", "-p", project, "--json", "--target", name).json["runs"]
        assert [each["scored"] for each in runs] == [sold.scored.json["targets"][name]["scored"]]
    assert found == products[products["lead_id"] == lead].set_index("product")["score"].to_dict()
    erased = run_command("forget", lead, "--why", "asked", "--by", "dpo", "-p", project, "--json").json
    assert erased["scores_deleted"] >= 1 + len(found)
    assert run_command(*asked).code == 2
