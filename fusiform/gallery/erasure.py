"""Forgetting a person so that nothing of them is left in the file, and proof of it."""

from __future__ import annotations

import mmap
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusiform.gallery import index, journal
from fusiform.gallery.acts import Forgotten
from fusiform.gallery.exchange import erase_names
from fusiform.gallery.persons import person as find_person
from fusiform.gallery.records import Erasure
from fusiform.gallery.store import Store

_SHORTEST_NAME = 6  # bytes; a shorter text may stand in a file's numbers by chance
_PIECE = 16  # bytes of a vector that count as a trace of it


def forget(store: Store, ref: int | str) -> Erasure:
    """Erases a person: faces, landmarks, vectors, names, and all the journal says of them.

    The photos and files stay known, so that the next `index` does not bring the faces back; a
    photo keeps only the count of faces erased from it. A photo indexed for the first time later
    is new: nothing is kept by which its faces could be recognised. `proven` tells that afterwards
    no 16 bytes of a removed vector, nor a name, were found in the gallery's files; it is False
    while another process is reading the gallery: SQLite keeps the past for it. Call
    `compact` when that process is done.
    Raises UnknownPerson, GalleryBusy while the gallery is being indexed.
    """
    with store.lock_for_indexing():
        with store.write() as db:
            number = find_person(store, ref).id
            vectors = _vectors(store, number)
            ids, plain, _ = store.vectors_of(_faces(store, number))
            removed, names = _erase(store, db, number)
            others = db.execute("SELECT vector FROM embeddings")
            vectors -= {row[0] for row in others if row[0] in vectors}
        index.erase(store, ids)
        if regions := erase_names(store, names):
            removed["regions"] = regions
        compacted = compact(store)
    texts = [name for name in names if not _still_used(store, name)]
    traces = _traces(store.path, vectors, texts) or _found_in(
        index.path_of(store), _pieces(row.tobytes() for row in plain), []
    )
    return Erasure(number, removed, compacted and not traces)


def compact(store: Store) -> bool:
    """Rewrites the file without its free space and empties the log of past changes.

    Returns False if another process that has the gallery open prevents it.
    """
    with store.alone() as db:
        try:
            db.execute("PRAGMA temp_store = MEMORY")  # no copy in a temporary file
            db.execute("VACUUM")
            busy: int = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            return False
    return busy == 0


def _vectors(store: Store, number: int) -> set[bytes]:
    sql = "SELECT vector FROM embeddings JOIN members USING (face_id) WHERE person_id = ?"
    return {row[0] for row in store.read(sql, (number,))}


def _faces(store: Store, number: int) -> list[int]:
    sql = "SELECT face_id FROM members WHERE person_id = ?"
    return [row[0] for row in store.read(sql, (number,))]


def _erase(store: Store, db: sqlite3.Connection, number: int) -> tuple[dict[str, int], set[str]]:
    faces = _faces(store, number)
    own = "(SELECT face_id FROM members WHERE person_id = ?)"
    db.execute(
        "UPDATE photos SET forgotten = forgotten + n FROM (SELECT photo_id, count(*) AS n "
        f"FROM faces WHERE id IN {own} GROUP BY photo_id) WHERE photos.id = photo_id",
        (number,),
    )
    vectors = db.execute(f"DELETE FROM embeddings WHERE face_id IN {own}", (number,)).rowcount
    names = journal.forget(db, number, faces)
    db.executemany("DELETE FROM faces WHERE id = ?", [(face,) for face in faces])
    db.execute("DELETE FROM people WHERE id = ?", (number,))
    journal.append(db, Forgotten(len(faces)))
    return {"faces": len(faces), "embeddings": vectors, "names": len(names)}, names


def _still_used(store: Store, name: str) -> bool:
    """Whether the file rightly holds the name's letters: another person's, a path, a card."""
    if len(name.encode()) < _SHORTEST_NAME:
        return True
    tables = [row[0] for row in store.read("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return any(
        store.read(f'SELECT 1 FROM "{table}" WHERE instr("{column[1]}", ?) LIMIT 1', (name,))
        for table in tables
        for column in store.read(f'PRAGMA table_info("{table}")')
        if column[2] in ("TEXT", "")
    )


def _traces(path: Path, vectors: Iterable[bytes], texts: Iterable[str]) -> bool:
    files = [path, Path(f"{path}-wal"), Path(f"{path}-shm")]
    pieces = _pieces(vectors)
    return any(_found_in(file, pieces, list(texts)) for file in files)


def _pieces(vectors: Iterable[bytes]) -> set[bytes]:
    cut = {v[i : i + _PIECE] for v in vectors for i in range(0, len(v) - _PIECE + 1, _PIECE)}
    return {piece for piece in cut if any(piece)}


def _found_in(file: Path, pieces: set[bytes], texts: list[str]) -> bool:
    if not file.exists() or not file.stat().st_size:
        return False
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if any(data.find(text.encode()) >= 0 for text in texts):
            return True
        return _any_piece(data, pieces)


def _any_piece(data: mmap.mmap, pieces: set[bytes]) -> bool:
    """Whether one of `pieces` stands anywhere in `data`; looks at every byte once, in blocks."""
    if not pieces:
        return False
    starts = np.unique([np.frombuffer(piece[:8], "<u8")[0] for piece in pieces])
    block = 1 << 22
    for begin in range(0, len(data), block):
        part = data[begin : begin + block + _PIECE]
        for shift in range(8):
            words = np.frombuffer(part, "<u8", count=(len(part) - shift) // 8, offset=shift)
            hits = np.flatnonzero(_is_in(words, starts)) * 8 + shift
            if any(part[hit : hit + _PIECE] in pieces for hit in hits.tolist()):
                return True
    return False


def _is_in(words: NDArray[np.uint64], sorted_set: NDArray[np.uint64]) -> NDArray[np.bool_]:
    at = np.minimum(np.searchsorted(sorted_set, words), len(sorted_set) - 1)
    return np.equal(sorted_set[at], words)
