"""What lies behind a face: procedural places, blurred by their distance, in linear light."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.world import outdoors, rooms
from fusiform.lab.world.filters import disc, homography, resize, sample, soften

Floats = NDArray[np.float32]
Random = np.random.Generator
Painter = Callable[[Random, int, int, Floats], Floats]

SCENES: dict[str, Painter] = {
    "wall": rooms.wall,
    "bookcase": rooms.bookcase,
    "brick": rooms.brick,
    "tiles": rooms.tiles,
    "office": rooms.office,
    "kitchen": rooms.kitchen,
    "studio": rooms.studio,
    "gradient": rooms.gradient,
    "wallpaper": rooms.wallpaper,
    "crowd": rooms.crowd,
    "foliage": outdoors.foliage,
    "park": outdoors.park,
    "sky": outdoors.sky,
    "sea": outdoors.sea,
    "street": outdoors.street,
    "night_street": outdoors.night_street,
    "bokeh": outdoors.bokeh,
}
KINDS = tuple(SCENES)

INDOORS = ("wall", "wall", "bookcase", "office", "kitchen", "wallpaper", "crowd", "tiles", "brick")
OUTDOORS = ("foliage", "park", "park", "sky", "sea", "street", "street", "brick", "crowd")
STUDIO = ("studio", "studio", "gradient", "brick", "wall")
DARK = ("night_street", "bokeh", "studio", "crowd")

FITTING: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("overcast", "sunny", "shade", "sunset"), OUTDOORS),
    **dict.fromkeys(("window", "office", "screen", "candle", "flash"), INDOORS),
    **dict.fromkeys(("rembrandt", "butterfly", "split", "rim"), STUDIO),
    **dict.fromkeys(("night", "stage"), DARK),
}
# Of the light that falls on the face, the share that falls on what is behind it.
BRIGHTNESS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("overcast", "sunny", "shade", "sunset"), (0.7, 1.5)),
    **dict.fromkeys(("candle", "screen", "flash"), (0.05, 0.4)),
    **dict.fromkeys(("rembrandt", "butterfly", "split", "rim"), (0.1, 1.2)),
    **dict.fromkeys(("night", "stage"), (0.2, 0.8)),
}


def sample_background(
    rng: Random,
    width: int,
    height: int,
    colour: ArrayLike = (1.0, 1.0, 1.0),
    kind: str | None = None,
    light: str | None = None,
    blur: float | None = None,
) -> Floats:
    """(height, width, 3): linear light of some place behind a face.

    `colour` (3,): what a white matt surface in that light gives back (`light.level`). `light`,
    a kind of `sample_light`, picks a fitting place and brightness where `kind` is not given.
    `blur`: radius of the blur by distance, in shares of the height (0 sharp, 0.05 strong), drawn
    where None. Values are at least 0; sky, windows and lamps exceed 1.

    Raises ChoiceError for an unknown kind or light, a size below 1 or a blur below 0.
    """
    if width < 1 or height < 1:
        raise ChoiceError("size", "at least 1 x 1", (height, width))
    if light is not None and light not in FITTING:
        raise ChoiceError("light", tuple(FITTING), light)
    if kind is not None and kind not in SCENES:
        raise ChoiceError("kind", KINDS, kind)
    choices = KINDS if light is None else FITTING[light]
    drawn = choices[int(rng.integers(len(choices)))]
    natural = float(np.exp(rng.normal(-4.4, 0.7)))
    low, high = BRIGHTNESS.get(light or "", (0.5, 1.1))
    shine = np.asarray(colour, np.float32) * np.float32(rng.uniform(low, high))
    radius = (natural if blur is None else blur) * height
    if not radius >= 0:
        raise ChoiceError("blur", "at least 0", blur)
    # Blurred places are painted small: a pixel there is a third of the blur's radius.
    step = max(radius / 3, height / 320, 1.0)
    small = (max(round(height / step), 8), max(round(width / step), 8))
    picture = SCENES[kind or drawn](rng, *small, np.maximum(shine, 0))
    picture = _askew(rng, picture)
    # Nothing real is of one even tone.
    picture = rooms.mottled(rng, picture, 0.12, 0.035, 2)
    scale = small[0] / height
    if radius > 0:
        picture = disc(picture, radius * scale)
        picture = soften(picture, radius * scale / 4)
    elif scale >= 1:
        picture = soften(picture, 0.5)
    return np.maximum(resize(picture, height, width, "cubic"), 0)


def _askew(rng: Random, picture: Floats) -> Floats:
    """Half of all places are seen at an angle: tilted and foreshortened."""
    h, w = picture.shape[:2]
    tilt, left, right = rng.normal(0, 0.025), *rng.uniform(0, 0.16, 2)
    if rng.random() < 0.5:
        return picture
    mid = np.array([[0, left], [1, right], [1, 1 - right], [0, 1 - left]])
    mid = mid + np.array([[0, tilt], [0, -tilt], [0, -tilt], [0, tilt]])
    back = homography(np.array([[0, 0], [1, 0], [1, 1], [0, 1]]), mid)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    u, v = (x + 0.5) / w, (y + 0.5) / h
    z = back[2, 0] * u + back[2, 1] * v + back[2, 2]
    where = np.empty((h, w, 2), np.float32)
    where[..., 0] = (back[0, 0] * u + back[0, 1] * v + back[0, 2]) / z * w
    where[..., 1] = (back[1, 0] * u + back[1, 1] * v + back[1, 2]) / z * h
    return sample(picture, where)
