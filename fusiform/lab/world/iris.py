"""The picture on an eyeball: pupil, iris with its fibres, limbal ring, sclera with its veins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng as stream
from fusiform.lab.geometry.scene import Label, Texture
from fusiform.lab.world.traits import Traits

Reals = NDArray[np.float64]

EDGE = np.deg2rad(112.0)  # the eyeball's mesh ends here, seen from the gaze axis
PUPIL_UV, LIMBUS_UV, EDGE_UV = 0.062, 0.205, 0.498  # radii in the texture
CORNEA = 0.65  # how far its edge leans out beyond the eyeball: 12 mm / 7.8 mm of curvature, less 1
DISH = (
    0.5  # how far the iris's edge leans in: a hollow dish that glows on the side away from a lamp
)
LIMBUS = 0.5  # radians from the gaze axis to the limbus of a common eye
TONES = (0.0, 0.22, 0.4, 0.58, 0.78, 1.0)
# linear albedo of the iris body by melanin: blue, grey-blue, hazel-green, amber, brown, black-brown
BODY = np.array(
    [
        [0.135, 0.220, 0.330],
        [0.150, 0.200, 0.230],
        [0.150, 0.150, 0.080],
        [0.185, 0.105, 0.040],
        [0.090, 0.042, 0.018],
        [0.034, 0.017, 0.010],
    ]
)
# the zone inside the collarette holds more pigment than the rest
CENTRE = np.array(
    [
        [0.200, 0.215, 0.210],
        [0.200, 0.180, 0.120],
        [0.200, 0.120, 0.042],
        [0.180, 0.085, 0.028],
        [0.070, 0.030, 0.012],
        [0.026, 0.013, 0.008],
    ]
)


@dataclass(frozen=True)
class Eyes:
    """What one person's eyes look like; the same in every picture of the person.

    `melanin` (left, right) 0 (blue) .. 1 (black-brown); `hue` -1 (grey) .. 1 (green);
    `diameter` of the iris, metres, 0.011..0.0125; strengths 0..1: `collarette`, `ring` (limbal
    ring), `crypts`, `flecks` (brown sectors and freckles), `yellow` (sclera), `veins`, `arcus`
    (the pale ring of age); `seed` of the fibres. Raises ChoiceError for values out of range.
    """

    melanin: tuple[float, float] = (0.7, 0.7)
    hue: float = 0.0
    diameter: float = 0.0117
    collarette: float = 0.5
    ring: float = 0.5
    crypts: float = 0.5
    flecks: float = 0.2
    yellow: float = 0.2
    veins: float = 0.3
    arcus: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= min(self.melanin) <= max(self.melanin) <= 1:
            raise ChoiceError("Eyes.melanin", "two numbers 0 to 1", self.melanin)
        if not 0.0105 <= self.diameter <= 0.013:
            raise ChoiceError("Eyes.diameter", "0.0105 to 0.013 metres", self.diameter)


def sample_eyes(rng: np.random.Generator, traits: Traits) -> Eyes:
    """A person's eyes. Light irises only come with European ancestry (half of such people), the
    iris is 11.0 to 12.5 mm wide (Rufer et al. 2005: 11.7 +- 0.4), sclera yellows with age."""
    fair = traits.ancestry[2]
    dark = 0.86 + 0.13 * rng.random() - 0.12 * rng.random() * (1 - traits.ancestry[0])
    light = float(np.clip(rng.beta(0.9, 1.1), 0, 1)) * 0.9
    melanin = light if rng.random() < 0.9 * fair**1.5 else dark
    melanin = float(np.clip(melanin, 0, 1))
    odd = float(np.clip(melanin + rng.uniform(-0.7, 0.7), 0, 1))
    other = odd if rng.random() < 0.004 else melanin
    old = np.clip((traits.age - 45) / 40, 0, 1)
    return Eyes(
        melanin=(melanin, other),
        hue=float(np.clip(rng.normal(0.1, 0.5), -1, 1)),
        diameter=float(np.clip(rng.normal(0.0117, 0.0003), 0.011, 0.0125)),
        collarette=float(rng.uniform(0.1, 1)),
        ring=float(np.clip(rng.uniform(0.25, 1) - 0.4 * old, 0, 1)),
        crypts=float(rng.uniform(0.1, 1)),
        flecks=float(rng.random() ** 2),
        yellow=float(np.clip(0.12 + 0.5 * old + 0.25 * (1 - fair) + rng.normal(0, 0.1), 0, 1)),
        veins=float(np.clip(rng.beta(2, 4) + 0.2 * old, 0, 1)),
        arcus=float(np.clip(old * rng.uniform(-0.4, 1.0), 0, 1)),
        seed=int(rng.integers(2**31)),
    )


def ramp(low: float, high: float, x: ArrayLike) -> Reals:
    """0 below `low`, 1 above `high`, smooth between (also with low > high: falling)."""
    t = np.clip((np.asarray(x, np.float64) - low) / (high - low), 0.0, 1.0)
    smooth: Reals = t * t * (3 - 2 * t)
    return smooth


def ring_noise(rng: np.random.Generator, rows: int, sectors: int, r: Reals, turn: Reals) -> Reals:
    """Smooth noise, about -1..1, on a disc: `r` 0..1 outward, `turn` 0..1 once around."""
    table = rng.uniform(-1, 1, (rows + 1, sectors))
    y = np.clip(r, 0, 1) * rows
    x = (turn % 1.0) * sectors
    i = np.minimum(y.astype(int), rows - 1)
    j = x.astype(int) % sectors
    fy, fx = y - i, x - np.floor(x)
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    k = (j + 1) % sectors
    upper = table[i, j] * (1 - fx) + table[i, k] * fx
    lower = table[i + 1, j] * (1 - fx) + table[i + 1, k] * fx
    noise: Reals = upper * (1 - fy) + lower * fy
    return noise


def tone(table: Reals, melanin: float) -> Reals:
    """The row (3,) of a colour table at `melanin`, interpolated."""
    return np.array([np.interp(melanin, TONES, table[:, k]) for k in range(3)])


def iris_colour(eyes: Eyes, melanin: float, r: Reals, turn: Reals) -> Reals:
    """Linear albedo (h, w, 3) of the iris; `r` runs 0 at the pupil's edge to 1 at the limbus."""
    rng = stream(eyes.seed, "iris")
    waves = 0.012 * ring_noise(rng, 3, 14, r, turn) + 0.004 * ring_noise(rng, 5, 40, r, turn)
    bent = turn + waves
    fibre = 0.55 * ring_noise(rng, 3, 84, r, bent) + 0.45 * ring_noise(rng, 4, 150, r, bent)
    broad = ring_noise(rng, 2, 9, r, turn)
    wobble = 0.05 * ring_noise(rng, 1, 17, r, turn)
    edge = 0.34 + wobble
    inside = ramp(0.12, -0.1, r - edge)
    body, centre = tone(BODY, melanin), tone(CENTRE, melanin)
    green = np.array([-0.22, 0.10, -0.30]) if eyes.hue > 0 else np.array([0.10, 0.0, -0.12])
    body = body * (1 + abs(eyes.hue) * green * ramp(0.85, 0.2, melanin))
    mix = (inside * (0.35 + 0.65 * eyes.collarette))[..., None]
    colour = body * (1 - mix) + centre * mix
    contrast = 0.26 + 0.22 * ramp(0.9, 0.1, melanin)
    light = 1 + contrast * fibre * 1.5 + 0.16 * broad
    light += 0.30 * np.exp(-(((r - edge) / 0.05) ** 2))  # the collarette's bright frill
    holes = ramp(0.35, 0.75, ring_noise(rng, 5, 23, r, bent)) * ramp(0.2, 0.35, r)
    light *= 1 - 0.5 * eyes.crypts * holes * ramp(1.0, 0.75, r)
    furrow = 0.5 + 0.5 * np.sin(2 * np.pi * (3.2 * r + 0.25 * broad))
    light *= 1 - 0.10 * furrow * ramp(0.45, 0.6, r)
    colour = colour * np.clip(light, 0.15, 2.2)[..., None]
    spot = ramp(0.55, 0.8, ring_noise(rng, 4, 19, r, turn)) * eyes.flecks
    sector = ramp(0.93, 0.99, np.cos(2 * np.pi * (turn - rng.random()))) * (eyes.flecks > 0.8)
    brown = np.clip(spot + 0.8 * sector, 0, 0.9)[..., None] * ramp(0.7, 0.3, melanin)
    colour = colour * (1 - brown) + brown * np.array([0.12, 0.055, 0.02]) * light[..., None]
    pupil_ruff = 1 - 0.55 * np.exp(-r / 0.05)
    limbus = 1 - (0.45 + 0.5 * eyes.ring) * ramp(0.70 - 0.1 * eyes.ring, 1.02, r)
    shade: Reals = colour * (pupil_ruff * limbus)[..., None]
    return shade


