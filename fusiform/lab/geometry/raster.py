"""Which triangle a grid of rays meets first (Numba).

Vertices are snapped to a grid of 1/4096 pixel, so edge functions in float64 are exact: a sample
on an edge that two triangles share belongs to exactly one of them (the fill rule below), and
`raster_torch` finds the same triangles. Where two triangles are equally near, to float32, the one
that comes first wins.

What is compared is a *key*, linear on the screen, the least in front: -1 / z for a pinhole, the
depth itself for parallel rays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.kernel import inlined, kernel
from fusiform.lab.geometry.scene import Camera, Floats, Ints

Doubles = NDArray[np.float64]
Corners = tuple[float, float, float, float, float, float, float, float, float, float]

NEAR = 0.01  # metres; a triangle with a corner nearer than this is left out whole
GRID = 4096.0  # steps of the snapping grid in a pixel
HALF = 0.5 / GRID**2  # edge functions are whole multiples of 1 / GRID**2
SHIFT = 16384  # more samples than any corner is off
TILE = 8  # samples
MANY = 2000  # triangles from which it pays to look whether they are hidden
SLACK = 1e-5  # of a key: more than rounding to float32 moves it
NO_TILES = np.zeros((0, 0), np.float32)
NO_MIDDLES = np.zeros((0, 0), np.int32), np.zeros((0, 0), np.float32)
FAR_OFF = 8192.0  # samples; triangles that reach further from the picture's corner are left out


@kernel
def pinhole(
    vertices: Floats, rotation: Doubles, shift: Doubles, focal: float, cx: float, cy: float
) -> Doubles:
    """Pixels x, y and key (V, 3) of world `vertices` (V, 3); nan for those nearer than NEAR."""
    out = np.empty((len(vertices), 3))
    for i in range(len(vertices)):
        x, y, z = np.float64(vertices[i, 0]), np.float64(vertices[i, 1]), np.float64(vertices[i, 2])
        depth = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + shift[2]
        if not depth >= NEAR:
            out[i] = np.nan
            continue
        key = 1.0 / depth
        across = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + shift[0]
        down = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + shift[1]
        out[i, 0] = focal * across * key + cx
        out[i, 1] = focal * down * key + cy
        out[i, 2] = -key
    return out


def see(camera: Camera, vertices: Floats) -> Doubles:
    """`pinhole` for a `Camera`."""
    rotation, shift = camera.rotation.astype(np.float64), camera.shift.astype(np.float64)
    return pinhole(vertices, rotation, shift, camera.focal, *camera.centre)


@kernel
def snap(screen: Doubles, scale: float) -> Doubles:
    """Screen positions (V, 3) on the snapping grid, times `scale` samples a pixel (whole)."""
    out = np.empty_like(screen)
    for i in range(len(screen)):
        out[i, 0] = np.floor(screen[i, 0] * GRID + 0.5) / GRID * scale
        out[i, 1] = np.floor(screen[i, 1] * GRID + 0.5) / GRID * scale
        out[i, 2] = screen[i, 2]
    return out


def fill(
    placed: Doubles,
    triangles: Ints,
    first: int,
    ids: Ints,
    keys: Floats,
    middles: tuple[Ints, Floats] = NO_MIDDLES,
) -> None:
    """Draw triangles (T, 3) of snapped vertices (V, 3) into `ids` and `keys` (h, w), in place.

    Triangle t is written as `first + t` where its key is less than the one there. A sample sits
    at the middle of its cell; both sides of a triangle are drawn. A sample exactly on an edge
    belongs to the triangle that lies to the edge's left on the screen, or below a level edge.
    `middles`: `ids` and `keys` (h / n, w / n) to draw in the same pass, a sample at the middle of
    each block of n x n cells.
    """
    skippable = len(triangles) >= MANY
    tiles, middle_tiles = NO_TILES, NO_TILES
    if skippable:
        tiles, middle_tiles = farthest(keys), farthest(middles[1])
    _fill(placed, triangles, first, ids, keys, tiles, *middles, middle_tiles)


@kernel
def farthest(keys: Floats) -> Floats:
    """The greatest key in each tile of TILE x TILE samples of `keys` (h, w): what lies behind it
    shows nowhere there (the hierarchical depth test of Greene et al. 1993, with one level)."""
    high, wide = keys.shape
    out = np.full((-(-high // TILE), -(-wide // TILE)), -np.inf, np.float32)
    for y in range(high):
        for x in range(wide):
            out[y // TILE, x // TILE] = max(out[y // TILE, x // TILE], keys[y, x])
    return out


@kernel
def hidden(tiles: Floats, x0: int, x1: int, y0: int, y1: int, key: float) -> bool:
    """Whether samples x0 <= x < x1, y0 <= y < y1 are all in tiles nearer than `key`."""
    for i in range(y0 // TILE, (y1 - 1) // TILE + 1):
        for j in range(x0 // TILE, (x1 - 1) // TILE + 1):
            if tiles[i, j] > key:
                return False
    return True


@kernel
def _fill(
    placed: Doubles,
    triangles: Ints,
    first: int,
    ids: Ints,
    keys: Floats,
    tiles: Floats,
    middle_ids: Ints,
    middle_keys: Floats,
    middle_tiles: Floats,
) -> None:
    """`fill`, without triangles that all of the tiles (see `farthest`; or none) hide."""
    high, wide = ids.shape
    tall, broad = middle_ids.shape
    block = high / tall if tall > 0 else 1.0
    skippable = tiles.size > 0
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by = placed[a, 0], placed[a, 1], placed[b, 0], placed[b, 1]
        cx, cy = placed[c, 0], placed[c, 1]
        low_y, top_y = min(ay, by, cy), max(ay, by, cy)
        low_x, top_x = min(ax, bx, cx), max(ax, bx, cx)
        if not (low_x > -FAR_OFF and low_y > -FAR_OFF and top_x < FAR_OFF and top_y < FAR_OFF):
            continue
        y0, y1 = covered(low_y, top_y, high)
        x0, x1 = covered(low_x, top_x, wide)
        some = y0 < y1 and x0 < x1
        u0, u1, v0, v1 = 0, 0, 0, 0
        if tall > 0:
            v0, v1 = covered(low_y / block, top_y / block, tall)
            u0, u1 = covered(low_x / block, top_x / block, broad)
        between = v0 < v1 and u0 < u1
        if not (some or between):
            continue
        ka, kb, kc = placed[a, 2], placed[b, 2], placed[c, 2]
        if skippable:
            front = min(ka, kb, kc) - SLACK
            some = some and not hidden(tiles, x0, x1, y0, y1, front)
            between = between and not hidden(middle_tiles, u0, u1, v0, v1, front)
            if not (some or between):
                continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area < 0.0:
            bx, by, kb, cx, cy, kc = cx, cy, kc, bx, by, kb
            area = -area
        if not area > 0.0:
            continue
        plane = (ax, ay, bx, by, cx, cy, ka, kb, kc, 1.0 / area)
        if some:
            sweep(plane, (x0, x1, y0, y1), 1.0, first + t, ids, keys)
        if between:
            sweep(plane, (u0, u1, v0, v1), block, first + t, middle_ids, middle_keys)


@inlined
def covered(low: float, top: float, count: int) -> tuple[int, int]:
    """The cells of `count` whose middles lie between `low` and `top`, as a range."""
    # ceil(low - 0.5) and floor(top - 0.5), by a shift that lets truncation do for them
    return max(0, SHIFT - int(SHIFT + 0.5 - low)), min(count, int(top + SHIFT + 0.5) - SHIFT)


@inlined
def sweep(
    corners: Corners,
    box: tuple[int, int, int, int],
    cell: float,
    name: int,
    ids: Ints,
    keys: Floats,
) -> None:
    """Write `name` at the samples of a grid of `cell` x `cell` that a triangle wins, within the
    cells `box` (x0, x1, y0, y1)."""
    ax, ay, bx, by, cx, cy, ka, kb, kc, inverse = corners
    x0, x1, y0, y1 = box
    # the edge opposite each corner: its function grows by -dy to the right and dx downwards
    dxa, dya = cx - bx, cy - by
    dxb, dyb = ax - cx, ay - cy
    dxc, dyc = bx - ax, by - ay
    # half a step below 0 for edges that are not the triangle's own: 0 on them is outside
    low_a = 0.0 if dya > 0.0 or (dya == 0.0 and dxa > 0.0) else -HALF
    low_b = 0.0 if dyb > 0.0 or (dyb == 0.0 and dxb > 0.0) else -HALF
    low_c = 0.0 if dyc > 0.0 or (dyc == 0.0 and dxc > 0.0) else -HALF
    right = -(dya * ka + dyb * kb + dyc * kc) * inverse * cell
    down = (dxa * ka + dxb * kb + dxc * kc) * inverse * cell
    px, py = (x0 + 0.5) * cell, (y0 + 0.5) * cell
    wa = dxa * (py - by) - dya * (px - bx) + low_a
    wb = dxb * (py - cy) - dyb * (px - cx) + low_b
    wc = dxc * (py - ay) - dyc * (px - ax) + low_c
    start = ka + (right * (px - ax) + down * (py - ay)) / cell
    dxa, dya, dxb, dyb = dxa * cell, dya * cell, dxb * cell, dyb * cell
    dxc, dyc = dxc * cell, dyc * cell
    broad = x1 - x0 > 2
    if broad:
        ia, ib, ic = 1.0 / dya, 1.0 / dyb, 1.0 / dyc
    for y in range(y0, y1):
        k0, k1, row = 0, x1 - x0, start + down * (y - y0)
        if broad:  # the row's part within the triangle, if anything a hair too wide
            low, top = 0.0, np.float64(k1 - 1)
            if dya > 0.0:
                top = min(top, np.float64(wa * ia))
            elif dya < 0.0:
                low = max(low, np.float64(wa * ia))
            if dyb > 0.0:
                top = min(top, np.float64(wb * ib))
            elif dyb < 0.0:
                low = max(low, np.float64(wb * ib))
            if dyc > 0.0:
                top = min(top, np.float64(wc * ic))
            elif dyc < 0.0:
                low = max(low, np.float64(wc * ic))
            k0, k1 = int(low + (1.0 - 1e-6)), int(top + (1.0 + 1e-6))
        for k in range(k0, k1):
            if min(wa - k * dya, wb - k * dyb, wc - k * dyc) >= 0.0:
                key = np.float32(row + right * k)
                if key < keys[y, x0 + k]:
                    keys[y, x0 + k] = key
                    ids[y, x0 + k] = name
        wa, wb, wc = wa + dxa, wb + dxb, wc + dxc


@kernel
def weights(
    placed: Doubles, a: int, b: int, c: int, px: float, py: float
) -> tuple[float, float, float]:
    """Perspective-correct barycentric coordinates of sample (px, py) in a triangle of corners
    a, b, c whose keys are -1 / z, kept within 0..1."""
    ax, ay, bx, by = placed[a, 0], placed[a, 1], placed[b, 0], placed[b, 1]
    cx, cy = placed[c, 0], placed[c, 1]
    wa = ((cx - bx) * (py - by) - (cy - by) * (px - bx)) * placed[a, 2]
    wb = ((ax - cx) * (py - cy) - (ay - cy) * (px - cx)) * placed[b, 2]
    wc = ((bx - ax) * (py - ay) - (by - ay) * (px - ax)) * placed[c, 2]
    total = 1.0 / (wa + wb + wc)
    return max(wa * total, 0.0), max(wb * total, 0.0), max(wc * total, 0.0)


def canvas(high: int, wide: int) -> tuple[Ints, Floats]:
    """Empty `ids` (h, w) of -1 and `keys` (h, w) of infinity."""
    return np.full((high, wide), -1, np.int32), np.full((high, wide), np.inf, np.float32)
