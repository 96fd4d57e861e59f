"""People: what grouping found, under numbers that stay, with the names and cuts the user made."""

from __future__ import annotations

import difflib
import re
import sqlite3
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from fusiform.core.errors import ChoiceError, UnknownPerson
from fusiform.gallery.grouping import MINIMUM_QUALITY, group
from fusiform.gallery.journal import Act, Merged, Named, Split, acts, append, replay
from fusiform.gallery.records import FaceRow, Person
from fusiform.gallery.store import FACE_COLUMNS, HAS_FILE, Store, face_row, now

# Grouping


def regroup(store: Store, threshold: float, minimum_quality: float = MINIMUM_QUALITY) -> None:
    """Groups all faces of the gallery's embedder anew; names, merges and splits stay.

    A group keeps the number of the person it is pinned to, else of the person with whom it shares
    the most faces, else it is a new person. Unnamed people left without faces vanish.
    `threshold` and `minimum_quality` as in `group`. One transaction, so nothing the user decides
    meanwhile is lost. Raises GalleryBusy, GalleryUnwritable.
    """
    with store.write() as db:
        ids, vectors, quality = store.vectors()
        pins = replay(acts(store)).pins
        labels = group(
            vectors,
            threshold,
            quality=quality,
            pins=np.array([pins.get(face, -1) for face in ids.tolist()], dtype=np.int64),
            photos=_photos_of(store, ids.tolist()),
            minimum_quality=minimum_quality,
        )
        label_of = dict(zip(ids.tolist(), labels.tolist(), strict=True))
        before = dict(store.read("SELECT face_id, person_id FROM members"))
        person_of = _known_people(label_of, pins, before)
        for label in sorted(set(label_of.values()) - set(person_of)):
            person_of[label] = _new_person(db)
        _place(db, {face: person_of[label] for face, label in label_of.items()})
        db.execute(
            "DELETE FROM people WHERE name IS NULL AND id NOT IN (SELECT person_id FROM members)"
        )


def _photos_of(store: Store, ids: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    photo = dict(store.read("SELECT id, photo_id FROM faces"))
    return np.array([photo[face] for face in ids], dtype=np.int64)


def _known_people(
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


def _new_person(db: sqlite3.Connection) -> int:
    number = db.execute("INSERT INTO people(created_at) VALUES (?)", (now(),)).lastrowid
    assert number is not None
    return number


def _place(db: sqlite3.Connection, person_of: Mapping[int, int]) -> None:
    db.executemany("INSERT OR REPLACE INTO members VALUES (?, ?)", person_of.items())


# Asking


def people(store: Store) -> list[Person]:
    """Everybody, most faces first. A photo edited in place counts in its newest form only.

    Unnamed people of whom no photo is left are not shown.
    """
    faces = _faces_of_people(store, f"WHERE {HAS_FILE}", ())
    rows = store.read("SELECT id, name FROM people")
    found = [Person(number, name, faces.get(number, ())) for number, name in rows]
    shown = [person for person in found if person.name is not None or person.faces]
    return sorted(shown, key=lambda p: (-len(p.faces), p.id))


def person(store: Store, ref: int | str) -> Person:
    """The person with this number, or with this name in any case.

    Raises UnknownPerson, listing the names most like it.
    """
    number = _number(store, ref)
    name = store.read("SELECT name FROM people WHERE id = ?", (number,))[0][0]
    faces = _faces_of_people(store, f"WHERE {HAS_FILE} AND person_id = ?", (number,))
    return Person(number, name, faces.get(number, ()))


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


def _number(store: Store, ref: int | str) -> int:
    text = _tidy(str(ref))
    names = dict(store.read("SELECT id, name FROM people"))
    if text.isdecimal() and int(text) in names:
        return int(text)
    folded = {name.casefold(): number for number, name in names.items() if name}
    if text.casefold() in folded:
        return int(folded[text.casefold()])
    near = difflib.get_close_matches(text.casefold(), folded, n=3, cutoff=0.5)
    hint = " or ".join(repr(names[folded[key]]) for key in near)
    raise UnknownPerson(
        f"no person {text!r} in {store.path}; "
        + (f"did you mean {hint}?" if hint else "`fusiform people` lists all.")
    )


def _tidy(name: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", name)).strip()


# Deciding


def name(store: Store, ref: int | str, new: str) -> Person:
    """Calls a person `new`; all faces it has now are its own from now on.

    Raises UnknownPerson; ChoiceError for an empty name, a bare number or another person's name.
    """
    new = _tidy(new)
    if not new or new.isdecimal():
        raise ChoiceError("name", "text that is not a number", new)
    with store.write() as db:
        number = _number(store, ref)
        for other, taken in store.read("SELECT id, name FROM people WHERE name IS NOT NULL"):
            if other != number and taken.casefold() == new.casefold():
                free = f"a name nobody has (person {other} has it; `merge {other} {number}`?)"
                raise ChoiceError("name", free, new)
        _decide(store, db, Named(number, new, _members(store, number)))
    return person(store, number)


def merge(store: Store, kept: int | str, gone: int | str) -> Person:
    """Two people are one, for ever: `kept` keeps its number, and its name or else that of `gone`.

    Raises UnknownPerson; ChoiceError if both are the same.
    """
    with store.write() as db:
        one, other = _number(store, kept), _number(store, gone)
        if one == other:
            raise ChoiceError("merge", "two different people", f"{kept} and {gone}")
        faces = _members(store, one) + _members(store, other)
        _decide(store, db, Merged(one, other, faces))
        db.execute("DELETE FROM people WHERE id = ?", (other,))
    return person(store, one)


def split(store: Store, ref: int | str, faces: Iterable[int]) -> Person:
    """Takes `faces` (numbers) out of a person, for ever; returns the new person they are.

    Raises UnknownPerson; ChoiceError unless some of the person's faces are taken and some stay.
    """
    taken = tuple(sorted(set(faces)))
    with store.write() as db:
        number = _number(store, ref)
        members = _members(store, number)
        left = tuple(face for face in members if face not in set(taken))
        if not taken or not left or len(left) + len(taken) != len(members):
            raise ChoiceError("faces", f"some, not all, of the faces of person {number}", taken)
        other = _new_person(db)
        _decide(store, db, Split(number, other, left, taken))
    return person(store, other)


def _members(store: Store, number: int) -> tuple[int, ...]:
    sql = "SELECT face_id FROM members WHERE person_id = ? ORDER BY face_id"
    return tuple(row[0] for row in store.read(sql, (number,)))


def _decide(store: Store, db: sqlite3.Connection, act: Act) -> None:
    """Writes the act down and makes the tables follow it."""
    append(db, act)
    names = dict(store.read("SELECT id, name FROM people WHERE name IS NOT NULL"))
    changed = [(new, number) for number, new in act.names(names).items()]
    db.executemany("UPDATE people SET name = ? WHERE id = ?", changed)
    _place(db, act.pins())
