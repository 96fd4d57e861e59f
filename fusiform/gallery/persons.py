"""People: what grouping found, under numbers that stay, with the names and cuts the user made."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from fusiform.core.errors import UnknownPerson
from fusiform.gallery.births import set_apart
from fusiform.gallery.consent import lapsed
from fusiform.gallery.database import Connection, now
from fusiform.gallery.grouping import MINIMUM_QUALITY, group
from fusiform.gallery.journal import consents
from fusiform.gallery.paths import shown_path
from fusiform.gallery.records import FaceRow, Person
from fusiform.gallery.store import FACE_COLUMNS, HAS_FILE, Store, face_row

# Grouping


def regroup(
    store: Store,
    threshold: float,
    minimum_quality: float = MINIMUM_QUALITY,
    reset: bool = False,
) -> None:
    """Groups all faces of the gallery's embedder anew; names, merges and splits stay.

    A group keeps the number of the person it is pinned to, else of the person with whom it shares
    the most faces, else it is a new person. Unnamed people left without faces vanish. `reset`:
    what grouping found before is thrown away, numbers with it; what was decided stays.
    `threshold` and `minimum_quality` as in `group`. One transaction, so nothing the user decides
    meanwhile is lost. Raises GalleryBusy, GalleryUnwritable.
    """
    with store.write() as db:
        proposed = propose(store, threshold, minimum_quality, reset)
        label_of, person_of, before = proposed.label_of, proposed.person_of, proposed.before
        for label in sorted(set(label_of.values()) - set(person_of)):
            person_of[label] = new_person(db)
        owner = {face: person_of[label] for face, label in label_of.items()}
        place(db, {face: who for face, who in owner.items() if before.get(face) != who})
        db.execute(
            "DELETE FROM people WHERE name IS NULL AND id NOT IN (SELECT person_id FROM members)"
        )


@dataclass(frozen=True)
class Proposal:
    """A grouping that is not written down: `label_of` face -> group, `person_of` group -> person,
    for the groups that are somebody already; `before` face -> person as it stands."""

    label_of: dict[int, int]
    person_of: dict[int, int]
    before: dict[int, int]


def propose(
    store: Store,
    threshold: float,
    minimum_quality: float = MINIMUM_QUALITY,
    reset: bool = False,
    embedder_hash: str | None = None,
) -> Proposal:
    """What `regroup` would write, by the vectors of any embedder (default: the gallery's own)."""
    ids, vectors, quality = store.vectors(embedder_hash)
    pins = pins_of(store)
    labels = group(
        vectors,
        threshold,
        quality=quality,
        pins=np.array([pins.get(face, -1) for face in ids.tolist()], dtype=np.int64),
        photos=_photos_of(store, ids.tolist()),
        minimum_quality=minimum_quality,
    )
    label_of = dict(zip(ids.tolist(), labels.tolist(), strict=True))
    before = {} if reset else dict(store.read("SELECT face_id, person_id FROM members"))
    person_of = known_people(label_of, pins, before)
    apart = set_apart(store, label_of, person_of, pins, vectors, threshold)
    return Proposal(apart, person_of, before)


def _photos_of(store: Store, ids: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    photo = dict(store.read("SELECT id, photo_id FROM faces"))
    return np.array([photo[face] for face in ids], dtype=np.int64)


def known_people(
    label_of: Mapping[int, int], pins: Mapping[int, int], before: Mapping[int, int]
) -> dict[int, int]:
    """label -> person, for the groups that are people already: by pin, else by most in common."""
    found = {label: pins[face] for face, label in label_of.items() if face in pins}
    used = set(found.values())
    common = Counter((label, before[face]) for face, label in label_of.items() if face in before)
    # most in common first, then the older person
    ranked = sorted(common, key=lambda pair: (-common[pair], pair[1], pair[0]))
    for label, person in ranked:
        if label not in found and person not in used:
            found[label] = person
            used.add(person)
    return found


def new_person(db: Connection) -> int:
    """A person without name and faces, inside the caller's transaction; its number."""
    sql = "INSERT INTO people(created_at) VALUES (?) RETURNING id"
    return int(db.execute(sql, (now(),)).fetchone()[0])


def place(db: Connection, person_of: Mapping[int, int]) -> None:
    """Makes faces (the keys) members of people, inside the caller's transaction."""
    sql = (
        "INSERT INTO members VALUES (?, ?) "
        "ON CONFLICT(face_id) DO UPDATE SET person_id = excluded.person_id"
    )
    db.executemany(sql, list(person_of.items()))


def pin(db: Connection, person_of: Mapping[int, int]) -> None:
    """Writes down whose faces (the keys) are because the user said so, inside the caller's
    transaction."""
    sql = (
        "INSERT INTO pins SELECT id, ? FROM faces WHERE id = ? "
        "ON CONFLICT(face_id) DO UPDATE SET person_id = excluded.person_id"
    )
    db.executemany(sql, [(person, face) for face, person in person_of.items()])


def pins_of(store: Store) -> dict[int, int]:
    """face -> person, of all that the user decided and that stands."""
    return dict(store.read("SELECT face_id, person_id FROM pins"))


# Asking


def people(store: Store, hidden: bool = False) -> list[Person]:
    """Everybody, most faces first. A photo edited in place counts in its newest form only.

    Unnamed people of whom no photo is left are not shown, nor are hidden ones unless `hidden`.
    """
    faces = _faces_of_people(store, f"WHERE {HAS_FILE}", ())
    rows = store.read("SELECT id, name FROM people WHERE hidden <= ?", (int(hidden),))
    noted = consents(store)
    found = [
        Person(number, name, faces.get(number, ()), noted.get(number)) for number, name in rows
    ]
    shown = [person for person in found if person.name is not None or person.faces]
    return sorted(shown, key=lambda p: (-len(p.faces), p.id))


def person(store: Store, ref: int | str, allowed: frozenset[int] | None = None) -> Person:
    """The person with this number, or with this name in any case; `allowed` as in `number_of`.

    Raises UnknownPerson, listing the names most like it.
    """
    number = number_of(store, ref, allowed)
    name = store.read("SELECT name FROM people WHERE id = ?", (number,))[0][0]
    faces = _faces_of_people(store, f"WHERE {HAS_FILE} AND person_id = ?", (number,))
    return Person(number, name, faces.get(number, ()), consents(store).get(number))


def _faces_of_people(
    store: Store, where: str, values: tuple[int, ...]
) -> dict[int, tuple[FaceRow, ...]]:
    rows = store.read(
        f"SELECT person_id, {FACE_COLUMNS} FROM members JOIN faces ON faces.id = face_id "
        f"{where} ORDER BY faces.id",
        values,
    )
    faces = defaultdict(list)
    for row in rows:
        faces[row[0]].append(face_row(row[1:]))
    return {number: tuple(found) for number, found in faces.items()}


def faces_of(store: Store, photo: int) -> list[int]:
    """The numbers of all faces of photo number `photo`."""
    sql = "SELECT id FROM faces WHERE photo_id = ? AND no_face = 0 ORDER BY id"
    return [row[0] for row in store.read(sql, (photo,))]


def paths_of(store: Store, photos: Iterable[int]) -> dict[int, str]:
    """photo -> the first path in order that it lies under, of those that have a file."""
    rows = store.read_in("SELECT photo_id, path FROM files WHERE photo_id IN", photos)
    return {photo: shown_path(path) for photo, path in sorted(rows, reverse=True)}


def owner_of(store: Store, face: int) -> Person | None:
    """Whose a face is, None if nobody's."""
    rows = store.read("SELECT person_id FROM members WHERE face_id = ?", (face,))
    return person(store, rows[0][0]) if rows else None


def number_of(store: Store, ref: int | str, allowed: frozenset[int] | None = None) -> int:
    """The number of a person given by number or name.

    Raises UnknownPerson, listing the names most like it: never of people who took their consent
    back or whose consent has expired, and where there are `allowed`, of these people alone.
    """
    text = tidy(str(ref))
    names = dict(store.read("SELECT id, name FROM people"))
    if text.isdecimal() and int(text) in names:
        return int(text)
    folded = {name.casefold(): number for number, name in names.items() if name}
    if text.casefold() in folded:
        return int(folded[text.casefold()])
    told = (set(names) if allowed is None else allowed) - lapsed(store)
    known = [key for key, number in folded.items() if number in told]
    near = difflib.get_close_matches(text.casefold(), known, n=3, cutoff=0.5)
    hint = " or ".join(repr(names[folded[key]]) for key in near)
    raise UnknownPerson(
        f"no person {text!r} in {store.name}; "
        + (f"did you mean {hint}?" if hint else "`fusiform people` lists all.")
    )


def title_of(store: Store, number: int) -> str | None:
    """The name of a person, None without one."""
    rows = store.read("SELECT name FROM people WHERE id = ?", (number,))
    return rows[0][0] if rows else None


def tidy(name: str) -> str:
    """A name as it is kept: composed (NFC), single spaces."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", name)).strip()
