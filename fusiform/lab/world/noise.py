"""Seeded noise in space: the same everywhere, so a pattern runs on across texture seams.

Lattice hashing as in Perlin 2002 (Improving Noise), cellular noise after Worley 1996. All
functions are pure: value = f(point, seed). Coordinates are in units of the lattice.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.kernel import inlined, kernel

Floats = NDArray[np.float32]

KINDS = ("value", "gradient", "cellular")
VALUE_GAIN = 2.70  # brings lattice noise to a standard deviation of about 1
GRADIENT_GAIN = 5.24


@inlined
def hashed(i: int, j: int, k: int, seed: int) -> int:
    """A lattice point and a seed to 32 well mixed bits."""
    h = (i * 374761393 + j * 668265263 + k * 1440662683 + seed * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 2246822519) & 0xFFFFFFFF
    return h ^ (h >> 13)


@inlined
def _slant(h: int, x: float, y: float, z: float) -> float:
    """Dot product with a direction read from 30 of the bits: no branches, so it runs fast."""
    dot = (h & 1023) * x + ((h >> 10) & 1023) * y + ((h >> 20) & 1023) * z
    return dot * (2.0 / 1023.0) - (x + y + z)


@kernel
def gradient(x: float, y: float, z: float, seed: int) -> float:
    """Gradient noise: mean 0, standard deviation about 1, band around one cycle per 1.5 units."""
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    i, j, k = int(fx), int(fy), int(fz)
    x, y, z = x - fx, y - fy, z - fz
    u = x * x * x * (x * (x * 6 - 15) + 10)
    v = y * y * y * (y * (y * 6 - 15) + 10)
    w = z * z * z * (z * (z * 6 - 15) + 10)
    a = _slant(hashed(i, j, k, seed), x, y, z)
    b = _slant(hashed(i + 1, j, k, seed), x - 1, y, z)
    c = _slant(hashed(i, j + 1, k, seed), x, y - 1, z)
    d = _slant(hashed(i + 1, j + 1, k, seed), x - 1, y - 1, z)
    e = _slant(hashed(i, j, k + 1, seed), x, y, z - 1)
    f = _slant(hashed(i + 1, j, k + 1, seed), x - 1, y, z - 1)
    g = _slant(hashed(i, j + 1, k + 1, seed), x, y - 1, z - 1)
    h = _slant(hashed(i + 1, j + 1, k + 1, seed), x - 1, y - 1, z - 1)
    near = (a + u * (b - a)) * (1 - v) + (c + u * (d - c)) * v
    far = (e + u * (f - e)) * (1 - v) + (g + u * (h - g)) * v
    return GRADIENT_GAIN * (near + w * (far - near))


@kernel
def value(x: float, y: float, z: float, seed: int) -> float:
    """Value noise: mean 0, standard deviation about 1; rounder and lower pitched than gradient."""
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    i, j, k = int(fx), int(fy), int(fz)
    x, y, z = x - fx, y - fy, z - fz
    u, v, w = x * x * (3 - 2 * x), y * y * (3 - 2 * y), z * z * (3 - 2 * z)
    total = 0.0
    for corner in range(8):
        p, q, r = corner & 1, (corner >> 1) & 1, corner >> 2
        share = (u if p else 1 - u) * (v if q else 1 - v) * (w if r else 1 - w)
        total += share * hashed(i + p, j + q, k + r, seed)
    return VALUE_GAIN * (total * (2.0 / 4294967296.0) - 1.0)


@kernel
def value_slope(x: float, y: float, z: float, seed: int) -> tuple[float, float, float, float]:
    """`value` and its exact derivatives along x, y and z."""
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    i, j, k = int(fx), int(fy), int(fz)
    x, y, z = x - fx, y - fy, z - fz
    u, v, w = x * x * (3 - 2 * x), y * y * (3 - 2 * y), z * z * (3 - 2 * z)
    scale = 2.0 * VALUE_GAIN / 4294967296.0
    a, b = scale * hashed(i, j, k, seed), scale * hashed(i + 1, j, k, seed)
    c, d = scale * hashed(i, j + 1, k, seed), scale * hashed(i + 1, j + 1, k, seed)
    e, f = scale * hashed(i, j, k + 1, seed), scale * hashed(i + 1, j, k + 1, seed)
    g, h = scale * hashed(i, j + 1, k + 1, seed), scale * hashed(i + 1, j + 1, k + 1, seed)
    low, high = a + u * (b - a), c + u * (d - c)
    low2, high2 = e + u * (f - e), g + u * (h - g)
    near, far = low + v * (high - low), low2 + v * (high2 - low2)
    across = (b - a) * (1 - v) + (d - c) * v
    across2 = (f - e) * (1 - v) + (h - g) * v
    return (
        near + w * (far - near) - VALUE_GAIN,
        6 * x * (1 - x) * (across + w * (across2 - across)),
        6 * y * (1 - y) * (high - low + w * (high2 - low2 - high + low)),
        6 * z * (1 - z) * (far - near),
    )


@kernel
def cellular(x: float, y: float, z: float, seed: int) -> tuple[float, float, float, float, int]:
    """The nearest of one random point per cell: (distance, offset x, y, z from it, its hash).

    Only the eight cells around are searched: exact up to a distance of half a step, which is as
    far as dots reach; beyond that it may name a point that is not the nearest.
    """
    fx, fy, fz = math.floor(x - 0.5), math.floor(y - 0.5), math.floor(z - 0.5)
    best, ox, oy, oz, name = 1e9, 0.0, 0.0, 0.0, 0
    for corner in range(8):
        i = int(fx) + (corner & 1)
        j = int(fy) + ((corner >> 1) & 1)
        k = int(fz) + (corner >> 2)
        h = hashed(i, j, k, seed)
        dx = x - (i + (h & 1023) * (1.0 / 1023))
        dy = y - (j + ((h >> 10) & 1023) * (1.0 / 1023))
        dz = z - (k + ((h >> 20) & 1023) * (1.0 / 1023))
        d = dx * dx + dy * dy + dz * dz
        if d < best:
            best, ox, oy, oz, name = d, dx, dy, dz, h
    return math.sqrt(best), ox, oy, oz, name


@inlined
def fade(wavelength: float, texel: float) -> float:
    """Share of a pattern of this wavelength that texels of this size can show: 0 below two texels
    a wave (Nyquist), 1 from five on."""
    t = min(1.0, max(0.0, (wavelength / texel - 2.0) / 3.0))
    return t * t * (3 - 2 * t)


@kernel
def _fill(points: Floats, wavelength: float, seed: int, kind: int, out: Floats) -> None:
    for t in range(points.shape[0]):
        x, y, z = points[t, 0] / wavelength, points[t, 1] / wavelength, points[t, 2] / wavelength
        if kind == 0:
            out[t] = value(x, y, z, seed)
        elif kind == 1:
            out[t] = gradient(x, y, z, seed)
        else:
            out[t] = cellular(x, y, z, seed)[0]


def sample(points: Floats, wavelength: float, seed: int, kind: str = "gradient") -> Floats:
    """Noise (k,) at `points` (k, 3) with lattice step `wavelength`, in the points' unit.

    `kind`: "value", "gradient" (mean 0, deviation about 1) or "cellular" (distance to the
    nearest of scattered points, in lattice steps). Raises ChoiceError for another kind or a
    wavelength that is not above 0.
    """
    if kind not in KINDS:
        raise ChoiceError("kind", KINDS, kind)
    if not wavelength > 0:
        raise ChoiceError("wavelength", "above 0", wavelength)
    out = np.empty(len(points), np.float32)
    _fill(np.ascontiguousarray(points, np.float32), wavelength, seed, KINDS.index(kind), out)
    return out
