"""Drawing what was found: faces on a picture, contact sheets, pairs; and saving it."""

from __future__ import annotations

import os
import secrets
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont, ImageOps

from fusiform.core.decode import Pixels
from fusiform.core.errors import ChoiceError, PictureError
from fusiform.core.faces import Faces

_PAPER, _INK, _QUIET = (252, 252, 250), (29, 29, 31), (134, 134, 139)
_HAIRLINE, _BLANK, _ACCENT = (228, 228, 226), (236, 236, 234), (0, 196, 140)
_LINES = 2  # of tiles a person; more would push the next person off the page
_MARGIN = 0.3  # around a face in its tile, in parts of the box

# Pillow's own font knows little beyond ASCII; the first of these that is there helps out.
_FONTS = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf"),
    *("Arial Unicode.ttf", "arial.ttf", "Arial.ttf", "segoeui.ttf", "Helvetica.ttc"),
    *("NotoSansCJK-Regular.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "msyh.ttc"),
    *("YuGothM.ttc", "malgun.ttf", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf"),
)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Size = tuple[int, int]

_SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
_LONGEST_SIDE = {"JPEG": 65_500, "PNG": 2**31 - 1, "WEBP": 16_383}


def draw_faces(pixels: Pixels, faces: Faces, labels: Sequence[str] | None = None) -> Pixels:
    """A copy of `pixels (H, W, 3)` uint8 RGB with boxes, points and, if given, one label a face.

    `faces` are in coordinates of `pixels`. Raises ChoiceError if labels and faces differ in number.
    """
    if labels is not None and len(labels) != len(faces):
        raise ChoiceError("labels", f"one for each of {len(faces)} faces", len(labels))
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    width = max(2, round(max(image.size) / 450))
    for face in faces:
        x1, y1, x2, y2 = _ordered(face.box)
        pen.rounded_rectangle((x1, y1, x2, y2), 3 * width, outline=_ACCENT, width=width)
        for x, y in face.points:
            r = 0.7 * width
            pen.ellipse((x - r, y - r, x + r, y + r), fill="white", outline=_ACCENT)
    for face, label in zip(faces, labels or (), strict=False):
        _draw_label(pen, image.size, _ordered(face.box), label, width)
    return np.asarray(image)


def _ordered(box: ArrayLike) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(v) for v in np.asarray(box))
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _draw_label(
    pen: ImageDraw.ImageDraw,
    canvas: Size,
    box: tuple[float, float, float, float],
    label: str,
    width: int,
) -> None:
    """The label on a filled tab above the box, or inside its top edge at the picture's border."""
    size = max(13, round(max(canvas) / 64))
    text, font = _lettering(label, size)
    wide, high = font.getlength(text) + size, 1.5 * size
    x = max(0.0, min(box[0], canvas[0] - wide))
    y = box[1] - high - width
    y = max(0.0, min(y if y >= 0 else box[1] + 2 * width, canvas[1] - high))
    pen.rounded_rectangle((x, y, x + wide, y + high), size / 3, fill=_ACCENT)
    pen.text((x + size / 2, y + high / 2), text, fill="white", font=font, anchor="lm")


def face_tile(pixels: Pixels, box: ArrayLike, size: int) -> Pixels:
    """A square `(size, size, 3)` cut-out around a box, with a margin.

    At a border the square moves inward as far as it can; what still lies outside is light grey.
    """
    image = Image.fromarray(pixels)
    x1, y1, x2, y2 = _ordered(box)
    side = max(x2 - x1, y2 - y1, 1.0) * (1 + 2 * _MARGIN)
    left = _inward((x1 + x2) / 2, side, image.width)
    top = _inward((y1 + y2) / 2, side, image.height)
    seen = (max(left, 0), max(top, 0), min(left + side, image.width), min(top + side, image.height))
    tile = Image.new("RGB", (size, size), _BLANK)
    if seen[0] < seen[2] and seen[1] < seen[3]:
        scale = size / side
        target = [round((v - o) * scale) for v, o in zip(seen, (left, top) * 2, strict=True)]
        shape = (max(1, target[2] - target[0]), max(1, target[3] - target[1]))
        part = image.resize(shape, Image.Resampling.LANCZOS, box=seen, reducing_gap=3)
        tile.paste(part, (target[0], target[1]))
    return np.asarray(tile)


def _inward(centre: float, side: float, length: int) -> float:
    """Where a span of `side` around `centre` starts once moved into 0..length if it fits."""
    start = centre - side / 2
    return min(max(start, 0.0), length - side) if side <= length else start


