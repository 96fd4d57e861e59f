"""Seams on a flat ring: two halves, stations that face each other, pulls that fade."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.lab.geometry.making.seams import (
    LOWER_REACH,
    UPPER_REACH,
    along,
    beside,
    edges,
    falloff,
    hat_weights,
    lid_seam,
    lip_seam,
)


@pytest.fixture(scope="module")
def eye() -> tuple[np.ndarray, np.ndarray]:
    """Vertices of a sheet with an almond-shaped loop in it, and the loop."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    loop = np.stack([0.014 * np.cos(turn), 0.005 * np.sin(turn), 0 * turn], axis=1)
    x, y = np.meshgrid(np.linspace(-0.03, 0.03, 31), np.linspace(-0.02, 0.02, 21))
    sheet = np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3)
    outside = (sheet[:, 0] / 0.014) ** 2 + (sheet[:, 1] / 0.005) ** 2 > 1.1
    vertices = np.concatenate([loop, sheet[outside]]).astype(np.float32)
    return vertices, np.arange(24, dtype=np.int32)


def test_edges_meet_at_the_corners(eye: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, loop = eye
    for turned in (loop, np.roll(loop, 7), loop[::-1]):
        upper, lower = edges(vertices, turned)
        assert upper[0] == lower[0]
        assert upper[-1] == lower[-1]
        assert (np.diff(vertices[upper, 0]) > 0).all()
        assert vertices[upper, 1].mean() > 0 > vertices[lower, 1].mean()
        assert set(upper) | set(lower) == set(loop.tolist())


def test_stations_face_each_other(eye: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, loop = eye
    seam = lid_seam(vertices, loop)
    upper, lower = (side @ vertices[seam.vertices] for side in (seam.upper, seam.lower))
    assert np.abs(upper[:, 0] - lower[:, 0]).max() < 1e-3
    assert (upper[:, 1] > lower[:, 1]).all()
    assert np.abs(upper[:, 1] + lower[:, 1]).max() < 1e-3


def test_pulls_close_the_gap_and_fade(eye: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, loop = eye
    seam = lid_seam(vertices, loop)
    near = vertices[seam.vertices]
    for _ in range(3):
        gap = (seam.upper - seam.lower) @ near
        near = near - 0.85 * seam.pull_upper @ gap + 0.15 * seam.pull_lower @ gap
    assert np.abs((seam.upper - seam.lower) @ near).max() < 1e-4
    far = np.linalg.norm(vertices[seam.vertices][:, None] - vertices[loop], axis=2).min(axis=1)
    assert not seam.pull_upper[far > UPPER_REACH].any()
    assert not seam.pull_lower[far > LOWER_REACH + 1e-4].any()
    below = vertices[seam.vertices, 1] < -0.006
    assert seam.pull_upper[below].max() < 0.05


def test_lips_pull_alike_on_both_sides(eye: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, loop = eye
    seam = lip_seam(vertices, loop)
    assert seam.pull_upper.sum() == pytest.approx(seam.pull_lower.sum(), rel=0.1)


def test_along_is_arc_length() -> None:
    points = np.float32([[0, 0, 0], [3, 4, 0], [3, 4, 5]])
    assert np.allclose(along(points), [0, 0.5, 1])


def test_hat_weights_interpolate() -> None:
    knots = np.float32([0, 0.2, 0.7, 1])
    values = np.float32([0.1, 0.45, 0.9, 2])
    found = hat_weights(values, knots)
    assert np.allclose(found @ knots, [0.1, 0.45, 0.9, 1], atol=1e-6)
    assert np.allclose(found.sum(axis=1), 1)


def test_beside_is_the_nearest_place() -> None:
    """Against a fine walk along the line."""
    rng = np.random.default_rng(0)
    line = np.cumsum(rng.normal(size=(6, 3)), axis=0)
    points = rng.normal(0, 3, (20, 3))
    share = np.linspace(0, 1, 20001)
    walk = np.stack([np.interp(share, along(line), line[:, d]) for d in range(3)], axis=1)
    gaps = np.linalg.norm(points[:, None] - walk[None], axis=2)
    found, where = beside(points, line)
    assert np.abs(found - gaps.min(axis=1)).max() < 1e-3
    assert np.abs(where - share[gaps.argmin(axis=1)]).max() < 2e-3


def test_falloff_is_smooth_and_ends() -> None:
    found = falloff(np.float32([0, 0.5, 1, 2]), 1.0)
    assert np.allclose(found, [1, 0.5625, 0, 0])
