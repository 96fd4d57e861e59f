"""New faces join people: only what lies near them is looked at and grouped again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.gallery.births import set_apart
from fusiform.gallery.cells import blocks
from fusiform.gallery.database import Connection
from fusiform.gallery.grouping import MINIMUM_QUALITY, group
from fusiform.gallery.index import OnServer, open_index
from fusiform.gallery.persons import known_people, new_person, pins_of, place, regroup
from fusiform.gallery.store import Store

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

FEW = 5_000  # faces; so few are all grouped anew, which does not depend on their order
NEIGHBOURS = 32  # faces nearest to a new one whose people are looked at
MANY = 200  # new faces; for more it is quicker to read a server's vectors than to ask it for each
LOOSE = 48  # faces; a person with no more is taken apart and put together with the new ones
SAMPLE = 256  # faces of a larger person that stand for all
_BLOCK = 64  # new faces that are compared with all at once


@dataclass(frozen=True)
class _Near:
    """People beside new faces: all faces of each, and which few stand for the larger ones."""

    members: dict[int, list[int]]

    def loose(self) -> list[int]:
        return [f for faces in self.members.values() if len(faces) <= LOOSE for f in faces]

    def firm(self) -> dict[int, list[int]]:
        large = {p: faces for p, faces in self.members.items() if len(faces) > LOOSE}
        return {p: faces[:: -(-len(faces) // SAMPLE)] for p, faces in large.items()}


def absorb(store: Store, threshold: float, minimum_quality: float = MINIMUM_QUALITY) -> None:
    """Groups the faces that belong to nobody yet, with the people near them.

    A gallery of up to FEW faces, or one that has grown by a third, is grouped anew as a whole. In
    a larger one the cost depends on the new faces and the people near them, not on its size. A
    small person near a new face may be taken apart, a larger one only joined; what was decided
    holds. `threshold` and `minimum_quality` as in `group`. One transaction.
    """
    last = store.read("SELECT coalesce(max(id), 0) FROM faces")[0][0]
    fresh = _fresh(store)
    if not fresh:
        return
    if last <= FEW or 4 * len(fresh) > last:
        regroup(store, threshold, minimum_quality)
        return
    store.db.tidy(store.model_id())
    with store.write() as db:
        near = _near(store, _fresh(store), threshold)
        _regroup_near(store, db, _fresh(store), near, threshold, minimum_quality)


def _fresh(store: Store) -> list[int]:
    sql = "SELECT face_id FROM ungrouped JOIN faces ON id = face_id WHERE no_face = 0 ORDER BY 1"
    return [row[0] for row in store.read(sql)]


def _near(store: Store, fresh: list[int], threshold: float) -> _Near:
    """Whoever has a face among the nearest of a new one that is like enough: the mean of two
    groups is at least `threshold` only where some pair of their faces is."""
    found: set[int] = set()
    for ids, similarity in _nearest(store, store.vectors_of(fresh)[1]):
        found.update(ids[similarity >= threshold].tolist())
    sql = "SELECT DISTINCT person_id FROM members WHERE face_id IN"
    people = {row[0] for row in store.read_in(sql, found)}
    members: dict[int, list[int]] = {person: [] for person in sorted(people)}
    # a face that came without a vector stays where it is
    sql = (
        "SELECT person_id, face_id FROM members JOIN embeddings USING (face_id) "
        f"WHERE model_id = {store.model_id()} AND person_id IN"
    )
    for person, face in sorted(store.read_in(sql, people)):
        members[person].append(face)
    return _Near(members)


def _nearest(store: Store, fresh: Floats) -> Iterator[tuple[Ints, Floats]]:
    """(faces, similarities) of the nearest of each new one."""
    index = open_index(store)
    if not isinstance(index, OnServer) or len(fresh) <= MANY:
        yield from (index.search(vector, NEIGHBOURS, thorough=False) for vector in fresh)
        return
    ids, vectors, _ = store.vectors()
    k = min(NEIGHBOURS, len(ids))
    for part in blocks(len(fresh), _BLOCK):
        close = fresh[part] @ vectors.T
        best = np.argpartition(close, -k, axis=1)[:, -k:]
        yield from zip(ids[best], np.take_along_axis(close, best, axis=1), strict=True)


def _regroup_near(
    store: Store,
    db: Connection,
    fresh: list[int],
    near: _Near,
    threshold: float,
    minimum_quality: float,
) -> None:
    before = {face: person for person, faces in near.members.items() for face in faces}
    firm = near.firm()
    standing = {face: person for person, faces in firm.items() for face in faces}
    ids, vectors, quality = store.vectors_of([*fresh, *near.loose(), *standing])
    faces = ids.tolist()
    pins = pins_of(store)
    held = set(pins.values())
    # a person somebody decided on may have several looks, which the mean of all would blur
    own = {face: person for face, person in standing.items() if person in held}
    whole = {face: person for face, person in standing.items() if person not in held}
    labels = group(
        vectors,
        threshold,
        quality=quality,
        pins=_column(faces, pins | own),
        photos=_column(faces, _photos(store, faces)),
        start=_column(faces, whole),
        minimum_quality=minimum_quality,
    )
    label_of = dict(zip(faces, labels.tolist(), strict=True))
    person_of = known_people(label_of, pins | own, before)
    label_of = set_apart(store, label_of, person_of, pins | standing, vectors, threshold)
    for label in sorted(set(label_of.values()) - set(person_of)):
        person_of[label] = new_person(db)
    for person, few in firm.items():
        now = person_of[label_of[few[0]]]
        db.execute("UPDATE members SET person_id = ? WHERE person_id = ?", (now, person))
    moved = {face: person_of[label] for face, label in label_of.items() if face not in standing}
    place(db, {face: now for face, now in moved.items() if before.get(face) != now})
    _clear(db, near.members)


def _photos(store: Store, faces: list[int]) -> dict[int, int]:
    return dict(store.read_in("SELECT id, photo_id FROM faces WHERE id IN", faces))


def _column(faces: list[int], values: Mapping[int, int]) -> Ints:
    return np.array([values.get(face, -1) for face in faces], np.int64)


def _clear(db: Connection, people: Iterable[int]) -> None:
    sql = (
        "DELETE FROM people WHERE id = ? AND name IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM members WHERE person_id = people.id)"
    )
    db.executemany(sql, [(person,) for person in people])
