"""Lids and lips as pairs of facing edges, and how the skin around follows when they close."""

from __future__ import annotations

import numpy as np

from fusiform.lab.geometry.head import Floats, Ints, Seam

UPPER_REACH, LOWER_REACH = 0.011, 0.006  # metres from the edge at which the skin stays
LIP_REACH = 0.010


def lid_seam(vertices: Floats, loop: Ints) -> Seam:
    """The seam of one eye: `loop` (r,) runs once around the lid margin."""
    return seam(vertices, loop, UPPER_REACH, LOWER_REACH)


def lip_seam(opened: Floats, loop: Ints) -> Seam:
    """The seam of the mouth: `loop` (r,) runs once around the inner edge of the lips. Shown on a
    face with its mouth open, for closed lips lie too close to tell one from the other."""
    return seam(opened, loop, LIP_REACH, LIP_REACH)


def seam(vertices: Floats, loop: Ints, upper_reach: float, lower_reach: float) -> Seam:
    """One station at each vertex of the upper edge but its ends (the corners)."""
    upper, lower = edges(vertices, loop)
    stations = along(vertices[upper])[1:-1]
    near = surroundings(vertices, loop, max(upper_reach, lower_reach))
    row_of = {int(vertex): row for row, vertex in enumerate(near)}
    up = np.zeros((len(stations), len(near)), np.float32)
    up[np.arange(len(stations)), [row_of[int(v)] for v in upper[1:-1]]] = 1
    down = np.zeros_like(up)
    for row, share in enumerate(hat_weights(stations, along(vertices[lower]))):
        for vertex, weight in zip(lower, share, strict=True):
            down[row, row_of[int(vertex)]] += weight
    points = vertices[near]
    to_upper, at_upper = beside(points, vertices[upper])
    to_lower, at_lower = beside(points, vertices[lower])
    mine = np.clip((to_lower - to_upper) / np.maximum(to_lower + to_upper, 1e-9) * 4 + 0.5, 0, 1)
    pull_upper = hat_weights(at_upper, stations) * (mine * falloff(to_upper, upper_reach))[:, None]
    pull_lower = (
        hat_weights(at_lower, stations) * ((1 - mine) * falloff(to_lower, lower_reach))[:, None]
    )
    return Seam(near, up, down, pull_upper.astype(np.float32), pull_lower.astype(np.float32))


def edges(vertices: Floats, loop: Ints) -> tuple[Ints, Ints]:
    """The upper and the lower half of a loop, both from its lowest x to its highest, corners in."""
    x = vertices[loop, 0]
    first, last = int(x.argmin()), int(x.argmax())
    turned = np.roll(loop, -first)
    split = (last - first) % len(loop)
    one = turned[: split + 1]
    other = np.concatenate([turned[split:], turned[:1]])[::-1]
    higher = vertices[one, 1].mean() > vertices[other, 1].mean()
    return (one, other) if higher else (other, one)


def along(points: Floats) -> Floats:
    """Arc length (k,) along a polyline, 0 to 1."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.asarray(np.concatenate([[0], np.cumsum(steps)]) / steps.sum(), np.float32)


def hat_weights(values: Floats, knots: Floats) -> Floats:
    """Linear interpolation weights (v, k) of `values` between rising `knots`; constant outside."""
    place = np.interp(values, knots, np.arange(len(knots)))
    return np.asarray(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(len(knots)))), np.float32)


def surroundings(vertices: Floats, loop: Ints, reach: float) -> Ints:
    """The vertices within `reach` of any of the loop's."""
    gaps = np.linalg.norm(vertices[:, None] - vertices[loop][None], axis=2).min(axis=1)
    return np.nonzero(gaps < reach)[0].astype(np.int32)


def beside(points: Floats, line: Floats) -> tuple[Floats, Floats]:
    """Distance (p,) of points to a polyline, and where along it (0..1) the nearest place is."""
    start, step = line[:-1], np.diff(line, axis=0)
    away = points[:, None] - start[None]
    share = np.clip((away * step).sum(axis=2) / (step**2).sum(axis=1), 0, 1)
    gaps = np.linalg.norm(away - share[..., None] * step, axis=2)
    best = gaps.argmin(axis=1)
    rows = np.arange(len(points))
    lengths = along(line)
    where = lengths[best] + share[rows, best] * np.diff(lengths)[best]
    return gaps[rows, best], where


def falloff(distance: Floats, reach: float) -> Floats:
    """1 at the edge, 0 from `reach` on, smooth at both."""
    return np.asarray(np.clip(1 - (distance / reach) ** 2, 0, 1) ** 2, np.float32)
