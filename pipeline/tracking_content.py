"""What a run records of a training: parameters, metrics and tags as plain values, no personal data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import pandas as pd

from features.durations import format_duration
from models.bundle import Bundle
from models.evaluation import Evaluation
from pipeline.addresses import shown_address
from pipeline.record import TrainingRecord

__all__ = [
    "first_line",
    "input_example",
    "requirements",
    "run_metrics",
    "run_name",
    "run_parameters",
    "run_tags",
    "shown_address",
]

LONGEST_VALUE = 500
LONGEST_NAME = 200
MOST_PARAMETERS = 300
EXAMPLE_ROWS = 5
NEEDED_TO_SCORE = ("numpy", "scipy", "pandas", "pyarrow", "lightgbm", "pydantic")


def run_parameters(record: TrainingRecord) -> dict[str, str]:
    """Settings as `section.key` and the recipe as `recipe.key`; long values cut, unset ones left out.

    The meaning of event types and lists of values stand whole in the settings file of the run.
    """
    settings = record.project.plain_settings()
    settings["events"]["types"] = sorted(settings["events"]["types"])
    recipe = record.evaluation.recipe
    chosen = {
        "recipe.rung": recipe.rung,
        "recipe.penalty": recipe.penalty,
        "recipe.rounds": recipe.rounds,
        "recipe.weights": list(recipe.weights),
        "recipe.calibration": record.evaluation.selection.calibration.kind,
        "recipe.features": len(record.catalogue),
        "recipe.folds": record.evaluation.n_folds,
        "recipe.lightgbm": record.evaluation.model.lightgbm.model_dump(),
    }
    found = {**chosen, **dict(_leaves(settings, ""))}
    texts = {_name(name): _text(value) for name, value in found.items() if value not in (None, [], {})}
    return dict(list(texts.items())[:MOST_PARAMETERS])


def _leaves(values: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def _name(name: str) -> str:
    return re.sub(r"[^\w.\-/ ]", "_", name, flags=re.ASCII)[:LONGEST_NAME]


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def run_metrics(record: TrainingRecord) -> dict[str, float]:
    """Test metrics with their intervals, each rung's, sizes and what was left out; only finite ones."""
    evaluation = record.evaluation
    found: dict[str, float] = {}
    for name, interval in _intervals(evaluation):
        found |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    for rung, values in evaluation.by_rung.items():
        found |= {f"rung/{rung}/{name}": value for name, value in values.items()}
    for part, size in evaluation.sizes.items():
        counts = {"rows": size.rows, "leads": size.leads, "conversions": size.conversions, "rate": size.rate}
        found |= {f"{part}/{name}": value for name, value in counts.items()}
    found |= {f"check/{check.name}": check.value for check in record.checks}
    found |= _of_search(evaluation) | {
        "prior_shift": evaluation.shift.value,
        "ece_floor": evaluation.ece_floor,
    }
    reasons = {
        "left_out": record.dataset.left_out,
        "quarantined": record.quarantined,
        "cleaned": record.cleaned,
    }
    for kind, counted in reasons.items():
        found |= {f"{kind}/{reason}": float(count) for reason, count in counted.items()}
    return {_name(name): float(value) for name, value in found.items() if math.isfinite(value)}


def _of_search(evaluation: Evaluation) -> dict[str, float]:
    if evaluation.tuning is None:
        return {}
    return {
        "tuning/own_loss": evaluation.tuning.trials[0].loss,
        "tuning/best_loss": evaluation.tuning.best_trial.loss,
        "tuning/trials": len(evaluation.tuning.trials),
    }


def _intervals(evaluation: Evaluation) -> Iterator[tuple[str, Any]]:
    yield from evaluation.intervals.items()
    for age, interval in evaluation.by_age.items():
        yield f"auc_at_age/{format_duration(age)}", interval
    if evaluation.unseen_accounts is not None:
        yield "auc_unseen_accounts", evaluation.unseen_accounts


def run_name(record: TrainingRecord) -> str:
    """Rung and version, or that it was refused."""
    rung = record.evaluation.recipe.rung
    if record.bundle is None or record.verdict == "refused":
        return f"{rung} refused"
    return f"{rung} {record.bundle.model_version}"


def run_tags(record: TrainingRecord) -> dict[str, str]:
    """Verdict, version, rung and the SHA-256 of every file read; the words of the verdict as the note."""
    tags = {
        "verdict": record.verdict,
        "rung": record.evaluation.recipe.rung,
        "project": record.project.name,
        "mlflow.note.content": "\n\n".join(record.words),
    }
    if record.bundle is not None:
        tags["model_version"] = record.bundle.model_version
    return tags | {_name(f"data.{file}"): digest for file, digest in sorted(record.digests.items())}


def input_example(bundle: Bundle) -> pd.DataFrame:
    """A few golden rows: features as numbers, no id, no text, no moment."""
    return pd.DataFrame(bundle.golden[:EXAMPLE_ROWS], columns=bundle.scorer.catalogue.names)


def requirements() -> list[str]:
    """The libraries that scoring needs, as they are installed here."""
    return [f"{name}=={version(name)}" for name in NEEDED_TO_SCORE]


def first_line(error: Exception) -> str:
    """What an error says first, as a sentence of at most 200 characters."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return shown_address(text if text.endswith(".") else f"{text}.")
