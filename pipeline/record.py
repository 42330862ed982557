"""What a training leaves behind: everything the report, the registry and the verdict are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from features.catalogue import Catalogue
from models.bundle import Bundle
from models.gate import Check
from models.trainer import Evaluation
from pipeline.config import Project
from pipeline.dataset import Dataset

__all__ = ["TrainingRecord", "Verdict"]

Verdict = Literal["champion", "challenger", "refused"]


@dataclass(frozen=True)
class TrainingRecord:
    """One training, from data to verdict.

    Attributes
    ----------
    catalogue : features of the final fit.
    evaluation : what development chose and the test said.
    bundle : the final fit on all mature rows; None if refused and no points table stands in for it.
    champion_check : against the champion; None where there is none yet.
    verdict : champion (through the gate), challenger, or refused.
    words : the verdict in sentences, the first one first.
    quarantined : lead rows in quarantine by code.
    cleaned : events removed by reason.
    digests : SHA-256 by file read.
    """

    project: Project
    dataset: Dataset
    catalogue: Catalogue
    evaluation: Evaluation
    bundle: Bundle | None
    champion_check: Check | None
    verdict: Verdict
    words: tuple[str, ...]
    quarantined: dict[str, int]
    cleaned: dict[str, int]
    warnings: tuple[str, ...]
    digests: dict[str, str]
