"""Attacks on a face camera: a photo held up as a print, on a screen, or worn as a paper mask.

The picture lies on a sheet in front of a pinhole camera, so where each of its points lands, the
sheet's corners and its depth are known exactly. Sheet axes: x right, y down, z away, metres,
origin in the middle of the picture. Camera axes: x right, y down, z forward.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.camera import matrix
from fusiform.lab.world.background import sample_background
from fusiform.lab.world.cameras import sample_sensor
from fusiform.lab.world.filters import clouds, resize, sample, soften
from fusiform.lab.world.media import Touch, displayed, inkjet, offset, sheen
from fusiform.lab.world.painting import paint, shapes
from fusiform.lab.world.sensor import expose
from fusiform.lab.world.srgb import decode

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Random = np.random.Generator

KINDS = ("print", "screen", "mask")
FINE = 2  # Samples along each side of a pixel.


@dataclass(frozen=True)
class Sheet:
    """A picture of `width` x `height` metres as a camera sees it; `margin` (metres) surrounds it.

    `rotation` (3, 3) and `shift` (3,) take sheet to camera axes; `focal` and `centre` are in
    pixels. `bend`: metres by which the middle bulges towards the camera (the sides stay).
    """

    width: float
    height: float
    margin: float
    rotation: Doubles
    shift: Doubles
    focal: float
    centre: tuple[float, float]
    bend: float = 0.0


@dataclass(frozen=True)
class Attack:
    """A photo of an attack, to be labelled as one.

    `image` (h, w, 3) uint8. `homography` (3, 3): source to image pixels for the flat sheet, exact
    at the corners always and everywhere if it is not bent (`locate` is exact for all).
    `corners` (4, 2): the sheet's outer corners in the image: upper left, upper right, lower
    right, lower left of the picture on it. `depth` (h, w): camera z of the sheet in metres at
    pixel centres, inf beyond it. `mask` (h, w): 1 where the picture on the sheet is seen, else 0.
    """

    image: Bytes
    kind: str
    homography: Doubles
    corners: Floats
    depth: Floats
    mask: Floats
    sheet: Sheet
    source: tuple[int, int]
    parameters: dict[str, float]


def present(
    image: Bytes,
    kind: str,
    rng: Random,
    eyes: ArrayLike | None = None,
    behind: Bytes | None = None,
) -> Attack:
    """A photo, of the same size, of an attack with `image` (h, w, 3) uint8 sRGB.

    `kind`: one of KINDS. `eyes` (2, 2): x, y of the eyes in `image`, where a paper mask has its
    holes; taken as in a centred portrait where None. `behind` (h, w, 3): what is behind the sheet
    (for a mask: its wearer); a drawn background, or the mirrored image, where None.

    Raises ChoiceError for an unknown kind or another kind of picture.
    """
    if kind not in KINDS:
        raise ChoiceError("kind", KINDS, kind)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ChoiceError("image", "uint8 (h, w, 3)", (str(image.dtype), image.shape))
    h, w = image.shape[:2]
    sheet, done = hold(rng, kind, w, h)
    where, _ = trace(sheet, h, w, FINE)
    touch = Touch(where, pixel_size(sheet), sheet.width, sheet.height)
    source = decode(image)
    on = _shares(sheet, where)
    seen = sample(source, on * np.array([w, h], np.float32))
    picture, more = _MEDIA[kind](rng, seen, touch)
    wobble = rng.normal(0, 0.05, 4)
    cover, shown = _cut(kind, on, sheet, (h, w), eyes, wobble)
    middles, depth = trace(sheet, h, w, 1)
    here, _ = _cut(kind, _shares(sheet, middles), sheet, (h, w), eyes, wobble)
    ground = _behind(rng, kind, image, behind)
    edge = np.full(3, 0.85 if kind == "print" else 0.02, np.float32)
    framed = np.where(shown[..., None] > 0, picture, edge)
    full = framed * cover[..., None] + ground * (1 - cover[..., None])
    mask = shown * cover
    if kind != "mask" and rng.random() < 0.35:
        full, mask = _fingers(rng, full, mask, sheet, FINE)
    light = resize(np.ascontiguousarray(full, np.float32), h, w, "area")
    sensor = sample_sensor(rng, 0.6, h)
    photo = expose(light, sensor, rng)
    return Attack(
        photo,
        kind,
        plane_map(sheet, w, h),
        outline(sheet),
        np.where(here > 0.5, depth, np.float32(np.inf)),
        resize(np.ascontiguousarray(mask[..., None], np.float32), h, w, "area")[..., 0],
        sheet,
        (w, h),
        done | more,
    )


def hold(rng: Random, kind: str, w: int, h: int) -> tuple[Sheet, dict[str, float]]:
    """A sheet held before a camera whose picture is `w` x `h`, and how."""
    yaw, pitch, roll = rng.normal(0, (14, 10, 5))
    size = {"print": 0.2, "screen": 0.14, "mask": 0.24}[kind] * float(rng.uniform(0.8, 1.5))
    wide, tall = size * w / max(w, h), size * h / max(w, h)
    fill = float(rng.uniform(0.7, 1.25)) if kind != "mask" else float(rng.uniform(0.85, 1.1))
    lens = float(rng.uniform(1.0, 2.2))
    away = tall * lens / fill
    bend = 0.0
    if kind == "mask":
        yaw, pitch, bend = 0.4 * yaw, 0.4 * pitch, 0.12 * wide
    elif kind == "print" and rng.random() < 0.5:
        bend = float(rng.uniform(-0.07, 0.07)) * wide
    x, y = rng.normal(0, 0.04, 2) * size
    sheet = Sheet(
        wide,
        tall,
        0.0 if kind == "mask" else float(rng.uniform(0.0, 0.09)) * size,
        matrix(float(yaw), float(pitch), float(roll)),
        np.array([x, y, away]),
        lens * h,
        (w / 2, h / 2),
        bend,
    )
    angles = {"yaw": float(yaw), "pitch": float(pitch), "roll": float(roll)}
    return sheet, angles | {"distance": away, "bend": bend, "fill": fill}


def bulge(sheet: Sheet, x: Doubles) -> Doubles:
    """z (metres) of the bent sheet at x: half a sine wave between its outer edges."""
    half = sheet.width / 2 + sheet.margin
    return np.asarray(-sheet.bend * np.cos(np.clip(x / half, -1, 1) * (np.pi / 2)))


def project(sheet: Sheet, points: ArrayLike) -> Doubles:
    """(k, 2) pixels of points (k, 2) on the sheet in metres."""
    flat = np.asarray(points, np.float64)
    space = np.column_stack([flat, bulge(sheet, flat[:, 0])]) @ sheet.rotation.T + sheet.shift
    return np.asarray(sheet.focal * space[:, :2] / space[:, 2:] + np.array(sheet.centre))


def locate(attack: Attack, points: ArrayLike) -> Doubles:
    """(k, 2): where source pixels `points` (k, 2) land in the attack's image, exactly."""
    size = np.array([attack.sheet.width, attack.sheet.height])
    share = np.asarray(points, np.float64) / np.array(attack.source) - 0.5
    return project(attack.sheet, share * size)


