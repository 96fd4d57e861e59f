"""How well found boxes cover the true ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.faces import Faces

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def iou(a: ArrayLike, b: ArrayLike) -> Floats:
    """Intersection over union in [0, 1], `(n, m)`, of boxes `a (n, 4)` and `b (m, 4)`.

    Boxes x1, y1, x2, y2 in pixels; a box without area has an IoU of 0 with everything.
    """
    one = np.asarray(a, np.float64).reshape(-1, 1, 4)
    other = np.asarray(b, np.float64).reshape(1, -1, 4)
    top_left = np.maximum(one[..., :2], other[..., :2])
    shared = _area(top_left, np.minimum(one[..., 2:], other[..., 2:]))
    areas = _area(one[..., :2], one[..., 2:]), _area(other[..., :2], other[..., 2:])
    union = areas[0] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def matched(found: Faces, truth: ArrayLike, overlap: float = 0.5) -> Flags:
    """Which of `found` are right, `(n,)`, in one picture with true boxes `truth (m, 4)`.

    In descending order of score each takes the free true box that it covers best, if by an IoU
    of at least `overlap`; a second box on one face is therefore wrong.
    """
    cover = iou(found.boxes, truth)
    right = np.zeros(len(found), np.bool_)
    for i in np.argsort(-found.scores, kind="stable"):
        best = int(cover[i].argmax()) if cover.shape[1] else 0
        if cover.shape[1] and cover[i, best] >= overlap:
            right[i] = True
            cover[:, best] = -1
    return right


def recall_at(
    found: Sequence[Faces],
    truth: Sequence[ArrayLike],
    minimum_score: float = 0.0,
    overlap: float = 0.5,
) -> float:
    """Share of the true boxes found with a score of at least `minimum_score`.

    One entry a picture in `found` and `truth` (m, 4). Raises ChoiceError if the lengths differ
    or there is no true box.
    """
    total = _true_boxes(found, truth)
    kept = [faces[faces.scores >= minimum_score] for faces in found]
    right = sum(int(matched(f, t, overlap).sum()) for f, t in zip(kept, truth, strict=True))
    return right / total


def average_precision(
    found: Sequence[Faces], truth: Sequence[ArrayLike], overlap: float = 0.5
) -> float:
    """Area under precision over recall, in [0, 1], over all pictures.

    Precision is made non-increasing first and summed over every step of recall (all-point
    interpolation, PASCAL VOC 2010); boxes of equal score enter together, so the order of the
    pictures does not matter. Arguments and errors as for `recall_at`.
    """
    total = _true_boxes(found, truth)
    right = np.concatenate([matched(f, t, overlap) for f, t in zip(found, truth, strict=True)])
    scores = np.concatenate([f.scores for f in found])
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    # Only the last of a run of equal scores is a point of the curve.
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)[: len(order)])
    precision, recall = hits[last] / (last + 1), hits[last] / total
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0) * envelope).sum())


def _true_boxes(found: Sequence[Faces], truth: Sequence[ArrayLike]) -> int:
    if len(found) != len(truth):
        raise ChoiceError("found", f"one entry for each of {len(truth)} pictures", len(found))
    total = sum(len(np.asarray(boxes).reshape(-1, 4)) for boxes in truth)
    if not total:
        raise ChoiceError("truth", "at least one box", "none")
    return total


def _area(low: Floats, high: Floats) -> Floats:
    return np.asarray(np.clip(high - low, 0, None).prod(axis=-1), np.float64)
