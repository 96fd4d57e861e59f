"""Frames of a video, upright, one after the other (needs the extra `video`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fusiform.core.decode import Pixels
from fusiform.core.errors import ChoiceError, DamagedPicture, NotAPicture, PictureError
from fusiform.core.pictures import regular_file

# Only containers that hold their own data: a playlist could name other files or addresses.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,h264,hevc"
)


@dataclass(frozen=True, eq=False)
class Frame:
    """`pixels (H, W, 3)` uint8 RGB upright; `seconds` from the start; `index` 0, 1, 2 ... counts
    all frames of the video, also those left out."""

    pixels: Pixels
    seconds: float
    index: int


def frames(path: str | Path, *, every: float | None = None) -> Iterator[Frame]:
    """The frames of a video in order; with `every`, the first at or after each n * `every` s.

    Raises PictureError where the file cannot be read or PyAV is missing, NotAPicture where it
    holds no video, DamagedPicture where it breaks off (what came before has been yielded).
    """
    if every is not None and not every > 0:
        raise ChoiceError("every", "None or more than 0 seconds", every)
    return _frames(_pyav(path), str(path), every)


def _pyav(path: str | Path) -> ModuleType:
    try:
        import av
    except ImportError as error:
        remedy = 'pip install "fusiform[video]"'
        raise PictureError(path, "needs PyAV, which is not installed", remedy) from error
    module: ModuleType = av
    return module


def _frames(av: ModuleType, name: str, every: float | None) -> Iterator[Frame]:
    with regular_file(name) as file:
        try:
            with av.open(file, options={"format_whitelist": _CONTAINERS}) as container:
                if not container.streams.video:
                    raise NotAPicture(name, "holds no video", "name a video file")
                yield from _decoded(container, every)
        except av.FFmpegError as error:
            reason = f"is no video, or is damaged ({error.strerror})"
            raise DamagedPicture(name, reason, "copy it again from where it came") from error


def _decoded(container: Any, every: float | None) -> Iterator[Frame]:
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    start = float((stream.start_time or 0) * stream.time_base)
    rate = float(stream.average_rate or 25)
    due = 0.0
    for index, frame in enumerate(container.decode(stream)):
        seconds = index / rate if frame.time is None else frame.time - start
        if every is not None:
            if seconds < due - 1e-6:  # times are fractions: 0.4 may come as 0.39999999
                continue
            due = (seconds + 1e-6) // every * every + every
        yield Frame(_upright(frame), seconds, index)


def _upright(frame: Any) -> Pixels:
    """RGB pixels turned as the display matrix says (it counts degrees counter-clockwise)."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
