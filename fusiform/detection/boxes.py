"""Boxes: fitting a picture into a detector's input, and removing repeated finds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fusiform.core.faces import Faces, Floats

Pixels = NDArray[np.uint8]


def fit(pixels: Pixels, longest: int, *, enlarge: float = 1.0) -> tuple[Pixels, Floats]:
    """The picture with its long side at most `longest`, and the (x, y) scales that were used.

    `pixels (H, W, 3)` uint8; a smaller picture is enlarged at most `enlarge` times.
    """
    height, width = pixels.shape[:2]
    scale = min(longest / max(height, width), enlarge)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (width, height):
        return pixels, np.ones(2, np.float32)
    # Averaging (whole blocks first, by reducing_gap) is a third faster than an antialiased
    # bilinear filter, and finds the same faces.
    way = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    small = Image.fromarray(pixels).resize(size, way, reducing_gap=1.0)
    return np.asarray(small), np.array([size[0] / width, size[1] / height], np.float32)


def cut_out(pixels: Pixels, x1: int, y1: int, x2: int, y2: int) -> Image.Image:
    """That part of a picture, black where it lies outside; the rest is not copied."""
    left, top = max(x1, 0), max(y1, 0)
    inside = pixels[top : max(y2, top), left : max(x2, left)]
    if not inside.size:
        return Image.new("RGB", (x2 - x1, y2 - y1))
    part = Image.fromarray(np.ascontiguousarray(inside))
    return part.crop((x1 - left, y1 - top, x2 - left, y2 - top))


def suppress(boxes: Floats, scores: Floats, overlap: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: indices of the kept boxes, best first.

    A box goes when its intersection over union with a better kept one exceeds `overlap`.
    """
    order = np.lexsort((boxes[:, 0], boxes[:, 1], -scores))
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.clip(high - low, 0, None).prod(1)
        order = order[shared <= overlap * (area[best] + area[order] - shared)]
    return np.array(kept, np.intp)


def scaled(faces: Faces, scale: Floats, offset: tuple[float, float] = (0.0, 0.0)) -> Faces:
    """`faces` with coordinates divided by `scale (2,)` (x, y) and then moved by `offset`."""
    boxes = faces.boxes / np.tile(scale, 2) + np.tile(offset, 2)
    points = faces.points / scale + np.array(offset, np.float32)
    return Faces(boxes, faces.scores, points, faces.embeddings, faces.quality, faces.detector)
