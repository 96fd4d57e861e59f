"""Cloth that wraps a whole head: headscarf and hood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import Floats, Head, Ints
from fusiform.lab.geometry.scene import Label
from fusiform.lab.world.shapes import Mesh, grid, unit, vertex_normals
from fusiform.lab.world.wear_cut import cut, shell
from fusiform.lab.world.wear_fabric import Fabric
from fusiform.lab.world.wear_fit import landmarks, reach, region_points, skin_of, skin_vertices
from fusiform.lab.world.wear_piece import Piece, clinging, piece

Reals = NDArray[np.float64]

AROUND = 48
BACK = np.deg2rad(
    np.array([0.0, 2.5, 7, 13, 20, 28, 36, 46, 58, 75, 92])
)  # from the face's opening
HEAD = ("face", "nose", "brow_l", "brow_r", "scalp", "ear_l", "ear_r", "neck")


def opening(head: Head, rest: Floats, loose: float, low: float) -> tuple[Reals, Reals]:
    """The middle (3,) of a head, and the edge of the cloth around its face (AROUND, 3): over the
    forehead, in front of the ears, under the chin; anticlockwise from the subject's left."""
    p = landmarks(head, rest)
    scalp = region_points(head, rest, "scalp")
    middle = np.array([p[27, 0], (p[27, 1] + p[30, 1]) / 2, (scalp[:, 2].min() + p[27, 2]) / 2])
    angle = 2 * np.pi * np.arange(AROUND) / AROUND
    brow, chin = p[17:27, 1].max(), p[8]
    high = brow + 0.042 - low - middle[1]
    deep = middle[1] - chin[1] - 0.004
    half = np.ptp(p[[1, 15], 0]) / 2 - 0.004
    c, s = np.cos(angle), np.sin(angle)
    x = half * np.sign(c) * np.abs(c) ** 0.85 * np.where(s < 0, 1 - 0.30 * s * s, 1 - 0.10 * s * s)
    y = np.where(s > 0, high * s, deep * s) * (1 + 0.10 * loose)
    edge = np.stack([x * (1 + 0.06 * loose), y, 0 * x], 1) + middle
    start = edge * [1, 1, 0] + [0, 0, middle[2] - 0.02]
    start[:, 1] = np.maximum(start[:, 1], chin[1] + 0.008)
    far = reach(head, rest, start, np.array([0, 0, 1.0]), HEAD, 0.3)
    deepest = p[[1, 15], 2].mean() + 0.010
    z = np.where(far > 0, start[:, 2] + far, deepest)
    under = np.clip((-s - 0.80) / 0.2, 0, 1)
    edge[:, 2] = np.maximum(z, deepest) * (1 - under) + under * (chin[2] - 0.010)
    for _ in range(4):
        edge = (np.roll(edge, 1, 0) + 2 * edge + np.roll(edge, -1, 0)) / 4
    return middle, edge


def bag(kind: str, head: Head, rest: Floats, low: float) -> Mesh:
    """The cloth around the head, from the face's opening to the back and under the chin."""
    loose = 1.0 if kind == "hood" else 0.0
    middle, edge = opening(head, rest, loose, low)
    if kind == "hood":
        away = unit((edge - middle) * [1, 1, 0])
        edge = edge + away * 0.013 + np.array([0, 0, 0.006])
    ray = unit(edge - middle)
    back = np.array([0.0, 0.10, -1.0]) / np.hypot(1, 0.10)
    full = np.arccos(np.clip(ray @ back, -1, 1))
    t = (BACK / BACK[-1])[:, None]
    left = full[None] * (1 - t)
    side = unit(ray - (ray @ back)[:, None] * back)
    rays = np.cos(left)[..., None] * back + np.sin(left)[..., None] * side[None]
    far = reach(head, rest, middle, rays, HEAD, 0.3)
    chin = landmarks(head, rest)[8, 1]
    floor = (chin - 0.012 - middle[1]) / np.minimum(rays[..., 1], -0.05)
    far = np.where(far < 0, floor, far)
    far = np.minimum(far, np.where(rays[..., 1] < -0.1, floor, 1.0))
    wide = np.maximum(np.maximum(np.roll(far, 1, 1), np.roll(far, -1, 1)), far)
    wide[1:-1] = np.maximum(np.maximum(wide[:-2], wide[2:]), wide[1:-1])
    aside = np.clip((np.abs(rays[..., 0]) - 0.5) / 0.2, 0, 1) * (t > 0.05)
    far = far + aside * (wide + 0.003 - far)  # ears are narrower than the mesh
    lift = 0.006 + 0.012 * loose * np.sin(np.pi * np.clip(t * 1.2, 0, 1)) + 0.010 * t * loose
    lift = lift + 0.012 * np.sin(np.pi * t) * np.clip(rays[..., 1], 0, 1)
    far = far + lift
    far[0] = np.linalg.norm(edge - middle, axis=1) + 0.0035
    smooth = far.copy()
    for _ in range(3):
        smooth = (np.roll(smooth, 1, 1) + 2 * smooth + np.roll(smooth, -1, 1)) / 4
        smooth[1:-1] = (smooth[:-2] + 2 * smooth[1:-1] + smooth[2:]) / 4
        smooth[1:] = np.maximum(smooth[1:], far[1:] - 0.0025)
    smooth[-1] = smooth[-1].mean()
    smooth[0] = far[0]
    angle = 2 * np.pi * np.arange(AROUND) / AROUND
    pull = np.sin(7 * angle[None] + 5 * t) * np.sin(np.pi * np.clip(t, 0, 1))
    p = middle + rays * (smooth + 0.0012 * pull)[..., None]
    hem = p[:1] - ray[None] * 0.006 - np.array([0, 0, 0.004])
    roll = p[:1] + ray[None] * 0.002 + np.array([0, 0, 0.001])
    return grid(np.concatenate([hem, p[:1], roll, p[1:]])[::-1], closed=True)


