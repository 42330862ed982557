"""Scores on disk: one row a lead, published whole or not at all, the manifest last."""

from __future__ import annotations

import csv
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from features.errors import LockedError, OutputError

__all__ = [
    "OPTIONAL",
    "SCHEMA",
    "SCHEMA_VERSION",
    "ScoreRows",
    "beside",
    "files_of",
    "publish",
    "scores_table",
]

SCHEMA_VERSION = 2
ENDINGS = ("not_open.csv", "quarantine.csv", "manifest.json")
OF_PRODUCT = pa.struct([("product", pa.string()), ("probability", pa.float64())])
OF_LEAD = pa.struct([("lead_id", pa.string()), ("probability", pa.float64())])
OVERRIDE = pa.struct(
    [("action", pa.string()), ("owner", pa.string()), ("reason", pa.string()), ("until", pa.string())]
)
REASON = pa.struct([("text", pa.string()), ("points", pa.float64()), ("group", pa.string())])
OPTIONAL = [  # present in every output, null where the project file does not switch them on
    ("sheet", pa.string()),
    ("profile_fit", pa.float64()),
    ("fit_score", pa.float64()),
    ("activity_score", pa.float64()),
    ("funnel_stage", pa.string()),
    ("funnel_change", pa.string()),
    ("re_engaged", pa.bool_()),
    ("persona", pa.string()),
    ("amount_if_won", pa.float64()),
    ("value_band", pa.string()),
    ("customer_value", pa.float64()),
    ("people", pa.int64()),
    ("people_active", pa.int64()),
    ("roles_reached", pa.list_(pa.string())),
    ("roles_missing", pa.list_(pa.string())),
    ("carried_by", pa.list_(OF_LEAD)),
    ("product", pa.string()),
    ("products", pa.list_(OF_PRODUCT)),
    ("account_id", pa.string()),
    ("account_probability", pa.float64()),
    ("account_score", pa.float64()),
    ("account_band", pa.string()),
    ("override", OVERRIDE),
]
SCHEMA = pa.schema(
    [
        ("lead_id", pa.string()),
        ("as_of", pa.timestamp("us", tz="UTC")),
        ("probability", pa.float64()),
        ("score", pa.float64()),
        ("band", pa.string()),
        ("fit_grade", pa.string()),
        ("engagement_grade", pa.string()),
        ("expected_value", pa.float64()),
        ("trend", pa.float64()),
        ("silent_until", pa.timestamp("us", tz="UTC")),
        ("reasons", pa.list_(REASON)),
        ("base_score", pa.float64()),
        ("model_version", pa.string()),
        ("warnings", pa.list_(pa.string())),
        *OPTIONAL,
    ]
)


@dataclass
class ScoreRows:
    """Columns of the output, grown chunk by chunk."""

    lead_id: list[str] = field(default_factory=list)
    probability: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    band: list[str] = field(default_factory=list)
    fit_grade: list[str] = field(default_factory=list)
    engagement_grade: list[str] = field(default_factory=list)
    reasons: list[list[dict[str, Any]]] = field(default_factory=list)
    base_score: list[float] = field(default_factory=list)
    silent_until: list[int | None] = field(default_factory=list)
    warnings: list[list[str]] = field(default_factory=list)
    # points by reason group, (rows, groups) a chunk, where a ledger keeps them
    contributions: list[NDArray[np.float64]] | None = None
    optional: dict[str, list[Any]] = field(default_factory=dict)

    def add_optional(self, columns: Mapping[str, list[Any]]) -> None:
        """Append the values that a chunk has for some of the `OPTIONAL` columns; every chunk has the same."""
        for name, values in columns.items():
            self.optional.setdefault(name, []).extend(values)


def scores_table(
    rows: ScoreRows, as_of: np.datetime64 | None, model_version: str, rank_by: str = "probability"
) -> pa.Table:
    """The output table in call order: by probability (a bare points table: by score), then lead_id.

    `rank_by` "value" puts the highest expected value first, where every row has one.
    """
    n = len(rows.lead_id)
    probability = np.array(rows.probability, dtype=np.float64)
    strength = np.where(np.isnan(probability), np.array(rows.score, dtype=np.float64), probability)
    expected = np.array(rows.optional.get("expected_value", [None]), dtype=np.float64)
    if rank_by == "value" and not np.isnan(expected).any():
        strength = expected
    order = (
        np.lexsort((np.array(rows.lead_id, dtype=object), -strength)) if n else np.zeros(0, dtype=np.int64)
    )
    stamp = None if as_of is None else pd.Timestamp(as_of, tz="UTC")
    values: dict[str, Any] = {
        "as_of": [stamp] * n,
        "probability": [None if np.isnan(p) else p for p in probability.tolist()],
        "expected_value": [None] * n,
        "trend": [None] * n,
        "model_version": [model_version] * n,
        **{name: [None] * n for name, _ in OPTIONAL},
        **rows.optional,
    }
    columns = [pa.array(values.get(f.name, getattr(rows, f.name, None)), type=f.type) for f in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA).take(pa.array(order))


