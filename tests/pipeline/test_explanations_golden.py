"""Whole explanations as a sales person reads them, thirty in English and three in German.

`tests/golden/explanations` holds a small bundle trained on a simulated CRM, the features of thirty of its
open leads (near the lines, at the ends of the scale, without a company, silent, fresh) and what is said of
them. `make golden` rewrites what is said, and only that: read the difference as a sales person would.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle, load_bundle
from models.phrases import Phrases
from models.rounding import whole_points
from models.settings import WordingSettings
from models.wording import Wording
from pipeline.reason_lines import reason_lines

GOLDEN = Path(__file__).parents[1] / "golden" / "explanations"
GERMAN = Path(__file__).parents[2] / "examples" / "wording.de.toml"
IN_GERMAN = (6, 9, 16)
REASONS = 8
JARGON = re.compile(
    r"__|\bnan\b|\binf\b|type:|stage:|channel:|\(unknown\)|None|log-odds|margin|SHAP|because|causes|[{}]"
)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(GOLDEN / "bundle")


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    found = json.loads((GOLDEN / "rows.json").read_text(encoding="utf-8"))
    return np.array(found, dtype=np.float64)


def explained(bundle: Bundle, rows: np.ndarray, wording: Wording) -> list[tuple[str, list[tuple[int, str]]]]:
    """(heading, lines) of each row: base, strongest reasons, everything else, limit; in whole points."""
    scored = bundle.scorer.scored(rows, REASONS)
    found = []
    for row, x in enumerate(rows):
        lines = reason_lines(scored, row, x, wording)
        named = [line["points"] for line in lines if line["group"] != "rest"]
        rest = [line["points"] for line in lines if line["group"] == "rest"]
        whole = whole_points(scored.explained.base_score, [named], rest, scored.score[row])
        left = iter(whole.reasons[0].tolist())
        shown = [int(whole.rest[0]) if line["group"] == "rest" else int(next(left)) for line in lines]
        heading = f"score {whole.score[0]}, {scored.band[row]}, starting from {whole.base[0]}"
        found.append((heading, list(zip(shown, (line["text"] for line in lines), strict=True))))
    return found


def test_golden_explanations_read_as_they_did(bundle: Bundle, rows: np.ndarray) -> None:
    german = WordingSettings.model_validate(tomllib.loads(GERMAN.read_text(encoding="utf-8")))
    words = tomllib.loads((GOLDEN / "words.de.toml").read_text(encoding="utf-8"))
    catalogue, path = bundle.scorer.catalogue, GOLDEN / "explanations.txt"

    said = [("en", each) for each in explained(bundle, rows, Wording(catalogue))]
    in_german = Wording(catalogue, Phrases(german), words)
    said += [("de", each) for each in explained(bundle, rows[list(IN_GERMAN)], in_german)]
    text = "\n".join(
        "\n".join([f"{language}: {heading}", *(f"{points:+4d}  {line}" for points, line in lines), ""])
        for language, (heading, lines) in said
    )

    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert len(rows) == 30
    assert text == path.read_text(encoding="utf-8")


def test_whole_points_add_up_and_never_overstate_the_band(bundle: Bundle, rows: np.ndarray) -> None:
    for heading, lines in explained(bundle, rows, Wording(bundle.scorer.catalogue)):
        match = re.fullmatch(r"score (\d+), (\w+), starting from (\d+)", heading)

        assert match is not None
        score, band, base = int(match[1]), match[2], int(match[3])
        assert base + sum(points for points, _ in lines) == score
        assert {"below": score < 50, "MQL": 50 <= score < 80, "SQL": score >= 80}[band]


def test_no_explanation_holds_jargon(bundle: Bundle, rows: np.ndarray) -> None:
    for _, lines in explained(bundle, rows, Wording(bundle.scorer.catalogue)):
        for _, text in lines:
            assert not JARGON.search(text), text
            assert text[:1] == text[:1].upper()
