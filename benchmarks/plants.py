"""Leaks to plant into a simulated CRM, one function a kind; a planted column or event type is called `extra`.

The neutral name is meant: the leak hunt has to find each by what it measures, not by what it is called.
A column is declared `at_creation`, as a careless user would.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.planting import EXTRA, PLANTS, Copies, Values, plant
from features.settings import StaticSettings

__all__ = ["EXTRA", "PLANTS"]

_DAY = pd.Timedelta(days=1)
_NONE = np.array(None, dtype=object)


@plant("the label as text", "category")
def label_text(world: Copies) -> Values:
    return np.where(world.is_won, "yes", "no")


@plant("the label as a number", "number")
def label_number(world: Copies) -> Values:
    return world.is_won.astype(float)


@plant("the label under other names", "category")
def label_renamed(world: Copies) -> Values:
    return np.where(
        world.is_won, world.one_of("tier 1", "tier 2"), world.one_of("tier 3", "tier 4", "tier 5")
    )


@plant("the label, 5 % of it wrong", "category")
def label_noise_5(world: Copies) -> Values:
    return np.where(world.is_won ^ world.chance(0.05), "a", "b")


@plant("the label, 20 % of it wrong", "category")
def label_noise_20(world: Copies) -> Values:
    return np.where(world.is_won ^ world.chance(0.20), "a", "b")


@plant("today's deal stage", "category")
def deal_stage(world: Copies) -> Values:
    still = world.one_of("prospect", "proposal", "negotiation")
    return np.where(world.is_won, "order", np.where(world.is_lost, "archive", still))


@plant("win probability set by the stage", "number")
def win_probability(world: Copies) -> Values:
    still = world.rng.choice([10.0, 20.0, 40.0, 60.0], len(world.is_won))
    return np.where(world.is_won, 100.0, np.where(world.is_lost, 0.0, still))


@plant("amount, filled in on won deals only", "number")
def amount_if_won(world: Copies) -> Values:
    return np.where(world.is_won, np.exp(world.rng.normal(8, 1, len(world.is_won))).round(2), np.nan)


@plant("closing date as text", "category")
def close_date(world: Copies) -> Values:
    return world.ended.dt.strftime("%d/%m/%Y")


@plant("a date that is the moment of the outcome", "category")
def outcome_moment(world: Copies) -> Values:
    return world.ended.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


@plant("expected closing date, moved to the true one in the end", "category")
def expected_close(world: Copies) -> Values:
    planned = world.end + world.delay("1D", "90D")
    return world.ended.where(world.is_closed, planned).dt.strftime("%Y-%m-%d")


@plant("last modified, up to 20 days after the outcome", "category")
def last_modified(world: Copies) -> Values:
    touched = world.ended.where(world.is_closed, world.created) + world.delay("1h", "20D")
    return touched.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


@plant("a field filled in for winners", "category")
def filled_if_won(world: Copies) -> Values:
    return np.where(world.is_won & world.chance(0.8), world.one_of("x", "y", "z"), _NONE)


@plant("a field filled in for losers (the reason)", "category")
def loss_reason(world: Copies) -> Values:
    return np.where(world.is_lost & world.chance(0.7), world.one_of("price", "timing", "competitor"), _NONE)


@plant("a field filled in once decided, either way", "category")
def filled_once_decided(world: Copies) -> Values:
    return np.where(world.is_closed, world.one_of("x", "y", "z"), _NONE)


@plant("a field filled in midway, more often for later winners", "category")
def filled_midway(world: Copies) -> Values:
    moment = world.created + (world.ended.fillna(world.end + 60 * _DAY) - world.created) * 0.5
    is_filled = world.chance(0.3) | (world.is_won & world.chance(0.7))
    return np.where(is_filled & (moment < world.end).to_numpy(), world.one_of("x", "y"), _NONE)


@plant("a customer number given on winning", "category")
def customer_number(world: Copies) -> Values:
    numbers = pd.Series(world.rng.permutation(len(world.is_won))).map("C{:06d}".format)
    return numbers.where(world.is_won).astype(object)


@plant("number of invoices so far", "number")
def invoice_count(world: Copies) -> Values:
    return np.where(world.is_won, 1 + world.rng.poisson(3, len(world.is_won)), 0)


@plant("state of onboarding", "category")
def onboarding(world: Copies) -> Values:
    return np.where(world.is_won, world.one_of("invited", "running", "finished"), "none")


@plant("answer to a survey that 40 % of the winners get", "number")
def survey_after_win(world: Copies) -> Values:
    answers = world.rng.integers(0, 11, len(world.is_won)).astype(float)
    return np.where(world.is_won & world.chance(0.4), answers, np.nan)


@plant("owner, handed to another team on a win", "category")
def owner_on_win(world: Copies) -> Values:
    return np.where(
        world.is_won & world.chance(0.6), "team K", world.one_of("Ann", "Ben", "Cem", "Dee", "Eva")
    )


@plant("queue, moved to an archive on a loss", "category")
def queue_on_loss(world: Copies) -> Values:
    return np.where(world.is_lost & world.chance(0.5), "Q9", world.one_of("Q1", "Q2", "Q3"))


@plant("opt-out of e-mails, set on a loss", "boolean")
def opt_out_on_loss(world: Copies) -> Values:
    return np.where((world.is_lost & world.chance(0.5)) | world.chance(0.02), "true", "false")


@plant("job title of 35 % missing, completed for winners", "category")
def title_completed(world: Copies) -> Values:
    return np.where(world.chance(0.35) & ~world.is_won, _NONE, world.one_of("CEO", "CFO", "Buyer", "Clerk"))


@plant("the account is a customer today", "boolean")
def account_is_customer(world: Copies) -> Values:
    leads, accounts = world.tables["leads"], world.tables["accounts"]
    customers = leads["account_id"][world.is_won]
    is_customer = np.where(accounts["account_id"].isin(customers), "true", "false")
    world.tables["accounts"] = accounts.assign(**{EXTRA: is_customer})
    world.changed.add("accounts")


@plant("another system's score, computed in hindsight, AUC .93", "number")
def score_strong(world: Copies) -> Values:
    return (world.rng.normal(size=len(world.is_won)) + 2.09 * world.is_won).round(3)


@plant("another system's score, computed in hindsight, AUC .75", "number")
def score_weak(world: Copies) -> Values:
    return (world.rng.normal(size=len(world.is_won)) + 0.954 * world.is_won).round(3)


@plant(
    "the same, AUC .65",
    "number",
    limit="no stronger than an honest column; nothing in today's value tells when it was computed",
)
def score_faint(world: Copies) -> Values:
    return (world.rng.normal(size=len(world.is_won)) + 0.545 * world.is_won).round(3)


@plant("number of events over the whole life", "number")
def events_to_date(world: Copies) -> Values:
    counts = world.tables["events"]["lead_id"].value_counts()
    return world.tables["leads"]["lead_id"].map(counts).fillna(0).to_numpy()


@plant("date of the last activity over the whole life", "category")
def last_activity(world: Copies) -> Values:
    last = world.tables["events"].groupby("lead_id")["occurred_at"].max()
    return world.tables["leads"]["lead_id"].map(last).dt.strftime("%Y-%m-%d")


@plant("number of contacts at the account, counted today", "number")
def contacts_today(world: Copies) -> Values:
    account = world.tables["leads"]["account_id"]
    return account.map(account.value_counts()).to_numpy()


@plant("number of won deals at the account, counted today", "number")
def wins_at_account(world: Copies) -> Values:
    account = world.tables["leads"]["account_id"]
    return account.map(account[world.is_won].value_counts()).fillna(0).to_numpy()


@plant("calls counted by another system until the end, one in 20 days", "number")
def calls_elsewhere(world: Copies) -> Values:
    days = (world.ended.fillna(world.end) - world.created).dt.total_seconds() / 86_400
    return world.rng.poisson(days.clip(lower=0) / 20).astype(float)


@plant("share of the account's leads that were won, this one among them", "number")
def win_rate_of_account(world: Copies) -> Values:
    account = world.tables["leads"]["account_id"]
    return account.map(pd.Series(world.is_won).groupby(account).mean()).to_numpy()


@plant("days in the pipeline, until today if open", "number")
def days_in_pipeline(world: Copies) -> Values:
    return ((world.ended.fillna(world.end) - world.created).dt.total_seconds() / 86_400).round(1).to_numpy()


@plant("month of the export batch", "category")
def export_month(world: Copies) -> Values:
    return world.created.dt.strftime("%Y-%m")


@plant("fiscal quarter", "category")
def fiscal_quarter(world: Copies) -> Values:
    return world.created.dt.year.astype(str) + "Q" + world.created.dt.quarter.astype(str)


@plant("a serial number that rises in time", "number")
def serial_number(world: Copies) -> Values:
    return 10_000 + 3 * world.created.rank(method="first").to_numpy()


@plant("rows of the leads file sorted by outcome")
def row_order(world: Copies) -> Values:
    order = np.argsort(~world.is_won, kind="stable")
    world.tables["leads"] = world.tables["leads"].iloc[order].reset_index(drop=True)
    world.changed.add("leads")


@plant("a flat export in row order, sorted by outcome")
def row_order_flat(world: Copies) -> Values:
    labels = np.where(world.is_won, "won", np.where(world.is_lost, "lost", ""))
    leads = world.tables["leads"].assign(converted=labels).iloc[np.argsort(world.is_won, kind="stable")]
    world.tables["leads"] = leads.reset_index(drop=True)
    world.changed.add("leads")
    snapshots = world.project.snapshots.model_copy(update={"mode": "static"})
    static = StaticSettings(order="row", open=("",))
    world.project = world.project.model_copy(update={"snapshots": snapshots, "static": static})


@plant("a field whose log shows the change at the outcome", "category")
def field_at_outcome(world: Copies) -> Values:
    _log_change(world, EXTRA, world.ended)
    return np.where(world.is_closed & world.chance(0.9), world.one_of("x", "y"), world.one_of("u", "v"))


@plant("a logged field (declared `history`) changed at the outcome")
def history_at_outcome(world: Copies) -> Values:
    _log_change(world, "lifecycle_stage", world.ended)


def _log_change(world: Copies, name: str, when: pd.Series) -> None:
    new = pd.DataFrame({"lead_id": world.tables["leads"]["lead_id"], "changed_at": when, "field": name})
    new["new_value"] = np.where(world.is_won, "x", "y")
    changes = [world.tables["field_changes"], new[world.is_closed]]
    world.tables["field_changes"] = pd.concat(changes, ignore_index=True)
    world.changed.add("field_changes")


@plant("an event at the instant of the outcome")
def event_at_outcome(world: Copies) -> Values:
    world.happen(world.is_closed, world.ended)


@plant("an event milliseconds before the win")
def event_ms_before(world: Copies) -> Values:
    world.happen(world.is_won, world.ended - world.delay("1ms", "900ms"))


@plant("an event minutes before the outcome")
def event_minutes_before(world: Copies) -> Values:
    world.happen(world.is_closed, world.ended - world.delay("1min", "50min"))


@plant("an event hours before the win, winners only")
def event_hours_before(world: Copies) -> Values:
    world.happen(world.is_won, world.ended - world.delay("1h", "20h"))


@plant("an event 3 to 20 days before the win, winners only")
def event_days_before(world: Copies) -> Values:
    world.happen(world.is_won, world.ended - world.delay("3D", "20D"))


@plant("an event hours before the loss, losers only")
def event_before_loss(world: Copies) -> Values:
    world.happen(world.is_lost, world.ended - world.delay("1h", "20h"))


@plant("an event hours after the win")
def event_hours_after(world: Copies) -> Values:
    world.happen(world.is_won, world.ended + world.delay("1h", "20h"))


@plant("an event after the outcome, recorded before it (bad clocks)")
def event_bad_clock(world: Copies) -> Values:
    world.happen(world.is_won, world.ended + world.delay("1h", "20h"), world.ended - world.delay("1D", "5D"))


@plant("an event dated before the win, recorded after it")
def event_recorded_late(world: Copies) -> Values:
    world.happen(world.is_won, world.ended - world.delay("1D", "20D"), world.ended + world.delay("1h", "2D"))


@plant("an event dated back by 3 to 20 days, 60 % of winners, 10 % of losers")
def event_dated_back(world: Copies) -> Values:
    who = (world.is_won & world.chance(0.6)) | (world.is_lost & world.chance(0.1))
    world.happen(who, world.ended - world.delay("3D", "20D"))
