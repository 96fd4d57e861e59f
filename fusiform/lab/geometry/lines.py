"""The source's smooth surface, the lines its new mesh keeps, and the remeshed left half."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import FusiformError
from fusiform.lab.geometry.head import REGIONS, Head
from fusiform.lab.geometry.mesh import (
    Doubles,
    Ints,
    Numbers,
    Sparse,
    edges_of,
    sparse,
    vertex_normals,
)
from fusiform.lab.geometry.remesh import Remeshed, grade, remesh
from fusiform.lab.geometry.subdivide import subdivide_quads


class Line(IntEnum):
    """Curves that stay edges of the new mesh."""

    MIDDLE = 0  # x = 0 from the bust's front to the crown, through the mouth
    SEAM = 1  # x = 0 from the crown to the bust's back: the texture is cut here
    BORDER = 2  # where the bust ends
    RIM = 3  # margin of the lids
    LIPS = 4  # where the lips become the inside of the mouth
    VERMILION = 5  # where the lips become face


# Mean edge length by region, metres: fine where faces move and pictures look.
SIZES = {
    **{"face": 0.0062, "nose": 0.0031, "upper_lip": 0.0023, "lower_lip": 0.0023},
    **{"inner_mouth": 0.012, "eye_socket": 0.006, "eyelid": 0.0021, "brow": 0.004},
    **{"ear": 0.0036, "scalp": 0.0135, "neck": 0.013, "torso": 0.032},
}
RIM_SIZE, LIPS_SIZE = 0.0016, 0.0018
SLOPE, INSIDE_SLOPE = 0.13, 0.5  # how fast edges may grow from place to place
SAG = 0.0003  # metres an edge may cut off a bend, which lowers sizes at most to:
CURVED = {"face": 0.75, "nose": 0.72, "ear": 0.85}
LARGEST = 0.05
LOOSE = 1.1  # a remeshed edge is on average this much shorter than asked for
TINY = 2e-4  # weights below are left out


@dataclass(frozen=True)
class Surface:
    """The smooth surface of a source: `matrix` (m, n) interpolates the n source vertices, `blend`
    (m, n) does not quite but has no negative weight; `quads` (q, 4); `owner` (q,) source quad."""

    matrix: Sparse
    blend: Sparse
    quads: Ints
    owner: Ints


def plain_name(region: int) -> str:
    """The name of a region without its side."""
    return REGIONS[region].removesuffix("_l").removesuffix("_r")


def quads_of(triangles: Ints) -> Ints:
    """The quads (q, 4) of a list of triangles (2 q, 3) whose halves are [0, 1, 2] and [0, 2, 3]."""
    first, second = np.split(triangles, 2)
    if not np.array_equal(first[:, [0, 2]], second[:, :2]):
        raise FusiformError("The source is not made of quads. Give its triangles in two halves.")
    return np.concatenate([first, second[:, 2:]], axis=1)


def smooth_surface(quads: Ints, count: int, levels: int = 2, restore: int = 3) -> Surface:
    """Catmull-Clark subdivision of `quads` (q, 4) over `count` vertices that nearly interpolates.

    The source is first pushed out `restore` times by what subdivision pulls its vertices in
    (Neumann series of the inverse of the vertex rule).
    """
    blend, fine = subdivide_quads(quads, count)
    for _ in range(levels - 1):
        step, fine = subdivide_quads(fine, len(blend.start) - 1)
        blend = step.after(blend)
    pull = blend.take(np.arange(count))
    push = power = identity(count)
    for _ in range(restore):
        power = add(power, pull.after(power), -1.0)
        push = add(push, power, 1.0)
    owner = np.repeat(np.arange(len(quads), dtype=np.int32), 4**levels)
    return Surface(prune(blend.after(push)), blend, fine, owner)


def identity(count: int) -> Sparse:
    """The matrix that changes nothing."""
    each = np.arange(count)
    return sparse(each, each, np.ones(count), (count, count))


def add(a: Sparse, b: Sparse, scale: float) -> Sparse:
    """a + scale b."""
    rows = np.concatenate([a.rows(), b.rows()])
    columns = np.concatenate([a.column, b.column])
    weights = np.concatenate([a.weight, scale * b.weight])
    return sparse(rows, columns, weights, (len(a.start) - 1, a.width))


def prune(matrix: Sparse, least: float = TINY) -> Sparse:
    """Without weights below `least`; rows sum to 1 again."""
    keep = np.abs(matrix.weight) >= least
    rows, weights = matrix.rows()[keep], matrix.weight[keep]
    total = np.bincount(rows, weights, len(matrix.start) - 1)
    shape = (len(matrix.start) - 1, matrix.width)
    return sparse(rows, matrix.column[keep], weights / total[rows], shape)


def finer_edges(edges: Ints, quads: Ints, count: int, levels: int) -> Ints:
    """Features `edges` (k, 3: ends and tag) of `quads` after `levels` Catmull-Clark steps."""
    for _ in range(levels):
        known, _ = edges_of(quads)
        keys = known[:, 0].astype(np.int64) * count + known[:, 1]
        ends = np.sort(edges[:, :2], axis=1).astype(np.int64)
        middle = (count + np.searchsorted(keys, ends[:, 0] * count + ends[:, 1])).astype(np.int32)
        a, b, tag = edges.T
        edges = np.concatenate([np.stack([a, middle, tag], 1), np.stack([middle, b, tag], 1)])
        count, quads = count + len(known) + len(quads), subdivide_quads(quads, count)[1]
    return edges


def source_lines(head: Head, quads: Ints) -> tuple[Ints, Ints]:
    """The lines of the left half as features (k, 3) of the source, and corners (the eye corners).

    The middle line changes to the seam behind the crown.
    """
    edges, sides = edges_of(quads)
    region = head.region[: len(quads)]
    lip = np.isin(region, [REGIONS.index("upper_lip"), REGIONS.index("lower_lip")])
    inside = region == REGIONS.index("inner_mouth")
    middle = head.mirror == np.arange(len(head.mirror))
    left = head.mean[:, 0] >= 0
    x = head.mean[:, 0]
    behind = _behind(head, edges[middle[edges].all(1)], middle)
    tag = np.full(len(edges), -1)
    one, two = sides[:, 0], np.maximum(sides[:, 1], 0)
    tag[(lip[one] != lip[two]) & ~inside[one] & ~inside[two]] = Line.VERMILION
    tag[np.isin(edges, head.lips).all(1)] = Line.LIPS
    tag[np.isin(edges, head.rims[0]).all(1)] = Line.RIM
    tag[sides[:, 1] < 0] = Line.BORDER
    flat = middle[edges].all(1)
    tag[flat] = np.where(behind[edges[flat]].all(1), Line.SEAM, Line.MIDDLE)
    keep = (tag >= 0) & left[edges].all(1)
    rim = head.rims[0]
    corners = np.array([rim[np.argmin(x[rim])], rim[np.argmax(x[rim])]])
    return np.column_stack([edges[keep], tag[keep]]).astype(np.int32), corners


def _behind(head: Head, flat: Ints, middle: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Vertices (n,) of the middle line `flat` (k, 2) from the crown backwards to the bust's end."""
    _, y, z = head.mean.T
    path = chain(flat, _end_behind(head, flat))
    crown = int(np.argmax((y - 0.35 * z)[path]))
    behind = np.zeros(len(middle), bool)
    behind[path[: crown + 1]] = True
    return behind


