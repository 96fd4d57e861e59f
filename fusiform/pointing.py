"""A face that somebody points at: the detector missed it, or nobody asked one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fusiform.core.errors import ChoiceError
from fusiform.core.faces import Faces, Floats
from fusiform.core.pictures import Source, open_picture
from fusiform.detection.boxes import Pixels, cut_out
from fusiform.detection.five import expected
from fusiform.detection.kept import kept_crops
from fusiform.pipeline import Analysed, Models, aligned
from fusiform.recognise.quality import assess

_LEAST = 4  # pixels a side
_AROUND = 1.0  # of the box's side, on every side
_SEEN = 640  # pixels to which the part is enlarged for the detector
_SAME = 0.3  # overlap (IoU) from which a find is the face that was meant
_DOUBT = 0.5  # of the detector's lowest score: somebody says that a face is there


def face_at(source: Source, box: tuple[float, float, float, float], models: Models) -> Analysed:
    """The face in `box` (x1, y1, x2, y2 in pixels of the upright picture), with its embedding,
    quality and crop. Its five points are the detector's where it finds a face there, looking
    closely, else where they lie in an upright face.

    Raises ChoiceError for a box outside the picture or of no size, PictureError.
    """
    picture = open_picture(source)
    x1, y1, x2, y2 = box
    width, height = picture.width, picture.height
    if not (0 <= x1 <= x2 - _LEAST and x2 <= width and 0 <= y1 <= y2 - _LEAST and y2 <= height):
        size = f"x1 y1 x2 y2 within {width} x {height} pixels, {_LEAST} wide and high at least"
        raise ChoiceError("box", size, box)
    wanted = np.array(box, np.float32)
    points = _points(picture.pixels, wanted, models)[None]
    crops = aligned(picture.pixels, points, models)
    quality = assess(crops, points, np.ones(1, np.float32), models.detector.card.minimum_score)
    faces = Faces(
        wanted[None], np.ones(1, np.float32), points, models.embedder(crops), quality.overall,
        detector=models.detector.name,
    )  # fmt: skip
    return replace(
        Analysed(str(source), faces=faces, quality=quality, width=width, height=height),
        crops=kept_crops(picture.pixels, points),
    )


def _points(pixels: Pixels, box: Floats, models: Models) -> Floats:
    side = float((box[2:] - box[:2]).max()) * _AROUND
    x1, y1, x2, y2 = (round(float(v)) for v in (*(box[:2] - side), *(box[2:] + side)))
    scale = _SEEN / max(x2 - x1, y2 - y1)
    part = cut_out(pixels, x1, y1, x2, y2)
    part = part.resize((round((x2 - x1) * scale), round((y2 - y1) * scale)))
    minimum = models.detector.card.minimum_score * _DOUBT
    found = models.detector([np.asarray(part)], minimum=minimum)[0]
    corner = np.array([x1, y1], np.float32)
    boxes = found.boxes / scale + np.tile(corner, 2)
    overlaps = np.array([_overlap(one, box) for one in boxes])
    if len(overlaps) and overlaps.max() >= _SAME:
        points = found.points[overlaps.argmax()] / scale + corner
        return np.asarray(points, np.float32)
    return expected(box)


def _overlap(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    return common / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)
