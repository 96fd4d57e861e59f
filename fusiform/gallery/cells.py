"""Cells: a coarse division of vector space, so that only a few near parts of it need be looked at.

An inverted file (Jegou, Douze and Schmid 2011, "Product Quantization for Nearest Neighbor Search",
IEEE TPAMI 33(1), section IV, without the codes): each vector lies in the cell of its nearest
centre, and a query looks into the few cells nearest to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

SAMPLE = 48  # vectors a centre is learned from
ROUNDS = 6
_BLOCK = 1 << 24  # products held at once: 64 MB


@dataclass(frozen=True)
class Cells:
    """`centres (c, d)` float32; a vector lies in the cell of the nearest, by Euclidean distance."""

    centres: Floats

    def nearest(self, vectors: Floats, probes: int = 1) -> Ints:
        """The `probes` cells nearest to each of `vectors (n, d)`: (n, probes), nearest first."""
        probes = min(probes, len(self.centres))
        half = 0.5 * np.einsum("cd,cd->c", self.centres, self.centres)
        out = np.empty((len(vectors), probes), np.int64)
        for part in blocks(len(vectors), max(1, _BLOCK // len(self.centres))):
            near = half - vectors[part] @ self.centres.T
            if probes == 1:
                out[part, 0] = near.argmin(axis=1)
                continue
            best = np.argpartition(near, probes - 1, axis=1)[:, :probes]
            order = np.argsort(np.take_along_axis(near, best, 1), axis=1, kind="stable")
            out[part] = np.take_along_axis(best, order, 1)
        return out


def blocks(n: int, step: int) -> Iterator[slice]:
    """0..n in slices of at most `step`."""
    return (slice(i, min(n, i + step)) for i in range(0, n, step))


def count_for(n: int) -> int:
    """How many cells suit n vectors: looking through the centres and through a few cells then
    takes about as long."""
    return max(1, math.isqrt(4 * n))


def learn(vectors: Floats, count: int, seed: int = 0) -> Cells:
    """`count` cells for `vectors (n, d)`, by k-means on a sample (Lloyd 1982) from random starts.

    The same vectors, count and seed give the same cells.
    """
    draw = rng(seed, "cells")
    few = vectors
    if len(vectors) > SAMPLE * count:
        few = vectors[np.sort(draw.choice(len(vectors), SAMPLE * count, replace=False))]
    start = draw.choice(len(few), min(count, len(few)), replace=False)
    cells = Cells(np.ascontiguousarray(few[start], np.float32))
    for _ in range(ROUNDS):
        cells = _moved(cells, few, cells.nearest(few)[:, 0])
    return cells


def _moved(cells: Cells, vectors: Floats, home: Ints) -> Cells:
    """Each centre at the mean of its vectors; an empty cell's stays."""
    order = np.argsort(home, kind="stable")
    used, firsts = np.unique(home[order], return_index=True)
    centres = cells.centres.copy()
    sums = np.add.reduceat(vectors[order], firsts, axis=0)
    centres[used] = sums / np.diff(np.append(firsts, len(order)))[:, None]
    return Cells(centres)


@dataclass(frozen=True)
class Filed:
    """Which vectors lie in which cell: those of cell c are `rows[starts[c]:starts[c + 1]]`."""

    rows: Ints
    starts: Ints

    @classmethod
    def by(cls, home: Ints, count: int) -> Filed:
        """From each vector's cell, 0 to count - 1."""
        starts = np.zeros(count + 1, np.int64)
        np.cumsum(np.bincount(home, minlength=count), out=starts[1:])
        return cls(np.argsort(home, kind="stable"), starts)

    def of(self, cell: int) -> Ints:
        """The rows in one cell."""
        return self.rows[self.starts[cell] : self.starts[cell + 1]]


def close_pairs(
    queries: Floats, probed: Ints, vectors: Floats, filed: Filed, at_least: float, most: int
) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Pairs (query, row, product) with product >= `at_least`, cell by cell, for `queries (r, d)`
    that look into the cells `probed (r, p)`; the `most` best of each query in each cell."""
    width = probed.shape[1]
    visits = Filed.by(probed.ravel(), len(filed.starts) - 1)
    for cell in np.flatnonzero(np.diff(visits.starts) * np.diff(filed.starts)):
        inside, askers = filed.of(int(cell)), visits.of(int(cell)) // width
        there = vectors[inside].T
        for part in blocks(len(askers), max(1, _BLOCK // len(inside))):
            products = queries[askers[part]] @ there
            if len(inside) > most:
                _thin(products, at_least, most)
            who, which = np.nonzero(products >= at_least)
            if len(who):
                yield askers[part][who], inside[which], products[who, which]


def _thin(products: Floats, at_least: float, most: int) -> None:
    """Leaves the `most` best of each row, in place, where more reach `at_least`."""
    full = np.flatnonzero((products >= at_least).sum(axis=1) > most)
    if len(full):
        rows = products[full]
        cut = np.partition(rows, -most, axis=1)[:, -most]
        products[full] = np.where(rows >= cut[:, None], rows, -np.inf)
