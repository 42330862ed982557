"""What a training leaves behind: everything the report, the registry and the verdict are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from features.catalogue import Catalogue
from models.bundle import Bundle
from models.evaluation import Evaluation
from models.gate import Check
from models.slices import SliceFigures
from pipeline.config import Project
from pipeline.dataset import Dataset
from pipeline.leak_hunt import LeakHunt
from pipeline.personas import PersonaStudy
from pipeline.value import Worth

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
    bands_check : of the open leads' bands against the champion's; None without one.
    slices : the test by month, band and segment.
    hunt : what the leak hunt left out and named.
    worth : what the value models promised and what came; None where they are off.
    personas : of the test rows; None where they are off.
    answers : what sales answered so far, from the ledger, for the report alone; None where there is none.
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
    bands_check: Check | None = None
    slices: tuple[SliceFigures, ...] = ()
    hunt: LeakHunt = field(default_factory=LeakHunt)
    worth: Worth | None = None
    personas: PersonaStudy | None = None
    answers: Mapping[str, Any] | None = None

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check that was made, the refusal's first."""
        found = (*self.evaluation.refusal, *self.evaluation.calibration_checks)
        return (*found, *(each for each in (self.champion_check, self.bands_check) if each is not None))
