"""Light that falls on a face: places made of a smooth all-round glow and a few discs of light.

A disc that matters becomes a lamp with a soft edge; all else is kept as nine spherical-harmonic
coefficients. Directions are given as azimuth (0 in front of the face, positive to the subject's
left) and elevation, both in degrees. Colours are linear sRGB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.scene import Lamp, Lighting
from fusiform.lab.world.harmonics import GRID, harmonics, project
from fusiform.lab.world.srgb import LUMINANCE, daylight, kelvin

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Random = np.random.Generator

MOST_LAMPS = 3


@dataclass(frozen=True)
class Disc:
    """A round source: `direction` (3,) unit; `power` (3,), the irradiance of a surface that faces
    it, divided by pi; `radius`, angular, radians."""

    direction: Doubles
    power: Doubles
    radius: float


@dataclass(frozen=True)
class Place:
    """`glow` maps directions (n, 3) to radiance (n, 3). `cast`: the share of the light's colour
    that a camera's white balance leaves in the picture, 0..1."""

    glow: Callable[[Doubles], Doubles]
    discs: tuple[Disc, ...]
    cast: float = 0.2


def project_disc(disc: Disc) -> Floats:
    """(9, 3): coefficients of a disc of even radiance, by integrating over its cap exactly."""
    c, s = np.cos(disc.radius), np.sin(disc.radius) ** 2
    zonal = 2 * np.pi * np.array([0.2820947918 * (1 - c), 0.2443012560 * s, 0.3153915653 * c * s])
    # Turning a zonal function towards d: sqrt(4 pi / (2 l + 1)) Y_lm(d) (same paper, eq. 4).
    bands = np.repeat(zonal * np.sqrt(4 * np.pi / np.array([1, 3, 5])), [1, 3, 5])
    basis = harmonics(disc.direction[None])[0]
    return np.asarray(np.outer(bands * basis, disc.power / s), np.float32)


def facing(lighting: Lighting, normals: ArrayLike) -> Floats:
    """(n, 3): radiance of white matt surfaces with unit `normals` (n, 3), without shadows.

    Irradiance over pi; the cosine's coefficients pi, 2 pi / 3, pi / 4 are Ramamoorthi &
    Hanrahan 2001, equation 8. Never negative.
    """
    plain = np.asarray(normals, np.float64)
    bands = np.repeat([1.0, 2 / 3, 1 / 4], [1, 3, 5])
    basis = harmonics(plain) * bands
    total = np.maximum(np.einsum("nk,kc->nc", basis, lighting.environment), 0.0)
    for lamp in lighting.lamps:
        total += np.outer(np.maximum(plain @ lamp.direction, 0.0), lamp.colour)
    return np.asarray(total, np.float32)


def level(lighting: Lighting) -> Floats:
    """(3,): what falls on a face on the whole: half from the front, a quarter from each side."""
    around = [towards(0, 0), towards(50, 0), towards(-50, 0)]
    front, left, right = facing(lighting, around)
    return np.asarray(0.5 * front + 0.25 * (left + right), np.float32)


def towards(azimuth: float, elevation: float) -> Doubles:
    """(3,): the unit vector at these angles, degrees."""
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])


def shine(place: Place, lamps: int = MOST_LAMPS) -> Lighting:
    """The light of a `place`: its strongest discs as lamps, the rest as harmonics."""
    strength = [float(d.power @ LUMINANCE) for d in place.discs]
    order = sorted(range(len(strength)), key=lambda i: (-strength[i], i))
    kept = [place.discs[i] for i in order[:lamps]]
    environment = project(place.glow(GRID))
    for i in order[lamps:]:
        environment = environment + project_disc(place.discs[i])
    return Lighting(
        environment.astype(np.float32),
        tuple(
            Lamp(d.direction.astype(np.float32), d.power.astype(np.float32), d.radius) for d in kept
        ),
    )


