"""Encrypting a gallery's templates and crops, decrypting them, and changing the key's lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fusiform.core.errors import GalleryError
from fusiform.gallery import index
from fusiform.gallery.cipher import Seal, Secret, lock, new_key, relock
from fusiform.gallery.database import Connection
from fusiform.gallery.store import LOCK, Store
from fusiform.gallery.traces import pieces_of
from fusiform.gallery.values import Values

_PART = 2_000  # values rewritten together
_SAMPLE = 500  # vectors whose bytes are searched for afterwards


@dataclass(frozen=True)
class Sealing:
    """How many `vectors` and `crops` were written anew, and whether a search of the files' bytes
    found none of a sample of the old ones."""

    vectors: int
    crops: int
    proven: bool


def seal(store: Store, secret: Secret) -> Sealing:
    """Encrypts all templates and crops, and from now on all that come, under a new random key that
    only `secret` gives. Names, boxes, landmarks and paths stay readable.

    Raises GalleryError if it is sealed already or `cryptography` is missing, GalleryBusy.
    """
    if store.values.seal:
        raise GalleryError(f"{store.name} is sealed already; `fusiform seal` changes its key.")
    key = new_key()
    return _rewrite(store, Seal(key, store.name), json.dumps(lock(key, secret)))


def unseal(store: Store) -> Sealing:
    """Decrypts all. Raises GalleryError if it is not sealed, GalleryDamaged, GalleryBusy."""
    if not store.values.seal:
        raise GalleryError(f"{store.name} is not sealed.")
    return _rewrite(store, None, "")


def change(store: Store, old: Secret, new: Secret) -> None:
    """From now on `new` opens the gallery, and `old` does no more; nothing is written anew.

    Whoever has a copy of the file as it was, and `old`, can still read that copy.
    Raises WrongKey, GalleryError if it is not sealed.
    """
    record = store.noted(LOCK)
    if not record:
        raise GalleryError(f"{store.name} is not sealed.")
    again = json.dumps(relock(json.loads(record), old, new, store.name))
    store.note(LOCK, again)
    store.go_by(store.values, again)
    store.db.compact()  # the old lock leaves the file


def _rewrite(store: Store, own: Seal | None, record: str) -> Sealing:
    before, after = store.values, Values(store.db, own)
    with store.lock_for_indexing(alone=True):
        first = "SELECT vector FROM embeddings ORDER BY face_id LIMIT ?"
        sample = [row[0] for row in store.read(first, (_SAMPLE,))]
        with store.write() as db:
            crops = _crops(db, before, after)
            vectors = _vectors(store, db, before, after)
            db.execute("DELETE FROM meta WHERE key = ?", (LOCK,))
            if record:
                db.execute("INSERT INTO meta VALUES (?, ?)", (LOCK, record))
        store.go_by(after, record)
        index.discard(store)
        compacted = store.db.compact()
    return Sealing(vectors, crops, compacted and not store.db.traces(pieces_of(sample), []))


def _crops(db: Connection, before: Values, after: Values) -> int:
    count = 0
    for rows in _parts(db, "SELECT face_id, crop FROM crops WHERE face_id > ? ORDER BY 1 LIMIT ?"):
        faces = [row[0] for row in rows]
        kept = after.crops(faces, before.pictures(faces, [row[1] for row in rows]))
        pairs = list(zip(kept, faces, strict=True))
        db.executemany("UPDATE crops SET crop = ? WHERE face_id = ?", pairs)
        count += len(rows)
    return count


def _vectors(store: Store, db: Connection, before: Values, after: Values) -> int:
    """All vectors wait in a table of their own, as on a server their column changes its type."""
    db.execute("CREATE TABLE resealed(face_id BIGINT, model_id BIGINT, value BYTEA)")
    count = 0
    for (model,) in db.execute("SELECT id FROM models").fetchall():
        sql = (
            f"SELECT face_id, vector FROM embeddings WHERE model_id = {int(model)} "
            "AND face_id > ? ORDER BY 1 LIMIT ?"
        )
        for rows in _parts(db, sql):
            faces, values = [row[0] for row in rows], [row[1] for row in rows]
            told = after.closed(before.opened(values, faces, model), faces, model)
            waiting = [(face, model, value) for face, value in zip(faces, told, strict=True)]
            db.executemany("INSERT INTO resealed VALUES (?, ?, ?)", waiting)
            count += len(rows)
    db.execute("DELETE FROM embeddings")
    store.db.make_room(db, after.seal is not None)
    for (model,) in db.execute("SELECT id FROM models").fetchall():
        sql = (
            f"SELECT face_id, value FROM resealed WHERE model_id = {int(model)} "
            "AND face_id > ? ORDER BY 1 LIMIT ?"
        )
        for rows in _parts(db, sql):
            new = [(face, model, store.db.vector(value)) for face, value in rows]
            db.executemany("INSERT INTO embeddings VALUES (?, ?, ?)", new)
    db.execute("DROP TABLE resealed")
    return count


def _parts(db: Connection, sql: str) -> Iterator[list[Any]]:
    """The rows of `sql`, which begin with a rising number, some thousand at a time."""
    last = 0
    while rows := db.execute(sql, (last, _PART)).fetchall():
        yield rows
        last = rows[-1][0]
