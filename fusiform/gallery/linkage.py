"""Average-linkage agglomeration of unit vectors, exact, in memory that grows with n alone.

The mean similarity between all pairs of two groups is (sum_A . sum_B) / (|A| |B|). So a group is
its vector sum and its size, and no n x n matrix is kept. Average linkage is reducible:
sim(A+B, C) <= max(sim(A, C), sim(B, C)). Two things follow that make it fast. Groups that are each
other's nearest may all be merged at once, with the same result as one pair at a time (Murtagh 1983,
"A survey of recent advances in hierarchical clustering algorithms", Computer Journal 26). And a
list of a group's nearest, with a bound on all groups outside the list, stays true while others
merge, so that a group is compared with all others again only when its list runs out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_NEAREST = 16  # length of a list; the groups found do not depend on it, only the time
_CELLS = 1 << 23  # similarities held at once: 32 MB
_ROUNDING = 1e-5  # a matrix product and a sum of products may differ by this


@dataclass(frozen=True)
class Conflicts:
    """Pairs of groups `first < second` with how many pairs of faces speak against joining them.

    They lower the similarity of two groups by `cost * count / size of the smaller`. That leaves
    average linkage reducible, as the part of the smaller group in conflict only grows by merging.
    """

    first: Ints
    second: Ints
    count: Floats
    cost: float

    @classmethod
    def of(cls, first: Ints, second: Ints, count: Floats, n: int, cost: float) -> Conflicts:
        """From pairs in any order and any number of times among n groups; a group's own go."""
        low, high = np.minimum(first, second), np.maximum(first, second)
        real = (low >= 0) & (low != high)
        key, where = np.unique(low[real] * n + high[real], return_inverse=True)
        summed = np.bincount(where, count[real], len(key)).astype(np.float32)
        return cls(*np.divmod(key, max(n, 1)), summed, cost)

    def between(self, a: Ints, b: Ints, n: int) -> Floats:
        """The count for each pair of groups `a (r,)`, `b (r,)` among n groups."""
        if not len(self.first):
            return np.zeros(len(a), np.float32)
        keys, wanted = self.first * n + self.second, np.minimum(a, b) * n + np.maximum(a, b)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        counts: Floats = np.where(keys[at] == wanted, self.count[at], np.float32(0))
        return counts


