"""Both halves of a mesh, and coarser and finer meshes with the same texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import REGIONS
from fusiform.lab.geometry.lines import Half, Line, add, identity, prune, tags_of
from fusiform.lab.geometry.mesh import (
    Doubles,
    Floats,
    Ints,
    Sparse,
    edges_of,
    nearest,
    sparse,
    tree_of,
    vertex_normals,
)
from fusiform.lab.geometry.sheets import atlas
from fusiform.lab.geometry.subdivide import subdivide_triangles
from fusiform.lab.geometry.unwrap import untangled


@dataclass(frozen=True)
class Level:
    """A mesh and how it comes from another: `matrix` mixes its vertices from the other's."""

    triangles: Ints
    matrix: Sparse
    uv: Floats
    uv_triangles: Ints
    region: NDArray[np.uint8]
    mirror: Ints


def mirrored(matrix: Sparse, mirror: Ints) -> Sparse:
    """The matrix with its columns exchanged left and right."""
    shape = (len(matrix.start) - 1, matrix.width)
    return sparse(matrix.rows(), mirror[matrix.column], matrix.weight, shape)


def whole(half: Ints, middle: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Both halves: triangles (2 t, 3), first the left ones, and the mirror vertex (n,) of each.

    Vertices of the left half keep their number; those off the `middle` get a twin after them.
    """
    count = len(middle)
    twin = np.arange(count, dtype=np.int32)
    twin[~middle] = count + np.arange((~middle).sum())
    mirror = np.concatenate([twin, np.flatnonzero(~middle)]).astype(np.int32)
    return np.concatenate([half, twin[half][:, [0, 2, 1]]]), mirror


def both_sides(half: Sparse, middle: NDArray[np.bool_], mirror: Ints) -> Sparse:
    """Rows for the left vertices, then for their twins; `mirror` exchanges the columns."""
    other = mirrored(half, mirror)
    share = np.where(middle, 0.5, 0.0)
    even = Sparse(half.start, half.column, half.weight * (1 - share)[half.rows()], half.width)
    odd = Sparse(other.start, other.column, other.weight * share[other.rows()], half.width)
    return stack(add(even, odd, 1.0), other.take(np.flatnonzero(~middle)))


def stack(a: Sparse, b: Sparse) -> Sparse:
    """The rows of a, then those of b."""
    start = np.concatenate([a.start, a.start[-1] + b.start[1:]]).astype(np.int32)
    column, weight = np.concatenate([a.column, b.column]), np.concatenate([a.weight, b.weight])
    return Sparse(start, column, weight, a.width)


def other_side(region: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Regions with left and right exchanged."""
    swap = [n[:-1] + {"l": "r", "r": "l"}[n[-1]] if n[-2:] in ("_l", "_r") else n for n in REGIONS]
    exchanged: NDArray[np.uint8] = np.array([REGIONS.index(n) for n in swap], np.uint8)
    return exchanged[region]


def finer_level(
    triangles: Ints, uv: Floats, uv_triangles: Ints, region: NDArray[np.uint8], mirror: Ints
) -> Level:
    """Four times the triangles by Loop subdivision, pushed out so that it nearly interpolates."""
    step, fine = subdivide_triangles(triangles, len(mirror))
    pull = step.take(np.arange(len(mirror)))
    matrix = prune(
        step.after(add(identity(len(mirror)), add(identity(len(mirror)), pull, -1.0), 1.0))
    )
    edges, _ = edges_of(triangles)
    keys = edges[:, 0].astype(np.int64) * len(mirror) + edges[:, 1]
    ends = np.sort(mirror[edges], axis=1).astype(np.int64)
    twin = len(mirror) + np.searchsorted(keys, ends[:, 0] * len(mirror) + ends[:, 1])
    _, laid = subdivide_triangles(uv_triangles, len(uv))
    lines, _ = edges_of(uv_triangles)
    spots = np.concatenate([uv, uv[lines].mean(axis=1)])
    both = np.concatenate([mirror, twin]).astype(np.int32)
    return Level(fine, matrix, spots.astype(np.float32), laid, np.repeat(region, 4), both)


def located(coarse: Half, base: Half) -> tuple[Ints, Doubles, NDArray[np.uint8]]:
    """Where each vertex of `coarse` lies on `base`: three of its vertices (k, 3), their weights and
    a sheet (k,). Vertices on a line of the one lie on that line of the other."""
    tags, known = tags_of(coarse), tags_of(base)
    single = {1 << tag for tag in Line}
    count = len(tags)
    corners, weights = np.zeros((count, 3), np.int32), np.zeros((count, 3))
    sheet = np.zeros(count, np.uint8)
    normals = vertex_normals(coarse.opened, coarse.made.triangles)
    for which in range(3):
        sheet[coarse.made.triangles[coarse.island == which]] = which
        faces = base.made.triangles[base.island == which]
        inside = np.flatnonzero((sheet == which) & (tags == 0))
        tree = tree_of(base.opened, faces)
        found, share = nearest(tree, coarse.opened[inside], normals[inside], 0.0)
        lost = found < 0
        found[lost], share[lost] = nearest(tree, coarse.opened[inside[lost]])
        corners[inside], weights[inside] = faces[found], share
    for v in np.flatnonzero(tags):
        if tags[v] in single:
            tag = int(tags[v]).bit_length() - 1
            ends = base.made.features[base.made.features[:, 2] == tag, :2]
            corners[v], weights[v] = _nearest_on(ends, base.opened, coarse.opened[v])
        else:
            alike = np.flatnonzero(known == tags[v])
            gaps = np.linalg.norm(base.opened[alike] - coarse.opened[v], axis=1)
            corners[v], weights[v] = alike[np.argmin(gaps)], (1, 0, 0)
    return corners, weights, sheet


def _nearest_on(ends: Ints, places: Doubles, p: Doubles) -> tuple[list[int], list[float]]:
    a, b = places[ends[:, 0]], places[ends[:, 1]]
    along = np.einsum("kd,kd->k", p - a, b - a) / np.einsum("kd,kd->k", b - a, b - a)
    t = np.clip(along, 0, 1)
    i = int(np.argmin(np.linalg.norm(a + t[:, None] * (b - a) - p, axis=1)))
    return [int(ends[i, 0]), int(ends[i, 1]), int(ends[i, 0])], [1 - float(t[i]), float(t[i]), 0.0]


def coarser_level(
    coarse: Half, base: Half, uv: Floats, index: Ints, region: NDArray[np.uint8], mirror: Ints
) -> Level:
    """`coarse` as a level of the mesh whose left half is `base`, with the same texture."""
    corners, weights, _ = located(coarse, base)
    rows = np.repeat(np.arange(len(corners)), 3)
    left = sparse(rows, corners.ravel(), weights.ravel(), (len(corners), len(mirror)))
    triangles, twins = whole(coarse.made.triangles, coarse.middle)
    sheets = []
    for which in range(3):
        own = np.unique(coarse.made.triangles[coarse.island == which])
        spots = uv[index[which, corners[own]]].astype(np.float64)
        laid = np.einsum("kc,kcd->kd", weights[own], spots)
        faces = np.searchsorted(own, coarse.made.triangles[coarse.island == which])
        fixed = (tags_of(coarse)[own] & ~(1 << Line.VERMILION)) > 0
        sheets.append((own.astype(np.int32), untangled(laid, faces.astype(np.int32), fixed)))
    flat, uv_triangles, _ = atlas(coarse.made.triangles, coarse.island, sheets, twins)
    matrix = both_sides(left, coarse.middle, mirror)
    tree = tree_of(base.opened, base.made.triangles)
    centres = coarse.opened[coarse.made.triangles].mean(axis=1)
    found, _ = nearest(tree, centres)
    regions = region[found]
    return Level(
        triangles, matrix, flat, uv_triangles, np.concatenate([regions, other_side(regions)]), twins
    )