def flattened(table: pa.Table, top_reasons: int) -> pa.Table:
    """The table for CSV: reasons in numbered columns, text and points; warnings joined."""
    nested = [each.name for each in table.schema if pa.types.is_nested(each.type)]
    plain = table.drop_columns(nested)
    reasons = table.column("reasons").to_pylist()
    for number in range(top_reasons + 2):
        chosen = [each[number] if number < len(each) else {"text": None, "points": None} for each in reasons]
        plain = plain.append_column(
            f"reason_{number + 1}", pa.array([c["text"] for c in chosen], pa.string())
        )
        plain = plain.append_column(
            f"reason_{number + 1}_points", pa.array([c["points"] for c in chosen], pa.float64())
        )
    for name in (each for each in nested if each != "reasons"):
        values = table.column(name).to_pylist()
        if pa.types.is_struct(table.schema.field(name).type):
            for key in table.schema.field(name).type.names:
                told = [None if each is None else each[key] for each in values]
                plain = plain.append_column(f"{name}_{key}", pa.array(told, pa.string()))
        else:
            listed = [None if each is None else "; ".join(map(_flat, each)) for each in values]
            plain = plain.append_column(name, pa.array(listed, pa.string()))
    return plain


def _flat(value: Any) -> str:
    """An entry of a list on one line: `crm 0.1234`."""
    if isinstance(value, dict):
        return " ".join(f"{each:.4f}" if isinstance(each, float) else str(each) for each in value.values())
    return str(value)


def publish(
    output: Path, table: pa.Table, top_reasons: int, not_open: Sequence[str], quarantine: pd.DataFrame,
    manifest: dict[str, Any], record: Callable[[], object] | None = None,
) -> Path:  # fmt: skip
    """Write scores, ids left out and quarantine beside them, then the manifest that vouches for all.

    Every file is written under a temporary name, flushed to disk and renamed; the old manifest is taken
    away first and the new one comes last, so a manifest always belongs to the files beside it.
    `record` is called when all files are ready and before any is renamed; if it fails, what stood there stays.

    Raises
    ------
    LockedError
        If another process is publishing to the same output; nothing was written.
    OutputError
        If anything can't be written; what stood there before stays, but for a failure between two renames: then the
        manifest is missing.
    """
    files: dict[Path, Callable[[Path], None]] = {
        output: partial(_write_table, table, top_reasons, output.suffix == ".csv"),
        beside(output, "not_open.csv"): partial(_write_frame, pd.DataFrame({"lead_id": list(not_open)})),
        beside(output, "quarantine.csv"): partial(_write_frame, quarantine),
    }
    manifest_path, is_whole = beside(output, "manifest.json"), True
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        _refuse_folders([*files, manifest_path])
        with _held(output), _staged([*files, manifest_path]) as staged:
            for path, write in files.items():
                write(staged[path])
            digests = {path.name: _digest(staged[path]) for path in files}
            text = json.dumps({**manifest, "files": digests}, indent=1, sort_keys=True, ensure_ascii=False)
            staged[manifest_path].write_text(text + "\n", encoding="utf-8", newline="\n")
            for temporary in staged.values():
                _flush(temporary)
            if record is not None:
                record()
            is_whole = False
            manifest_path.unlink(missing_ok=True)
            for path in [*files, manifest_path]:
                staged[path].replace(path)
    except OSError as error:
        stands = "The old output stands." if is_whole else "Files may be of two runs: score again."
        raise OutputError(f"The scores could not be written to {output}: {error}. {stands}") from error
    return manifest_path


def files_of(output: Path) -> list[Path]:
    """Every file that publishing to `output` writes, the output first."""
    return [output, *(beside(output, ending) for ending in ENDINGS)]


def beside(output: Path, ending: str) -> Path:
    """A file beside the output: scores.parquet -> scores.manifest.json."""
    return output.with_name(f"{output.stem}.{ending}")


@contextmanager
def _held(output: Path) -> Iterator[None]:
    """Keep other processes from publishing to the same output; the system lets go of it when a process dies."""
    path = output.with_name(f".{output.name}.lock")
    while True:
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(held)
            raise LockedError(
                f"Another process is writing {output}. Nothing was written; score again when it is through."
            ) from error
        if _is_at(path, held):
            break
        os.close(held)  # the process before took its file away meanwhile
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(held)


def _is_at(path: Path, held: int) -> bool:
    try:
        return os.path.samestat(os.fstat(held), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _staged(paths: list[Path]) -> Iterator[dict[Path, Path]]:
    staged = {path: path.with_name(f".{path.name}.tmp") for path in paths}
    try:
        yield staged
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)


def _refuse_folders(paths: list[Path]) -> None:
    """A file can't replace a folder: say so before the first file is replaced."""
    for path in paths:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))


def _write_table(table: pa.Table, top_reasons: int, is_csv: bool, path: Path) -> None:
    if is_csv:
        pa.csv.write_csv(flattened(table, top_reasons), path)
    else:
        pa.parquet.write_table(table, path, compression="zstd")


def _write_frame(frame: pd.DataFrame, path: Path) -> None:
    # all text quoted: a bare CR in a raw record would end the line for most readers
    frame.to_csv(path, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)


def _flush(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
