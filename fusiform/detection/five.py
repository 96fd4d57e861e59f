"""dlib's five-point predictor: the landmarks that dlib's network was trained on.

It gives the corners of the eyes and the base of the nose. What is kept of them is the similarity
they define, carried by the five points that all of fusiform uses.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fusiform.core.align import inverse, similarity, template
from fusiform.core.faces import Floats
from fusiform.detection.boxes import Pixels, cut_out

# dlib's own targets for its points, as fractions of a chip without padding
# (image_transforms/interpolation.h, get_face_chip_details): outer and inner corner of the
# right-of-picture eye, outer and inner of the left one, base of the nose.
FIVE = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ],
    np.float32,
)
PADDING = 0.25

# Where dlib's HOG puts its box in the 150 pixel chip: the median over real faces.
BOX_MIDDLE, BOX_SIDE = (74.5, 73.2), 123.5
# The predictor answers in whole pixels, which is too coarse for a face below LARGE pixels: it is
# cut out with a margin, since the predictor looks beyond the box, and its box enlarged to SEEN.
LARGE, SEEN = 120, 200


class FivePoints:
    """dlib's predictor, loaded at first use. Threads may share one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _predictor(self) -> Any:
        import dlib

        return dlib.shape_predictor(str(self.path))

    def marks(self, pixels: Pixels, box: Any) -> Floats:
        """The five marks `(5, 2)` in the box, a `dlib.rectangle`, of a uint8 RGB picture."""
        found = [[p.x, p.y] for p in self._predictor(pixels, box).parts()]
        return np.array(found, np.float32) + np.float32(0.5)

    def refine(self, pixels: Pixels, points: Floats) -> Floats:
        """Eyes, nose and mouth `(n, 5, 2)` of any detector -> points that align as dlib does.

        With these in place of YuNet's own, the equal error rate of dlib's network halves
        (docs/quality.md).
        """
        if not len(points):
            return points
        backs = map(inverse, similarity(points, template("dlib150").points))
        return carried(np.stack([self._looked_at(pixels, back) for back in backs]))

    def _looked_at(self, pixels: Pixels, back: NDArray[np.float64]) -> Floats:
        middle = back[:, :2] @ BOX_MIDDLE + back[:, 2]
        side = float(np.hypot(*back[:, 0])) * BOX_SIDE
        if side >= LARGE:
            return self.marks(pixels, _rectangle(middle, side))
        x1, y1, x2, y2 = (round(float(v)) for v in (*(middle - side), *(middle + side)))
        cut = cut_out(pixels, x1, y1, x2, y2)
        cut = cut.resize((2 * SEEN, 2 * SEEN), Image.Resampling.BILINEAR)
        marks = self.marks(np.asarray(cut), _rectangle(np.array([SEEN, SEEN]), SEEN))
        return (marks * (x2 - x1, y2 - y1) / (2 * SEEN) + (x1, y1)).astype(np.float32)


def _rectangle(middle: NDArray[np.float64], side: float) -> Any:
    import dlib

    edges = (*(middle - side / 2), *(middle + side / 2))
    return dlib.rectangle(*(round(float(edge)) for edge in edges))


def expected(box: Floats) -> Floats:
    """Where the five points `(5, 2)` lie in a face whose box `(4,)` somebody drew, upright."""
    middle, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).mean())
    points = template("dlib150").points - np.array(BOX_MIDDLE, np.float32)
    return np.asarray(points * (side / BOX_SIDE) + middle, np.float32)


def carried(marks: Floats) -> Floats:
    """dlib's five marks `(n, 5, 2)` -> eyes, nose and mouth `(n, 5, 2)` with the same alignment."""
    chip = template("dlib150")
    target = (FIVE + PADDING) / (2 * PADDING + 1) * chip.size
    backs = [inverse(matrix) for matrix in similarity(marks, target)]
    points = [chip.points @ back[:, :2].T + back[:, 2] for back in backs]
    return np.array(points, np.float32)
