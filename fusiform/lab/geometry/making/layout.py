"""The mesh that heads are told on: which surface points of the source, joined how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import FusiformError
from fusiform.lab.geometry.head import REGIONS, Head, Level, Linear, Points
from fusiform.lab.geometry.making.source import (
    EYE_RADIUS,
    Source,
    average_adult,
    expression_deltas,
    eyeballs,
)
from fusiform.lab.geometry.mesh import Floats, Ints, Sparse
from fusiform.lab.geometry.topology import Topology

# The file's own lid loops lie 5 mm behind the lids' front edges, and its lip loop within the mouth;
# what is seen to open and close lies this many edges further out.
RIM_RING, LIP_RING = 3, 1
# The mesh is laid where lips and lids lie apart, or the one would be taken for the other.
OPEN = {"jawOpen": 0.4, "eyeBlinkLeft": 0.75, "eyeBlinkRight": 0.75}
FRONT = ("face", "nose", "upper_lip", "lower_lip", "eyelid_l", "eyelid_r", "brow_l", "brow_r")


@dataclass(frozen=True)
class Layout:
    """Our mesh of n vertices over a source of c skin vertices.

    `matrix` (n, c): rows sum to 1, vertices of ours from those of the source. The rest as in
    `Head`; `marks`: the source's 68 landmarks as points of ours. `masks` has `rigid`, the skull,
    and `front`, the face without ears and neck.
    """

    matrix: Sparse
    vertices: Floats
    triangles: Ints
    uv: Floats
    uv_triangles: Ints
    region: NDArray[np.uint8]
    mirror: Ints
    masks: dict[str, Floats]
    rims: Ints
    lips: Ints
    marks: Points
    levels: dict[str, Level]

    def resample(self, fields: NDArray[Any]) -> Floats:
        """Source skin fields (..., c, 3) on our vertices (..., n, 3)."""
        across = np.moveaxis(fields, -2, 0)
        return np.moveaxis(self.matrix @ np.ascontiguousarray(across), 0, -2).astype(np.float32)


def layout_of(source: Source, made: Topology) -> Layout:
    """The layout that a mesh made from `source_head` gives."""
    adult = source.heads(average_adult(source)[None])[0, : source.skin].astype(np.float64)
    groups = {"rigid": source.arrays["skull_rigid"], "front": face_vertices(source)}
    held = {name: held_share(made.blend, rows, source.skin) for name, rows in groups.items()}
    return Layout(
        matrix=made.matrix,
        vertices=(made.matrix @ adult).astype(np.float32),
        triangles=made.triangles,
        uv=made.uv,
        uv_triangles=made.uv_triangles,
        region=made.region,
        mirror=made.mirror,
        masks={**made.masks, **held},
        rims=made.rims,
        lips=made.lips,
        marks=made.landmarks["68"],
        levels={
            name: Level(
                level.matrix,
                level.triangles,
                level.uv,
                level.uv_triangles,
                level.region,
                level.mirror,
            )
            for name, level in made.levels.items()
        },
    )


def held_share(blend: Sparse, rows: NDArray[np.integer[Any]], count: int) -> Floats:
    """How far (n,) each of our vertices belongs to the `rows` of the source's `count`, 0..1."""
    chosen = np.zeros((count, 1))
    chosen[rows] = 1
    return np.clip(blend @ chosen, 0, 1)[:, 0].astype(np.float32)


def face_vertices(source: Source) -> NDArray[np.intp]:
    """Source skin vertices of the FRONT regions."""
    names = [str(name) for name in source.arrays["region_names"]]
    mine = np.isin(source.arrays["skin_quad_region"], [names.index(name) for name in FRONT])
    return np.unique(source.arrays["skin_quads"][mine]).astype(np.intp)


