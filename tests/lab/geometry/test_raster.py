"""The rasteriser against a literal one that uses whole numbers, and its fill rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fusiform.lab.geometry.camera import look_at, project
from fusiform.lab.geometry.raster import (
    FAR_OFF,
    GRID,
    MANY,
    NEAR,
    TILE,
    canvas,
    farthest,
    fill,
    see,
    snap,
    weights,
)
from fusiform.lab.geometry.scene import Camera

Array = NDArray[np.float64]
SIZE = 24


def drawn(placed: Array, triangles: list[list[int]], first: int = 0) -> tuple[Array, Array]:
    ids, keys = canvas(SIZE, SIZE)
    fill(placed, np.array(triangles, np.int32), first, ids, keys)
    return ids, keys


def screen(xy: Array, keys: float | Array = -1.0) -> Array:
    flat = np.column_stack([xy, np.broadcast_to(keys, len(xy))])
    return snap(flat.astype(np.float64), 1.0)


def literal(placed: Array, triangle: list[int]) -> tuple[NDArray[np.bool_], Array]:
    """Coverage and key by whole-number edge functions, one sample at a time."""
    corners = [[round(v * GRID) for v in placed[i, :2]] for i in triangle]
    keys = [placed[i, 2] for i in triangle]
    (ax, ay), (bx, by), (cx, cy) = corners
    if (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < 0:
        corners[1], corners[2], keys[1], keys[2] = corners[2], corners[1], keys[2], keys[1]
    inside, depth = np.zeros((SIZE, SIZE), bool), np.full((SIZE, SIZE), np.inf)
    for y in range(SIZE):
        for x in range(SIZE):
            px, py = round((x + 0.5) * GRID), round((y + 0.5) * GRID)
            values, within = [], True
            for k in range(3):
                (ux, uy), (vx, vy) = corners[(k + 1) % 3], corners[(k + 2) % 3]
                dx, dy = vx - ux, vy - uy
                value = dx * (py - uy) - dy * (px - ux)
                values.append(value)
                within &= value > 0 or (value == 0 and (dy > 0 or (dy == 0 and dx > 0)))
            if within:
                inside[y, x] = True
                depth[y, x] = sum(v * k for v, k in zip(values, keys, strict=True)) / sum(values)
    return inside, depth


def test_hidden_triangles_are_skipped_without_a_trace() -> None:
    """A crowd behind and through a wall, as one crowd and in portions too small to be looked at."""
    rng = np.random.default_rng(6)
    crowd = rng.uniform(-2, SIZE, (2 * MANY, 1, 2)) + rng.normal(0, 2, (2 * MANY, 3, 2))
    keys = np.repeat(rng.uniform(-1.001, -0.5, 2 * MANY), 3)
    placed = screen(crowd.reshape(-1, 2), keys)
    triangles = np.arange(6 * MANY, dtype=np.int32).reshape(-1, 3)
    wall = screen(np.array([[-1, -1], [3 * SIZE, -1], [-1, 1.5 * SIZE]]), -1.0)
    ids, depth = drawn(wall, [[0, 1, 2]], 9 * MANY)
    whole, parts = (ids.copy(), depth.copy()), (ids.copy(), depth.copy())
    fill(placed, triangles, 0, *whole)
    for first in range(0, 2 * MANY, MANY // 2):
        fill(placed, triangles[first : first + MANY // 2], first, *parts)
    assert (whole[0] == parts[0]).all()
    assert (whole[1] == parts[1]).all()
    assert 0.02 < (whole[0] == 9 * MANY).mean() < 0.98


@pytest.mark.parametrize("span", [2, 3])
def test_middles_of_blocks_are_drawn_as_a_grid_of_their_own(span: int) -> None:
    rng = np.random.default_rng(span)
    crowd = rng.uniform(-2, SIZE, (2 * MANY, 1, 2)) + rng.normal(0, 1.5, (2 * MANY, 3, 2))
    flat = np.column_stack([crowd.reshape(-1, 2), rng.uniform(-2, -1, 6 * MANY)])
    triangles = np.arange(6 * MANY, dtype=np.int32).reshape(-1, 3)
    fine, both, alone = canvas(SIZE * span, SIZE * span), canvas(SIZE, SIZE), canvas(SIZE, SIZE)
    again = canvas(SIZE * span, SIZE * span)
    for half in np.split(triangles, 2):  # the second half meets tiles of the first
        fill(snap(flat, float(span)), half, int(half[0, 0]) // 3, *fine, both)
        fill(snap(flat, float(span)), half, int(half[0, 0]) // 3, *again)
        fill(snap(flat, 1.0), half, int(half[0, 0]) // 3, *alone)
    np.testing.assert_array_equal(fine[0], again[0])
    np.testing.assert_array_equal(both[0], alone[0])
    np.testing.assert_allclose(both[1], alone[1], rtol=1e-6)


def test_tiles_know_their_farthest_sample() -> None:
    keys = np.random.default_rng(2).random((2 * TILE + 3, TILE + 1)).astype(np.float32)
    tiles = farthest(keys)
    assert tiles.shape == (3, 2)
    assert tiles[1, 0] == keys[TILE : 2 * TILE, :TILE].max()
    assert tiles[2, 1] == keys[2 * TILE :, TILE:].max()


def test_a_soup_of_triangles_is_drawn_as_the_literal_loop_draws_it() -> None:
    rng = np.random.default_rng(5)
    middle = rng.uniform(0, SIZE, (60, 1, 2))
    xy = (middle + rng.normal(0, 1, (60, 3, 2)) * rng.choice([0.5, 3, 12], (60, 1, 1))).reshape(
        -1, 2
    )
    placed = screen(xy, rng.uniform(-2, -1, len(xy)))
    triangles = np.arange(180).reshape(60, 3).tolist()
    ids, keys = drawn(placed, triangles)
    wanted, depth = np.full((SIZE, SIZE), -1), np.full((SIZE, SIZE), np.inf)
    for t, triangle in enumerate(triangles):
        inside, key = literal(placed, triangle)
        nearer = inside & (key < depth)
        wanted[nearer], depth[nearer] = t, key[nearer]
    np.testing.assert_array_equal(ids, wanted)
    np.testing.assert_allclose(keys, depth, rtol=1e-6)


points = arrays(
    np.float64, (5, 2), elements=st.floats(-4, SIZE + 4).map(lambda v: round(v * 4) / 4)
)


@settings(max_examples=60, deadline=None)
@given(points)
def test_triangles_around_a_point_neither_overlap_nor_leave_cracks(around: Array) -> None:
    """Corners on quarters of a sample: many samples lie exactly on edges and corners."""
    middle = np.array([SIZE / 2 + 0.5, SIZE / 2 + 0.5])
    turn = np.arctan2(*(around - middle).T[::-1])
    around = around[np.argsort(turn)]
    gaps = np.diff(np.append(np.sort(turn), np.sort(turn)[0] + 2 * np.pi))
    if gaps.min() < 1e-3 or gaps.max() > np.pi - 1e-3:
        return  # not a star around the middle
    placed = screen(np.vstack([around, middle]))
    count = np.zeros((SIZE, SIZE), int)
    for k in range(5):
        count += drawn(placed, [[5, k, (k + 1) % 5]])[0] >= 0
    assert count.max() <= 1
    fine = np.array([[5, k, (k + 1) % 5] for k in range(5)])
    centres = np.stack(np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5), -1)
    inside = np.zeros((SIZE, SIZE), bool)  # within the closed star, by a sliver's margin
    for t in fine:
        a, b, c = placed[t, :2]
        u, v, w = b - a, c - a, centres - a
        area = u[0] * v[1] - u[1] * v[0]
        s = (w[..., 0] * v[1] - w[..., 1] * v[0]) / area
        r = (u[0] * w[..., 1] - u[1] * w[..., 0]) / area
        inside |= (s >= -1e-9) & (r >= -1e-9) & (s + r <= 1 - 1e-6)
    assert (count[inside] == 1).all()


def test_windings_and_order_do_not_matter_and_the_first_of_equals_wins() -> None:
    placed = screen(np.array([[1.0, 1], [20, 3], [5, 22]]))
    one, _ = drawn(placed, [[0, 1, 2]])
    two, _ = drawn(placed, [[0, 2, 1]])
    np.testing.assert_array_equal(one, two)
    both, _ = drawn(placed, [[0, 1, 2], [1, 2, 0], [2, 1, 0]], first=7)
    assert set(np.unique(both)) == {-1, 7}


def test_left_out_are_triangles_too_near_too_far_off_or_of_no_area() -> None:
    camera = look_at((0, 0, 0), (0, 0, -1), 10.0, SIZE)
    near = np.array([[-1, -1, -1], [1, -1, -1], [0, 1, -NEAR / 2]], np.float32)
    assert np.isnan(see(camera, near)[2]).all()
    assert (drawn(snap(see(camera, near), 1.0), [[0, 1, 2]])[0] == -1).all()
    off = screen(np.array([[0.0, 0], [FAR_OFF + 1, 0], [0, 20]]))
    assert (drawn(off, [[0, 1, 2]])[0] == -1).all()
    line = screen(np.array([[0.0, 0], [10, 10], [20, 20]]))
    assert (drawn(line, [[0, 1, 2]])[0] == -1).all()


def test_weights_are_perspective_correct() -> None:
    camera: Camera = look_at((0.1, 0.2, 1), (0, 0, 0), 30.0, SIZE)
    corners = np.array([[-0.3, -0.3, 0.4], [0.4, -0.2, -0.6], [0, 0.4, 0]], np.float32)
    placed = snap(see(camera, corners), 1.0)
    ids, keys = drawn(placed, [[0, 1, 2]])
    rows, columns = np.nonzero(ids >= 0)
    assert len(rows) > 50
    w = np.array(
        [weights(placed, 0, 1, 2, x + 0.5, y + 0.5) for y, x in zip(rows, columns, strict=True)]
    )
    np.testing.assert_allclose(w.sum(1), 1)
    pixels, depth = project(camera, w @ corners)
    np.testing.assert_allclose(pixels, np.column_stack([columns, rows]) + 0.5, atol=2e-3)
    np.testing.assert_allclose(depth, -1 / keys[rows, columns], rtol=1e-4)