def _end_behind(head: Head, flat: Ints) -> int:
    vertices, times = np.unique(flat, return_counts=True)
    ends = vertices[times == 1]
    if len(ends) != 2:
        raise FusiformError("The source's middle line is no single path from border to border.")
    return int(ends[np.argmin(head.mean[ends, 2])])


def source_sizes(head: Head, quads: Ints) -> tuple[Doubles, Doubles, Doubles]:
    """Wanted edge length (n,) at the source's vertices, metres, the least where the surface bends,
    and how fast it may grow (n,)."""
    count = len(head.mean)
    size, least, slope = np.full(count, np.inf), np.full(count, np.inf), np.full(count, SLOPE)
    for i in range(len(REGIONS)):
        name, corners = plain_name(i), quads[head.region[: len(quads)] == i].ravel()
        np.minimum.at(size, corners, SIZES[name])
        np.minimum.at(least, corners, SIZES[name] * CURVED.get(name, 1.0))
        if name in ("inner_mouth", "eye_socket"):
            slope[corners] = INSIDE_SLOPE
    for line, value in ((head.rims.ravel(), RIM_SIZE), (head.lips, LIPS_SIZE)):
        size[line] = least[line] = value
    return size, least, slope


def flat_enough(places: Doubles, triangles: Ints) -> Doubles:
    """The longest edge (n,) at each vertex whose middle is at most `SAG` off the surface."""
    edges, _ = edges_of(triangles)
    normals = vertex_normals(places, triangles)
    turn = np.linalg.norm(normals[edges[:, 0]] - normals[edges[:, 1]], axis=1)
    length = np.linalg.norm(places[edges[:, 0]] - places[edges[:, 1]], axis=1)
    curvature = np.full(len(places), 1e-3)
    for k in range(2):
        np.maximum.at(curvature, edges[:, k], turn / length)
    return np.asarray(np.sqrt(8 * SAG / curvature))


