from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.values.quantity import (
    Money,
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
)

cents = st.integers(-(10**15), 10**15)
positive = st.integers(0, 10**15)


@given(positive)
def test_money_is_read_back_as_it_is_written(amount):
    money = Money(amount)
    assert Money.parse(str(money)) == money
    assert Money.parse(money.wire) == money
    assert Money.parse(money.wire.removeprefix("$")) == money


@given(cents)
def test_negative_money_is_read_back_too(amount):
    money = Money(amount)
    assert Money.parse(str(money)) == money
    assert Money.parse(money.wire) == money


@given(cents, cents)
def test_money_adds_and_compares_in_cents(first, second):
    assert (Money(first) + Money(second)).cents == first + second
    assert (Money(first) < Money(second)) == (first < second)
    assert Money(first) * 3 == Money(first * 3)


@given(st.integers(0, 10**9))
def test_dollars_come_back_to_the_same_cents(amount):
    assert Money.of_dollars(Money(amount).dollars) == Money(amount)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("$12.34", 1234),
        ("12.34", 1234),
        ("$1,234.50", 123450),
        (" 7 ", 700),
        ("0.005", 1),
        ("1.004", 100),
        ("-$1.99", -199),
        ("$-5", -500),
    ],
)
def test_spellings_of_money(text, amount):
    assert Money.parse(text).cents == amount


@pytest.mark.parametrize("text", ["", "$", "1.2.3", "1,23", "twelve", "1e3", "€1", "--1", "-$-1"])
def test_what_is_no_money(text):
    with pytest.raises(ValueError, match="write one as"):
        Money.parse(text)


def test_money_rounds_half_up_and_takes_floats_by_their_text():
    assert Money.of_dollars(0.285).cents == 29
    assert Money.of_dollars(Decimal("0.125")).cents == 13
    assert Money.of_dollars(24).wire == "$24.00"
    assert str(Money(123456789)) == "$1,234,567.89"


@given(st.integers(0, 10**7))
def test_durations_of_whole_seconds(seconds):
    assert parse_duration(f"{seconds}s") == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1w", 604800),
        ("500ms", 0.5),
        ("1.5h", 5400),
    ],
)
def test_spellings_of_durations(text, seconds):
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "1x", "1h 30", "-1h", "h1", "9" * 400 + "w"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (4.4, "4s"),
        (59.6, "1m00s"),
        (185, "3m05s"),
        (7800, "2h10m"),
        (3 * 86400 + 4 * 3600, "3d4h"),
    ],
)
def test_durations_as_people_read_them(seconds, text):
    assert format_duration(seconds) == text


offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=offsets)


@given(instants)
def test_instants_are_read_back_in_utc(moment):
    text = format_instant(moment)
    assert text.endswith("Z")
    assert parse_instant(text) == moment
    assert parse_instant(text).tzinfo is UTC
    assert parse_instant(moment.isoformat()) == moment


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)))
def test_a_time_without_an_offset_is_utc(moment):
    assert parse_instant(moment.isoformat()) == moment.replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "12:00", "2026-01-01T25:00:00Z"])
def test_what_is_no_instant(text):
    with pytest.raises(ValueError, match="not a time"):
        parse_instant(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"])
def test_instants_outside_of_the_calendar(text):
    with pytest.raises(ValueError, match="not a time"):
        parse_instant(text)
