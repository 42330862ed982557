"""Every row knows what lay strictly before its as_of, whatever other rows, orders or futures there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.builder import build_features, learn_catalogue
from features.catalogue import Catalogue
from features.contracts import Tables
from features.prepare import FeatureSources, prepare

START = pd.Timestamp("2025-01-01", tz="UTC")
AS_OF = START + pd.Timedelta(days=90)
Make = Callable[[int], Tables]
quick = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def matrix(
    tables: Tables,
    sources: FeatureSources,
    open_at: Any,
    catalogue: Catalogue | None = None,
    day: float = 90.0,
) -> tuple[pd.DataFrame, Catalogue]:
    data = prepare(tables, sources)
    rows = open_at(tables, day)
    catalogue = catalogue or learn_catalogue(data, rows, sources)
    X = build_features(data, rows, catalogue, sources)
    ids = data.leads["lead_id"].to_numpy(dtype=object)[rows.lead]
    return pd.DataFrame(X, index=ids, columns=catalogue.names).sort_index(), catalogue


def assert_same_bytes(a: pd.DataFrame, b: pd.DataFrame) -> None:
    assert a.index.tolist() == b.index.tolist()
    assert a.to_numpy().tobytes() == b.to_numpy().tobytes()


@quick
@given(
    seed=st.integers(0, 10_000),
    moment=st.sampled_from([0.0, 1e-6, 0.001, 5.0, 59.0]),
    kind=st.sampled_from(["add", "change", "remove"]),
)
def test_events_at_or_after_as_of_change_no_feature_byte(
    random_tables: Make,
    sources: FeatureSources,
    open_at: Any,
    with_frame: Any,
    seed: int,
    moment: float,
    kind: str,
) -> None:
    tables = random_tables(seed)
    before, catalogue = matrix(tables, sources, open_at)
    is_later = tables.events["occurred_at"] >= AS_OF
    if kind == "remove":
        events = tables.events[~is_later]
    elif kind == "change":
        events = tables.events.assign(event_type=tables.events["event_type"].where(~is_later, "pricing_view"))
        events["value"] = events["value"].where(~is_later, 1e9)
    else:
        new = tables.events.head(40).assign(occurred_at=AS_OF + pd.Timedelta(days=moment))
        new["occurred_at"] = new["occurred_at"].astype(tables.events["occurred_at"].dtype)
        events = pd.concat([tables.events, new, new], ignore_index=True)

    after, _ = matrix(with_frame(tables, events=events.reset_index(drop=True)), sources, open_at, catalogue)

    assert_same_bytes(before, after)


@quick
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["add", "change", "remove"]))
def test_field_changes_at_or_after_as_of_change_no_feature_byte(
    random_tables: Make, sources: FeatureSources, open_at: Any, with_frame: Any, seed: int, kind: str
) -> None:
    tables = random_tables(seed)
    before, catalogue = matrix(tables, sources, open_at)
    changes = tables.field_changes
    is_later = changes["changed_at"] >= AS_OF
    if kind == "remove":
        changes = changes[~is_later]
    elif kind == "change":
        changes = changes.assign(new_value=changes["new_value"].where(~is_later, "hot"))
    else:
        new = changes.head(30).assign(changed_at=AS_OF, new_value="hot", old_value="cold")
        new["changed_at"] = new["changed_at"].astype(changes["changed_at"].dtype)
        changes = pd.concat([changes, new], ignore_index=True)

    after, _ = matrix(
        with_frame(tables, field_changes=changes.reset_index(drop=True)), sources, open_at, catalogue
    )

    assert_same_bytes(before, after)


@quick
@given(seed=st.integers(0, 10_000))
def test_outcomes_at_or_after_as_of_change_no_feature_byte(
    random_tables: Make, sources: FeatureSources, open_at: Any, with_frame: Any, seed: int
) -> None:
    tables = random_tables(seed)
    before, catalogue = matrix(tables, sources, open_at)
    outcomes = tables.outcomes[tables.outcomes["occurred_at"] < AS_OF].reset_index(drop=True)

    after, _ = matrix(with_frame(tables, outcomes=outcomes), sources, open_at, catalogue)

    assert_same_bytes(before, after)


def test_a_burst_that_straddles_as_of_looks_the_same_with_and_without_its_rest(
    make_tables: Any, sources: FeatureSources, open_at: Any, with_frame: Any
) -> None:
    leads = [
        {
            "lead_id": f"L{k}",
            "created_at": START,
            "account_id": "A",
            "source": "web",
            "budget": 1.0,
            "job_title": "CEO",
            "email": "a@b.io",
        }
        for k in "12"
    ]
    events = [
        {
            "lead_id": "L1",
            "occurred_at": AS_OF + pd.Timedelta(milliseconds=100 * k),
            "event_type": "page_view",
        }
        for k in range(-3, 5)
    ] + [{"lead_id": "L1", "occurred_at": AS_OF - pd.Timedelta(days=9), "event_type": "page_view"}]
    tables = make_tables(leads, events)
    whole, catalogue = matrix(tables, sources, open_at)
    known = tables.events[tables.events["occurred_at"] < AS_OF].reset_index(drop=True)

    cut, _ = matrix(with_frame(tables, events=known), sources, open_at, catalogue)

    assert_same_bytes(whole, cut)
    assert whole.loc["L1", "implicit__any__count__7d"] == 3
    assert whole.loc["L2", "account__others__count__7d"] == 3


def test_a_burst_that_ended_before_as_of_is_no_activity(
    make_tables: Any, sources: FeatureSources, open_at: Any
) -> None:
    lead = {
        "lead_id": "L1",
        "created_at": START,
        "account_id": "A",
        "source": "web",
        "budget": 1.0,
        "job_title": "CEO",
        "email": "a@b.io",
    }
    events = [
        {
            "lead_id": "L1",
            "occurred_at": AS_OF - pd.Timedelta(hours=5) + pd.Timedelta(milliseconds=100 * k),
            "event_type": "page_view",
        }
        for k in range(6)
    ] + [{"lead_id": "L1", "occurred_at": AS_OF - pd.Timedelta(days=2), "event_type": "page_view"}]

    found, _ = matrix(make_tables([lead], events), sources, open_at)

    assert found.loc["L1", "implicit__any__count__7d"] == 1
    assert found.loc["L1", "recency__type:page_view__days_since"] == 2.0


@quick
@given(seed=st.integers(0, 10_000))
def test_row_order_and_one_lead_at_a_time_give_the_same_bytes(
    random_tables: Make, sources: FeatureSources, open_at: Any, with_frame: Any, seed: int
) -> None:
    tables = random_tables(seed)
    together, catalogue = matrix(tables, sources, open_at)
    rng = np.random.default_rng(seed)

    def mixed(table: pd.DataFrame) -> pd.DataFrame:
        return table.iloc[rng.permutation(len(table))].reset_index(drop=True)

    shuffled, _ = matrix(
        with_frame(
            tables, leads=mixed(tables.leads), events=mixed(tables.events), field_changes=mixed(tables.field_changes)
        ),
        sources, open_at, catalogue,
    )  # fmt: skip
    data = prepare(tables, sources)
    rows = open_at(tables, 90.0)
    alone = np.vstack(
        [build_features(data, rows.take(np.array([k])), catalogue, sources) for k in range(len(rows))]
    )

    assert_same_bytes(together, shuffled)
    ids = data.leads["lead_id"].to_numpy(dtype=object)[rows.lead]
    assert_same_bytes(together, pd.DataFrame(alone, index=ids, columns=catalogue.names).sort_index())


@quick
@given(seed=st.integers(0, 10_000))
def test_the_events_of_other_accounts_change_nothing(
    random_tables: Make, sources: FeatureSources, open_at: Any, with_frame: Any, seed: int
) -> None:
    tables = random_tables(seed)
    together, catalogue = matrix(tables, sources, open_at)
    keep = together.index[0]
    account = tables.leads.set_index("lead_id")["account_id"]
    near = account.index[(account == account[keep]) | (account.index == keep)]
    events = tables.events[tables.events["lead_id"].isin(near)].reset_index(drop=True)

    cut, _ = matrix(with_frame(tables, events=events), sources, open_at, catalogue)

    assert together.loc[[keep]].to_numpy().tobytes() == cut.loc[[keep]].to_numpy().tobytes()


@quick
@given(seed=st.integers(0, 10_000), days=st.integers(-300, 300))
def test_shifting_every_clock_by_whole_days_changes_no_feature(
    random_tables: Make, sources: FeatureSources, open_at: Any, with_frame: Any, seed: int, days: int
) -> None:
    tables = random_tables(seed)
    before, catalogue = matrix(tables, sources, open_at)
    by = pd.Timedelta(days=days)
    shifted = with_frame(
        tables,
        leads=tables.leads.assign(created_at=tables.leads["created_at"] + by),
        events=tables.events.assign(occurred_at=tables.events["occurred_at"] + by),
        outcomes=tables.outcomes.assign(occurred_at=tables.outcomes["occurred_at"] + by),
        field_changes=tables.field_changes.assign(changed_at=tables.field_changes["changed_at"] + by),
    )

    after, _ = matrix(shifted, sources, open_at, catalogue, 90.0 + days)

    assert_same_bytes(before, after)


def test_counts_decays_and_recency_agree_with_plain_sql(
    random_tables: Make, sources: FeatureSources, open_at: Any
) -> None:
    tables = random_tables(7)
    found, _ = matrix(tables, sources, open_at)
    leads, events = tables.leads, tables.events
    first = events.iloc[0]
    burst = (
        (events["lead_id"] == first["lead_id"])
        & (events["event_type"] == first["event_type"])
        & ((events["occurred_at"] - first["occurred_at"]).dt.total_seconds().between(0, 2))
    )
    events = events[~burst]
    leads_sql, events_sql = (
        f.assign(**{str(c): f[c].dt.tz_localize(None) for c in f.select_dtypes("datetimetz")})
        for f in (leads, events)
    )
    connection = duckdb.connect()
    connection.register("leads", leads_sql)
    connection.register("events", events_sql)
    cut = "TIMESTAMP '2025-04-01 00:00:00'"
    answer = (
        connection.execute(f"""
        WITH e AS (
          SELECT DISTINCT l.lead_id, e.occurred_at, e.event_type, e.value, e.channel, e.product
          FROM leads l JOIN events e USING (lead_id)
          WHERE e.occurred_at < {cut} AND e.occurred_at >= l.created_at)
        SELECT lead_id,
          count(*) FILTER (event_type = 'pricing_view' AND occurred_at >= {cut} - INTERVAL 30 DAY) AS pricing_30,
          count(*) FILTER (occurred_at >= {cut} - INTERVAL 90 DAY) AS any_90,
          count(DISTINCT date_trunc('day', occurred_at)) FILTER (occurred_at >= {cut} - INTERVAL 90 DAY) AS days_90,
          coalesce(sum(value) FILTER (occurred_at >= {cut} - INTERVAL 90 DAY), 0) AS value_90,
          count(DISTINCT product) FILTER (occurred_at >= {cut} - INTERVAL 90 DAY) AS products_90,
          epoch(({cut} - max(occurred_at) FILTER (event_type = 'page_view'))) / 86400 AS page_since,
          sum(pow(2, -epoch({cut} - occurred_at) / 86400 / 14)) FILTER (event_type = 'page_view') AS page_14
        FROM e GROUP BY lead_id""")
        .df()
        .set_index("lead_id")
        .reindex(found.index)
    )
    pairs = {
        "pricing_30": "implicit__type:pricing_view__count__30d", "any_90": "implicit__any__count__90d",
        "days_90": "implicit__any__days_active__90d", "value_90": "implicit__any__value_sum__90d",
        "products_90": "implicit__any__products__90d", "page_since": "recency__type:page_view__days_since",
        "page_14": "recency__type:page_view__intensity__14d",
    }  # fmt: skip
    for ours, theirs in pairs.items():
        expected = answer[ours].astype(float)
        expected = expected if ours == "page_since" else expected.fillna(0.0)
        np.testing.assert_allclose(
            found[theirs].to_numpy(), expected.to_numpy(), rtol=1e-9, atol=1e-12, err_msg=theirs
        )


def test_colleagues_are_counted_by_hand(make_tables: Any, sources: FeatureSources, open_at: Any) -> None:
    base = {"created_at": START, "source": "web", "budget": 1.0, "email": "a@b.io"}
    leads = [
        {"lead_id": "L1", "account_id": "A", "job_title": "CEO", **base},
        {"lead_id": "L2", "account_id": "A", "job_title": "Software Engineer", **base},
        {"lead_id": "L3", "account_id": "A", "job_title": "Accountant", **base},
        {"lead_id": "L4", "account_id": "A", "job_title": "Buyer", **base, "created_at": AS_OF},
        {"lead_id": "L5", "account_id": None, "job_title": "Buyer", **base},
    ]
    events = [
        {"lead_id": "L2", "occurred_at": AS_OF - pd.Timedelta(days=3), "event_type": "page_view"},
        {"lead_id": "L3", "occurred_at": AS_OF - pd.Timedelta(days=40), "event_type": "page_view"},
        {"lead_id": "L1", "occurred_at": AS_OF - pd.Timedelta(days=1), "event_type": "page_view"},
    ]

    found, _ = matrix(make_tables(leads, events), sources, open_at)

    one = found.loc["L1"]
    assert one["account__people__known"] == 2
    assert one["account__people__active__30d"] == 1
    assert one["account__others__count__90d"] == 2
    assert one["account__others__days_since"] == 3.0
    assert one["account__departments__active__90d"] == 2
    assert found["account__people__known"].isna().tolist() == [False, False, False, True]


def test_history_is_missing_before_its_first_recorded_change(
    make_tables: Any, sources: FeatureSources, open_at: Any
) -> None:
    base = {
        "created_at": START,
        "source": "web",
        "budget": 1.0,
        "email": "a@b.io",
        "job_title": "CEO",
        "account_id": None,
    }
    leads = [{"lead_id": "L1", **base}, {"lead_id": "L2", **base}]
    changes = [
        {"lead_id": "L1", "changed_at": AS_OF - pd.Timedelta(days=5), "field": "stage", "new_value": "warm"},
        {"lead_id": "L1", "changed_at": AS_OF - pd.Timedelta(days=50), "field": "stage", "new_value": "new"},
        {"lead_id": "L2", "changed_at": AS_OF, "field": "stage", "old_value": "new", "new_value": "warm"},
    ]

    found, catalogue = matrix(make_tables(leads, [], [], [], changes), sources, open_at)

    levels = next(f.levels for f in catalogue.features if f.source == "stage")
    codes = found["explicit__stage__category"].tolist()
    assert [levels[int(code)] for code in codes] == ["warm", "(unknown)"]


def test_points_follow_the_table(make_tables: Any, sources: FeatureSources, open_at: Any) -> None:
    base = {"created_at": START, "budget": 1.0, "email": "a@b.io", "job_title": "CEO", "account_id": None}
    views = [
        {"lead_id": "L1", "occurred_at": AS_OF - pd.Timedelta(days=k + 1), "event_type": "pricing_view"}
        for k in range(5)
    ]

    found, _ = matrix(make_tables([{"lead_id": "L1", "source": "WEB ", **base}], views), sources, open_at)

    assert found.loc["L1", "points__type:pricing_view__rule0"] == 15.0
    assert found.loc["L1", "points__source__rule1"] == 7.0


@pytest.mark.parametrize("family", ["explicit", "implicit", "recency", "account"])
def test_a_family_that_is_off_leaves_no_feature(
    random_tables: Make, sources: FeatureSources, open_at: Any, family: str
) -> None:
    others = tuple(each for each in ("explicit", "implicit", "recency", "account") if each != family)
    less = FeatureSources(
        sources.attributes,
        sources.events,
        sources.features.model_copy(update={"families": others}),
        sources.target,
        False,
    )

    _, catalogue = matrix(random_tables(1), less, open_at)

    assert family not in {feature.family for feature in catalogue.features}
    assert set(others) == {feature.family for feature in catalogue.features}


def test_the_catalogue_survives_json(random_tables: Make, sources: FeatureSources, open_at: Any) -> None:
    _, catalogue = matrix(random_tables(3), sources, open_at)

    assert Catalogue.from_json(catalogue.to_json()) == catalogue
