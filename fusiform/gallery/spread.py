"""How many of a cell's vectors may be nearer than the best found so far.

Inside a cell vectors scatter about its centre like a normal distribution whose shape all cells
share and whose width is the cell's own. The share of it beyond the best found, times the cell's
vectors, is what looking into the cell can bring; a search ends where that is next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.gallery.cells import blocks

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_LIKE_ALL = 10  # vectors; as many count as scattered like all beside those a cell has
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Spread:
    """`widths (c,)`: each cell's root mean square distance from its centre; `shape (d, d)`: the
    covariance about the centres, of trace 1."""

    widths: Floats
    shape: Floats

    @classmethod
    def of(cls, vectors: Floats, centres: Floats, starts: Ints) -> Spread:
        """Of `vectors (n, d)` in the order of their cells: `starts (c + 1,)`."""
        sizes, width = np.diff(starts), vectors.shape[1]
        squares, total = np.zeros(len(vectors)), np.zeros((width, width))
        home = np.repeat(np.arange(len(centres)), sizes)
        for part in blocks(len(vectors), _BLOCK):
            beside = vectors[part] - centres[home[part]]
            squares[part] = np.einsum("nd,nd->n", beside, beside)
            total += beside.T @ beside
        everywhere = float(squares.mean()) if len(squares) else 0.0
        sums = np.bincount(home, squares, len(centres)) + _LIKE_ALL * everywhere
        widths = np.sqrt(sums / (sizes + _LIKE_ALL))
        shape = total / max(float(squares.sum()), 1e-12)
        return cls(widths.astype(np.float32), shape.astype(np.float32))

    def above(self, cut: float, near: Floats, probe: Floats, sizes: Ints) -> Floats:
        """How many of the `sizes (c,)` vectors of each cell are more similar than `cut` to
        `probe (d,)`, as far as one can expect; `near (c,)`: the centres' similarities to it.

        The tail of the normal distribution is approximated as by Lin 1989 (Applied Statistics
        38(1)): exp(-0.717 z - 0.416 z^2) / 2, and by a half for cells beyond.
        """
        scatter = np.sqrt(max(float(probe @ self.shape @ probe), 0.0))
        z = np.maximum((np.float32(cut) - near) / np.maximum(self.widths * scatter, 1e-9), 0)
        tail = np.exp(-np.minimum(z, 30) * (0.717 + 0.416 * np.minimum(z, 30))) / 2
        return np.asarray(sizes * tail, np.float32)
