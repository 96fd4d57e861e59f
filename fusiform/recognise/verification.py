"""What is told of two pictures that may show one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fusiform.core.faces import Faces


@dataclass(frozen=True)
class Verification:
    """Whether two pictures show one person, by their most similar pair of faces.

    `similarity` (cosine) and `probability` are None where a picture has no face, `probability`
    also where the embedder's card has no calibration. `pair` is the (face of a, face of b) that
    decided. Fields can also be read like those of a dict: `result["verified"]`.
    """

    verified: bool
    similarity: float | None
    threshold: float
    probability: float | None
    faces_a: Faces
    faces_b: Faces
    pair: tuple[int, int] | None
    detector: str
    embedder: str

    @property
    def distance(self) -> float | None:
        """1 - similarity, as deepface has it."""
        return None if self.similarity is None else 1 - self.similarity

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)
