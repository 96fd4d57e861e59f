"""The head's own mesh: a new triangulation of a source head's smooth surface.

Every vertex is a fixed linear mix of the source's vertices, so any head with the source's mesh can
be taken over by one sparse matrix. Runs when the head model is made, not when it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import REGIONS, Head, Points
from fusiform.lab.geometry.levels import (
    Level,
    both_sides,
    coarser_level,
    finer_level,
    other_side,
    whole,
)
from fusiform.lab.geometry.lines import (
    Half,
    Line,
    chain,
    half_mesh,
    half_of,
    prune,
    quads_of,
    smooth_surface,
    spread,
)
from fusiform.lab.geometry.mesh import (
    Doubles,
    Floats,
    Ints,
    Sparse,
    edges_of,
    face_normals,
    nearest,
    tree_of,
    vertex_normals,
)
from fusiform.lab.geometry.sheets import atlas, flat_half, half_path, lips_path


@dataclass(frozen=True)
class Topology:
    """The head's own mesh of n vertices and t triangles, made from a source of m vertices.

    `matrix` (n, m) takes vertices of any head with the source's mesh over; `blend` (n, m) takes
    masks over (no negative weight). `triangles`, `uv`, `uv_triangles`, `region`, `mirror`,
    `rims`, `lips`, `masks`, `landmarks` as in `Head`. `lips` starts at the corner on the subject's
    right and runs over the upper lip. `vermilion` likewise, `island` (t,): 0 head, 1 inside of the
    mouth, 2 and 3 left and right eye socket. `coarse` and `fine` come from this mesh.
    """

    matrix: Sparse
    blend: Sparse
    triangles: Ints
    uv: Floats
    uv_triangles: Ints
    region: NDArray[np.uint8]
    island: NDArray[np.uint8]
    mirror: Ints
    rims: Ints
    lips: Ints
    vermilion: Ints
    masks: dict[str, Floats]
    landmarks: dict[str, Points]
    levels: dict[str, Level]


def votes(
    places: Doubles,
    triangles: Ints,
    island: NDArray[np.uint8],
    fine: Doubles,
    faces: Ints,
    region: Ints,
) -> NDArray[np.uint8]:
    """The region (t,) that most of ten points of each triangle have on the source's surface.

    `fine` (n, 3) and `faces` (k, 3) are that surface, `region` (k,) its regions. The inside of the
    mouth and the eye sockets are exactly the sheets of the same name.
    """
    shares = np.array([[a, b, 3 - a - b] for a in range(4) for b in range(4 - a)]) / 3
    shares = 0.9 * shares + 0.1 / 3
    facing = np.repeat(face_normals(places, triangles), len(shares), axis=0)
    spots = np.einsum("sc,tcd->tsd", shares, places[triangles]).reshape(-1, 3)
    tally = np.zeros((len(triangles), len(REGIONS)))
    mouth, socket = REGIONS.index("inner_mouth"), REGIONS.index("eye_socket_l")
    sheet_of = np.select([region == mouth, region == socket], [1, 2], 0)
    for which in range(3):
        tree = tree_of(fine, faces[sheet_of == which])
        rows = np.flatnonzero(np.repeat(island == which, len(shares)))
        found, _ = nearest(tree, spots[rows], facing[rows], -0.2)
        lost = found < 0
        found[lost] = nearest(tree, spots[rows[lost]])[0]
        np.add.at(tally, (rows // len(shares), region[sheet_of == which][found]), 1)
    return np.asarray(tally.argmax(axis=1), np.uint8)


def build(head: Head, opened: Doubles, scale: float = 1.0, coarse: float = 2.5) -> Topology:
    """The head's own mesh from a source head of quads that is its own mirror image.

    `opened` (m, 3): the source with its mouth open enough that the lips do not touch. `scale`
    multiplies all edge lengths, `coarse` those of the coarse level. Takes half a minute.
    """
    quads, count = quads_of(head.triangles), len(head.mean)
    surface = smooth_surface(quads, count)
    closed_fine = spread(surface.matrix, head.mean)
    open_fine = spread(surface.matrix, opened)
    made, used, faces = half_mesh(surface, head, quads, open_fine, scale)
    base = half_of(made, closed_fine[used], open_fine[used])
    less, _, _ = half_mesh(surface, head, quads, open_fine, scale * coarse)
    small = half_of(less, closed_fine[used], open_fine[used])
    triangles, mirror = whole(made.triangles, base.middle)
    own = surface.owner[(head.mean[quads, 0].mean(axis=1) > 0)[surface.owner]]
    source_region = head.region[: len(quads)][np.repeat(own, 2)].astype(np.int32)
    left = votes(base.opened, made.triangles, base.island, open_fine[used], faces, source_region)
    left = split_lips(base, left)
    region = np.concatenate([left, other_side(left)])
    sheets = flat_half(base, left)
    uv, uv_triangles, index = atlas(made.triangles, base.island, sheets, mirror)
    rows = made.matrix.after(surface.matrix.take(used))
    matrix = both_sides(prune(rows), base.middle, head.mirror)
    blend = both_sides(made.matrix.after(surface.blend.take(used)), base.middle, head.mirror)
    rims, lips, vermilion = loops_of(base, head, mirror)
    right = np.array([0, 1, 3], np.uint8)[base.island]
    levels = {
        "coarse": coarser_level(small, base, uv, index, left, mirror),
        "fine": finer_level(triangles, uv, uv_triangles, region, mirror),
    }
    places = spread(matrix, opened)
    return Topology(
        matrix=matrix,
        blend=blend,
        triangles=triangles,
        uv=uv,
        uv_triangles=uv_triangles,
        region=region,
        mirror=mirror,
        rims=rims,
        island=np.concatenate([base.island, right]),
        lips=lips,
        vermilion=vermilion,
        masks={name: spread(blend, mask).astype(np.float32) for name, mask in head.masks.items()},
        landmarks={
            name: moved_points(points, head, opened, places, triangles)
            for name, points in head.landmarks.items()
        },
        levels=levels,
    )


def split_lips(half: Half, region: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`region` with each lip triangle given to the lip whose part of the inner line is nearer."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    upper, lower = REGIONS.index("upper_lip"), REGIONS.index("lower_lip")
    own = np.isin(region, [upper, lower])
    faces = half.made.triangles[own]
    edges, _ = edges_of(faces)
    lengths = np.linalg.norm(half.opened[edges[:, 0]] - half.opened[edges[:, 1]], axis=1)
    shape = (len(half.middle), len(half.middle))
    graph = coo_matrix((lengths, (edges[:, 0], edges[:, 1])), shape=shape).tocsr()
    path = lips_path(half)
    turn = int(np.argmax(half.opened[path, 0]))
    far = [
        dijkstra(graph, directed=False, indices=part, min_only=True)[faces].sum(axis=1)
        for part in (path[: turn + 1], path[turn:])
    ]
    split = region.copy()
    split[own] = np.where(far[0] <= far[1], upper, lower)
    return split


def loops_of(half: Half, head: Head, mirror: Ints) -> tuple[Ints, Ints, Ints]:
    """The lid margins (2, r) in the source's order, the inner lip line and the vermilion border."""
    tags = half.made.features[:, 2]
    edges = half.made.features[tags == Line.RIM, :2]
    spots = head.mean[head.rims[0]].astype(np.float64)
    vertices = np.unique(edges)
    gaps = np.linalg.norm(half.closed[vertices] - spots[0], axis=1)
    rim = chain(edges, int(vertices[np.argmin(gaps)]))
    ahead, back = (np.linalg.norm(half.closed[rim[k]] - spots[1]) for k in (1, -1))
    rim = rim if ahead < back else np.roll(rim[::-1], 1)
    loops = []
    for tag in (Line.LIPS, Line.VERMILION):
        path = half_path(half, half.made.features[tags == tag, :2])
        turn = int(np.argmax(half.opened[path, 0]))
        above, below = mirror[path[turn:0:-1]], mirror[path[-2:turn:-1]]
        loops.append(np.concatenate([above, path, below]).astype(np.int32))
    return np.stack([rim, mirror[rim]]), loops[0], loops[1]


