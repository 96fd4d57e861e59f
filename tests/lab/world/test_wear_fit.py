"""Tests of what fitting needs: rays, regions, and memory of what was fitted."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import REGIONS
from fusiform.lab.world.shapes import about_y, sphere
from fusiform.lab.world.wear_fit import (
    OUTER,
    balls,
    cast,
    fingerprint,
    kept,
    landmarks,
    moved_by,
    reach,
    region_points,
    skin_of,
)


def test_rays_meet_the_farthest_triangle():
    square = np.array([[[-1, -1, z], [1, -1, z], [0, 2, z]] for z in (1.0, 2.0, 5.0)])
    starts, rays = np.zeros((2, 3)), np.array([[0, 0, 1.0], [0, 1.0, 0]])
    assert cast(starts, rays, square, 4.0) == pytest.approx([2.0, -1.0])
    assert cast(starts, rays, square, 9.0) == pytest.approx([5.0, -1.0])


def test_rays_out_of_a_ball_are_as_long_as_its_radius():
    mesh = sphere(0.1, 65, 96)
    rays = rng(1).normal(size=(200, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    far = cast(np.zeros((200, 3)), rays, mesh.vertices[mesh.triangles].astype(np.float64), 1.0)
    assert far == pytest.approx(np.full(200, 0.1), rel=2e-3)


@pytest.mark.parametrize("group", [1, 3, 8])
def test_balls_hold_their_triangles(group):
    corners = rng(4).normal(size=(20, 3, 3))
    around = balls(corners, group)
    assert len(around) == -(-20 // group)
    for i, ball in enumerate(around):
        apart = ((corners[i * group : (i + 1) * group] - ball[:3]) ** 2).sum(-1)
        assert apart.max() <= ball[3] <= 1.001 * apart.max() + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_hits_solve_the_equations_of_ray_and_triangle(seed):
    """start + d ray = a + u (b - a) + v (c - a), by NumPy's general solver."""
    draw = rng(seed, "rays")
    corners, starts = draw.normal(size=(12, 3, 3)), draw.normal(size=(9, 3))
    rays = draw.normal(size=(9, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    want = np.full(9, -1.0)
    for i in range(9):
        for a, b, c in corners:
            u, v, d = np.linalg.solve(np.stack([b - a, c - a, -rays[i]], 1), starts[i] - a)
            if min(u, v, d) >= 0 and u + v <= 1 and d < 5:
                want[i] = max(want[i], d)
    assert cast(starts, rays, corners, 5.0) == pytest.approx(want, abs=1e-9)


def test_rays_beside_or_along_a_triangle_miss():
    flat = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0]]], np.float64)
    starts = np.array([[0.9, 0.9, -1], [-1.0, 0.2, 0], [0.2, 0.2, 0.5]])
    rays = np.array([[0, 0, 1.0], [1, 0, 0], [0, 0, 1]])
    assert (cast(starts, rays, flat, 9.0) == -1).all()  # the last has it behind it


def test_outer_skin_has_no_mouth_nor_sockets(head):
    assert len(skin_of(head)) < len(head.triangles)
    inner = {"inner_mouth", "eye_socket_l", "eye_socket_r", "ear_l", "ear_r"}
    assert set(OUTER) == set(REGIONS) - inner
    parts = [len(skin_of(head, (name,))) for name in OUTER]
    assert sum(parts) == len(skin_of(head))
    wanted = np.isin(head.region, [REGIONS.index(name) for name in OUTER])
    assert sorted(map(tuple, skin_of(head))) == sorted(map(tuple, head.triangles[wanted]))


def test_reach_keeps_the_shape_of_its_arguments(head):
    starts = np.zeros((4, 1, 3))
    starts[..., 1] = np.linspace(-0.02, 0.04, 4)[:, None]
    starts[..., 2] = -0.05
    rays = np.array([[0, 0, 2.0], [0, 0, 1.0], [0.1, 0, 1]])
    far = reach(head, head.mean, starts, rays)
    assert far.shape == (4, 3)
    assert (far > 0.05).all()
    assert np.array_equal(far[:, 0], far[:, 1])  # rays are made unit
    assert (reach(head, head.mean, starts, rays, far=0.01) == -1).all()


def test_reach_meets_the_nose_first_from_the_front(head, people):
    for rest in people:
        tip = landmarks(head, rest)[30]
        far = reach(head, rest, tip - [0, 0, 0.04], np.array([0, 0, 1.0]), ("nose",))
        assert far == pytest.approx(0.04, abs=0.002)


def test_landmarks_are_weighted_corners(head, people):
    points = head.landmarks["68"]
    for rest in people:
        want = [
            sum(w * rest[v].astype(np.float64) for v, w in zip(head.triangles[t], row, strict=True))
            for t, row in zip(points.triangle, points.weights, strict=True)
        ]
        assert landmarks(head, rest) == pytest.approx(np.array(want), abs=1e-7)


def test_regions_are_on_their_sides(head):
    left, right = (region_points(head, head.mean, f"ear_{side}") for side in "lr")
    assert left[:, 0].min() > 0 > right[:, 0].max()
    assert len(left) == len(right)
    both = region_points(head, head.mean, "ear_l", "ear_r")
    assert len(both) == len(left) + len(right)


def test_moving_is_that_of_homogeneous_coordinates():
    points = rng(3).normal(size=(20, 3))
    transform = np.concatenate([about_y(33), [[1.0], [2], [3]]], 1)
    square = np.concatenate([transform, [[0, 0, 0, 1.0]]])
    want = (square @ np.concatenate([points, np.ones((20, 1))], 1).T).T[:, :3]
    made = moved_by(transform, points)
    assert made.dtype == np.float32
    assert made == pytest.approx(want, abs=1e-6)


def test_fingerprints_tell_contents_apart():
    one = np.arange(6, dtype=np.float32)
    assert fingerprint(one) == fingerprint(one.copy())
    assert fingerprint(one) != fingerprint(one + 1)
    assert fingerprint(one[::2]) == fingerprint(one[::2].copy())
    assert len(fingerprint(one, one)) == 16


def test_answers_are_kept_by_content_and_the_oldest_go():
    calls = []
    small = SimpleNamespace(rims=np.zeros(2), lips=np.zeros(2), triangles=np.zeros((4, 3)))

    @kept(2)
    def made(what, head, rest):
        """What it says."""
        calls.append(what)
        return (what, float(rest.sum()))

    rest = np.ones((3, 3), np.float32)
    assert made("a", small, rest) is made("a", small, rest.copy())
    assert made("a", small, 2 * rest) == ("a", 18.0)
    assert calls == ["a", "a"]
    made("a", small, rest)  # used last, so the doubled one goes first
    made("b", small, rest)
    made("a", small, rest)
    assert calls == ["a", "a", "b"]
    made("a", small, 2 * rest)
    assert calls == ["a", "a", "b", "a"]
    assert made.__doc__ == "What it says."
