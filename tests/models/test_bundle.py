"""The bundle: what is written is what is read, and nothing damaged is ever parsed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import BundleError, InputError
from features.prepare import FeatureSources
from features.settings import (
    AttributeGroup,
    AttributeSettings,
    EventSettings,
    EventType,
    FeatureSettings,
    PointsRule,
    TargetSettings,
)
from models.bands import POINTS_TABLE_ANCHORS, Anchors
from models.bundle import Bundle, load_bundle, write_bundle
from models.calibration import IDENTITY, Calibration
from models.classifier import PointsRung
from models.grades import fit_grades
from models.ladder import Recipe, fit_rung
from models.pyfunc import PyfuncModel
from models.scorer import Scorer
from models.settings import BandSettings, LightGBMSettings, ModelSettings
from models.wording import Wording

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle_v1"
RUNGS = ("points", "logistic", "lightgbm", "blend")
SMALL = ModelSettings(lightgbm=LightGBMSettings(num_leaves=5, learning_rate=0.2, min_data_in_leaf=20))
RECORD = {"verdict": "champion", "metrics": {"auc": 0.75}, "settings": {"name": "ünïcode"}}
SOURCES = FeatureSources(
    AttributeSettings(at_creation=AttributeGroup(category=("source",), number=("budget",))),
    EventSettings(
        types={"pricing_view": EventType(stage="decision"), "unsubscribe": EventType(direction=-1)}
    ),
    FeatureSettings(),
    TargetSettings(),
    False,
    (PointsRule(attribute="source", values={"partner": 7}), PointsRule(event="pricing_view", points=5)),
)


def scorer_of(world: Any, rung: str) -> Scorer:
    fitted = fit_rung(Recipe(rung, 100.0, 4, (0.1, 0.6, 0.5)), world.X, world.y, world.catalogue, SMALL)  # type: ignore[arg-type]
    calibration = Calibration("beta", (0.9, 1.1, -0.05))
    plain = Scorer(
        fitted, rung, world.catalogue, calibration, Anchors(0.2, 0.5), BandSettings(further={"hot": 95.0}),
        fit_grades([0.0], [0.0]),
    )  # fmt: skip
    return Scorer(**{**plain.__dict__, "grades": fit_grades(*plain.grade_sums(plain.explain(world.X)[1]))})


@pytest.fixture(scope="module")
def written(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("written") / "bundle"
    return write_bundle(folder, scorer_of(world, "blend"), SOURCES, world.X[:20], RECORD)


@pytest.fixture
def copied(written: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written.folder, tmp_path / "copy"))


def seal(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest with its hash, as a forger would."""
    text = json.dumps(manifest)
    (folder / "manifest.json").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.sha256").write_text(f"{digest}  manifest.json\n")


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return found


