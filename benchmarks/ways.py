"""Ways of scoring against their truths: campaigns `targets`, `half_lives`, `segments`, `colleagues` of truth.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

if TYPE_CHECKING:
    from models.evaluation import Evaluation
    from pipeline.config import Project
    from pipeline.dataset import Dataset

__all__ = ["ENDINGS_OF_WAYS", "colleagues", "half_lives", "memory_world", "of_target", "segments", "targets"]

Figures = dict[str, Any]
Float64 = NDArray[np.float64]
DAY = 86_400_000_000
PRODUCTS = ("Analytics", "Automation", "Platform", "Enterprise Suite")
TARGETS = f"""
[targets.accounts]
entity = "account"

[targets.products]
entity = "product"
products = {list(PRODUCTS)}
"""


def targets(folder: Path, leads: int, seed: int) -> Figures:
    """How near accounts, lead x product and upsell come to their exact chances, in one world."""
    from pipeline.simulate import WorldSettings, simulate_to_folder

    simulate_to_folder(WorldSettings(n_leads=leads, seed=seed, on=("growth",)), folder)
    path = folder / "lead-scoring.toml"
    path.write_text(path.read_text(encoding="utf-8") + TARGETS, encoding="utf-8")
    return {
        f"{name}: {key}": value
        for name in ("accounts", "products", "upsell")
        for key, value in of_target(folder, name).items()
    }


def of_target(folder: Path, name: str) -> Figures:
    """Share of the oracle, level and bins of one target of the project in a simulated world's folder."""
    from models.metrics import auc

    project, dataset, found = _judged_target(folder, name)
    p, y = np.asarray(expit(found.test_log_odds)), dataset.y[found.test_rows]
    truth, product = _truth(folder, project, dataset, found)
    best = auc(y, np.round(truth, 12))
    bins = np.array_split(np.argsort(p, kind="stable"), 15)
    figures: Figures = {
        "rung": found.recipe.rung, "test rows": len(y), "conversions": int(y.sum()),
        "share of the oracle": round((auc(y, p) - 0.5) / (best - 0.5), 3),
        "mean p / mean truth": round(float(p.mean() / truth.mean()), 3),
        "mean of 15 bins": round(float(np.mean([abs(p[b].mean() - truth[b].mean()) for b in bins])), 4),
    }  # fmt: skip
    if product is not None:
        off = [abs(p[product == each].mean() - truth[product == each].mean()) for each in PRODUCTS]
        figures["worst product"] = round(float(max(off)), 4)
    return figures


def _judged_target(folder: Path, name: str) -> tuple[Project, Dataset, Evaluation]:
    from features.entities import with_derived
    from models.settings import RollingSettings
    from models.trainer import evaluate
    from pipeline.config import load_project
    from pipeline.dataset import labelled_dataset
    from pipeline.tables import load_tables
    from pipeline.train import development_examples

    project = load_project(folder / "lead-scoring.toml").for_target(name)
    tables = load_tables(project)
    project = project.model_copy(
        update={"attributes": with_derived(project.attributes, tables, project.target.entity)}
    )
    dataset = labelled_dataset(project, tables)
    examples, catalogue = development_examples(project, dataset, lambda _: None)
    # four products a lead make four times the rows: the logistic rung alone is quick
    rungs = ("logistic",) if name == "products" else ("logistic", "lightgbm", "blend")
    model = project.model.model_copy(update={"rungs": rungs, "bootstrap": 100})
    plan = project.plan.model_copy(update={"model": model, "rolling": RollingSettings(blocks=1)})
    return project, dataset, evaluate(examples, catalogue, plan)


def _truth(
    folder: Path, project: Project, dataset: Dataset, found: Evaluation
) -> tuple[Float64, NDArray[np.object_] | None]:
    """Exact chance of each test row, and its product where it has one."""
    from features.entities import lead_and_product
    from pipeline.simulate import p_history_account, p_history_growth, p_history_product

    rows, target = dataset.rows.take(found.test_rows), project.target
    ids = dataset.data.leads["lead_id"].to_numpy(dtype=object)[rows.lead].tolist()
    if target.entity == "account":
        return p_history_account(folder, ids, rows.as_of, target.horizon), None
    if target.entity == "customer":
        return p_history_growth(folder, ids, str(target.name), rows.as_of, target.horizon), None
    pairs = [lead_and_product(each) for each in ids]
    leads, products = [lead for lead, _ in pairs], [product for _, product in pairs]
    truth = p_history_product(folder, leads, products, rows.as_of, target.horizon)
    return truth, np.array(products, dtype=object)


