"""Forgetting a person so that nothing of them is left in the file, and proof of it."""

from __future__ import annotations

from fusiform.gallery import index, journal, recall
from fusiform.gallery.acts import Forgotten
from fusiform.gallery.database import Connection
from fusiform.gallery.exchange import erase_names
from fusiform.gallery.persons import person as find_person
from fusiform.gallery.records import Erasure
from fusiform.gallery.store import Store
from fusiform.gallery.traces import pieces_of

_SHORTEST_NAME = 6  # bytes; a shorter text may stand in a file's numbers by chance


def forget(store: Store, ref: int | str, from_exports: bool = False) -> Erasure:
    """Erases a person: faces, landmarks, vectors, names, and all the journal says of them.

    The photos and files stay known, so that the next `index` does not bring the faces back; a
    photo keeps only the count of faces erased from it. A photo indexed for the first time later
    is new: nothing is kept by which its faces could be recognised. `proven` tells that afterwards
    no 16 bytes of a removed vector, nor a name, were found in the gallery's files; it is False
    while another process is reading the gallery: SQLite keeps the past for it. Call
    `compact` when that process is done. `exports` are the archives and backups made of this
    gallery, still there, that hold the person; with `from_exports` they are rewritten first.
    Raises UnknownPerson, GalleryBusy while the gallery is being indexed; what rewriting raises,
    and then nothing is erased here.
    """
    with store.lock_for_indexing(alone=True):
        rewritten = recall.recall(store, _gone(store, ref)) if from_exports else 0
        with store.write() as db:
            number, who = find_person(store, ref).id, _gone(store, ref)
            vectors = _vectors(store, number)
            ids, plain, _ = store.vectors_of(_faces(store, number))
            removed, names = _erase(store, db, number)
            others = db.execute("SELECT vector FROM embeddings")
            vectors -= {row[0] for row in others if row[0] in vectors}
        if rewritten:
            removed["exports"] = rewritten
        index.erase(store, ids)
        if regions := erase_names(store, names):
            removed["regions"] = regions
        compacted = compact(store)
    texts = [name for name in names if not _still_used(store, name)]
    traces = store.db.traces(pieces_of(vectors), texts) or index.traces(store, plain)
    left = recall.holding(store, who)
    return Erasure(number, removed, compacted and not traces, left)


def compact(store: Store) -> bool:
    """Gives back the space of what was erased, so that nothing of it is left there.

    Returns False if another process that has the gallery open prevents it.
    """
    return store.db.compact()


def _gone(store: Store, ref: int | str) -> recall.Gone:
    number = find_person(store, ref).id
    return recall.gone(store, number, _faces(store, number))


def _vectors(store: Store, number: int) -> set[bytes]:
    sql = "SELECT vector FROM embeddings JOIN members USING (face_id) WHERE person_id = ?"
    return {row[0] for row in store.read(sql, (number,))}


def _faces(store: Store, number: int) -> list[int]:
    sql = "SELECT face_id FROM members WHERE person_id = ?"
    return [row[0] for row in store.read(sql, (number,))]


def _erase(store: Store, db: Connection, number: int) -> tuple[dict[str, int], set[str]]:
    faces = _faces(store, number)
    own = "(SELECT face_id FROM members WHERE person_id = ?)"
    db.execute(
        "UPDATE photos SET forgotten = forgotten + n FROM (SELECT photo_id, count(*) AS n "
        f"FROM faces WHERE id IN {own} GROUP BY photo_id) AS gone WHERE photos.id = photo_id",
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
    return len(name.encode()) < _SHORTEST_NAME or store.db.holds(name)