def expose(lighting: Lighting, cast: float) -> Lighting:
    """`lighting` scaled so that `level` has luminance 1, its colour cast cut to a share `cast`."""
    seen = np.maximum(level(lighting).astype(np.float64), 1e-6)
    brightness = seen @ LUMINANCE
    gain = (seen / brightness) ** (cast - 1)
    gain /= brightness * ((seen / brightness * gain) @ LUMINANCE)
    return Lighting(
        (lighting.environment * gain).astype(np.float32),
        tuple(
            Lamp(p.direction, (p.colour * gain).astype(np.float32), p.size, p.casts_shadow)
            for p in lighting.lamps
        ),
    )


def sample_light(rng: Random, kind: str | None = None) -> tuple[str, Lighting]:
    """A kind of light and one instance of it, as a camera that meters it sees it.

    Exposed so that a white matt surface that looks ahead has a radiance about 1 (an 18 % grey
    one about 0.18; 0.06 to 0.4 in the extremes). Raises ChoiceError for an unknown kind.
    """
    if kind is None:
        names = tuple(_KINDS)
        shares = np.array([_KINDS[name][1] for name in names])
        kind = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    if kind not in _KINDS:
        raise ChoiceError("kind", KINDS, kind)
    place = _KINDS[kind][0](rng)
    return kind, expose(shine(place), place.cast)


