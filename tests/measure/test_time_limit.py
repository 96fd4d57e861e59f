"""FRUITS: who is quick enough, and who of them errs least."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.measure.time_limit import LIMITS, Entry, ranked_within, seconds_each


def test_time_is_the_median_of_rounds_and_warming_up_is_free() -> None:
    ticks = iter([0.0, 2.0, 10.0, 50.0, 60.0, 64.0])  # rounds of 2, 40 and 4 seconds
    seen: list[str] = []
    assert seconds_each(seen.append, ["a", "b"], 3, lambda: next(ticks)) == 2.0
    assert seen == ["a", *"ababab"]


def test_a_real_clock_moves_forward() -> None:
    assert seconds_each(lambda n: sum(range(n)), [1000]) > 0


def test_slow_systems_do_not_compete() -> None:
    small, large, slow = Entry("s", 0.05, 0.09), Entry("l", 0.4, 0.03), Entry("x", 2, 0.01)
    tables = [[e.name for e in ranked_within([slow, small, large], limit)] for limit in LIMITS]
    assert tables == [["s"], ["l", "s"], ["l", "s"]]


def test_of_equal_errors_the_quicker_stands_first() -> None:
    found = ranked_within([Entry("b", 0.2, 0.1), Entry("a", 0.3, 0.1), Entry("c", 0.2, 0.1)], 0.3)
    assert [e.name for e in found] == ["b", "c", "a"]


@given(
    st.lists(st.tuples(st.floats(0.001, 2), st.floats(0, 1)), max_size=8),
    st.floats(0.01, 2),
)
def test_nobody_left_out_was_both_quick_enough_and_better(
    drawn: list[tuple[float, float]], limit: float
) -> None:
    entries = [Entry(str(i), *one) for i, one in enumerate(drawn)]
    found = ranked_within(entries, limit)
    assert all(a.error <= b.error for a, b in itertools.pairwise(found))
    assert {e for e in entries if e.seconds <= limit} == set(found)


@pytest.mark.parametrize(("seconds", "error"), [(0, 0.1), (float("nan"), 0.1), (1, 1.1), (1, -1)])
def test_impossible_entries_are_refused(seconds: float, error: float) -> None:
    with pytest.raises(ChoiceError, match="must be"):
        Entry("a", seconds, error)


def test_nothing_to_time_is_refused() -> None:
    with pytest.raises(ChoiceError, match="at least one"):
        seconds_each(str, [])
    with pytest.raises(ChoiceError, match="at least one"):
        seconds_each(str, [1], 0)
    with pytest.raises(ChoiceError, match="limit"):
        ranked_within([], 0)
