"""Forgetting faces so that nothing of them is left in the gallery, and proof of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from fusiform.gallery import index, journal, recall
from fusiform.gallery.acts import Act, Forgotten
from fusiform.gallery.consent import lapsed
from fusiform.gallery.database import Connection
from fusiform.gallery.persons import number_of
from fusiform.gallery.places import erase_names
from fusiform.gallery.records import Erasure
from fusiform.gallery.store import Store
from fusiform.gallery.traces import pieces_of

_RICH = 13  # different bytes of 16; even parts of pictures repeat a few
_SHORTEST_NAME = 6  # bytes; a shorter text may stand in a file's numbers by chance


@dataclass(frozen=True)
class Condemned:
    """What is to be erased: `faces`, and `people` with all that was ever said of them; `acts` is
    what the journal says of it."""

    faces: list[int]
    people: list[int]
    acts: list[Act]


def forget(store: Store, ref: int | str, from_exports: bool = False) -> Erasure:
    """Erases a person: faces, landmarks, vectors, names, and all the journal says of them.

    The photos and files stay known, so that the next `index` does not bring the faces back; a
    photo keeps only the count of faces erased from it. A photo indexed for the first time later
    is new: nothing is kept by which its faces could be recognised. `proven` tells that afterwards
    no 16 bytes of a removed vector or crop, nor a name, were found in the gallery's files; it is
    False while another process is reading the gallery: SQLite keeps the past for it. Call `compact`
    when that process is done. `exports` are the archives and backups made of this
    gallery, still there, that hold the person; with `from_exports` they are rewritten first.
    Raises UnknownPerson, GalleryBusy while the gallery is being indexed; what rewriting raises,
    and then nothing is erased here.
    """
    return _forget(store, lambda: [number_of(store, ref)], from_exports)


def _forget(store: Store, choose: Callable[[], list[int]], from_exports: bool = False) -> Erasure:
    def condemned() -> Condemned:
        people = choose()
        each = [_faces_of(store, number) for number in people]
        faces = [face for part in each for face in part]
        return Condemned(faces, people, [Forgotten(len(part)) for part in each])

    return erase(store, condemned, from_exports=from_exports)


def forget_lapsed(store: Store, day: date | None = None) -> Erasure:
    """`forget`, of everybody who took consent back or whose consent has expired by `day`, by
    default today (UTC). Raises GalleryBusy."""
    return _forget(store, lambda: sorted(lapsed(store, day)))


def erase(
    store: Store,
    choose: Callable[[], Condemned],
    wait: float = 0.0,
    from_exports: bool = False,
) -> Erasure:
    """Erases what `choose` gives when nobody else can write any more; see `forget`.

    People without a name who have no face left then go, too, and the notes of their consent.
    Nothing happens where there is nothing to erase. Raises what `choose` does, and GalleryBusy if
    the gallery is still being indexed after `wait` seconds.
    """
    with store.lock_for_indexing(wait, alone=True):
        rewritten = recall.recall(store, _known(store, choose())) if from_exports else 0
        with store.write() as db:
            what = choose()
            if not what.acts:
                return nothing()
            who = _known(store, what)
            vectors, crops = _vectors(store, what.faces), _crops(store, what.faces)
            ids, plain, _ = store.vectors_of(what.faces)
            removed, gone = _erase(store, db, what)
            others = db.execute("SELECT vector FROM embeddings")
            vectors -= {row[0] for row in others if row[0] in vectors}
        if rewritten:
            removed["exports"] = rewritten
        index.erase(store, ids)
        if regions := erase_names(store, gone.names):
            removed["regions"] = regions
        compacted = compact(store)
    texts = [text for text in _spellings(gone) if not _still_used(store, text)]
    traces = store.db.traces(pieces_of(vectors) | pieces_of(crops, _RICH), texts) or index.traces(
        store, plain
    )
    left = recall.holding(store, who)
    return Erasure(tuple(what.people), removed, compacted and not traces, left)


def _known(store: Store, what: Condemned) -> recall.Gone:
    return recall.gone(store, what.people, what.faces)


def nothing() -> Erasure:
    """What is told where there was nothing to erase."""
    return Erasure((), {"faces": 0, "embeddings": 0, "names": 0}, proven=True)


def compact(store: Store) -> bool:
    """Gives back the space of what was erased, so that nothing of it is left there.

    Returns False if another process that has the gallery open prevents it.
    """
    return store.db.compact()


def _vectors(store: Store, faces: Iterable[int]) -> set[bytes]:
    sql = "SELECT vector FROM embeddings WHERE face_id IN"
    return {row[0] for row in store.read_in(sql, faces)}


def _crops(store: Store, faces: Iterable[int]) -> list[bytes]:
    """The second halves: JPEGs begin alike."""
    rows = store.read_in("SELECT crop FROM crops WHERE face_id IN", faces)
    return [row[0][len(row[0]) // 2 :] for row in rows]


def _faces_of(store: Store, number: int) -> list[int]:
    sql = "SELECT face_id FROM members WHERE person_id = ?"
    return [row[0] for row in store.read(sql, (number,))]


def _erase(store: Store, db: Connection, what: Condemned) -> tuple[dict[str, int], journal.Gone]:
    each = [(face,) for face in what.faces]
    rows = store.read_in("SELECT photo_id FROM faces WHERE id IN", what.faces)
    counts = [(n, photo) for photo, n in Counter(photo for (photo,) in rows).items()]
    db.executemany("UPDATE photos SET forgotten = forgotten + ? WHERE id = ?", counts)
    faceless = _left_without(store, what.faces) - set(what.people)
    sql = "DELETE FROM embeddings WHERE face_id = ?"
    vectors = db.executemany(sql, each).rowcount if each else 0
    sql = "DELETE FROM crops WHERE face_id = ?"
    crops = db.executemany(sql, each).rowcount if each else 0
    gone = journal.forget(db, what.people, what.faces, faceless)
    db.executemany("DELETE FROM faces WHERE id = ?", each)
    db.executemany("DELETE FROM people WHERE id = ?", [(n,) for n in (*what.people, *faceless)])
    for act in what.acts:
        journal.append(db, act)
    removed = {"faces": len(each), "embeddings": vectors, "names": len(gone.names)}
    extras = {"crops": crops, "notes": len(gone.notes)}
    return removed | {what: n for what, n in extras.items() if n}, gone


def _left_without(store: Store, faces: list[int]) -> set[int]:
    """People without a name who have no other faces than these."""
    owners = store.read_in("SELECT person_id FROM members WHERE face_id IN", faces)
    lost = Counter(number for (number,) in owners)
    sql = (
        "SELECT id, (SELECT count(*) FROM members WHERE person_id = people.id) FROM people "
        "WHERE name IS NULL AND id IN"
    )
    return {number for number, all_of in store.read_in(sql, lost) if all_of == lost[number]}


def _spellings(gone: journal.Gone) -> set[str]:
    """Names and notes as they stand in columns and, with quotes escaped, in the journal."""
    texts = gone.names | gone.notes
    return texts | {json.dumps(text, ensure_ascii=False)[1:-1] for text in texts}


def _still_used(store: Store, text: str) -> bool:
    """Whether the gallery rightly holds its letters: another person's name, a path, a card."""
    return len(text.encode()) < _SHORTEST_NAME or store.db.holds(text)
