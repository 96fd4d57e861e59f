"""The one place where the rooms meet: pictures in, described and embedded faces out, in order."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fusiform.core.align import align, magnification, template
from fusiform.core.crop import Crop
from fusiform.core.errors import (
    ChoiceError,
    FusiformError,
    ModelUnsupported,
    PictureError,
    PictureTooLarge,
)
from fusiform.core.faces import Dropped, Faces, Floats
from fusiform.core.pictures import Picture, Source, open_picture, read_bytes
from fusiform.detection.boxes import Pixels
from fusiform.detection.five import FivePoints
from fusiform.detection.kept import kept_crops
from fusiform.detection.load import Detector
from fusiform.detection.load import load as detector_of
from fusiform.detection.tiles import tiled
from fusiform.hub.session import open_session
from fusiform.hub.store import available, locate
from fusiform.recognise.embedder import Embedder
from fusiform.recognise.quality import SHARPNESS_SIDE, Quality, assess

AUTO_DETECTORS = ("yunet-s", "yunet-n", "dlib-hog")
AUTO_EMBEDDER = "dlib-resnet"

NEARLY = 0.85
"""Finds down to this share of the lowest score are reported as dropped, not passed over."""

LARGEST_FILE = 1 << 29
"""Larger files, in bytes, are refused before they are read: a hostile one could fill memory."""

PIXELS = "(pixels)"
"""The name of a source that is no file."""

ENLARGED = 1.5
"""A reduced picture is read again at full size only if a crop would enlarge it more than this:
up to twofold, dlib's embedding keeps a cosine of 0.997 to that of the full crop."""

NO_FACES = Faces.empty()

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Models:
    """What looks at the pictures."""

    detector: Detector
    embedder: Embedder


@dataclass(frozen=True)
class Limits:
    """Which finds are kept, and whether with `crops`. `eye_distance` in pixels of the full
    picture."""

    score: float | None = None
    eye_distance: float = 6.0
    sharpness: float = 0.12
    small_faces: bool = False
    crops: bool = False


@dataclass(frozen=True)
class Analysed:
    """What the pipeline says of one source.

    `faces` carries embeddings and quality; `crops` are one a face, to be kept. `error` is set where
    the picture could not be read; `known` where its `sha256`, or the hash of its `pixels`, was
    known already and nothing was looked for.
    """

    source: str
    sha256: str = ""
    width: int = 0
    height: int = 0
    taken_at: str | None = None
    faces: Faces = NO_FACES
    quality: Quality | None = None
    dropped: tuple[Dropped, ...] = ()
    crops: tuple[Crop, ...] = ()
    error: FusiformError | None = None
    known: bool = False
    pixels: str = ""


@dataclass(frozen=True)
class _Found:
    """An analysed picture whose crops still wait for their embeddings."""

    result: Analysed
    crops: NDArray[np.uint8]


def load_detector(name: str = "auto", *, provider: str = "auto") -> Detector:
    """The detector of that name or path; `auto` is the best one whose weights are here.

    Raises ChoiceError, ModelMissing, ModelDamaged, ModelUnsupported.
    """
    model = locate(choose_detector(name), "detector")
    five = five_points() if model.card.family == "dlib-hog" else None
    return detector_of(model, five=five, provider=provider)


@cache
def five_points() -> FivePoints:
    """dlib's five-point predictor, one a process."""
    return FivePoints(Path(str(locate("dlib-points").data)))


def load_embedder(name: str = "auto", *, provider: str = "auto", flip: bool = False) -> Embedder:
    """The embedder of that name or path. Raises ModelUnsupported if it embeds nothing."""
    model = locate(AUTO_EMBEDDER if name == "auto" else name, "embedder")
    if model.card.kind != "embedder" or model.data is None:
        raise ModelUnsupported(f"{model.card.name}: is no embedder; see `fusiform models`")
    return Embedder(model.card, open_session(model.data, provider=provider), flip)


def choose_detector(asked: str) -> str:
    """`asked`, or for "auto" the first of `AUTO_DETECTORS` whose weights are here."""
    if asked != "auto":
        return asked
    ready = {card.name for card, state in available() if state == "ready"}
    return next((name for name in AUTO_DETECTORS if name in ready), AUTO_DETECTORS[-1])


