"""Parts of garments about the neck: bands, collars, lapels, ties, hoods and cords."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import Floats, Head
from fusiform.lab.world.shapes import Mesh, grid, sphere, spline, sweep, tube, unit, vertex_normals
from fusiform.lab.world.wear_fit import landmarks, reach, skin_vertices

Reals = NDArray[np.float64]

FORWARD = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Neck:
    """The base of a neck: `front` and `back` (3,) on its middle, `axis` z of its middle, `half`
    its half width; `top` (y) just under the chin."""

    front: Reals
    back: Reals
    axis: float
    half: float
    top: float


def neck_of(head: Head, rest: Floats) -> Neck:
    """Where the neck meets the torso."""
    ring = rest[
        np.intersect1d(skin_vertices(head, ("neck",)), skin_vertices(head, ("torso",)))
    ].astype(np.float64)
    width = np.ptp(ring[:, 0])
    middle = ring[np.abs(ring[:, 0]) < 0.15 * width]
    split = (middle[:, 2].min() + middle[:, 2].max()) / 2
    front = middle[middle[:, 2] > split].mean(0)
    back = middle[middle[:, 2] < split].mean(0)
    front[0] = back[0] = 0
    chin = landmarks(head, rest)[8]
    return Neck(front, back, float((front[2] + back[2]) / 2), float(width / 2), float(chin[1]))


def over(head: Head, rest: Floats, xy: Reals, lift: float) -> Reals:
    """Points (k, 3) on the front of the torso at `xy` (k, 2), `lift` metres off the skin."""
    start = np.concatenate([xy, np.full((len(xy), 1), -0.15)], 1)
    depth = reach(head, rest, start, FORWARD, ("torso", "neck"), 0.4)
    depth = np.where(depth < 0, 0.1, depth)
    start[:, 2] += depth + lift
    return start


def neckband(p: Reals, n: Reals, up: Reals, high: float, thick: float) -> Mesh:
    """A rib around the neckline, rounded, its inner edge on the skin."""
    t = 2 * np.pi * np.arange(10) / 10
    section = np.stack([0.5 * thick * np.cos(t), high * (0.5 * np.sin(t) + 0.28)], 1)
    section[:, 1] = np.sign(section[:, 1]) * np.abs(section[:, 1])
    return sweep(p - n * 0.35 * thick, section, up, closed=True)


def collar(p: Reals, n: Reals, up: Reals, stand: float, leaf: float, point: float) -> Mesh:
    """A turned-down collar, open at the front: stand, fold and leaf with its two points."""
    count = len(p)
    turn = np.arange(count) / count
    front = np.abs(turn - 0.5) * 2  # 0 in front, 1 behind
    order = np.argsort((turn + 0.5) % 1.0, kind="stable")
    order = order[(front[order] > 0.045)]
    p, n, up, front = p[order], n[order], up[order], front[order][:, None]
    near = np.exp(-((front / 0.22) ** 2))
    high = stand * (0.80 + 0.20 * np.clip(front / 0.3, 0, 1))
    flat = unit(n * np.array([1, 0.1, 1]))
    upright = unit(up + np.array([0, 0.6, 0]))
    crest = p + upright * high - flat * 0.002
    lateral = np.sign(p[:, :1]) * np.array([1.0, 0, 0])
    down = np.array([0, -1.0, 0])
    drop = p + flat * 0.011 - up * (leaf - stand) * 0.6
    drop = drop + near * point * (0.8 * down + 0.55 * lateral + 0.35 * FORWARD)
    rows = [p - n * 0.003 - up * 0.004, p + upright * 0.5 * high, crest]
    rows.append(crest + flat * 0.0045 + up * 0.0010)
    for t in (0.35, 0.7, 1.0):
        rows.append(crest * (1 - t) + drop * t + flat * 0.007 * np.sin(np.pi * min(t, 0.9)))
    rows.append(rows[-1] - flat * 0.0025 + np.array([0, 0.002, 0]))
    stack = np.stack(rows)
    mesh = grid(stack)
    outward = (mesh.normals * np.repeat(flat[None], len(rows), 0).reshape(-1, 3))[
        3 * count // 2 :
    ].sum()
    return mesh if outward > 0 else grid(stack[:, ::-1])


def tie_meshes(head: Head, rest: Floats, neck: Neck) -> tuple[Mesh, Mesh]:
    """A knot and a blade."""
    top = neck.front[1] - 0.004
    t = np.linspace(0, 1, 12)[:, None]
    line = over(head, rest, np.concatenate([0 * t, top - 0.035 - 0.22 * t], 1), 0.013)
    line = spline(line[::2], 12)
    width = 0.012 + 0.026 * t**0.8
    across = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])[None, :, None]
    p = line[:, None] + np.array([1.0, 0, 0]) * across * width[:, None]
    p[..., 2] -= 0.004 * across[..., 0] ** 2
    blade = grid(p)
    centre = over(head, rest, np.array([[0.0, top - 0.022]]), 0.010)[0]
    ball = sphere(1.0, 9, 14)
    v = ball.vertices.astype(np.float64)
    broad = 0.0135 + 0.006 * v[:, 1]
    knot = np.stack([v[:, 0] * broad, v[:, 1] * 0.021, v[:, 2] * 0.010], 1) + centre
    return Mesh(
        knot.astype(np.float32), vertex_normals(knot, ball.triangles), ball.triangles, ball.uv
    ), blade


def lapels(head: Head, rest: Floats, p: Reals, n: Reals) -> list[Mesh]:
    """The turned-back edges of a jacket, collar and lapel with a notch, left and right."""
    made = []
    count = len(p)
    for side in (1, -1):
        half = p[: count // 2 + 1] if side > 0 else np.roll(p[::-1], 1, 0)[: count // 2 + 1]
        out = n[: count // 2 + 1] if side > 0 else np.roll(n[::-1], 1, 0)[: count // 2 + 1]
        length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(half, axis=0), axis=1))])
        s = length / length[-1]
        wide = np.interp(s, [0, 0.3, 0.46, 0.475, 0.56, 0.98, 1], [30, 34, 48, 34, 66, 10, 0]) / 1e3
        away = np.stack([side * np.clip(s * 5, 0, 1), -0.6 + 0.75 * np.clip(s * 2, 0, 1), 0 * s], 1)
        away = unit(away - (away * out).sum(1, keepdims=True) * out)
        k = np.array([-0.12, 0.0, 0.45, 0.97, 1.0])
        lift = np.array([0.0005, 0.0035, 0.0055, 0.004, 0.0])
        rows = [half + away * (wide * a)[:, None] + out * b for a, b in zip(k, lift, strict=True)]
        stack = np.stack(rows, 1)
        flat = stack.reshape(-1, 3)
        ahead = flat[:, 2] > -0.09
        skin = over(head, rest, flat[ahead, :2], 0.0095)
        flat[ahead, 2] = np.maximum(flat[ahead, 2], skin[:, 2])
        stack = flat.reshape(stack.shape)
        made.append(grid(stack if side < 0 else stack[:, ::-1]))
    return made


def hood(p: Reals, n: Reals, up: Reals) -> Mesh:
    """A hood lying on the back and shoulders: a thick roll, widest behind."""
    behind = np.cos(2 * np.pi * np.arange(len(p)) / len(p)) * 0.5 + 0.5  # 1 behind, 0 in front
    size = 0.007 + 0.027 * behind**1.3
    centre = p + n * (0.5 * size)[:, None] + up * (0.003 + 0.25 * size)[:, None]
    centre[:, 2] -= 0.012 * behind
    t = 2 * np.pi * np.arange(12) / 12
    section = np.stack([0.85 * np.cos(t), 1.15 * np.sin(t)], 1)
    return sweep(centre, section, up, size, closed=True)


def cords(head: Head, rest: Floats, neck: Neck) -> list[Mesh]:
    """The two strings of a hood."""
    made = []
    for side in (-1, 1):
        x = side * np.array([0.026, 0.030, 0.031, 0.033, 0.032])
        y = neck.front[1] - np.array([0.012, 0.035, 0.065, 0.095, 0.13 + 0.012 * side])
        made.append(tube(spline(over(head, rest, np.stack([x, y], 1), 0.0105), 14), 0.0022, 6))
    return made