def forge(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a JSON file and make every hash fit again."""
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    change(content)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    manifest = manifest_of(folder)
    manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    seal(folder, manifest)


@pytest.mark.parametrize("rung", RUNGS)
def test_what_is_written_scores_the_same_bits_when_loaded(rung: str, world: Any, tmp_path: Path) -> None:
    scorer = scorer_of(world, rung)

    write_bundle(tmp_path / "bundle", scorer, SOURCES, world.X[:5], RECORD)
    again = load_bundle(tmp_path / "bundle")

    before, after = scorer.scored(world.X, 3), again.scorer.scored(world.X, 3)
    assert (before.probability == after.probability).all()
    assert (before.score == after.score).all()
    assert (before.band == after.band).all()
    assert (before.fit_grade == after.fit_grade).all()
    assert (before.explained.points == after.explained.points).all()
    assert again.scorer.catalogue == scorer.catalogue
    assert again.sources == SOURCES
    assert again.manifest["settings"] == {"name": "ünïcode"}
    assert again.golden == pytest.approx(world.X[:5], nan_ok=True, abs=0)


def test_a_bare_points_table_keeps_its_own_lines(world: Any, tmp_path: Path) -> None:
    rung = PointsRung(np.array([11, 12]), np.zeros(2), 0.0, 1.0, 13)
    scorer = Scorer(
        rung, "points", world.catalogue, IDENTITY, POINTS_TABLE_ANCHORS, BandSettings(), fit_grades([0.0], [0.0]),
        table_lines=(10.0, None),
    )  # fmt: skip

    again = write_bundle(tmp_path / "bundle", scorer, SOURCES, world.X[:5], {}).scorer

    assert again.table_lines == (10.0, None)
    assert np.isnan(again.scored(world.X, 3).probability).all()
    assert (again.scored(world.X, 3).score == world.X[:, 11:].sum(axis=1)).all()


def test_the_version_names_the_fitted_model_and_nothing_else(world: Any, tmp_path: Path) -> None:
    first = write_bundle(tmp_path / "a", scorer_of(world, "logistic"), SOURCES, world.X[:5], RECORD)
    second = write_bundle(tmp_path / "b", scorer_of(world, "logistic"), SOURCES, world.X[:5], {})
    other = write_bundle(tmp_path / "c", scorer_of(world, "lightgbm"), SOURCES, world.X[:5], RECORD)

    assert first.model_version == second.model_version
    assert first.model_version != other.model_version


def test_writing_twice_gives_the_same_bytes(world: Any, written: Bundle, tmp_path: Path) -> None:
    again = write_bundle(tmp_path / "again", scorer_of(world, "blend"), SOURCES, world.X[:20], RECORD)

    for path in sorted(written.folder.iterdir()):
        assert (again.folder / path.name).read_bytes() == path.read_bytes()


def test_all_files_are_text_and_none_is_a_pickle(written: Bundle) -> None:
    names = sorted(path.name for path in written.folder.iterdir())

    assert names == [
        "bands.json", "calibration.json", "catalogue.json", "golden.json", "manifest.json", "manifest.sha256",
        "model.json", "model.txt",
    ]  # fmt: skip
    for path in written.folder.iterdir():
        data = path.read_bytes()
        data.decode("utf-8")
        assert b"\x80" not in data[:2]
        assert b"\x00" not in data


def test_the_files_hold_no_place_of_the_machine(written: Bundle) -> None:
    for path in written.folder.iterdir():
        assert not re.search(r"/(home|work|tmp|Users)/", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "name",
    [
        "bands.json", "calibration.json", "catalogue.json", "golden.json", "manifest.json", "manifest.sha256",
        "model.json", "model.txt",
    ],
)  # fmt: skip
def test_every_flipped_byte_is_found_before_the_file_is_parsed(name: str, copied: Path) -> None:
    path = copied / name
    intact = path.read_bytes()
    rng = np.random.default_rng(len(intact))
    places = {0, len(intact) - 1, *rng.integers(0, len(intact), 30).tolist()}

    for place in sorted(places):
        damaged = bytearray(intact)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        with pytest.raises(BundleError, match="SHA-256"):
            load_bundle(copied)

    path.write_bytes(intact)
    load_bundle(copied)


@pytest.mark.parametrize("name", ["model.txt", "manifest.json", "manifest.sha256", "golden.json"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_found(name: str, share: float, copied: Path) -> None:
    data = (copied / name).read_bytes()
    (copied / name).write_bytes(data[: int(share * len(data))])

    with pytest.raises(BundleError, match="SHA-256"):
        load_bundle(copied)


@pytest.mark.parametrize("name", ["model.txt", "bands.json"])
def test_a_missing_file_is_named(name: str, copied: Path) -> None:
    (copied / name).unlink()

    with pytest.raises(BundleError, match=f"lacks {name}"):
        load_bundle(copied)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256"])
def test_a_folder_without_a_sealed_manifest_is_no_bundle(name: str, copied: Path) -> None:
    (copied / name).unlink()

    with pytest.raises(BundleError, match=f"holds no {name}: it is no bundle"):
        load_bundle(copied)


def test_a_folder_that_is_not_there_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="it is no bundle"):
        load_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_format_version_is_refused_with_both_numbers(version: Any, copied: Path) -> None:
    manifest = {**manifest_of(copied), "format_version": version}
    seal(copied, manifest)

    with pytest.raises(BundleError, match=rf"format_version {version!r}; this version reads 1"):
        load_bundle(copied)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "0.7"])
def test_a_metric_that_is_no_finite_number_is_refused(value: Any, copied: Path) -> None:
    seal(copied, {**manifest_of(copied), "metrics": {"auc": 0.7, "brier": value}})

    with pytest.raises(BundleError, match="metric brier is not finite"):
        load_bundle(copied)


def test_a_bundle_with_a_metric_that_is_not_finite_is_not_even_written(world: Any, tmp_path: Path) -> None:
    scorer = scorer_of(world, "logistic")

    with pytest.raises(BundleError, match="metric auc is not finite"):
        write_bundle(tmp_path / "bundle", scorer, SOURCES, world.X[:5], {"metrics": {"auc": float("nan")}})

    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name", ["../secret.json", "/etc/passwd", "sub/model.json", "..", "", "."])
def test_no_file_outside_the_folder_is_read(name: str, copied: Path) -> None:
    (copied.parent / "secret.json").write_text("{}")
    manifest = manifest_of(copied)
    manifest["files"][name] = hashlib.sha256(b"{}").hexdigest()
    seal(copied, manifest)

    with pytest.raises(BundleError, match=r"outside itself|lacks"):
        load_bundle(copied)


@pytest.mark.parametrize("what", ["probability", "score"])
def test_golden_rows_that_score_otherwise_are_refused(what: str, copied: Path) -> None:
    def shift(content: dict[str, Any]) -> None:
        content[what][3] += 1e-6

    forge(copied, "golden.json", shift)

    with pytest.raises(BundleError, match=f"{what} is off by up to 1e-06"):
        load_bundle(copied)


def test_a_coefficient_changed_along_with_its_hash_is_caught_by_the_golden_rows(copied: Path) -> None:
    def shift(content: dict[str, Any]) -> None:
        content["logistic"]["intercept"] += 0.01

    forge(copied, "model.json", shift)

    with pytest.raises(BundleError, match="golden rows differently"):
        load_bundle(copied)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("golden.json", lambda content: content["score"].pop()),
        ("golden.json", lambda content: content["features"].pop()),
        ("golden.json", lambda content: content.clear()),
        ("bands.json", lambda content: content.update(anchors=[1])),
        ("bands.json", lambda content: content["anchors"].update(p_mql=0.9)),
        ("bands.json", lambda content: content.update(table_lines=[])),
        ("calibration.json", lambda content: content.update(coefficients=[-1.0, 1.0, 0.0])),
        ("model.json", lambda content: content.pop("rung")),
        ("model.json", lambda content: content.update(weights=[1.0])),
        ("catalogue.json", lambda content: content.pop()),
        ("catalogue.json", lambda content: content[0].pop("levels")),
        ("catalogue.json", lambda content: content[0].update(color="red")),
    ],
)
def test_files_of_another_shape_are_a_bundle_error(
    name: str, change: Callable[[Any], None], copied: Path
) -> None:
    forge(copied, name, change)

    with pytest.raises(BundleError, match="unknown shape"):
        load_bundle(copied)


def test_a_listed_file_that_is_no_text_is_a_bundle_error(copied: Path) -> None:
    (copied / "bands.json").write_bytes(b"\xff\xfe")
    manifest = manifest_of(copied)
    manifest["files"]["bands.json"] = hashlib.sha256(b"\xff\xfe").hexdigest()
    seal(copied, manifest)

    with pytest.raises(BundleError, match=r"bands\.json is no text"):
        load_bundle(copied)


def test_mlflows_interface_gives_the_scorers_numbers_whatever_the_column_order(
    written: Bundle, world: Any
) -> None:
    names = written.scorer.catalogue.names
    table = pd.DataFrame(world.X[:50], columns=names).assign(stray=1.0)

    found = PyfuncModel(written).predict(table[sorted(table.columns)])

    expected = written.scorer.scored(world.X[:50], 1)
    assert (found["probability"].to_numpy() == expected.probability).all()
    assert (found["score"].to_numpy() == expected.score).all()
    assert found["band"].tolist() == expected.band.tolist()


def test_mlflows_interface_names_a_feature_that_has_no_column(written: Bundle, world: Any) -> None:
    table = pd.DataFrame(world.X[:2], columns=written.scorer.catalogue.names)

    with pytest.raises(
        InputError, match=r"1 of 13 features have no column; the first is 'explicit__budget__value'"
    ):
        PyfuncModel(written).predict(table.drop(columns="explicit__budget__value"))


def golden_rows(bundle: Bundle, X: np.ndarray) -> list[dict[str, Any]]:
    """Rows with all that is shown of them."""
    scored, words = bundle.scorer.scored(X, 3), Wording(bundle.scorer.catalogue)
    return [
        {
            "features": [None if np.isnan(value) else value for value in x.tolist()],
            "probability": float(scored.probability[i]),
            "score": float(scored.score[i]),
            "band": str(scored.band[i]),
            "grades": f"{scored.fit_grade[i]}{scored.engagement_grade[i]}",
            "base_score": scored.explained.base_score,
            "reasons": [
                {"text": words.text(group, x), "points": points}
                for group, points in zip(
                    scored.reasons.groups[i].tolist(), scored.reasons.points[i].tolist(), strict=True
                )
            ],
            "rest": float(scored.reasons.rest[i]),
        }
        for i, x in enumerate(X)
    ]


def test_a_bundle_of_format_version_1_loads_and_scores_as_it_did(make_world: Callable[..., Any]) -> None:
    if os.environ.get("UPDATE_GOLDEN") == "1":
        world = make_world(600, seed=5)
        shutil.rmtree(GOLDEN, ignore_errors=True)
        made = write_bundle(GOLDEN, scorer_of(world, "blend"), SOURCES, world.X[:10], RECORD)
        odd = np.array([[np.nan] * 11 + [0.0, 0.0], [3.0, 1e6, 0, 9, 30, 0, 0.1, 2.0, 0.1, 12, 1, 7, 15]])
        rows = golden_rows(made, np.concatenate([world.X[10:20], odd]))
        text = json.dumps(rows, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
        (GOLDEN / "expected.json").write_text(text + "\n", encoding="utf-8", newline="\n")
    expected = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))
    X = np.array([row["features"] for row in expected], dtype=np.float64)

    found = golden_rows(load_bundle(GOLDEN), X)

    for row, wanted in zip(found, expected, strict=True):
        assert [each["text"] for each in row["reasons"]] == [each["text"] for each in wanted["reasons"]]
        assert [each["points"] for each in row["reasons"]] == pytest.approx(
            [each["points"] for each in wanted["reasons"]], abs=1e-9
        )
        for name in ("probability", "score", "base_score", "rest"):
            assert row[name] == pytest.approx(wanted[name], abs=1e-9)
        assert (row["band"], row["grades"]) == (wanted["band"], wanted["grades"])
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 60_000
