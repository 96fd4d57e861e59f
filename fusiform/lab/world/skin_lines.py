"""Wrinkles: every line of a face drawn once, its depth a matter of age and of what the face does.

A line is a row of COLUMNS; `paths` lays the rows on a head. Expressions go by the names of the 52
blend shapes of ARKit.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import Head
from fusiform.lab.world.atlas import Atlas
from fusiform.lab.world.atlas_chart import chart, place
from fusiform.lab.world.skin_marks import splat_line

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

COLUMNS = ("family", "side", "ordinal", "strength", "onset", "a", "b", "c")
POINTS = 31
SPAN = 32.0  # years from the first trace of a line to its full depth


@dataclass(frozen=True)
class Family:
    """`count`: least and most lines (a side); `width`, `depth`: metres; `onset`: years, mean and
    spread; `sides`: drawn on both; `moves`: expressions that deepen it (with Left or Right added
    where it ends in *); `gain`: how much of `depth` a full expression adds to young skin."""

    count: tuple[int, int]
    width: float
    depth: float
    onset: tuple[float, float]
    sides: bool
    moves: tuple[str, ...]
    gain: float


FAMILIES: dict[str, Family] = {
    "forehead": Family((2, 5), 0.0010, 0.00032, (38, 9), False,
                       ("browInnerUp", "browOuterUp*"), 0.8),
    "frown": Family((1, 3), 0.0010, 0.00042, (40, 9), False, ("browDown*",), 0.8),
    "crow": Family((2, 4), 0.0009, 0.00032, (40, 8), True,
                   ("eyeSquint*", "cheekSquint*", "mouthSmile*"), 0.7),
    "under": Family((1, 3), 0.0009, 0.00026, (30, 10), True, ("eyeSquint*", "cheekSquint*"), 0.5),
    "fold": Family((1, 1), 0.0022, 0.00085, (27, 8), True, ("mouthSmile*", "noseSneer*"), 0.6),
    "marionette": Family((1, 1), 0.0018, 0.00055, (48, 8), True, ("mouthFrown*",), 0.5),
    "lip": Family((5, 10), 0.0007, 0.00022, (54, 8), False, ("mouthPucker",), 0.6),
    "neck": Family((2, 3), 0.0014, 0.00036, (24, 12), False, (), 0.0),
    "nose": Family((1, 2), 0.0008, 0.00024, (52, 9), True, ("noseSneer*",), 0.8),
    "lid": Family((1, 1), 0.0009, 0.00040, (-60, 5), True, (), 0.0),
}  # fmt: skip
NAMES = tuple(FAMILIES)


def sample_lines(rng: np.random.Generator) -> Floats:
    """A person's lines (f, 8), columns COLUMNS. Both sides are alike but not the same."""
    rows = []
    for index, family in enumerate(FAMILIES.values()):
        count = int(rng.integers(family.count[0], family.count[1] + 1))
        strong = float(np.clip(rng.lognormal(0, 0.35), 0.35, 2))
        onset = rng.normal(*family.onset)
        for k in range(count):
            shape = np.clip(rng.standard_normal(3), -2, 2)
            for side in (1, -1) if family.sides else (0,):
                own = shape + 0.35 * np.clip(rng.standard_normal(3), -2, 2) * family.sides
                strength = strong * rng.uniform(0.6, 1.2)
                start = onset + abs(rng.normal(0, 5)) * (k > 0)
                rows.append([index, side, (k + 0.5) / count, strength, start, *own])
    return np.asarray(rows, np.float32)


class Guide(NamedTuple):
    """What a curve is drawn from, on the chart: corners of the eye, of the mouth, of the nose on
    the line's side; `out`: 1 left, -1 right; `t` (POINTS,) 0..1; `at` 0..1: which of its family;
    `a`, `b`, `c`: its own deviations; `wobble` (POINTS,) metres."""

    mark: Doubles
    outer: Doubles
    inner: Doubles
    corner: Doubles
    wing: Doubles
    out: float
    t: Doubles
    at: float
    a: float
    b: float
    c: float
    wobble: Doubles


def _guide(mark: Doubles, side: float, at: float, shape: Floats) -> Guide:
    a, b, c = (float(x) for x in shape)
    t = np.linspace(0, 1, POINTS)
    outer, inner, corner, wing = mark[[36, 39, 48, 31] if side < 0 else [45, 42, 54, 35]]
    wobble = np.sin(9 * t + 3 * a) + 0.8 * np.sin(21 * t + 5 * b) + 0.6 * np.sin(31 * t + 7 * c)
    out = -1.0 if side < 0 else 1.0
    return Guide(mark, outer, inner, corner, wing, out, t, at, a, b, c, 0.00035 * wobble)


def _middle_curve(name: str, g: Guide) -> tuple[Doubles, Doubles]:
    """Azimuth and height of a line that crosses the middle of the face, (POINTS,) each."""
    wide = 2 * g.t - 1
    if name == "forehead":
        x = 4 * g.a + (21 + 5 * g.b - 5 * abs(g.c)) * wide
        sag = 0.0022 * np.cos(x / 8.5) + 0.0012 * g.c * wide
        brow = (g.mark[19, 1] + g.mark[24, 1]) / 2
        return x, brow + 0.017 + 0.034 * g.at + 0.001 * g.b - sag + 1.6 * g.wobble
    if name == "frown":
        x = (g.at - 0.5) * (11 + 3 * g.t) + 0.8 * g.a
        return x + 800 * g.wobble, g.mark[21, 1] - 0.003 + (0.018 + 0.004 * g.b) * g.t
    if name == "lip":
        across = 2 * g.at - 1
        x = 1.05 * g.mark[54, 0] * across * (1 + 0.06 * g.t) + 0.4 * g.a
        return x, g.mark[51, 1] - 0.004 * abs(across) - 0.001 + (0.008 + 0.002 * g.b) * g.t
    y = g.mark[8, 1] - 0.022 - 0.045 * g.at + 0.004 * g.b + 0.010 * wide**2
    return 48 * wide + 4 * g.a, y + 2 * g.wobble


