"""A scoring run into the ledger: all of it or nothing to be seen, and once however often it is run.

It is written when the files of the output lie ready under temporary names and before they are renamed. So a
process killed anywhere leaves no published score that the ledger lacks; what it may leave is a part of a run, which no
reader sees, or a run whose files were not published. The rerun, which has the same `run_id`, adds what is missing and
publishes the files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.wording import Wording
from pipeline.ledger.facts import RunFacts, facts_of
from pipeline.reason_lines import group_words

if TYPE_CHECKING:
    from pipeline.config import Project
    from pipeline.ledger.run_before import RunBefore
    from pipeline.score import ScoredRows

__all__ = ["RunToKeep", "check_ledger", "forgotten_so_far", "run_to_keep"]

NUMBERS = ("probability", "score", "expected_value", "base_score")
OF_MANIFEST = ("model_version", "rows_in", "scored", "not_open", "quarantined")
# what a fact says of a lead beside these follows from the inputs; what stood before follows from the ledger
HASHED_FACTS = ("name", "company", "owner", "segment", "account_id", "further")
NAMING_IDS = ("near_duplicate_id",)  # codes of warnings
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class RunToKeep:
    """A run as the ledger will hold it.

    Attributes
    ----------
    values : of the row in `ledger_runs`, without what loading adds.
    table : the output, in call order.
    contributions : (rows, groups) signed points of each reason group, in the order of the table.
    facts : what was known beside the figures, in the order of the table.
    forgotten : how many leads the ledger had forgotten before the tables were read.
    """

    project: Project
    values: Mapping[str, Any]
    table: pa.Table
    contributions: Float64
    facts: RunFacts
    forgotten: int = 0

    @property
    def run_id(self) -> str:
        """A hash of what the run was made from and of what it found."""
        return str(self.values["run_id"])

    def write(self) -> bool:
        """Add the run, or what is missing of it; False, and nothing added, if the ledger has it already."""
        from pipeline.ledger.loading import load_run
        from pipeline.ledger.store import open_ledger

        return load_run(open_ledger(self.project, is_new_allowed=True), self)

    def part(self, number: int, start: int, n: int) -> tuple[pa.Table, pa.Table]:
        """The next rows of `ledger_scores` and `ledger_details`: at most `n` from the place `start` on."""
        from pipeline.ledger.rows import details_part, scores_part

        output = self.table.slice(start, n)
        is_product = self.values["entity"] == "product"
        products: Sequence[str] = output.column("product").to_pylist() if is_product else [""] * len(output)
        contributions = self.contributions[start : start + n]
        return (
            scores_part(output, self.facts, products, number, start),
            details_part(output, self.facts, contributions, number, start),
        )


def check_ledger(project: Project) -> None:
    """Open the ledger, if the project keeps one, before the work of scoring is done in vain.

    Raises
    ------
    ConfigError, OutputError
        As `pipeline.ledger.store.open_ledger`.
    """
    if project.ledger.url is not None:
        from pipeline.ledger.store import open_ledger

        open_ledger(project, is_new_allowed=True)


def forgotten_so_far(project: Project) -> int:
    """How many leads the project's ledger was told to forget; 0 without a ledger."""
    if project.ledger.url is None:
        return 0
    from pipeline.ledger.loading import count_erasures
    from pipeline.ledger.store import open_ledger

    with open_ledger(project, is_new_allowed=True).reading() as connection:
        return count_erasures(connection)


def run_to_keep(
    found: ScoredRows, table: pa.Table, manifest: Mapping[str, Any], before: RunBefore | None
) -> RunToKeep | None:
    """The run for the ledger, None if the project keeps none.

    Parameters
    ----------
    table, manifest : as they will be published.
    before : the run before in the ledger, if there is one.
    """
    project, rows = found.project, found.rows
    if project.ledger.url is None or rows.contributions is None:
        return None
    groups, _ = found.bundle.scorer.catalogue.groups()
    facts = facts_of(found, table, before)
    as_of = manifest["as_of"]
    known = {**manifest, "warnings": _without_ids(found)}
    known.pop("raised", None)  # ids: a lead must be deletable
    catalogue = found.bundle.scorer.catalogue
    known["group_words"] = group_words(catalogue, Wording(catalogue, project.phrases, project.words))
    contributions = _in_call_order(found, table, len(groups))
    values = {
        # a question beside the project's own has a project name of its own: see `Project.for_target`
        "project": project.name, "entity": project.target.entity, "target": None,
        "as_of": None if as_of is None else datetime.fromisoformat(as_of).replace(tzinfo=UTC),
        **{name: manifest[name] for name in OF_MANIFEST}, "horizon_days": facts.horizon_days,
        "reason_groups": _compact(list(groups)), "attributes": _compact(list(facts.attributes)),
        "anchors": facts.anchors, "event_watermark": facts.event_watermark, "manifest": _compact(known),
        "run_id": _run_id(project, manifest, table, contributions, facts),
    }  # fmt: skip
    return RunToKeep(project, values, table, contributions, facts, found.forgotten)


def _without_ids(found: ScoredRows) -> list[str]:
    """The warnings of the run but those that name an id: a lead must be deletable."""
    naming = {f"{each.message} ({each.count:,})" for each in found.tables.warnings if each.code in NAMING_IDS}
    return [each for each in found.warnings if each not in naming]


def _in_call_order(found: ScoredRows, table: pa.Table, n_groups: int) -> Float64:
    """(rows of the table, groups) points, which were collected in the order of scoring."""
    rows = found.rows
    points = np.concatenate([np.zeros((0, n_groups)), *(rows.contributions or [])])
    ids = pa.array(rows.lead_id, pa.string()), table.column("lead_id").combine_chunks()
    if found.project.target.entity == "product":
        products = pa.array(rows.optional["product"], pa.string()), table.column("product").combine_chunks()
        # the length of the id makes the pair unique, whatever signs it has
        ids = tuple(
            pc.binary_join_element_wise(pc.cast(pc.binary_length(lead), pa.string()), lead, product, " ")
            for lead, product in zip(ids, products, strict=True)
        )
    order = pc.index_in(ids[1], value_set=ids[0]).to_numpy(zero_copy_only=False)
    return np.asarray(points[order])


def _run_id(
    project: Project, manifest: Mapping[str, Any], table: pa.Table, contributions: Float64, facts: RunFacts
) -> str:
    """SHA-256 of model, moment, inputs, target, the settings that reach a score or its words, and the figures."""
    score = project.score.model_dump(mode="json", exclude={"chunk_rows"})
    made_from = {
        "project": project.name, "entity": project.target.entity, "target": project.target.name,
        "model_version": manifest["model_version"], "as_of": manifest["as_of"], "inputs": manifest["inputs"],
        "score": score, "value": project.value.model_dump(mode="json"),
        "wording": project.wording.model_dump(mode="json", exclude={"file"}), "words": project.words,
        "attributes": facts.attributes, "anchors": facts.anchors, "horizon_days": facts.horizon_days,
    }  # fmt: skip
    found = hashlib.sha256(_compact(made_from).encode())
    # the figures, too: a change of the software that changes a score must not pass for the same run
    for column in [table.column("lead_id"), table.column("band")]:
        found.update(_compact(column.to_pylist()).encode())
    for name in HASHED_FACTS:
        found.update(_compact(list(facts.columns[name])).encode())
    for name in NUMBERS:
        found.update(np.asarray(table.column(name).to_pandas(), dtype="<f8").tobytes())
    found.update(np.ascontiguousarray(contributions, dtype="<f8").data)
    return found.hexdigest()


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=str)
