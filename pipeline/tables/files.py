"""The bytes of an input file: read once, unpacked within limits, checked against the file's name."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from features.errors import InputError

__all__ = ["FileBytes", "read_file"]

_CHUNK = 4 << 20
_MAX_BYTES = 8 << 30
_MAX_RATIO = 200
_RATIO_FROM = 256 << 20
_GZIP, _ZIP, _PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"PAR1"
_XLS = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class FileBytes:
    """A file's content, unpacked, and the digest of the file as it lies there."""

    name: str
    data: bytes
    sha256: str
    is_parquet: bool


def read_file(path: Path) -> FileBytes:
    """A file read whole, gunzipped where its name ends in `.gz`.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty, damaged, too large unpacked, not what its name says, or
        changes while it is read.
    """
    packed = _read_steadily(path)
    if not packed:
        raise InputError(f"{path} is empty (0 bytes); expected a table. Export it again.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_gzip = suffixes[-1:] == [".gz"]
    if is_gzip != packed.startswith(_GZIP):
        said, found = ("is named .gz", "no gzip file") if is_gzip else ("is not named .gz", "a gzip file")
        raise InputError(f"{path} {said}, but its content is {found}. Rename or export it again.")
    data = _gunzip(packed, path) if is_gzip else packed
    if not data:
        raise InputError(f"{path} is empty once unpacked; expected a table. Export it again.")
    is_parquet = ".parquet" in suffixes[-2:]
    _check_content(data, is_parquet, path)
    return FileBytes(path.name, data, hashlib.sha256(packed).hexdigest(), is_parquet)


def _read_steadily(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            before = path.stat()
            data = file.read()
            after = path.stat()
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}. Check data.folder and the table's path.") from error
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}.") from error
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size) or len(
        data
    ) != after.st_size:
        raise InputError(f"{path} changed while it was read. Try again when the export is finished.")
    return data


def _gunzip(packed: bytes, path: Path) -> bytes:
    """All members of a gzip file; lengths and checksums are verified."""
    parts, total = [], 0
    try:
        with gzip.GzipFile(fileobj=BytesIO(packed)) as file:
            while chunk := file.read(_CHUNK):
                parts.append(chunk)
                total += len(chunk)
                if total > _MAX_BYTES or (total > _RATIO_FROM and total > _MAX_RATIO * len(packed)):
                    raise InputError(
                        f"{path} unpacks to more than {total} bytes from {len(packed)}; that is no plausible "
                        "table. Unpack it yourself if it is meant."
                    )
    except EOFError as error:
        raise InputError(f"{path} is cut: the gzip file ends too early. Copy or export it again.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged: {error}. Copy or export it again.") from error
    return b"".join(parts)


def _check_content(data: bytes, is_parquet: bool, path: Path) -> None:
    if is_parquet and not (data.startswith(_PARQUET) and data.endswith(_PARQUET) and len(data) > 12):
        raise InputError(f"{path} is named .parquet, but its content is not (or is cut). Export it again.")
    if not is_parquet:
        kinds = {
            _PARQUET: "Parquet",
            _ZIP: "a zip archive or a workbook",
            _XLS: "an old workbook",
            _GZIP: "gzip",
        }
        found = next((kind for magic, kind in kinds.items() if data.startswith(magic)), None)
        if found:
            raise InputError(
                f"{path} is read as CSV, but its content is {found}. Export it as CSV or Parquet."
            )
