"""What the user decides about people, written down, done, and undone again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from fusiform.core.crop import Crop
from fusiform.core.errors import ChoiceError, GalleryError
from fusiform.core.faces import Faces
from fusiform.gallery.acts import (
    Act,
    Apart,
    Born,
    Consented,
    Drawn,
    Erased,
    Forgotten,
    Hidden,
    Merged,
    Named,
    NoFaces,
    Split,
    Undone,
)
from fusiform.gallery.births import before_birth, first_day
from fusiform.gallery.database import Connection
from fusiform.gallery.index import discard
from fusiform.gallery.insertion import insert_faces
from fusiform.gallery.journal import Before, Entry, append, entries, parted, replayed_pins
from fusiform.gallery.persons import new_person, number_of, person, pin, pins_of, place, tidy
from fusiform.gallery.records import Person
from fusiform.gallery.store import Store


def name(store: Store, ref: int | str, new: str) -> Person:
    """Calls a person `new`; all faces it has now are its own from now on.

    Raises UnknownPerson; ChoiceError for an empty name, a bare number or another person's name.
    """
    new = tidy(new)
    if not new or new.lstrip("#").isdecimal() or not new.isprintable():
        raise ChoiceError("name", "text that is not a number", new)
    with store.write() as db:
        number = number_of(store, ref)
        for other, taken in store.read("SELECT id, name FROM people WHERE name IS NOT NULL"):
            if other != number and taken.casefold() == new.casefold():
                free = f"a name nobody has (person {other} has it; `merge {other} {number}`?)"
                raise ChoiceError("name", free, new)
        _decide(store, db, Named(number, new, _members(store, number)), [number])
    return person(store, number)


def merge(store: Store, kept: int | str, gone: int | str) -> Person:
    """Two people are one, for ever: `kept` keeps its number, and its name or else that of `gone`.

    Raises UnknownPerson; ChoiceError if both are the same.
    """
    with store.write() as db:
        one, other = _two(store, "merge", kept, gone)
        faces = _members(store, one) + _members(store, other)
        _decide(store, db, Merged(one, other, faces), [one, other])
        db.execute("DELETE FROM people WHERE id = ?", (other,))
    return person(store, one)


def same(store: Store, ref: int | str, other: int | str) -> Person:
    """`merge`, in which the one that has a name stays, else the first."""
    first, second = person(store, ref), person(store, other)
    if second.name and not first.name:
        first, second = second, first
    return merge(store, first.id, second.id)


def overruled(store: Store, ref: int | str, other: int | str) -> list[str]:
    """What making two people one would overrule, as short sentences: two names, or that somebody
    decided that they are two. Raises UnknownPerson."""
    one, two = person(store, ref), person(store, other)
    if one.id == two.id:
        return []
    pins = pins_of(store)
    held = [[face for face, who in pins.items() if who == p.id] for p in (one, two)]
    found = [f"{one.name} and {two.name} are two names"] if one.name and two.name else []
    return found + (["you decided that they are two people"] if parted(store, *held) else [])


def split(store: Store, ref: int | str, faces: Iterable[int]) -> Person:
    """Takes `faces` (numbers) out of a person, for ever; returns the new person they are.

    Raises UnknownPerson; ChoiceError unless some of the person's faces are taken and some stay.
    """
    taken = tuple(sorted(set(faces)))
    with store.write() as db:
        number = number_of(store, ref)
        members = _members(store, number)
        left = tuple(face for face in members if face not in set(taken))
        if not taken or not left or len(left) + len(taken) != len(members):
            raise ChoiceError("faces", f"some, not all, of the faces of person {number}", taken)
        other = new_person(db)
        _decide(store, db, Split(number, other, left, taken), [number], made=other)
    return person(store, other)


def apart(store: Store, ref: int | str, other: int | str) -> tuple[Person, Person]:
    """Two people are not one, for ever, however alike; returns both.

    Raises UnknownPerson; ChoiceError if both are the same.
    """
    with store.write() as db:
        a, b = _two(store, "not-same", ref, other)
        _decide(store, db, Apart(a, b, _members(store, a), _members(store, b)), [a, b])
    return person(store, a), person(store, b)


def no_faces(store: Store, faces: Iterable[int]) -> int:
    """Takes finds that are no faces out of all people and out of search; returns how many.

    Raises ChoiceError for a number that is no face of this gallery.
    """
    wanted = tuple(sorted(set(faces)))
    with store.write() as db:
        marks = ",".join("?" * len(wanted))
        sql = f"SELECT count(*) FROM faces WHERE no_face = 0 AND id IN ({marks})"
        if not wanted or db.execute(sql, wanted).fetchone()[0] != len(wanted):
            raise ChoiceError("faces", "numbers of faces in this gallery (see `show`)", wanted)
        # noted with the act: grouping may do away with one who has no face left before it is undone
        sql = f"SELECT DISTINCT person_id FROM members WHERE face_id IN ({marks})"
        owners = [row[0] for row in store.read(sql, wanted)]
        _decide(store, db, NoFaces(wanted), owners)
        db.execute(f"DELETE FROM members WHERE face_id IN ({marks})", wanted)
        db.execute(f"DELETE FROM pins WHERE face_id IN ({marks})", wanted)
        db.execute(f"UPDATE faces SET no_face = 1 WHERE id IN ({marks})", wanted)
    return len(wanted)


def hide(store: Store, ref: int | str, hidden: bool = True) -> Person:
    """Leaves a person out of what is shown, or brings it back. Raises UnknownPerson."""
    with store.write() as db:
        number = number_of(store, ref)
        _decide(store, db, Hidden(number, hidden, _members(store, number)), [number])
        db.execute("UPDATE people SET hidden = ? WHERE id = ?", (int(hidden), number))
    return person(store, number)


def note_consent(
    store: Store, ref: int | str, given: bool, note: str, until: str | None = None
) -> Person:
    """Notes that a person agrees to be known here, through the day `until` (ISO 8601) if there is
    one, or has taken that back. `note` says how that is known: when, where, in which letter.

    Raises UnknownPerson; ChoiceError for an empty note, for what is no day, or for a day where
    consent is taken back.
    """
    note = tidy(note)
    if not note or not note.isprintable():
        raise ChoiceError("note", "text that says how this is known", note)
    if until is not None:
        until = _day(until, given)
    with store.write() as db:
        number = number_of(store, ref)
        act = Consented(number, given, note, until, _members(store, number))
        _decide(store, db, act, [number])
    return person(store, number)


def _day(text: str, given: bool) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ChoiceError("until", "a day such as 2030-12-31", text) from None
    if not given:
        raise ChoiceError("until", "used where consent is given", text)
    return day.isoformat()


def draw(
    store: Store, photo: int, found: Faces, crops: Sequence[Crop], ref: int | str | None = None
) -> int:
    """Takes in the one face of `found`, which somebody drew a box around in photo number `photo`;
    returns its number. It belongs to a person from now on, or, without `ref`, is nobody's until it
    is grouped. Raises UnknownPerson.
    """
    with store.write() as db:
        owner = None if ref is None else number_of(store, ref)
        (face,) = insert_faces(db, store.values, photo, found, crops, store.model_id())
        act = Drawn((face,), owner, photo)
        append(db, act, Before({face: None}, {}))
        place(db, act.pins())
        pin(db, act.pins())
    return face


def born(store: Store, ref: int | str, day: str | None) -> Person:
    """A person was born on `day` (2015, 2015-03 or 2015-03-01; None: nobody knows), so is in no
    photo taken before: faces there that nobody decided on are nobody's until they are grouped.

    Raises UnknownPerson, ChoiceError for what is no day.
    """
    first = None if day is None else first_day(day)
    with store.write() as db:
        number = number_of(store, ref)
        members = dict.fromkeys(_members(store, number), number)
        told = {} if first is None else {number: first}
        early = before_birth(store, members, pins_of(store), told)
        rest = tuple(face for face in members if face not in early)
        _decide(store, db, Born(number, first, rest), [number], others=early)
        db.executemany("DELETE FROM members WHERE face_id = ?", [(face,) for face in early])
    return person(store, number)


def undo(store: Store, count: int = 1) -> list[Entry]:
    """Takes the last `count` acts back, the last one first; returns them in that order.

    People, names and faces are again as they were before the act; faces that joined two people
    while they were one are nobody's, until they are grouped. Raises ChoiceError below 1,
    GalleryError where nothing is left to undo, the act was a forgetting, or it was made before
    fusiform could undo. Then nothing is undone. Faces that were erased since, because their time
    was over or for a zone, do not come back.
    """
    if count < 1:
        raise ChoiceError("count", "at least 1", count)
    taken: list[Entry] = []
    with store.write() as db:
        for _ in range(count):
            last = _last(store, len(taken))
            _restore(db, last)
            append(db, Undone(last.number))
            taken.append(last)
        db.execute("DELETE FROM pins")
        pin(db, replayed_pins(db))
    if any(entry.act.no_faces() for entry in taken):
        discard(store)  # made without those faces, perhaps
    return taken


def _last(store: Store, before: int) -> Entry:
    for entry in reversed(entries(store)):
        if isinstance(entry.act, Forgotten):
            raise GalleryError(f"{store.name}: forgetting a person cannot be undone.")
        if not entry.undone and not isinstance(entry.act, Undone | Erased):
            if entry.before is None:
                raise GalleryError(
                    f"{store.name}: act {entry.number} ({entry.act.kind}) was made by a fusiform "
                    "that could not undo; merge, split or name instead."
                )
            return entry
    enough = f"only {before} acts can be undone" if before else "there is nothing to undo"
    raise GalleryError(f"{store.name}: {enough}.")


def _restore(db: Connection, entry: Entry) -> None:
    assert entry.before is not None
    for number, row in entry.before.people.items():
        if row is not None:
            sql = (
                "INSERT INTO people(id, name, created_at, hidden) VALUES (?, ?, ?, ?) "
                "ON CONFLICT(id) DO UPDATE SET name = excluded.name, hidden = excluded.hidden"
            )
            db.execute(sql, (number, *row))
    was = entry.before.members
    db.executemany("DELETE FROM members WHERE face_id = ?", [(face,) for face in was])
    # grouping may have done away with the owner since: then the face is nobody's
    sql = (
        "INSERT INTO members SELECT faces.id, people.id FROM faces, people "
        "WHERE faces.id = ? AND people.id = ?"
    )
    db.executemany(sql, [pair for pair in was.items() if pair[1] is not None])
    if isinstance(entry.act, Merged):
        _free_since(db, entry.act.person, entry.before.members)
    marks = [(face,) for face in entry.act.no_faces()]
    db.executemany("UPDATE faces SET no_face = 0 WHERE id = ?", marks)
    if isinstance(entry.act, Drawn):
        drawn = [(face,) for face in entry.act.faces]
        db.executemany("DELETE FROM faces WHERE id = ?", drawn)
        db.execute(  # grouping may have made somebody of it
            "DELETE FROM people WHERE name IS NULL AND id NOT IN (SELECT person_id FROM members)"
        )
    made = [(number,) for number, row in entry.before.people.items() if row is None]
    # one that has gained faces since is a person of its own
    alone = "DELETE FROM people WHERE id = ? AND id NOT IN (SELECT person_id FROM members)"
    db.executemany(alone, made)


def _free_since(db: Connection, person: int, known: Mapping[int, int | None]) -> None:
    """Faces that joined two people while these were one are nobody's again."""
    sql = (
        "SELECT face_id FROM members WHERE person_id = ? "
        "AND face_id NOT IN (SELECT face_id FROM pins)"
    )
    since = [row for row in db.execute(sql, (person,)).fetchall() if row[0] not in known]
    db.executemany("DELETE FROM members WHERE face_id = ?", since)


