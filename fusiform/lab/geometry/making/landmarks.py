"""Landmark sets as places on the mesh, all derived from the source's 68.

`68`: the iBUG order (Sagonas et al. 2013). `106`: the order usual for sets of that size: 0-32
contour, 33-42 upper edges of the brows (5 each, the subject's right first), 43-46 bridge, 47-51
under the nose, 52-63 eyes, 64-71 lower edges of the brows, 72-77 middle of the upper lid, of the
lower lid and pupil, right then left, 78-83 sides of the nose (upper, middle, wing; right and left
in turn), 84-95 outer and 96-103 inner lips, 104-105 pupils. `478`: 468 places on the skin, the
first 68 being `68`, then the lid margins (16 an eye), between the lip points, under the brows, then
an even spread over the face; 468-477 the right and the left iris (centre, then outward, up, inward,
down as the subject sees it). Pupils and irises are no skin: their rows (74, 77, 104 and 105 of the
106, the last ten of the 478) hold the middle of the upper lid, and who labels a picture puts the
true place there.
"""

from __future__ import annotations

import numpy as np

from fusiform.lab.geometry.head import REGIONS, Points, at
from fusiform.lab.geometry.making.layout import Layout
from fusiform.lab.geometry.mesh import Floats, Ints, nearest, tree_of

SPREAD_OVER = ("face", "nose", "upper_lip", "lower_lip", "eyelid_l", "eyelid_r", "brow_l", "brow_r")
SKIN_POINTS = 468
BROW_HEIGHT = 0.005  # metres from the upper edge of a brow to its lower one
BRIDGE_HALF = 0.009


def landmark_sets(mean: Floats, layout: Layout) -> dict[str, Points]:
    """The sets "68", "106" and "478" on the mean head `mean` (n, 3)."""
    p = at(layout.marks, layout.triangles, mean)
    tree = tree_of(mean, layout.triangles)

    def onto(points: Floats) -> Points:
        triangle, weights = nearest(tree, points)
        return Points(triangle.astype(np.int32), weights.astype(np.float32))

    rims = np.concatenate([loop_points(mean[layout.rims[side]], 16) for side in (1, 0)])
    extra = np.concatenate([rims, between(p[48:60]), between(p[60:68]), under_brows(p)])
    marks = np.concatenate([p, extra])
    filled = spread(mean, layout, marks, SKIN_POINTS - len(marks))
    lids = middles(p)
    irises = np.concatenate([np.repeat(lids[[0]], 5, axis=0), np.repeat(lids[[3]], 5, axis=0)])
    dense = np.concatenate([extra, mean[filled], irises])
    return {
        "68": layout.marks,
        "106": onto(set_106(p, lids)),
        "478": joined(layout.marks, onto(dense.astype(np.float32))),
    }


def joined(one: Points, other: Points) -> Points:
    return Points(
        np.concatenate([one.triangle, other.triangle]), np.concatenate([one.weights, other.weights])
    )


def set_106(p: Floats, lids: Floats) -> Floats:
    """The 106 places (106, 3) from the 68 `p`; `lids` (6, 3) as `middles` gives them."""
    contour = np.empty((33, 3), np.float32)
    contour[0::2], contour[1::2] = p[:17], (p[:16] + p[1:17]) / 2
    sides = np.array([[-1, 0, 0], [1, 0, 0]], np.float32)
    upper = p[28] + sides * BRIDGE_HALF - np.array([0, 0, 0.006], np.float32)
    middle = p[29] + sides * BRIDGE_HALF * 1.4 - np.array([0, 0, 0.010], np.float32)
    wings = p[[31, 35]] + sides * 0.004 + np.array([0, 0.004, 0], np.float32)
    parts = [contour, p[17:27], p[27:31], p[31:36], p[36:48], under_brows(p), lids]
    parts += [upper, middle, wings, p[48:60], p[60:68], lids[[2, 5]]]
    return np.concatenate(parts).astype(np.float32)


def middles(p: Floats) -> Floats:
    """Upper lid, lower lid and a stand-in for the pupil (the upper lid), right eye then left."""
    right_up, right_low = (p[37] + p[38]) / 2, (p[40] + p[41]) / 2
    left_up, left_low = (p[43] + p[44]) / 2, (p[46] + p[47]) / 2
    return np.stack([right_up, right_low, right_up, left_up, left_low, left_up])


def under_brows(p: Floats) -> Floats:
    """Four places under each brow (8, 3), the subject's right first."""
    down = np.array([0, BROW_HEIGHT, 0], np.float32)
    return np.concatenate([(p[17:21] + p[18:22]) / 2, (p[22:26] + p[23:27]) / 2]) - down


def between(ring: Floats) -> Floats:
    """Midpoints (k, 3) of the sides of a closed ring (k, 3)."""
    return np.asarray((ring + np.roll(ring, -1, axis=0)) / 2, np.float32)


def loop_points(loop: Floats, count: int) -> Floats:
    """`count` places at equal distances around a closed loop (r, 3), from its first vertex."""
    closed = np.concatenate([loop, loop[:1]])
    far = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    wanted = np.arange(count) * far[-1] / count
    return np.stack([np.interp(wanted, far, closed[:, d]) for d in range(3)], axis=1).astype(
        np.float32
    )


def spread(mean: Floats, layout: Layout, taken: Floats, count: int) -> Ints:
    """`count` vertices of the face far from `taken` (k, 3) and from one another, symmetric."""
    wanted = np.isin(layout.region, [REGIONS.index(name) for name in SPREAD_OVER])
    front = np.unique(layout.triangles[wanted])
    gaps = np.linalg.norm(mean[front][:, None] - taken[None], axis=2).min(axis=1)
    midline = layout.mirror[front] == front
    left = (mean[front, 0] > 0) | midline
    out: list[int] = []
    while len(out) < count:
        alone = count - len(out) == 1
        usable = left & midline if alone else left
        best = int(np.where(usable, gaps, -1).argmax())
        pair = {int(front[best]), int(layout.mirror[front[best]])}
        for vertex in sorted(pair):
            out.append(vertex)
            gaps = np.minimum(gaps, np.linalg.norm(mean[front] - mean[vertex], axis=1))
    return np.array(out, np.int32)
