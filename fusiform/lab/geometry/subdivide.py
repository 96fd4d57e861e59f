"""Subdivision of triangles and of quads as sparse matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.mesh import Ints, Sparse, edges_of, sparse


def subdivide_triangles(triangles: Ints, count: int) -> tuple[Sparse, Ints]:
    """One step of Loop subdivision: matrix (count + edges, count) and triangles (4 t, 3).

    The first `count` rows are the old vertices, then one vertex for each edge of `edges_of`.
    Triangle i becomes 4 i .. 4 i + 3: three corners, then the middle. Rules: Loop 1987 with the
    weights 3/8n of Warren; cubic splines along borders.
    """
    edges, sides = edges_of(triangles)
    inner, border = sides[:, 1] >= 0, sides[:, 1] < 0
    middle = count + np.arange(len(edges))
    opposite = triangles[sides].sum(axis=2) - edges.sum(axis=1)[:, None]
    ring = np.bincount(edges.ravel(), minlength=count)
    rim = np.zeros(count, bool)
    rim[edges[border]] = True
    beta = np.where(ring == 3, 3 / 16, 3 / (8 * np.maximum(ring, 1)))
    beta, stay = np.where(rim, 1 / 8, beta), np.where(rim, 3 / 4, 1 - ring * beta)
    moved = inner[:, None] & ~rim[edges] | border[:, None]
    near = np.where(border, 0.5, 0.375)
    entries = [
        (np.arange(count), np.arange(count), stay),
        (edges[moved], edges[:, ::-1][moved], beta[edges[moved]]),
        *((middle, edges[:, k], near) for k in range(2)),
        *((middle[inner], opposite[inner, k], np.full(inner.sum(), 0.125)) for k in range(2)),
    ]
    rows, columns, weights = (np.concatenate(part) for part in zip(*entries, strict=True))
    between = _edge_of_corner(triangles, edges, count) + count
    fine = np.stack([triangles, between, np.roll(between, 1, axis=1)], axis=2)
    corners = fine.reshape(-1, 3, 3)
    whole = np.concatenate([corners, between[:, None, :]], axis=1).reshape(-1, 3)
    return sparse(rows, columns, weights, (count + len(edges), count)), whole.astype(np.int32)


def subdivide_quads(quads: Ints, count: int) -> tuple[Sparse, Ints]:
    """One step of Catmull-Clark subdivision (1978): matrix (count + edges + quads, count), quads.

    The first `count` rows are the old vertices, then edge points in the order of `edges_of`, then
    face points. Quad i becomes 4 i .. 4 i + 3, around its corners. Cubic splines along borders.
    """
    edges, sides = edges_of(quads)
    inner, border = sides[:, 1] >= 0, sides[:, 1] < 0
    middle = count + np.arange(len(edges))
    faces = count + len(edges) + np.arange(len(quads))
    ring = np.bincount(edges.ravel(), minlength=count)
    rim = np.zeros(count, bool)
    rim[edges[border]] = True
    moved = inner[:, None] & ~rim[edges] | border[:, None]
    owner = np.repeat(np.arange(len(quads)), 4)
    soft = ~rim[quads.ravel()]
    corner = np.repeat(quads.ravel()[soft], 4)
    around = quads[owner[soft]].ravel()
    reach = np.where(rim, 1 / 8, 1 / np.maximum(ring, 1) ** 2)
    around_edge, sixteenth = np.repeat(middle[inner], 4), np.full(4 * inner.sum(), 1 / 16)
    entries = [
        (np.arange(count), np.arange(count), np.where(rim, 0.75, 1 - 2 / np.maximum(ring, 1))),
        (edges[moved], edges[:, ::-1][moved], reach[edges[moved]]),
        (corner, around, 0.25 / ring[corner] ** 2),
        *((middle, edges[:, k], np.where(border, 0.5, 0.25)) for k in range(2)),
        *((around_edge, quads[sides[inner, k]].ravel(), sixteenth) for k in range(2)),
        (np.repeat(faces, 4), quads.ravel(), np.full(4 * len(quads), 0.25)),
    ]
    rows, columns, weights = (np.concatenate(part) for part in zip(*entries, strict=True))
    between = _edge_of_corner(quads, edges, count) + count
    centre = np.repeat(faces[:, None], 4, axis=1)
    fine = np.stack([quads, between, centre, np.roll(between, 1, axis=1)], axis=2)
    shape = (count + len(edges) + len(quads), count)
    return sparse(rows, columns, weights, shape), fine.reshape(-1, 4).astype(np.int32)


def _edge_of_corner(faces: Ints, edges: Ints, count: int) -> NDArray[np.int64]:
    """Index of the edge from each corner of each face to the next corner."""
    ends = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2), axis=2).astype(np.int64)
    keys = edges[:, 0].astype(np.int64) * count + edges[:, 1]
    return np.searchsorted(keys, ends[..., 0] * count + ends[..., 1])
