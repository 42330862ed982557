"""Text to times, numbers and booleans, by the column; what can't be read is a mask, never a guess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = [
    "Fault",
    "Mask",
    "Parsed",
    "is_in",
    "is_null",
    "parse_booleans",
    "parse_numbers",
    "parse_times",
    "with_nulls",
]

_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?( ?(Z|[+-]\d{2}(:?\d{2})?))?)?$"
_ISO_WITH_ZONE = r"\d( ?(Z|[+-]\d{2}(:?\d{2})?))$"
_TIME_OF_DAY = r"^.{10}[T ]"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INFINITE = r"(?i)^[+-]?inf(inity)?$"
_TRUE = ("1", "true", "yes", "y", "t", "1.0")
_FALSE = ("0", "false", "no", "n", "f", "0.0")
_FIRST_YEAR, _LAST_YEAR = np.datetime64("1900-01-01", "us"), np.datetime64("2200-01-01", "us")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Fault:
    """Rows whose value breaks a rule: the mask, the code of the quarantine, and the words after the value."""

    mask: Mask
    code: str
    words: str


@dataclass(frozen=True)
class Parsed:
    """Typed values of one column (null where the text is null or faulty) and the faults found."""

    values: pd.Series
    faults: tuple[Fault, ...] = ()


def is_null(values: pd.Series, null_values: tuple[str, ...]) -> Mask:
    """Mask of the values that say nothing: missing, empty, or exactly one of `null_values`.

    Examples
    --------
    >>> is_null(pd.Series(["", "Select", "select"], dtype="str"), ("", "Select")).tolist()
    [True, True, False]
    """
    missing = values.isna().to_numpy(dtype=bool)
    if isinstance(values.dtype, pd.StringDtype):
        missing = missing | is_in(values, pd.Series(["", *null_values], dtype="str"))
    return np.asarray(missing)


def is_in(values: pd.Series, wanted: pd.Series) -> Mask:
    """Mask of the texts that occur in `wanted`; a null never does.

    Examples
    --------
    >>> is_in(pd.Series(["a", None, "b"], dtype="str"), pd.Series(["b", None], dtype="str")).tolist()
    [False, False, True]
    """
    return _mask(pc.is_in(_arrow(values), value_set=_arrow(wanted.dropna()), skip_nulls=True))


def with_nulls(values: pd.Series, null_values: tuple[str, ...]) -> pd.Series:
    """The values with NaN (NaT) where `is_null` says so."""
    null = is_null(values, null_values)
    return values.mask(null) if null.any() else values


def parse_numbers(values: pd.Series) -> Parsed:
    """Numbers (float64, NaN where null) written in plain decimals, optionally with an exponent.

    Spaces around are ignored. Thousands separators, units and other digits than 0-9 are `bad_number`;
    an infinity, also one by overflow (`1e999`), is `infinite`.

    Examples
    --------
    >>> parsed = parse_numbers(pd.Series(["1e3", "1,000", "1e999"], dtype="str"))
    >>> parsed.values.tolist()
    [1000.0, nan, nan]
    >>> [(fault.code, fault.mask.tolist()) for fault in parsed.faults]
    [('infinite', [False, False, True]), ('bad_number', [False, True, False])]
    """
    text = pc.utf8_trim(_arrow(values), characters=" ")
    present = values.notna().to_numpy(dtype=bool)
    plain = _matches(text, _NUMBER)
    numbers = np.asarray(
        pc.cast(pc.if_else(pa.array(plain), text, None), pa.float64()).to_numpy(zero_copy_only=False)
    )
    infinite = (plain & np.isinf(numbers)) | (present & ~plain & _matches(text, _INFINITE))
    numbers = np.where(infinite, np.nan, numbers)
    bad = present & ~plain & ~infinite
    faults = (
        Fault(infinite, "infinite", "is not finite"),
        Fault(bad, "bad_number", "is no plain decimal number"),
    )
    return Parsed(pd.Series(numbers, index=values.index, dtype="float64"), _found(*faults))


def parse_booleans(values: pd.Series) -> Parsed:
    """Booleans as 1.0, 0.0 or NaN: 1/0, true/false, yes/no, y/n, t/f in any case.

    Examples
    --------
    >>> parse_booleans(pd.Series(["Yes", "f", None], dtype="str")).values.tolist()
    [1.0, 0.0, nan]
    """
    text = pc.utf8_lower(pc.utf8_trim(_arrow(values), characters=" "))
    is_true, is_false = (
        _mask(pc.is_in(text, value_set=pa.array(each, text.type))) for each in (_TRUE, _FALSE)
    )
    numbers = np.where(is_true, 1.0, np.where(is_false, 0.0, np.nan))
    bad = values.notna().to_numpy(dtype=bool) & ~is_true & ~is_false
    fault = Fault(bad, "bad_boolean", "is no boolean (1/0, true/false, yes/no, y/n, t/f)")
    return Parsed(pd.Series(numbers, index=values.index, dtype="float64"), _found(fault))


def parse_times(values: pd.Series, time_format: str | None = None, time_zone: str | None = None) -> Parsed:
    """Moments (datetime64[us, UTC], NaT where null) from text or from typed time columns.

    Without `time_format` the text is ISO 8601 with a four-digit year and at least a day; a date alone is
    its midnight; digits beyond microseconds are cut off. Text without an offset is read in `time_zone`
    (None: it is `bad_time`): of an hour that occurs twice the first is meant, and an hour that a clock
    change skips becomes the first moment after it. Years outside 1900-2199 are `bad_time`.

    Raises
    ------
    ValueError
        If the time format can't be used, or a typed column holds fractions of a microsecond.

    Examples
    --------
    >>> berlin = parse_times(pd.Series(["2024-10-27 02:30"], dtype="str"), time_zone="Europe/Berlin")
    >>> str(berlin.values[0])
    '2024-10-27 00:30:00+00:00'
    """
    present = values.notna().to_numpy(dtype=bool)
    if not isinstance(values.dtype, pd.StringDtype):
        moments, zoneless = _typed_times(values, time_zone)
    elif time_format is None:
        moments, zoneless = _iso_times(values, time_zone)
    else:
        moments, zoneless = _formatted_times(values, time_format, time_zone)
    with np.errstate(invalid="ignore"):
        inside = (moments >= _FIRST_YEAR) & (moments < _LAST_YEAR)
    bad = present & ~zoneless & ~inside
    moments = np.where(inside, moments, np.datetime64("NaT"))
    wanted = "ISO 8601" if time_format is None else f"of the form {time_format}"
    faults = (
        Fault(zoneless, "bad_time", "has no time zone and none is configured (time_zone)"),
        Fault(bad, "bad_time", f"is no time {wanted} in the years 1900 to 2199"),
    )
    series = pd.Series(moments, index=values.index).dt.tz_localize("UTC")
    return Parsed(series, _found(*faults))


def _iso_times(values: pd.Series, time_zone: str | None) -> tuple[NDArray[Any], Mask]:
    text = _arrow(values)
    iso = _matches(text, _ISO)
    if _matches(text, r"\.\d{7}").any():
        text = pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1")
        values = pd.Series(text.to_pandas(), index=values.index, dtype="str")
    aware = iso & _matches(text, _ISO_WITH_ZONE) & _matches(text, _TIME_OF_DAY)
    naive = iso & ~aware
    zoneless = naive if time_zone is None else np.zeros(len(values), bool)
    moments = np.full(len(values), np.datetime64("NaT"), "datetime64[us]")
    if aware.any():
        parsed = pd.to_datetime(values[aware], format="ISO8601", utc=True, errors="coerce")
        moments[aware] = _utc_moments(parsed)
    if time_zone is not None and naive.any():
        moments[naive] = _localized(
            pd.to_datetime(values[naive], format="ISO8601", errors="coerce"), time_zone
        )
    return moments, zoneless


def _formatted_times(values: pd.Series, time_format: str, time_zone: str | None) -> tuple[NDArray[Any], Mask]:
    has_zone = "%z" in time_format.lower()
    readable = _matches(_arrow(values), "[0-9]")
    zoneless = readable & (not has_zone and time_zone is None)
    moments = np.full(len(values), np.datetime64("NaT"), "datetime64[us]")
    wanted = readable & ~zoneless
    if wanted.any():
        parsed = pd.to_datetime(values[wanted], format=time_format, utc=has_zone, errors="coerce")
        moments[wanted] = _utc_moments(parsed) if has_zone else _localized(parsed, str(time_zone))
    return moments, zoneless


def _typed_times(values: pd.Series, time_zone: str | None) -> tuple[NDArray[Any], Mask]:
    if values.dt.unit == "ns" and (values.dt.nanosecond.fillna(0) != 0).any():
        raise ValueError("holds fractions of a microsecond; round the column to microseconds in the export")
    if values.dt.tz is not None:
        return _utc_moments(values), np.zeros(len(values), bool)
    if time_zone is None:
        present = values.notna().to_numpy(dtype=bool)
        return np.full(len(values), np.datetime64("NaT"), "datetime64[us]"), np.asarray(present)
    return _localized(values, time_zone), np.zeros(len(values), bool)


def _localized(naive: pd.Series, time_zone: str) -> NDArray[Any]:
    first = np.ones(len(naive), bool)
    aware = naive.dt.tz_localize(time_zone, ambiguous=first, nonexistent="shift_forward")
    return _utc_moments(aware)


def _utc_moments(aware: pd.Series) -> NDArray[Any]:
    moments = aware.dt.tz_convert("UTC").dt.tz_localize(None).dt.as_unit("us")
    return np.asarray(moments.to_numpy(), "datetime64[us]")


def _arrow(values: pd.Series) -> Any:
    return pa.array(values, type=pa.large_string(), from_pandas=True)


def _matches(text: Any, pattern: str) -> Mask:
    return _mask(pc.match_substring_regex(text, pattern))


def _mask(found: Any) -> Mask:
    return np.asarray(pc.fill_null(found, fill_value=False).to_numpy(zero_copy_only=False), dtype=bool)


def _found(*faults: Fault) -> tuple[Fault, ...]:
    return tuple(fault for fault in faults if fault.mask.any())
