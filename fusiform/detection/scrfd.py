"""SCRFD: decoding for detectors that users bring from InsightFace (Guo et al., ICLR 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ModelUnsupported
from fusiform.core.faces import Faces
from fusiform.detection.boxes import Pixels, fit, scaled, suppress
from fusiform.hub.card import Card
from fusiform.hub.session import Session

STRIDES = (8, 16, 32)
OVERLAP = 0.4  # InsightFace's default


@dataclass(frozen=True)
class SCRFD:
    """Finds faces with an SCRFD network that gives five points.

    The picture is shrunk to `longest` and laid top left into a black square of that side, as
    InsightFace does. Raises ModelUnsupported for a network without points.
    """

    card: Card
    session: Session
    longest: int = 640

    def __post_init__(self) -> None:
        if len(self.session.outputs) != 9:
            raise ModelUnsupported(
                f"{self.card.name}: gives no face points, which alignment needs; "
                "use a file whose name ends in _kps or _bnkps"
            )

    @property
    def name(self) -> str:
        return self.card.name

    def __call__(self, pictures: Sequence[Pixels], *, minimum: float | None = None) -> list[Faces]:
        """Faces of each picture, best first; `pictures` are uint8 RGB `(H, W, 3)`."""
        minimum = self.card.minimum_score if minimum is None else minimum
        return [self._one(picture, minimum) for picture in pictures]

    def _one(self, picture: Pixels, minimum: float) -> Faces:
        small, scale = fit(picture, self.longest, enlarge=np.inf)
        square = np.zeros((self.longest, self.longest, 3), np.float32)
        square[: small.shape[0], : small.shape[1]] = small
        square = (square - self.card.mean) / self.card.std
        if self.card.colour == "BGR":
            square = square[..., ::-1]
        batch = np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32)
        outputs = self.session.run({self.session.inputs[0].name: batch})
        faces = decode(outputs, self.longest, minimum)
        return replace(scaled(faces, scale), detector=self.name)


def decode(outputs: Sequence[NDArray[np.float32]], side: int, minimum: float) -> Faces:
    """The nine outputs (scores, boxes, points; each for strides 8, 16, 32) as faces.

    Each anchor sits at its cell's corner; a box is its distances to left, top, right and bottom
    in strides, a point its offset in strides (insightface/model_zoo/scrfd.py).
    """
    parts = []
    for i, stride in enumerate(STRIDES):
        scores = outputs[i].reshape(-1)
        sides, offsets = outputs[i + 3].reshape(-1, 4), outputs[i + 6].reshape(-1, 5, 2)
        cells = side // stride
        grid = np.stack(np.meshgrid(np.arange(cells), np.arange(cells)), -1).reshape(-1, 2)
        anchors = np.repeat(grid * stride, len(scores) // len(grid), axis=0)
        keep = scores >= minimum
        corner, sides = anchors[keep], sides[keep] * stride
        boxes = np.hstack([corner - sides[:, :2], corner + sides[:, 2:]])
        parts.append(Faces(boxes, scores[keep], corner[:, None] + offsets[keep] * stride))
    faces = Faces.concatenate(parts)
    return faces[suppress(faces.boxes, faces.scores, OVERLAP)]