@dataclass
class _Groups:
    """The m groups that may still merge.

    `ids (m,)`: one starting group of each; `sums (m, d)`, `sizes (m,)`, `pins (m,)` (-1: none).
    `near (m, k)`: the most similar groups, best first, and `near_sim (m, k)`; -1 and -inf where
    fewer reach the threshold. No group outside the list is more similar than `bound (m,)`.
    """

    threshold: float
    ids: Ints
    sums: Floats
    sizes: Floats
    pins: Ints
    conflicts: Conflicts
    near: Ints
    near_sim: Floats
    bound: Floats

    def similarity(self, a: Ints, b: Ints) -> Floats:
        """Of groups `a (r,)` and `b (r,)`; to the last bit the same for (b, a)."""
        parts = [slice(i, i + 65536) for i in range(0, len(a), 65536)]
        dots = [np.einsum("rd,rd->r", self.sums[a[s]], self.sums[b[s]]) for s in parts]
        average: Floats = np.concatenate([np.zeros(0, np.float32), *dots])
        average /= self.sizes[a] * self.sizes[b]
        against = self.conflicts.between(a, b, len(self.sums)) * np.float32(self.conflicts.cost)
        average -= against / np.minimum(self.sizes[a], self.sizes[b])
        apart = (self.pins[a] >= 0) & (self.pins[b] >= 0) & (self.pins[a] != self.pins[b])
        average[apart] = -np.inf
        return average

    def set_nearest(self, rows: Ints, near: Ints, bound: Floats) -> None:
        """Puts the best of the candidates `near (r, w)` (-1: none) in the lists of `rows`.

        `bound (r,)` is what no group outside the candidates exceeds.
        """
        near = np.sort(near, axis=1)
        again = np.zeros(near.shape, bool)
        again[:, 1:] = near[:, 1:] == near[:, :-1]
        near[again | (near == rows[:, None])] = -1
        sims = np.full(near.shape, -np.inf, np.float32)
        r, c = np.nonzero(near >= 0)
        sims[r, c] = self.similarity(rows[r], near[r, c])
        sims[sims < self.threshold] = -np.inf
        near[np.isinf(sims)] = -1
        order = np.argsort(-sims, axis=1, kind="stable")
        near, sims = np.take_along_axis(near, order, 1), np.take_along_axis(sims, order, 1)
        k = self.near.shape[1]
        self.near[rows], self.near_sim[rows] = near[:, :k], sims[:, :k]
        self.bound[rows] = np.maximum(bound, sims[:, k:].max(axis=1, initial=-np.inf))

    def scan(self, rows: Ints) -> None:
        """Compares `rows` with all groups and makes their lists anew."""
        means = self.sums / self.sizes[:, None]
        step = max(1, _CELLS // max(1, len(means)))
        for i in range(0, len(rows), step):
            part = rows[i : i + step]
            sims = means[part] @ means.T
            self._forbid(sims, part)
            near, bound = _best(sims, self.near.shape[1], self.threshold - _ROUNDING)
            self.set_nearest(part, near, bound)

    def _forbid(self, sims: Floats, rows: Ints) -> None:
        """Lowers `sims (r, m)` of `rows` with all groups by what speaks against joining them."""
        sims[np.arange(len(rows)), rows] = -np.inf
        pinned, others = np.flatnonzero(self.pins[rows] >= 0), np.flatnonzero(self.pins >= 0)
        differ = self.pins[rows[pinned], None] != self.pins[None, others]
        sims[np.ix_(pinned, others)] -= np.where(differ, np.float32(np.inf), np.float32(0))
        place = np.full(len(self.sums), -1)
        place[rows] = np.arange(len(rows))
        clash = self.conflicts
        for a, b in ((clash.first, clash.second), (clash.second, clash.first)):
            here = place[a] >= 0
            a, b, count = a[here], b[here], clash.count[here]
            smaller = np.minimum(self.sizes[a], self.sizes[b])
            sims[place[a], b] -= np.float32(clash.cost) * count / smaller

    def exhausted(self) -> Ints:
        """The groups whose nearest may be outside their list."""
        best = self.near_sim[:, 0]
        unsure = (best < self.bound - _ROUNDING) & (self.bound >= self.threshold - _ROUNDING)
        return np.flatnonzero(unsure)

    def mutual(self) -> Ints:
        """Pairs (p, 2), first < second, of groups that are each other's nearest; at least one."""
        m = np.arange(len(self.near))
        best = self.near[:, 0]
        first = np.flatnonzero((best[best] == m) & (m < best))
        if not len(first):  # a circle of exactly equal similarities
            first = np.array([np.argmax(self.near_sim[:, 0])])
        return np.sort(np.stack([first, best[first]], axis=1), axis=1)

    def keep(self, those: NDArray[np.bool_]) -> None:
        """Leaves out all groups but `those (m,)`."""
        if not those.all():
            self._renumber(np.where(those, np.cumsum(those) - 1, -1), those)

    def _renumber(self, new: Ints, kept: NDArray[np.bool_]) -> None:
        for name in ("ids", "sums", "sizes", "pins", "near_sim", "bound"):
            setattr(self, name, getattr(self, name)[kept])
        near = self.near[kept]
        self.near = np.where(near >= 0, new[near], -1)
        clash = self.conflicts
        if len(clash.first):
            pairs = new[clash.first], new[clash.second]
            self.conflicts = Conflicts.of(*pairs, clash.count, len(self.ids), clash.cost)

    def join(self, pairs: Ints) -> None:
        """Merges `pairs (p, 2)`: the second of each into the first."""
        keep, gone = pairs.T
        wide = np.concatenate([self.near[keep], self.near[gone]], axis=1)
        bound = np.maximum(self.bound[keep], self.bound[gone])
        self.sums[keep] += self.sums[gone]
        self.sizes[keep] += self.sizes[gone]
        self.pins[keep] = np.maximum(self.pins[keep], self.pins[gone])
        touched = np.zeros(len(self.sizes) + 1, np.bool_)  # the last stands for -1
        touched[pairs.ravel()] = True
        stale = np.any(touched[self.near], axis=1)
        stale[pairs.ravel()] = False
        left = np.ones(len(self.sizes), np.bool_)
        left[gone] = False
        new = np.cumsum(left) - 1
        new[gone] = new[keep]
        self._renumber(new, left)
        rows = new[np.flatnonzero(stale)]
        self.set_nearest(rows, self.near[rows], self.bound[rows])
        self.set_nearest(new[keep], np.where(wide >= 0, new[wide], -1), bound)


def _best(sims: Floats, k: int, at_least: float) -> tuple[Ints, Floats]:
    """Of each row the up to k columns >= `at_least` (r, k), -1 where fewer; and what none of the
    rest exceeds (r,), -inf where there is no rest."""
    near = np.full((len(sims), k), -1)
    bound = np.full(len(sims), -np.inf, np.float32)
    for i, row in enumerate(sims):
        found = np.flatnonzero(row >= at_least)
        if len(found) > k:
            found = found[np.argpartition(-row[found], k - 1)[:k]]
            bound[i] = row[found].min()
        near[i, : len(found)] = found
    return near, bound


def average_linkage(
    vectors: Floats, threshold: float, start: Ints, pins: Ints, conflicts: Conflicts
) -> Ints:
    """Labels (n,) for unit `vectors (n, d)`, groups merged while their similarity >= `threshold`.

    `start (n,)` numbers the groups 0..m-1 to begin with; groups with different `pins (m,)` >= 0
    never join; `conflicts` are between the starting groups. The most similar pair goes first.
    """
    groups = _begin(vectors, threshold, start, pins, conflicts)
    joined_to = np.arange(len(pins))
    groups.scan(joined_to)
    groups.keep(groups.near[:, 0] >= 0)
    while len(groups.ids):
        pairs = groups.mutual()
        joined_to[groups.ids[pairs[:, 1]]] = groups.ids[pairs[:, 0]]
        groups.join(pairs)
        groups.scan(groups.exhausted())
        groups.keep(groups.near[:, 0] >= 0)  # without a neighbour now is without one for ever
    while np.any(joined_to[joined_to] != joined_to):
        joined_to = joined_to[joined_to]
    return np.unique(joined_to, return_inverse=True)[1][start]


def _begin(
    vectors: Floats, threshold: float, start: Ints, pins: Ints, conflicts: Conflicts
) -> _Groups:
    m = len(pins)
    order = np.argsort(start, kind="stable")
    firsts = np.searchsorted(start[order], np.arange(m))
    sums = np.add.reduceat(vectors[order], firsts, axis=0) if m else vectors[:0]
    sizes = np.bincount(start, minlength=m).astype(np.float32)
    near, sims = np.full((m, _NEAREST), -1), np.full((m, _NEAREST), -np.inf, np.float32)
    bound = np.full(m, np.inf, np.float32)
    ids = np.arange(m)
    return _Groups(threshold, ids, sums, sizes, pins.copy(), conflicts, near, sims, bound)
