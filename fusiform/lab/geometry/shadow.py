"""Shadow maps of far lamps, and soft look-ups in them (Numba).

Each lamp sees the casters by parallel rays; its map covers what the camera sees (the receivers),
so no texel is spent on shadows that fall outside the picture. A look-up first averages the
blockers about a point to learn how far the shadow has travelled, then filters over the penumbra of
a lamp of that size (percentage-closer soft shadows, Fernando 2005) on a sunflower disc of samples
turned by interleaved gradient noise of integer picture coordinates (Jimenez 2014).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.brdf import Vector, cross, unit
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.raster import canvas, fill, snap
from fusiform.lab.geometry.scene import Camera, Floats, Lamp, Surface

Doubles = NDArray[np.float64]

TAPS = 12
_K = np.arange(TAPS)
DISC = np.sqrt((_K + 0.5) / TAPS)[:, None] * np.stack(  # a sunflower: point k at k golden angles
    [np.cos(_K * np.pi * (3 - np.sqrt(5))), np.sin(_K * np.pi * (3 - np.sqrt(5)))], 1
)
TURNS = np.stack([np.cos(np.arange(64) * np.pi / 32), np.sin(np.arange(64) * np.pi / 32)], 1)
REACH = 0.1  # metres: how far before a point blockers are looked for, times the lamp's size
HAIR_DEPTH = 0.008  # metres of hair that let half the light through
STEEPEST = 3.0  # depth over distance: the slope up to which a receiver's plane is followed
WIDEST = 24.0  # texels: the largest radius of a penumbra
MARGIN = 0.02  # metres around the receivers


@kernel
def axes(direction: Floats) -> Doubles:
    """Two unit vectors across `direction` (3,) and itself, as rows (3, 3)."""
    d = unit((float(direction[0]), float(direction[1]), float(direction[2])))
    a = unit(cross((0.0, 1.0, 0.0) if abs(d[1]) < 0.9 else (1.0, 0.0, 0.0), d))
    return np.array([a, cross(d, a), d])


@kernel
def seen_bounds(keys: Floats, lens: Doubles, frame: Doubles) -> Doubles:
    """Least and greatest place (2, 2) along two axes (rows of `frame`) of what a camera sees.

    `keys` (h, w): -1 / depth at pixel centres, infinite where nothing is. `lens`: focal, centre
    x, centre y, rotation (9, row by row), shift (3).
    """
    low0, low1, top0, top1 = np.inf, np.inf, -np.inf, -np.inf
    high, wide = keys.shape
    for y in range(high):
        for x in range(wide):
            if keys[y, x] >= 0.0:
                continue
            z = -1.0 / np.float64(keys[y, x])
            px = (x + 0.5 - lens[1]) / lens[0] * z - lens[12]
            py = (y + 0.5 - lens[2]) / lens[0] * z - lens[13]
            pz = z - lens[14]
            wx = lens[3] * px + lens[6] * py + lens[9] * pz
            wy = lens[4] * px + lens[7] * py + lens[10] * pz
            wz = lens[5] * px + lens[8] * py + lens[11] * pz
            s = frame[0, 0] * wx + frame[0, 1] * wy + frame[0, 2] * wz
            t = frame[1, 0] * wx + frame[1, 1] * wy + frame[1, 2] * wz
            low0, low1, top0, top1 = min(low0, s), min(low1, t), max(top0, s), max(top1, t)
    return np.array([[low0, low1], [top0, top1]])


def lens_of(camera: Camera) -> Doubles:
    """A camera as 15 numbers, as `seen_bounds` takes it."""
    head = [camera.focal, *camera.centre]
    return np.concatenate([head, np.ravel(camera.rotation), camera.shift]).astype(np.float64)


def fit(bounds: Doubles, frame: Doubles, resolution: int) -> Doubles:
    """A map's place as a row of 12: three axes (9), least s, least t, metres a texel.

    Rounded outwards to whole centimetres, so that a pixel more or less of the receivers seldom
    changes the map. `bounds` (2, 2) as `seen_bounds` gives them; infinite: nothing is seen.
    """
    if not np.isfinite(bounds).all():
        return np.concatenate([frame.ravel(), [0.0, 0.0, 1.0]])
    low = np.floor((bounds[0] - MARGIN) * 100) / 100
    side = np.ceil(((bounds[1] + MARGIN) - low).max() * 100) / 100
    return np.concatenate([frame.ravel(), low, [side / resolution]])


@kernel
def parallel(vertices: Floats, place: Doubles) -> Doubles:
    """Texel coordinates and depth (V, 3) of `vertices` in the map at `place` (12,)."""
    out = np.empty((len(vertices), 3))
    for i in range(len(vertices)):
        x, y, z = np.float64(vertices[i, 0]), np.float64(vertices[i, 1]), np.float64(vertices[i, 2])
        out[i, 0] = (place[0] * x + place[1] * y + place[2] * z - place[9]) / place[11]
        out[i, 1] = (place[3] * x + place[4] * y + place[5] * z - place[10]) / place[11]
        out[i, 2] = -(place[6] * x + place[7] * y + place[8] * z)
    return out


def maps(
    surfaces: Sequence[Surface], lamps: Sequence[Lamp], keys: Floats, camera: Camera, side: int
) -> tuple[Floats, Doubles]:
    """Shadow maps (L, side, side) of depth along each lamp's rays, and their places (L, 12).

    `keys` (h, w): the camera's key at pixel centres. Lenses cast no shadow. A lamp without
    shadows gets an empty map.
    """
    depths = np.full((len(lamps), side, side), np.inf, np.float32)
    places = np.zeros((len(lamps), 12))
    for i, lamp in enumerate(lamps):
        frame = axes(lamp.direction)
        places[i] = fit(seen_bounds(keys, lens_of(camera), frame), frame, side)
        if not lamp.casts_shadow:
            continue
        ids, _ = canvas(side, side)
        for surface in surfaces:
            if surface.casts_shadow and surface.cover >= 1:
                placed = snap(parallel(surface.vertices, places[i]), 1.0)
                fill(placed, surface.triangles, 0, ids, depths[i])
    return depths, places


@kernel
def noise(x: int, y: int) -> float:
    """Interleaved gradient noise 0..1 of integer coordinates (Jimenez 2014)."""
    inner = 0.06711056 * x + 0.00583715 * y
    outer = 52.9829189 * (inner - np.floor(inner))
    return float(outer - np.floor(outer))


@kernel
def turn_disc(column: int, row: int, out: Doubles) -> None:
    """Write DISC, turned by the noise at (column, row) in 64 steps, into `out` (TAPS, 2)."""
    k = int(64.0 * noise(column, row))
    cos, sin = TURNS[k, 0], TURNS[k, 1]
    for i in range(TAPS):
        out[i, 0] = DISC[i, 0] * cos - DISC[i, 1] * sin
        out[i, 1] = DISC[i, 0] * sin + DISC[i, 1] * cos


@kernel
def lit(
    depths: Floats,
    place: Doubles,
    size: float,
    disc: Doubles,
    point: Vector,
    normal: Vector,
    away: float,
) -> float:
    """Share 0..1 of a lamp that reaches world `point`, pushed `away` metres along its normal.

    `depths` (side, side), `place` (12,), the lamp's angular radius `size`, the turned `disc`
    (TAPS, 2). Samples follow the plane across `normal` (receiver-plane bias, Isidoro 2006), so
    that a slope does not shade itself. Outside the map all is lit.
    """
    side, texel = depths.shape[0], place[11]
    px, py = point[0] + away * normal[0], point[1] + away * normal[1]
    pz = point[2] + away * normal[2]
    s = (place[0] * px + place[1] * py + place[2] * pz - place[9]) / texel
    t = (place[3] * px + place[4] * py + place[5] * pz - place[10]) / texel
    na = place[0] * normal[0] + place[1] * normal[1] + place[2] * normal[2]
    nb = place[3] * normal[0] + place[4] * normal[1] + place[5] * normal[2]
    nd = max(place[6] * normal[0] + place[7] * normal[1] + place[8] * normal[2], 0.05)
    slope_s = min(max(na / nd, -STEEPEST), STEEPEST) * texel
    slope_t = min(max(nb / nd, -STEEPEST), STEEPEST) * texel
    depth = -(place[6] * px + place[7] * py + place[8] * pz)
    depth -= 0.5 * (texel + abs(slope_s) + abs(slope_t))
    radius = min(max(size * REACH / texel, 1.5), WIDEST)
    blockers, total = 0, 0.0
    for k in range(TAPS):
        u, v = disc[k, 0] * radius, disc[k, 1] * radius
        gap = depth + slope_s * u + slope_t * v - stored(depths, side, s + u, t + v)
        if gap > 0.0:
            blockers += 1
            total += gap
    if blockers == 0:
        return 1.0
    radius = min(max(size * total / (blockers * texel), 1.0), radius)
    reached = 0
    for k in range(TAPS):
        u, v = disc[k, 0] * radius, disc[k, 1] * radius
        if depth + slope_s * u + slope_t * v <= stored(depths, side, s + u, t + v):
            reached += 1
    return reached / TAPS


@kernel
def stored(depths: Floats, side: int, s: float, t: float) -> float:
    """The depth of the texel that (s, t) lies in, infinite outside the map."""
    if s < 0.0 or t < 0.0 or s >= side or t >= side:
        return np.inf
    return np.float64(depths[np.uint32(t), np.uint32(s)])


@kernel
def filtered(
    depths: Floats,
    place: Doubles,
    disc: Doubles,
    point: Vector,
    start: float,
    fade: float,
) -> float:
    """Share 0..1 of a lamp that reaches `point` through a medium: 1 / (1 + (way / fade)^2), where
    `way` is what lies, in metres, between the first thing the light meets and `start` before the
    point.

    For hair, which lets light through (a constant density as in opacity shadow maps, Kim and
    Neumann 2001, with a cheaper fall-off than the exponential), and for thin skin.
    """
    side, texel = depths.shape[0], place[11]
    s = (place[0] * point[0] + place[1] * point[1] + place[2] * point[2] - place[9]) / texel
    t = (place[3] * point[0] + place[4] * point[1] + place[5] * point[2] - place[10]) / texel
    depth = -(place[6] * point[0] + place[7] * point[1] + place[8] * point[2]) - start
    total = 0.0
    for k in range(TAPS):
        u, v = disc[k, 0] * 1.5, disc[k, 1] * 1.5
        way = depth - stored(depths, side, s + u, t + v)
        if way > 0.0:
            total += 1.0 / (1.0 + (way / fade) * (way / fade))
        else:
            total += 1.0
    return total / TAPS