def analyse(
    sources: Iterable[Source],
    models: Models,
    *,
    limits: Limits | None = None,
    known: Container[str] = (),
    workers: int | None = None,
) -> Generator[Analysed, None, None]:
    """Looks at every source and yields one `Analysed` each, in order.

    Reading, detecting and cropping run in `workers` threads (default: one a core) over a bounded
    window, so memory stays flat; embeddings run in full batches across pictures. A source that
    cannot be read gives an `Analysed` with its `error`, and the run goes on. Pictures whose
    sha256, or `pixels_hash`, is in `known` are only named.
    """
    limits = limits or Limits()
    workers = workers or os.cpu_count() or 1

    def find(source: Source) -> _Found:
        return _find(source, models, limits, known)

    def embed(batch: list[_Found]) -> list[Analysed]:
        return _embed(batch, models)

    # Whoever stops early closes the maps before the pool: what has not begun never begins.
    def groups(found: Iterator[_Found]) -> Iterator[list[_Found]]:
        return batches(found, models.embedder.batch)

    with (
        ThreadPoolExecutor(workers, thread_name_prefix="fusiform") as pool,
        closing(ordered_map(pool, find, iter(sources), 4 * workers)) as found,
        closing(ordered_map(pool, embed, groups(found), workers)) as embedded,
    ):
        for batch in embedded:
            yield from batch


def ordered_map(
    pool: ThreadPoolExecutor, work: Callable[[A], B], items: Iterator[A], window: int
) -> Generator[B, None, None]:
    """`map` over threads, results in order, never more than `window` items under way."""
    waiting: deque[Future[B]] = deque()
    try:
        waiting.extend(pool.submit(work, item) for item in islice(items, window))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(items, 1))
    finally:
        for future in waiting:
            future.cancel()


def batches(found: Iterator[_Found], full: int) -> Iterator[list[_Found]]:
    """Consecutive pictures together until their faces fill one batch of the embedder.

    At most `full` pictures, so that answers come even where there are no faces.
    """
    batch: list[_Found] = []
    for item in found:
        batch.append(item)
        if sum(len(f.crops) for f in batch) >= full or len(batch) == full:
            yield batch
            batch = []
    if batch:
        yield batch


def _find(source: Source, models: Models, limits: Limits, known: Container[str]) -> _Found:
    name = _name(source)
    blank = Analysed(name, faces=Faces.empty(models.detector.name))
    try:
        content = _content(source) if isinstance(source, (str, Path)) else source
        if isinstance(content, bytes):
            blank = replace(blank, sha256=hashlib.sha256(content).hexdigest())
            if blank.sha256 in known:
                return _nothing(replace(blank, known=True), models)
        return _look(content, blank, models, limits, known)
    except Exception as error:  # one picture must never stop a run of a million
        return _nothing(replace(blank, error=_named(error, name)), models)


def _nothing(result: Analysed, models: Models) -> _Found:
    return _Found(result, np.zeros((0, *(models.embedder.card.size,) * 2, 3), np.uint8))


def _named(error: Exception, name: str) -> FusiformError:
    if isinstance(error, PictureError):
        return type(error)(name, error.reason, error.remedy)
    if isinstance(error, ChoiceError) and name == PIXELS:  # an array of the wrong kind
        return error
    reason = f"could not be analysed ({type(error).__name__}: {error})"
    return PictureError(name, reason, "please report it with this file")


def _name(source: Source) -> str:
    if isinstance(source, (str, Path)):
        return str(source)
    return f"bytes ({len(source)})" if isinstance(source, bytes) else PIXELS


def _content(path: str | Path) -> bytes:
    """The bytes of a file of reasonable size. Raises PictureError."""
    try:
        size = os.stat(path).st_size
    except (OSError, ValueError):  # reading it will say what is wrong
        size = 0
    if size > LARGEST_FILE:
        reason = f"has {size / 1e9:.1f} GB, more than the limit of {LARGEST_FILE / 1e9:.1f} GB"
        raise PictureTooLarge(path, reason, "save it as a JPEG")
    return read_bytes(path)


def pixels_hash(picture: Picture) -> str:
    """SHA-256 (hex) of an upright picture: of its full size and its pixels as they were decoded.

    The same whatever the metadata say, but of the orientation; another where the picture is decoded
    at another scale, or by a decoder that rounds otherwise.
    """
    size = np.array([picture.width, picture.height, *picture.pixels.shape], "<i8")
    hashed = hashlib.sha256(size.tobytes())
    hashed.update(np.ascontiguousarray(picture.pixels).data)
    return hashed.hexdigest()


