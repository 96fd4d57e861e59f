"""Wrong labels on purpose, as web collections have them, with the truth kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng


def mislabelled(person: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """`person (n,)` with `share` of the rows (0..1) given to another person, each alike likely.

    Raises ChoiceError for a share out of range, or with fewer than two people to confuse.
    """
    people = int(person.max(initial=-1)) + 1
    if not 0 <= share <= 1 or people < 2:
        raise ChoiceError("share and people", "0 to 1, at least 2 people", (share, people))
    random = rng(seed, "mislabelled")
    wrong = random.choice(len(person), round(share * len(person)), replace=False)
    found = person.copy()
    found[wrong] = (person[wrong] + random.integers(1, people, len(wrong))) % people
    return found
