"""Measures on a head, and making a population have published ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.lab.geometry.making.anthropometry import (
    NORMS,
    extremes,
    measure,
    move,
    nearest,
    pin,
)


def matrices(seed: int, k: int = 6, m: int = 2) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    spread, wanted = rng.normal(size=(k, k)), rng.normal(size=(m, m))
    return spread @ spread.T + np.eye(k), rng.normal(size=(m, k)), wanted @ wanted.T + np.eye(m)


@given(st.integers(0, 1000))
def test_pin_gives_the_wanted_spread(seed: int) -> None:
    covariance, rows, wanted = matrices(seed)
    found = pin(covariance, rows, wanted)
    assert np.allclose(rows @ found @ rows.T, wanted)
    assert np.allclose(found, found.T)
    assert np.linalg.eigvalsh(found).min() > -1e-9


@given(st.integers(0, 1000))
def test_pin_keeps_what_is_not_measured(seed: int) -> None:
    """The spread of the rest, given the measures, is as before."""
    covariance, rows, wanted = matrices(seed)

    def given_measures(c: np.ndarray) -> np.ndarray:
        gain = c @ rows.T @ np.linalg.inv(rows @ c @ rows.T)
        return c - gain @ rows @ c

    found = pin(covariance, rows, wanted)
    assert np.allclose(given_measures(found), given_measures(covariance))


def test_pin_to_what_is_changes_nothing() -> None:
    covariance, rows, _ = matrices(0)
    assert np.allclose(pin(covariance, rows, rows @ covariance @ rows.T), covariance)


@given(st.integers(0, 1000))
def test_move_changes_measures_as_asked(seed: int) -> None:
    covariance, rows, _ = matrices(seed)
    change = np.array([0.3, -0.1])
    assert np.allclose(rows @ move(covariance, rows, change), change)


def test_measure_is_the_distance() -> None:
    heads = np.random.default_rng(0).normal(size=(4, 9, 3))
    found = measure(heads, {"a": (0, 3), "b": (8, 1)})
    assert found["a"].shape == (4,)
    assert found["b"][2] == pytest.approx(np.sqrt(((heads[2, 8] - heads[2, 1]) ** 2).sum()))


def test_nearest_and_extremes() -> None:
    vertices = np.float32([[0, 0, 0], [1, 0, 0], [0, 2, 0], [-5, 0, 0]])
    assert nearest(vertices, np.float32([[0.9, 0.2, 0], [0, 1.5, 1]])).tolist() == [1, 2]
    assert extremes(vertices, np.array([0, 1, 2], np.int32), 0) == (0, 1)


def test_norms_are_human() -> None:
    for name, norm in NORMS.items():
        assert 0.015 < norm.female < norm.male < 0.21, name
        assert 0.03 < norm.male_sd / norm.male < 0.14, name
        assert 0.03 < norm.female_sd / norm.female < 0.14, name
