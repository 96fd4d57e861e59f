"""Flat layouts: free of overlap, isometric where that is possible, linear where it must be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import FusiformError
from fusiform.lab.geometry import mesh
from fusiform.lab.geometry.unwrap import (
    Sheet,
    along_outline,
    embed,
    filled,
    lay,
    relax,
    rest_shapes,
    signed_areas,
    stretch,
    untangled,
)


def grid(width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (n, 2) of a regular grid, triangles with positive area where v points down, border."""
    at = np.arange(width * height).reshape(height, width)
    a, b, c, d = (q.ravel() for q in (at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    v, u = np.divmod(np.arange(width * height), width)
    edge = (u == 0) | (v == 0) | (u == width - 1) | (v == height - 1)
    return np.stack([u, v], axis=1) / max(width, height), triangles, edge


def dome(rings: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A half sphere, open below: points (n, 3), triangles, and the loop of its border."""
    points, triangles = [np.array([0.0, 0, 1])], []
    for r in range(1, rings + 1):
        turn = np.arange(6 * r) / (6 * r) * 2 * np.pi
        tilt = r / rings * np.pi / 2
        ring = [np.cos(turn) * np.sin(tilt), np.sin(turn) * np.sin(tilt), 0 * turn + np.cos(tilt)]
        points += list(np.stack(ring, axis=1))
    begin = [0, *(1 + 3 * r * (r - 1) for r in range(1, rings + 2))]
    for r in range(1, rings + 1):
        for side in range(6):
            for i in range(r):
                out = [begin[r] + (side * r + i + k) % (6 * r) for k in (0, 1)]
                inner = max(6 * (r - 1), 1)
                within = [begin[r - 1] + (side * (r - 1) + i + k) % inner for k in (0, 1)]
                triangles.append([out[0], out[1], within[0]])
                if i < r - 1:
                    triangles.append([within[0], out[1], within[1]])
    border = np.arange(begin[rings], begin[rings + 1])
    return np.array(points), np.array(triangles, np.int32), border


def on_a_circle(border: np.ndarray, count: int) -> np.ndarray:
    uv = np.zeros((count, 2))
    turn = np.arange(len(border)) / len(border) * 2 * np.pi
    uv[border] = np.stack([0.5 + 0.45 * np.cos(turn), 0.5 - 0.45 * np.sin(turn)], axis=1)
    return uv


def free_inside(border: np.ndarray, count: int) -> np.ndarray:
    free = np.ones((count, 2), bool)
    free[border] = False
    return free


def test_rest_shapes_keep_lengths_and_areas():
    points, triangles, _ = dome(3)
    flat = rest_shapes(points, triangles, np.full(len(triangles), 2.0))
    first = np.linalg.norm(points[triangles[:, 1]] - points[triangles[:, 0]], axis=1)
    last = np.linalg.norm(points[triangles[:, 2]] - points[triangles[:, 0]], axis=1)
    far = np.linalg.norm(points[triangles[:, 2]] - points[triangles[:, 1]], axis=1)
    assert np.allclose(np.linalg.norm(flat[:, 0], axis=1), 2 * first)
    assert np.allclose(np.linalg.norm(flat[:, 1], axis=1), 2 * last)
    assert np.allclose(np.linalg.norm(flat[:, 1] - flat[:, 0], axis=1), 2 * far)


def test_areas_are_positive_seen_from_outside():
    """Counter-clockwise in a picture whose v points down."""
    uv = np.array([[0.0, 1], [1, 1], [0, 0]])
    assert signed_areas(uv, np.int32([[0, 1, 2], [0, 2, 1]])).tolist() == [0.5, -0.5]


def test_mean_value_embedding_keeps_what_is_flat():
    """Linear precision: a plane mesh with its border in place stays as it is (Floater 2003)."""
    uv, triangles, edge = grid(7, 6)
    rng = np.random.default_rng(3)
    uv[~edge] += rng.uniform(-0.03, 0.03, (int((~edge).sum()), 2))
    points = np.column_stack([uv, np.zeros(len(uv))])
    placed = embed(points, triangles, np.where(edge[:, None], uv, 0), np.tile(~edge, (2, 1)).T)
    assert np.allclose(placed, uv)


def test_stretch_of_a_known_map():
    uv, triangles, _ = grid(4, 4)
    points = np.column_stack([uv, np.zeros(len(uv))])
    turn = np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    long, short = stretch(points, triangles, uv * [3.0, 0.5] @ turn)
    assert np.allclose(long, 3)
    assert np.allclose(short, 0.5)


def test_a_cylinder_unrolls_without_stretch():
    """Cut open, it is a rectangle: with only one point and one direction held, it is found."""
    uv, triangles, _ = grid(13, 7)
    turn = uv[:, 0] * 5
    points = np.stack([np.cos(turn) / 5, -uv[:, 1], -np.sin(turn) / 5], axis=1)
    start = uv * [0.7, 1.4] + 0.1 * uv[:, ::-1] ** 2
    free = np.ones((len(uv), 2), bool)
    free[0], free[12, 1] = False, False
    shapes = rest_shapes(points, triangles, np.ones(len(triangles)))
    laid = relax(triangles, shapes, start, free, np.ones(len(triangles)), 60)
    long, short = stretch(points, triangles, laid)
    assert long.max() < 1.01
    assert short.min() > 0.99
    assert np.allclose(laid[0], start[0])


def test_a_dome_is_laid_without_overlap_and_with_less_stretch():
    points, triangles, border = dome()
    uv, free = on_a_circle(border, len(points)), free_inside(border, len(points))
    ones = np.ones(len(triangles))
    density = np.full(len(triangles), 0.45 * np.pi**0.5 / (2 * np.pi) ** 0.5)
    start = embed(points, triangles, uv, free)
    laid = lay(Sheet(points, triangles, density, ones, uv, free, free))
    for layout in (start, laid):
        assert signed_areas(layout, triangles).min() > 0
        assert signed_areas(layout, triangles).sum() == pytest.approx(
            signed_areas(uv[border], fan(len(border))).sum()
        )

    def energy(layout: np.ndarray) -> float:
        long, short = (s / density for s in stretch(points, triangles, layout))
        areas = np.linalg.norm(mesh.face_crosses(points, triangles), axis=1)
        return float((areas * (long**2 + short**2 + long**-2 + short**-2)).sum() / areas.sum())

    assert energy(laid) - 4 < 0.6 * (energy(start) - 4)  # 4 is the least there can be
    long, short = stretch(points, triangles, laid)
    assert (long / short).max() < 2.5


def fan(count: int) -> np.ndarray:
    return np.array([[0, i, i + 1] for i in range(1, count - 1)], np.int32)


def test_density_draws_area_to_where_it_is_wanted():
    points, triangles, border = dome()
    uv, free = on_a_circle(border, len(points)), free_inside(border, len(points))
    ones, top = np.ones(len(triangles)), points[triangles, 2].mean(axis=1) > 0.8
    shares = []
    for much in (0.3, 0.6):
        laid = lay(Sheet(points, triangles, np.where(top, much, 0.3), ones, uv, free, free))
        shares.append(signed_areas(laid, triangles)[top].sum())
    assert shares[1] > 1.5 * shares[0]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_relaxing_never_turns_a_triangle(seed):
    rng = np.random.default_rng(seed)
    uv, triangles, edge = grid(6, 6)
    points = np.column_stack([uv, rng.normal(0, 0.15, len(uv))])
    density = rng.uniform(0.2, 3, len(triangles))
    shapes = rest_shapes(points, triangles, density)
    free = np.ones((len(uv), 2), bool)
    free[edge] = False
    laid = relax(triangles, shapes, uv, free, rng.uniform(0.01, 1, len(triangles)), 15)
    assert signed_areas(laid, triangles).min() > 0
    assert np.array_equal(laid[edge], uv[edge])


def test_relaxing_refuses_what_is_turned_over():
    uv, triangles, _ = grid(3, 3)
    shapes = rest_shapes(np.column_stack([uv, 0 * uv[:, 0]]), triangles, np.ones(len(triangles)))
    with pytest.raises(FusiformError, match="embed"):
        relax(triangles, shapes, uv * [1, -1], np.ones((9, 2), bool), np.ones(len(triangles)))


def test_holes_are_filled_all_around():
    points, triangles, border = dome(4)
    lower = points[triangles, 2].mean(axis=1) < 0.9
    hole = next(b for b in mesh.boundary_loops(triangles[lower]) if len(b) != len(border))
    closed, more = filled(triangles[lower], points, [hole])
    assert len(more) == len(points) + 1
    assert len(closed) == lower.sum() + len(hole)
    assert [len(loop) for loop in mesh.boundary_loops(closed)] == [len(border)]
    normals = mesh.face_normals(more, closed)[-len(hole) :]
    assert normals[:, 2].min() > 0.5


def test_a_path_on_the_middle_is_closed_there():
    points = np.array([[0.0, 1, 0], [1, 0, 0], [0, -1, 0]])
    faces, more = filled(np.zeros((0, 3), np.int32), points, [np.int32([0, 1, 2])])
    assert faces.tolist() == [[1, 0, 3], [2, 1, 3]]
    assert more[3, 0] == 0


def test_points_along_an_outline():
    corners = np.array([[0.0, 0], [2, 0], [2, 1]])
    spots = along_outline(np.array([1.0, 1, 2, 2]), corners)
    assert np.allclose(spots, [[0, 0], [0.5, 0], [1, 0], [2, 0], [2, 1]])


def test_turned_triangles_are_put_right():
    uv, triangles, edge = grid(5, 5)
    wrong = uv.copy()
    wrong[12] += 0.35
    assert signed_areas(wrong, triangles).min() < 0
    right = untangled(wrong, triangles, edge)
    assert signed_areas(right, triangles).min() > 0
    assert np.array_equal(right[edge], uv[edge])
    assert np.array_equal(untangled(uv, triangles, edge), uv)
