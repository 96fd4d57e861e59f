"""Pictures as a camera at a gate takes them: any pose, small, soft, covered; with 68 landmarks.

They show the first people of the papers' pool, whose other pictures are there as mugshots; drawn
once a process (some seventy seconds at size small).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from fusiform.core.seeds import rng
from fusiform.lab.papers._people import WORLD
from fusiform.lab.world.samples import DAY, dressed, photo_of
from fusiform.lab.world.shot import plan_of, sample_shot

# Yaw up to 90 degrees, mostly less; some wear what hides part of the face.
PLAN = replace(plan_of("landmarks"), spread=0.25, dressing=0.15, light="common")
# People, and pictures of each.
DRAWN = {"tiny": (12, 4), "small": (120, 10), "full": (1000, 20)}
SIDE = 112  # pixels of a picture
PIXELS = (12.0, 112.0)  # heights of a face that cameras see


@dataclass(frozen=True)
class Probes:
    """`images (n, 112, 112, 3)` uint8, `person (n,)`, `points (n, 68, 2)` and `boxes (n, 4)` true,
    in pixels of the image; `scale (n,)`: pixels of the camera for one of the image."""

    images: NDArray[np.uint8]
    person: NDArray[np.int64]
    points: NDArray[np.float32]
    boxes: NDArray[np.float32]
    scale: NDArray[np.float64]

    def of(self, people: NDArray[np.int64]) -> Probes:
        """Those of some people."""
        rows = np.isin(self.person, people)
        return Probes(*(array[rows] for array in vars(self).values()))


@lru_cache(maxsize=2)
def drawn(size: str) -> Probes:
    """Sharp pictures as PLAN says."""
    people, images = DRAWN[size]
    wanted = frozenset({"points68"})
    photos = [
        photo_of(
            dressed(WORLD, i, k // DAY, PLAN.dressing, ()),
            sample_shot(rng(WORLD, "probe", i, k), PLAN, SIDE),
            wanted,
        )[0]
        for i in range(people)
        for k in range(images)
    ]
    return Probes(
        np.stack([photo.image for photo in photos]),
        np.repeat(np.arange(people), images),
        np.stack([photo.arrays["points68"] for photo in photos]),
        np.array([photo.facts["box"] for photo in photos], np.float32),
        np.ones(len(photos)),
    )


def spoiled(probes: Probes, seed: int) -> Probes:
    """The same seen from farther away, out of focus, half covered, with noise."""
    random = rng(seed, "spoiled")
    told = [
        spoil(image, box, random) for image, box in zip(probes.images, probes.boxes, strict=True)
    ]
    images, scale = zip(*told, strict=True)
    return replace(probes, images=np.stack(images), scale=np.array(scale))


def spoil(
    image: NDArray[np.uint8], box: NDArray[np.float32], random: np.random.Generator
) -> tuple[NDArray[np.uint8], float]:
    """One picture, and what its scale is now. A quarter are covered, half are out of focus."""
    picture = Image.fromarray(image)
    reach = box[2:] - box[:2]
    corner, part = box[:2] + random.uniform(0, 0.6, 2) * reach, random.uniform(0.3, 0.6, 2) * reach
    tone = tuple(int(v) for v in random.integers(0, 256, 3))
    if random.random() < 0.25:
        ends = tuple(float(v) for v in (*corner, *(corner + part)))
        ImageDraw.Draw(picture).rectangle(ends, fill=tone)
    radius = random.uniform(0, 0.06) * float(reach[1])
    if random.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(radius))
    wanted = float(np.exp(random.uniform(*np.log(PIXELS))))
    side = max(8, round(SIDE * min(1.0, wanted / float(reach[1]))))
    small = np.asarray(picture.resize((side, side), Image.Resampling.BOX), np.float32)
    noisy = small + random.normal(0, random.uniform(0, 8), small.shape)
    stored = Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8))
    return np.asarray(stored.resize((SIDE, SIDE), Image.Resampling.BILINEAR)), side / SIDE
