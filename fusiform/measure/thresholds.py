"""Thresholds at stated false match rates, with intervals over people, of labelled embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from fusiform.measure.bootstrap import Interval, interval
from fusiform.measure.verification import Numbers, Pairs, Scores, labelled_pairs

LEAST, SHARE = 200_000, 10
"""So many impostor scores are looked at in a draw, or a tenth of them: the highest decide."""


@dataclass(frozen=True)
class Strangers:
    """The highest impostor scores, descending: `scores (k,)`, of `people (k, 2)`; `faces (p,)` each
    person has."""

    scores: Scores
    people: Numbers
    faces: Numbers

    def threshold(self, counts: Numbers, fmr: float) -> float:
        """As `verification.threshold_at_fmr` of all impostor scores as if person p had been met
        `counts[p]` times; NaN where no two people are left, or it lies below the scores here."""
        faces = (counts * self.faces).astype(np.float64)
        total = int((faces.sum() ** 2 - (faces**2).sum()) / 2)
        if not total:
            return float("nan")
        allowed = allowed_of(total, fmr)
        if allowed == total:
            return -np.inf
        weight = np.cumsum(counts[self.people[:, 0]] * counts[self.people[:, 1]])
        refused = int(np.searchsorted(weight, allowed, side="right"))
        if refused == len(weight):
            return float("nan")
        return float(np.nextafter(self.scores[refused], np.inf, dtype=self.scores.dtype))


def strangers(pairs: Pairs, faces: Numbers) -> Strangers:
    """Of the pairs of people who have `faces (people,)` each."""
    kept = min(len(pairs.impostor), max(LEAST, len(pairs.impostor) // SHARE))
    order = np.argsort(-pairs.impostor, kind="stable")[:kept]
    return Strangers(pairs.impostor[order], pairs.impostor_people[order], faces)


def allowed_of(total: int, fmr: float) -> int:
    """How many of `total` impostors may match at a rate of at most `fmr`."""
    allowed = int(fmr * total)
    while allowed < total and (allowed + 1) / total <= fmr:
        allowed += 1
    while allowed / total > fmr:
        allowed -= 1
    return allowed


def threshold_intervals(
    embeddings: ArrayLike,
    labels: ArrayLike,
    fmrs: Sequence[float],
    seed: int,
    rounds: int = 1000,
    level: float = 0.95,
) -> dict[float, Interval]:
    """The similarity at each of `fmrs`, as `threshold_at_fmr` gives it for all pairs of
    `embeddings (n, d)` of different `labels (n,)`, with its interval over people drawn again (see
    `bootstrap.interval`): the same numbers as `verification_interval`, some times faster.

    Raises ChoiceError as those do.
    """
    pairs = labelled_pairs(embeddings, labels)
    faces = np.unique(np.asarray(labels), return_counts=True)[1]
    known = strangers(pairs, faces)
    return {
        fmr: interval(partial(known.threshold, fmr=fmr), pairs.people, seed, rounds, level)
        for fmr in fmrs
    }
