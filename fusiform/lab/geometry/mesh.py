"""Triangle meshes: normals, edges and borders, nearest points, sparse linear maps, subdivision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.geometry.kernel import kernel

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Numbers = NDArray[np.floating[Any]]
LEAF = 6  # triangles in a leaf of the bounding volume tree
DEEP = 64  # stack of a walk through that tree, far above log2 of any triangle count


@kernel
def vertex_normals(vertices: Numbers, triangles: Ints) -> Numbers:
    """Unit normals (n, 3) of `vertices` (n, 3), same dtype, weighted by triangle area.

    `triangles` (t, 3) run counter-clockwise seen from outside. A vertex without area gets zeros.
    """
    normals = np.zeros_like(vertices)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        px, py, pz = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        ux, uy, uz = vertices[b, 0] - px, vertices[b, 1] - py, vertices[b, 2] - pz
        vx, vy, vz = vertices[c, 0] - px, vertices[c, 1] - py, vertices[c, 2] - pz
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(normals.shape[0]):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        length = np.sqrt(x * x + y * y + z * z)
        if length > 0.0:
            normals[i, 0], normals[i, 1], normals[i, 2] = x / length, y / length, z / length
    return normals


def face_crosses(vertices: Numbers, triangles: Ints) -> Numbers:
    """Outward vectors (t, 3) twice as long as the area of each triangle."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return np.asarray(np.cross(b - a, c - a))


def face_normals(vertices: Numbers, triangles: Ints) -> Numbers:
    """Unit outward normals (t, 3); zeros where a triangle has no area."""
    crosses = face_crosses(vertices, triangles)
    lengths = np.linalg.norm(crosses, axis=1, keepdims=True)
    return np.asarray(crosses / np.where(lengths > 0, lengths, 1))


