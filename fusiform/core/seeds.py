"""Random streams that depend on a seed and a name, and on nothing else."""

from __future__ import annotations

import hashlib

import numpy as np

from fusiform.core.errors import ChoiceError


def rng(seed: int, *names: str | int) -> np.random.Generator:
    """An independent random stream for `seed` (>= 0) and `names`, the same everywhere.

    `rng(0, "hair", 7)` neither depends on nor disturbs any other stream, so drawing more for one
    thing never changes another. Names are hashed (SHA-256) into the spawn key of a
    `SeedSequence`; the bit generator is fixed to PCG64. Text and numbers differ: "7" is not 7.

    Raises ChoiceError for a negative seed.
    """
    if seed < 0:
        raise ChoiceError("seed", "at least 0", seed)
    # ascii(), unlike repr(), does not depend on which letters this Python calls printable
    plain = tuple(name if isinstance(name, str) else int(name) for name in names)
    digest = hashlib.sha256(ascii(plain).encode()).digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]
    sequence = np.random.SeedSequence(int(seed), spawn_key=words)
    return np.random.Generator(np.random.PCG64(sequence))
