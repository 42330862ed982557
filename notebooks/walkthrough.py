# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From events to a score that adds up
#
# A small simulated CRM, trained and scored step by step with the public functions. Runs as a script too.

# %%
import tempfile
from pathlib import Path

import numpy as np
from scipy.special import expit

from features.builder import build_features, learn_catalogue
from models.evaluation import Examples
from models.metrics import auc, reliability_table
from models.split import slices_of
from models.trainer import evaluate
from pipeline.config import load_project
from pipeline.dataset import labelled_dataset
from pipeline.simulate import WorldSettings, p_history, simulate_to_folder
from pipeline.tables import load_tables

folder = Path(tempfile.mkdtemp())
simulate_to_folder(WorldSettings(n_leads=4_000, seed=7), folder)
project = load_project(folder / "lead-scoring.toml")
tables = load_tables(project)
print({name: len(getattr(tables, name)) for name in ("leads", "events", "outcomes", "accounts")})

# %% [markdown]
# ## Examples: who was open when, and what became of them
#
# One row for every open lead at evenly spaced moments. A row counts only if its whole outcome window was over when
# the data ended.

# %%
dataset = labelled_dataset(project, tables)
print(
    f"{len(dataset.y):,} rows, {dataset.y.mean():.1%} converted within 30 days; left out: {dataset.left_out}"
)
assert dataset.left_out["immature"] > 0

# %% [markdown]
# ## Features: what was known strictly before

# %%
slices = slices_of(dataset.timeline, project.split)
catalogue = learn_catalogue(dataset.data, dataset.rows.take(slices.development), dataset.sources)
X = build_features(dataset.data, dataset.rows, catalogue, dataset.sources)
print(f"{X.shape[1]} features, such as {catalogue.names[20:23]}")
one = build_features(dataset.data, dataset.rows.take(np.array([17])), catalogue, dataset.sources)
assert one[0].tobytes() == X[17].tobytes(), "one lead alone gets the bytes of the batch"

# %% [markdown]
# ## A recipe chosen on development, judged once on the test

# %%
examples = Examples(X, dataset.y, dataset.timeline, dataset.lead_code, dataset.account, dataset.rows.age)
found = evaluate(examples, catalogue, project.plan)
for trial in found.selection.trials:
    print(f"{trial.rung:10} out-of-fold log loss {trial.losses.mean():.4f}")
area = found.intervals["auc"]
print(f"chosen: {found.recipe.rung}; test AUC {area.value:.3f} ({area.low:.3f} to {area.high:.3f})")
assert not found.is_refused

# %% [markdown]
# ## Against the truth
#
# The simulated world knows the probability of every lead given all that could be seen. The trainer never reads it.

# %%
rows = dataset.rows.take(found.test_rows)
ids = dataset.data.leads["lead_id"].to_numpy(dtype=object)[rows.lead]
truth = p_history(folder, ids.tolist(), rows.as_of, project.target.horizon)
p, y = expit(found.test_log_odds), dataset.y[found.test_rows]
print(
    f"AUC: ours {auc(y, p):.3f}, the oracle's {auc(y, truth):.3f}; mean p / mean truth {p.mean() / truth.mean():.2f}"
)
for part in reliability_table(y, p, bins=5):
    print(part)
assert auc(y, p) > 0.7
assert 0.8 < p.mean() / truth.mean() < 1.25
