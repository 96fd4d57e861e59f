"""YuNet: a face detector of 55,000 weights (Wu, Peng and Yu, Machine Intelligence Research 2023).

Anchor-free, strides 8, 16 and 32. Left out: training, which is the lab's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusiform.core.faces import Faces
from fusiform.detection.boxes import Pixels, fit, scaled, suppress
from fusiform.hub.card import Card
from fusiform.hub.session import Session

STRIDES = (8, 16, 32)
OVERLAP = 0.3  # the value the network is evaluated with


@dataclass(frozen=True)
class YuNet:
    """Finds faces with a YuNet network. `longest`: side in pixels the picture is shrunk to."""

    card: Card
    session: Session
    longest: int = 640

    @property
    def name(self) -> str:
        return self.card.name

    def __call__(self, pictures: Sequence[Pixels], *, minimum: float | None = None) -> list[Faces]:
        """Faces of each picture, best first.

        `pictures`: uint8 RGB `(H, W, 3)`, of any sizes; those that end at one size run as one
        batch. `minimum`: lowest score that counts, by default the card's.
        """
        minimum = self.card.minimum_score if minimum is None else minimum
        fitted = [fit(picture, self.longest) for picture in pictures]
        shapes: dict[tuple[int, int], list[int]] = {}
        for i, (small, _) in enumerate(fitted):
            shapes.setdefault(small.shape[:2], []).append(i)
        found: list[Faces] = [Faces.empty(self.name)] * len(pictures)
        for members in shapes.values():
            outputs = self._outputs([fitted[i][0] for i in members])
            for row, i in enumerate(members):
                faces = decode({k: v[row] for k, v in outputs.items()}, minimum)
                found[i] = replace(scaled(faces, fitted[i][1]), detector=self.name)
        return found

    def _outputs(self, pictures: list[Pixels]) -> dict[str, NDArray[np.float32]]:
        height, width = pictures[0].shape[:2]
        batch = np.zeros((len(pictures), 3, up(height), up(width)), np.float32)
        for plane, picture in zip(batch, pictures, strict=True):
            plane[:, :height, :width] = picture[..., ::-1].transpose(2, 0, 1)
        names = [output.name for output in self.session.outputs]
        values = self.session.run({self.session.inputs[0].name: batch})
        grids = {f"grid_{s}": _grid(batch.shape, s) for s in STRIDES}
        return dict(zip(names, values, strict=True)) | grids


def up(side: int) -> int:
    """The next multiple of the largest stride."""
    return -(-side // STRIDES[-1]) * STRIDES[-1]


def _grid(shape: tuple[int, ...], stride: int) -> NDArray[np.float32]:
    rows, columns = shape[2] // stride, shape[3] // stride
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2)
    return np.broadcast_to(cells.astype(np.float32), (shape[0], *cells.shape))


def decode(outputs: dict[str, NDArray[np.float32]], minimum: float) -> Faces:
    """One picture's network outputs as faces in pixels of the network's input.

    Per stride s and cell (column, row): score sqrt(cls * obj); centre s * (cell + d_xy); size
    s * exp(d_wh); points s * (cell + d_points), as in the authors' onnx runtime code.
    """
    parts = []
    for stride in STRIDES:
        cls, obj = outputs[f"cls_{stride}"][:, 0], outputs[f"obj_{stride}"][:, 0]
        scores = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
        keep = scores >= minimum
        cells, shift = outputs[f"grid_{stride}"][keep], outputs[f"bbox_{stride}"][keep]
        middle, half = (cells + shift[:, :2]) * stride, np.exp(shift[:, 2:]) * (stride / 2)
        points = outputs[f"kps_{stride}"][keep].reshape(-1, 5, 2) + cells[:, None]
        parts.append(
            Faces(np.hstack([middle - half, middle + half]), scores[keep], points * stride)
        )
    faces = Faces.concatenate(parts)
    return faces[suppress(faces.boxes, faces.scores, OVERLAP)]
