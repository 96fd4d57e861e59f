"""The questions whose answers help most, and the reasons behind an assignment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.gallery.cells import blocks
from fusiform.gallery.journal import parted
from fusiform.gallery.persons import number_of, pins_of, title_of
from fusiform.gallery.records import FaceRow
from fusiform.gallery.store import Store

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

NEAR = 0.5  # of 1 - limit: how far below the limit a question is worth asking
STEEP = 0.1  # of 1 - limit: how fast the chance falls below the limit
SHOWN = 5  # faces that explain an assignment
_CELLS = 1 << 23


@dataclass(frozen=True)
class Question:
    """Are `person` and `other` one? `similarity`: mean cosine over all pairs of their faces;
    `gain`: faces that a yes would bring to the larger; `names` of both, None without one."""

    person: int
    other: int
    names: tuple[str | None, str | None]
    similarity: float
    gain: int


@dataclass(frozen=True)
class Reason:
    """Why a face is whose it is, beside one `person`.

    `similarity`: mean cosine with that person's other faces, None if it has none; `nearest`: the
    most similar of these with their cosines, best first; `decided`: a user said so; `denied`: a
    user said that it is not (split, not-same); `rival`: the person with the highest mean among all
    others, and that mean; `owner`: whose the face is.
    """

    face: FaceRow
    owner: int | None
    person: int
    decided: bool
    denied: bool
    similarity: float | None
    nearest: tuple[tuple[FaceRow, float], ...]
    rival: tuple[int, float] | None


@dataclass(frozen=True)
class _Groups:
    """`people (p,)` and the mean vector of each (p, d), with how many faces (p,)."""

    people: Ints
    means: Floats
    sizes: Ints


def questions(store: Store, limit: float, count: int = 20) -> list[Question]:
    """Pairs of people who may be one, those first whose answer is likely to join the most faces.

    `limit`: mean similarity from which grouping joins by itself. Pairs of two people that somebody
    already decided on are not asked. Raises ChoiceError for a count below 1.
    """
    if count < 1:
        raise ChoiceError("count", "at least 1", count)
    groups = _groups(store)
    decided = set(pins_of(store).values())
    known = np.array([one in decided for one in groups.people.tolist()], bool)
    first, second, sims = _close(groups, limit - NEAR * (1 - limit))
    open_ = ~(known[first] & known[second])
    first, second, sims = first[open_], second[open_], sims[open_]
    gain = np.minimum(groups.sizes[first], groups.sizes[second])
    chance = 1 / (1 + np.exp((limit - sims) / (STEEP * (1 - limit))))
    order = np.lexsort((second, first, -(gain * chance)))[:count]
    return [_question(store, groups, int(first[i]), int(second[i]), float(sims[i])) for i in order]


def _question(store: Store, groups: _Groups, a: int, b: int, similarity: float) -> Question:
    larger, smaller = (a, b) if groups.sizes[a] >= groups.sizes[b] else (b, a)
    one, other = int(groups.people[larger]), int(groups.people[smaller])
    names = (title_of(store, one), title_of(store, other))
    return Question(one, other, names, similarity, int(groups.sizes[smaller]))


def _groups(store: Store) -> _Groups:
    """Everybody who is shown."""
    sql = (
        "SELECT face_id, person_id FROM members JOIN people ON people.id = person_id "
        "WHERE hidden = 0"
    )
    owner = dict(store.read(sql))
    ids, vectors, _ = store.vectors()
    held = np.array([face in owner for face in ids.tolist()], bool)
    who = np.array([owner[face] for face in ids[held].tolist()], np.int64)
    people, which = np.unique(who, return_inverse=True)
    sums = np.zeros((len(people), vectors.shape[1]), np.float32)
    np.add.at(sums, which, vectors[held])
    sizes = np.bincount(which, minlength=len(people))
    return _Groups(people, np.asarray(sums / np.maximum(sizes, 1)[:, None], np.float32), sizes)


def _close(groups: _Groups, at_least: float) -> tuple[Ints, Ints, Floats]:
    """Pairs first < second of rows whose mean similarity is at least that."""
    found: list[tuple[Ints, Ints, Floats]] = [
        (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    ]
    for part in blocks(len(groups.people), max(1, _CELLS // max(1, len(groups.people)))):
        sims = groups.means[part] @ groups.means.T
        first, second = np.nonzero(sims >= at_least)
        later = first + part.start < second
        found.append((first[later] + part.start, second[later], sims[first[later], second[later]]))
    first, second, sims = (np.concatenate(column) for column in zip(*found, strict=True))
    return first, second, sims


def why(store: Store, face: int, ref: int | str) -> Reason:
    """The links and the pictures behind an assignment: `face` (number) and a person.

    Raises UnknownPerson, and ChoiceError for a number that is no face.
    """
    person = number_of(store, ref)
    rows = store.face_rows([face])
    ids, vectors, _ = store.vectors_of([face])
    if not rows or not len(ids):
        raise ChoiceError("face", "the number of a face in this gallery (see `show`)", face)
    sql = "SELECT face_id FROM members WHERE person_id = ? AND face_id != ?"
    others, theirs, _ = store.vectors_of([row[0] for row in store.read(sql, (person, face))])
    sims = theirs @ vectors[0] if len(others) else np.zeros(0, np.float32)
    best = np.argsort(-sims, kind="stable")[:SHOWN]
    near = dict(zip(others[best].tolist(), sims[best].tolist(), strict=True))
    owner = store.read("SELECT person_id FROM members WHERE face_id = ?", (face,))
    pins = pins_of(store)
    own = [f for f, who in pins.items() if who == person]
    return Reason(
        rows[0],
        owner[0][0] if owner else None,
        person,
        pins.get(face) == person,
        pins.get(face) != person and parted(store, [face], own),
        float(sims.mean()) if len(sims) else None,
        tuple((row, near[row.id]) for row in store.face_rows(list(near))),
        _rival(store, vectors[0], person),
    )


def _rival(store: Store, vector: Floats, person: int) -> tuple[int, float] | None:
    groups = _groups(store)
    others = groups.people != person
    if not others.any():
        return None
    sims = np.where(others, groups.means @ vector, -np.inf)
    best = int(sims.argmax())
    return int(groups.people[best]), float(sims[best])
