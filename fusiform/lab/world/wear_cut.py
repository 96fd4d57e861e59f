"""Cutting a shell out of the skin along a smooth line, as a tailor would."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import Floats, Ints
from fusiform.lab.world.shapes import vertex_normals

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """Part of a mesh: each of its V vertices lies on an edge of the old one, at
    (1 - share) * old[first] + share * old[second]. `triangles` (T, 3) of new vertices; `edge` (k,):
    the new vertices along the longest line of the cut, in order, a ring if `ring`."""

    first: Ints
    second: Ints
    share: Floats
    triangles: Ints
    edge: Ints
    ring: bool

    def carry(self, values: NDArray[np.floating]) -> Floats:
        """`values` (n, ...) of the old vertices at the new ones (V, ...)."""
        t = self.share.reshape(-1, *([1] * (values.ndim - 1)))
        return (values[self.first] * (1 - t) + values[self.second] * t).astype(np.float32)


def cut(triangles: Ints, field: NDArray[np.floating]) -> Cut:
    """The part of a mesh where `field` (n,), linear within each triangle, is above 0."""
    f = np.where(np.abs(field) < 1e-9, 1e-9, field).astype(np.float64)
    inside = f > 0
    count = inside[triangles].sum(1)
    whole = triangles[count == 3]
    made: dict[tuple[int, int], int] = {}
    old = np.unique(triangles[count > 0])
    old = old[inside[old]]
    number = {int(v): i for i, v in enumerate(old)}
    pairs: list[tuple[int, int, float]] = [(int(v), int(v), 0.0) for v in old]

    def crossing(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in made:
            made[key] = len(pairs)
            pairs.append((*key, float(f[key[0]] / (f[key[0]] - f[key[1]]))))
        return made[key]

    new = []
    steps: dict[int, list[int]] = {}
    for triangle in triangles[(count == 1) | (count == 2)]:
        a, b, c = (int(v) for v in triangle)
        while not inside[a] or inside[c]:
            a, b, c = b, c, a
        if inside[b]:  # a, b in, c out
            p, q = crossing(b, c), crossing(c, a)
            new += [(number[a], number[b], p), (number[a], p, q)]
        else:  # only a in
            p, q = crossing(a, b), crossing(c, a)
            new.append((number[a], p, q))
        steps.setdefault(p, []).append(q)
        steps.setdefault(q, []).append(p)
    lookup = np.full(len(f), -1, np.int32)
    lookup[old] = np.arange(len(old))
    parts = [lookup[whole], np.array(new, np.int32).reshape(-1, 3)]
    first, second, share = (np.array(column) for column in zip(*pairs, strict=True))
    edge, ring = longest(steps)
    return Cut(
        first.astype(np.int32),
        second.astype(np.int32),
        share.astype(np.float32),
        np.concatenate(parts).astype(np.int32),
        np.array(edge, np.int32),
        ring,
    )


def longest(steps: dict[int, list[int]]) -> tuple[list[int], bool]:
    """The longest chain of neighbours, and whether it closes."""
    left = set(steps)
    best: tuple[list[int], bool] = ([], False)
    ends = sorted(v for v in steps if len(steps[v]) == 1)
    for start in [*ends, *sorted(steps)]:
        if start not in left:
            continue
        chain = [start]
        left.discard(start)
        while True:
            onward = [v for v in steps[chain[-1]] if v in left]
            if not onward:
                break
            chain.append(onward[0])
            left.discard(onward[0])
        closes = len(chain) > 2 and start in steps[chain[-1]]
        if len(chain) > len(best[0]):
            best = (chain, closes)
    return best


def shell(
    rest: Floats,
    normals: Floats,
    part: Cut,
    offset: float | NDArray[np.floating],
    smooth: int = 6,
    least: float = 0.002,
) -> tuple[Floats, Floats]:
    """Vertices and normals (V, 3) of `part` lifted off the skin by `offset` metres (number or
    (V,)), smoothed `smooth` times, never nearer than `least` to the skin below it."""
    base, up = part.carry(rest), part.carry(normals)
    up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-9)
    lift = np.broadcast_to(np.asarray(offset, np.float32), len(base))[:, None]
    p = base + up * lift
    triangles, n = part.triangles, len(base)
    a = np.concatenate([triangles[:, k] for k in (0, 1, 2)])
    b = np.concatenate([triangles[:, k] for k in (1, 2, 0)])
    degree = np.bincount(a, minlength=n) + np.bincount(b, minlength=n)
    fixed = np.zeros(n, bool)
    fixed[part.share > 0] = True
    for _ in range(smooth):
        total = np.stack(
            [np.bincount(a, p[b, k], n) + np.bincount(b, p[a, k], n) for k in range(3)], -1
        )
        mean = total / np.maximum(degree, 1)[:, None]
        moved = np.where(fixed[:, None], p, 0.4 * p + 0.6 * mean)
        near = ((moved - base) * up).sum(1, keepdims=True)
        p = moved + up * np.maximum(least - near, 0)
    return p.astype(np.float32), vertex_normals(p, triangles)
