"""Clips on disk: H.264 and AAC in an mp4 file, with what is known about them beside it.

Encoding needs PyAV (`pip install "fusiform[video]"`). The file appears under its name only when
it is whole. One thread and no time stamps: equal arguments give equal bytes on one machine.
"""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.world.expressions import ARKIT
from fusiform.lab.world.motion import Motion
from fusiform.lab.world.speech import Samples, Speech
from fusiform.lab.world.visemes import VISEMES

Bytes = NDArray[np.uint8]
PROVENANCE = "synthetic: fusiform world"
BT709, SRGB, LIMITED = 1, 13, 1  # ITU-T H.273: colour primaries and matrix, transfer, range
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
AUDIO_BITS, AUDIO_CHUNK = 128_000, 1024


def write_clip(
    path: Path | str,
    frames: Iterable[Bytes],
    fps: float,
    audio: Samples | None = None,
    rate: int | None = None,
    metadata: Mapping[str, str] | None = None,
    quality: int = 18,
) -> Path:
    """Write `frames` (h, w, 3) uint8 sRGB and `audio` (n,) or (n, 2) int16 at `rate` Hz as mp4.

    Video: H.264, yuv420p, BT.709, constant rate factor `quality` (0 best..51). Odd sizes get
    their last row or column once more. Frame k is shown at k / fps and sample i at i / rate: the
    encoder's delay is cut off by an edit list, which players and decoders obey. `metadata` goes
    into the file with the note that the clip is synthetic. Sound without samples gets no track.

    Raises ChoiceError for arguments that do not fit together, FusiformError without PyAV or
    where the file cannot be written. Nothing is left behind then.
    """
    av = _pyav()
    path = Path(path)
    if fps <= 0 or not 0 <= quality <= 51:
        raise ChoiceError("fps and quality", "above 0, and 0 to 51", (fps, quality))
    if audio is not None:
        _check_audio(audio, rate)
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise ChoiceError("frames", "at least one picture", "none")
    with (
        _whole(path) as unfinished,
        _explained(av, path),
        av.open(str(unfinished), "w", "mp4", options=MUXER) as file,
    ):
        file.metadata.update({**(metadata or {}), "comment": PROVENANCE})
        video = _video_stream(av, file, first.shape, fps, quality)
        sound = (
            _Sound(av, file, audio, int(rate or 0)) if audio is not None and len(audio) else None
        )
        for index, frame in enumerate(chain([first], rest)):
            picture = _picture(av, frame, first.shape, index, video.codec_context.time_base)
            file.mux(video.encode(picture))
            if sound:
                sound.until((index + 1) / fps)
        file.mux(video.encode(None))
        if sound:
            sound.until(None)
    return path


MUXER = {"movflags": "use_metadata_tags", "fflags": "+bitexact"}