def outline(sheet: Sheet) -> Floats:
    """(4, 2): the sheet's corners in the image, from the upper left around by the upper right."""
    x, y = sheet.width / 2 + sheet.margin, sheet.height / 2 + sheet.margin
    return project(sheet, [(-x, -y), (x, -y), (x, y), (-x, y)]).astype(np.float32)


def plane_map(sheet: Sheet, w: int, h: int) -> Doubles:
    """(3, 3), last entry 1: source pixels (`w` x `h`) to image pixels for the flat sheet."""
    lens = np.array(
        [[sheet.focal, 0, sheet.centre[0]], [0, sheet.focal, sheet.centre[1]], [0, 0, 1]]
    )
    pose = np.column_stack([sheet.rotation[:, :2], sheet.shift])
    metres = np.array(
        [
            [sheet.width / w, 0, -sheet.width / 2],
            [0, sheet.height / h, -sheet.height / 2],
            [0, 0, 1],
        ]
    )
    full = lens @ pose @ metres
    return np.asarray(full / full[2, 2])


def trace(sheet: Sheet, h: int, w: int, fine: int) -> tuple[Floats, Floats]:
    """Where each of the rays through an image of `h` x `w` pixels, `fine`² a pixel, meets the
    sheet: x, y in metres (h fine, w fine, 2) and camera z (h fine, w fine)."""
    y, x = (np.mgrid[0 : h * fine, 0 : w * fine].astype(np.float64) + 0.5) / fine
    ray = np.stack(
        [
            (x - sheet.centre[0]) / sheet.focal,
            (y - sheet.centre[1]) / sheet.focal,
            np.ones_like(x),
        ],
        -1,
    )
    ray = ray @ sheet.rotation
    start = -sheet.rotation.T @ sheet.shift
    u = np.zeros_like(x)
    for _ in range(8 if sheet.bend else 1):
        # Meet the plane at the depth of the last guess; the bend is slight, so this settles.
        s = (bulge(sheet, u) - start[2]) / ray[..., 2]
        u = start[0] + s * ray[..., 0]
    where = np.stack([u, start[1] + s * ray[..., 1]], -1)
    return where.astype(np.float32), s.astype(np.float32)


def pixel_size(sheet: Sheet) -> float:
    """Metres on the sheet that a pixel of the image sees, at its middle."""
    return float(sheet.shift[2] / sheet.focal)


def _shares(sheet: Sheet, where: Floats) -> Floats:
    """Places in metres as shares of the picture's width and height, 0..1 on it."""
    size = np.array([sheet.width, sheet.height], np.float32)
    return np.asarray(where / size + np.float32(0.5), np.float32)


