"""Openness where geometry tells it: all sky on a ball, half of it in a hemispherical bowl."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.lab.geometry.making.openness import (
    expression_openness,
    frame,
    openness,
    sphere_directions,
)


def ball(rings: int, top: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of a ball of 0.1 m below an angle `top` from its lowest point; seen from outside."""
    down, around = np.linspace(0.02, top, rings), np.linspace(0, 2 * np.pi, 48, endpoint=False)
    a, b = np.meshgrid(down, around, indexing="ij")
    places = np.stack([np.sin(a) * np.cos(b), np.sin(a) * np.sin(b), -np.cos(a)], axis=-1)
    corner = np.arange(rings * 48).reshape(rings, 48)
    right = np.roll(corner, -1, axis=1)
    quads = np.stack([corner[:-1], corner[1:], right[1:], right[:-1]], axis=-1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    vertices = (0.1 * places.reshape(-1, 3)).astype(np.float32)
    return vertices, outwards(vertices, triangles)


def outwards(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    inward = np.einsum("td,td->t", np.cross(b - a, c - a), a) < 0
    return np.where(inward[:, None], triangles[:, ::-1], triangles).astype(np.int32)


def test_a_ball_sees_all_of_the_sky() -> None:
    vertices, triangles = ball(40, np.pi - 0.02)
    assert openness(vertices, triangles)[200:-200].min() > 0.95


def test_a_bowl_sees_half_of_it() -> None:
    """From inside a hemisphere the opening is half of what surrounds every point: its share is
    the opening's area over the bowl's (reciprocity of view factors)."""
    vertices, triangles = ball(40, np.pi / 2)
    inside = openness(vertices, triangles[:, ::-1].copy())
    assert np.median(inside[100:-400]) == pytest.approx(0.5, abs=0.06)


def test_directions_cover_the_sphere_evenly() -> None:
    found = sphere_directions(200)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    assert np.abs(found.mean(axis=0)).max() < 0.01
    assert np.allclose(found.T @ found / 200, np.eye(3) / 3, atol=0.01)


def test_frame_is_right_handed() -> None:
    for towards in sphere_directions(30):
        axes = frame(towards)
        assert np.allclose(axes @ axes.T, np.eye(3))
        assert np.linalg.det(axes) == pytest.approx(1)
        assert np.allclose(axes[2], towards)


def test_expressions_change_the_neutral() -> None:
    vertices, triangles = ball(20, np.pi / 2)
    inner = triangles[:, ::-1].copy()
    flat = vertices * np.float32([0, 0, -0.9])
    neutral, change = expression_openness(vertices, np.stack([0 * flat, flat]), inner)
    assert np.abs(change[0]).max() == 0
    assert np.median(change[1]) > 0.2
    assert neutral.shape == change[1].shape