def contact_sheet(
    rows: Sequence[tuple[str, Sequence[Pixels]]], *, tile: int = 96, columns: int = 12
) -> Pixels:
    """One block a person: the title on the left, up to two lines of square tiles on the right.

    `rows` holds (title, faces `(h, w, 3)` uint8 RGB). The first line of a title is its name, the
    others stand under it in grey. What does not fit is counted in the last place ("+23").
    Returns `(H, W, 3)` uint8 RGB. Raises ChoiceError for a tile under 16 px or no column.
    """
    if tile < 16:
        raise ChoiceError("tile", "at least 16 pixels", tile)
    if columns < 1:
        raise ChoiceError("columns", "at least 1", columns)
    gap, margin = max(2, tile // 12), tile // 3
    used = min(columns, max((len(tiles) for _, tiles in rows), default=1) or 1)
    titles = _title_width([title for title, _ in rows], tile)
    heights = [_block_lines(len(tiles), used) * (tile + gap) - gap for _, tiles in rows]
    width = 2 * margin + titles + used * (tile + gap) - gap
    height = margin + sum(h + 2 * margin for h in heights) - margin * bool(rows)
    sheet = Image.new("RGB", (width, max(height, 2 * margin)), _PAPER)
    pen, y = ImageDraw.Draw(sheet), margin
    for i, ((title, tiles), high) in enumerate(zip(rows, heights, strict=True)):
        if i:
            pen.line((margin, y - margin, width - margin, y - margin), fill=_HAIRLINE)
        _draw_title(pen, (margin, y), title, titles, tile)
        _draw_tiles(sheet, (margin + titles, y), tiles, (tile, gap, used))
        y += high + 2 * margin
    return np.asarray(sheet)


def _block_lines(count: int, columns: int) -> int:
    return min(_LINES, max(1, -(-count // columns)))


def _title_sizes(tile: int) -> tuple[int, int]:
    return max(11, round(tile / 5.2)), max(10, round(tile / 7))


def _title_width(titles: Sequence[str], tile: int) -> int:
    """Width of the title column: its longest line, within two and a half tiles."""
    sizes = _title_sizes(tile)
    lines = [(line, sizes[k > 0]) for t in titles for k, line in enumerate(t.split("\n"))]
    widest = max(
        (font.getlength(text) for text, font in (_lettering(*x) for x in lines)), default=0
    )
    return round(min(widest, 2.5 * tile) + tile / 3)


def _draw_title(pen: ImageDraw.ImageDraw, at: Size, title: str, width: int, tile: int) -> None:
    """The lines of a title, cut to `width`, the whole centred on the first line of tiles."""
    name, small = _title_sizes(tile)
    lines = title.split("\n")[:4]
    heights = [1.4 * (small if k else name) for k in range(len(lines))]
    y = at[1] + (tile - sum(heights)) / 2
    for k, line in enumerate(lines):
        text, font = _lettering(line, small if k else name)
        text = _cut(text, font, width - tile / 3)
        place = (at[0], y + heights[k] / 2)
        pen.text(place, text, fill=_QUIET if k else _INK, font=font, anchor="lm")
        y += heights[k]


def _cut(text: str, font: Font, width: float) -> str:
    """The text, ended with "…" if it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    text = text[:200]  # wide enough for any column, and each letter costs a measurement
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _draw_tiles(
    sheet: Image.Image, at: Size, tiles: Sequence[Pixels], grid: tuple[int, int, int]
) -> None:
    tile, gap, columns = grid
    places = _LINES * columns
    shown = tiles if len(tiles) <= places else tiles[: places - 1]
    mask = _rounded(tile)
    for i in range(min(len(tiles), places)):
        place = (at[0] + i % columns * (tile + gap), at[1] + i // columns * (tile + gap))
        if i < len(shown):
            face = ImageOps.fit(Image.fromarray(shown[i]), (tile, tile), Image.Resampling.LANCZOS)
        else:
            face = _more(len(tiles) - len(shown), tile)
        sheet.paste(face, place, mask)


def _more(count: int, tile: int) -> Image.Image:
    """The tile that says how many faces are not shown."""
    image = Image.new("RGB", (tile, tile), _BLANK)
    pen, half = ImageDraw.Draw(image), tile / 2
    for text, y, size in ((f"+{count:,}", 0.9, tile / 4.4), ("more", 1.34, tile / 7)):
        font = _font("", max(9, round(size)))
        pen.text((half, half * y), text, fill=_QUIET, font=font, anchor="mm")
    return image


def _rounded(size: int) -> Image.Image:
    """Mask of a square with round corners, smooth because it is drawn four times too large."""
    mask = Image.new("L", (4 * size, 4 * size))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 4 * size, 4 * size), size // 2, fill=255)
    return mask.resize((size, size), Image.Resampling.LANCZOS)


def pair(
    pixels_a: Pixels, faces_a: Faces, pixels_b: Pixels, faces_b: Faces, caption: str
) -> Pixels:
    """Two pictures side by side at one height, their faces drawn, the caption underneath.

    Returns `(H, W, 3)` uint8 RGB, the pictures at most 640 pixels high.
    """
    high = min(640, max(len(pixels_a), len(pixels_b)))
    sides = [_at_height(p, f, high) for p, f in ((pixels_a, faces_a), (pixels_b, faces_b))]
    gap, size = max(4, high // 26), max(14, high // 26)
    text, font = _lettering(caption, size)
    inner = max(sum(side.width for side in sides) + gap, round(font.getlength(text)))
    canvas = Image.new("RGB", (inner + 2 * gap, high + 2 * gap + 2 * size), _PAPER)
    x = gap + (inner - sum(side.width for side in sides) - gap) // 2
    for side in sides:
        canvas.paste(side, (x, gap))
        x += side.width + gap
    middle = (canvas.width / 2, high + gap + size * 1.2)
    ImageDraw.Draw(canvas).text(middle, text, fill=_INK, font=font, anchor="mm")
    return np.asarray(canvas)


def _at_height(pixels: Pixels, faces: Faces, high: int) -> Image.Image:
    """The picture resized to a height, faces drawn after so that lines are equally strong."""
    scale = high / len(pixels)
    size = (max(1, round(pixels.shape[1] * scale)), high)
    small = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    moved = replace(faces, boxes=faces.boxes * scale, points=faces.points * scale)
    return Image.fromarray(draw_faces(np.asarray(small), moved))


def _lettering(text: str, size: int) -> tuple[str, Font]:
    """The text and the font that has most of its letters; accents go where none has them."""
    text = " ".join(text.split())
    best = ""
    if not all(_covers("", letter) for letter in text):
        fonts = ("", *_system_fonts())
        best = max(fonts, key=lambda name: sum(_covers(name, letter) for letter in text))
    plain = "".join(
        letter if _covers(best, letter) else _without_accents(letter) for letter in text
    )
    return plain, _font(best, size)


def _without_accents(letter: str) -> str:
    parts = unicodedata.normalize("NFKD", letter)
    return "".join(p for p in parts if not unicodedata.combining(p)) or letter


@cache
def _system_fonts() -> tuple[str, ...]:
    """Those of `_FONTS` that are on this machine (found once: each look walks the font folders)."""
    found = []
    for name in _FONTS:
        with suppress(OSError):
            _font(name, 16)
            found.append(name)
    return tuple(found)


@cache
def _covers(name: str, letter: str) -> bool:
    """Whether a font has the letter: its picture is not that of a missing one."""
    font = _font(name, 16)
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))


@cache
def _font(name: str, size: int) -> Font:
    """A font of the system by file name, or for "" the one that comes with Pillow."""
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


def save(path: str | Path, pixels: Pixels) -> None:
    """Write `pixels (H, W, 3)` uint8 RGB as JPEG, PNG or WebP by the suffix, whole or not at all.

    Raises ChoiceError for another suffix or a picture the format cannot hold, PictureError where
    the folder is missing, may not be written or the disk is full.
    """
    path = Path(path)
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ChoiceError("suffix of a picture to save", _SUFFIXES, path.suffix)
    if max(pixels.shape[:2]) > _LONGEST_SIDE[kind]:
        limit = f"at most {_LONGEST_SIDE[kind]} pixels for {kind} (PNG holds more)"
        raise ChoiceError("long side", limit, max(pixels.shape[:2]))
    if not path.parent.is_dir():
        raise PictureError(path, f"the folder {path.parent} does not exist", "make it first")
    part = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        with open(part, "xb") as file:
            Image.fromarray(pixels).save(file, kind, quality=92)
        os.replace(part, path)
    except OSError as error:
        reason = f"cannot be written ({error.strerror or error})"
        raise PictureError(path, reason, "check the folder's permission and the disk") from error
    finally:
        part.unlink(missing_ok=True)
