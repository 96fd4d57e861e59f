"""Genuine and impostor pairs of faces that were named by hand, weighted so that people count alike.

A genuine pair weighs 1 / (genuine pairs of its person), but at most 1/3: whoever has only two
faces speaks with a third of a voice. An impostor pair weighs 1 / (pairs between its two people).
Pairs within one photo, and pairs above a similarity of 0.999 (bursts, copies), prove nothing and
are left out.

At most 50 faces a person are paired as genuine. At most 2,500 faces are paired as impostors: the
first face of everybody, then the second of everybody, and so on, in a drawn order. More of them
would add little, since it is people that vary. Both draws depend on the seed, not on the order of
the faces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

COPY = 0.999  # a higher similarity means one picture twice
FULL_VOICE = 3  # genuine pairs: three pictures
_GENUINE_FACES = 50  # a person
_IMPOSTOR_FACES = 2500  # in all: 3.1 million pairs
_ROWS = 256


class Counts(NamedTuple):
    """What was compared, and what was left out of it.

    `genuine_people` have three genuine pairs or more; `people_pairs` are the pairs of people with
    impostor pairs. `same_photo` pairs were left out, and so were pairs above a similarity of
    0.999: `copies` of one person, `two_names` of two, of whom one name must be wrong.
    """

    people: int
    faces: int
    genuine_people: int
    people_pairs: int
    genuine_pairs: int
    impostor_pairs: int
    same_photo: int
    copies: int
    two_names: int


@dataclass(frozen=True)
class WeightedPairs:
    """`similarity (k,)` in descending order, `weight (k,)`, and the people 0.. of each pair,
    `first (k,)` <= `second (k,)`, equal if it is genuine.
    """

    similarity: Vectors
    weight: Floats
    first: Ints
    second: Ints

    def __len__(self) -> int:
        return len(self.weight)

    def __getitem__(self, kept: Flags | slice) -> WeightedPairs:
        return WeightedPairs(
            self.similarity[kept], self.weight[kept], self.first[kept], self.second[kept]
        )

    def matching(self, threshold: float) -> WeightedPairs:
        """The pairs of a similarity of at least `threshold`."""
        end = np.searchsorted(-self.similarity, -np.float32(threshold), side="right")
        return self[: int(end)]

    def within(self, people: Flags) -> WeightedPairs:
        """The pairs both of whose people are among `people (p,)`."""
        return self[people[self.first] & people[self.second]]

    def drawn(self, draws: Ints) -> Floats:
        """Weights of impostor pairs where person p was drawn `draws[p]` times, `(k,)`."""
        return self.weight * draws[self.first] * draws[self.second]


@dataclass(frozen=True)
class NamedPairs:
    """`labels (p,)` are the caller's numbers of the people 0 to p - 1 in the pairs."""

    genuine: WeightedPairs
    impostor: WeightedPairs
    labels: Ints
    counts: Counts


def named_pairs(
    vectors: ArrayLike, person: ArrayLike, photo: ArrayLike | None = None, seed: int = 0
) -> NamedPairs:
    """The pairs of `vectors (n, d)` of unit length under `person (n,)`, both whole numbers as
    `photo (n,)`; without it every face is in a photo of its own.

    Neither the order of the faces nor the numbering of people and photos changes the pairs,
    unless two vectors are equal. Raises ChoiceError for arguments that do not fit.
    """
    faces, who, where, labels = _in_order(*_checked(vectors, person, photo))
    turn = _turns(who, rng(seed, "named pairs"))
    same = _same_person(faces, who, np.flatnonzero(turn < _GENUINE_FACES))
    other = _strangers(faces, who, np.sort(np.argsort(turn, kind="stable")[:_IMPOSTOR_FACES]))
    genuine, in_genuine, copies = _weighted(*same, who, where, FULL_VOICE)
    impostor, in_impostor, two_names = _weighted(*other, who, where, 1)
    counts = Counts(
        people=len(labels),
        faces=len(faces),
        genuine_people=int((np.bincount(genuine.first) >= FULL_VOICE).sum()),
        people_pairs=round(impostor.weight.sum()),
        genuine_pairs=len(genuine),
        impostor_pairs=len(impostor),
        same_photo=in_genuine + in_impostor,
        copies=copies,
        two_names=two_names,
    )
    return NamedPairs(genuine, impostor, labels, counts)


def weighted_threshold(similarity: Vectors, weight: Floats, fmr: float, total: float) -> float:
    """The smallest threshold at which pairs of a weight of at most fmr * total match.

    `similarity (k,)` of the most similar pairs in descending order, `weight (k,)`; `total` is
    the weight of all pairs, also of less similar ones. -inf where all of the k may match.
    """
    allowed = fmr * total * (1 + 1e-9)  # sums round; 29 of 100 are within 0.29
    refused = int(np.searchsorted(np.cumsum(weight), allowed, side="right"))
    if refused == len(weight):
        return -np.inf
    return float(np.nextafter(similarity[refused], np.inf, dtype=similarity.dtype))


def weighted_quantiles(values: ArrayLike, weights: ArrayLike, size: int) -> Floats:
    """The weighted quantiles at (j + 1/2) / size, ascending, `(size,)`, of `values (n,)`.

    A quantile is the smallest value up to which that share of the weight lies. They stand for
    the weighted values where equal weights are wanted: with equal weights and `size` n they are
    the sorted values.
    """
    numbers = np.asarray(values, np.float64)
    order = np.argsort(numbers, kind="stable")
    reached = np.cumsum(np.asarray(weights, np.float64)[order])
    wanted = (np.arange(size) + 0.5) / size * reached[-1]
    return np.asarray(numbers[order][np.searchsorted(reached, wanted)], np.float64)


