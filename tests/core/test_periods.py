"""Periods against the calendar."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.core.periods import Period

DAYS = st.dates(date(1999, 1, 1), date(2999, 12, 31))


@pytest.mark.parametrize(
    ("text", "day", "before"),
    [
        ("2y", "2026-11-21", "2024-11-21"),
        ("1y", "2024-02-29", "2023-02-28"),
        ("4y", "2024-02-29", "2020-02-29"),
        ("1m", "2023-03-31", "2023-02-28"),
        ("18m", "2026-01-15", "2024-07-15"),
        ("6w", "2024-01-01", "2023-11-20"),
        ("90d", "2023-03-31", "2022-12-31"),
    ],
)
def test_the_calendar(text, day, before):
    assert Period.of(text).before(date.fromisoformat(day)) == date.fromisoformat(before)
    assert str(Period.of(f" {text} ")) == text


@given(DAYS, st.integers(1, 999))
def test_months_are_stepped_back_one_by_one(day, count):
    year, month = day.year, day.month
    for _ in range(count):
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    before = Period(count, "m").before(day)
    assert (before.year, before.month) == (year, month)
    assert before.day == day.day or (before + timedelta(1)).day == 1


@given(DAYS, st.integers(1, 99))
def test_units_agree(day, count):
    assert Period(count, "w").before(day) == Period(7 * count, "d").before(day)
    assert Period(count, "y").before(day) == Period(12 * count, "m").before(day)


@pytest.mark.parametrize(
    "text", ["", "2", "y", "0d", "1000d", "-1y", "2 y", "2years", "1.5y", "٣d"]
)
def test_what_is_no_period(text):
    with pytest.raises(ChoiceError, match="such as 90d, 6w, 18m, 2y"):
        Period.of(text)
