"""Cameras as they are: phones, webcams, reflexes and the like, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusiform.core.errors import ChoiceError
from fusiform.lab.world.sensor import Sensor

Random = np.random.Generator
Range = tuple[float, float]


@dataclass(frozen=True)
class Make:
    """What cameras of a make differ in; ranges are even. `share`: how common. Blurs are in
    pixels of a picture 112 high. `noise`: log10 of `Sensor.shot`, the read noise goes with it.
    `mosaic`: how often a picture is so little reduced that the colour mosaic shows."""

    share: float
    blur: Range
    moving: float
    noise: Range
    mosaic: float
    denoise: Range
    sharpen: Range
    jpeg: Range
    knee: Range
    mono: float = 0.03


# Pixels of blur before a colour mosaic, as cameras have it: without, hair glitters in colours.
OPTICAL_LOW_PASS = 0.6
MAKES = {
    "phone": Make(4, (0, 0.8), 0.15, (-5, -3.2), 0.15, (0, 0.7), (0.1, 1.0), (72, 95), (0.5, 0.9)),
    "reflex": Make(3, (0, 0.7), 0.08, (-5.5, -3.5), 0.1, (0, 0.3), (0, 0.5), (85, 95), (0.4, 0.9)),
    "webcam": Make(2, (0.2, 1.1), 0.2, (-4, -2.5), 0.5, (0.3, 1), (0, 1.2), (35, 80), (0.7, 1)),
    "cctv": Make(1, (0.4, 1.6), 0.3, (-4, -2.2), 0.6, (0, 0.9), (0, 1.5), (25, 65), (0.8, 1), 0.25),
    "old": Make(
        1, (0.2, 1.2), 0.15, (-3.8, -2.4), 0, (0, 0.4), (0, 0.4), (60, 95), (0.4, 0.8), 0.4
    ),
}


def sample_sensor(rng: Random, strength: float = 1.0, size: int = 112) -> Sensor:
    """Some camera. `strength`: 0 gives `Sensor.clean()`, 1 everyday photos, up to 2 worse.

    `size`: height of the picture in pixels; blurs grow with it, slower than it does. Raises
    ChoiceError for a strength outside 0..2.
    """
    if not 0 <= strength <= 2:
        raise ChoiceError("strength", "0 to 2", strength)
    if strength == 0:
        return Sensor.clean()
    names = tuple(MAKES)
    shares = np.array([MAKES[name].share for name in names])
    make = MAKES[names[int(rng.choice(len(names), p=shares / shares.sum()))]]
    scale = strength * (size / 112) ** 0.6
    shot = 10 ** float(rng.uniform(*make.noise)) * strength**2
    # Software smooths more where there is more noise.
    grain = min(40 * float(np.sqrt(shot)), 1.5)
    warmth, tint = rng.normal(0, 0.06, 2) * strength
    red, blue = rng.uniform(1.4, 2.3, 2)
    moving = rng.random() < make.moving
    mosaic = bool(rng.random() < make.mosaic)
    sharpest = OPTICAL_LOW_PASS * mosaic
    return Sensor(
        exposure=float(rng.normal(0, 0.35)) * strength,
        auto=float(rng.uniform(0.55, 0.95)),
        balance=(float(red), 1.0, float(blue)),
        cast=(float(np.exp(warmth)), float(np.exp(tint / 2)), float(np.exp(-warmth))),
        defocus=max(sharpest, float(rng.uniform(*make.blur)) * scale),
        motion=float(rng.exponential(2.0)) * scale * moving,
        motion_angle=float(rng.uniform(0, 180)),
        fringe=max(float(rng.normal(0, 0.35)) * scale, 0.0),
        vignette=max(float(rng.normal(0.02, 0.08)) * strength, 0.0),
        shot=shot,
        read=float(np.sqrt(shot) * rng.uniform(0.05, 0.3)),
        mosaic=mosaic,
        denoise=float(rng.uniform(*make.denoise)) * (0.4 + grain) * min(strength, 1),
        saturation=1 + float(rng.normal(0.08, 0.14)) * strength,
        knee=1 - (1 - float(rng.uniform(*make.knee))) * min(strength, 1),
        contrast=float(np.clip(rng.normal(0.15, 0.3) * strength, -0.6, 0.9)),
        sharpen=float(rng.uniform(*make.sharpen)) * strength,
        mono=bool(rng.random() < make.mono * strength),
        jpeg=int(np.clip(95 - (95 - rng.uniform(*make.jpeg)) * strength, 8, 95)),
    )
