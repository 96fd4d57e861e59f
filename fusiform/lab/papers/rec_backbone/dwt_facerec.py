"""A robust, low-cost approach to Face Detection and Face Recognition.

Jyoti, Chadha, Vaidya and Mani Roja, CiiT IJDIP, 2011. New: skin is found by a* and b*
alone, whatever the light, and the face in it is compared by the coarse coefficients of a wavelet
transform (`lab.blocks.wavelet`), by Euclidean distance to one enrolled picture. Recognition is
measured on crops by the world's own landmarks, so that errors of the skin finder do not mix with
it; the box in the skin is measured on its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from fusiform.core.seeds import rng
from fusiform.lab.blocks.regions import largest
from fusiform.lab.blocks.wavelet import low_band
from fusiform.lab.geometry.scene import WHOLE_FACE, Lighting
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import LUMA
from fusiform.lab.world.crowd import aligned
from fusiform.lab.world.labels import Photo, photograph
from fusiform.lab.world.light import sample_light
from fusiform.lab.world.sensor import jpeg
from fusiform.lab.world.shot import PLAIN, Plan, sample_shot
from fusiform.lab.world.skin_colour import lab
from fusiform.lab.world.srgb import decode
from fusiform.lab.world.world import World
from fusiform.measure.boxes import iou

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Colours = Callable[[NDArray[np.uint8]], Floats]

FRONTAL = Plan(yaw=10, pitch=8, roll=6, expression=0.5, looking=4, dressing=0, grime=0.3, size=160)
SIDE, MARGIN, SHIFT = 128, 8, 5  # pixels of a crop, spare around it, most that a probe is off
COARSE = 2  # pixels between those at which skin is looked for
NOISE, QUALITY, PROBES = 25.0, 20, 5  # grey levels, of JPEG, probes made of each photo
TALLEST = 1.4  # a face box by its width: below is the neck
TAILS = (0.01, 0.02, 0.05, 0.1, 0.2)  # shares of skin outside the range of a channel


@claim(metric="rank-1 accuracy", margin=0.01, minutes=3)
def low_band_is_robust(seed: int, size: str) -> tuple[float, float]:
    """The 256 lowest of 16,384 wavelet coefficients name more noisy probes than all pixels do."""
    return rank1(seed, size, 3), rank1(seed, size, 0)


@claim(metric="rank-1 accuracy", margin=0.05, minutes=0)
def five_levels_are_too_many(seed: int, size: str) -> tuple[float, float]:
    """Three levels of decomposition name more probes than five, which leave 16 values."""
    return rank1(seed, size, 3), rank1(seed, size, 5)


@claim(metric="IoU of the face box", margin=0.05, minutes=1)
def colour_finds_faces(seed: int, size: str) -> tuple[float, float]:
    """In any light, ranges of a* and b* find the box of a face better than ranges of R, G, B."""
    photos = in_any_light(seed, size)
    half = len(photos) // 2
    return overlap(chroma, photos[:half], photos[half:]), overlap(
        plain, photos[:half], photos[half:]
    )


@lru_cache(maxsize=16)
def rank1(seed: int, size: str, levels: int) -> float:
    """Share of probes whose nearest enrolled face, after `levels` steps of Haar's wavelet, is of
    the same person; 0 levels: of the pixels themselves."""
    enrolled, probes = grey(seed, size)
    known, asked = (low_band(torch.from_numpy(x), levels).flatten(1) for x in (enrolled, probes))
    nearest = torch.cdist(asked, known).argmin(1)
    return float((nearest == torch.arange(len(asked)) % len(known)).double().mean())


@lru_cache(maxsize=4)
def grey(seed: int, size: str) -> tuple[Floats, Floats]:
    """Enrolled crops `(people, 128, 128)`, 0..255, and probes of others of their pictures, noisy,
    compressed and off by some pixels; probe i is of person i modulo people."""
    people, photos = (100, 3) if size != "tiny" else (8, 2)
    still = sample_light(rng(0), PLAIN)[1]
    crops = np.array([row(seed, person, photos, still) for person in range(people)])
    crops = crops.swapaxes(0, 1)
    draw = rng(seed, "probes")
    spoilt = [
        spoil(one, draw) for _ in range(PROBES) for one in crops[1:].reshape(-1, *crops.shape[2:])
    ]
    inner = slice(MARGIN, MARGIN + SIDE)
    return crops[0][:, inner, inner] @ np.array(LUMA), np.array(spoilt) @ np.array(LUMA)


def row(seed: int, number: int, photos: int, light: Lighting) -> list[NDArray[np.uint8]]:
    """Frontal pictures of a person in the studio, aligned, with spare pixels around."""
    who = World(seed).person(number)
    shots = [sample_shot(rng(seed, "frontal", number, k), FRONTAL) for k in range(photos)]
    lit = [replace(shot, light=PLAIN, lighting=light) for shot in shots]
    return [aligned(photograph(who, s, maps=False), SIDE + 2 * MARGIN)[0] for s in lit]


def spoil(image: NDArray[np.uint8], draw: np.random.Generator) -> NDArray[np.uint8]:
    """As a poor camera gives it, 128 pixels square."""
    y, x = MARGIN + draw.integers(-SHIFT, SHIFT + 1, 2)
    inner = image[y : y + SIDE, x : x + SIDE]
    noisy = inner + draw.normal(0, NOISE, inner.shape)
    return jpeg(np.clip(np.rint(noisy), 0, 255).astype(np.uint8), QUALITY)


@lru_cache(maxsize=2)
def in_any_light(seed: int, size: str) -> list[Photo]:
    """Frontal pictures of different people with their parsing."""
    count = 60 if size != "tiny" else 8
    people = [World(seed).person(10_000 + i) for i in range(count)]
    shots = [sample_shot(rng(seed, "skin", i), FRONTAL) for i in range(count)]
    return [photograph(who, shot) for who, shot in zip(people, shots, strict=True)]


def chroma(image: NDArray[np.uint8]) -> Floats:
    """a* and b* of a picture, `(h, w, 2)`."""
    return lab(decode(image))[..., 1:]


def plain(image: NDArray[np.uint8]) -> Floats:
    """Its R, G and B."""
    return image.astype(np.float64)


def overlap(colours: Colours, known: list[Photo], asked: list[Photo]) -> float:
    """Mean IoU of boxes found by ranges of `colours`, set on `known` photos."""
    skin = np.concatenate(
        [colours(p.image)[np.isin(p.arrays["parsing"], WHOLE_FACE)] for p in known]
    )
    ranges = {tail: np.quantile(skin, [tail, 1 - tail], 0) for tail in TAILS}
    best = max(TAILS, key=lambda tail: agreement(colours, ranges[tail], known))
    return agreement(colours, ranges[best], asked)


def agreement(colours: Colours, ranges: Floats, photos: list[Photo]) -> float:
    """Mean IoU of the boxes that these ranges find."""
    found = [
        face_box(((c := colours(p.image)) >= ranges[0]).all(2) & (c <= ranges[1]).all(2))
        for p in photos
    ]
    true = [box_of(np.isin(p.arrays["parsing"], WHOLE_FACE)) for p in photos]
    return float(np.mean([iou(a[None], b[None])[0, 0] for a, b in zip(found, true, strict=True)]))


def face_box(skin: Mask) -> Floats:
    """x1, y1, x2, y2 of the largest patch of `skin (h, w)`, no taller than a face."""
    patch = largest(torch.from_numpy(skin[::COARSE, ::COARSE]))
    box = box_of(patch.numpy()) * COARSE
    box[3] = min(box[3], box[1] + TALLEST * (box[2] - box[0]))
    return box


def box_of(mask: Mask) -> Floats:
    """The box around what is set; nothing set: an empty box."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    if not len(rows):
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
