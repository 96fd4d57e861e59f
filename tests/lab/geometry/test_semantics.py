"""Traits to coefficients, and directions that change one trait alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Head, load_head
from fusiform.lab.geometry.making.trials import draw_people, leaks, measured, measures
from fusiform.lab.geometry.semantics import (
    AGE_KNOTS,
    AGEING_TRAITS,
    DIRECTIONS,
    FEATURES,
    WIDEST,
    ageing_amount,
    corner_features,
    direction,
    features,
    hats,
    person_coefficients,
)

f32 = np.float32


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


def person(
    head: Head,
    male: float = 0.5,
    age: float = 35,
    weight: float = 0,
    ancestry: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3),
    own: np.ndarray | None = None,
) -> np.ndarray:
    """Coefficients of one person; average where nothing is said."""
    usual = np.full((1, AGEING_TRAITS), 0.4, f32)
    row = features(f32([ancestry]), f32([male]), f32([age]), f32([weight]), usual)[0]
    own = np.zeros(len(head.shape.rows), f32) if own is None else own
    return person_coefficients(head, row, own)


@given(st.lists(st.floats(1, 90), min_size=1, max_size=6))
def test_hats_interpolate(values: list[float]) -> None:
    found = hats(np.array(values), AGE_KNOTS)
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-5
    assert found.min() >= 0
    assert np.abs(found @ np.array(AGE_KNOTS) - values).max() < 1e-3
    assert (np.count_nonzero(found > 1e-6, axis=1) <= 2).all()


def test_hats_stay_at_the_ends() -> None:
    assert np.array_equal(hats(np.array([-5.0, 200.0]), AGE_KNOTS), np.eye(4, dtype=f32)[[0, 3]])


@given(st.floats(0, 1), st.floats(1, 90), st.integers(0, 2))
def test_corner_features_are_shares(male: float, age: float, which: int) -> None:
    ancestry = np.eye(3, dtype=f32)[[which]]
    found = corner_features(ancestry, f32([male]), f32([age])).reshape(3, 2, 4)
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert found[which].sum() == pytest.approx(1, abs=1e-5)
    assert found[:, 1].sum() == pytest.approx(male, abs=1e-5)
    assert (found.sum(axis=(0, 1)) * AGE_KNOTS).sum() == pytest.approx(age, abs=1e-3)


def test_features_say_weight_and_ageing_apart() -> None:
    two = features(
        np.eye(3, dtype=f32)[:2], f32([0, 1]), f32([25, 80]), f32([-0.5, 0.3]), np.full((2, 8), 0.4)
    )
    assert two.shape == (2, FEATURES)
    assert two.dtype == f32
    assert np.allclose(two[:, 24:26], [[0.5, 0], [0, 0.3]])
    assert np.allclose(two[0, 26:], 0)
    assert np.allclose(two[1, 26:], 0.4)


def test_ageing_starts_at_thirty() -> None:
    assert np.allclose(ageing_amount(np.array([5, 30, 55, 80, 200])), [0, 0, 0.5, 1, 1.2])


def test_coefficients_of_many_people_have_variance_one(head: Head) -> None:
    rows, _ = draw_people(head, 11, 3000)
    assert np.abs(rows.mean(axis=0)).max() < 0.2
    assert np.abs(rows.std(axis=0) - 1).max() < 0.2
    # nothing that is a person's own goes beyond its bound
    far = person(head, own=np.full(len(head.shape.rows), 50, f32))
    bound = person(head, own=np.full(len(head.shape.rows), WIDEST, f32))
    assert np.array_equal(far, bound)


def test_what_is_ones_own_stays_through_ages(head: Head) -> None:
    own = np.random.default_rng(1).normal(size=len(head.shape.rows)).astype(f32)
    for age in (20, 60):
        gap = person(head, age=age, own=own) - person(head, age=age)
        if age == 20:
            first = gap
    assert np.abs(gap - first).max() < 1e-5


def test_men_are_larger_and_faces_grow(head: Head) -> None:
    def size(**kind: float) -> dict[str, float]:
        return {name: float(v[0]) for name, v in measures(head, person(head, **kind)[None]).items()}

    man, woman, child = size(male=1), size(male=0), size(age=8)
    for name in ("face_length", "bizygomatic", "head_length", "nose_breadth"):
        assert man[name] > woman[name]
        assert woman[name] > child[name]
    assert size(weight=0.8)["bigonial"] > size()["bigonial"] > size(weight=-0.8)["bigonial"]


def test_adults_have_the_published_measures(head: Head) -> None:
    """Means within 1 mm or 2 %; deviations within a quarter, but where the source's ancestries
    differ more than people do (see docs/head.md)."""
    wide = {"nose_protrusion", "head_length", "fissure", "bigonial", "face_length"}
    for name, sexes in measured(head, 31, 1500).items():
        for wanted, deviation, mean, spread in sexes.values():
            assert abs(mean - wanted) < max(1.0, 0.02 * wanted), name
            assert 0.5 < spread / deviation < 1.8, name
            if name not in wide:
                assert 0.75 < spread / deviation < 1.25, name


def test_directions_do_not_leak(head: Head) -> None:
    """Ten years more change the other read-outs by less than 0.05 of a unit, and so on."""
    found = leaks(head, 21)
    for name in DIRECTIONS:
        own = found[name][name]
        assert own == pytest.approx(1, abs=0.1)
        others = {trait: value for trait, value in found[name].items() if trait != name}
        if name in ("african", "asian", "european"):
            # shares sum to 1, so what one gains the others lose
            for trait in ("african", "asian", "european"):
                if trait != name:
                    assert others.pop(trait) == pytest.approx(-0.5, abs=0.1)
        assert max(map(abs, others.values())) < 0.05, (name, others)


@pytest.mark.parametrize("name", ["male", "age", "weight"])
def test_directions_keep_faces_symmetric(head: Head, name: str) -> None:
    """Asymmetry belongs to people, not to traits."""
    move = np.tensordot(direction(head, name), head.shape.rows, axes=1)
    flipped = move[head.mirror] * f32([-1, 1, 1])
    face = head.masks["front"] > 0.5
    assert np.abs(flipped - move)[face].max() < 0.12 * np.abs(move[face]).max()


def test_direction_moves_what_it_says(head: Head) -> None:
    older = person(head, age=40) + 2 * direction(head, "age")
    now, then = (measures(head, row[None]) for row in (person(head, age=40), older))
    assert then["face_length"][0] != now["face_length"][0]
    with pytest.raises(ChoiceError, match="tall"):
        direction(head, "tall")