def _between(rng: Random, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _side(rng: Random) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def _lamp(
    rng: Random, azimuth: float, elevation: float, power: Doubles, radius: float, wobble: float = 6
) -> Disc:
    a, e = rng.normal(0, wobble, 2)
    return Disc(towards(azimuth + float(a), elevation + float(e)), np.asarray(power), radius)


def _dome(
    zenith: Doubles, horizon: Doubles, ground: Doubles, ahead: Doubles | None = None
) -> Callable[[Doubles], Doubles]:
    """A sky from `horizon` to `zenith` over a `ground`; `ahead` is added towards the front."""

    def glow(d: Doubles) -> Doubles:
        up = np.sqrt(np.clip(d[:, 1:2], 0, 1))
        sky = horizon + (zenith - horizon) * up
        mix = np.clip(0.5 + 4 * d[:, 1:2], 0, 1)
        extra = 0.0 if ahead is None else np.clip(0.5 + 0.5 * d[:, 2:3], 0, 1) ** 2 * ahead
        return np.asarray(sky * mix + ground * (1 - mix) + extra)

    return glow


def _room(rng: Random, light: Doubles, low: float, high: float) -> Callable[[Doubles], Doubles]:
    """Walls that give back some of `light`: bright ceiling, coloured walls, dark floor."""
    paint = 1 + rng.normal(0, 0.06, 3)
    strength = _between(rng, low, high)
    ceiling, walls = strength * light, 0.7 * strength * light * paint
    floor = strength * light * np.array([0.34, 0.28, 0.22]) * _between(rng, 0.5, 1.5)
    return _dome(ceiling, walls, floor)


def _overcast(rng: Random) -> Place:
    sky = daylight(_between(rng, 5800, 8000))
    ground = sky * _between(rng, 0.08, 0.3) * np.array([1.05, 1.0, 0.9])

    def glow(d: Doubles) -> Doubles:  # CIE overcast sky (Moon & Spencer 1942)
        luminance = (1 + 2 * np.clip(d[:, 1:2], 0, 1)) / 3
        mix = np.clip(0.5 + 5 * d[:, 1:2], 0, 1)
        return np.asarray(sky * luminance * mix + ground * (1 - mix))

    veiled = _lamp(rng, _between(rng, -180, 180), 55, sky * _between(rng, 0.05, 0.4), 0.5)
    return Place(glow, (veiled,), 0.15)


def _sunny(rng: Random) -> Place:
    elevation = _between(rng, 18, 68)
    sun = daylight(_between(rng, 4900, 5700)) * _between(rng, 2.2, 4.5)
    blue = daylight(_between(rng, 9000, 18000))
    floor = (sun * np.sin(np.radians(elevation)) + blue) * _between(rng, 0.1, 0.3)
    tint = np.array([[1.1, 1.0, 0.82], [0.8, 1.1, 0.55], [1.0, 1.0, 1.0]])[rng.integers(3)]
    disc = Disc(towards(_between(rng, -150, 150), elevation), sun, _between(rng, 0.005, 0.03))
    return Place(_dome(0.5 * blue, _between(rng, 0.8, 1.2) * blue, floor * tint), (disc,), 0.2)


def _shade(rng: Random) -> Place:
    """Open shade: half of the sky behind leaves or a wall, sunlit ground beyond."""
    sky = daylight(_between(rng, 7000, 12000))
    open_to = towards(_between(rng, -90, 90), 25)
    wall = sky * np.array([[0.12, 0.16, 0.07], [0.2, 0.17, 0.14]])[rng.integers(2)]
    bounce = kelvin(5200) * _between(rng, 0.05, 0.35)

    def glow(d: Doubles) -> Doubles:
        mix = np.clip(0.5 + 1.5 * (d @ open_to)[:, None], 0, 1)
        return np.asarray((sky * mix + wall * (1 - mix)) * np.where(d[:, 1:2] > 0, 1, 0.1) + bounce)

    return Place(glow, (Disc(open_to, sky * _between(rng, 0.2, 0.6), 0.7),), 0.25)


def _sunset(rng: Random) -> Place:
    sun = kelvin(_between(rng, 2300, 3600)) * _between(rng, 1.0, 3.0)
    azimuth = _between(rng, -130, 130)
    at = towards(azimuth, 0)
    above = daylight(_between(rng, 8000, 16000)) * _between(rng, 0.25, 0.5)
    warm = kelvin(_between(rng, 2000, 3200))

    def glow(d: Doubles) -> Doubles:
        near = np.clip(0.5 + 0.5 * (d @ at)[:, None], 0, 1) ** 3
        low = np.exp(-4 * np.abs(d[:, 1:2]))
        sky = above + warm * low * (0.15 + near)
        return np.asarray(np.where(d[:, 1:2] > 0, sky, 0.15 * (warm + above)))

    disc = Disc(towards(azimuth, _between(rng, 3, 14)), sun, _between(rng, 0.01, 0.06))
    return Place(glow, (disc,), _between(rng, 0.35, 0.65))


def _window(rng: Random) -> Place:
    sky = daylight(_between(rng, 5600, 9000))
    inside = kelvin(_between(rng, 2700, 3500))
    pane = _lamp(rng, _side(rng) * _between(rng, 10, 95), 12, sky, _between(rng, 0.2, 0.6))
    bulb = _lamp(rng, _between(rng, -180, 180), 50, inside * _between(rng, 0, 0.3), 0.08)
    tone = 0.8 * sky + 0.2 * inside
    return Place(_room(rng, tone, 0.1, 0.4), (pane, bulb), 0.2)


def _office(rng: Random) -> Place:
    white = kelvin(_between(rng, 3300, 5200)) * np.array([0.98, 1.03, 0.97])
    start, count = _between(rng, 0, 360), int(rng.integers(3, 7))
    panels = tuple(
        _lamp(rng, start + 360 * i / count, _between(rng, 35, 75), white / count, 0.25)
        for i in range(count)
    )
    return Place(_room(rng, white, 0.3, 0.55), panels, 0.2)


def _studio(
    rng: Random, key: tuple[float, float], fill: tuple[float, float], kicker: float
) -> Place:
    """A softbox at `key` (azimuth, elevation), a weaker one across of power `fill` (low, high)."""
    white, side = kelvin(_between(rng, 5000, 5900)), _side(rng)
    size = _between(rng, 0.12, 0.45)
    strength = _between(rng, *fill)
    discs = [
        _lamp(rng, side * key[0], key[1], white, size, 4),
        _lamp(rng, -side * 40, 8, white * strength, 0.5),
    ]
    if rng.random() < kicker:
        rim = white * _between(rng, 0.5, 1.5)
        discs.append(_lamp(rng, -side * 150, 30, rim, 0.15))
    dim = white * _between(rng, 0.04, 0.16)
    return Place(_dome(dim, dim, 0.6 * dim), tuple(discs), 0.1)


def _rim(rng: Random) -> Place:
    white, side = kelvin(_between(rng, 4500, 6500)), _side(rng)
    discs = (
        _lamp(rng, side * 140, 25, white * _between(rng, 1.2, 2.2), 0.15),
        _lamp(rng, -side * 130, 20, white * _between(rng, 0.6, 1.6), 0.2),
        _lamp(rng, side * 15, 10, white * _between(rng, 0.35, 0.8), 0.4),
    )
    dim = white * _between(rng, 0.05, 0.15)
    return Place(_dome(dim, dim, 0.5 * dim), discs, 0.15)


def _night(rng: Random) -> Place:
    temperatures = (_between(rng, 1900, 2300), _between(rng, 3800, 5500))
    discs = []
    for _ in range(int(rng.integers(1, 4))):
        colour = kelvin(temperatures[int(rng.integers(2))])
        power = colour * _between(rng, 0.4, 1.0)
        discs.append(_lamp(rng, _between(rng, -110, 110), _between(rng, 25, 65), power, 0.03))
    hue = 0.15 + rng.random(3)
    discs.append(_lamp(rng, _side(rng) * 70, 0, hue * _between(rng, 0.1, 0.5), 0.3))
    dark = daylight(10000) * _between(rng, 0.05, 0.12)
    return Place(_dome(dark, 1.5 * dark, dark, 1.5 * dark), tuple(discs), _between(rng, 0.35, 0.6))


def _stage(rng: Random) -> Place:
    hues = rng.permutation(
        np.array([[1, 0.1, 0.5], [0.1, 0.3, 1.2], [1, 0.5, 0.08], [0.4, 0.1, 1]])
    )
    soft = hues[:3] + 0.1 * rng.random((3, 3))
    front = kelvin(3200) * _between(rng, 0.15, 0.6)
    discs = (
        _lamp(rng, _side(rng) * _between(rng, 40, 80), 35, soft[0], 0.05),
        _lamp(rng, _side(rng) * _between(rng, 100, 150), 35, soft[1], 0.05),
        _lamp(rng, _between(rng, -25, 25), 30, front, 0.06),
    )
    haze = 0.05 * (soft[0] + soft[1])
    return Place(_dome(haze, haze, haze), discs, _between(rng, 0.5, 0.9))


def _candle(rng: Random) -> Place:
    flame = 0.93 * kelvin(_between(rng, 1900, 2500)) + 0.07
    disc = _lamp(rng, _between(rng, -60, 60), _between(rng, -35, 15), flame, 0.06)
    return Place(_room(rng, flame, 0.06, 0.2), (disc,), _between(rng, 0.25, 0.5))


def _screen(rng: Random) -> Place:
    glow = kelvin(_between(rng, 6500, 10000)) * (1 + rng.normal(0, 0.12, 3))
    disc = _lamp(rng, _between(rng, -25, 25), -12, glow, _between(rng, 0.2, 0.4))
    return Place(_room(rng, kelvin(2900), 0.04, 0.25), (disc,), _between(rng, 0.3, 0.6))


def _flash(rng: Random) -> Place:
    disc = _lamp(rng, 0, 5, kelvin(5600), 0.03, 3)
    return Place(_room(rng, kelvin(_between(rng, 2700, 5000)), 0.06, 0.3), (disc,), 0.15)


_KINDS: dict[str, tuple[Callable[[Random], Place], float]] = {
    "overcast": (_overcast, 1.2),
    "sunny": (_sunny, 1.2),
    "shade": (_shade, 1.0),
    "sunset": (_sunset, 0.6),
    "window": (_window, 1.6),
    "office": (_office, 1.6),
    "rembrandt": (lambda rng: _studio(rng, (45, 38), (0.1, 0.4), 0.4), 0.5),
    "butterfly": (lambda rng: _studio(rng, (0, 42), (0.15, 0.5), 0.3), 0.5),
    "split": (lambda rng: _studio(rng, (82, 12), (0.03, 0.2), 0.2), 0.3),
    "rim": (_rim, 0.3),
    "night": (_night, 0.6),
    "stage": (_stage, 0.35),
    "candle": (_candle, 0.3),
    "screen": (_screen, 0.35),
    "flash": (_flash, 0.7),
}
KINDS = tuple(_KINDS)
