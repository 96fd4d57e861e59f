"""A recogniser that has seen one group of people far more than others, and its true errors: the
set-up of papers on fairness. Groups are main ancestries of synthetic people, see `lab.world`."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fusiform.core.seeds import rng
from fusiform.lab.papers._people import at, numbered
from fusiform.lab.papers._recogniser import Budget, trained
from fusiform.lab.train.faces import embed
from fusiform.lab.world.crowd import Crowd
from fusiform.measure.fairness import GroupPairs, group_pairs
from fusiform.measure.verification import threshold_at_fmr

SIDE = 32  # pixels
# People of each cell who train: each cell about half as many as the one before.
SMALL = {"european": (62, 30), "asian": (16, 8), "african": (4, 2)}  # male, female
COUNTS = {
    "tiny": dict.fromkeys(SMALL, (1, 1)),
    "small": SMALL,
    "full": {name: (20 * male, 20 * female) for name, (male, female) in SMALL.items()},
}
BUDGETS = {"tiny": Budget(6, 32), "small": Budget(200), "full": Budget(20_000, 512)}
FMR = 1e-2  # of a group's impostor pairs, which sets its threshold
IMAGES = 8  # a person, in all that is judged


class Skewed(NamedTuple):
    """The recogniser, and people whom it never saw."""

    net: nn.Module
    others: Crowd


@lru_cache(maxsize=2)
def skewed(seed: int, size: str) -> Skewed:
    """A recogniser trained on people of the pool, three quarters of one ancestry."""
    everybody = at(size, SIDE)
    first = np.unique(everybody.person, return_index=True)[1]
    ancestry, male = (everybody.facts[name][first] for name in ("ancestry", "male"))
    order = rng(seed, "skewed").permutation(len(first))
    chosen = []
    for name, counts in COUNTS[size].items():
        for sex, count in enumerate(counts):
            cell = (ancestry[order] == name) & ((male[order] <= 0.5) == sex)
            chosen += order[cell][:count].tolist()
    net = trained(everybody.of(chosen), seed, size, budget=BUDGETS[size])
    return Skewed(net, everybody.of(np.setdiff1d(order, chosen)))


def judged_groups(net: nn.Module, faces: Crowd, group: NDArray[np.str_]) -> GroupPairs:
    """All pairs of the first pictures of each person, within groups; `group (n,)` of each face."""
    few = numbered(faces) < IMAGES
    return group_pairs(embed(net, faces.images[few]), faces.person[few], group[few])


def misses(pairs: GroupPairs, counts: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """FNMR `(k,)` of each group where its own impostor pairs have FMR, a point of each group's own
    curve, where person p was met `counts[p]` times; NaN of a group without pairs of either kind.

    At one threshold for all, a group whose people a recogniser hardly tells apart would have the
    fewest misses, for all its people look alike to it.
    """
    met = np.ones(len(pairs.group), np.int64) if counts is None else counts
    first, second = pairs.impostor_people.T
    times, of = met[first] * met[second], pairs.group[first]
    found = np.full(len(pairs.groups), np.nan)
    for g in range(len(found)):
        impostor = np.repeat(pairs.impostor[of == g], times[of == g])
        if len(impostor):
            found[g] = pairs.drawn(threshold_at_fmr(impostor, FMR), met)[1][g]
    return found
