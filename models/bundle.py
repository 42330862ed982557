"""The bundle: a fitted model as one folder of JSON and LightGBM text, without pickle or code.

::

    manifest.json       format_version, settings, metrics, data digests, versions, sha256 of every file
    model.json          which rung; coefficients of its linear parts
    model.txt           the trees, in LightGBM's own text (where the rung has trees)
    calibration.json    margin -> log-odds
    bands.json          anchors, names, further cut points, grades
    catalogue.json      the features, in the order of the columns
    golden.json         rows of features with the probabilities and scores they must get
    manifest.sha256     sha256 of manifest.json, which holds all others: `sha256sum -c` reads it

Loading checks every hash before the file is parsed, then scores the golden rows. `format_version` and
this module's place never change silently: bundles of every past version must load and score the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue
from features.cleaning import hashed
from features.errors import BundleError, LeadScoringError
from features.prepare import FeatureSources
from models.bands import Anchors
from models.calibration import Calibration
from models.classifier import (
    MOST_DIFFERENCE,
    BlendRung,
    LightGBMRung,
    LogisticRung,
    PointsRung,
    RungModel,
)
from models.grades import Grades
from models.pyfunc import PyfuncModel
from models.scorer import Scorer
from models.settings import BandSettings

__all__ = ["FORMAT_VERSION", "Bundle", "load_bundle", "write_bundle"]

Float64 = NDArray[np.float64]
FORMAT_VERSION = 1
GOLDEN_ROWS = 20
SEAL = "manifest.sha256"


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    Attributes
    ----------
    scorer : features in; margins, probabilities, scores, bands and contributions out.
    sources : what turns tables into features, the same at training and at scoring.
    manifest : everything recorded about the training.
    golden : (rows, features) rows that every load scores again.
    folder : where it was loaded from.
    """

    scorer: Scorer
    sources: FeatureSources
    manifest: dict[str, Any]
    golden: Float64
    folder: Path

    @property
    def model_version(self) -> str:
        """Name of the version: a hash of the fitted model itself."""
        return str(self.manifest["model_version"])


def write_bundle(
    folder: Path,
    scorer: Scorer,
    sources: FeatureSources,
    golden: Float64,
    record: dict[str, Any],
    sample: Float64 | None = None,
) -> Bundle:
    """Write a bundle into an empty or absent folder, and load it back.

    Parameters
    ----------
    golden : (rows, features) rows to be scored again at every load; they hold features, no personal data.
    record : what the manifest keeps beside: settings, metrics, data digests, versions.
    sample : (rows, features) rows on which the tables of contributions are compared with LightGBM's own; the
        golden rows if not given. The manifest keeps how far they were apart, and over 1e-9 the bundle never
        uses tables.

    Raises
    ------
    BundleError
        If a metric in `record` is not finite, or the bundle does not score its golden rows alike.
    """
    _check_metrics("The new bundle", record)
    contents = _contents(scorer, golden)
    # written again without the rows that it was compared on: what they showed still holds
    is_copy = sample is None and "reasons" in record
    folder.mkdir(parents=True, exist_ok=True)
    version = hashlib.sha256("".join(contents[name] for name in sorted(contents)).encode()).hexdigest()[:12]
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    manifest = {
        "format_version": FORMAT_VERSION,
        "model_version": version,
        **record,
        "reasons": record["reasons"]
        if is_copy
        else _reasons_record(scorer, golden if sample is None else sample),
        "sources": _sources_json(sources),
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(contents.items())},
    }
    text = _dumped(manifest)
    (folder / "manifest.json").write_text(text, encoding="utf-8", newline="\n")
    line = f"{hashlib.sha256(text.encode()).hexdigest()}  manifest.json\n"
    (folder / SEAL).write_text(line, encoding="utf-8", newline="\n")
    return load_bundle(folder)


