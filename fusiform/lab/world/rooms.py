"""Backgrounds indoors. Each paints (h, w, 3) linear light; `light` (3,) is what white gives back.

Places are in units of the picture's height, x to the right and y down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.world.filters import clouds
from fusiform.lab.world.painting import paint, shapes

Floats = NDArray[np.float32]
Random = np.random.Generator


def fill(h: int, w: int, colour: Floats, foot: float = 1.0) -> Floats:
    """(h, w, 3): `colour` (3,) at the top, `foot` times as bright at the bottom."""
    tone = np.linspace(1, foot, h, dtype=np.float32)[:, None, None]
    return np.ascontiguousarray(np.broadcast_to(tone * np.asarray(colour, np.float32), (h, w, 3)))


def mottled(rng: Random, picture: Floats, cell: float, strength: float, octaves: int = 3) -> Floats:
    """`picture` with its brightness stirred by smooth noise of spread `strength`."""
    h, w = picture.shape[:2]
    noise = clouds(rng, h, w, max(cell * h, 1.0), octaves)
    return np.asarray(picture * np.maximum(1 + np.float32(strength) * noise, 0.05), np.float32)


def pool(rng: Random, picture: Floats, strength: float = 0.5) -> Floats:
    """`picture` lit unevenly: brightest at some place, falling off around it."""
    h, w = picture.shape[:2]
    x, y = rng.uniform(0, w / h), rng.uniform(-0.2, 0.7)
    reach = rng.uniform(0.6, 1.4)
    across = np.exp(-(((np.arange(w) + 0.5) / h - x) ** 2) / reach**2)
    down = np.exp(-(((np.arange(h) + 0.5) / h - y) ** 2) / reach**2)
    tone = (1 - strength + strength * np.outer(down, across)).astype(np.float32)
    return picture * tone[..., None]


def colours(rng: Random, count: int, low: float, high: float, saturation: float) -> Floats:
    """(count, 3): albedos of brightness `low`..`high`; saturation 0 grey .. 1 strong."""
    # Things are more often red, brown or yellow than green, blue or purple.
    hue = rng.normal(-0.08, 0.22, (count, 1)) + np.array([0, 1 / 3, 2 / 3])
    pure = 0.5 + 0.5 * np.cos(2 * np.pi * hue)
    depth = saturation * rng.random((count, 1))
    value = rng.uniform(low, high, (count, 1))
    return np.asarray(value * (1 - depth + 1.6 * depth * pure), np.float32)


def paint_colour(rng: Random) -> Floats:
    """(3,): the albedo of a painted wall: mostly pale and nearly grey, sometimes bold."""
    if rng.random() < 0.25:
        return np.asarray(colours(rng, 1, 0.08, 0.5, 0.9)[0])
    pale = colours(rng, 1, 0.35, 0.85, 0.25)[0]
    return np.asarray(pale * np.array([1.03, 1, 0.95]), np.float32)


def frame(rng: Random, x: float, y: float, wide: float, tall: float, light: Floats) -> Floats:
    """A picture on a wall: shadow, frame, mount and a few blots of colour."""
    edge, mount = 0.012, wide * rng.uniform(0.06, 0.2)
    wood = colours(rng, 1, 0.02, 0.5, 0.4)[0] * light
    blots = colours(rng, 5, 0.05, 0.8, 0.8) * light
    x0, y0 = x + mount, y + mount
    inner_w, inner_h = wide - 2 * mount, tall - 2 * mount
    u, v = np.sort(rng.random((2, 4)), 0), np.sort(rng.random((2, 4)), 0)
    return np.concatenate(
        [
            shapes("box", x, y + 0.01, x + wide + 0.02, y + tall + 0.03, 0, 1, 0.4, 0.04),
            shapes("box", x - edge, y - edge, x + wide + edge, y + tall + edge, wood),
            shapes("box", x, y, x + wide, y + tall, 0.8 * light),
            shapes("box", x0, y0, x0 + inner_w, y0 + inner_h, blots[:1], 0.6),
            shapes(
                "oval",
                x0 + inner_w * u[0],
                y0 + inner_h * v[0],
                x0 + inner_w * u[1],
                y0 + inner_h * v[1],
                blots[1:],
                1,
                0.9,
            ),
        ]
    )


def window(rng: Random, x: float, y: float, wide: float, tall: float, light: Floats) -> Floats:
    """A bright window: sky, something green or grey below, bars, curtains at times."""
    sky = np.array([0.85, 0.95, 1.1], np.float32) * np.float32(rng.uniform(1.2, 4))
    ground = np.array([[0.25, 0.35, 0.12], [0.4, 0.4, 0.42]])[rng.integers(2)] * sky.mean()
    bar, paint_ = 0.014, 0.7 * light
    low = y + tall * rng.uniform(0.5, 0.9)
    parts = [
        shapes("box", x - 0.04, y - 0.04, x + wide + 0.04, y + tall + 0.04, paint_),
        shapes("box", x, y, x + wide, y + tall, sky, 0.9),
        shapes("oval", x, low, x + wide * 0.7, y + tall * 1.2, ground, 1, 0.8, 0.05),
        shapes("box", x, (low + y + tall) / 2, x + wide, y + tall, ground, 1, 0.9, 0.02),
        shapes("box", x - 0.06, y + tall, x + wide + 0.06, y + tall + 0.2, 0.8 * paint_, 0.9),
    ]
    columns = np.linspace(x, x + wide, int(rng.integers(2, 5)))
    parts.append(shapes("box", columns - bar, y, columns + bar, y + tall, paint_))
    parts.append(shapes("box", x, y + tall * 0.45, x + wide, y + tall * 0.45 + bar, paint_))
    if rng.random() < 0.5:
        cloth = colours(rng, 1, 0.3, 0.8, 0.5)[0] * light * 1.5
        folds = np.linspace(0, 0.3 * wide, 9)[:-1]
        tones = (0.75 + 0.25 * rng.random((8, 1))) * cloth
        for start in (x - 0.08, x + wide * 0.78):
            at = start + folds
            parts.append(shapes("box", at, y - 0.1, at + 0.05 * wide, 2, tones, 0.9, 0.95, 0.01))
    return np.concatenate(parts)


def door(rng: Random, x: float, wide: float, light: Floats) -> Floats:
    """A panelled door from above the picture to below it."""
    wood = paint_colour(rng) * light
    rows = np.array([-0.25, 0.3, 0.85])
    sides = np.array([0.1, 0.55])
    y, u = (grid.ravel() for grid in np.meshgrid(rows, sides, indexing="ij"))
    x0, x1 = x + wide * u, x + wide * (u + 0.35)
    return np.concatenate(
        [
            shapes("box", x - 0.05, -0.5, x + wide + 0.05, 3, 0.9 * wood + 0.05 * light),
            shapes("box", x, -0.5, x + wide, 3, wood, 0.85),
            shapes("box", x0, y, x1, y + 0.45, 0.65 * wood, 1),
            shapes("box", x0 + 0.01, y + 0.01, x1, y + 0.45, 1.05 * wood, 1),
            shapes("oval", x + 0.05, 0.6, x + 0.09, 0.64, 0.9 * light),
        ]
    )


def plant(rng: Random, x: float, y: float, size: float, light: Floats) -> Floats:
    """Leaves in a pot that stands at x, y."""
    n = 40
    spread = rng.normal(0, 0.35, (2, n)) * size
    green = (
        np.array([0.08, 0.2, 0.05]) * light * rng.uniform(0.3, 1.6, (n, 1)) * [1, 1, rng.random()]
    )
    a, b = rng.uniform(0.04, 0.16, (2, n)) * size
    cx, cy = x + spread[0], y - 0.75 * size - np.abs(spread[1])
    pot = colours(rng, 1, 0.1, 0.7, 0.6)[0] * light
    return np.concatenate(
        [
            shapes("box", x - 0.2 * size, y - 0.5 * size, x + 0.2 * size, y, pot, 0.6),
            shapes("oval", cx - a, cy - b, cx + a, cy + 2 * b, green, 0.6),
        ]
    )


def wall(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """A painted wall with some of: pictures, a window, a door, a lamp, a plant, a sofa."""
    wide = w / h
    picture = fill(h, w, paint_colour(rng) * light, float(rng.uniform(0.7, 1)))
    picture = pool(rng, mottled(rng, picture, 0.6, 0.03), float(rng.uniform(0.1, 0.6)))
    parts = []
    if rng.random() < 0.4:
        parts.append(door(rng, rng.uniform(-0.2, wide - 0.2), rng.uniform(0.5, 0.7), light))
    if rng.random() < 0.4:
        parts.append(window(rng, rng.uniform(-0.3, wide - 0.3), -0.2, 0.7, 0.75, light))
    for _ in range(int(rng.integers(0, 4))):
        size, x, y = rng.uniform(0.12, 0.35, 2), rng.uniform(-0.1, wide), rng.uniform(-0.05, 0.4)
        parts.append(frame(rng, x, y, size[0], size[1], light))
    if rng.random() < 0.3:
        x, y = rng.uniform(0, wide), rng.uniform(0.2, 0.5)
        warm = np.array([3.0, 1.9, 0.9]) * rng.uniform(0.5, 1.5)
        parts.append(shapes("oval", x - 0.4, y - 0.4, x + 0.4, y + 0.5, warm, 1, 0.12, 0.7))
        parts.append(shapes("box", x - 0.01, y + 0.1, x + 0.01, 2, 0.1 * light))
        parts.append(shapes("box", x - 0.09, y - 0.08, x + 0.09, y + 0.1, warm, 0.8))
    if rng.random() < 0.4:
        cloth = colours(rng, 1, 0.05, 0.6, 0.6)[0] * light
        x = rng.uniform(-0.5, wide - 0.5)
        parts.append(shapes("oval", x, 0.72, x + 1.2, 1.6, cloth, 0.7))
        parts.append(shapes("oval", x + 0.1, 0.78, x + 0.4, 1.05, 0.5 * light * rng.random(3), 0.8))
    if rng.random() < 0.35:
        parts.append(plant(rng, rng.uniform(0, wide), 1.05, rng.uniform(0.3, 0.6), light))
    return paint(picture, np.concatenate(parts), h) if parts else picture


def bookcase(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """Shelves of books with gaps and things on them."""
    wood = colours(rng, 1, 0.03, 0.6, 0.3)[0] * light * np.array([1.1, 0.95, 0.8])
    picture = fill(h, w, 0.35 * wood)
    wide, rows = w / h, int(rng.integers(2, 6))
    gap, start = 1.1 / rows, rng.uniform(-0.2, 0)
    parts = []
    for row in range(rows + 1):
        floor = start + gap * (row + 1)
        widths = rng.uniform(0.06, 0.28, 60) * gap
        left = np.cumsum(widths) - widths - 0.1
        there = (left < wide) & (rng.random(60) < rng.uniform(0.7, 1))
        tall = gap * np.clip(rng.normal(0.72, 0.08, 60), 0.4, 0.9)
        cloth = colours(rng, 60, 0.02, 0.65, 0.85) * light
        top = floor - tall
        right = left + widths * 0.94
        books = shapes("box", left, top, right, floor, cloth, 0.75)
        band = top + tall * rng.uniform(0.1, 0.7, 60)
        title = shapes("box", left, band, right, band + 0.12 * tall, 0.5 * light, 1, 0.5)
        parts.append(np.stack([books[there], title[there]], 1).reshape(-1, books.shape[1]))
        parts.append(shapes("box", -1, floor, 9, floor + 0.07 * gap, wood, 0.8))
        parts.append(shapes("box", -1, floor + 0.07 * gap, 9, floor + 0.2 * gap, 0, 1, 0.5, 0.03))
    posts = rng.uniform(-0.2, wide) + np.array([0, 0.9])
    parts.append(shapes("box", posts, -1, posts + 0.04, 3, wood))
    return pool(rng, paint(picture, np.concatenate(parts), h), 0.5)


def brick(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """A brick wall, bare or painted over."""
    wide, tall = w / h, float(rng.uniform(0.045, 0.11))
    long = tall * rng.uniform(2.4, 3.2)
    rows, columns = int(1 / tall) + 2, int(wide / long) + 3
    y, x = (g.ravel().astype(float) for g in np.mgrid[0:rows, 0:columns])
    x0 = (x - 0.5 * (y % 2) - rng.random()) * long
    y0 = (y - rng.random()) * tall
    clay = np.array([[0.36, 0.13, 0.08], [0.45, 0.3, 0.2], [0.6, 0.58, 0.55]])[rng.integers(3)]
    tones = clay * light * np.clip(rng.normal(1, 0.18, (len(x), 1)), 0.4, 1.6)
    tones = tones * rng.normal(1, 0.04, (len(x), 3))
    mortar = fill(h, w, np.asarray(light * rng.uniform(0.15, 0.5), np.float32))
    bricks = shapes("box", x0, y0, x0 + 0.95 * long, y0 + 0.86 * tall, tones, 0.9)
    return pool(rng, mottled(rng, paint(mortar, bricks, h), 0.15, 0.1), 0.4)


def tiles(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """Glossy wall tiles with a sheen across them."""
    size = float(rng.uniform(0.06, 0.22))
    long = size * float(rng.choice([1.0, 1.0, 2.0]))
    rows, columns = int(1 / size) + 2, int(w / h / long) + 2
    y, x = (g.ravel().astype(float) for g in np.mgrid[0:rows, 0:columns])
    x0, y0 = (x - rng.random()) * long, (y - rng.random()) * size
    base = colours(rng, 2, 0.3, 0.85, 0.5)
    mixed = base[((x + y) % 2 if rng.random() < 0.25 else 0 * x).astype(int)]
    tones = mixed * light * rng.normal(1, 0.05, (len(x), 1))
    ground = fill(h, w, np.asarray(light * rng.uniform(0.1, 0.7), np.float32))
    body = shapes("box", x0, y0, x0 + 0.96 * long, y0 + size - 0.04 * long, tones, 0.93)
    return pool(rng, paint(ground, body, h), 0.6)


def office(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """An open office: ceiling lights, far windows or partitions, screens on desks."""
    wide = w / h
    horizon = rng.uniform(0.3, 0.6)
    picture = pool(rng, fill(h, w, colours(rng, 1, 0.4, 0.8, 0.2)[0] * light, 0.8), 0.3)
    parts = [shapes("box", -1, -1, 9, 0.16, 0.7 * light, 0.8)]
    x = np.arange(-0.2, wide, 0.45) + rng.uniform(0, 0.3)
    parts.append(shapes("box", x, 0.03, x + 0.26, 0.07, 3.5 * light))
    parts.append(shapes("box", x + 0.1, 0.11, x + 0.27, 0.13, 3 * light))
    if rng.random() < 0.6:
        step = rng.uniform(0.25, 0.5)
        panes = np.arange(-0.1, wide, step)
        sky = np.array([0.9, 1, 1.1]) * rng.uniform(0.8, 2.5)
        parts.append(shapes("box", panes, 0.2, panes + 0.9 * step, horizon + 0.15, sky, 0.7))
        if rng.random() < 0.5:
            blind = np.arange(0.2, horizon + 0.1, 0.03)
            parts.append(shapes("box", -1, blind, 9, blind + 0.014, 0.6 * light, 1, 0.8))
    count = int(rng.integers(3, 8))
    x, tall = rng.uniform(-0.2, wide, count), rng.uniform(0.12, 0.3, count)
    glow = np.array([0.5, 0.65, 0.9]) * rng.uniform(0.1, 1.2, (count, 1))
    desk = colours(rng, 1, 0.1, 0.7, 0.3)[0] * light
    parts.append(shapes("box", -1, horizon + 0.25, 9, 3, 0.35 * desk, 0.8))
    floor = horizon + 0.22 + 0.1 * rng.random(count)
    parts.append(shapes("box", x - 0.1, floor, x + 0.5, floor + 0.04, desk))
    shell = shapes("box", x, floor - tall, x + 1.5 * tall, floor - 0.03, 0.05 * light)
    panel = shapes("box", x + 0.01, floor - tall + 0.01, x + 1.5 * tall - 0.01, floor - 0.05, glow)
    parts.append(np.stack([shell, panel], 1).reshape(-1, shell.shape[1]))
    if rng.random() < 0.5:
        parts.append(plant(rng, rng.uniform(0, wide), 0.9, 0.35, light))
    return paint(picture, np.concatenate(parts), h)


def kitchen(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """Cupboards, a tiled strip, a worktop with things on it."""
    wide = w / h
    picture = tiles(rng, h, w, light)
    front = paint_colour(rng) * light
    step = rng.uniform(0.28, 0.45)
    x = np.arange(-step, wide + step, step) + rng.uniform(0, step)
    top = rng.uniform(0.25, 0.42)
    things = int(rng.integers(4, 10))
    at, tall = rng.uniform(0, wide, things), rng.uniform(0.06, 0.22, things)
    thin = rng.uniform(0.02, 0.07, things)
    floor = top + 0.4
    parts = [
        shapes("box", x, -0.3, x + 0.985 * step, top, front, 0.85),
        shapes("box", x + 0.03, -0.3, x + step - 0.04, top - 0.03, 0.93 * front, 0.85),
        shapes("box", x + 0.8 * step, top - 0.12, x + 0.82 * step, top - 0.04, 0.25 * light),
        shapes("box", -1, top, 9, top + 0.06, 0, 1, 0.35, 0.04),
        shapes(
            "box", at - thin, floor - tall, at + thin, floor, colours(rng, things, 0.03, 0.8, 0.8)
        ),
        shapes("box", -1, floor, 9, floor + 0.05, colours(rng, 1, 0.05, 0.7, 0.3) * light),
        shapes("box", x, floor + 0.05, x + 0.985 * step, 3, 0.9 * front, 0.8),
    ]
    parts[4][:, 5:8] *= light
    return pool(rng, paint(picture, np.concatenate(parts), h), 0.3)


def studio(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """A photographer's backdrop: paper or mottled canvas, a pool of light on it."""
    base = colours(rng, 1, 0.02, 0.8, 0.5)[0] * light
    picture = fill(h, w, base, float(rng.uniform(0.6, 1)))
    if rng.random() < 0.5:
        picture = mottled(rng, picture, 0.3, float(rng.uniform(0.05, 0.25)), 4)
    return pool(rng, picture, float(rng.uniform(0.2, 0.85)))


