"""Components against a plain SVD, alignment against SciPy, regression against the normal form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fusiform.lab.geometry.making.statistics import (
    Components,
    components,
    motions,
    regress,
    signs,
    steer,
    without_motion,
)

N, T, S = 12, 7, 400


@pytest.fixture(scope="module")
def population() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(N, 3)).astype(np.float32)
    targets = rng.normal(0, 0.1, (T, N, 3)).astype(np.float32)
    drawn = (rng.normal(size=(S, T)) @ rng.normal(size=(T, T)) + 0.3).astype(np.float32)
    weights = rng.uniform(0.2, 2, N).astype(np.float32)
    return base, targets, drawn, weights / weights.sum()


@pytest.fixture(scope="module")
def parts(population: tuple[np.ndarray, ...]) -> Components:
    return components(*population, 1 - 1e-12)


def heads_of(population: tuple[np.ndarray, ...]) -> np.ndarray:
    base, targets, drawn, _ = population
    return base + np.einsum("st,tnd->snd", drawn.astype(np.float64), targets)


def test_components_are_those_of_an_svd(
    population: tuple[np.ndarray, ...], parts: Components
) -> None:
    """Of the heads themselves, each coordinate times the root of its vertex's weight."""
    heads, weights = heads_of(population), population[3]
    away = (heads - heads.mean(axis=0)) * np.sqrt(weights)[:, None]
    _, sizes, rows = np.linalg.svd(away.reshape(S, -1), full_matrices=False)
    variance = sizes[:T] ** 2 / (S - 1)
    assert np.allclose(parts.variance, variance, rtol=1e-4)
    assert parts.total == pytest.approx(variance.sum(), rel=1e-4)
    ours = (parts.basis * np.sqrt(weights)[:, None]).reshape(T, -1)
    for k in range(T):
        wanted = rows[k] * np.sqrt(variance[k])
        assert min(np.abs(ours[k] - wanted).max(), np.abs(ours[k] + wanted).max()) < 1e-4


def test_coefficients_have_variance_one(
    population: tuple[np.ndarray, ...], parts: Components
) -> None:
    found = parts.coefficients(heads_of(population).astype(np.float32))
    assert np.abs(found.mean(axis=0)).max() < 1e-4
    assert np.allclose(np.cov(found, rowvar=False), np.eye(T), atol=1e-3)
    by_targets = parts.start + population[2] @ parts.targets
    assert np.abs(found - by_targets).max() < 1e-3
    assert np.abs(parts.heads(found) - heads_of(population)).max() < 1e-5


def test_fewer_components_hold_their_share(population: tuple[np.ndarray, ...]) -> None:
    fewer = components(*population, 0.8)
    assert fewer.variance.sum() >= 0.8 * fewer.total
    assert fewer.variance[:-1].sum() < 0.8 * fewer.total


def test_without_motion_takes_small_motion_out() -> None:
    rng = np.random.default_rng(1)
    mean = rng.normal(size=(30, 3))
    rigid = np.arange(20)
    shift, turn = rng.normal(0, 0.01, 3), rng.normal(0, 0.005, 3)
    moved = Rotation.from_rotvec(turn).apply(mean) + shift - mean
    left = without_motion(moved[None].astype(np.float32), mean.astype(np.float32), rigid)
    assert np.abs(left).max() < 3e-4
    # what no motion explains stays, and sums stay sums
    fields = rng.normal(size=(2, 30, 3)).astype(np.float32)
    one = without_motion(fields, mean.astype(np.float32), rigid)
    both = without_motion(fields.sum(axis=0)[None], mean.astype(np.float32), rigid)
    assert np.abs(one.sum(axis=0) - both[0]).max() < 1e-5
    again = without_motion(one, mean.astype(np.float32), rigid)
    assert np.abs(again - one).max() < 1e-5


@given(st.integers(0, 1000))
def test_motions_are_shifts_and_turns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, parts = rng.normal(size=(5, 3)), rng.normal(size=6)
    found = np.einsum("m,mnd->nd", parts, motions(points))
    assert np.allclose(found, parts[:3] + np.cross(parts[3:], points))


def test_signs_make_the_largest_positive() -> None:
    columns = np.array([[1.0, -2.0, 0.5], [-3.0, 1.0, 0.4]])
    assert np.array_equal(signs(columns), [-1, -1, 1])


def test_regress_finds_the_line() -> None:
    rng = np.random.default_rng(2)
    coefficients, slopes = rng.normal(size=(50, 4)), rng.normal(size=(4, 2))
    start, found = regress(coefficients, coefficients @ slopes + [1, -2])
    assert np.allclose(start, [1, -2])
    assert np.allclose(found, slopes)


def test_steer_moves_one_trait_alone() -> None:
    rng = np.random.default_rng(3)
    spread = rng.normal(size=(6, 6))
    covariance, readouts = spread @ spread.T, rng.normal(size=(6, 3))
    moves = steer(covariance, readouts, np.eye(3))
    assert np.allclose(moves @ readouts, np.eye(3))
    # any other move with the same readings is less likely
    cost = np.linalg.inv(covariance)
    free = np.linalg.svd(readouts.T)[2][3:]
    for move in moves:
        for other in move + 0.1 * free:
            assert other @ cost @ other >= move @ cost @ move - 1e-9