def edges_of(faces: Ints) -> tuple[Ints, Ints]:
    """Undirected edges (e, 2), sorted, and for each its two faces (e, 2), -1 where there is none.

    `faces` (f, 3) or (f, 4). Raises FusiformError if more than two faces share an edge.
    """
    corners = faces.shape[1]
    ends = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
    edges, inverse, counts = np.unique(
        np.sort(ends, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    if counts.max(initial=0) > 2:
        raise FusiformError("More than two faces meet at an edge. Give a manifold mesh.")
    order = np.argsort(inverse.ravel(), kind="stable")
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
    owner = (order // corners).astype(np.int32)
    sides = np.full((len(edges), 2), -1, np.int32)
    sides[:, 0] = owner[first]
    sides[counts == 2, 1] = owner[first[counts == 2] + 1]
    return edges.astype(np.int32), sides


def edge_lengths(vertices: Numbers, edges: Ints) -> Numbers:
    """Lengths (e,) of `edges` (e, 2)."""
    return np.asarray(np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1))


def boundary_loops(faces: Ints) -> list[Ints]:
    """The open borders as vertex loops, each in the direction of its faces, longest first.

    Raises FusiformError where two borders touch at a vertex.
    """
    ends = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
    known = {(int(a), int(b)) for a, b in ends}
    following = {a: b for a, b in sorted(known) if (b, a) not in known}
    if len(following) != sum((b, a) not in known for a, b in known):
        raise FusiformError("Two borders touch at a vertex. Give a manifold mesh.")
    loops = []
    while following:
        loop = [min(following)]
        while (ahead := following.pop(loop[-1])) != loop[0]:
            loop.append(ahead)
        loops.append(np.array(loop, np.int32))
    return sorted(loops, key=len, reverse=True)


@dataclass(frozen=True)
class Sparse:
    """A matrix of m rows in compressed rows: row i holds `weight[start[i]:start[i + 1]]` at
    `column[...]`. `start` (m + 1,) and `column` (k,) int32, `weight` (k,) float64, `width` columns.
    """

    start: Ints
    column: Ints
    weight: Doubles
    width: int

    def __matmul__(self, values: Numbers) -> Numbers:
        """Rows (m, ...) mixed from `values` (width, ...), in the dtype of `values`."""
        if len(values) != self.width:
            raise ChoiceError("values", f"an array of {self.width} rows", values.shape)
        flat = np.ascontiguousarray(values.reshape(len(values), -1))
        mixed = mix_rows(self.start, self.column, self.weight, flat)
        return np.asarray(mixed.reshape(len(mixed), *values.shape[1:]))

    def rows(self) -> Ints:
        """The row (k,) of each entry."""
        return np.repeat(np.arange(len(self.start) - 1, dtype=np.int32), np.diff(self.start))

    def after(self, other: Sparse) -> Sparse:
        """The matrix that applies `other` first, then this one."""
        left = (self.start, self.column, self.weight)
        right = (other.start, other.column, other.weight)
        start, column, weight = _product(*left, *right, other.width)
        return Sparse(start, column, weight, other.width)

    def take(self, rows: NDArray[np.integer[Any]]) -> Sparse:
        """The matrix of these rows only."""
        reach = np.diff(self.start)[rows]
        skip = np.arange(reach.sum()) - np.repeat(np.cumsum(reach) - reach, reach)
        entry = np.repeat(self.start[rows], reach) + skip
        start = np.concatenate([[0], np.cumsum(reach)]).astype(np.int32)
        return Sparse(start, self.column[entry], self.weight[entry], self.width)


@kernel
def mix_rows(start: Ints, column: Ints, weight: Doubles, values: Numbers) -> Numbers:
    """The product of a compressed matrix with `values` (width, d)."""
    mixed = np.zeros((start.shape[0] - 1, values.shape[1]), values.dtype)
    for i in range(start.shape[0] - 1):
        for k in range(start[i], start[i + 1]):
            w = weight[k]
            j = column[k]
            for d in range(values.shape[1]):
                mixed[i, d] += w * values[j, d]
    return mixed


@kernel
def _product(
    start: Ints, column: Ints, weight: Doubles, after: Ints, place: Ints, value: Doubles, width: int
) -> Any:
    """Rows mixed from rows (Gustavson 1978), columns in rising order: counted, then filled."""
    total, seen = np.zeros(width), np.full(width, -1, np.int64)
    rows = start.shape[0] - 1
    begin = np.zeros(rows + 1, np.int32)
    for i in range(rows):
        begin[i + 1] = begin[i]
        for k in range(start[i], start[i + 1]):
            for m in range(after[column[k]], after[column[k] + 1]):
                if seen[place[m]] != i:
                    seen[place[m]] = i
                    begin[i + 1] += 1
    columns, weights = np.empty(begin[rows], np.int32), np.empty(begin[rows])
    for i in range(rows):
        fill = begin[i]
        for k in range(start[i], start[i + 1]):
            for m in range(after[column[k]], after[column[k] + 1]):
                j = place[m]
                if seen[j] != rows + i:
                    seen[j], total[j] = rows + i, 0.0
                    spot = fill
                    while spot > begin[i] and columns[spot - 1] > j:
                        columns[spot] = columns[spot - 1]
                        spot -= 1
                    columns[spot] = j
                    fill += 1
                total[j] += weight[k] * value[m]
        for m in range(begin[i], fill):
            weights[m] = total[columns[m]]
    return begin, columns, weights


def sparse(
    rows: NDArray[np.integer[Any]],
    columns: NDArray[np.integer[Any]],
    weights: Numbers,
    shape: tuple[int, int],
) -> Sparse:
    """The matrix with these entries; those at the same place are added, zeros left out."""
    place = rows.astype(np.int64) * shape[1] + columns
    keys, inverse = np.unique(place, return_inverse=True)
    total = np.bincount(inverse.ravel(), weights, len(keys))
    keys, total = keys[total != 0], total[total != 0]
    start = np.searchsorted(keys, np.arange(shape[0] + 1, dtype=np.int64) * shape[1])
    return Sparse(start.astype(np.int32), (keys % shape[1]).astype(np.int32), total, shape[1])


def barycentric(triangle: Ints, weights: Numbers, triangles: Ints, count: int) -> Sparse:
    """Matrix (k, count): points on `triangles` (t, 3), given by `triangle` (k,) and `weights`
    (k, 3) of its corners, from the `count` vertices."""
    rows = np.repeat(np.arange(len(triangle)), 3)
    return sparse(rows, triangles[triangle].ravel(), weights.ravel(), (len(triangle), count))


@dataclass(frozen=True)
class Tree:
    """Bounding boxes over triangles. Node i: `low`, `high` (m, 3); a leaf holds the triangles
    `order[first[i]:last[i]]`, an inner node has `child[i]` and `child[i] + 1` (leaf: -1)."""

    corners: Doubles  # (t, 3, 3)
    normals: Doubles  # (t, 3)
    order: NDArray[np.int64]
    low: Doubles
    high: Doubles
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    child: NDArray[np.int64]


def tree_of(vertices: Numbers, triangles: Ints) -> Tree:
    """The tree that `nearest` walks. Raises ChoiceError if there is no triangle."""
    if not len(triangles):
        raise ChoiceError("triangles", "at least one", 0)
    corners = np.ascontiguousarray(vertices[triangles], np.float64)
    normals = np.ascontiguousarray(face_normals(vertices, triangles), np.float64)
    return Tree(corners, normals, *_grow(corners))


def _grow(corners: Doubles) -> tuple[Any, ...]:
    """The fields of `Tree` after `normals`: halves along the longest axis, level by level."""
    least, most, centres = corners.min(axis=1), corners.max(axis=1), corners.mean(axis=1)
    order = np.arange(len(corners))
    begin, end = np.array([0]), np.array([len(corners)])
    levels, nodes = [], 1
    while len(begin):
        size = end - begin
        starts = np.cumsum(size) - size
        node = np.repeat(np.arange(len(size)), size)
        spot = np.arange(size.sum()) - starts[node] + begin[node]
        own = order[spot]
        low, high = np.minimum.reduceat(least[own], starts), np.maximum.reduceat(most[own], starts)
        middle = centres[own]
        wide = np.maximum.reduceat(middle, starts) - np.minimum.reduceat(middle, starts)
        axis = wide.argmax(axis=1)[node]
        order[spot] = own[np.lexsort((middle[np.arange(len(own)), axis], node))]
        split = size > LEAF
        child = np.where(split, nodes + 2 * (np.cumsum(split) - 1), -1)
        levels.append((low, high, begin, end, child))
        nodes += 2 * int(split.sum())
        half = (begin + end)[split] // 2
        begin = np.stack([begin[split], half], axis=1).ravel()
        end = np.stack([half, end[split]], axis=1).ravel()
    return order, *(np.concatenate(part) for part in zip(*levels, strict=True))


def nearest(
    tree: Tree, points: Numbers, normals: Numbers | None = None, cosine: float = 0.2
) -> tuple[Ints, Doubles]:
    """The triangle (k,) nearest to each of `points` (k, 3) and the weights (k, 3) of its corners.

    With unit `normals` (k, 3) only triangles whose normal has at least `cosine` with them count
    (thin parts have two sides); where none does, the triangle is -1 and the weights are 0.
    """
    wanted = np.zeros((len(points), 3)) if normals is None else np.asarray(normals, np.float64)
    least = -2.0 if normals is None else cosine
    args = (tree.corners, tree.normals, tree.order, tree.low, tree.high)
    return _search(  # type: ignore[no-any-return]
        *args, tree.first, tree.last, tree.child, points.astype(np.float64), wanted, least
    )


@kernel
def _search(
    corners: Doubles,
    facing: Doubles,
    order: NDArray[np.int64],
    low: Doubles,
    high: Doubles,
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    child: NDArray[np.int64],
    points: Doubles,
    normals: Doubles,
    cosine: float,
) -> Any:
    found = np.full(points.shape[0], -1, np.int32)
    weights = np.zeros((points.shape[0], 3))
    stack = np.empty(DEEP, np.int64)
    for i in range(points.shape[0]):
        p, best, top = points[i], np.inf, 1
        stack[0] = 0
        while top:
            top -= 1
            node = stack[top]
            if _box_distance(low[node], high[node], p) >= best:
                continue
            near = child[node]
            if near >= 0:
                far = near + 1
                if _box_distance(low[far], high[far], p) < _box_distance(low[near], high[near], p):
                    near, far = far, near
                stack[top], stack[top + 1] = far, near
                top += 2
                continue
            for t in order[first[node] : last[node]]:
                cos = facing[t, 0] * normals[i, 0] + facing[t, 1] * normals[i, 1]
                if cos + facing[t, 2] * normals[i, 2] < cosine:
                    continue
                u, v, w = closest_weights(corners[t, 0], corners[t, 1], corners[t, 2], p)
                gap = 0.0
                for d in range(3):
                    q = u * corners[t, 0, d] + v * corners[t, 1, d] + w * corners[t, 2, d]
                    gap += (q - p[d]) ** 2
                if gap < best:
                    best, found[i] = gap, t
                    weights[i, 0], weights[i, 1], weights[i, 2] = u, v, w
    return found, weights


@kernel
def _box_distance(low: Doubles, high: Doubles, p: Doubles) -> float:
    gap = 0.0
    for d in range(3):
        step = max(low[d] - p[d], p[d] - high[d], 0.0)
        gap += step * step
    return gap


@kernel
def closest_weights(a: Doubles, b: Doubles, c: Doubles, p: Doubles) -> tuple[float, float, float]:
    """Weights of the point of triangle abc nearest to p, by the regions of Ericson 2005, 5.1.5."""
    d1 = d2 = d3 = d4 = d5 = d6 = 0.0
    for d in range(3):
        ab, ac = b[d] - a[d], c[d] - a[d]
        d1 += ab * (p[d] - a[d])
        d2 += ac * (p[d] - a[d])
        d3 += ab * (p[d] - b[d])
        d4 += ac * (p[d] - b[d])
        d5 += ab * (p[d] - c[d])
        d6 += ac * (p[d] - c[d])
    if d1 <= 0 and d2 <= 0:
        return 1.0, 0.0, 0.0
    if d3 >= 0 and d4 <= d3:
        return 0.0, 1.0, 0.0
    vc = d1 * d4 - d3 * d2
    if vc <= 0 and d1 >= 0 and d3 <= 0:
        t = d1 / (d1 - d3)
        return 1 - t, t, 0.0
    if d6 >= 0 and d5 <= d6:
        return 0.0, 0.0, 1.0
    vb = d5 * d2 - d1 * d6
    if vb <= 0 and d2 >= 0 and d6 <= 0:
        t = d2 / (d2 - d6)
        return 1 - t, 0.0, t
    va = d3 * d6 - d5 * d4
    if va <= 0 and d4 >= d3 and d5 >= d6:
        t = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        return 0.0, 1 - t, t
    total = va + vb + vc
    return va / total, vb / total, vc / total