def _side_curve(name: str, g: Guide) -> tuple[Doubles, Doubles]:
    """Azimuth and height of a line on one side of the face, (POINTS,) each."""
    t = g.t
    if name == "crow":
        angle, reach = np.radians(38 - 78 * g.at + 6 * g.a), (0.016 + 0.004 * g.b) * t
        x = g.outer[0] + g.out * (4.5 + np.degrees(reach * np.cos(angle) / 0.10))
        return x, g.outer[1] + reach * np.sin(angle) - 0.003 * t * t + g.wobble
    if name == "under":
        x = g.inner[0] + (g.outer[0] - g.inner[0]) * (0.05 + (0.8 + 0.08 * g.a) * t)
        sag = 0.008 + 0.006 * g.at + 0.001 * g.b
        return x, g.inner[1] - 0.002 - sag * np.sin(0.35 + 2.2 * t) + g.wobble
    if name == "fold":
        start = g.wing[0] * 1.25
        x = start + (g.corner[0] * 1.55 - start) * t**1.3 + g.out * g.a * 0.8 * t
        drop = g.corner[1] - g.wing[1] - 0.010 + 0.004 * g.b
        return x, g.wing[1] + 0.008 + drop * t + g.wobble
    if name == "marionette":
        x = g.corner[0] + g.out * (2.2 + 1.8 * t + 0.8 * g.a * t)
        return x, g.corner[1] - 0.002 - (0.018 + 0.004 * g.b) * t + g.wobble
    if name == "nose":
        y = g.mark[27, 1] - 0.004 - 0.009 * g.at - (0.006 + 0.002 * g.a) * t
        return g.out * (2.5 + 4.5 * t), y
    x = g.inner[0] + (g.outer[0] - g.inner[0]) * (0.02 + 1.06 * t)
    lift = (0.0062 + 0.0016 * g.a) * np.sin(0.25 + 2.5 * t) ** 0.8
    return x, g.inner[1] + (g.outer[1] - g.inner[1]) * t + lift + 0.0015


def paths(head: Head, lines: Floats) -> list[Floats]:
    """The lines on the mean head: (POINTS, 3) metres each, nan where they leave the skin."""
    surface = chart(head)
    flat = [np.empty((0, 2))]
    for row in lines:
        name = NAMES[int(row[0])]
        guide = _guide(surface.anchors, float(row[1]), float(row[2]), row[5:8])
        draw = _side_curve if FAMILIES[name].sides else _middle_curve
        flat.append(np.column_stack(draw(name, guide)))
    return list(place(surface, np.concatenate(flat)).reshape(-1, POINTS, 3))


def depths(lines: Floats, age: float, expression: Mapping[str, float] | None = None) -> Floats:
    """Depth (f,) in metres of each line at `age`, with these expression weights (0..1).

    Never shallower for a higher age or a stronger expression.
    """
    weights = expression or {}
    out = np.zeros(len(lines), np.float32)
    for i, (index, side, _, strength, onset, *_) in enumerate(lines):
        family = FAMILIES[NAMES[int(index)]]
        grown = float(np.clip((age - onset) / SPAN, 0, 1.25)) ** 1.3
        ends = ("Left",) if side > 0 else ("Right",) if side < 0 else ("Left", "Right")
        pulls = [0.0]
        for move in family.moves:
            names = [move[:-1] + end for end in ends] if move.endswith("*") else [move]
            pulls.append(sum(float(weights.get(n, 0.0)) for n in names) / len(names))
        pull = min(1.0, max(pulls))
        young = 0.45 + 0.55 * min(1.0, max(0.0, (age - 5) / 40))
        out[i] = family.depth * strength * (grown + family.gain * pull * young)
    return out


_KEPT: dict[tuple[int, int], tuple[weakref.ref[Floats], weakref.ref[Head], list[Floats]]] = {}


def _kept_paths(head: Head, lines: Floats) -> list[Floats]:
    key = (id(head), id(lines))
    kept = _KEPT.get(key)
    if kept is not None and kept[0]() is lines and kept[1]() is head:
        return kept[2]
    made = paths(head, lines)
    _KEPT[key] = (
        weakref.ref(lines, lambda _: _KEPT.pop(key, None)),
        weakref.ref(head, lambda _: _KEPT.pop(key, None)),
        made,
    )
    return made


def add_lines(
    out: Floats, scratch: Floats, head: Head, atlas: Atlas, lines: Floats, age: float,
    expression: Mapping[str, float] | None,
) -> None:  # fmt: skip
    """Cut a person's lines into `out` (k, 5): darker and redder at the bottom, with slopes."""
    boxes = atlas.boxes
    space = (boxes.low, boxes.edge, boxes.shape, boxes.start, boxes.texels)
    skin = (atlas.position, atlas.texel, atlas.along_u, atlas.along_v)
    stride = 2 if boxes.edge < 0.0035 else 3  # of 30 steps
    for row, path, depth in zip(
        lines, _kept_paths(head, lines), depths(lines, age, expression), strict=True
    ):
        if depth < 2e-5:
            continue
        width = FAMILIES[NAMES[int(row[0])]].width
        steep = float(depth) / width
        tint = np.array([0.25, 0.45, -0.1], np.float32) * np.float32(min(1.2, steep * 1.6))
        splat_line(
            *space,
            *skin,
            path[::stride],
            width,
            float(depth),
            tint,
            float(row[5]) * 9,
            scratch,
            out,
        )