def moved_points(
    points: Points, head: Head, opened: Doubles, places: Doubles, triangles: Ints
) -> Points:
    """`points` of the source as the nearest places on the new mesh (opened) that face alike."""
    normals = vertex_normals(opened, head.triangles)
    corners = head.triangles[points.triangle]
    spots = np.einsum("kc,kcd->kd", points.weights.astype(np.float64), opened[corners])
    facing = np.einsum("kc,kcd->kd", points.weights.astype(np.float64), normals[corners])
    found, share = nearest(tree_of(places, triangles), spots, facing, 0.1)
    return Points(found, share.astype(np.float32))


def save(topology: Topology, path: Path) -> None:
    """Write an npz; matrices as `name/start`, `/column`, `/weight`, `/width`."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for name in ("triangles", "uv", "uv_triangles", "region", "island", "mirror"):
        arrays[name] = getattr(topology, name)
    for name in ("rims", "lips", "vermilion"):
        arrays[name] = getattr(topology, name)
    arrays |= _flat_matrix("matrix", topology.matrix) | _flat_matrix("blend", topology.blend)
    for name, level in topology.levels.items():
        for part in ("triangles", "uv", "uv_triangles", "region", "mirror"):
            arrays[f"level/{name}/{part}"] = getattr(level, part)
        arrays |= _flat_matrix(f"level/{name}/matrix", level.matrix)
    arrays |= {f"mask/{name}": mask for name, mask in topology.masks.items()}
    for name, points in topology.landmarks.items():
        arrays[f"landmark/{name}/triangle"] = points.triangle
        arrays[f"landmark/{name}/weights"] = points.weights
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _flat_matrix(name: str, matrix: Sparse) -> dict[str, NDArray[np.generic]]:
    return {
        f"{name}/start": matrix.start,
        f"{name}/column": matrix.column,
        f"{name}/weight": matrix.weight,
        f"{name}/width": np.array(matrix.width),
    }