def half_mesh(
    surface: Surface, head: Head, quads: Ints, opened: Doubles, scale: float, levels: int = 2
) -> tuple[Remeshed, Ints, Ints]:
    """The remeshed left half, the fine vertices (k,) it is made of and its fine triangles.

    `opened` (m, 3): the fine surface with the mouth open, so that the lips lie apart.
    """
    half = (head.mean[quads, 0].mean(axis=1) > 0)[surface.owner]
    fine = surface.quads[half]
    used, index = np.unique(fine, return_inverse=True)
    fine = index.reshape(-1, 4).astype(np.int32)
    lines, corners = source_lines(head, quads)
    lines = finer_edges(lines, quads, len(head.mean), levels)
    lines[:, :2] = np.searchsorted(used, lines[:, :2])
    places = opened[used]
    triangles = split_quads(places, fine)
    wanted = source_sizes(head, quads)
    size, least, slope = ((surface.blend @ values)[used] for values in wanted)
    size = np.maximum(np.minimum(size, flat_enough(places, triangles)), least)
    size = grade(places, fine, size, slope)
    size = np.minimum(size * scale, LARGEST) * LOOSE
    made = remesh(places, triangles, size, lines, np.searchsorted(used, corners))
    return made, used.astype(np.int32), triangles


def spread(matrix: Sparse, values: Numbers) -> Doubles:
    """`matrix` @ `values` in double precision."""
    return np.asarray(matrix @ values.astype(np.float64))


def split_quads(places: Doubles, quads: Ints) -> Ints:
    """Triangles (2 q, 3), two after each other for each quad, along its shorter diagonal."""
    a, b, c, d = (places[quads[:, k]] for k in range(4))
    long = np.linalg.norm(a - c, axis=1) > np.linalg.norm(b - d, axis=1)
    turned = np.where(long[:, None], np.roll(quads, -1, axis=1), quads)
    return np.stack([turned[:, [0, 1, 2]], turned[:, [0, 2, 3]]], axis=1).reshape(-1, 3)


def islands_of(triangles: Ints, features: Ints) -> NDArray[np.uint8]:
    """Which sheet each triangle (t,) of the left half is on: 0 head, 1 mouth, 2 eye socket."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges, sides = edges_of(triangles)
    line = {(min(a, b), max(a, b)): tag for a, b, tag in features.tolist()}
    tags = np.array([line.get((a, b), -1) for a, b in edges.tolist()])
    cut = np.isin(tags, [Line.RIM, Line.LIPS])
    join = sides[(sides[:, 1] >= 0) & ~cut]
    shape = (len(triangles), len(triangles))
    graph = coo_matrix((np.ones(len(join)), (join[:, 0], join[:, 1])), shape=shape)
    count, label = connected_components(graph, directed=False)
    if count != 3:
        raise FusiformError(f"The lids and lips cut the half into {count} sheets, not 3.")
    island = np.zeros(len(triangles), np.uint8)
    head = label[sides[tags == Line.BORDER][0, 0]]
    for tag, value in ((Line.LIPS, 1), (Line.RIM, 2)):
        near = label[sides[tags == tag][0]]
        island[label == near[near != head][0]] = value
    return island


def chain(edges: Ints, first: int) -> Ints:
    """The vertices of a path or loop of `edges` (k, 2) in order, from `first` on."""
    near: dict[int, list[int]] = {}
    for a, b in edges.tolist():
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    path, seen = [first], {first}
    while ahead := [v for v in near[path[-1]] if v not in seen]:
        path.append(min(ahead) if len(path) == 1 else ahead[0])
        seen.add(path[-1])
    return np.array(path, np.int32)


@dataclass(frozen=True)
class Half:
    """The left half of a mesh: places with the mouth closed and open (n, 3), triangles, features,
    sheet of each triangle, which vertices lie on the middle."""

    made: Remeshed
    closed: Doubles
    opened: Doubles
    island: NDArray[np.uint8]
    middle: NDArray[np.bool_]


def half_of(made: Remeshed, closed: Doubles, opened: Doubles) -> Half:
    """`made` with its vertices placed on the fine surface `closed` and `opened` (k, 3)."""
    on = np.isin(made.features[:, 2], [Line.MIDDLE, Line.SEAM])
    middle = np.zeros(len(made.matrix.start) - 1, bool)
    middle[made.features[on, :2]] = True
    flat = np.where(middle[:, None], [0.0, 1.0, 1.0], 1.0)
    island = islands_of(made.triangles, made.features)
    return Half(
        made, spread(made.matrix, closed) * flat, spread(made.matrix, opened) * flat, island, middle
    )


def tags_of(half: Half) -> Ints:
    """The lines each vertex (n,) lies on, as a sum of powers of two."""
    tags = np.zeros(len(half.middle), np.int32)
    for a, b, tag in half.made.features.tolist():
        tags[a] |= 1 << tag
        tags[b] |= 1 << tag
    return tags