def load_bundle(folder: Path) -> Bundle:
    """The bundle in a folder: hashes first, then the files, then the golden rows.

    Raises
    ------
    BundleError
        If a file is missing, damaged or unknown, a metric is not finite, or the golden rows score otherwise.
    """
    manifest = _read_manifest(folder)
    contents = {name: _checked_text(folder, name, digest) for name, digest in manifest["files"].items()}
    try:
        model = {name: json.loads(text) for name, text in contents.items() if name.endswith(".json")}
        catalogue = Catalogue.from_json(model["catalogue.json"])
        bands = model["bands.json"]
        scorer = Scorer(
            rung=_rung_from(model["model.json"], contents.get("model.txt"), _has_tables(manifest)),
            rung_name=model["model.json"]["rung"],
            catalogue=catalogue,
            calibration=Calibration.from_json(model["calibration.json"]),
            anchors=Anchors.from_json(bands["anchors"]),
            bands=BandSettings.model_validate(bands["settings"]),
            grades=Grades.from_json(bands["grades"]),
            table_lines=None
            if bands["table_lines"] is None
            else (bands["table_lines"][0], bands["table_lines"][1]),
        )
        sources = _sources_from(manifest["sources"])
        golden = np.array(model["golden.json"]["features"], dtype=np.float64).reshape(-1, len(catalogue))
        expected = {
            name: np.array(model["golden.json"][name], dtype=np.float64) for name in ("probability", "score")
        }
        if any(each.shape != (len(golden),) for each in expected.values()):
            raise ValueError(
                f"golden.json expects other than one probability and score for {len(golden)} rows"
            )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, LeadScoringError) as error:
        raise BundleError(
            f"The bundle {folder} is of an unknown shape: {error!r}. Train it again."
        ) from error
    _check_golden(folder, scorer, golden, expected)
    return Bundle(scorer, sources, manifest, golden, folder)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        data, seal = path.read_bytes(), (folder / SEAL).read_bytes()
        if hashlib.sha256(data).hexdigest().encode() + b"  manifest.json\n" != seal:
            raise ValueError(f"its SHA-256 is not the one in {SEAL}")
        manifest = json.loads(data.decode("utf-8"))
    except FileNotFoundError as error:
        raise BundleError(
            f"{folder} holds no {Path(str(error.filename)).name}: it is no bundle. Give the folder that training wrote."
        ) from error
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path} can't be read: {error}. The bundle is damaged; fetch or train it again."
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format_version") != FORMAT_VERSION:
        found = manifest.get("format_version") if isinstance(manifest, dict) else None
        raise BundleError(f"{path} has format_version {found!r}; this version reads {FORMAT_VERSION}.")
    if not isinstance(manifest.get("files"), dict):
        raise BundleError(f"{path} lists no files. The bundle is damaged; fetch or train it again.")
    _check_metrics(str(path), manifest)
    return manifest


