"""How vectors and crops stand in their columns: as bytes, or as sealed bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.crop import Crop
from fusiform.gallery.cipher import Seal
from fusiform.gallery.database import Database

Floats = NDArray[np.float32]
POINTS = 40  # bytes of five points in front of a crop's picture


@dataclass(frozen=True)
class Values:
    """Packs and unpacks the values of one gallery; without a `seal` they are plain.

    A vector is float16, little-endian; a crop is a JPEG with its five points in front, ten float32.
    What is sealed is tied to its face, and a vector to its model too.
    """

    db: Database
    seal: Seal | None

    def vectors(self, faces: Sequence[int], model: int, rows: Floats) -> list[object]:
        """Values for unit `rows (n, d)` of these faces."""
        packed = [row.tobytes() for row in np.asarray(rows, "<f2")]
        return [self.db.vector(value) for value in self.closed(packed, faces, model)]

    def matrix(self, faces: Sequence[int], model: int, values: Sequence[bytes]) -> Floats:
        """Unit vectors (n, d) of what `vectors` packed; n = 0 gives d = 0.

        Raises GalleryDamaged for a value that does not open.
        """
        opened = self.opened(values, faces, model)
        packed = np.frombuffer(b"".join(opened), "<f2")
        matrix = packed.reshape(len(values), -1 if len(values) else 0).astype(np.float32)
        norms = np.linalg.norm(matrix, axis=1, keepdims=True)
        return np.asarray(matrix / np.maximum(norms, 1e-12), np.float32)

    def crops(self, faces: Sequence[int], crops: Sequence[Crop]) -> list[bytes]:
        """Values for crops of these faces."""
        packed = [np.asarray(c.points, "<f4").tobytes() + c.picture for c in crops]
        return self._closed(packed, [f"crops/{face}" for face in faces])

    def pictures(self, faces: Sequence[int], values: Sequence[bytes]) -> list[Crop]:
        """The crops that `crops` packed. Raises GalleryDamaged for a value that does not open."""
        opened = self._opened(values, [f"crops/{face}" for face in faces])
        return [Crop(v[POINTS:], np.frombuffer(v[:POINTS], "<f4").reshape(5, 2)) for v in opened]

    def closed(self, packed: Sequence[bytes], faces: Sequence[int], model: int) -> list[bytes]:
        """Packed vectors of these faces, sealed where the gallery is."""
        return self._closed(packed, [f"embeddings/{face}/{model}" for face in faces])

    def opened(self, values: Sequence[bytes], faces: Sequence[int], model: int) -> list[bytes]:
        """The packed vectors again. Raises GalleryDamaged for one that does not open."""
        return self._opened(values, [f"embeddings/{face}/{model}" for face in faces])

    def _closed(self, values: Sequence[bytes], places: Sequence[str]) -> list[bytes]:
        return self.seal.close_many(values, places) if self.seal else list(values)

    def _opened(self, values: Sequence[bytes], places: Sequence[str]) -> list[bytes]:
        return self.seal.open_many(values, places) if self.seal else list(values)
