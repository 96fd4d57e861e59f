"""Labelling faces with few questions: the sure ones by the classifier, the doubtful by a person.

Active self-paced learning (Lin, Wang, Meng, Zuo and Zhang, IEEE TPAMI 2018): each round a
one-versus-rest classifier is fitted to what is labelled and, with less weight, to its own labels
of the faces it is surest of; more of them count as rounds go by. The faces it is least sure of are
asked about. Own labels are made anew each round, so that none is final but a person's.

Faces are unit vectors `(n, d)`; labels `(n,)` int64 are classes from 0 on, UNKNOWN before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError

Vectors = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]
Weights = NDArray[np.float64]
Annotator = Callable[[Labels], Labels]
Picker = Callable[[Weights, Labels, int], Labels]

UNKNOWN = -1
RIDGE = 0.1  # of the sum of squares of a vector, per class


@dataclass(frozen=True)
class Pace:
    """`first`: share of the unlabelled faces that count in the first round, rising by `step` a
    round to `last`. All 0 is active learning alone."""

    first: float = 0.2
    step: float = 0.1
    last: float = 0.9

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last <= 1 or self.step < 0:
            raise ChoiceError("pace", "0 <= first <= last <= 1 and step >= 0", self)

    def at(self, turn: int) -> float:
        """The share in round `turn`, from 0 on."""
        return min(self.last, self.first + self.step * turn)


class Round(NamedTuple):
    """`weights (d + 1, k)` of the classifiers, `known (n,)` labels of the annotator so far, `own
    (n,)` labels of the classifiers with how much each counts, `pace (n,)` in [0, 1]."""

    weights: Weights
    known: Labels
    own: Labels
    pace: Weights


def self_paced(
    faces: Vectors,
    known: Labels,
    classes: int,
    annotator: Annotator,
    questions: int,
    pace: Pace | None = None,
    pick: Picker | None = None,
) -> Iterator[Round]:
    """Rounds without end: fit, label the sure faces, fit again, then ask about `questions` of the
    most doubtful ones (`annotator(rows)` gives their labels) until none is left to ask.

    No questions are self-paced learning alone. `pick(scores (n, k), known, count)` chooses rows to
    ask about in place of `doubtful`. Raises ChoiceError where a class has no labelled face to begin
    with.
    """
    if set(known[known >= 0]) != set(range(classes)) or questions < 0:
        raise ChoiceError("known", f"a label of each of {classes} classes", np.unique(known))
    how, known, turn = pace or Pace(), known.copy(), 0
    while True:
        weights = fitted(faces, known, (known >= 0).astype(float), classes)
        own, sure = paced(scored(weights, faces), known, how.at(turn))
        if sure.any():
            labels, counts = np.where(known >= 0, known, own), np.where(known >= 0, 1.0, sure)
            weights = fitted(faces, labels, counts, classes)
        yield Round(weights, known.copy(), own, sure)
        rows = (pick or doubtful)(scored(weights, faces), known, questions)
        known[rows] = annotator(rows)
        turn += 1


def fitted(faces: Vectors, labels: Labels, counts: Weights, classes: int) -> Weights:
    """One-versus-rest ridge regression to 1 and -1, `(d + 1, k)`; `counts (n,)` weigh the faces,
    and in each class its own weigh as much together as all others."""
    used = counts > 0
    x, mine, weight = np.hstack([faces[used], np.ones((used.sum(), 1))]), labels[used], counts[used]
    # All faces' sums once, and each class's own: what the others sum to is the difference.
    every, total, share = (x.T * weight) @ x, weight @ x, weight.sum()
    ridge = RIDGE * np.eye(x.shape[1])
    ridge[-1, -1] = 1e-9  # the offset is free
    found = []
    for one in range(classes):
        own, w = x[mine == one], weight[mine == one]
        near, far = max(w.sum(), 1e-12), max(share - w.sum(), 1e-12)
        square, side = (own.T * w) @ own, w @ own
        gram = square / near + (every - square) / far + ridge
        found.append(np.linalg.solve(gram, side / near - (total - side) / far))
    return np.stack(found, axis=1)


def scored(weights: Weights, faces: Vectors) -> Weights:
    """What each classifier says of each face, `(n, k)`: 1 for its own class, -1 for others."""
    return np.asarray(faces @ weights[:-1] + weights[-1])


def paced(scores: Weights, known: Labels, share: float) -> tuple[Labels, Weights]:
    """Own labels `(n,)` of the unlabelled faces and how much they count, `(n,)` in [0, 1].

    The loss of a label is that of the two classifiers that matter, the highest and the second:
    hinge(1 - highest) + hinge(1 + second). The `share` of faces with the least loss counts
    1 - loss / limit, the linear soft weighting of self-paced learning, the limit being the first
    loss that is not among them.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    rows = np.arange(len(scores))
    loss = np.maximum(0, 1 - scores[rows, order[:, 0]]) + np.maximum(
        0, 1 + scores[rows, order[:, 1]]
    )
    open_rows = np.flatnonzero(known < 0)
    own, weight = np.full(len(scores), UNKNOWN, np.int64), np.zeros(len(scores))
    count = round(share * len(open_rows))
    if not count:
        return own, weight
    ranked = open_rows[np.argsort(loss[open_rows], kind="stable")]
    limit = loss[ranked[min(count, len(ranked) - 1)]]
    chosen = ranked[:count]
    own[chosen] = order[chosen, 0]
    weight[chosen] = 1 - loss[chosen] / limit if limit > 0 else 1.0
    return own, weight


def doubtful(scores: Weights, known: Labels, count: int) -> Labels:
    """Rows of the `count` unlabelled faces whose two highest scores lie nearest to each other, or
    of all there are, the most doubtful first."""
    best = np.sort(scores, axis=1)
    margin = best[:, -1] - best[:, -2]
    open_rows = np.flatnonzero(known < 0)
    return np.asarray(open_rows[np.argsort(margin[open_rows], kind="stable")][:count])
