"""Where make-up goes: patterns over the face, drawn from its landmarks and borders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng as stream
from fusiform.lab.geometry.head import REGIONS, Head, at
from fusiform.lab.world.atlas import Atlas
from fusiform.lab.world.atlas_chart import azimuth, chart
from fusiform.lab.world.skin_zones import Z, zones

Floats = NDArray[np.float32]

COARSE = 0.003  # metres; edges get no softer than that

STYLES: dict[str, tuple[str, ...]] = {
    "foundation": ("all",),
    "contour": ("cheeks", "nose", "full"),
    "highlight": ("soft",),
    "blush": ("apple", "draped", "nose"),
    "shadow": ("lid", "crease", "smoky"),
    "liner": ("thin", "thick", "cat-eye"),
    "brow": ("pencil",),
    "lipstick": ("full", "blurred", "overdrawn"),
    "paint": ("stripes", "triangles", "mask", "dots", "half"),
}


@dataclass(frozen=True)
class Canvas:
    """What patterns are made of, per texel (k,): `zone` (k, z), `place` (k, 2) azimuth and
    height, `mark` (68, 2) the landmarks there, `above`: height over the line through the
    corners of the nearer eye, metres; `beyond`, `within`: metres outward of its outer and its
    inner corner; `skin` 0..1: bare skin, neither lips nor insides; `texel`:
    metres, at most COARSE."""

    atlas: Atlas
    zone: Floats
    place: Floats
    mark: Floats
    above: Floats
    beyond: Floats
    within: Floats
    skin: Floats
    texel: Floats


def _step(low: float, high: float, x: Floats) -> Floats:
    t = np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def canvas(head: Head, atlas: Atlas) -> Canvas:
    """Measures of all texels for the patterns."""
    mark = at(head.landmarks["68"], head.triangles, head.mean)
    x, y = np.abs(atlas.position[:, 0]), atlas.position[:, 1]
    inner, outer = (mark[42] + mark[39] * [-1, 1, 1]) / 2, (mark[45] + mark[36] * [-1, 1, 1]) / 2
    rise = (outer[1] - inner[1]) / (outer[0] - inner[0])
    surface = chart(head)
    bare = ("face", "nose", "eyelid_l", "eyelid_r", "brow_l", "brow_r", "neck", "scalp")
    skin = np.isin(atlas.region, [REGIONS.index(n) for n in bare]) * _step(
        0.0015, -0.0005, atlas.lip
    )
    return Canvas(
        atlas,
        zones(head, atlas).share,
        azimuth(atlas.position, surface.axis).astype(np.float32),
        surface.anchors.astype(np.float32),
        (y - inner[1] - rise * (x - inner[0])).astype(np.float32),
        (x - outer[0]).astype(np.float32),
        (x - inner[0]).astype(np.float32),
        skin.astype(np.float32),
        np.minimum(atlas.texel, np.float32(COARSE)),
    )


def _foundation(c: Canvas, style: str, seed: int) -> Floats:
    low = float(c.mark[8, 1])
    face = _step(low - 0.03, low + 0.002, c.place[:, 1]) * _step(100, 75, np.abs(c.place[:, 0]))
    return np.asarray(
        c.skin * face * (1 - 0.85 * c.atlas.masks.get("brow", np.float32(0))), np.float32
    )


def _contour(c: Canvas, style: str, seed: int) -> Floats:
    turn, height = np.abs(c.place[:, 0]), c.place[:, 1]
    mouth, wing = c.mark[54], c.mark[35]
    # below the cheekbone: a wedge from the ear towards the corner of the mouth
    line = mouth[1] + 0.022 + 0.0009 * (turn - mouth[0] - 10)
    hollow = np.exp(-0.5 * ((height - line) / 0.008) ** 2) * _step(
        mouth[0] + 6, mouth[0] + 22, turn
    )
    hollow *= _step(78, 60, turn)
    sides = np.exp(-0.5 * ((turn - wing[0] * 0.95) / 1.6) ** 2)
    sides *= _step(wing[1], wing[1] + 0.01, height) * _step(
        c.mark[27, 1] + 0.012, c.mark[27, 1], height
    )
    share = {"cheeks": (1.0, 0.0), "nose": (0.0, 1.0), "full": (1.0, 0.9)}[style]
    return np.asarray(c.skin * np.clip(share[0] * hollow + share[1] * sides, 0, 1), np.float32)


def _highlight(c: Canvas, style: str, seed: int) -> Floats:
    outer = c.mark[45]
    turn, height = np.abs(c.place[:, 0]), c.place[:, 1]
    bone = np.exp(-0.5 * ((turn - outer[0] - 7) / 7) ** 2)
    bone *= np.exp(-0.5 * ((height - outer[1] + 0.014 - 0.0006 * (turn - outer[0])) / 0.005) ** 2)
    ridge = np.exp(-0.5 * (turn / 1.6) ** 2) * c.zone[:, Z["bridge"]]
    return np.asarray(c.skin * np.clip(bone + 0.8 * ridge, 0, 1), np.float32)


def _blush(c: Canvas, style: str, seed: int) -> Floats:
    apple, side = c.zone[:, Z["cheek"]], c.zone[:, Z["flush"]]
    if style == "nose":
        return c.skin * np.clip(apple + 0.7 * c.zone[:, Z["nose"]] + c.zone[:, Z["bridge"]], 0, 1)
    if style == "apple":
        return c.skin * apple
    return np.asarray(
        c.skin * np.clip(0.6 * apple + 0.9 * side * _step(-0.055, -0.03, c.place[:, 1]), 0, 1),
        np.float32,
    )


def _shadow(c: Canvas, style: str, seed: int) -> Floats:
    lid, above = c.atlas.lid, c.above
    high = {"lid": 0.007, "crease": 0.011, "smoky": 0.012}[style]
    upper = _step(high + 0.004, high * 0.5, lid) * _step(-0.0005, 0.001, above)
    if style == "smoky":
        wing = _step(0.016, 0.0, c.beyond) * _step(-0.014, -0.006, above)
        lower = 0.75 * _step(0.0065, 0.0015, lid) * _step(0.001, -0.001, above)
        upper = np.maximum(upper * wing, lower)
    brow = 1 - 0.9 * c.atlas.masks.get("brow", np.float32(0))
    return np.asarray(c.skin * upper * brow * _step(-0.002, 0.003, c.within), np.float32)


def _liner(c: Canvas, style: str, seed: int) -> Floats:
    lid, above, texel = c.atlas.lid, c.above, c.texel
    width = {"thin": 0.0010, "thick": 0.0022, "cat-eye": 0.0020}[style]
    soft = np.maximum(np.float32(0.0004), 0.5 * texel)
    edge = np.clip((width + soft - lid) / (2 * soft), 0, 1)
    line = edge * _step(-0.0010, 0.0005, above)
    if style != "thin":
        line = np.maximum(line, 0.6 * np.clip((0.0008 + soft - lid) / (2 * soft), 0, 1))
    if style == "cat-eye":
        reach = c.beyond / 0.011
        off = np.abs(above - 0.0005 - 0.55 * np.maximum(c.beyond, 0)) - 0.0017 * (1 - reach)
        wing = np.clip((soft - off) / (2 * soft), 0, 1) * (reach > -0.15) * (reach < 1)
        line = np.maximum(line, wing * (lid < 0.014))
    return np.asarray(c.skin * line, np.float32)


def _brow(c: Canvas, style: str, seed: int) -> Floats:
    return np.asarray(
        c.skin * _step(0.25, 0.65, c.atlas.masks.get("brow", np.zeros_like(c.skin))), np.float32
    )


def _lipstick(c: Canvas, style: str, seed: int) -> Floats:
    out = {"full": 0.0, "blurred": -0.001, "overdrawn": 0.0010}[style]
    soft = np.maximum(np.float32(0.0022 if style == "blurred" else 0.0005), 0.5 * c.texel)
    red = np.clip((c.atlas.lip + out + soft) / (2 * soft), 0, 1)
    hidden = c.atlas.region == REGIONS.index("inner_mouth")
    return np.asarray(red * ~hidden, np.float32)


def _paint(c: Canvas, style: str, seed: int) -> Floats:
    """Geometric face paint: patterns for festivals and for studies of disguise."""
    rng = stream(seed, "paint")
    turn, height = c.place[:, 0], c.place[:, 1]
    soft = np.maximum(np.float32(0.0004), 0.5 * c.texel)
    x, y = np.sin(np.radians(turn)) * np.float32(0.1), height
    total = np.zeros(len(turn), np.float32)
    if style == "half":
        side = 1.0 if rng.random() < 0.5 else -1.0
        total = np.clip((side * x + soft) / (2 * soft), 0, 1)
    elif style == "mask":
        low, high = float(c.mark[33, 1]) + rng.uniform(0, 0.02), float(c.mark[24, 1]) + 0.012
        total = np.clip(np.minimum(y - low, high - y) / soft / 2 + 0.5, 0, 1)
    else:
        count = {"stripes": 4, "triangles": 6, "dots": 26}[style]
        for _ in range(count):
            px, py = rng.uniform(-0.07, 0.07), rng.uniform(float(c.mark[8, 1]), 0.065)
            angle, size = rng.uniform(0, np.pi), rng.uniform(0.010, 0.024)
            u = (x - px) * np.cos(angle) + (y - py) * np.sin(angle)
            v = (y - py) * np.cos(angle) - (x - px) * np.sin(angle)
            if style == "stripes":
                away = np.maximum(np.abs(v) - 0.22 * size, np.abs(u) - 2.6 * size)
            elif style == "triangles":
                away = np.maximum(np.abs(u) * 0.87 + 0.5 * v, -v) - 0.5 * size
            else:
                away = np.hypot(u, v) - 0.12 * size
            total = np.maximum(total, np.clip((soft - away) / (2 * soft), 0, 1))
    return np.asarray(
        c.skin * total * (height > float(c.mark[8, 1]) - 0.01) * (np.abs(turn) < 85), np.float32
    )


PATTERNS: dict[str, Callable[[Canvas, str, int], Floats]] = {
    "foundation": _foundation, "contour": _contour, "highlight": _highlight, "blush": _blush,
    "shadow": _shadow, "liner": _liner, "brow": _brow, "lipstick": _lipstick, "paint": _paint,
}  # fmt: skip