def drape(head: Head, rest: Floats, low: float) -> tuple[Mesh, tuple[Ints, Floats]]:
    """The cloth that falls over neck, shoulders and chest, and the skin that carries it."""
    p = landmarks(head, rest)
    x, y, _z = (rest[:, k].astype(np.float64) for k in range(3))
    hem = p[8, 1] - 0.19 - low + 0.55 * np.maximum(np.abs(x) - 0.05, 0) ** 1.2
    part = cut(skin_of(head, ("neck", "torso")), y - hem)
    normals = vertex_normals(rest, head.triangles)
    base = part.carry(rest)
    down = np.clip((p[8, 1] - base[:, 1]) / 0.06, 0, 1)
    fold = np.sin(38 * base[:, 0] + 25 * base[:, 1]) * 0.0025 * down
    vertices, outward = shell(rest, normals, part, 0.0125 + 0.004 * down + fold, 5, 0.0105)
    u = 0.5 + base[:, 0] / 0.5
    v = np.clip((p[8, 1] + 0.06 - base[:, 1]) / 0.32, 0, 1)
    mesh = Mesh(vertices, outward, part.triangles, np.stack([u, v], 1).astype(np.float32))
    pairs = np.stack([part.first, part.second], 1)
    return mesh, (pairs, np.stack([1 - part.share, part.share], 1))


def wrap_pieces(
    kind: str, fabric: Fabric, low: float, head: Head, rest: Floats
) -> tuple[Piece, ...]:
    """A headscarf (with its drape over the shoulders) or a hood."""
    mesh = bag(kind, head, rest, 0.6 * low)
    chosen = skin_vertices(head, ("face", "scalp", "neck"))
    white = np.ones(3)
    first = piece(kind, mesh, white, Label.HAT, openness=0.9, fabric=fabric,
                  skin=clinging(mesh, rest, chosen))  # fmt: skip
    cape, carried = drape(head, rest, low)
    shade = np.clip(0.45 + 6 * (landmarks(head, rest)[8, 1] - cape.vertices[:, 1]), 0.35, 0.92)
    second = piece(f"{kind} drape", cape, white, Label.HAT if kind == "headscarf" else Label.CLOTH,
                   follow="torso", openness=shade, fabric=fabric, skin=carried)  # fmt: skip
    return first, second


def wrap_hides(kind: str, head: Head, rest: Floats) -> Floats:
    """Hair (n,) 0..1 that a headscarf or hood hides: all of it, or all but the front's."""
    hidden = np.zeros(len(rest), np.float32)
    hidden[skin_vertices(head, ("scalp", "neck", "ear_l", "ear_r", "face"))] = 1
    if kind == "hood":
        _, edge = opening(head, rest, 1.0, 0.0)
        front = rest[:, 2] - (edge[:, 2].max() - 0.02)
        hidden *= np.clip(0.5 - front / 0.01, 0, 1)
    return hidden