def veins_of(rng: np.random.Generator, count: int) -> list[tuple[Reals, float]]:
    """Wandering paths (k, 2) in the texture, 0..1, from the rim inwards, each with a strength."""
    paths = []
    for _ in range(count):
        side = rng.choice([0.0, 0.5], p=[0.5, 0.5])  # more of them towards the two corners
        turn = side + rng.normal(0, 0.085)
        reach = rng.uniform(LIMBUS_UV + 0.02, 0.36)
        radius = np.linspace(0.48, reach, 26)
        bend = np.cumsum(rng.normal(0, 0.007, 26)) * np.linspace(0.4, 1, 26)
        angle = 2 * np.pi * (turn + bend)
        path = 0.5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        paths.append((path, float(rng.uniform(0.25, 1))))
    return paths


def vein_map(eyes: Eyes, size: int) -> Reals:
    """Strength (size, size) 0..1 of blood vessels on the sclera."""
    rng = stream(eyes.seed, "veins")
    chart = np.zeros((size, size))
    for path, strength in veins_of(rng, 10 + int(26 * eyes.veins)):
        step = np.linspace(0, len(path) - 1.0, 4 * len(path))
        xy = np.stack([np.interp(step, np.arange(len(path)), path[:, k]) for k in (0, 1)], 1)
        at = np.clip(xy * size - 0.5, 0, size - 1.001)
        i, f = at.astype(int), at - at.astype(int)
        fade = strength * np.linspace(1, 0.15, len(step))
        for dx in (0, 1):
            for dy in (0, 1):
                weight = np.abs(1 - dx - f[:, 0]) * np.abs(1 - dy - f[:, 1])
                cell = (np.minimum(i[:, 1] + dy, size - 1), np.minimum(i[:, 0] + dx, size - 1))
                np.maximum.at(chart, cell, weight * fade)
    return chart


