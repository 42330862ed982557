"""A scoring run into the ledger: all of it or nothing, and once however often it is run.

It is written when the files of the output lie ready under temporary names and before they are renamed. So a
process killed anywhere leaves no published score that the ledger lacks; what it may leave is a run in the ledger
whose files were not published, and the rerun, which has the same `run_id`, publishes them and adds nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pipeline.config import Project
    from pipeline.score import ScoredRows

__all__ = ["RunToKeep", "check_ledger", "contribution_lines", "run_to_keep"]

DECIMALS = 6  # a millionth of a point; reasons add up to the score to 1e-4 at worst
AS_THEY_ARE = (
    "probability", "score", "band", "fit_grade", "engagement_grade", "silent_until", "expected_value", "base_score",
)  # fmt: skip
NUMBERS = ("probability", "score", "expected_value", "base_score")
OF_MANIFEST = ("model_version", "rows_in", "scored", "not_open", "quarantined")
BATCH_ROWS = 5_000


def contribution_lines(points: NDArray[np.float64]) -> list[str]:
    """One JSON array a row: signed points of each reason group, in the order of the bundle's groups.

    Examples
    --------
    >>> import numpy as np
    >>> contribution_lines(np.array([[1.25, -0.00000001], [0.0, 3.0]]))
    ['[1.25,0.0]', '[0.0,3.0]']
    """
    rounded = np.round(points, DECIMALS) + 0.0  # no minus zero
    return [json.dumps(row, separators=(",", ":")) for row in rounded.tolist()]


@dataclass(frozen=True)
class RunToKeep:
    """A run as the ledger will hold it.

    Attributes
    ----------
    values : of the row in `ledger_runs`, without number and moment of recording.
    table : the output, in call order.
    contributions : JSON array of each row, by (lead_id, product); the product is empty but for lead x product.
    """

    project: Project
    values: Mapping[str, Any]
    table: pa.Table
    contributions: Mapping[tuple[str, str], str]

    @property
    def run_id(self) -> str:
        """A hash of what the run was made from and of what it found."""
        return str(self.values["run_id"])

    def write(self) -> bool:
        """Add the run in one transaction; False, and nothing added, if the ledger has it already."""
        from sqlalchemy import insert, select
        from sqlalchemy.exc import IntegrityError

        from pipeline.ledger.loading import load_rows
        from pipeline.ledger.schema import RUNS, SCORES
        from pipeline.ledger.store import open_ledger

        ledger = open_ledger(self.project, is_new_allowed=True)
        with ledger.writing() as connection:
            if connection.scalar(select(RUNS.c.number).where(RUNS.c.run_id == self.run_id)) is not None:
                return False
            values = {**self.values, "recorded_at": datetime.now(UTC)}
            try:
                with connection.begin_nested():
                    made = connection.execute(insert(RUNS).values(values))
            except IntegrityError:  # another process was faster; its transaction is through
                return False
            assert made.inserted_primary_key is not None
            load_rows(connection, SCORES, self._rows(int(made.inserted_primary_key[0])))
        return True

    def _rows(self, number: int) -> Iterator[dict[str, Any]]:
        rank, is_product = 0, self.values["entity"] == "product"
        columns = ["lead_id", "product", *AS_THEY_ARE, "reasons", "warnings"]
        for batch in self.table.select(columns).to_batches(max_chunksize=BATCH_ROWS):
            for row in batch.to_pylist():
                rank += 1
                product = str(row["product"]) if is_product else ""
                yield {
                    "run": number, "lead_id": row["lead_id"], "product": product, "rank": rank,
                    **{name: row[name] for name in AS_THEY_ARE},
                    "reasons": _compact(row["reasons"]),
                    "contributions": self.contributions[row["lead_id"], product],
                    "warnings": _compact(row["warnings"]) if row["warnings"] else None,
                }  # fmt: skip


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


def run_to_keep(found: ScoredRows, table: pa.Table, manifest: Mapping[str, Any]) -> RunToKeep | None:
    """The run for the ledger, None if the project keeps none.

    Parameters
    ----------
    table, manifest : as they will be published.
    """
    project, rows = found.project, found.rows
    if project.ledger.url is None or rows.contributions is None:
        return None
    groups, _ = found.bundle.scorer.catalogue.groups()
    is_product = project.target.entity == "product"
    products = rows.optional["product"] if is_product else [""] * len(rows.lead_id)
    keys = zip(rows.lead_id, products, strict=True)
    as_of = manifest["as_of"]
    # the ids of raised leads stay out: a lead must be deletable
    known = {name: value for name, value in manifest.items() if name != "raised"}
    values = {
        "project": project.name, "entity": project.target.entity, "target": project.target.name,
        "as_of": None if as_of is None else datetime.fromisoformat(as_of).replace(tzinfo=UTC),
        **{name: manifest[name] for name in OF_MANIFEST},
        "reason_groups": _compact(list(groups)), "manifest": _compact(known),
        "run_id": _run_id(project, manifest, table, rows.contributions),
    }  # fmt: skip
    return RunToKeep(project, values, table, dict(zip(keys, rows.contributions, strict=True)))


def _run_id(project: Project, manifest: Mapping[str, Any], table: pa.Table, contributions: list[str]) -> str:
    """SHA-256 of model, moment, inputs, target, the settings that reach a score or its words, and the figures."""
    score = project.score.model_dump(mode="json", exclude={"chunk_rows"})
    made_from = {
        "project": project.name, "entity": project.target.entity, "target": project.target.name,
        "model_version": manifest["model_version"], "as_of": manifest["as_of"], "inputs": manifest["inputs"],
        "score": score, "value": project.value.model_dump(mode="json"),
        "wording": project.wording.model_dump(mode="json", exclude={"file"}), "words": project.words,
    }  # fmt: skip
    found = hashlib.sha256(_compact(made_from).encode())
    # the figures, too: a change of the software that changes a score must not pass for the same run
    found.update(_compact(table.column("lead_id").to_pylist()).encode())
    found.update(_compact(table.column("band").to_pylist()).encode())
    for name in NUMBERS:
        found.update(np.asarray(table.column(name).to_pandas(), dtype="<f8").tobytes())
    for line in contributions:
        found.update(line.encode())
    return found.hexdigest()


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=str)
