"""Text to times, numbers and booleans, by hand and against the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.values import is_null, parse_booleans, parse_numbers, parse_times, with_nulls


def text(*values: str | None) -> pd.Series:
    return pd.Series(list(values), dtype="str")


def moments(*values: str | None, time_format: str | None = None, time_zone: str | None = None) -> list[str]:
    parsed = parse_times(text(*values), time_format, time_zone)
    assert str(parsed.values.dtype) == "datetime64[us, UTC]"
    return ["bad" if pd.isna(moment) else moment.isoformat() for moment in parsed.values]


def test_offsets_of_all_kinds_become_utc() -> None:
    found = moments(
        "2024-01-02T03:04:05Z",
        "2024-01-02T03:04:05+02:00",
        "2024-01-02 03:04:05.25-0330",
        "2024-01-02 03:04 +02",
    )

    assert found == [
        "2024-01-02T03:04:05+00:00",
        "2024-01-02T01:04:05+00:00",
        "2024-01-02T06:34:05.250000+00:00",
        "2024-01-02T01:04:00+00:00",
    ]


def test_a_time_without_offset_is_read_in_the_configured_zone() -> None:
    assert moments("2024-07-01 12:00", time_zone="Europe/Berlin") == ["2024-07-01T10:00:00+00:00"]


def test_a_time_without_offset_is_bad_where_no_zone_is_configured() -> None:
    parsed = parse_times(text("2024-07-01 12:00", "2024-07-01T12:00Z"))

    assert parsed.values.isna().tolist() == [True, False]
    assert [(fault.code, fault.mask.tolist()) for fault in parsed.faults] == [("bad_time", [True, False])]
    assert "no time zone" in parsed.faults[0].words


def test_a_date_alone_is_its_midnight_in_the_configured_zone() -> None:
    assert moments("2024-01-02", time_zone="UTC") == ["2024-01-02T00:00:00+00:00"]
    assert moments("2024-07-01", time_zone="Europe/Berlin") == ["2024-06-30T22:00:00+00:00"]


def test_an_hour_that_occurs_twice_means_the_first() -> None:
    assert moments("2024-10-27 02:30:00", time_zone="Europe/Berlin") == ["2024-10-27T00:30:00+00:00"]


def test_an_hour_that_the_clock_skips_becomes_the_first_moment_after_it() -> None:
    assert moments("2024-03-31 02:30:00", time_zone="Europe/Berlin") == ["2024-03-31T01:00:00+00:00"]


def test_digits_beyond_microseconds_are_cut_off() -> None:
    found = moments(
        "2024-01-02T03:04:05.1234569Z", "2024-01-02T03:04:05.999999999+01:00", "2024-01-02T03:04:05.1Z"
    )

    assert found == [
        "2024-01-02T03:04:05.123456+00:00",
        "2024-01-02T02:04:05.999999+00:00",
        "2024-01-02T03:04:05.100000+00:00",
    ]


@pytest.mark.parametrize(
    "value",
    [
        "0000-00-00",
        "0000-00-00 00:00:00",
        "9999-12-31",
        "2200-01-01",
        "1899-12-31",
        "45000",
        "45000.5",
        "1704153600000",
        "20240102",
        "2024",
        "2024-01",
        "now",
        "today",
        "NaT",
        "nan",
        "None",
        "2024-02-30",
        "2024-13-01",
        "2024-01-02T24:00:00",
        "2024-01-02T03:04:60",
        "2024-01-02T03:04:05+99:99",
        "2024-01-02 +02:00",
        "2024/01/02",
        "02.01.2024",
        "1/2/2024",
        "2024-1-2",
        "٢٠٢٤-٠١-٠٢",
        "2024-01-02T03:04:05Z trailing",
        " 2024-01-02",
        "2024-01-02\n",
    ],
)
def test_what_is_no_iso_time_of_this_age_is_bad(value: str) -> None:
    parsed = parse_times(text(value, "2024-01-02"), time_zone="UTC")

    assert [(fault.code, fault.mask.tolist()) for fault in parsed.faults] == [("bad_time", [True, False])]
    assert parsed.values.isna().tolist() == [True, False]


def test_a_null_is_no_fault() -> None:
    parsed = parse_times(text(None, None), time_zone="UTC")

    assert parsed.faults == ()
    assert parsed.values.isna().all()


def test_a_time_format_reads_exactly_that_form() -> None:
    found = moments("31/12/2024", "12/31/2024", "2024-12-31", "now", time_format="%d/%m/%Y", time_zone="UTC")

    assert found == ["2024-12-31T00:00:00+00:00", "bad", "bad", "bad"]


def test_a_time_format_may_hold_the_offset() -> None:
    assert moments("31.12.2024 23:30 -0100", time_format="%d.%m.%Y %H:%M %z") == ["2025-01-01T00:30:00+00:00"]


def test_a_time_format_without_offset_needs_a_zone() -> None:
    parsed = parse_times(text("31/12/2024"), "%d/%m/%Y")

    assert "no time zone" in parsed.faults[0].words


def test_a_time_format_that_means_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="bad directive"):
        parse_times(text("31/12/2024"), "%Q", "UTC")


def test_typed_times_become_utc() -> None:
    naive = pd.Series(["2024-07-01 12:00", None], dtype="datetime64[ns]")

    assert str(parse_times(naive, time_zone="Europe/Berlin").values[0]) == "2024-07-01 10:00:00+00:00"
    assert str(parse_times(naive.dt.tz_localize("Asia/Tokyo")).values[0]) == "2024-07-01 03:00:00+00:00"


def test_typed_times_without_zone_are_bad_where_none_is_configured() -> None:
    parsed = parse_times(pd.Series(["2024-07-01 12:00", None], dtype="datetime64[us]"))

    assert [fault.mask.tolist() for fault in parsed.faults] == [[True, False]]


def test_typed_times_with_fractions_of_a_microsecond_are_an_error() -> None:
    fine = pd.Series(pd.to_datetime(["2024-07-01 12:00:00.000000001"]))

    with pytest.raises(ValueError, match="fractions of a microsecond"):
        parse_times(fine, time_zone="UTC")


aware_times = st.datetimes(
    pd.Timestamp("1901-01-01").to_pydatetime(),
    pd.Timestamp("2199-12-30").to_pydatetime(),
    timezones=st.integers(-840, 840).map(lambda m: timezone(timedelta(minutes=m))),
)


@given(st.lists(aware_times, max_size=20), st.sampled_from("T "))
def test_any_aware_time_is_read_to_the_microsecond(times: list[datetime], separator: str) -> None:
    parsed = parse_times(pd.Series([time.isoformat(separator) for time in times], dtype="str"))

    assert parsed.faults == ()
    assert parsed.values.tolist() == [pd.Timestamp(time.astimezone(UTC)) for time in times]


local_times = st.datetimes(
    pd.Timestamp("1980-01-01").to_pydatetime(), pd.Timestamp("2035-01-01").to_pydatetime()
)


@given(st.lists(local_times, max_size=20))
def test_any_local_time_that_exists_is_read_as_the_standard_library_reads_it(times: list[datetime]) -> None:
    zone = ZoneInfo("Europe/Berlin")
    real = [
        time
        for time in times
        if time.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == time
    ]

    parsed = parse_times(
        pd.Series([time.isoformat() for time in real], dtype="str"), time_zone="Europe/Berlin"
    )

    assert parsed.values.tolist() == [
        pd.Timestamp(time.replace(tzinfo=zone).astimezone(UTC)) for time in real
    ]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12", 12.0),
        ("-1.5", -1.5),
        ("+3", 3.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        (" 7 ", 7.0),
        ("007", 7.0),
    ],
)
def test_plain_decimals_are_numbers(value: str, number: float) -> None:
    parsed = parse_numbers(text(value))

    assert parsed.values.tolist() == [number]
    assert parsed.faults == ()


@pytest.mark.parametrize(
    "value",
    [
        "1,000",
        "12 kg",
        "0x10",
        "1_000",
        "nan",
        "NaN",
        "",
        "-",
        ".",
        "1e",
        "١٢",
        "1 2",
        "True",
        "12\n",
        "1.2.3",
        "$5",
    ],
)
def test_what_is_no_plain_decimal_is_a_bad_number(value: str) -> None:
    parsed = parse_numbers(text(value, "1"))

    assert [(fault.code, fault.mask.tolist()) for fault in parsed.faults] == [("bad_number", [True, False])]
    assert parsed.values.isna().tolist() == [True, False]


@pytest.mark.parametrize("value", ["inf", "-Infinity", "+INF", "1e999", "-1e999", "9" * 400])
def test_an_infinity_is_no_number(value: str) -> None:
    parsed = parse_numbers(text(value, None))

    assert [(fault.code, fault.mask.tolist()) for fault in parsed.faults] == [("infinite", [True, False])]
    assert parsed.values.isna().all()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_any_finite_number_is_read_to_the_last_bit(numbers: list[float]) -> None:
    parsed = parse_numbers(pd.Series([repr(number) for number in numbers], dtype="str"))

    assert parsed.values.tolist() == numbers


@pytest.mark.parametrize(
    ("values", "number"),
    [
        (("1", "true", "TRUE", "Yes", "y", "T", "1.0"), 1.0),
        (("0", "false", "False", "NO", "n", "F", "0.0"), 0.0),
    ],
)
def test_booleans_are_read_in_any_case(values: tuple[str, ...], number: float) -> None:
    parsed = parse_booleans(text(*values))

    assert set(parsed.values) == {number}
    assert parsed.faults == ()


@pytest.mark.parametrize("value", ["2", "maybe", "on", "", "-1", "10"])
def test_what_is_no_boolean_is_bad(value: str) -> None:
    parsed = parse_booleans(text(value, None))

    assert [(fault.code, fault.mask.tolist()) for fault in parsed.faults] == [("bad_boolean", [True, False])]


def test_null_values_are_exact_text_and_the_empty_text_always_is_one() -> None:
    values = text("Select", "select", " Select", "", None, "NA")

    assert is_null(values, ("Select",)).tolist() == [True, False, False, True, True, False]
    assert with_nulls(values, ("Select",)).isna().tolist() == [True, False, False, True, True, False]


def test_typed_times_are_null_where_they_are_missing() -> None:
    assert is_null(pd.Series([np.datetime64("2024-01-01"), None]), ("",)).tolist() == [False, True]
