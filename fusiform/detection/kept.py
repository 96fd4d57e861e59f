"""Crops that are kept, so that another network can embed the faces again."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from fusiform.core.align import TEMPLATES, Pixels, Template, inverse, similarity, warp
from fusiform.core.crop import Crop
from fusiform.core.faces import Floats

# Room around the face for other alignments and for points found anew. On 92 real faces dlib's
# embedding of such a crop has a median cosine of .9991 (lowest .9963) with that of the photo, at
# 6.7 kB; without loss and at full scale it is .9994, as the points are found anew.
SIDE = 176
_SCALE = 0.8  # of dlib's crop
_RAISED = 3.5  # pixels, as hair needs less room than chins
_SMALLEST = 48
_QUALITY = 90

_dlib = TEMPLATES["dlib150"]
KEPT = Template(
    SIDE,
    ((_dlib.points - _dlib.size / 2) * _SCALE + SIDE / 2 - (0, _RAISED)).astype(np.float32),
)


def kept_crops(pixels: Pixels, points: Floats) -> tuple[Crop, ...]:
    """An upright crop a face: `pixels (H, W, 3)` uint8 RGB, `points (n, 5, 2)` in them.

    A crop has at most SIDE pixels a side, fewer where the picture shows the face smaller.
    """
    return tuple(_kept(pixels, own) for own in points)


def _kept(pixels: Pixels, points: Floats) -> Crop:
    scale = _scale(points)
    side = int(np.clip(round(SIDE / max(scale, 1.0)), _SMALLEST, SIDE))
    matrix = similarity(points[None], KEPT.points * (side / SIDE))[0]
    if not matrix[:, :2].any():  # five points in one place
        return Crop(_jpeg(np.zeros((side, side, 3), np.uint8)), np.zeros((5, 2), np.float32))
    crop = warp(pixels, inverse(matrix), side)
    return Crop(_jpeg(crop), (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32))


def _scale(points: Floats) -> float:
    """How many pixels of a full crop one of the picture becomes."""
    matrix = similarity(points[None], KEPT.points)[0]
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def _jpeg(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=_QUALITY, subsampling=0)
    return out.getvalue()
