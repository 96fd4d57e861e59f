"""Backgrounds outdoors and at night; conventions as in `rooms`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.world.filters import clouds
from fusiform.lab.world.painting import paint, shapes
from fusiform.lab.world.rooms import colours, fill, mottled, pool

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Random = np.random.Generator

LEAF = np.array([0.10, 0.19, 0.035], np.float32)


def heaven(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """Sky alone: clear, with clouds or covered; warm near the horizon when the light is warm."""
    bright = np.float32(rng.uniform(0.8, 1.6) * light.mean())
    warm = light / max(float(light.mean()), 1e-6)
    top = bright * np.array([0.16, 0.36, 0.85], np.float32) * rng.uniform(0.5, 1.2)
    low = bright * np.array([0.75, 0.85, 0.95], np.float32) * warm
    cover = float(rng.choice([0.0, 0.35, 0.6, 1.0]))
    mix = np.linspace(0, 1, h, dtype=np.float32)[:, None, None] ** np.float32(1.3)
    picture = np.broadcast_to(top * (1 - mix) + low * mix, (h, w, 3))
    if cover > 0:
        noise = clouds(rng, h, w, 0.6 * h, 5)
        amount = np.clip(0.9 * noise + 2.2 * cover - 1.1, 0, 1)
        tone = 0.95 + 0.16 * clouds(rng, h, w, 0.35 * h, 3)
        picture = picture * (1 - amount) + amount * tone * bright * warm * np.float32(0.95)
    return np.ascontiguousarray(np.maximum(picture, 0), np.float32)


def leaves(
    rng: Random, count: int, x: Doubles, y: Doubles, size: float, light: Floats, tint: Floats
) -> Floats:
    """`count` leaves at x, y (count,), each as large as `size` times 0.4 to 1.3."""
    a, b = rng.uniform(0.4, 1.3, (2, count)) * size
    tone = rng.lognormal(-0.25, 0.55, (count, 1)) * rng.normal(1, 0.06, (count, 3))
    return shapes("oval", x - a, y - b, x + a, y + b, tint * tone * light, 0.7, 0.9)


def foliage(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """A hedge or a tree near by, light falling through its gaps."""
    wide = w / h
    tint = LEAF * np.array([rng.uniform(0.6, 1.9), 1, rng.uniform(0.5, 1.2)], np.float32)
    picture = mottled(rng, fill(h, w, np.asarray(0.4 * tint * light, np.float32)), 0.3, 0.6)
    parts = []
    for size, count in ((0.09, 120), (0.05, 260), (0.03, 300)):
        x, y = rng.uniform(-0.1, wide + 0.1, count), rng.uniform(-0.1, 1.1, count)
        parts.append(leaves(rng, count, x, y, size, light, tint))
    gaps = int(rng.integers(0, 50))
    x, y = rng.uniform(0, wide, gaps), rng.beta(1, 2, gaps)
    hole = rng.uniform(0.006, 0.035, gaps)
    glare = np.array([0.9, 1.0, 0.9]) * light * rng.uniform(0.8, 2.5, (gaps, 1))
    parts.append(shapes("oval", x - hole, y - hole, x + hole, y + hole, glare, 1, 0.8))
    return paint(picture, np.concatenate(parts), h)


def park(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """Grass, a far line of trees, a few trees nearer, sky."""
    wide, horizon = w / h, float(rng.uniform(0.4, 0.75))
    picture = heaven(rng, h, w, light)
    tint = LEAF * np.array([rng.uniform(0.7, 1.8), 1, rng.uniform(0.6, 1.2)], np.float32)
    grass = tint * light * np.array([1.1, 1.2, 0.9])
    x = np.linspace(-0.1, wide + 0.1, 26)
    tall = rng.uniform(0.08, 0.3, 26)
    far = 0.6 * tint * light * rng.uniform(0.5, 1.2, (26, 1)) + 0.04 * light
    parts = [
        shapes("oval", x - 0.13, horizon - tall, x + 0.13, horizon + 0.2, far, 0.5, 1, 0.03),
        shapes("box", -1, horizon, 9, 3, grass, 0.8, 1, 0.02),
    ]
    if rng.random() < 0.4:
        edge = rng.uniform(0.05, 0.3)
        parts.append(shapes("box", -1, horizon + edge, 9, horizon + edge + 0.12, 0.4 * light))
    for _ in range(int(rng.integers(0, 4))):
        at, trunk = rng.uniform(0, wide), rng.uniform(0.02, 0.06)
        bark = np.array([0.12, 0.09, 0.06]) * light
        parts.append(shapes("box", at - trunk, 0.1, at + trunk, horizon + 0.15, bark, 0.7))
        n = 130
        cx, cy = rng.normal(at, 0.2, n), rng.normal(horizon - 0.45, 0.13, n)
        parts.append(leaves(rng, n, cx, cy, 0.05, light, 0.8 * tint))
    return mottled(rng, paint(picture, np.concatenate(parts), h), 0.08, 0.1)


def sky(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """The sky, as seen from below, at times with a few branches or a far roof."""
    picture = heaven(rng, h, w, light)
    if rng.random() < 0.4:
        n = 90
        x, y = rng.normal(rng.uniform(0, w / h), 0.2, n), rng.normal(0.05, 0.12, n)
        return paint(picture, leaves(rng, n, x, y, 0.035, light, 0.6 * LEAF), h)
    return picture


def sea(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """Water under a sky, sand in front at times."""
    horizon = float(rng.uniform(0.35, 0.7))
    picture = heaven(rng, h, w, light)
    first = int(horizon * h)
    deep = np.array([0.06, 0.2, 0.26], np.float32) * light * rng.uniform(0.6, 1.6)
    mix = np.linspace(0.6, 0.2, h - first, dtype=np.float32)[:, None, None]
    water = deep * (1 - mix) + mix * picture[max(first - 1, 0)].mean(0)
    ripple = clouds(rng, h - first, 1 + w // 6, max(h / 40, 1.0), 3).repeat(6, 1)[:, :w]
    picture[first:] = water * np.maximum(1 + 0.25 * ripple, 0.2)
    if rng.random() < 0.5:
        shore = rng.uniform(horizon + 0.1, 1)
        sand = np.array([0.55, 0.45, 0.32]) * light
        parts = [
            shapes("box", -1, shore - 0.015, 9, shore + 0.01, 0.85 * light, 1, 0.8, 0.01),
            shapes("box", -1, shore, 9, 3, sand, 0.95, 1, 0.01),
        ]
        return paint(picture, np.concatenate(parts), h)
    return picture


def buildings(
    rng: Random, wide: float, ground: float, light: Floats, lit: float, glow: Floats
) -> list[Floats]:
    """Houses side by side that stand at `ground`; a share `lit` of their windows shines."""
    parts = []
    x = -0.2
    while x < wide:
        across, tall = rng.uniform(0.2, 0.5), rng.uniform(0.3, 1.1)
        front = colours(rng, 1, 0.12, 0.6, 0.3)[0] * light * np.array([1.05, 1, 0.92])
        top = ground - tall
        parts.append(shapes("box", x, top, x + across, ground, front, 0.8))
        parts.append(shapes("box", x, top, x + across, top + 0.015, 0.6 * front))
        columns, rows = int(rng.integers(3, 7)), int(tall / rng.uniform(0.08, 0.15)) + 1
        u, v = (g.ravel() for g in np.mgrid[0:columns, 0:rows].astype(float))
        cell_w, cell_h = across / columns, tall / rows
        x0, y0 = x + (u + 0.25) * cell_w, top + (v + 0.2) * cell_h
        on = rng.random((len(u), 1)) < lit
        pane = np.where(on, glow * rng.uniform(0.4, 1.5, (len(u), 1)), 0.3 * front)
        pane = pane + 0.25 * light * rng.random((len(u), 1)) * (1 - lit)
        parts.append(shapes("box", x0, y0, x0 + 0.55 * cell_w, y0 + 0.6 * cell_h, pane))
        x += across * rng.uniform(0.95, 1.15)
    return parts


def passers_by(rng: Random, wide: float, ground: float, light: Floats) -> Floats:
    """Cars and people on a street at some distance."""
    n = int(rng.integers(1, 4))
    x, long = rng.uniform(-0.2, wide, n), rng.uniform(0.25, 0.5, n)
    body = colours(rng, n, 0.02, 0.7, 0.6) * light
    people = int(rng.integers(1, 7))
    px, size = rng.uniform(0, wide, people), rng.uniform(0.015, 0.03, people)
    cloth = colours(rng, people, 0.02, 0.5, 0.6) * light
    skin = np.array([0.35, 0.2, 0.14]) * light
    top = ground + 0.05 - 11 * size
    return np.concatenate(
        [
            shapes("oval", x + 0.2 * long, ground - 0.14, x + 0.8 * long, ground, 0.15 * light),
            shapes("oval", x, ground - 0.09, x + long, ground + 0.04, body, 0.4),
            shapes(
                "oval", px - 1.7 * size, top + 1.5 * size, px + 1.7 * size, ground + 0.06, cloth
            ),
            shapes("oval", px - 0.8 * size, top, px + 0.8 * size, top + 2.2 * size, skin),
        ]
    )


def street(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """A street by day."""
    wide, ground = w / h, float(rng.uniform(0.6, 0.9))
    picture = heaven(rng, h, w, light)
    parts = buildings(rng, wide, ground, light, 0.05, 1.2 * light)
    parts.append(shapes("box", -1, ground, 9, 3, 0.25 * light, 1.1, 1, 0.02))
    parts.append(passers_by(rng, wide, ground, light))
    if rng.random() < 0.5:
        n = 120
        x = rng.normal(rng.uniform(0, wide), 0.15, n)
        parts.append(leaves(rng, n, x, rng.normal(ground - 0.35, 0.1, n), 0.04, light, LEAF))
    return pool(rng, mottled(rng, paint(picture, np.concatenate(parts), h), 0.2, 0.06), 0.2)


def night_street(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """A street at night: lit windows, shop fronts, lamps and their shine on the ground."""
    wide, ground = w / h, float(rng.uniform(0.6, 0.85))
    dark = np.array([0.006, 0.008, 0.014], np.float32)
    picture = fill(h, w, dark * rng.uniform(0.5, 3), 1.6)
    amber = np.array([1.4, 0.85, 0.4], np.float32)
    parts = buildings(rng, wide, ground, 0.12 * light, 0.35, amber * rng.uniform(0.3, 1.0))
    n = int(rng.integers(2, 7))
    x, across = rng.uniform(-0.1, wide, n), rng.uniform(0.08, 0.3, n)
    sign = colours(rng, n, 0.5, 1.8, 1.0)
    parts.append(shapes("box", x, ground - 0.16, x + across, ground - 0.03, sign, 0.7))
    parts.append(shapes("box", -1, ground, 9, 3, 0.04 * light, 0.6, 1, 0.02))
    parts.append(shapes("box", x, ground, x + across, ground + 0.3, sign, 0, 0.2, 0.06))
    parts.append(passers_by(rng, wide, ground, 0.15 * light))
    parts.append(lights(rng, wide, int(rng.integers(5, 30)), 0.012, 0.03))
    return paint(picture, np.concatenate(parts), h)


def lights(rng: Random, wide: float, count: int, low: float, high: float) -> Floats:
    """`count` discs of light of radius `low`..`high`: warm, with a few in other colours."""
    warm = np.array([1.6, 0.95, 0.42]) * rng.uniform(0.4, 1.6, (count, 1))
    bold = colours(rng, count, 0.4, 1.6, 1.0)
    colour = np.where(rng.random((count, 1)) < rng.uniform(0.1, 0.6), bold, warm)
    x, y = rng.uniform(-0.1, wide + 0.1, count), np.clip(rng.normal(0.5, 0.25, count), 0, 1)
    size = rng.uniform(low, high) * rng.uniform(0.8, 1.2, count)
    alpha = rng.uniform(0.2, 0.9, count)
    return shapes("oval", x - size, y - size, x + size, y + size, colour, 1, alpha, 0, 0.3)


def bokeh(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """Lamps at night, far out of focus."""
    wide = w / h
    base = colours(rng, 1, 0.004, 0.05, 0.6)[0] + 0.03 * light
    picture = mottled(rng, fill(h, w, np.asarray(base, np.float32), 0.7), 0.5, 0.5)
    table = lights(rng, wide, int(rng.integers(15, 70)), 0.025, 0.09)
    return paint(picture, table, h)