def gradient(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """Two colours running into each other at some angle."""
    a, b = colours(rng, 2, 0.05, 0.9, 0.8) * light
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) / max(h, w) - 0.5
    mix = np.clip(0.5 + x * np.cos(angle) + y * np.sin(angle), 0, 1)[..., None]
    return np.asarray(a * mix + b * (1 - mix), np.float32)


def wallpaper(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """A repeated pattern: stripes, lozenges, waves or flowers."""
    ground, ink = paint_colour(rng), colours(rng, 1, 0.05, 0.8, 0.7)[0]
    period = float(rng.uniform(0.05, 0.2))
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) * np.float32(2 * np.pi / (h * period))
    kind, other = int(rng.integers(4)), float(rng.uniform(0.2, 0.9))
    if kind == 0:
        wave = np.cos(x) + other * np.cos(3 * x)
    elif kind == 1:
        wave = np.cos(x) * np.cos(y / 1.6)
    elif kind == 2:
        wave = np.cos(y + np.sin(x) * 2 * other)
    else:
        turn = np.arctan2(np.sin(y / 2), np.sin(x / 2))
        wave = np.cos(5 * turn) * 0.4 + np.cos(x) + np.cos(y)
    mix = np.clip(0.5 + 2.5 * (wave - np.float32(rng.uniform(-0.3, 0.5))), 0, 1)[..., None]
    mix = mix * np.float32(rng.uniform(0.2, 0.9))
    picture = (ground * (1 - mix) + ink * mix) * light
    return pool(rng, np.asarray(picture, np.float32), 0.4)


