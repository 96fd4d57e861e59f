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
from fusiform.lab.world.traits import ANCESTRIES
from fusiform.measure.fairness import GroupPairs, group_pairs
from fusiform.measure.verification import threshold_at_fmr

SIDE = 32  # pixels
MOST = "european"  # of whom nine tenths of the training people are
COUNTS = {"tiny": (1, 1), "small": (117, 6), "full": (1800, 100)}  # people of MOST, of each other
BUDGETS = {"tiny": Budget(6, 32), "small": Budget(200), "full": Budget(20_000, 512)}
FMR = 1e-2  # of impostor pairs within groups, which sets the one threshold
IMAGES = 8  # a person, in all that is judged


class Skewed(NamedTuple):
    """The recogniser, and people whom it never saw."""

    net: nn.Module
    others: Crowd


@lru_cache(maxsize=2)
def skewed(seed: int, size: str) -> Skewed:
    """A recogniser trained on people of the pool, nine of ten of one ancestry."""
    everybody = at(size, SIDE)
    first = np.unique(everybody.person, return_index=True)[1]
    ancestry = everybody.facts["ancestry"][first]
    order = rng(seed, "skewed").permutation(len(first))
    most, least = COUNTS[size]
    chosen = np.concatenate(
        [order[ancestry[order] == one][: most if one == MOST else least] for one in ANCESTRIES]
    )
    net = trained(everybody.of(chosen), seed, size, budget=BUDGETS[size])
    return Skewed(net, everybody.of(np.setdiff1d(order, chosen)))


def judged_groups(net: nn.Module, faces: Crowd, group: NDArray[np.str_]) -> GroupPairs:
    """All pairs of the first pictures of each person, within groups; `group (n,)` of each face."""
    few = numbered(faces) < IMAGES
    return group_pairs(embed(net, faces.images[few]), faces.person[few], group[few])


def misses(pairs: GroupPairs, counts: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """FNMR `(k,)` of each group at the threshold of FMR over the impostor pairs of all, where
    person p was met `counts[p]` times."""
    met = np.ones(len(pairs.group), np.int64) if counts is None else counts
    first, second = pairs.impostor_people.T
    impostor = np.repeat(pairs.impostor, met[first] * met[second])
    return np.asarray(pairs.drawn(threshold_at_fmr(impostor, FMR), met)[1])
