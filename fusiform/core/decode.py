"""The Pillow side of reading: which format it is, what turns it upright, what makes it RGB.

Plugins are called directly and not through `Image.open`: that tries every format Pillow knows
(PostScript too), and compares with `Image.MAX_IMAGE_PIXELS`, which belongs to the host program.
"""

from __future__ import annotations

import io
import re
import warnings
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

# Pillow warns about corrupt metadata and palettes; here a picture is either read or refused with
# an error. `warnings.catch_warnings` is not thread-safe, so the filter is set once, for Pillow's
# own modules and their plain UserWarning only (its decompression-bomb warning is another class).
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

Pixels = NDArray[np.uint8]

_PLUGINS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIF": ("pillow_heif", "HeifImageFile"),
}
_MAGIC = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF....WEBP",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "BMP": rb"BM",
    "GIF": rb"GIF8[79]a",
    "PPM": rb"P[1-6][\s#]",
}
_MAGIC_RE = {kind: re.compile(magic, re.DOTALL) for kind, magic in _MAGIC.items()}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

HEAD_BYTES = 128  # enough for the longest magic and an ftyp box with thirty brands

_ORIENTATION, _EXIF_IFD, _TAKEN, _TAKEN_OFFSET = 0x0112, 0x8769, 0x9003, 0x9011
_Turn = Image.Transpose
TURNS = {
    2: _Turn.FLIP_LEFT_RIGHT,
    3: _Turn.ROTATE_180,
    4: _Turn.FLIP_TOP_BOTTOM,
    5: _Turn.TRANSPOSE,
    6: _Turn.ROTATE_270,
    7: _Turn.TRANSVERSE,
    8: _Turn.ROTATE_90,
}


def sniff(head: bytes) -> str | None:
    """The format that the first `HEAD_BYTES` of a file announce, or None if it is none of ours."""
    if head[4:8] == b"ftyp":
        end = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12], *(head[i : i + 4] for i in range(16, end, 4))}
        return "AVIF" if brands & _AVIF_BRANDS else "HEIF" if brands & _HEIF_BRANDS else None
    return next((kind for kind, magic in _MAGIC_RE.items() if magic.match(head)), None)


def lazy_image(file: IO[bytes], kind: str) -> Image.Image:
    """The picture in `file` with its header read and no pixel decoded.

    Raises whatever the plugin raises on bad bytes, ImportError if HEIF support is missing.
    """
    module, name = _PLUGINS[kind]
    image: Image.Image = getattr(import_module(module), name)(file)
    return image


def reduce(image: Image.Image, at_least: int | None) -> int:
    """Have a JPEG decode to 1/step of its size, long side still >= `at_least`; the step."""
    if at_least is None or image.format != "JPEG":
        return 1
    width, height = image.size
    wanted = max((s for s in (2, 4, 8) if max(width, height) >= at_least * s), default=1)
    size = (max(1, width // wanted), max(1, height // wanted))
    drafted = image.draft(None, size)
    return round(width / drafted[1][2]) if drafted else 1


def orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; 1 where it is absent, senseless or unreadable."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
        return int(value) if value in TURNS else 1
    except Exception:  # broken metadata must not cost the picture, whatever Pillow raises on it
        return 1


def taken_at(image: Image.Image) -> str | None:
    """When the picture was taken, from EXIF DateTimeOriginal, as ISO text.

    In UTC ("...+00:00") where OffsetTimeOriginal is known, else local time without an offset.
    """
    try:
        tags = image.getexif().get_ifd(_EXIF_IFD)
        text, offset = tags.get(_TAKEN), tags.get(_TAKEN_OFFSET)
    except Exception:  # as above
        return None
    return iso_time(text, offset)


def iso_time(text: Any, offset: Any) -> str | None:
    """ISO text of EXIF's "2024:05:01 12:30:00" and "+02:00"; None if the first is no time."""
    try:
        local = datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    try:
        aware = datetime.fromisoformat(f"{local.isoformat()}{str(offset).strip(chr(0) + ' ')}")
        return aware.astimezone(UTC).isoformat() if aware.tzinfo else local.isoformat()
    except (ValueError, OverflowError):
        return local.isoformat()


def to_rgb(image: Image.Image) -> Image.Image:
    """A decoded picture of any mode as mode RGB in sRGB, transparency laid on white."""
    profile = image.info.get("icc_profile")
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        image = Image.fromarray(_deep_to_eight(np.asarray(image)))
    if profile and image.mode in ("L", "CMYK"):
        image = _to_srgb(image, profile)
    flat = _on_white(image)
    return _to_srgb(flat, profile) if profile else flat


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    solid = image.convert("RGBA")
    flat = Image.new("RGB", image.size, "white")
    flat.paste(solid, mask=solid.getchannel("A"))
    return flat


def _deep_to_eight(values: NDArray[Any]) -> Pixels:
    """Grey of 16 or 32 bits or float as 8 bits, scaled by the white point and never wrapped.

    16-bit files say what white is: 65535. Wider and float ones do not, so white is the smallest
    of 1 (float only), 255, 65535 and the brightest pixel that leaves nothing clipped.
    """
    if values.dtype.itemsize == 2 and values.dtype.kind == "u":
        return uint16_to_uint8(values)
    real = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    peak = float(real.max(initial=0))
    usual = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (255.0, 65535.0)
    white = next((w for w in usual if peak <= w), peak)
    return np.rint(np.clip(real / white, 0, 1) * 255).astype(np.uint8)


def uint16_to_uint8(values: NDArray[Any]) -> Pixels:
    """0..65535 as 0..255, rounded to the nearest (PNG specification, section 13.12)."""
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """`image` taken from its embedded ICC profile to sRGB, mode RGB.

    Unchanged where the profile is sRGB already, is for another mode, or is broken.
    """
    try:
        transform = _transform(profile, image.mode)
        converted = transform and ImageCms.applyTransform(image, transform)
    except Exception:  # a broken profile must not cost the picture, whatever Little CMS says
        return image
    return converted or image


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a profile to sRGB; None where there is nothing to do. An album has few profiles.

    Without Little CMS's one-pixel cache a transform may be used by several threads.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    modes = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
    fits = modes.get(source.profile.xcolor_space.strip()) == mode
    if not fits or "sRGB" in (source.profile.profile_description or ""):
        return None
    target = ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(source, target, mode, "RGB", flags=ImageCms.Flags.NOCACHE)
