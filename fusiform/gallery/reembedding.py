"""Another embedder: its vectors beside the old ones, who would change, and the change itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import GalleryError
from fusiform.gallery import index
from fusiform.gallery.grouping import MINIMUM_QUALITY
from fusiform.gallery.persons import propose, regroup, title_of
from fusiform.gallery.store import Store


@dataclass(frozen=True)
class Move:
    """`faces` of a person (None: of nobody) that another embedder would give to `now` (None: to a
    new person); `names` of both."""

    before: int | None
    now: int | None
    names: tuple[str | None, str | None]
    faces: int


@dataclass(frozen=True)
class Changes:
    """Grouping by another embedder beside the one that stands: `faces` in all, `stay` with the
    person they have, and every `moves`, most faces first."""

    faces: int
    stay: int
    moves: tuple[Move, ...]


def register(store: Store, name: str, model_hash: str, card_json: str) -> None:
    """Notes an embedder, so that vectors can be kept under its hash."""
    with store.write() as db:
        sql = "INSERT INTO models(hash, name, card) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        db.execute(sql, (model_hash, name, card_json))


def without(store: Store, model_hash: str) -> list[int]:
    """The faces that have no vector of that embedder yet, by number."""
    sql = (
        "SELECT id FROM faces WHERE NOT EXISTS "
        "(SELECT 1 FROM embeddings WHERE face_id = faces.id AND model_id = ?) ORDER BY id"
    )
    return [row[0] for row in store.read(sql, (store.model_id(model_hash),))]


def add_vectors(
    store: Store, model_hash: str, faces: Sequence[int], vectors: NDArray[np.float32]
) -> None:
    """Keeps unit `vectors (n, d)` of these faces under an embedder that is registered.

    Faces that were erased meanwhile are left out. One transaction.
    """
    model = store.model_id(model_hash)
    values = store.values.vectors(faces, model, vectors)
    rows = [(model, value, face) for face, value in zip(faces, values, strict=True)]
    sql = (
        "INSERT INTO embeddings(face_id, model_id, vector) SELECT id, CAST(? AS BIGINT), ? "
        "FROM faces WHERE id = ? ON CONFLICT DO NOTHING"
    )
    with store.write(shared=True) as db:
        db.executemany(sql, rows)


def compare(
    store: Store, model_hash: str, threshold: float, minimum_quality: float = MINIMUM_QUALITY
) -> Changes:
    """Who would be whose with the vectors of that embedder, grouped at its `threshold`.

    Nothing is changed. Decisions hold as in every grouping.
    """
    owner = dict(store.read("SELECT face_id, person_id FROM members"))
    proposed = propose(store, threshold, minimum_quality, embedder_hash=model_hash)
    moves: Counter[tuple[int | None, int | None]] = Counter()
    stay = 0
    for face, label in proposed.label_of.items():
        before, now = owner.get(face), proposed.person_of.get(label)
        if before is not None and before == now:
            stay += 1
        else:
            moves[before, now] += 1
    told = [
        Move(before, now, (_name(store, before), _name(store, now)), count)
        for (before, now), count in moves.items()
    ]
    told.sort(key=lambda move: (-move.faces, move.before or 0, move.now or 0))
    return Changes(len(proposed.label_of), stay, tuple(told))


def _name(store: Store, person: int | None) -> str | None:
    return None if person is None else title_of(store, person)


def switch(
    store: Store,
    model_hash: str,
    threshold: float,
    minimum_quality: float = MINIMUM_QUALITY,
    leave_out: bool = False,
) -> None:
    """From now on the gallery goes by that embedder, and all faces are grouped by it; names and
    decisions stay, and so do the old vectors. What was calibrated for the old one rests with it.

    Raises GalleryError while faces are left without its vectors, unless these are to be left out:
    they stay with their people and are found by no search.
    """
    with store.lock_for_indexing(alone=True):
        if (missing := len(without(store, model_hash))) and not leave_out:
            raise GalleryError(f"{store.name}: {missing} faces have no vectors of that model yet.")
        store.note("embedder", model_hash)
        index.discard(store)
        regroup(store, threshold, minimum_quality)


def drop_vectors(store: Store, model_hash: str) -> int:
    """Deletes the vectors of an embedder that the gallery does not go by; returns how many.

    Raises GalleryError for the one it goes by.
    """
    if store.noted("embedder") == model_hash:
        raise GalleryError(f"{store.name} goes by that model; switch to another first.")
    with store.write() as db:
        sql = "DELETE FROM embeddings WHERE model_id = ?"
        return db.execute(sql, (store.model_id(model_hash),)).rowcount