def _look(
    content: Source, blank: Analysed, models: Models, limits: Limits, known: Container[str]
) -> _Found:
    detector = models.detector
    longest = None if limits.small_faces else detector.longest
    picture = open_picture(content, at_least=longest)
    blank = replace(
        blank,
        width=picture.width,
        height=picture.height,
        taken_at=picture.taken_at,
        pixels=pixels_hash(picture),
    )
    if blank.pixels in known:
        return _nothing(replace(blank, known=True), models)
    minimum = detector.card.minimum_score if limits.score is None else limits.score
    faces = _detect(picture.pixels, detector, minimum * NEARLY, limits.small_faces)
    sharp, points = _sharp(content, picture, faces, models)
    crops = aligned(sharp, points, models)
    faces = _in_full(picture, faces)
    small = crops.shape[1] < 2 * SHARPNESS_SIDE  # too small to show whether a face is sharp
    seen = align(sharp, points, models.embedder.card.template) if small else crops
    quality = assess(seen, faces.points, faces.scores, minimum)
    reasons = _reasons(faces, quality, minimum, limits)
    keep = np.array([not reason for reason in reasons], bool)
    dropped = tuple(
        Dropped(face.corners, face.score, reason)
        for face, reason in zip(faces, reasons, strict=True)
        if reason
    )
    result = replace(
        blank,
        faces=replace(faces[keep], quality=quality.overall[keep]),
        quality=quality[keep],
        dropped=dropped,
        crops=kept_crops(sharp, points[keep]) if limits.crops else (),
    )
    return _Found(result, crops[keep])


def _detect(pixels: Pixels, detector: Detector, minimum: float, small_faces: bool) -> Faces:
    if not small_faces:
        return detector([pixels], minimum=minimum)[0]
    return tiled(lambda parts: detector(parts, minimum=minimum), pixels, detector.longest)


def _in_full(picture: Picture, faces: Faces) -> Faces:
    boxes, points = picture.to_full(faces.boxes), picture.to_full(faces.points)
    return replace(faces, boxes=boxes, points=points)


def _sharp(
    content: Source, picture: Picture, faces: Faces, models: Models
) -> tuple[Pixels, Floats]:
    """The pixels to cut from, with the points in them: those of the full picture where the reduced
    one is too coarse for a face."""
    points, card = faces.points, models.embedder.card
    side = max(card.size, template(card.template).size)
    coarse = picture.scale < 1 and len(faces) > 0
    if coarse and magnification(points, card.template, side).max() > ENLARGED:
        points, picture = picture.to_full(points), open_picture(content)
    return picture.pixels, points


def aligned(pixels: Pixels, points: Floats, models: Models) -> Pixels:
    """Crops `(n, S, S, 3)` as the embedder wants them: `points (n, 5, 2)` in `pixels`."""
    card = models.embedder.card
    if card.landmarks == "dlib-points" and models.detector.card.family != "dlib-hog":
        points = five_points().refine(pixels, points)
    return align(pixels, points, card.template, card.size)


def _reasons(faces: Faces, quality: Quality, minimum: float, limits: Limits) -> list[str]:
    """Why each find is dropped; the empty text for those that stay."""
    reasons = []
    for face, eyes, detail in zip(faces, quality.eye_distance, quality.sharpness, strict=True):
        if face.score < minimum:
            reasons.append(f"low score: {face.score:.2f}, needs {minimum:.2f}")
        elif eyes < limits.eye_distance:
            reasons.append(
                f"too small: {eyes:.0f} px between the eyes, needs {limits.eye_distance:g}"
            )
        elif detail < limits.sharpness:
            reasons.append(f"blurred: sharpness {detail:.2f}, needs {limits.sharpness:g}")
        else:
            reasons.append("")
    return reasons


def _embed(batch: list[_Found], models: Models) -> list[Analysed]:
    vectors = models.embedder(np.concatenate([found.crops for found in batch]))
    results, start = [], 0
    for found in batch:
        part = vectors[start : start + len(found.crops)]
        start += len(part)
        faces = replace(found.result.faces, embeddings=part)
        results.append(replace(found.result, faces=faces))
    return results


def embed_crops(crops: Sequence[Crop], models: Models) -> Floats:
    """Embeddings (n, d) of unit length of faces that were cut out to be kept, or of whole pictures
    with the five points of one face in them."""
    if not crops:
        return np.zeros((0, models.embedder.card.dim), np.float32)
    cut = [aligned(crop.pixels(), crop.points[None], models) for crop in crops]
    return models.embedder(np.concatenate(cut))


def analyse_one(
    source: Source, models: Models, limits: Limits | None = None, *, embed: bool = True
) -> Analysed:
    """Looks at one picture in the calling thread; without `embed` its faces get no embeddings.

    Raises PictureError if it cannot be read, ChoiceError for an array of the wrong kind.
    """
    found = _find(source, models, limits or Limits(), ())
    if found.result.error:
        raise found.result.error
    return _embed([found], models)[0] if embed else found.result


def detect_one(
    source: Source, detector: Detector, *, minimum: float | None = None, small_faces: bool = False
) -> Faces:
    """All that a detector finds in one picture, in full-size pixels. Raises PictureError."""
    picture = open_picture(source, at_least=None if small_faces else detector.longest)
    minimum = detector.card.minimum_score if minimum is None else minimum
    return _in_full(picture, _detect(picture.pixels, detector, minimum, small_faces))