def half_lives(folder: Path, leads: int, seed: int) -> Figures:
    """Half-lives learned in a world whose hazards decay by known ones, scored by the week for the week ahead."""
    from pipeline.half_lives import with_half_lives
    from pipeline.simulate.memory import make_memory_law
    from pipeline.simulate.settings import WorldSettings

    project, dataset = memory_world(folder, leads, seed)
    truth = make_memory_law(WorldSettings(n_leads=1, on=("memory",))).groups
    found = {each.group: each for each in with_half_lives(project, dataset, lambda _: None).half_lives}
    idle = [name for name, each in found.items() if name not in truth and each.is_told]
    figures: Figures = {"conversions": int(dataset.y.sum()), "told of no effect": ", ".join(idle)}
    for name, law in truth.items():
        each, true = found[name], law.half_life_days * DAY
        figures |= {
            f"{name} ({law.half_life_days:g} d)": f"{each.best / DAY:g} ({each.low / DAY:g} to {each.high / DAY:g})",
            f"{name} within a step": bool(max(each.best, true) <= 1.5 * min(each.best, true)),
            f"{name} held": bool(each.low <= true <= each.high),
        }
    return figures


def memory_world(folder: Path, leads: int, seed: int) -> tuple[Project, Dataset]:
    """A world with true half-lives, its event types grouped as its law groups them."""
    from pipeline.config import load_project
    from pipeline.dataset import labelled_dataset
    from pipeline.simulate import WorldSettings, simulate_to_folder
    from pipeline.simulate.memory import make_memory_law
    from pipeline.tables import load_tables

    settings = WorldSettings(n_leads=leads, seed=seed, on=("memory",))
    simulate_to_folder(settings, folder)
    project = load_project(folder / "lead-scoring.toml")
    types = dict(project.events.types)
    for name, group in make_memory_law(settings).groups.items():
        types |= {each: types[each].model_copy(update={"group": name}) for each in group.event_types}
    changes = {
        "events": project.events.model_copy(update={"types": types}),
        "features": project.features.model_copy(update={"learn_half_lives": True}),
        "target": project.target.model_copy(update={"horizon": 7 * DAY}),
        "snapshots": project.snapshots.model_copy(update={"every": 7 * DAY}),
    }
    project = project.model_copy(update=changes)
    return project, labelled_dataset(project, load_tables(project))


def segments(folder: Path, leads: int, seed: int) -> Figures:
    """Calibration of each segment with tiers and without, where B2C follows a law of its own."""
    from models.calibration import row_log_loss
    from models.intervals import paired_difference
    from models.settings import RollingSettings, TierSettings
    from models.trainer import evaluate
    from pipeline.config import load_project
    from pipeline.dataset import labelled_dataset
    from pipeline.simulate import WorldSettings, p_history, simulate_to_folder
    from pipeline.tables import load_tables
    from pipeline.train import development_examples

    simulate_to_folder(WorldSettings(n_leads=leads, seed=seed, on=("segments",)), folder)
    project = load_project(folder / "lead-scoring.toml")
    dataset = labelled_dataset(project, load_tables(project))
    examples, catalogue = development_examples(project, dataset, lambda _: None)
    model = project.model.model_copy(update={"bootstrap": 100})
    plan = project.plan.model_copy(update={"model": model, "rolling": RollingSettings(blocks=1)})
    found = evaluate(examples, catalogue, plan.model_copy(update={"tiers": TierSettings(column="segment")}))
    assert found.shared_log_odds is not None
    rows = dataset.rows.take(found.test_rows)
    ids = dataset.data.leads["lead_id"].to_numpy(dtype=object)[rows.lead].tolist()
    truth = p_history(folder, ids, rows.as_of, project.target.horizon)
    segment = dataset.data.leads["segment"].to_numpy(dtype=object)[rows.lead]
    y, cluster = dataset.y[found.test_rows], dataset.timeline.cluster[found.test_rows]
    losses = row_log_loss(y, found.test_log_odds), row_log_loss(y, found.shared_log_odds)
    less = paired_difference(*losses, cluster)
    figures: Figures = {
        "rung": found.recipe.rung,
        "loss less that of one for all": f"{less.value:+.4f} ({less.low:+.4f} to {less.high:+.4f})",
    }
    for name, odds in (("tiers", found.test_log_odds), ("one for all", found.shared_log_odds)):
        for each in ("B2B", "B2C"):
            is_in = segment == each
            off = float(expit(odds[is_in]).mean() - truth[is_in].mean())
            figures[f"{each}, {name}: mean p - mean truth"] = round(off, 4)
    return figures


