"""The best recogniser that is quick enough: errors under a limit on time.

FRUITS, "face recognition under inference time constraint" (Zhu et al., "WebFace260M",
CVPR 2021): all that stands between a picture and its embedding (detection, alignment, the network
with whatever it does at test time) is timed on one machine; who keeps within 100, 500 or 1000
milliseconds a picture is ranked by FNMR at a fixed FMR.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from fusiform.core.errors import ChoiceError

T = TypeVar("T")
LIMITS = (0.1, 0.5, 1.0)  # seconds a picture, those of the paper


@dataclass(frozen=True)
class Entry:
    """A system: `seconds` a picture, and its `error` in [0, 1], such as FNMR at an FMR of 1e-5.

    Raises ChoiceError for seconds that are not above 0 or an error outside [0, 1].
    """

    name: str
    seconds: float
    error: float

    def __post_init__(self) -> None:
        if not 0 < self.seconds < float("inf"):
            raise ChoiceError("seconds", "above 0", self.seconds)
        if not 0 <= self.error <= 1:
            raise ChoiceError("error", "in [0, 1]", self.error)


def seconds_each(
    run: Callable[[T], object],
    pictures: Sequence[T],
    rounds: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds that `run` takes for one picture: the median over `rounds` of the mean over
    `pictures`, one after the other, after one picture that warms up and is not counted.

    Raises ChoiceError for no pictures or no rounds.
    """
    if not pictures or rounds < 1:
        raise ChoiceError("pictures and rounds", "at least one", (len(pictures), rounds))
    run(pictures[0])
    taken = []
    for _ in range(rounds):
        start = clock()
        for picture in pictures:
            run(picture)
        taken.append((clock() - start) / len(pictures))
    return float(median(taken))


def ranked_within(entries: Iterable[Entry], limit: float) -> list[Entry]:
    """Those of at most `limit` seconds a picture, the fewest errors first, of equals the quicker.

    Raises ChoiceError for a limit that is not above 0.
    """
    if not limit > 0:
        raise ChoiceError("limit", "seconds above 0", limit)
    kept = [entry for entry in entries if entry.seconds <= limit]
    return sorted(kept, key=lambda entry: (entry.error, entry.seconds, entry.name))
