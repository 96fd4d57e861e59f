"""Pictures, arrays and facts as bytes of files that say they are synthetic."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fusiform.lab.geometry.scene import Bytes
from fusiform.lab.world.labels import PROVENANCE, Photo
from fusiform.lab.world.sensor import jpeg, jpeg_bytes

BEST_JPEG = 95
PICTURED = ("parsing", "alpha")  # arrays stored as pictures of their own
# Colours of the parsing classes in `parsing.png`, in the order of scene.Label.
COLOURS = (
    *((0, 0, 0), (230, 184, 156), (214, 150, 120), (90, 90, 230), (70, 200, 250)),
    *((30, 130, 220), (120, 80, 40), (160, 110, 60), (255, 200, 120), (240, 160, 90)),
    *((120, 0, 30), (230, 60, 90), (200, 30, 70), (70, 50, 40), (250, 120, 30)),
    *((250, 240, 90), (190, 180, 40), (190, 140, 120), (60, 160, 90), (150, 60, 200)),
)


def picture(image: Bytes, kind: str, quality: int) -> bytes:
    """A picture (h, w, 3) as a file that says it is synthetic; `quality` 0: the best JPEG."""
    if kind == "png":
        return png(Image.fromarray(jpeg(image, quality) if quality else image))
    return commented(jpeg_bytes(image, quality or BEST_JPEG))


def png(image: Image.Image) -> bytes:
    """A PNG file with the note that it is synthetic."""
    note = PngInfo()
    note.add_text("Comment", PROVENANCE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=note, compress_level=6)
    return buffer.getvalue()


def commented(data: bytes, note: str = PROVENANCE) -> bytes:
    """A JPEG file with a comment (marker COM, ITU-T T.81 B.2.4.5) behind its JFIF header."""
    start = 4 + int.from_bytes(data[4:6], "big") if data[2:4] == b"\xff\xe0" else 2
    text = note.encode()
    return data[:start] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + data[start:]


def members(photo: Photo) -> dict[str, bytes]:
    """Facts and arrays of a photo as files, by their endings."""
    out = {"json": plain_json(photo.facts)}
    alone = set(photo.arrays) <= set(PICTURED)
    if alone and "parsing" in photo.arrays:
        image = Image.fromarray(photo.arrays["parsing"])
        image.putpalette([value for colour in COLOURS for value in colour])
        out["parsing.png"] = png(image)
    if alone and "alpha" in photo.arrays:
        share = photo.arrays["alpha"].astype(np.float32)
        out["alpha.png"] = png(Image.fromarray(np.rint(share * 255).astype(np.uint8)))
    if photo.arrays and not alone:
        out["npz"] = npz(photo.arrays)
    return out


def npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as a compressed npz file, in the order of their names."""
    buffer = io.BytesIO()
    ordered: dict[str, Any] = {name: arrays[name] for name in sorted(arrays)}
    np.savez_compressed(buffer, **ordered)
    return buffer.getvalue()


def plain_json(facts: Mapping[str, Any]) -> bytes:
    """Facts as JSON in one line, numbers with six digits after the point."""
    return json.dumps(shorter(facts), ensure_ascii=False, allow_nan=False).encode()


def shorter(value: Any) -> Any:
    """`value` with its numbers rounded to six digits after the point."""
    if isinstance(value, Mapping):
        return {name: shorter(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [shorter(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6)
    return value.item() if isinstance(value, np.generic) else value