def _cut(
    kind: str,
    on: Floats,
    sheet: Sheet,
    size: tuple[int, int],
    eyes: ArrayLike | None,
    wobble: Doubles,
) -> tuple[Floats, Floats]:
    """Shares of the sheet (with its margin) and of the picture alone at each ray, 0 or 1."""
    h, w = size
    inside = (np.abs(on - np.float32(0.5)) <= np.float32(0.5)).all(-1)
    if kind != "mask":
        edge = sheet.margin / np.array([sheet.width, sheet.height], np.float32) + np.float32(0.5)
        cover = (np.abs(on - np.float32(0.5)) <= edge).all(-1)
        return cover.astype(np.float32), inside.astype(np.float32)
    spots = np.array([[0.37, 0.45], [0.63, 0.45]]) * [w, h] if eyes is None else np.asarray(eyes)
    at = on * np.array([w, h], np.float32)
    apart = float(np.linalg.norm(spots[1] - spots[0]))
    middle = spots.mean(0) + np.array([0, 0.5 * apart])
    face = ((at - middle) / np.array([1.15 * apart, 1.75 * apart])).astype(np.float32)
    turn = np.arctan2(face[..., 1], face[..., 0])
    rim = 1 + sum(wobble[i] * np.sin((i + 2) * turn + 9 * i) for i in range(4))
    cover = inside & ((face**2).sum(-1) <= rim)
    for spot in spots:
        hole = (at - spot) / np.array([0.27 * apart, 0.16 * apart])
        cover &= (hole**2).sum(-1) > 1
    return cover.astype(np.float32), inside.astype(np.float32)


def _behind(rng: Random, kind: str, image: Bytes, behind: Bytes | None) -> Floats:
    """(h, w, 3) at the finer size, linear: what is seen around the sheet."""
    h, w = image.shape[:2]
    if behind is not None:
        if behind.shape != image.shape:
            raise ChoiceError("behind", f"as large as the image, {image.shape}", behind.shape)
        ground = decode(behind)
    elif kind == "mask":
        ground = decode(np.ascontiguousarray(image[:, ::-1])) * np.float32(rng.uniform(0.5, 0.9))
    else:
        ground = sample_background(rng, w, h, np.full(3, 0.8), light="office")
    return resize(ground, h * FINE, w * FINE, "linear")


def _fingers(
    rng: Random, picture: Floats, mask: Floats, sheet: Sheet, fine: int
) -> tuple[Floats, Floats]:
    """Thumbs that hold the sheet at its sides, in front of it."""
    edge = outline(sheet).astype(np.float64) * fine
    skin = np.array([0.5, 0.3, 0.22]) * rng.uniform(0.2, 1.1)
    hidden = np.zeros((*mask.shape, 3), np.float32)
    result = np.ascontiguousarray(picture, np.float32)
    wide = 0.02 / (sheet.shift[2] / sheet.focal) * fine
    for a, b, inward in ((edge[0], edge[3], 1), (edge[1], edge[2], -1)):
        if rng.random() < 0.3:
            continue
        x, y = a + (b - a) * rng.uniform(0.4, 0.9)
        tip = x + inward * wide * rng.uniform(0.8, 1.8)
        far = x - inward * 6 * wide
        left, right = min(tip, far), max(tip, far)
        box = (left, y - wide / 2, right, y + wide / 2)
        nail = (tip - wide * 0.45 - inward * wide * 0.55, y - wide * 0.28)
        parts = [
            shapes(
                "oval",
                box[0],
                box[1] + 0.25 * wide,
                box[2],
                box[3] + 0.3 * wide,
                0,
                1,
                0.4,
                wide / 3,
            ),
            shapes("oval", *box, 1.15 * skin, 0.7, 1, 0.2 * wide),
            shapes(
                "oval", *nail, nail[0] + 0.9 * wide, nail[1] + 0.5 * wide, skin * [1.2, 1.25, 1.3]
            ),
        ]
        paint(result, np.concatenate(parts), 1.0)
        paint(hidden, shapes("oval", *box, 1.0), 1.0)
    return result, mask * (1 - hidden[..., 0])


def _printed(rng: Random, seen: Floats, touch: Touch) -> tuple[Floats, dict[str, float]]:
    maker: Callable[[Random, Floats, Touch], tuple[Floats, dict[str, float]]]
    maker = offset if rng.random() < 0.5 else inkjet
    paper, done = maker(rng, seen, touch)
    h, w = paper.shape[:2]
    shade = 1 + 0.05 * clouds(rng, h, w, 0.5 * h, 2)
    lit = paper * np.float32(rng.uniform(0.5, 1.1)) * np.maximum(shade, 0.3)
    gloss = float(rng.choice([0.0, 0.05, 0.3])) * float(rng.random())
    return lit + gloss * sheen(rng, h, w), done | {"gloss": gloss}


def _screened(rng: Random, seen: Floats, touch: Touch) -> tuple[Floats, dict[str, float]]:
    glow, done = displayed(rng, seen, touch)
    h, w = glow.shape[:2]
    gloss = float(rng.uniform(0, 0.12))
    room = soften(sample_background(rng, max(w // 4, 1), max(h // 4, 1), light="office"), 1.0)
    mirror = resize(room, h, w, "linear") + sheen(rng, h, w)
    return glow + np.float32(gloss) * mirror, done | {"gloss": gloss}


_MEDIA: dict[str, Callable[[Random, Floats, Touch], tuple[Floats, dict[str, float]]]] = {
    "print": _printed,
    "screen": _screened,
    "mask": _printed,
}