def colleagues(folder: Path, leads: int, seed: int) -> Figures:
    """What a lead's model loses without the account features, where wins run in companies and where they don't.

    The loss is that against the exact chance, not against the outcome, so it has no noise of outcomes.
    """
    from pipeline.simulate import WorldSettings, p_history, simulate_to_folder

    figures: Figures = {}
    for name, off in (("on", ()), ("off", ("account",))):
        own = folder / name
        settings = WorldSettings(leads, seed, months=24, b2b_share=1.0, on=("buying",), off=off)
        simulate_to_folder(settings, own)
        path = own / "lead-scoring.toml"
        text = path.read_text(encoding="utf-8")
        losses, aucs = [], []
        for families in ("", '\n[features]\nfamilies = ["explicit", "implicit", "recency"]\n'):
            path.write_text(text + families, encoding="utf-8")
            _, dataset, found = _judged_leads(own)
            rows = dataset.rows.take(found.test_rows)
            ids = dataset.data.leads["lead_id"].to_numpy(dtype=object)[rows.lead].tolist()
            truth = p_history(own, ids, rows.as_of, "30d")
            losses.append(
                -float(
                    (
                        truth * log_expit(found.test_log_odds) + (1 - truth) * log_expit(-found.test_log_odds)
                    ).mean()
                )
            )
            aucs.append(found.intervals["auc"].value)
        best = -float((truth * np.log(truth) + (1 - truth) * np.log1p(-truth)).mean())
        figures |= {
            f"{name}: AUC": round(aucs[0], 4), f"{name}: AUC without": round(aucs[1], 4),
            f"{name}: loss above the truth's": round(losses[0] - best, 5),
            f"{name}: without": round(losses[1] - best, 5), f"{name}: cost": round(losses[1] - losses[0], 5),
        }  # fmt: skip
    return figures


def _judged_leads(folder: Path) -> tuple[Project, Dataset, Evaluation]:
    from models.settings import RollingSettings
    from models.trainer import evaluate
    from pipeline.config import load_project
    from pipeline.dataset import labelled_dataset
    from pipeline.tables import load_tables
    from pipeline.train import development_examples

    project = load_project(folder / "lead-scoring.toml")
    dataset = labelled_dataset(project, load_tables(project))
    examples, catalogue = development_examples(project, dataset, lambda _: None)
    model = project.model.model_copy(update={"rungs": ("logistic",), "bootstrap": 100})
    plan = project.plan.model_copy(update={"model": model, "rolling": RollingSettings(blocks=1)})
    return project, dataset, evaluate(examples, catalogue, plan)


def _colleagues_ending(rows: list[Figures]) -> str:
    on, off = [row["on: cost"] for row in rows], [row["off: cost"] for row in rows]
    return (
        f"Leaving out the account features costs {min(on):.5f} to {max(on):.5f} of log loss where companies buy again "
        f"and again, and {min(off):.5f} to {max(off):.5f} where colleagues share nothing."
    )


def _half_lives_ending(rows: list[Figures]) -> str:
    said = [key for key in rows[0] if key.endswith((" within a step", " held"))]
    idle = sum(bool(row["told of no effect"]) for row in rows)
    held = "; ".join(f"{key}: {sum(row[key] for row in rows)} of {len(rows)}" for key in said)
    return f"{held}. Worlds where a group without effect was given a half-life: {idle}."


def _segments_ending(rows: list[Figures]) -> str:
    off = max(abs(row[key]) for row in rows for key in row if "tiers: mean p" in key)
    return f"With tiers the level of a segment is off by {off:.4f} at most."


def _targets_ending(rows: list[Figures]) -> str:
    least = {key: min(row[key] for row in rows) for key in rows[0] if key.endswith("share of the oracle")}
    shares = ", ".join(f"{key.partition(':')[0]} {value:.3f}" for key, value in least.items())
    off = max(row["products: worst product"] for row in rows)
    return f"Least share of the oracle's AUC above one half: {shares}. Level of a product off by {off:.4f} at most."


ENDINGS_OF_WAYS: dict[str, Callable[[list[Figures]], str]] = {
    "colleagues": _colleagues_ending,
    "half_lives": _half_lives_ending,
    "segments": _segments_ending,
    "targets": _targets_ending,
}
