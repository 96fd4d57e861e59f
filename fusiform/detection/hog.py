"""dlib's HOG detector: the default that needs no download.

HOG finds upright, near-frontal faces of 80 pixels and more.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from fusiform.core.faces import Faces, Floats
from fusiform.detection.boxes import Pixels, cut_out, fit, scaled
from fusiform.detection.five import FivePoints, carried
from fusiform.hub.card import Card

# Below this SVM score a find is looked at again, alone. On the album
# shipped here faces then score above 0.9 and ghosts below 0.5.
WEAK = 0.6
AGAIN = 110  # pixels: the face's side at the second look, well above HOG's own 80


class Hog:
    """Finds faces with `dlib.get_frontal_face_detector`.

    Scores are the logistic of dlib's SVM score, so 0.5 is dlib's own limit; a weak find is cut
    out, enlarged and looked at once more, and counts with what it scores there above `WEAK`.
    The five points are
    the template's, carried back to the picture by the similarity of dlib's five landmarks: they
    align exactly as dlib does, but say nothing of expression or of a turned nose.
    """

    def __init__(
        self, card: Card, five: FivePoints, longest: int = 640, enlarge: float = 1.5
    ) -> None:
        self.card, self.five, self.longest, self.enlarge = card, five, longest, enlarge
        self._own = threading.local()

    @property
    def name(self) -> str:
        return self.card.name

    def __call__(self, pictures: Sequence[Pixels], *, minimum: float | None = None) -> list[Faces]:
        """Faces of each picture, best first; `pictures` are uint8 RGB `(H, W, 3)`."""
        minimum = self.card.minimum_score if minimum is None else minimum
        return [self._one(picture, minimum) for picture in pictures]

    def _one(self, picture: Pixels, minimum: float) -> Faces:
        small, scale = fit(picture, self.longest, enlarge=self.enlarge)
        detector = self._detector()
        floor = float(np.log(max(minimum, 1e-6) / max(1 - minimum, 1e-6)))
        small = np.ascontiguousarray(small)
        rectangles, scores, _ = detector.run(small, 0, floor)
        if not rectangles:
            return Faces.empty(self.name)
        edges = [[r.left(), r.top(), r.right() + 1, r.bottom() + 1] for r in rectangles]
        marks = np.stack([self.five.marks(small, r) for r in rectangles])
        scores = [
            s if s >= WEAK else again(detector, picture, box / np.tile(scale, 2)) - WEAK
            for s, box in zip(scores, np.array(edges, np.float32), strict=True)
        ]
        probability = 1 / (1 + np.exp(-np.asarray(scores)))
        points = carried(marks)
        boxes = np.array(edges, np.float32)
        faces = scaled(Faces(boxes, probability, points, detector=self.name), scale)
        best_first = np.argsort(-probability, kind="stable")
        return faces[best_first[probability[best_first] >= minimum]]

    def _detector(self) -> Any:
        # dlib's detector crashes when two threads share one. Making one takes 0.25 s, a copy
        # 2 ms.
        if not hasattr(self._own, "detector"):
            self._own.detector = copy(_master())
        return self._own.detector


@cache
def _master() -> Any:
    import dlib

    return dlib.get_frontal_face_detector()


def again(detector: Any, picture: Pixels, box: Floats) -> float:
    """SVM score of the find `box (4,)` cut out with a margin and enlarged; -1 if it is lost."""
    middle, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
    x1, y1, x2, y2 = (round(float(v)) for v in (*(middle - side), *(middle + side)))
    alone = cut_out(picture, x1, y1, x2, y2)
    alone = alone.resize((2 * AGAIN, 2 * AGAIN), Image.Resampling.BILINEAR)
    rectangles, scores, _ = detector.run(np.asarray(alone), 0, -1.0)
    best = -1.0
    for r, score in zip(rectangles, scores, strict=True):
        off = max(abs(r.left() + r.right() - 2 * AGAIN), abs(r.top() + r.bottom() - 2 * AGAIN)) / 2
        if off < 0.3 * AGAIN and 0.6 < r.width() / AGAIN < 1.6:
            best = max(best, score)
    return best
