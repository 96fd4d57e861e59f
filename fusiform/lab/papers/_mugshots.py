"""Good pictures to compare with, and a recogniser that knows neither those people nor probes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fusiform.core.seeds import rng
from fusiform.lab.papers._people import at, numbered
from fusiform.lab.papers._recogniser import Budget, trained
from fusiform.lab.train.augment import Augment
from fusiform.lab.world.crowd import Crowd


def frontal(faces: Crowd) -> NDArray[np.int64]:
    """The row of each person's most frontal face, in the order of their numbers."""
    away = np.hypot(faces.facts["yaw"], faces.facts["pitch"])
    order = np.lexsort((away, faces.person))
    return np.asarray(order[numbered(faces[order]) == 0], np.int64)


def stranger_to(
    first: int, seed: int, size: str, side: int, how: Augment, budget: Budget | None = None
) -> nn.Module:
    """A net trained on 300 of the pool's people that are not among its first `first`."""
    everybody = at(size, side)
    others = np.arange(first, everybody.people)
    chosen = rng(seed, "people").permutation(others)[:300]
    return trained(everybody.of(chosen), seed, size, augment=how, budget=budget)