def source_head(source: Source) -> Head:
    """The source's mean adult, as far as the mesh builder looks at a head: surface, regions,
    masks, loops, landmarks, expressions. It has one component, which does nothing."""
    adult = source.heads(average_adult(source)[None])[0]
    mean = adult[: source.skin].astype(np.float32)
    quads = source.arrays["skin_quads"].astype(np.int32)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    names, deltas = expression_deltas(source)
    centres = eyeballs(source, adult).astype(np.float32)
    n = len(mean)
    return Head(
        mean=mean,
        triangles=triangles,
        uv=np.zeros((n, 2), np.float32),
        uv_triangles=triangles,
        region=np.tile(region_numbers(source), 2),
        mirror=source.arrays["cage_mirror"][:n].astype(np.int32),
        masks=source_masks(source),
        landmarks={"68": corner_points(triangles, source.arrays["lm68"].astype(int))},
        rims=np.stack([rim_loop(source, side) for side in "lr"]),
        lips=outward(source, "lip_inner_loop", "lip_ring", LIP_RING),
        eye_centres=centres,
        eye_radius=EYE_RADIUS,
        shape=nothing(mean),
        joints=nothing(np.zeros((6, 3), np.float32)),
        eyes=nothing(centres),
        expression_names=names,
        expressions=deltas[:, :n],
        skinning=np.zeros((n, 6), np.float32),
        jaw_turn=np.zeros((len(names), 3), np.float32),
        seams={},
        openness=np.ones(n, np.float32),
        openness_change=np.zeros((len(names), n), np.float32),
        extra={},
    )


def nothing(start: Floats) -> Linear:
    """What stays `start` whatever the coefficients."""
    return Linear(start, np.zeros((1, *start.shape), np.float32))


def opened(head: Head) -> NDArray[np.float64]:
    """The mean face (n, 3) of a head with its mouth and its eyes half open, as OPEN says."""
    rows = [head.expression_names.index(name) for name in OPEN]
    shares = np.array(list(OPEN.values()))
    moved = np.tensordot(shares, head.expressions[rows].astype(np.float64), axes=1)
    return np.asarray(head.mean.astype(np.float64) + moved)


def region_numbers(source: Source) -> NDArray[np.uint8]:
    """REGIONS index (q,) of each skin quad."""
    names = [str(name) for name in source.arrays["region_names"]]
    rank = np.array([REGIONS.index(name) for name in names], np.uint8)
    return np.asarray(rank[source.arrays["skin_quad_region"]])


def source_masks(source: Source) -> dict[str, Floats]:
    """The file's soft masks (c,); the height above the hairline in metres of our head."""
    masks = dict(zip(source.arrays["mask_names"], source.arrays["masks"], strict=True))
    unit = {"hairline": source.scale}
    return {
        str(name): (mask.astype(np.float32) * np.float32(unit.get(str(name), 1.0)))
        for name, mask in masks.items()
    }


def corner_points(triangles: Ints, vertices: NDArray[np.integer[Any]]) -> Points:
    """Vertices (k,) of a mesh as points: each a corner of the first triangle that has it."""
    found = np.array([np.argwhere(triangles == vertex)[0] for vertex in vertices], np.int32)
    weights = np.eye(3, dtype=np.float32)[found[:, 1]]
    return Points(found[:, 0].copy(), weights)


def rim_loop(source: Source, side: str) -> Ints:
    """The outer front edge (r,) of one eye's lids, in the order of the file's loop."""
    return outward(source, f"eye_rim_{side}", "eyelid_ring", RIM_RING)


def outward(source: Source, loop: str, rings: str, steps: int) -> Ints:
    """The file's `loop` followed outwards over `steps` of its edge `rings`.

    Raises FusiformError where a vertex has not just one neighbour in the next ring.
    """
    ring = source.arrays[rings]
    quads = source.arrays["skin_quads"].astype(np.int64)
    ends = np.concatenate([np.stack([quads[:, k], quads[:, k - 1]], axis=1) for k in range(4)])
    ends = np.unique(np.concatenate([ends, ends[:, ::-1]]), axis=0)
    place = source.arrays[loop].astype(np.int64)
    for step in range(1, steps + 1):
        further = ends[np.isin(ends[:, 0], place) & (ring[ends[:, 1]] == step)]
        if not np.array_equal(further[:, 0], np.unique(place)):
            raise FusiformError(f"{rings} is no set of rings around {loop}: check the head file.")
        place = further[np.searchsorted(further[:, 0], place), 1]
    return place.astype(np.int32)
