"""Traits: what is taken and what is refused."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.lab.world.traits import ANCESTRIES, OLDEST, YOUNGEST, Traits

EVEN = (0.25, 0.25, 0.5)


def test_names_and_bounds():
    assert ANCESTRIES == ("african", "asian", "european")
    assert (YOUNGEST, OLDEST) == (5, 90)


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(YOUNGEST, OLDEST),
    st.floats(-1, 1),
)
def test_all_in_range_are_taken(first, share, male, age, weight):
    second = (1 - first) * share
    traits = Traits((first, second, max(0.0, 1 - first - second)), male, age, weight)
    assert (traits.male, traits.age, traits.weight) == (male, age, weight)


def test_weight_is_average_unless_told():
    assert Traits(EVEN, 0.5, 30).weight == 0


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("ancestry", (0.5, 0.6, 0.1)),
        ("ancestry", (0.0, 0.0, 0.0)),
        ("ancestry", (-0.1, 0.6, 0.5)),
        ("male", -0.01),
        ("male", 1.01),
        ("male", float("nan")),
        ("age", 4.9),
        ("age", 90.1),
        ("age", float("nan")),
        ("weight", 1.1),
        ("weight", -1.1),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(field, wrong):
    good = {"ancestry": EVEN, "male": 0.5, "age": 30.0, "weight": 0.0}
    with pytest.raises(ChoiceError, match=f"Traits.{field}"):
        Traits(**(good | {field: wrong}))


def test_traits_are_values():
    one, other = Traits(EVEN, 1, 30), Traits(EVEN, 1, 30)
    assert one == other
    assert hash(one) == hash(other)
    with pytest.raises(FrozenInstanceError):
        one.age = 31
