"""Personas of a project: learned on development, given to the test, learned again for the bundle, read at scoring."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import Examples as Rows
from features.catalogue import Catalogue
from features.errors import ConfigError
from features.prepare import FeatureSources, Prepared
from features.view import RowView
from models.bundle import Bundle
from models.evaluation import Evaluation, Examples
from models.persona_rules import PersonaRule, declared_personas
from models.personas import Personas, learn_personas
from pipeline.config import Project
from pipeline.dataset import Dataset

__all__ = ["PERSONAS", "PersonaStudy", "persona_columns", "persona_parts", "study_personas"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Objects = NDArray[np.object_]
PERSONAS = "personas.json"


@dataclass(frozen=True)
class PersonaStudy:
    """Personas as development alone shows them.

    Attributes
    ----------
    learned : None where none are asked for, or the rows do not differ.
    test : (test,) name of each test row's persona, None for none.
    """

    learned: Personas | None
    test: Objects


def study_personas(
    project: Project, dataset: Dataset, examples: Examples, catalogue: Catalogue, evaluation: Evaluation,
    champion: Bundle | None,
) -> PersonaStudy | None:  # fmt: skip
    """Personas of the test rows, the learned ones from development; None where they are off."""
    settings = project.personas
    if settings is None:
        return None
    _require_events(settings.rules, dataset)
    former = _learned_of(champion)
    rows = _latest(evaluation.slices.development, examples.lead, examples.timeline.order)
    learned = _learn(project, examples.X[rows], catalogue, settings.sizes, former)
    test = evaluation.test_rows
    names = _names(
        settings.rules, learned, dataset.data, dataset.rows.take(test), examples.X[test], catalogue, dataset.sources
    )  # fmt: skip
    return PersonaStudy(learned, names)


def _require_events(rules: tuple[PersonaRule, ...], dataset: Dataset) -> None:
    """Refuse a rule about an event that nobody ever had and that is not declared: most likely a slip."""
    known = [*dataset.data.events.kinds, *dataset.sources.events.types]
    stray = [each.event for rule in rules for each in rule.when if each.event not in {None, *known}]
    if stray:
        near = difflib.get_close_matches(str(stray[0]), known, n=1, cutoff=0.5)
        cure = f"Did you mean '{near[0]}'?" if near else "Declare it under [events.types], if it is to come."
        raise ConfigError(f"personas.rules: there is no event of the type '{stray[0]}'. {cure}")


def persona_parts(
    project: Project, study: PersonaStudy | None, X: Float64, dataset: Dataset, catalogue: Catalogue
) -> dict[str, str]:
    """The bundle's `personas.json`: the rules, and as many personas as development showed, learned on all rows.

    Whoever development showed keeps the name; so does whoever the champion knew, for those were matched before.
    """
    if study is None or project.personas is None:
        return {}
    learned = None
    if study.learned is not None:
        rows = _latest(np.arange(len(X)), dataset.lead_code, dataset.timeline.order)
        learned = _learn(project, X[rows], catalogue, (len(study.learned.names),), study.learned)
    whole = {
        "rules": [rule.model_dump(mode="json") for rule in project.personas.rules],
        "learned": None if learned is None else json.loads(learned.to_text()),
    }
    return {PERSONAS: json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"}


def persona_columns(bundle: Bundle, data: Prepared, rows: Rows, X: Float64) -> dict[str, list[Any]]:
    """The column `persona` of a chunk of rows, if the bundle has personas."""
    if PERSONAS not in bundle.parts:
        return {}
    values = json.loads(bundle.parts[PERSONAS])
    rules = tuple(PersonaRule.model_validate(rule) for rule in values["rules"])
    catalogue, sources = bundle.scorer.catalogue, bundle.sources
    return {"persona": _names(rules, _learned_of(bundle), data, rows, X, catalogue, sources).tolist()}


def _learn(
    project: Project, X: Float64, catalogue: Catalogue, sizes: tuple[int, ...], former: Personas | None
) -> Personas | None:
    settings = project.personas
    assert settings is not None
    return learn_personas(
        X, catalogue, sizes, attributes=settings.attributes, with_events=settings.events, former=former,
        seed=project.model.seed,
    )  # fmt: skip


def _names(
    rules: tuple[PersonaRule, ...], learned: Personas | None, data: Prepared, rows: Rows, X: Float64,
    catalogue: Catalogue, sources: FeatureSources,
) -> Objects:  # fmt: skip
    """The declared persona, else the learned one, else None."""
    view = RowView(data, rows, data.events.events, sources.events, ())
    declared = declared_personas(view, rules, sources)
    if learned is None:
        return declared
    names = np.array(learned.names, dtype=object)[learned.assigned(X, catalogue)]
    return np.where(pd.isna(declared), names, declared)


def _learned_of(bundle: Bundle | None) -> Personas | None:
    if bundle is None or PERSONAS not in bundle.parts:
        return None
    learned = json.loads(bundle.parts[PERSONAS])["learned"]
    return None if learned is None else Personas.from_json(learned)


def _latest(rows: Int64, lead: Int64, order: Int64) -> Int64:
    """The latest of the rows of each lead: a lead counts once."""
    ranked = rows[np.lexsort((order[rows], lead[rows]))]
    is_last = np.append(lead[ranked][1:] != lead[ranked][:-1], True)
    return np.sort(ranked[is_last]) if len(ranked) else ranked