def _pyav() -> Any:
    try:
        return importlib.import_module("av")
    except ImportError as error:
        remedy = 'Install it: pip install "fusiform[video]"'
        raise FusiformError(f"Writing clips needs PyAV, which is not here. {remedy}") from error


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name at the end, or goes."""
    try:
        handle, name = tempfile.mkstemp(suffix=".part", prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise FusiformError(f"{path} cannot be written: {error.strerror}.") from error
    os.close(handle)
    try:
        yield Path(name)
        # mkstemp makes files for its owner alone
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _explained(av: Any, path: Path) -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:
        raise FusiformError(f"{path} cannot be written: {error}. Is the disk full?") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check_audio(audio: Samples, rate: int | None) -> None:
    if rate not in AAC_RATES:
        raise ChoiceError("rate", AAC_RATES, rate)
    fits = audio.dtype == np.int16 and (audio.ndim == 1 or audio.shape[1:] in ((1,), (2,)))
    if not fits:
        raise ChoiceError("audio", "int16 of shape (n,) or (n, 2)", (audio.dtype, audio.shape))


def _video_stream(av: Any, file: Any, shape: tuple[int, ...], fps: float, quality: int) -> Any:
    if len(shape) != 3 or shape[2] != 3:
        raise ChoiceError("frames", "pictures of shape (h, w, 3)", shape)
    # crf: even quality; threads and the look-ahead of macroblock trees change the bytes
    options = {"crf": str(quality), "threads": "1", "preset": "medium"}
    options["x264-params"] = "mbtree=0"
    exact = Fraction(fps).limit_denominator(1001)
    video = file.add_stream("libx264", rate=exact, options=options)
    video.height, video.width = (size + size % 2 for size in shape[:2])
    video.pix_fmt = "yuv420p"
    context = video.codec_context
    context.time_base = 1 / exact
    context.colorspace = context.color_primaries = BT709
    context.color_trc, context.color_range = SRGB, LIMITED
    return video


def _picture(av: Any, frame: Bytes, shape: tuple[int, ...], index: int, base: Fraction) -> Any:
    if frame.shape != shape or frame.dtype != np.uint8:
        wanted = f"uint8 of the first one's shape {shape}"
        raise ChoiceError(f"frame {index}", wanted, (frame.dtype, frame.shape))
    even = np.pad(frame, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
    colour = av.video.reformatter.Colorspace.ITU709
    spread = av.video.reformatter.ColorRange
    picture = picture.reformat(
        format="yuv420p",
        dst_colorspace=colour,
        src_color_range=spread.JPEG,
        dst_color_range=spread.MPEG,
    )
    picture.pts, picture.time_base = index, base
    return picture


class _Sound:
    """The sound track, encoded bit by bit so that it lies among the pictures."""

    def __init__(self, av: Any, file: Any, audio: Samples, rate: int) -> None:
        self.av, self.file, self.rate, self.done = av, file, rate, 0
        self.audio = audio.reshape(len(audio), -1)
        self.layout = "mono" if self.audio.shape[1] == 1 else "stereo"
        self.stream = file.add_stream("aac", rate=rate, layout=self.layout)
        self.stream.bit_rate = AUDIO_BITS

    def until(self, seconds: float | None) -> None:
        """Encode what starts before `seconds`, or all that is left and the encoder's rest."""
        end = len(self.audio) if seconds is None else min(len(self.audio), int(seconds * self.rate))
        while self.done < end and (seconds is None or end - self.done >= AUDIO_CHUNK):
            part = np.ascontiguousarray(self.audio[self.done : self.done + AUDIO_CHUNK])
            frame = self.av.AudioFrame.from_ndarray(part.reshape(1, -1), "s16", self.layout)
            frame.sample_rate, frame.pts = self.rate, self.done
            frame.time_base = Fraction(1, self.rate)
            self.file.mux(self.stream.encode(frame))
            self.done += len(part)
        if seconds is None:
            self.file.mux(self.stream.encode(None))


def write_labels(path: Path | str, motion: Motion, speech: Speech | None = None) -> Path:
    """Write beside a clip what is known of each frame; returns the npz file's path.

    `x.mp4` gets `x.npz` (arrays over frames: expression, head, shift, gaze, tongue, visemes) and
    `x.json` (fps, names of the columns, events, phonemes, words and lip closures in seconds).
    """
    arrays = {n: getattr(motion, n) for n in ("expression", "head", "shift", "gaze", "tongue")}
    facts: dict[str, Any] = {"provenance": PROVENANCE, "fps": motion.fps, "expressions": ARKIT}
    facts["events"] = [
        {**asdict(event), "frames": event.frames(motion.fps)} for event in motion.events
    ]
    if speech is not None:
        arrays["visemes"] = speech.visemes
        facts |= {"visemes": VISEMES, "phonemes": speech.phonemes, "words": speech.words}
        facts |= {"closures": speech.closures, "rate": speech.rate}
    path = Path(path)
    with _whole(path.with_suffix(".json")) as unfinished:
        unfinished.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", "utf-8")
    with _whole(path.with_suffix(".npz")) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return path.with_suffix(".npz")
