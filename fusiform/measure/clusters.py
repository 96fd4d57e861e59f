"""How well groups of faces agree with the people they show.

Labels may be anything numpy can sort. A face that was left ungrouped needs a label of its own:
a shared "nobody" label would count as one big group.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError

Counts = NDArray[np.int64]


class Agreement(NamedTuple):
    """F (harmonic mean of the other two), precision and recall, each in [0, 1]."""

    f: float
    precision: float
    recall: float


def pairwise_f1(truth: ArrayLike, labels: ArrayLike) -> Agreement:
    """Agreement over pairs of faces: a pair is positive when both are in one group.

    Where no pair was grouped nothing wrong was said: precision 1; where no pair should be,
    recall 1. `truth (n,)`, `labels (n,)`; O(n) memory. Raises ChoiceError for unequal lengths.
    """
    both, per_person, per_group = (_pairs_within(c) for c in _contingency(truth, labels)[:3])
    return _agreement(
        both / per_group if per_group else 1.0, both / per_person if per_person else 1
    )


def bcubed(truth: ArrayLike, labels: ArrayLike) -> Agreement:
    """B-cubed: for each face, the share of its group that is its person (precision) and the
    share of its person that is in its group (recall), averaged over faces.

    Bagga and Baldwin, COLING-ACL 1998, equal weights; both 1 for no faces. `truth (n,)`,
    `labels (n,)`; O(n) memory. Raises ChoiceError for unequal lengths.
    """
    both, per_person, per_group, person, group = _contingency(truth, labels)
    n = both.sum()
    if not n:
        return Agreement(1.0, 1.0, 1.0)
    squared = both.astype(np.float64) ** 2
    precision = float((squared / per_group[group]).sum() / n)
    return _agreement(precision, float((squared / per_person[person]).sum() / n))


def _contingency(truth: ArrayLike, labels: ArrayLike) -> tuple[Counts, ...]:
    """Sizes of the non-empty cells, of people and of groups; each cell's person and group."""
    people, groups = np.asarray(truth), np.asarray(labels)
    if people.ndim != 1 or people.shape != groups.shape:
        raise ChoiceError("labels", f"of the shape of truth, {people.shape}", groups.shape)
    _, person, per_person = np.unique(people, return_inverse=True, return_counts=True)
    _, group, per_group = np.unique(groups, return_inverse=True, return_counts=True)
    cells, both = np.unique(person * len(per_group) + group, return_counts=True)
    width = max(len(per_group), 1)
    return both, per_person, per_group, cells // width, cells % width


def _pairs_within(counts: Counts) -> int:
    return int((counts * (counts - 1) // 2).sum())


def _agreement(precision: float, recall: float) -> Agreement:
    total = precision + recall
    return Agreement(2 * precision * recall / total if total else 0.0, precision, recall)
