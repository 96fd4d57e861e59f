"""Reading pictures: a path, bytes, array or Pillow image in, upright RGB out."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from fusiform.core import decode
from fusiform.core.decode import Pixels
from fusiform.core.errors import (
    ChoiceError,
    DamagedPicture,
    NotAPicture,
    PictureError,
    PictureTooLarge,
)

PIXEL_LIMIT = 250_000_000
"""Larger pictures are refused: a few kilobytes can announce gigabytes of pixels."""

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .tif .tiff .bmp .gif .avif .heic .heif "
    ".pgm .ppm .pbm .pnm".split()
)
"""Which files of a folder are taken for pictures (lower case)."""

Source = str | Path | bytes | Image.Image | NDArray[Any]


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture, upright.

    `pixels (H, W, 3)` uint8 RGB, contiguous, read-only; `width`, `height` of the upright picture
    at full size; `scale` pixels per full-size pixel (1, 1/2, 1/4 or 1/8) and `offset` x, y of the
    pixels' corner in the full-size picture, so that full = pixel / scale + offset exactly (a
    reduced JPEG is rounded up to whole pixels, on the left or top after some rotations);
    `taken_at` ISO text, in UTC if the camera knew its offset, else local; `format` as Pillow
    names it, or "array".
    """

    pixels: Pixels
    width: int
    height: int
    scale: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)
    taken_at: str | None = None
    format: str = "array"

    def to_full(self, xy: ArrayLike) -> NDArray[np.float32]:
        """Coordinates in `pixels` as coordinates in the full-size picture.

        `xy (..., 2k)` alternates x and y: boxes `(n, 4)` and points `(n, 5, 2)` both fit.
        """
        values = np.asarray(xy, dtype=np.float64)
        moved = (
            values.reshape(*values.shape[:-1], values.shape[-1] // 2, 2) / self.scale + self.offset
        )
        return moved.reshape(values.shape).astype(np.float32)


def open_picture(
    source: Source, *, at_least: int | None = None, pixel_limit: int = PIXEL_LIMIT
) -> Picture:
    """Read one picture (of an animation or multi-page file, the first).

    `source` is a path, the bytes of a file, a Pillow image, or an array: `(H, W)`, `(H, W, 1)`,
    `(H, W, 3)` RGB or `(H, W, 4)` RGBA; uint8, uint16, bool, or float in [0, 1]. It is not altered.
    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size as long as its long side keeps `at_least`
    pixels. Pictures of more than `pixel_limit` pixels are refused before they are decoded.

    Raises PictureError (NotAPicture, DamagedPicture, PictureTooLarge) or ChoiceError.
    """
    if at_least is not None and at_least < 1:
        raise ChoiceError("at_least", "None or at least 1", at_least)
    if isinstance(source, np.ndarray):
        return _from_array(source, pixel_limit)
    if isinstance(source, Image.Image):
        with _blaming("Pillow image"):
            return _from_image(source, None, pixel_limit, "Pillow image")
    if isinstance(source, bytes):
        name = f"bytes ({len(source)})"
        return _from_file(io.BytesIO(source), name, at_least, pixel_limit)
    if isinstance(source, (str, Path)):
        name = os.fspath(source)
        with regular_file(name) as file:
            return _from_file(file, name, at_least, pixel_limit)
    raise ChoiceError("source", "a path, bytes, Pillow image or array", type(source).__name__)


def read(source: Source) -> Pixels:
    """The upright full-size picture as `(H, W, 3)` uint8 RGB. Raises what `open_picture` raises."""
    return open_picture(source).pixels


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a regular file. Raises PictureError if it cannot be read."""
    name = os.fspath(path)
    with regular_file(name) as file, _blaming(name):
        return file.read()


def _from_file(file: IO[bytes], name: str, at_least: int | None, limit: int) -> Picture:
    with _blaming(name):
        kind = _kind(file, name)
        try:
            image = decode.lazy_image(file, kind)
        except (SyntaxError, ValueError, OSError) as error:
            # two letters that a text may well begin with (an errno speaks of the disk, though)
            if kind in ("BMP", "PPM") and not getattr(error, "errno", None):
                raise _not_a_picture(name) from error
            raise
        with image:
            _check_size(image, limit, name)
            return _from_image(image, at_least, limit, name)


def _kind(file: IO[bytes], name: str) -> str:
    head = file.read(decode.HEAD_BYTES)
    file.seek(0)
    if not head:
        raise DamagedPicture(name, "is empty (0 bytes)", "copy it again from where it came")
    kind = decode.sniff(head)
    if kind is None:
        raise _not_a_picture(name)
    return kind


def _not_a_picture(name: str) -> NotAPicture:
    known = "JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, HEIC or PPM"
    return NotAPicture(name, "is no picture of a known format", f"convert it to {known}")


def _check_size(image: Image.Image, limit: int, name: str) -> None:
    width, height = image.size
    if width * height > limit:
        raise PictureTooLarge(
            name,
            f"has {width} x {height} pixels, more than the limit of {limit}",
            "make it smaller, or raise pixel_limit if you trust it",
        )


def _from_image(image: Image.Image, at_least: int | None, limit: int, name: str) -> Picture:
    _check_size(image, limit, name)
    header_size = image.size
    step = decode.reduce(image, at_least)
    image.load()
    # TIFF and HEIF plugins learn the true size while decoding; only JPEG is ever reduced.
    width, height = header_size if step > 1 else image.size
    turn = decode.orientation(image)
    rgb = decode.to_rgb(image)
    upright = rgb.transpose(decode.TURNS[turn]) if turn > 1 else rgb
    if turn > 4:
        width, height = height, width
    # Rounding up adds slack right and below in the file; some turns move it left or above.
    slack_x, slack_y = upright.width * step - width, upright.height * step - height
    offset = (-slack_x if turn in (2, 3, 6, 7) else 0, -slack_y if turn in (3, 4, 7, 8) else 0)
    return Picture(
        np.asarray(upright),
        width,
        height,
        1 / step,
        offset,
        decode.taken_at(image),
        image.format or "image",
    )


def _from_array(array: NDArray[Any], limit: int) -> Picture:
    values = array[..., None] if array.ndim == 2 else array
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4) or values.size == 0:
        raise ChoiceError(
            "array", "of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)", array.shape
        )
    height, width = values.shape[:2]
    if width * height > limit:
        raise PictureTooLarge("array", f"has more than {limit} pixels", "raise pixel_limit")
    pixels = np.ascontiguousarray(_three_channels(_eight_bits(values))).view()
    pixels.flags.writeable = False
    return Picture(pixels, width, height)


def _eight_bits(values: NDArray[Any]) -> Pixels:
    kind = values.dtype
    if kind == np.uint8:
        return values
    if kind == np.bool_:
        return values.astype(np.uint8) * 255
    if kind == np.uint16:
        return decode.uint16_to_uint8(values)
    if kind.kind != "f":
        raise ChoiceError("array", "uint8, uint16, bool or float", kind.name)
    if not (values.min() >= 0 and values.max() <= 1):  # False for NaN too
        raise ChoiceError("float array", "in [0, 1]", (float(values.min()), float(values.max())))
    scaled: Pixels = np.rint(values * 255).astype(np.uint8)
    return scaled


def _three_channels(values: Pixels) -> Pixels:
    if values.shape[2] == 1:
        return np.repeat(values, 3, axis=2)
    if values.shape[2] == 3:
        return values
    colour, alpha = values[..., :3].astype(np.uint16), values[..., 3:].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


@contextmanager
def regular_file(name: str) -> Iterator[IO[bytes]]:
    """A file open for reading; a pipe or device is refused, as opening one could hang.

    Raises PictureError with the reason and the remedy.
    """
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISDIR(mode):
            raise PictureError(name, "is a folder", "name a picture in it")
        if not stat.S_ISREG(mode):
            raise PictureError(name, "is no regular file", "name a picture file")
        file = open(name, "rb")  # noqa: SIM115 (closed below; the yield must stay outside the try)
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    with file:
        yield file


def _unreadable(name: str, error: Exception) -> PictureError:
    if isinstance(error, FileNotFoundError) and os.path.islink(name):
        return PictureError(name, "is a link to a file that is gone", "restore or remove it")
    if isinstance(error, FileNotFoundError):
        return PictureError(name, "does not exist", "check the path")
    if isinstance(error, PermissionError):
        return PictureError(name, "may not be read", "give yourself read permission")
    reason = error.strerror if isinstance(error, OSError) else error
    return PictureError(name, f"cannot be read ({reason})", "check the path and the disk")


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises on hostile bytes into an error that names the picture."""
    try:
        yield
    except (PictureError, ChoiceError):
        raise
    except ImportError as error:
        needs = f"needs {error.name}, which is not installed"
        raise PictureError(name, needs, 'pip install "fusiform[heic]"') from error
    except MemoryError as error:
        raise PictureTooLarge(name, "needs more memory than there is", "make it smaller") from error
    except Image.DecompressionBombError as error:  # of TIFF, GIF, WebP: Pillow checks these itself
        reason = f"is refused by Pillow ({error})"
        raise PictureTooLarge(name, reason, "make it smaller or save it as JPEG") from error
    except Exception as error:
        # The disk; decoders set no errno, and a senseless seek into a damaged file is EINVAL.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise _unreadable(name, error) from error
        reason = f"is damaged or cut short ({error})"
        raise DamagedPicture(name, reason, "copy it again from where it came") from error


def picture_paths(
    paths: Iterable[str | Path], *, on_error: Callable[[PictureError], None]
) -> Iterator[Path]:
    """The pictures among files and folders, folders depth first with names in sorted order.

    A file named in `paths` comes whatever its suffix; in folders those with one of `SUFFIXES`
    come. Hidden files and folders are left out, and a folder reached again through a link is
    entered once. What is missing or unreadable goes to `on_error`; the rest goes on.
    """
    seen: set[tuple[int, int]] = set()
    for start in map(Path, paths):
        waiting = [start]
        while waiting:
            path = waiting.pop()
            try:
                status = os.stat(path)
                if not stat.S_ISDIR(status.st_mode):
                    yield path
                elif (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    waiting += reversed(_entries(path))
            except (OSError, ValueError) as error:
                on_error(_unreadable(str(path), error))


def _entries(folder: Path) -> list[Path]:
    """What is worth visiting in a folder: visible sub-folders, and files with a known suffix."""
    with os.scandir(folder) as entries:
        return sorted(
            Path(entry.path)
            for entry in entries
            if not entry.name.startswith(".")
            and (os.path.splitext(entry.name)[1].lower() in SUFFIXES or _is_folder(entry))
        )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself must not cost its folder
        return False