def crowd(rng: Random, h: int, w: int, light: Floats) -> Floats:
    """Rows of people without faces, some way off, the nearest last."""
    picture = fill(h, w, colours(rng, 1, 0.1, 0.6, 0.4)[0] * light, 0.6)
    picture = mottled(rng, picture, 0.3, 0.3)
    parts = []
    for row in range(int(rng.integers(2, 5))):
        n = int(rng.integers(4, 9))
        size = 0.035 + 0.02 * row + 0.015 * rng.random(n)
        x, y = rng.uniform(-0.1, w / h + 0.1, n), 0.3 + 0.13 * row + rng.normal(0, 0.03, n)
        dim = light * rng.uniform(0.4, 0.9)
        skin = np.array([0.42, 0.25, 0.17]) * rng.uniform(0.25, 1.2, (n, 1)) * dim
        cloth, hair = colours(rng, n, 0.02, 0.6, 0.7) * dim, colours(rng, n, 0.01, 0.2, 0.3) * dim
        body = shapes("oval", x - 2 * size, y + 0.8 * size, x + 2 * size, y + 9 * size, cloth, 0.7)
        low = y + size * rng.choice([-0.1, 0.1, 1.2], n)
        mane = shapes("oval", x - 0.9 * size, y - 1.25 * size, x + 0.9 * size, low, hair)
        head = shapes("oval", x - 0.8 * size, y - 0.9 * size, x + 0.8 * size, y + 1.3 * size, skin)
        parts.append(np.stack([body, mane, head], 1).reshape(-1, body.shape[1]))
    return paint(picture, np.concatenate(parts), h)
