"""Average-linkage agglomeration of unit vectors, exact, in memory that grows with n alone.

The mean similarity between all pairs of two groups is (sum_A . sum_B) / (|A| |B|). So a group is
its vector sum and its size, and no n x n matrix is kept. Average linkage is reducible:
sim(A+B, C) <= max(sim(A, C), sim(B, C)). Two things follow that make it fast. Groups that are each
other's nearest may all be merged at once, with the same result as one pair at a time (Murtagh 1983,
"A survey of recent advances in hierarchical clustering algorithms", Computer Journal 26). And a
list of a group's nearest, with a bound on all groups outside the list, stays true while others
merge, so that a group is compared with all others again only when its list runs out.

Up to EXACT groups that is exact. Of more, a group is compared with those in the cells near it
(see `cells`), and everything whose nearest is one of a pair merges with the pair, at LEVELS falling
levels of similarity (Monath et al. 2021, "Scalable Hierarchical Agglomerative Clustering", KDD):
one pair at a time, the thousands of faces of one person would take as many rounds. When nothing
more is to be merged the means of the groups are gone through again, in cells of their own, so that
a person whom the first cells divided becomes one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.gallery.cells import Cells, Filed, blocks, close_pairs, count_for, learn

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

EXACT = 30_000  # groups; of more only those in near cells are compared
LEVELS = 24
WORTH = 1e-3  # share of the groups that a round must merge, or the next level's turn has come
PROBES = 8  # cells that a group looks into
_NEAREST = 16  # length of a list; the groups found do not depend on it, only the time
_CELLS = 1 << 23  # similarities held at once: 32 MB
_ROWS = 1 << 16  # rows whose pairs are held at once
_NO_HITS = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
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
    `cells`: those to look into, None to look at all; `home (m,)`: the cell of each.
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
    cells: Cells | None
    home: Ints

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
        """Compares `rows` with all groups, or with all near ones, and makes their lists anew."""
        means = self.sums / self.sizes[:, None]
        if self.cells is not None and len(means) > EXACT:
            self._scan_near(rows, means, self.cells)
            return
        step = max(1, _CELLS // max(1, len(means)))
        for i in range(0, len(rows), step):
            part = rows[i : i + step]
            sims = means[part] @ means.T
            self._forbid(sims, part)
            near, bound = _best(sims, self.near.shape[1], self.threshold - _ROUNDING)
            self.set_nearest(part, near, bound)

    def _scan_near(self, rows: Ints, means: Floats, cells: Cells) -> None:
        """`scan` of the groups in the PROBES cells nearest to each row."""
        most = self.near.shape[1] + 1  # one is the row itself
        filed = Filed.by(self.home, len(cells.centres))
        rows = rows[np.argsort(self.home[rows], kind="stable")]  # neighbours look into like cells
        for part in blocks(len(rows), _ROWS):
            some = rows[part]
            probed = cells.nearest(means[some], PROBES)
            lowest = self.threshold - _ROUNDING
            hits = list(close_pairs(means[some], probed, means, filed, lowest, most))
            who, which, sims = (np.concatenate(c) for c in zip(_NO_HITS, *hits, strict=True))
            self.set_nearest(some, *_ranked(who, which, sims, len(some), most))

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
        """Into which group each (m,) merges now, -1: none: pairs that are each other's nearest, the
        second into the first; at least one pair."""
        m = np.arange(len(self.near))
        best = self.near[:, 0]
        first = np.flatnonzero((best[best] == m) & (m < best))
        if not len(first):  # a circle of exactly equal similarities
            top = np.argmax(self.near_sim[:, 0])
            first = np.minimum(m[top : top + 1], best[top])
            best = np.where(m == best[top], top, best)
        into = np.full(len(m), -1)
        into[first] = into[best[first]] = first
        return into

    def stars(self, level: float) -> Ints:
        """As `mutual`, only where similarity >= `level`; and with each pair all groups whose
        nearest is one of the two. -1 everywhere if there is nothing so similar."""
        m, best, sims = np.arange(len(self.near)), self.near[:, 0], self.near_sim[:, 0]
        if not (sims >= level).any():
            return np.full(len(m), -1)
        into = self.mutual()
        weak = np.zeros(len(m), bool)
        weak[into[(into >= 0) & (sims < level)]] = True
        into[(into >= 0) & weak[into]] = -1
        if (into < 0).all():  # the best of all has no mutual friend for equal similarities
            top = int(np.argmax(sims))
            into[[top, best[top]]] = min(top, best[top])
        paired = into >= 0
        leaf = (sims >= level) & ~paired & paired[best]
        into[leaf] = into[best[leaf]]
        into[self._at_odds(into, leaf)] = -1
        return into

    def _at_odds(self, into: Ints, leaf: NDArray[np.bool_]) -> Ints:
        """The leaves that may not join their star together with the rest of it."""
        sims = self.near_sim[:, 0]
        clash = self.conflicts
        a, b = clash.first, clash.second
        both = (into[a] >= 0) & (into[a] == into[b])
        a, b = a[both], b[both]
        worse = np.where(leaf[a] & (~leaf[b] | (sims[a] < sims[b])), a, b)
        odd = [worse[leaf[worse]]]
        pinned = np.flatnonzero((into >= 0) & (self.pins >= 0))
        # one pin a star: that of the pair, else that of its most similar leaf
        order = pinned[np.lexsort((-sims[pinned], leaf[pinned], into[pinned]))]
        _, first, star = np.unique(into[order], return_index=True, return_inverse=True)
        other = self.pins[order] != self.pins[order[first]][star]
        odd.append(order[other & leaf[order]])
        return np.concatenate(odd)

    def levels(self) -> Floats:
        """Similarities at which stars are merged, one after the other: from the most similar to
        the threshold. Only the threshold where merging is exact."""
        sims = self.near_sim[:, 0]
        if self.cells is None or not len(sims):
            return np.array([self.threshold], np.float32)
        return np.linspace(np.quantile(sims, 0.95), self.threshold, LEVELS).astype(np.float32)

    def keep(self, those: NDArray[np.bool_]) -> None:
        """Leaves out all groups but `those (m,)`."""
        if not those.all():
            self._renumber(np.where(those, np.cumsum(those) - 1, -1), those)

    def _renumber(self, new: Ints, kept: NDArray[np.bool_]) -> None:
        for name in ("ids", "sums", "sizes", "pins", "near_sim", "bound", "home"):
            setattr(self, name, getattr(self, name)[kept])
        near = self.near[kept]
        self.near = np.where(near >= 0, new[near], -1)
        clash = self.conflicts
        if len(clash.first):
            pairs = new[clash.first], new[clash.second]
            self.conflicts = Conflicts.of(*pairs, clash.count, len(self.ids), clash.cost)

    def join(self, into: Ints) -> None:
        """Merges groups (m,) into those they are said to merge into; -1: as it is."""
        joining = np.flatnonzero(into >= 0)
        joining = joining[np.argsort(into[joining], kind="stable")]
        leads, firsts, which = np.unique(into[joining], return_index=True, return_inverse=True)
        left = into < 0
        left[leads] = True
        new = np.cumsum(left) - 1
        new[joining] = new[into[joining]]
        near, cut = self._united(joining, which, new, len(leads))
        cut = np.maximum(cut, np.maximum.reduceat(self.bound[joining], firsts))
        self.sums[leads] = np.add.reduceat(self.sums[joining], firsts, axis=0)
        self.sizes[leads] = np.add.reduceat(self.sizes[joining], firsts)
        self.pins[leads] = np.maximum.reduceat(self.pins[joining], firsts)
        touched = np.append(into >= 0, False)  # the last stands for -1
        stale = np.any(touched[self.near], axis=1) & (into < 0)
        self._renumber(new, left)
        rows = new[np.flatnonzero(stale)]
        self.set_nearest(rows, self.near[rows], self.bound[rows])
        self.set_nearest(new[leads], near, cut)

    def _united(self, joining: Ints, which: Ints, new: Ints, n: int) -> tuple[Ints, Floats]:
        """The lists of `joining` as n lists of what they become, under `new` numbers, and what
        none of the groups left out exceeds."""
        k = self.near.shape[1]
        near, sims = self.near[joining].ravel(), self.near_sim[joining].ravel()
        who = np.repeat(which, k)[near >= 0]
        near, sims = new[near[near >= 0]], sims[near >= 0]
        order = np.lexsort((-sims, near, who))
        who, near, sims = who[order], near[order], sims[order]
        fresh = np.ones(len(who), bool)
        fresh[1:] = (who[1:] != who[:-1]) | (near[1:] != near[:-1])
        return _ranked(who[fresh], near[fresh], sims[fresh], n, 2 * k + 1)


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


def _ranked(who: Ints, which: Ints, sims: Floats, n: int, most: int) -> tuple[Ints, Floats]:
    """Pairs as lists: the `most` best of each of n rows (n, most), -1 where fewer; and what none of
    the rest exceeds (n,), -inf where there is no rest."""
    order = np.lexsort((-sims, who))
    who, which, sims = who[order], which[order], sims[order]
    rank = np.arange(len(who)) - np.searchsorted(who, who)
    near = np.full((n, most), -1)
    near[who[rank < most], rank[rank < most]] = which[rank < most]
    bound = np.full(n, -np.inf, np.float32)
    last = rank == most - 1  # a row with so many may have had more in some cell
    bound[who[last]] = sims[last]
    return near, bound


def average_linkage(
    vectors: Floats, threshold: float, start: Ints, pins: Ints, conflicts: Conflicts
) -> Ints:
    """Labels (n,) for unit `vectors (n, d)`, groups merged while their similarity >= `threshold`.

    `start (n,)` numbers the groups 0..m-1 to begin with; groups with different `pins (m,)` >= 0
    never join; `conflicts` are between the starting groups. The most similar pair goes first.
    """
    labels = _linked(vectors, threshold, start, pins, conflicts)
    groups = int(labels.max(initial=-1)) + 1
    if len(pins) <= EXACT or groups == len(pins):
        return labels
    # another look, at fewer and clearer groups
    joined = np.zeros(len(pins), np.int64)
    joined[start] = labels
    held = np.full(groups, -1)
    np.maximum.at(held, joined, pins)
    clash = conflicts
    pairs = joined[clash.first], joined[clash.second]
    again = Conflicts.of(*pairs, clash.count, groups, clash.cost)
    return average_linkage(vectors, threshold, labels, held, again)


def _linked(
    vectors: Floats, threshold: float, start: Ints, pins: Ints, conflicts: Conflicts
) -> Ints:
    groups = _begin(vectors, threshold, start, pins, conflicts)
    joined_to = np.arange(len(pins))
    groups.scan(joined_to)
    groups.keep(groups.near[:, 0] >= 0)
    for level in groups.levels():
        while len(groups.ids):
            into = groups.mutual() if groups.cells is None else groups.stars(level)
            joining = np.flatnonzero(into >= 0)
            if not len(joining):
                break
            joined_to[groups.ids[joining]] = groups.ids[into[joining]]
            groups.join(into)
            groups.scan(groups.exhausted())
            groups.keep(groups.near[:, 0] >= 0)  # without a neighbour now is without for ever
            if groups.cells is not None and len(joining) < WORTH * len(into):
                break
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
    cells, home = None, np.zeros(m, np.int64)
    if m > EXACT:
        means = np.asarray(sums / sizes[:, None], np.float32)
        cells = learn(means, count_for(m))
        home = cells.nearest(means)[:, 0]
    state = (threshold, ids, sums, sizes, pins.copy(), conflicts)
    return _Groups(*state, near, sims, bound, cells, home)
