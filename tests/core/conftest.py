"""Pictures made in code, shared by the tests of this room."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., bytes]


@pytest.fixture
def scene() -> np.ndarray:
    """(141, 203, 3): smooth, and no two of its eight orientations look alike."""
    y, x = np.mgrid[0:141, 0:203]
    red = 40 + 200 * (x / 203) ** 2
    green = 30 + 180 * y / 141
    blue = 255 * np.exp(-((x - 50) ** 2 + (y - 100) ** 2) / 900)
    return np.rint(np.stack([red, green, blue], axis=2)).astype(np.uint8)


@pytest.fixture
def encode() -> Encode:
    """encode(array or image, format, orientation=None, **options of Pillow's save) -> bytes."""

    def encoded(
        picture: np.ndarray | Image.Image, kind: str, orientation: int | None = None, **options: Any
    ) -> bytes:
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        if orientation is not None:
            exif = Image.Exif()
            exif[0x0112] = orientation
            options["exif"] = exif.tobytes() if kind == "HEIF" else exif
        if kind == "HEIF":
            heif = pytest.importorskip("pillow_heif", reason="needs the extra heic")
            file = io.BytesIO()
            heif.from_pillow(image).save(file, **options)
            return file.getvalue()
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return encoded


@pytest.fixture
def icc_profile() -> Callable[..., bytes]:
    """An ICC v2 RGB display profile from its D50 colorants and gamma (ICC.1:2001-04)."""

    def made(colorants: list[tuple[float, float, float]], name: str, gamma: float = 2.2) -> bytes:
        def xyz(*values: float) -> bytes:
            return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

        curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
        text = name.encode() + b"\0"
        description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
        tags = [(b"desc", description), (b"wtpt", xyz(0.9642, 1, 0.8249))]
        tags += [
            (key, xyz(*c)) for key, c in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True)
        ]
        tags += [(key, curve) for key in (b"rTRC", b"gTRC", b"bTRC")]
        tags += [(b"cprt", b"text\0\0\0\0none\0\0\0\0")]
        table, body = struct.pack(">I", len(tags)), b""
        for key, data in tags:
            table += struct.pack(">4sII", key, 132 + 12 * len(tags) + len(body), len(data))
            body += data + bytes(-len(data) % 4)
        size = 128 + len(table) + len(body)
        start = struct.pack(">I4sI12s12x4s", size, b"lcms", 0x02100000, b"mntrRGB XYZ ", b"acsp")
        white = struct.pack(">3i", 63190, 65536, 54061)
        return (start.ljust(68, b"\0") + white).ljust(128, b"\0") + table + body

    return made