def _two(store: Store, verb: str, first: int | str, second: int | str) -> tuple[int, int]:
    one, other = number_of(store, first), number_of(store, second)
    if one == other:
        raise ChoiceError(verb, "two different people", f"{first} and {second}")
    return one, other


def _members(store: Store, number: int) -> tuple[int, ...]:
    sql = "SELECT face_id FROM members WHERE person_id = ? ORDER BY face_id"
    return tuple(row[0] for row in store.read(sql, (number,)))


def _decide(
    store: Store,
    db: Connection,
    act: Act,
    people: list[int],
    made: int | None = None,
    others: Iterable[int] = (),
) -> None:
    """Writes the act down, with what was before, and makes the tables follow it. `others`: further
    faces whose owners change."""
    append(db, act, _before(store, act, people, made, others))
    names = dict(store.read("SELECT id, name FROM people WHERE name IS NOT NULL"))
    changed = [(new, number) for number, new in act.names(names).items()]
    db.executemany("UPDATE people SET name = ? WHERE id = ?", changed)
    place(db, act.pins())
    pin(db, act.pins())


def _before(
    store: Store, act: Act, people: list[int], made: int | None, others: Iterable[int]
) -> Before:
    faces = [*act.pins(), *act.no_faces(), *others]
    owner = dict(store.read_in("SELECT face_id, person_id FROM members WHERE face_id IN", faces))
    members = {face: owner.get(face) for face in faces}
    sql = "SELECT name, created_at, hidden FROM people WHERE id = ?"
    was: dict[int, tuple[str | None, str, int] | None] = {}
    for number in people:
        title, since, hidden = store.read(sql, (number,))[0]
        was[number] = (title, since, hidden)
    return Before(members, was if made is None else was | {made: None})
