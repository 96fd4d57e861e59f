"""Photos to measure on where no folder is given: variants of the album's, told by a seed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from fusiform.core.align import inverse, similarity, template, warp
from fusiform.core.pictures import open_picture
from fusiform.core.seeds import rng
from fusiform.pipeline import load_detector

GENERATED = (
    "the photos were made from the album: cropped, resized, brightened or darkened, "
    "with sensor noise, saved as JPEG; their faces are larger than in most photos"
)
SHAPES = ((3, 2), (4, 3), (2, 3), (3, 4), (16, 9))
NOISE = 3.0  # grey levels: files of about 0.3 MB a megapixel, as cameras write


def album() -> list[Path]:
    """The photos that come with fusiform."""
    folder = Path(str(resources.files("fusiform") / "album"))
    return sorted(folder.glob("*.jpg"))


def make_photos(
    folder: Path,
    count: int,
    seed: int,
    megapixels: tuple[float, float] = (1.0, 4.0),
    first: int = 0,
) -> None:
    """Writes `count` JPEGs of `megapixels` (from, to), numbered from `first`, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    originals = [Image.fromarray(open_picture(path).pixels) for path in album()]
    grain = rng(seed, "grain").normal(0, NOISE, (1 << 20, 3)).astype(np.int8)
    for i in range(first, first + count):
        draw = rng(seed, "photo", i)
        photo = variant(originals[i % len(originals)], draw, draw.uniform(*megapixels))
        noisy(photo, grain, draw).save(
            folder / f"photo{i:06}.jpg", quality=int(draw.integers(80, 96))
        )


def variant(original: Image.Image, draw: np.random.Generator, megapixels: float) -> Image.Image:
    """One picture of `megapixels` and a random shape, filled with a random part of the original."""
    wide, high = SHAPES[draw.integers(len(SHAPES))]
    unit = (megapixels * 1e6 / (wide * high)) ** 0.5
    size = (round(wide * unit), round(high * unit))
    border, centre = draw.uniform(0, 0.06), draw.uniform(0.3, 0.7, 2)
    part = ImageOps.fit(
        original, size, Image.Resampling.BICUBIC, border, (float(centre[0]), float(centre[1]))
    )
    part = ImageOps.mirror(part) if draw.random() < 0.5 else part
    return ImageEnhance.Brightness(part).enhance(draw.uniform(0.7, 1.2))


def noisy(photo: Image.Image, grain: NDArray[np.int8], draw: np.random.Generator) -> Image.Image:
    """The photo with grain laid over it, repeated from a random start."""
    pixels = np.asarray(photo).astype(np.int16)
    start, many = int(draw.integers(len(grain))), pixels.shape[0] * pixels.shape[1]
    tiled = np.resize(np.roll(grain, start, axis=0), (many, 3)).reshape(pixels.shape)
    return Image.fromarray(np.clip(pixels + tiled, 0, 255).astype(np.uint8))


def chips(count: int, seed: int) -> NDArray[np.uint8]:
    """`count` different crops for dlib's network, `(count, 150, 150, 3)` RGB: the album's faces,
    each turned by up to 6 degrees, scaled by up to 8 % and moved by up to 6 pixels."""
    found = list(_faces())
    target = template("dlib150")
    crops = []
    for i in range(count):
        pixels, points = found[i % len(found)]
        draw = rng(seed, "chip", i)
        turn = draw.uniform(0.92, 1.08) * np.exp(1j * np.radians(draw.uniform(-6, 6)))
        shaken = (target.points - target.size / 2) @ (1, 1j) * turn
        shaken = np.stack([shaken.real, shaken.imag], -1) + target.size / 2
        moved = shaken + draw.uniform(-6, 6, 2)
        matrix = similarity(points[None], moved.astype(np.float32))[0]
        crops.append(warp(pixels, inverse(matrix), target.size))
    return np.stack(crops)


def _faces() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    detector = load_detector("dlib-hog")
    for path in album():
        pixels = open_picture(path).pixels
        for face in detector([pixels])[0]:
            yield pixels, face.points