def sclera_colour(eyes: Eyes, rho: Reals, turn: Reals, size: int) -> Reals:
    """Linear albedo (h, w, 3) of the white; `rho` is the radius in the texture."""
    rng = stream(eyes.seed, "sclera")
    white = np.array([0.60, 0.545, 0.51]) * (1 - eyes.yellow * np.array([0.06, 0.12, 0.30]))
    far = ramp(LIMBUS_UV, 0.44, rho)
    blotch = ring_noise(rng, 6, 16, 2 * rho, turn)
    pink = np.clip(0.12 + 0.55 * far + 0.14 * blotch * far, 0, 1) * (0.35 + 0.5 * eyes.veins)
    colour = white * (1 - pink[..., None] * np.array([0.10, 0.34, 0.36]))
    red = (0.75 * vein_map(eyes, size) * (0.3 + 0.7 * eyes.veins))[..., None]
    tinted: Reals = colour * (1 - red * np.array([0.25, 0.75, 0.72]))
    return tinted


def corneal_slope(rho: Reals) -> Reals:
    """Slope outwards of the cornea over the mesh, whose normals follow the iris behind it, so that
    light scatters from the iris but mirrors in the cornea; `rho`: radius in the texture."""
    r = np.clip(rho / LIMBUS_UV, 0, 1.3)
    lean = (CORNEA * np.minimum(r, 1) + DISH * dish(r)) * LIMBUS
    slope: Reals = -np.tan(lean * ramp(1.28, 0.97, r))
    return slope


def dish(r: Reals) -> Reals:
    """Inward lean of the iris, as a share of DISH; `r` is 1 at the limbus."""
    share: Reals = np.clip(r, 0, 1) * ramp(1.06, 0.86, r)
    return share


@lru_cache(maxsize=64)
def iris_texture(eyes: Eyes, size: int = 256, side: int = 0) -> Texture:
    """The eyeball's texture (size, size), iris in the middle; side 0 left, 1 right. Kept.

    Polar about the gaze axis: the pupil's edge (whatever its width) lies at radius PUPIL_UV, the
    limbus at LIMBUS_UV, and from there the angle from the axis grows evenly to EDGE at EDGE_UV.
    Raises ChoiceError for a size below 16.
    """
    if size < 16:
        raise ChoiceError("iris_texture size", "16 or more texels", size)
    axis = (np.arange(size) + 0.5) / size - 0.5
    x, y = np.meshgrid(axis, -axis)
    rho, turn = np.hypot(x, y), np.arctan2(y, x) / (2 * np.pi)
    r = (rho - PUPIL_UV) / (LIMBUS_UV - PUPIL_UV)
    texel = 1.2 / size
    iris = iris_colour(eyes, eyes.melanin[side], r, turn)
    pale = 0.55 * eyes.arcus * np.exp(-(((r - 0.9) / 0.07) ** 2))[..., None]
    iris = iris * (1 - pale) + pale * np.array([0.38, 0.38, 0.37])
    soft = 0.010 + texel
    white = ramp(LIMBUS_UV - soft, LIMBUS_UV + 1.3 * soft, rho)[..., None]
    black = ramp(PUPIL_UV + 0.003 + texel, PUPIL_UV - 0.003 - texel, rho)[..., None]
    albedo = iris * (1 - white) + sclera_colour(eyes, rho, turn, size) * white
    albedo = albedo * (1 - black) + 0.004 * black
    channels = np.zeros((size, size, 8), np.float32)
    channels[..., :3] = np.clip(albedo, 0.002, 0.9)
    rng = stream(eyes.seed, "wet")
    outside = ramp(LIMBUS_UV, LIMBUS_UV + 0.05, rho)
    lean = corneal_slope(rho)
    ripple = 0.03 * outside
    channels[..., 3] = lean * np.cos(2 * np.pi * turn)
    channels[..., 4] = -lean * np.sin(2 * np.pi * turn)
    channels[..., 3] += ripple * ring_noise(rng, 8, 22, 2 * rho, turn)
    channels[..., 4] += ripple * ring_noise(rng, 8, 22, 2 * rho, turn)
    channels[..., 5] = 1.0
    channels[..., 6] = 0.06 + 0.14 * outside
    channels[..., 7] = 1.0
    label = Label.LEFT_EYE if side == 0 else Label.RIGHT_EYE
    return Texture(channels, np.full((size, size), int(label), np.uint8))
