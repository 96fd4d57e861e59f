"""Embedders: aligned crops in, unit vectors out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.faces import Floats
from fusiform.hub.card import Card
from fusiform.hub.session import Session

# On a CPU more crops at once are no faster, and leave the last ones to one core alone.
CPU_BATCH, GPU_BATCH = 8, 64


@dataclass(frozen=True)
class Embedder:
    """Any network that turns an aligned crop into a vector (dlib's ResNet, ArcFace and kin).

    `flip` also embeds the mirrored crop and adds both vectors: twice the time.
    """

    card: Card
    session: Session
    flip: bool = False

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def batch(self) -> int:
        """How many crops run at once where this network runs."""
        return CPU_BATCH if self.session.provider == "cpu" else GPU_BATCH

    def descriptors(self, crops: NDArray[np.uint8]) -> Floats:
        """What the network says, unscaled: crops `(n, S, S, 3)` uint8 RGB -> `(n, d)` float32.

        For dlib's network these are dlib's own descriptors, whose distances its users compare
        with 0.6. Raises ChoiceError if the crops are not of the card's size.
        """
        side = self.card.size
        if crops.ndim != 4 or crops.shape[1:] != (side, side, 3):
            raise ChoiceError("crops", f"of shape (n, {side}, {side}, 3)", crops.shape)
        parts = [self._run(crops[i : i + self.batch]) for i in range(0, len(crops), self.batch)]
        return np.concatenate(parts) if parts else np.zeros((0, self.card.dim), np.float32)

    def __call__(self, crops: NDArray[np.uint8]) -> Floats:
        """Embeddings: crops `(n, S, S, 3)` uint8 RGB -> `(n, d)` float32 of unit length."""
        vectors = unit(self.descriptors(crops))
        if self.flip:
            vectors = unit(vectors + unit(self.descriptors(crops[:, :, ::-1])))
        return vectors

    def _run(self, crops: NDArray[np.uint8]) -> Floats:
        planes = crops.transpose(0, 3, 1, 2)
        if self.card.colour == "BGR":
            planes = planes[:, ::-1]
        batch = np.ascontiguousarray(planes, np.float32)
        if any(self.card.mean):
            batch -= np.array(self.card.mean, np.float32)[:, None, None]
        if set(self.card.std) != {1.0}:
            batch /= np.array(self.card.std, np.float32)[:, None, None]
        output: Floats = self.session.run({self.session.inputs[0].name: batch})[0]
        return output


def unit(vectors: Floats) -> Floats:
    """Rows scaled to unit length, `(n, d)` float32; a row of zeros stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)


def template(embeddings: Floats, quality: Floats | None = None) -> Floats:
    """One template `(d,)` of unit length from several embeddings `(n, d)` of a person.

    The mean, weighted by `quality (n,)` where given. Raises ChoiceError for n = 0.
    """
    if not len(embeddings):
        raise ChoiceError("embeddings", "at least one row", len(embeddings))
    weights = np.ones(len(embeddings)) if quality is None else np.maximum(quality, 1e-6)
    mean = np.average(embeddings, axis=0, weights=weights)
    return unit(mean)
