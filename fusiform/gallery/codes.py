"""Codes: a vector in a few bits, to tell at little cost which vectors may be near enough.

A bit says on which side of a plane through the mean of all a vector lies; the planes are turned at
random. Two vectors at an angle t differ in a bit with probability t/pi (Goemans and Williamson
1995, J. ACM 42(6), section 3; as a sketch for search: Charikar 2002, STOC, section 3). With the
length that each vector has beside the mean (kept to 1/128) this bounds its similarity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng
from fusiform.gallery.cells import blocks

Floats = NDArray[np.float32]
Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Shorts = NDArray[np.int16]

SURENESS = 2.5  # standard deviations of the differing bits, beyond which a vector is not looked at
_UNIT = 128  # bits of which a code is a multiple
_STEPS = 128  # of a length
_BLOCK = 1 << 16  # vectors
_CHUNK = 512  # codes compared by one operation; of fewer the loop would take longer than the bits


def bits_for(width: int) -> int:
    """Bits of a code of vectors of so many numbers: about as many, in pairs of 64."""
    return max(1, -(-width // _UNIT)) * _UNIT


@dataclass(frozen=True)
class Coder:
    """`mean (d,)` of all vectors and the normals `axes (d, b)` of the planes, float32."""

    mean: Floats
    axes: Floats

    @classmethod
    def of(cls, vectors: Floats, seed: int = 0) -> Coder:
        """For `vectors (n, d)`. The same vectors and seed give the same coder."""
        width = vectors.shape[1]
        bits, draw = bits_for(width), rng(seed, "codes")
        turns = [np.zeros((width, 0))]
        while width and sum(turn.shape[1] for turn in turns) < bits:
            turns.append(np.linalg.qr(draw.standard_normal((width, width)))[0])
        axes = np.concatenate(turns, axis=1)[:, :bits] if width else np.zeros((0, bits))
        mean = vectors.mean(axis=0) if len(vectors) else np.zeros(width)
        return cls(np.asarray(mean, np.float32), np.ascontiguousarray(axes, np.float32))

    def codes(self, vectors: Floats) -> tuple[Words, Bytes]:
        """Of unit `vectors (n, d)`: codes (n, b / 64) and lengths beside the mean (n,) in 1/128."""
        words = np.empty((len(vectors), self.axes.shape[1] // 64), np.uint64)
        norms = np.empty(len(vectors), np.uint8)
        for part in blocks(len(vectors), _BLOCK):
            beside = vectors[part] - self.mean
            words[part] = self._bits(beside)
            lengths = _STEPS * np.sqrt(np.einsum("nd,nd->n", beside, beside))
            norms[part] = np.minimum(np.rint(lengths), 255)
        return words, norms

    def _bits(self, beside: Floats) -> Words:
        return np.packbits(beside @ self.axes > 0, axis=-1).view(np.uint64)

    def ask(self, probe: Floats) -> Question:
        """What is to be compared with codes for unit `probe (d,)`."""
        beside = probe - self.mean
        level = float(self.mean @ probe) + (1 - float(self.mean @ self.mean)) / 2
        return Question(self._bits(beside[None])[0], float(np.linalg.norm(beside)), level)


@dataclass(frozen=True)
class Question:
    """A probe as code, its length beside the mean, and what all similarities to it share."""

    words: Words
    length: float
    level: float

    def apart(self, parts: Sequence[Words]) -> Shorts:
        """In how many bits the probe differs from each code of `parts`, one after the other."""
        count, width = sum(map(len, parts)), len(self.words)
        words = np.empty((-(-count // _CHUNK) * _CHUNK, width), np.uint64)
        np.concatenate(parts, out=words[:count])
        chunks = words.reshape(-1, _CHUNK * width)
        np.bitwise_xor(chunks, np.tile(self.words, _CHUNK), out=chunks)
        pairs = np.bitwise_count(words[:count]).view(np.uint16)  # two counts of at most 64 each
        sums = (pairs * np.uint16(257) >> np.uint16(8)).view(np.int16)
        return sums[:, 0] if width == 2 else sums.sum(axis=1, dtype=np.int16)

    def limits(self, similarity: float) -> Shorts:
        """By length in 1/128 (256,): in how many bits a vector as similar as that may differ.

        With m the mean, q and x the probe and the vector beside it: the similarity of the two is
        m.(m + q) + (1 - m.m - x.x) / 2 + |q| |x| cos t, as both are unit vectors.
        """
        lengths = np.arange(256) / _STEPS
        shared = np.maximum(self.length * lengths, 1e-9)
        cosine = np.clip((similarity - self.level + lengths**2 / 2) / shared, -1, 1)
        differ, bits = np.arccos(cosine) / np.pi, 64 * len(self.words)
        limits = bits * differ + SURENESS * np.sqrt(bits * differ * (1 - differ))
        return np.ceil(limits).astype(np.int16)