def _check_metrics(place: str, manifest: dict[str, Any]) -> None:
    metrics = manifest.get("metrics", {})
    if not isinstance(metrics, dict):
        raise BundleError(f"{place} holds no named metrics. The bundle is damaged; fetch or train it again.")
    not_finite = [name for name, value in metrics.items() if not _is_finite(value)]
    if not_finite:
        raise BundleError(
            f"{place}: the metric {not_finite[0]} is not finite; such a model is not used. Train it again."
        )


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _checked_text(folder: Path, name: str, digest: str) -> str:
    if Path(name).name != name:
        raise BundleError(f"The bundle {folder} names a file outside itself: {name!r}.")
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise BundleError(f"The bundle {folder} lacks {name}: {error}. Fetch or train it again.") from error
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise BundleError(
            f"{folder / name} is damaged: its SHA-256 is {found[:12]}..., the manifest says {str(digest)[:12]}... "
            "Nothing of it was parsed. Fetch or train the bundle again."
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{folder / name} is no text: {error}. Fetch or train the bundle again.") from error


def _contents(scorer: Scorer, golden: Float64) -> dict[str, str]:
    head, trees = _rung_to(scorer.rung, scorer.rung_name)
    margins = scorer.margin(golden)
    texts = {
        "model.json": _dumped(head),
        "calibration.json": _dumped(scorer.calibration.to_json()),
        "bands.json": _dumped({
            "anchors": scorer.anchors.to_json(), "settings": scorer.bands.model_dump(mode="json"),
            "grades": scorer.grades.to_json(), "table_lines": scorer.table_lines,
        }),
        "catalogue.json": _dumped(scorer.catalogue.to_json()),
        "golden.json": _dumped({
            "features": [[None if np.isnan(value) else value for value in row] for row in golden.tolist()],
            "probability": np.nan_to_num(scorer.probability(margins)).tolist(),
            "score": scorer.score(margins).tolist(),
        }),
    }  # fmt: skip
    return {**texts, "model.txt": trees} if trees is not None else texts


def _rung_to(rung: RungModel, name: str) -> tuple[dict[str, Any], str | None]:
    if isinstance(rung, BlendRung):
        trees = {
            "columns": rung.trees.columns.tolist(),
            "n_features": rung.trees.n_features,
            "rounds": rung.trees.rounds,
        }
        head = {
            "rung": name,
            "weights": list(rung.weights),
            "logistic": rung.logistic.to_json(),
            "trees": trees,
        }
        return head, rung.trees.text
    if isinstance(rung, LightGBMRung):
        trees = {"columns": rung.columns.tolist(), "n_features": rung.n_features, "rounds": rung.rounds}
        return {"rung": name, "trees": trees}, rung.text
    if isinstance(rung, LogisticRung):
        return {"rung": name, "logistic": rung.to_json()}, None
    if isinstance(rung, PointsRung):
        return {"rung": name, "points": rung.to_json()}, None
    raise BundleError(f"a bundle can't hold a {type(rung).__name__}")


def _reasons_record(scorer: Scorer, rows: Float64) -> dict[str, Any]:
    """How reasons are made, and how far from LightGBM's own contributions they were on some rows."""
    trees = scorer.rung.trees if isinstance(scorer.rung, BlendRung) else scorer.rung
    if not isinstance(trees, LightGBMRung):
        return {"method": "linear"}
    names, group = scorer.catalogue.groups()
    off = trees.table_difference(rows, group, len(names))
    is_equal = off is not None and off <= MOST_DIFFERENCE
    shown = float(f"{off:.1e}") if off is not None and math.isfinite(off) else None
    return {"method": "tables" if is_equal else "lightgbm", "difference": shown, "rows": len(rows)}


def _has_tables(manifest: dict[str, Any]) -> bool:
    """Whether the tables agreed when the bundle was built; bundles from before there were any may have them."""
    reasons = manifest.get("reasons", {})
    return not (isinstance(reasons, dict) and reasons.get("method") == "lightgbm")


def _rung_from(head: dict[str, Any], text: str | None, has_tables: bool) -> RungModel:
    if "points" in head:
        return PointsRung.from_json(head["points"])
    trees = None
    if "trees" in head:
        if text is None:
            raise BundleError("the rung has trees, but model.txt is missing")
        shape = head["trees"]
        trees = LightGBMRung(
            text, np.array(shape["columns"], dtype=np.int64), shape["n_features"], shape["rounds"], has_tables
        )
    if "logistic" not in head:
        if trees is None:
            raise BundleError("the model has neither points, coefficients nor trees")
        return trees
    logistic = LogisticRung.from_json(head["logistic"])
    if trees is None:
        return logistic
    first, second, third = (float(weight) for weight in head["weights"])
    return BlendRung(logistic, trees, (first, second, third))


def _sources_json(sources: FeatureSources) -> dict[str, Any]:
    staff = [v if v.startswith("sha256:") else hashed(v) for v in sources.events.internal_values]
    return {
        "attributes": sources.attributes.model_dump(mode="json"),
        "events": {**sources.events.model_dump(mode="json"), "internal_values": staff},
        "features": sources.features.model_dump(mode="json"),
        "target": sources.target.model_dump(mode="json"),
        "is_static": sources.is_static,
        "points": [rule.model_dump(mode="json") for rule in sources.points],
    }


def _sources_from(values: dict[str, Any]) -> FeatureSources:
    from features.settings import (
        AttributeSettings,
        EventSettings,
        FeatureSettings,
        PointsRule,
        TargetSettings,
    )

    return FeatureSources(
        AttributeSettings.model_validate(values["attributes"]),
        EventSettings.model_validate(values["events"]),
        FeatureSettings.model_validate(values["features"]),
        TargetSettings.model_validate(values["target"]),
        bool(values["is_static"]),
        tuple(PointsRule.model_validate(rule) for rule in values["points"]),
    )


def _check_golden(folder: Path, scorer: Scorer, golden: Float64, expected: dict[str, Float64]) -> None:
    margins = scorer.margin(golden)
    found = {"probability": scorer.probability(margins), "score": scorer.score(margins)}
    for name, values in found.items():
        off = np.abs(np.nan_to_num(values) - expected[name])
        if not (off <= 1e-9).all():
            raise BundleError(
                f"The bundle {folder} scores its golden rows differently here: {name} is off by up to {off.max():.3g} "
                "(allowed 1e-9). Its libraries differ too much from those it was trained with."
            )


def _dumped(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def _load_pyfunc(path: str) -> PyfuncModel:
    """The bundle behind MLflow's generic interface; MLflow finds this function by its name."""
    return PyfuncModel(load_bundle(Path(path)))
