"""Which faces make batch k: pure functions of a seed and k, so that a run resumes to the bit.

`shuffled` goes through all rows in a new order each epoch; `balanced` takes P people with K faces
each, as losses over pairs and triplets want them (Hermans et al., "In defense of the triplet
loss", 2017, section 2).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.train.parallel import Part

Rows = NDArray[np.int64]
Sampler = Callable[[int], Rows]


def shuffled(n: int, batch: int, seed: int, part: Part = (0, 1)) -> Sampler:
    """Rows `(batch,)` of step k; the end of one epoch and the start of the next share a batch.

    `part` (rank, of): of `of` processes that train together each gets every `of`-th batch.
    Raises ChoiceError for no rows, an empty batch or an impossible part.
    """
    if n < 1 or batch < 1 or not 0 <= part[0] < part[1]:
        raise ChoiceError("n, batch, part", "at least 1, rank below of", (n, batch, part))

    @lru_cache(maxsize=2)
    def order(epoch: int) -> Rows:
        return rng(seed, "epoch", epoch).permutation(n)

    def rows(step: int) -> Rows:
        first = (step * part[1] + part[0]) * batch
        places = np.arange(first, first + batch)
        epochs = np.unique(places // n)
        return np.concatenate([order(int(e))[places[places // n == e] % n] for e in epochs])

    return rows


def balanced(person: Rows, people: int, faces: int, seed: int, part: Part = (0, 1)) -> Sampler:
    """Rows `(people * faces,)` of step k: `faces` of each of `people` people drawn at random.

    Who has fewer faces gives some of them twice. `part` (rank, of): of `of` processes that train
    together each gets so many people of its own. Raises ChoiceError if there are not so many.
    """
    known, first, count = np.unique(np.sort(person), return_index=True, return_counts=True)
    by_person = np.argsort(person, kind="stable")
    rank, of = part
    if not 1 <= people * of <= len(known) or faces < 1:
        raise ChoiceError("people and faces", f"1 to {len(known)} people", (people * of, faces))

    def rows(step: int) -> Rows:
        random = rng(seed, "balanced", step)
        chosen = random.choice(len(known), people * of, replace=False)
        own = [by_person[first[p] : first[p] + count[p]] for p in chosen]
        drawn = [random.choice(m, faces, replace=len(m) < faces) for m in own]
        return np.concatenate(drawn[rank * people : (rank + 1) * people])

    return rows
