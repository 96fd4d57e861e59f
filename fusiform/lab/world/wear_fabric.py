"""Cloth: colours, weaves, stripes, checks and prints as textures with folds in their relief."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng as stream
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.scene import Label, Texture

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Colour = tuple[float, float, float]

FLAT = 9.0  # a crease is no higher than e to minus this, and not drawn there
PATTERNS = ("plain", "knit", "stripes", "checks", "print", "dots")
# linear albedo of common dyes
DYES: tuple[Colour, ...] = (
    (0.018, 0.018, 0.020),
    (0.62, 0.61, 0.59),
    (0.25, 0.25, 0.26),
    (0.09, 0.095, 0.10),
    (0.022, 0.032, 0.085),
    (0.07, 0.13, 0.30),
    (0.28, 0.38, 0.52),
    (0.30, 0.025, 0.03),
    (0.16, 0.02, 0.035),
    (0.035, 0.10, 0.06),
    (0.12, 0.13, 0.07),
    (0.42, 0.34, 0.24),
    (0.22, 0.13, 0.075),
    (0.55, 0.40, 0.08),
    (0.55, 0.24, 0.27),
    (0.17, 0.09, 0.24),
    (0.05, 0.22, 0.24),
    (0.52, 0.15, 0.05),
)


@dataclass(frozen=True)
class Fabric:
    """`pattern` (one of PATTERNS) in `colour` and `second` (linear); `scale`: repeats across the
    piece; `folds` 0..1; `rough` 0..1 of the weave; `seed`. Raises ChoiceError."""

    pattern: str = "plain"
    colour: Colour = DYES[4]
    second: Colour = DYES[1]
    scale: float = 12.0
    folds: float = 0.5
    rough: float = 0.4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pattern not in PATTERNS:
            raise ChoiceError("Fabric.pattern", PATTERNS, self.pattern)


def sample_dye(rng: np.random.Generator) -> Colour:
    """One of DYES, lighter or darker, a little off its hue."""
    base = np.array(DYES[int(rng.integers(len(DYES)))])
    shade = np.clip(base * np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.08, 3)), 0.008, 0.7)
    return float(shade[0]), float(shade[1]), float(shade[2])


def sample_fabric(rng: np.random.Generator, *patterns: str) -> Fabric:
    """Some cloth in one of `patterns` (any where none is named; plain in about half)."""
    names = patterns or ("plain",) * 5 + PATTERNS
    return Fabric(
        pattern=str(names[int(rng.integers(len(names)))]),
        colour=sample_dye(rng),
        second=sample_dye(rng),
        scale=float(np.exp(rng.uniform(np.log(7), np.log(26)))),
        folds=float(rng.uniform(0.2, 1)),
        rough=float(rng.uniform(0.2, 0.8)),
        seed=int(rng.integers(2**31)),
    )


def soft_noise(rng: np.random.Generator, size: int, cells: tuple[int, int]) -> Floats:
    """Smooth noise (size, size), about -1..1, with `cells` (down, across) bumps."""
    table = rng.normal(0, 0.6, (cells[0] + 1, cells[1] + 1)).astype(np.float32)
    y, x = (np.linspace(0, c - 1e-9, size) for c in cells)
    i, j = y.astype(int), x.astype(int)
    fy, fx = (y - i).astype(np.float32), (x - j).astype(np.float32)
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    rows = table[i] * (1 - fy)[:, None] + table[i + 1] * fy[:, None]
    noise: Floats = rows[:, j] * (1 - fx) + rows[:, j + 1] * fx
    return noise


def creases(rng: np.random.Generator, size: int) -> Floats:
    """A few long soft creases (size, size), height about 0..1, at random slants."""
    height = np.zeros((size, size), np.float32)
    for _ in range(9):
        x, y, slant, wide = *rng.random(2), rng.normal(0, 0.7), rng.uniform(0.012, 0.035)
        bend, long, high = rng.normal(), rng.uniform(0.1, 0.3), rng.uniform(0.4, 1.0)
        crease(height, np.array([x, y, np.cos(slant), np.sin(slant), bend, wide, long, high]))
    return height


@kernel
def crease(height: Floats, form: Reals) -> None:
    """Add one to `height` (size, size), in place: x, y, cosine and sine of its slant, bend, width,
    length, height; all in shares of the side."""
    x, y, c, s, bend, wide, long, high = form
    size = len(height)
    for i in range(size):
        v = (i + 0.5) / size - y
        for j in range(size):
            u = (j + 0.5) / size - x
            ahead = v * c - u * s
            aside = u * c + v * s + 0.5 * ahead * ahead * bend
            fall = (aside / wide) ** 2 + (ahead / long) ** 2
            if fall < FLAT:
                height[i, j] += high * np.exp(-fall)


def pattern_mix(fabric: Fabric, u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    """How much (h, w) of the second colour shows, 0..1."""
    k = fabric.scale
    mix: Floats = np.zeros_like(u)
    if fabric.pattern == "stripes":
        wave = np.sin(2 * np.pi * k * (v if fabric.seed % 2 else u))
        mix = np.clip(0.5 + 4 * (wave - rng.uniform(-0.4, 0.6)), 0, 1)
    if fabric.pattern == "checks":
        p, q = np.sin(2 * np.pi * k * u), np.sin(2 * np.pi * k * v)
        mix = 0.5 * np.clip(0.5 + 5 * p, 0, 1) + 0.5 * np.clip(0.5 + 5 * q, 0, 1)
    if fabric.pattern == "dots":
        p, q = np.cos(2 * np.pi * k * u), np.cos(2 * np.pi * k * v)
        mix = np.clip(0.5 + 4 * (p + q - 1.1), 0, 1)
    if fabric.pattern == "print":
        size = len(u)
        blobs = soft_noise(rng, size, (14, 14)) + 0.6 * soft_noise(rng, size, (29, 29))
        wide, low = rng.uniform(0.08, 0.16), rng.uniform(0.42, 0.52)
        emblem = (np.abs(u - 0.5) < wide) & (np.abs(v - low) < 0.6 * wide)
        over = rng.random() < 0.4
        ink = np.clip(0.5 + 5 * (blobs - 0.25), 0, 1)
        mix = (ink if over else ink * emblem).astype(np.float32)
    return mix


@lru_cache(maxsize=48)
def fabric_texture(fabric: Fabric, label: Label = Label.CLOTH, size: int = 256) -> Texture:
    """The texture (size, size) of a piece made of `fabric`. Kept."""
    rng = stream(fabric.seed, "fabric")
    axis = ((np.arange(size) + 0.5) / size).astype(np.float32)
    u, v = np.meshgrid(axis, axis)
    mix = pattern_mix(fabric, u, v, rng)[..., None]
    first, second = np.array((fabric.colour, fabric.second), np.float32)
    albedo = first * (1 - mix) + second * mix
    worn = 1 + 0.05 * soft_noise(rng, size, (7, 7))
    thread, rough_u, rough_v = rng.standard_normal((3, size, size), np.float32)
    worn = worn + 0.05 * fabric.rough * thread
    height = 0.05 * soft_noise(rng, size, (4, 7)) + 0.02 * soft_noise(rng, size, (9, 11))
    height += 0.022 * creases(rng, size)
    down, across = (np.asarray(g, np.float32) for g in np.gradient(height, 1 / size))
    slope_u, slope_v = 0.75 * fabric.folds * across, 0.75 * fabric.folds * down
    if fabric.pattern == "knit":
        rib = np.sin(2 * np.pi * 36 * u)
        stitch = np.sin(2 * np.pi * (32 * v + 0.25 * np.abs(np.sin(2 * np.pi * 18 * u))))
        slope_u, slope_v = slope_u + 0.20 * rib, slope_v + 0.05 * stitch
        worn = worn + 0.10 * np.cos(2 * np.pi * 36 * u) + 0.05 * stitch
    else:
        slope_u = slope_u + 0.05 * fabric.rough * rough_u
        slope_v = slope_v + 0.05 * fabric.rough * rough_v
    channels = np.zeros((size, size, 8), np.float32)
    channels[..., :3] = np.clip(albedo * worn[..., None], 0.004, 0.8)
    channels[..., 3], channels[..., 4] = np.clip(slope_u, -0.9, 0.9), np.clip(slope_v, -0.9, 0.9)
    channels[..., 5], channels[..., 6], channels[..., 7] = 0.15 * fabric.rough, 0.85, 1.0
    return Texture(channels, np.full((size, size), int(label), np.uint8))
