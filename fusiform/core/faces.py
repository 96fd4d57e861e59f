"""`Faces`: the one type every detector returns and everything downstream takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError

Floats = NDArray[np.float32]

ARRAYS = ("boxes", "scores", "points", "embeddings", "quality")


@dataclass(frozen=True)
class Face:
    """One face, as a view into `Faces`.

    `box (4,)` x1, y1, x2, y2 in pixels of the upright full-size picture; `score` in [0, 1];
    `points (5, 2)` left-of-picture eye, right-of-picture eye, nose tip, left and right mouth
    corner; `embedding (d,)` of unit length or None; `quality` in [0, 1] or None.
    `bbox`, `kps`, `det_score` and `normed_embedding` are the same under the names that
    InsightFace uses.
    """

    box: Floats
    score: float
    points: Floats
    embedding: Floats | None = None
    quality: float | None = None

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """The box as plain numbers."""
        x1, y1, x2, y2 = (float(value) for value in self.box)
        return x1, y1, x2, y2

    @property
    def bbox(self) -> Floats:
        return self.box

    @property
    def kps(self) -> Floats:
        return self.points

    @property
    def det_score(self) -> float:
        return self.score

    @property
    def normed_embedding(self) -> Floats | None:
        return self.embedding


@dataclass(frozen=True)
class Dropped:
    """A find that was not kept: `box` x1, y1, x2, y2 as in `Face`, its score, and why."""

    box: tuple[float, float, float, float]
    score: float
    reason: str


@dataclass(frozen=True)
class Faces:
    """n faces of one picture as aligned float32 arrays; n = 0 is a normal answer.

    `boxes (n, 4)` x1, y1, x2, y2 in pixels of the upright full-size picture, pixel centres at
    +0.5; `scores (n,)` in [0, 1]; `points (n, 5, 2)`; optional `embeddings (n, d)` of unit
    length and `quality (n,)` in [0, 1]. `detector` names what found them.

    Raises ChoiceError if a shape does not fit.
    """

    boxes: Floats
    scores: Floats
    points: Floats
    embeddings: Floats | None = None
    quality: Floats | None = None
    detector: str = ""

    def __post_init__(self) -> None:
        n = len(self.boxes)
        shapes = {"boxes": (n, 4), "scores": (n,), "points": (n, 5, 2), "quality": (n,)}
        for name in ARRAYS:
            value = getattr(self, name)
            if value is None:
                continue
            array = np.asarray(value, dtype=np.float32)
            wanted = shapes.get(name, (n, *(array.shape[1:2] or ("d",))))
            if array.shape != wanted:
                raise ChoiceError(f"Faces.{name}", f"of shape {wanted}", array.shape)
            object.__setattr__(self, name, array)

    @classmethod
    def empty(cls, detector: str = "") -> Faces:
        """No faces."""
        shapes = ((0, 4), (0,), (0, 5, 2))
        boxes, scores, points = (np.zeros(shape, np.float32) for shape in shapes)
        return cls(boxes, scores, points, detector=detector)

    @classmethod
    def concatenate(cls, parts: Sequence[Faces]) -> Faces:
        """All faces of `parts` in order; an optional array stays only if every part has it."""
        if not parts:
            return cls.empty()

        def joined(name: str) -> Any:
            values = [getattr(part, name) for part in parts]
            return None if any(value is None for value in values) else np.concatenate(values)

        return replace(cls(*map(joined, ARRAYS)), detector=parts[0].detector)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, which: int | slice | ArrayLike) -> Faces:
        """The chosen faces (index, slice, mask or index array) as `Faces`."""
        pick = [which] if isinstance(which, (int, np.integer)) else which
        pick = pick if isinstance(pick, slice) else np.asarray(pick)
        if isinstance(pick, np.ndarray) and not len(pick):
            pick = pick.astype(int)

        def picked(name: str) -> Any:
            value = getattr(self, name)
            return None if value is None else value[pick]

        return replace(Faces(*map(picked, ARRAYS)), detector=self.detector)

    def __iter__(self) -> Iterator[Face]:
        for i in range(len(self)):
            embedding = None if self.embeddings is None else self.embeddings[i]
            quality = None if self.quality is None else float(self.quality[i])
            yield Face(self.boxes[i], float(self.scores[i]), self.points[i], embedding, quality)
