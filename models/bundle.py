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
from collections.abc import Mapping
from dataclasses import dataclass, field
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
from models.classifier import MOST_DIFFERENCE
from models.grades import Grades
from models.pyfunc import PyfuncModel
from models.rung_files import is_model_file, rung_from, rung_to, trees_in
from models.scorer import Scorer
from models.settings import BandSettings
from models.sheets import Sheets

__all__ = ["FORMAT_VERSION", "Bundle", "load_bundle", "write_bundle"]

Float64 = NDArray[np.float64]
FORMAT_VERSION = 1
GOLDEN_ROWS = 20
SEAL = "manifest.sha256"
OWN_FILES = frozenset({"model.json", "calibration.json", "bands.json", "catalogue.json", "golden.json"})


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
    parts : text of the files that only some bundles have, by name, such as `value.json`; hashes are checked.
    """

    scorer: Scorer
    sources: FeatureSources
    manifest: dict[str, Any]
    golden: Float64
    folder: Path
    parts: Mapping[str, str] = field(default_factory=dict)

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
    parts: Mapping[str, str] | None = None,
) -> Bundle:
    """Write a bundle into an empty or absent folder, and load it back.

    Parameters
    ----------
    golden : (rows, features) rows to be scored again at every load; they hold features, no personal data.
    record : what the manifest keeps beside: settings, metrics, data digests, versions.
    sample : (rows, features) rows on which the tables of contributions are compared with LightGBM's own; the
        golden rows if not given. The manifest keeps how far they were apart, and over 1e-9 the bundle never
        uses tables.
    parts : further files by name, as text; they are hashed, kept and read like the others.

    Raises
    ------
    BundleError
        If a metric in `record` is not finite, or the bundle does not score its golden rows alike.
    """
    _check_metrics("The new bundle", record)
    contents = {**_contents(scorer, golden), **(parts or {})}
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
            rung=rung_from(model["model.json"], contents, _has_tables(manifest)),
            rung_name=model["model.json"]["rung"],
            catalogue=catalogue,
            calibration=Calibration.from_json(model["calibration.json"]),
            anchors=Anchors.from_json(bands["anchors"]),
            bands=BandSettings.model_validate(bands["settings"]),
            grades=Grades.from_json(bands["grades"]),
            table_lines=None
            if bands["table_lines"] is None
            else (bands["table_lines"][0], bands["table_lines"][1]),
            sheets=Sheets.from_json(bands["sheets"]) if "sheets" in bands else None,
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
    parts = {
        name: text for name, text in contents.items() if name not in OWN_FILES and not is_model_file(name)
    }
    return Bundle(scorer, sources, manifest, golden, folder, parts)


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
    head, trees = rung_to(scorer.rung, scorer.rung_name)
    margins = scorer.margin(golden)
    texts = {
        "model.json": _dumped(head),
        "calibration.json": _dumped(scorer.calibration.to_json()),
        "bands.json": _dumped({
            "anchors": scorer.anchors.to_json(), "settings": scorer.bands.model_dump(mode="json"),
            "grades": scorer.grades.to_json(), "table_lines": scorer.table_lines,
            **({"sheets": scorer.sheets.to_json()} if scorer.sheets is not None else {}),
        }),
        "catalogue.json": _dumped(scorer.catalogue.to_json()),
        "golden.json": _dumped({
            "features": [[None if np.isnan(value) else value for value in row] for row in golden.tolist()],
            "probability": np.nan_to_num(scorer.probability(margins)).tolist(),
            "score": scorer.score(margins, golden).tolist(),
        }),
    }  # fmt: skip
    return {**texts, **trees}


def _reasons_record(scorer: Scorer, rows: Float64) -> dict[str, Any]:
    """How reasons are made, and how far from LightGBM's own contributions they were on some rows."""
    names, group = scorer.catalogue.groups()
    differences = [trees.table_difference(rows, group, len(names)) for trees in trees_in(scorer.rung)]
    if not differences:
        return {"method": "linear"}
    known = [each for each in differences if each is not None]
    off = max(known) if len(known) == len(differences) else None
    is_equal = off is not None and off <= MOST_DIFFERENCE
    shown = float(f"{off:.1e}") if off is not None and math.isfinite(off) else None
    return {"method": "tables" if is_equal else "lightgbm", "difference": shown, "rows": len(rows)}


def _has_tables(manifest: dict[str, Any]) -> bool:
    """Whether the tables agreed when the bundle was built; bundles from before there were any may have them."""
    reasons = manifest.get("reasons", {})
    return not (isinstance(reasons, dict) and reasons.get("method") == "lightgbm")


def _sources_json(sources: FeatureSources) -> dict[str, Any]:
    staff = [v if v.startswith("sha256:") else hashed(v) for v in sources.events.internal_values]
    return {
        "attributes": sources.attributes.model_dump(mode="json"),
        "events": {**sources.events.model_dump(mode="json"), "internal_values": staff},
        "features": sources.features.model_dump(mode="json"),
        "target": sources.target.model_dump(mode="json"),
        "is_static": sources.is_static,
        "points": [rule.model_dump(mode="json") for rule in sources.points],
        **(
            {"profile": [rule.model_dump(mode="json") for rule in sources.profile]} if sources.profile else {}
        ),
    }


def _sources_from(values: dict[str, Any]) -> FeatureSources:
    from features.fit_settings import ProfileRule
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
        tuple(ProfileRule.model_validate(rule) for rule in values.get("profile", ())),
    )


def _check_golden(folder: Path, scorer: Scorer, golden: Float64, expected: dict[str, Float64]) -> None:
    margins = scorer.margin(golden)
    found = {"probability": scorer.probability(margins), "score": scorer.score(margins, golden)}
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
