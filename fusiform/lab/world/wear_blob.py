"""Rounded bodies grown together: meshes of smooth unions of tapered sticks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import Ints
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.world.shapes import Mesh, vertex_normals

Reals = NDArray[np.float64]
CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
EDGES = [
    (a, b) for a in range(8) for b in range(a + 1, 8) if np.abs(CORNERS[a] - CORNERS[b]).sum() == 1
]


def stick(points: Reals, start: Reals, end: Reals, r0: float, r1: float) -> Reals:
    """Signed distance (...) of `points` (..., 3) to a stick from `start` to `end` whose radius goes
    from `r0` to `r1`; negative inside. After Quilez's capsule, with a linear radius."""
    ends = np.array([start, end], np.float64)
    distance: Reals = _stick(np.ascontiguousarray(points.reshape(-1, 3)), ends, r0, r1)
    return distance.reshape(points.shape[:-1])


@kernel
def _stick(points: Reals, ends: Reals, r0: float, r1: float) -> Reals:
    ax, ay, az = ends[1] - ends[0]
    square = max(ax * ax + ay * ay + az * az, 1e-12)
    out = np.empty(len(points))
    for i in range(len(points)):
        x, y, z = points[i] - ends[0]
        t = min(max((x * ax + y * ay + z * az) / square, 0.0), 1.0)
        x, y, z = x - t * ax, y - t * ay, z - t * az
        out[i] = np.sqrt(x * x + y * y + z * z) - (r0 + t * (r1 - r0))
    return out


def melted(a: Reals, b: Reals, k: float) -> Reals:
    """Smooth minimum of two distances over a width of about `k` metres (Quilez, cubic)."""
    h = np.maximum(k - np.abs(a - b), 0) / k
    low: Reals = np.minimum(a, b) - h * h * h * k / 6
    return low


def lattice(low: Reals, high: Reals, cell: float) -> Reals:
    """Points (nx, ny, nz, 3) of a cubic lattice of `cell` metres over a box."""
    axes = [np.arange(a, b + 2 * cell, cell) for a, b in zip(low - cell, high + cell, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1)


def surface_of(points: Reals, field: Reals) -> Mesh:
    """The mesh where `field` (nx, ny, nz) passes 0 in a lattice, negative inside: one vertex for
    each cell it crosses, at the mean of its edges' crossings (Gibson 1998, "surface nets")."""
    shape = np.array(field.shape) - 1
    corner = [field[tuple(slice(c[a], c[a] + shape[a]) for a in range(3))] for c in CORNERS]
    total = np.zeros((*shape, 3))
    hits = np.zeros(shape)
    for a, b in EDGES:
        fa, fb = corner[a], corner[b]
        cross = (fa < 0) != (fb < 0)
        t = np.where(cross, fa / np.where(cross, fa - fb, 1), 0)
        total += np.where(
            cross[..., None], CORNERS[a] + t[..., None] * (CORNERS[b] - CORNERS[a]), 0
        )
        hits += cross
    used = hits > 0
    number = np.full(shape, -1, np.int32)
    number[used] = np.arange(used.sum())
    step = points[1, 1, 1] - points[0, 0, 0]
    vertices = points[:-1, :-1, :-1][used] + total[used] / hits[used][:, None] * step
    triangles = np.concatenate([faces(field, number, axis) for axis in range(3)])
    normals = vertex_normals(vertices, triangles)
    return Mesh(
        vertices.astype(np.float32), normals, triangles, np.zeros((len(vertices), 2), np.float32)
    )


def faces(field: Reals, number: Ints, axis: int) -> Ints:
    """Two triangles around each lattice edge along `axis` that the surface crosses."""
    u, v = (axis + 1) % 3, (axis + 2) % 3
    moved = np.moveaxis(field, (axis, u, v), (0, 1, 2))
    cells = np.moveaxis(number, (axis, u, v), (0, 1, 2))
    inside = moved < 0
    first, second = inside[:-1, 1:-1, 1:-1], inside[1:, 1:-1, 1:-1]
    i, j, k = np.nonzero(first != second)
    a, b = cells[i, j, k], cells[i, j + 1, k]
    c, d = cells[i, j + 1, k + 1], cells[i, j, k + 1]
    out = first[i, j, k]
    b, d = np.where(out, b, d), np.where(out, d, b)
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
