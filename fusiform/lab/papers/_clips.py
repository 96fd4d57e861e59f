"""Short films of people, and what a far, shaking camera makes of them.

They show the first people of the papers' pool, whose other pictures are there as mugshots; drawn
once a process (about a minute at size small).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fusiform.core.seeds import rng
from fusiform.lab.blocks.fusion import translated
from fusiform.lab.papers._people import WORLD
from fusiform.lab.world.film import film, perform
from fusiform.lab.world.samples import dressed
from fusiform.lab.world.sensor import jpeg
from fusiform.lab.world.shot import plan_of, sample_shot

# People, each in one clip, and frames drawn; the camera sees each frame twice.
CLIPS = {"tiny": (6, 2), "small": (80, 12), "full": (300, 15)}
DRAWN, FPS = 96, 10.0  # pixels a side and frames a second of what is drawn
SHRINK = 4  # so a clip has 24 pixels a side
FILL = (0.32, 0.45)  # from the middle of the forehead to the chin; boxes are 10 to 14 pixels high
SHAKE = 3.0  # standard deviation in pixels of what is drawn
NOISE, QUALITY = 6.0, 80  # grey levels, JPEG


@dataclass(frozen=True)
class Clips:
    """`frames (n, f, 24, 24, 3)` uint8; `points (n, f, 5, 2)` and `boxes (n, f, 4)`, pixels."""

    frames: NDArray[np.uint8]
    points: NDArray[np.float64]
    boxes: NDArray[np.float64]


@lru_cache(maxsize=2)
def filmed(size: str) -> Clips:
    """Sharp films of 96 pixels a side."""
    people, frames = CLIPS[size]
    told = [one_film(person, frames) for person in range(people)]
    return Clips(*(np.stack(part) for part in zip(*told, strict=True)))


def one_film(person: int, frames: int) -> tuple[NDArray[np.generic], ...]:
    """Frames, points and boxes of a film of pool's person number `person`."""
    random = rng(WORLD, "clip", person)
    plan = replace(plan_of("video"), fill=FILL, light="common")
    who = dressed(WORLD, person, 0, plan.dressing, ())
    shot = sample_shot(random, plan, DRAWN)
    motion = perform(who, shot, frames / FPS, FPS)
    photos = list(film(who, shot, motion))[:frames]
    return (
        np.stack([photo.image for photo in photos]),
        np.array([photo.facts["points5"] for photo in photos]),
        np.array([photo.facts["box"] for photo in photos]),
    )


def clips(size: str, seed: int) -> Clips:
    """What the camera sees: shaken, shrunk by areas, with noise, stored as JPEG."""
    sharp = filmed(size)
    n, f = sharp.frames.shape[:2]
    random = rng(seed, "camera")
    shake = random.normal(0, SHAKE, (n, 2 * f, 2))
    frames = np.stack([seen(*pair, random) for pair in zip(sharp.frames, shake, strict=True)])
    points = (np.repeat(sharp.points, 2, 1) - shake[:, :, None]) / SHRINK
    return Clips(frames, points, (np.repeat(sharp.boxes, 2, 1) - np.tile(shake, 2)) / SHRINK)


def seen(
    film: NDArray[np.uint8], shake: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.uint8]:
    """One film `(f, 96, 96, 3)` as `(2f, 24, 24, 3)`, each frame twice."""
    twice = torch.from_numpy(np.repeat(film, 2, 0)).permute(0, 3, 1, 2).float()
    small: Tensor = functional.avg_pool2d(translated(twice, torch.from_numpy(shake)), SHRINK)
    noisy = small.permute(0, 2, 3, 1).numpy() + random.normal(
        0, NOISE, (*shake.shape[:1], 24, 24, 3)
    )
    return np.stack([jpeg(f, QUALITY) for f in noisy.clip(0, 255).round().astype(np.uint8)])
