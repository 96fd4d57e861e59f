"""The layout of the head's texture: three sheets of the left half, and their mirror images."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import REGIONS
from fusiform.lab.geometry.lines import Half, Line, chain, plain_name
from fusiform.lab.geometry.mesh import Doubles, Floats, Ints, face_normals
from fusiform.lab.geometry.unwrap import Sheet, along_outline, filled, lay

# Texels per metre in a texture of 1 x 1, by region: 880 is 1.72 per millimetre in one of 512.
DENSITY = {
    **{"face": 920.0, "nose": 980.0, "upper_lip": 1050.0, "lower_lip": 1050.0, "eyelid": 1050.0},
    **{"brow": 880.0, "ear": 580.0, "scalp": 300.0, "neck": 340.0, "torso": 120.0},
    **{"inner_mouth": 700.0, "eye_socket": 700.0},
}
# How much stretch matters there, the rest: 1.
IMPORTANCE = {"scalp": 0.4, "neck": 0.4, "torso": 0.15}
SIDEWAYS = 0.7  # density of skin that does not look ahead, relative to that which does
# Density and importance of what closes the holes of lips, lids and sleeves.
FILL = ((300.0, 0.1), (700.0, 0.5), (120.0, 0.03))
DEPTH = 0.006  # metres into mouth and sockets over which the density falls by half
# Where the sheets lie: u from the middle outwards, v downward, at least 1 / 128 apart.
EDGE = 1 / 256
HEAD_BOX = (0.5, 1 - EDGE, EDGE, 0.925)
MOUTH_BOX = (0.5, 0.60, 0.935, 1 - EDGE)
SOCKET_BOX = (0.62, 0.80, 0.935, 1 - EDGE)


def density_of(half: Half, region: NDArray[np.uint8]) -> Doubles:
    """`DENSITY` at each triangle (t,), with soft steps from region to region.

    It falls off into the mouth and the sockets, which only show near their openings.
    """
    faces, count = half.made.triangles, len(half.middle)
    wanted = np.log([DENSITY[plain_name(r)] for r in range(len(REGIONS))])[region]
    for which, tag in ((1, Line.LIPS), (2, Line.RIM)):
        line = np.unique(half.made.features[half.made.features[:, 2] == tag, :2])
        centres = half.opened[faces[half.island == which]].mean(axis=1)
        gaps = np.linalg.norm(centres[:, None] - half.opened[line][None], axis=2).min(axis=1)
        wanted[half.island == which] -= np.log1p(gaps / DEPTH) * 1.2
    skin = np.isin(region, [REGIONS.index("face"), REGIONS.index("ear_l")])
    ahead = face_normals(half.closed, faces)[:, 2]
    wanted[skin] += np.log(SIDEWAYS) * np.clip(0.5 - ahead[skin], 0, 1)
    number = np.maximum(np.bincount(faces.ravel(), minlength=count), 1)
    for _ in range(8):
        at = np.bincount(faces.ravel(), np.repeat(wanted, 3), count) / number
        wanted = at[faces].mean(axis=1)
    return np.asarray(np.exp(wanted))


def box_outline(box: tuple[float, float, float, float]) -> Doubles:
    """Three sides of a box: from above in the middle around the outer corners to below."""
    inner, outer, top, bottom = box
    return np.array([[inner, top], [outer, top], [outer, bottom], [inner, bottom]])


def place_path(
    uv: Doubles, free: NDArray[np.bool_], path: Ints, steps: Doubles, corners: Doubles
) -> None:
    """Put a border `path` (k,) on the polyline `corners` (c, 2) of upright and level sides.

    The vertices nearest to its corners go there; all others may slide along their side.
    """
    spots = along_outline(steps, corners)
    hold = {0: 0, len(path) - 1: len(corners) - 1}
    for c in range(1, len(corners) - 1):
        hold[int(np.argmin(np.linalg.norm(spots - corners[c], axis=1)))] = c
    for i, c in hold.items():
        spots[i] = corners[c]
    uv[path] = spots
    order = sorted(hold)
    free[path] = False
    for a, b in pairwise(order):
        upright = abs(corners[hold[a], 0] - corners[hold[b], 0]) < 1e-12
        free[path[a + 1 : b], 1 if upright else 0] = True


def flat_half(half: Half, region: NDArray[np.uint8]) -> list[tuple[Ints, Doubles]]:
    """Vertices (k,) and layout (k, 2) of each of the three sheets of the left half."""
    lines = {tag: half.made.features[half.made.features[:, 2] == tag, :2] for tag in Line}
    density = density_of(half, region)
    matter = np.array([IMPORTANCE.get(plain_name(r), 1.0) for r in range(len(REGIONS))])[region]
    rim = directed(chain(lines[Line.RIM], int(lines[Line.RIM].min())), half, 0)
    lips = lips_path(half)
    ellipses = [None, _half_ellipse(half, lips), _whole_ellipse(half, rim)]
    sheets = []
    for which, ellipse in enumerate(ellipses):
        own = half.island == which
        faces, count = half.made.triangles[own], len(half.middle)
        weights, wanted = matter[own], density[own]
        places = half.closed if which == 0 else half.opened
        if which == 0:
            border = border_path(lines)
            rest = lines[Line.BORDER]
            rest = rest[~np.isin(rest, border).any(axis=1)]
            sleeve = directed(chain(rest, int(rest.min())), half, 0)
            loops = [directed(lips, half, 0), rim, sleeve]
            places = np.concatenate([places, filled(faces, half.opened, loops)[1][count:]])
            faces = filled(faces, half.opened, loops)[0]
            sizes = [len(lips) - 1, len(rim), len(sleeve)]
            fill = np.repeat(FILL, sizes, axis=0)
            wanted, weights = np.append(wanted, fill[:, 0]), np.append(weights, fill[:, 1])
        uv, free = np.zeros((len(places), 2)), np.ones((len(places), 2), bool)
        flat = np.abs(places[:, 0]) < 1e-9
        uv[flat, 0], free[flat, 0] = 0.5, False
        loose = free.copy()
        if ellipse is None:
            steps = np.linalg.norm(np.diff(places[border], axis=0), axis=1)
            steps *= _near_density(faces, wanted, border)
            place_path(uv, free, border, steps, box_outline(HEAD_BOX))
            loose[border] = False
        else:
            path, spots = ellipse
            uv[path], free[path], loose[path] = spots, False, False
        used, index = np.unique(faces, return_inverse=True)
        own_faces = index.reshape(-1, 3).astype(np.int32)
        sheet = Sheet(places[used], own_faces, wanted, weights, uv[used], free[used], loose[used])
        laid, real = lay(sheet), used < count
        sheets.append((used[real].astype(np.int32), laid[real]))
    return sheets


def border_path(lines: dict[Line, Ints]) -> Ints:
    """The outline of the left half of the head's sheet: crown, seam, bust's border to the front."""
    crown = np.intersect1d(lines[Line.SEAM], lines[Line.MIDDLE])[0]
    seam = chain(lines[Line.SEAM], int(crown))
    return np.concatenate([seam, chain(lines[Line.BORDER], int(seam[-1]))[1:]])


def directed(path: Ints, half: Half, island: int) -> Ints:
    """`path` in the direction in which the faces of a sheet run along it."""
    faces = half.made.triangles[half.island == island]
    ends = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
    return path if (ends == path[:2]).all(axis=1).any() else path[::-1]


def _half_ellipse(half: Half, lips: Ints) -> tuple[Ints, Doubles]:
    steps = np.linalg.norm(np.diff(half.opened[lips], axis=0), axis=1)
    turn = np.pi / 2 - np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum() * np.pi
    inner, outer, top, bottom = MOUTH_BOX
    spots = np.stack([np.cos(turn), -np.sin(turn)], axis=1)
    spots[[0, -1], 0] = 0.0
    middle = np.array([inner, (top + bottom) / 2])
    return lips, middle + spots * [outer - inner, (bottom - top) / 2]


def _whole_ellipse(half: Half, rim: Ints) -> tuple[Ints, Doubles]:
    """The lids' margin as seen from the front; `rim` runs with the lids' faces, so clockwise."""
    outer = int(np.argmax(half.closed[rim, 0]))
    rim = np.roll(rim, -outer)
    steps = np.linalg.norm(half.closed[rim] - half.closed[np.roll(rim, 1)], axis=1)
    turn = -np.cumsum(np.append(0.0, steps[1:])) / steps.sum() * 2 * np.pi
    left, right, top, bottom = SOCKET_BOX
    spots = np.stack([np.cos(turn), -np.sin(turn)], axis=1)
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    return rim, middle + spots * [(right - left) / 2, (bottom - top) / 2]


def _near_density(triangles: Ints, density: Doubles, way: Ints) -> Doubles:
    at = np.full(way.max() + 1, 0.0)
    for k in range(3):
        keep = triangles[:, k] <= way.max()
        np.maximum.at(at, triangles[keep, k], density[keep])
    return np.asarray(0.5 * (at[way[:-1]] + at[way[1:]]))


def atlas(
    triangles: Ints,
    island: NDArray[np.uint8],
    sheets: list[tuple[Ints, Doubles]],
    mirror: Ints,
) -> tuple[Floats, Ints, Ints]:
    """Texture vertices (m, 2), the triangles (2 t, 3) of both halves into them, and their index
    (3, n) by sheet and vertex of the left half (-1: not there).

    The right half lies at 1 - u and shares what lies on u = 1/2.
    """
    index = np.full((3, len(mirror)), -1, np.int32)
    count = 0
    for which, (vertices, _) in enumerate(sheets):
        index[which, vertices] = count + np.arange(len(vertices))
        count += len(vertices)
    left = np.concatenate([laid for _, laid in sheets])
    alone = left[:, 0] != 0.5
    twin = np.arange(count, dtype=np.int32)
    twin[alone] = count + np.arange(alone.sum())
    corners = index[island[:, None], triangles]
    uv = np.concatenate([left, left[alone] * [-1, 1] + [1, 0]])
    return uv.astype(np.float32), np.concatenate([corners, twin[corners][:, [0, 2, 1]]]), index


def lips_path(half: Half) -> Ints:
    """The left half of the inner lip line, from the middle of the upper lip on."""
    edges = half.made.features[half.made.features[:, 2] == Line.LIPS, :2]
    return half_path(half, edges)


def half_path(half: Half, edges: Ints) -> Ints:
    """The path of `edges` (k, 2) from its upper end on the middle to its lower end."""
    ends = np.unique(edges)
    ends = ends[half.middle[ends]]
    return chain(edges, int(ends[np.argmax(half.opened[ends, 1])]))
