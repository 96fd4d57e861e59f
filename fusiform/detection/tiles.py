"""Small faces in huge pictures: any detector, run over overlapping tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fusiform.core.faces import Faces
from fusiform.detection.boxes import Pixels, scaled, suppress

OVERLAP = 0.3


def tiled(
    detect: Callable[[Sequence[Pixels]], list[Faces]], picture: Pixels, side: int = 640
) -> Faces:
    """Faces of the whole picture and of its tiles of `side` pixels, each face once.

    Tiles overlap by half, so a face up to half a tile wide lies whole in one of them; a find
    that a tile's inner edge cuts is left to its neighbour. Costs one detector run per tile.
    """
    height, width = picture.shape[:2]
    whole = detect([picture])[0]
    if max(height, width) <= side:
        return whole
    corners = [(x, y) for y in starts(height, side) for x in starts(width, side)]
    cuts = [np.ascontiguousarray(picture[y : y + side, x : x + side]) for x, y in corners]
    parts = [whole]
    for (x, y), faces in zip(corners, detect(cuts), strict=True):
        moved = scaled(faces, np.ones(2, np.float32), (x, y))
        parts.append(moved[_uncut(moved, x, y, side, width, height)])
    merged = Faces.concatenate(parts)
    return merged[suppress(merged.boxes, merged.scores, OVERLAP)]


def starts(length: int, side: int) -> list[int]:
    """Where tiles begin along one axis: steps of at most half a tile, the last one flush."""
    if length <= side:
        return [0]
    count = -(-(length - side) // (side // 2)) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _uncut(faces: Faces, x: int, y: int, side: int, width: int, height: int) -> np.ndarray:
    box = faces.boxes
    left = (box[:, 0] > x) | (x == 0)
    top = (box[:, 1] > y) | (y == 0)
    right = (box[:, 2] < x + side) | (x + side >= width)
    bottom = (box[:, 3] < y + side) | (y + side >= height)
    uncut: np.ndarray = left & top & right & bottom
    return uncut