def drawn_threshold(impostor: WeightedPairs, draws: Ints, fmr: float, total: float) -> float:
    """`weighted_threshold` where person p was drawn `draws[p]` times, `total` from `drawn_total`.

    NaN where all pairs may match.
    """
    most = int(4 * fmr * len(impostor)) + 64  # is usually enough; if not, more are looked at
    while True:
        top = impostor[:most]
        found = weighted_threshold(top.similarity, top.drawn(draws), fmr, total)
        if found > -np.inf or most >= len(impostor):
            return found if found > -np.inf else np.nan
        most *= 2


def drawn_total(impostor: WeightedPairs) -> Callable[[Ints], float]:
    """A function to the weight of all impostor pairs where person p was drawn `draws[p]` times.

    Two people weigh 1 together: it is all pairs of people less those without a comparison, which
    is far quicker than a sum over comparisons. NaN if nothing is left.
    """
    both = np.stack([impostor.first, impostor.second])
    people, place = np.unique(both, return_inverse=True)
    lacking = np.triu(np.ones((len(people), len(people)), np.bool_), k=1)
    lacking[*place.reshape(2, -1)] = False
    a, b = np.nonzero(lacking)

    def total(draws: Ints) -> float:
        c = draws[people]
        return float((c.sum() ** 2 - (c**2).sum()) / 2 - c[a] @ c[b]) or np.nan

    return total


def _checked(
    vectors: ArrayLike, person: ArrayLike, photo: ArrayLike | None
) -> tuple[Vectors, Ints, Ints]:
    faces, who = np.ascontiguousarray(vectors, np.float32), np.asarray(person)
    where = np.arange(len(faces)) if photo is None else np.asarray(photo)
    if faces.ndim != 2 or not np.allclose(np.linalg.norm(faces, axis=1), 1, atol=1e-3):
        raise ChoiceError("vectors", "rows of unit length", faces)
    for name, numbers in (("person", who), ("photo", where)):
        if numbers.shape != faces.shape[:1] or not np.issubdtype(numbers.dtype, np.integer):
            raise ChoiceError(name, f"one whole number for each of {len(faces)} faces", numbers)
    return faces, who, where


def _in_order(faces: Vectors, who: Ints, where: Ints) -> tuple[Vectors, Ints, Ints, Ints]:
    """Faces sorted by their bytes, people numbered as they come, and the people's labels."""
    order = sorted(range(len(faces)), key=lambda i: (faces[i].tobytes(), who[i], where[i]))
    labels, first, person = np.unique(who[order], return_index=True, return_inverse=True)
    by_coming = np.argsort(first)
    return faces[order], np.argsort(by_coming)[person], where[order], labels[by_coming]


def _turns(who: Ints, random: np.random.Generator) -> Floats:
    """When each face is taken: everybody's first in 0..1, everybody's second in 1..2, and so on."""
    order = random.permutation(len(who))
    order = order[np.argsort(who[order], kind="stable")]
    count = np.bincount(who)
    turn = random.random(len(who))
    turn[order] += np.arange(len(who)) - np.repeat(np.cumsum(count) - count, count)
    return turn


def _same_person(faces: Vectors, who: Ints, kept: Ints) -> tuple[Ints, Ints, Vectors]:
    """Both faces and the similarity of every pair of one person among `kept`."""
    order = kept[np.argsort(who[kept], kind="stable")]
    found = []
    for rows in np.split(order, np.flatnonzero(np.diff(who[order])) + 1):
        i, j = np.triu_indices(len(rows), k=1)
        found.append((rows[i], rows[j], (faces[rows] @ faces[rows].T)[i, j]))
    return _joined(found)


def _strangers(faces: Vectors, who: Ints, kept: Ints) -> tuple[Ints, Ints, Vectors]:
    """Both faces and the similarity of every pair of two people among `kept`, in blocks."""
    found = []
    for start in range(0, max(len(kept), 1), _ROWS):
        rows = kept[start : start + _ROWS]
        wanted = (who[rows, None] != who[kept]) & (rows[:, None] < kept)
        i, j = np.nonzero(wanted)
        found.append((rows[i], kept[j], (faces[rows] @ faces[kept].T)[wanted]))
    return _joined(found)


def _joined(found: list[tuple[Ints, Ints, Vectors]]) -> tuple[Ints, Ints, Vectors]:
    a, b, similarity = zip(*found, strict=True)
    return np.concatenate(a), np.concatenate(b), np.concatenate(similarity)


def _weighted(
    a: Ints, b: Ints, similarity: Vectors, who: Ints, where: Ints, fewest: int
) -> tuple[WeightedPairs, int, int]:
    """The pairs that count, how many were of one photo, and how many more were copies.

    A pair weighs 1 / (pairs of the same two people), counted as `fewest` where there are fewer.
    """
    apart = where[a] != where[b]
    kept = np.flatnonzero(apart & (similarity <= COPY))
    kept = kept[np.argsort(-similarity[kept], kind="stable")]
    first, second = np.minimum(who[a], who[b])[kept], np.maximum(who[a], who[b])[kept]
    both = first * (who.max(initial=0) + 1) + second
    _, unit, count = np.unique(both, return_inverse=True, return_counts=True)
    weight = 1 / np.maximum(count, fewest)[unit]
    pairs = WeightedPairs(similarity[kept], weight, first, second)
    return pairs, int((~apart).sum()), int(apart.sum()) - len(kept)
