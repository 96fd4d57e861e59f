"""How much of the sky each vertex sees, for the neutral face and each expression."""

from __future__ import annotations

import numpy as np

from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.mesh import Doubles, Floats, Ints, vertex_normals
from fusiform.lab.geometry.raster import canvas, fill, snap

SIDE = 320  # cells of a depth map
DIRECTIONS = 200
SLACK = 0.0025  # metres by which a vertex may lie behind the first surface and still be seen
LIFT = 0.0008  # vertices are looked at from just above the skin
LEAST = 0.03


def sphere_directions(count: int) -> Doubles:
    """Unit vectors (count, 3) spread evenly (Fibonacci lattice; Gonzalez 2010)."""
    index = np.arange(count) + 0.5
    height = 1 - 2 * index / count
    turn = np.pi * (1 + np.sqrt(5)) * index
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)


def openness(vertices: Floats, triangles: Ints, count: int = DIRECTIONS) -> Floats:
    """Cosine-weighted share (n,) of the hemisphere above each vertex that no surface hides."""
    normals = vertex_normals(vertices, triangles).astype(np.float64)
    lifted = vertices + LIFT * normals
    radius = float(np.linalg.norm(vertices - vertices.mean(axis=0), axis=1).max()) * 1.02
    seen, total = np.zeros(len(vertices)), np.zeros(len(vertices))
    for towards in sphere_directions(count):
        facing = np.maximum(normals @ towards, 0)
        visible = lit(vertices, lifted, triangles, towards, radius)
        seen += facing * visible
        total += facing
    return np.clip(seen / np.maximum(total, 1e-9), LEAST, 1).astype(np.float32)


def lit(
    vertices: Floats, lifted: Doubles, triangles: Ints, towards: Doubles, radius: float
) -> Doubles:
    """1 for the `lifted` vertices that light from `towards` reaches, else 0."""
    axes = frame(towards)
    scale = SIDE / (2 * radius)
    shift = np.array([SIDE / 2, SIDE / 2, 0.0])
    middle = vertices.mean(axis=0)
    placed = (vertices - middle) @ axes.T * [scale, scale, -1] + shift
    _, keys = (grids := canvas(SIDE, SIDE))
    fill(snap(placed, 1.0), triangles, 0, *grids)
    return compare(keys, (lifted - middle) @ axes.T * [scale, scale, -1] + shift, SLACK)


def frame(towards: Doubles) -> Doubles:
    """Right-handed axes (3, 3) as rows, the last one `towards`."""
    other = np.array([1.0, 0, 0]) if abs(towards[0]) < 0.7 else np.array([0, 1.0, 0])
    side = np.cross(other, towards)
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(towards, side), towards])


@kernel
def compare(keys: Floats, placed: Doubles, slack: float) -> Doubles:
    """1 where a placed point (n, 3) is not behind the map's surface by more than `slack`."""
    out = np.ones(len(placed))
    for i in range(len(placed)):
        column, row = int(placed[i, 0]), int(placed[i, 1])
        if 0 <= row < keys.shape[0] and 0 <= column < keys.shape[1]:
            out[i] = 1.0 if placed[i, 2] <= keys[row, column] + slack else 0.0
    return out


def expression_openness(
    mean: Floats, expressions: Floats, triangles: Ints
) -> tuple[Floats, Floats]:
    """Openness (n,) of the neutral mean face and its change (52, n) at weight 1 of each."""
    neutral = openness(mean, triangles)
    change = [openness(mean + one, triangles) - neutral for one in expressions]
    return neutral, np.stack(change).astype(np.float32)
