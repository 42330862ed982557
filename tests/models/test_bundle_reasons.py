"""The bundle notes how its reasons are made, and never uses tables that were off when it was built."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.prepare import FeatureSources
from features.settings import AttributeSettings, EventSettings, FeatureSettings, TargetSettings
from models.bands import Anchors
from models.bundle import load_bundle, write_bundle
from models.calibration import IDENTITY
from models.grades import fit_grades
from models.ladder import Recipe, fit_rung
from models.scorer import Scorer
from models.settings import BandSettings, LightGBMSettings, ModelSettings, Rung
from models.treeshap import TreeTables

SMALL = ModelSettings(lightgbm=LightGBMSettings(num_leaves=5, learning_rate=0.2, min_data_in_leaf=20))
SOURCES = FeatureSources(
    AttributeSettings(), EventSettings(), FeatureSettings(), TargetSettings(), is_static=False
)


def seal(folder: Path) -> None:
    """Make the hash of the manifest fit again."""
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    (folder / "manifest.sha256").write_text(f"{digest}  manifest.json\n", encoding="utf-8")


def scorer_of(world: Any, rung: Rung) -> Scorer:
    fitted = fit_rung(Recipe(rung, 100.0, 6, (0.1, 0.6, 0.5)), world.X, world.y, world.catalogue, SMALL)
    grades = fit_grades([0.0], [0.0])
    return Scorer(fitted, rung, world.catalogue, IDENTITY, Anchors(0.2, 0.5), BandSettings(), grades)


@pytest.mark.parametrize("rung", ["lightgbm", "blend"])
def test_the_manifest_says_how_far_the_tables_were_from_lightgbm(
    rung: Rung, world: Any, tmp_path: Path
) -> None:
    sample = world.X[:300]

    bundle = write_bundle(tmp_path / "bundle", scorer_of(world, rung), SOURCES, world.X[:5], {}, sample)

    noted = bundle.manifest["reasons"]
    assert (noted["method"], noted["rows"]) == ("tables", 300)
    assert 0.0 <= noted["difference"] <= 1e-12


def test_a_linear_model_needs_no_tables(world: Any, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", scorer_of(world, "logistic"), SOURCES, world.X[:5], {})

    assert bundle.manifest["reasons"] == {"method": "linear"}


def test_tables_that_were_off_when_the_bundle_was_built_are_never_used(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = scorer_of(world, "blend")
    honest = TreeTables.explain
    with monkeypatch.context() as patched:
        patched.setattr(TreeTables, "explain", lambda *given: (honest(*given)[0], honest(*given)[1] + 1e-8))
        bundle = write_bundle(tmp_path / "bundle", scorer, SOURCES, world.X[:5], {})
    monkeypatch.setattr("models.treeshap.TreeTables", None)  # building one now would fail

    again = load_bundle(tmp_path / "bundle").scorer
    margin, phi, base = again.explain(world.X)

    assert bundle.manifest["reasons"] == {"method": "lightgbm", "difference": 1e-8, "rows": 5}
    assert np.abs(base + phi.sum(axis=1) - margin).max() <= 1e-9


def test_a_bundle_written_again_keeps_what_the_larger_sample_showed(world: Any, tmp_path: Path) -> None:
    scorer, sample = scorer_of(world, "lightgbm"), world.X[:300]
    first = write_bundle(tmp_path / "first", scorer, SOURCES, world.X[:5], {}, sample)
    kept = {key: value for key, value in first.manifest.items() if key not in {"sources", "files"}}

    again = write_bundle(tmp_path / "again", first.scorer, first.sources, first.golden, kept)

    assert again.manifest["reasons"] == first.manifest["reasons"]
    assert again.manifest["reasons"]["rows"] == 300


def test_a_bundle_from_before_there_were_tables_uses_them_once_they_agree(world: Any, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", scorer_of(world, "lightgbm"), SOURCES, world.X[:5], {})
    old = {key: value for key, value in bundle.manifest.items() if key != "reasons"}
    (tmp_path / "bundle" / "manifest.json").write_text(json.dumps(old), encoding="utf-8")
    seal(tmp_path / "bundle")

    _, phi, _ = load_bundle(tmp_path / "bundle").scorer.explain(world.X)

    assert (phi == bundle.scorer.explain(world.X)[1]).all()
