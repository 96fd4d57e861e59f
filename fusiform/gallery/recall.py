"""Forgetting a person in the copies of a gallery, too: in its archives and backups."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fusiform.core.errors import FusiformError
from fusiform.gallery import copies, journal
from fusiform.gallery.acts import Forgotten
from fusiform.gallery.copies import Copy
from fusiform.gallery.database import Connection
from fusiform.gallery.portable_read import Archive, load, named_faults, opened
from fusiform.gallery.portable_write import write
from fusiform.gallery.store import Store
from fusiform.gallery.whole_file import sweep, whole_file, work_folder


@dataclass(frozen=True)
class Gone:
    """Who is forgotten, as copies made earlier know them: by `faces` and by the `names`, in lower
    case, that nobody else has."""

    faces: frozenset[int]
    names: frozenset[str]


def gone(store: Store, people: Iterable[int], faces: Iterable[int]) -> Gone:
    """These people and faces, before they are erased."""
    numbers = set(people)
    names = dict(store.read("SELECT id, name FROM people WHERE name IS NOT NULL"))
    taken = {name.casefold() for number, name in names.items() if number not in numbers}
    told = journal.names_of(store, numbers) | {names[n] for n in numbers & names.keys()}
    return Gone(frozenset(faces), frozenset(name.casefold() for name in told) - taken)


def holding(store: Store, who: Gone) -> tuple[str, ...]:
    """The archives and backups, where they were written, that have a face or a name of somebody;
    those that cannot be read may have one."""
    found = [copy.path for copy in copies.exports(store) if _archive_has(copy, who)]
    return *found, *(copy.path for copy in copies.backups(store) if _backup_has(copy, who))


def _lies_there(copy: Copy) -> bool:
    """Whether a file is there, or may be: its folder may be closed to us."""
    try:
        os.stat(copy.path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _archive_has(copy: Copy, who: Gone) -> bool:
    if not _lies_there(copy):
        return False
    try:
        with opened(copy.path, whole=False) as archive, named_faults(archive.path):
            # another file of that name is no copy of this gallery
            return archive.manifest["id"] == copy.id and _has(archive, who)
    except FusiformError:
        return True


def _has(archive: Archive, who: Gone) -> bool:
    names = (row["name"] for row in archive.rows("people") if row["name"])
    return any(row["id"] in who.faces for row in archive.rows("faces")) or any(
        name.casefold() in who.names for name in names
    )


def _backup_has(copy: Copy, who: Gone) -> bool:
    if not _lies_there(copy):
        return False
    try:
        with Store(copy.path, create=False) as store:
            there = store.read_in("SELECT id FROM faces WHERE id IN", who.faces)
            names = store.read("SELECT name FROM people WHERE name IS NOT NULL")
            return bool(there) or any(name.casefold() in who.names for (name,) in names)
    except FusiformError:
        return True


def recall(store: Store, who: Gone) -> int:
    """Erases somebody from all archives and backups that hold them; returns how many.

    Each is replaced at once or not at all. Raises what reading and writing them raises; then those
    done so far are done.
    """
    paths = holding(store, who)
    kept = {copy.path for copy in copies.backups(store)}
    for path in paths:
        (_from_backup if path in kept else _from_archive)(Path(path), who)
    return len(paths)


def _from_backup(path: Path, who: Gone) -> None:
    with Store(path, create=False) as backup:
        erase_faces(backup, who)
        backup.db.compact()


def _from_archive(path: Path, who: Gone) -> None:
    sweep(path)
    with opened(path) as archive, work_folder(path) as folder, Store(folder / "a.db") as store:
        load(store, archive, {})
        erase_faces(store, who)
        told = archive.manifest
        with whole_file(path, force=True) as part:
            write(store, part, told["id"], told["templates"])


def erase_faces(store: Store, who: Gone) -> None:
    """Erases faces and names from a gallery as it was earlier, when they may have belonged to
    others: a person who has but such faces, or such a name, goes; of others the faces go.
    """
    with store.write() as db:
        members = dict(store.read("SELECT face_id, person_id FROM members"))
        faces = {row[0] for row in store.read_in("SELECT id FROM faces WHERE id IN", who.faces)}
        for person in _whole(store, who, members):
            own = [face for face, owner in members.items() if owner == person]
            journal.forget(db, [person], {*own, *faces})
            _free(db, own)
            db.execute("DELETE FROM people WHERE id = ?", (person,))
        journal.forget(db, [], faces)
        each = [(face,) for face in faces]
        count = "UPDATE photos SET forgotten = forgotten + 1 WHERE id = "
        db.executemany(f"{count} (SELECT photo_id FROM faces WHERE id = ?)", each)
        db.executemany("DELETE FROM faces WHERE id = ?", each)
        journal.append(db, Forgotten(len(faces)))


def _whole(store: Store, who: Gone, members: dict[int, int]) -> list[int]:
    """The people of whom nothing stays."""
    others = {person for face, person in members.items() if face not in who.faces}
    some = {person for face, person in members.items() if face in who.faces}
    named = {
        number
        for number, name in store.read("SELECT id, name FROM people WHERE name IS NOT NULL")
        if name.casefold() in who.names
    }
    return sorted(some - others | named)


def _free(db: Connection, faces: Iterable[int]) -> None:
    """Faces that somebody held who is no more are nobody's, whatever was decided of them."""
    each = [(face,) for face in faces]
    for table in ("members", "pins"):
        db.executemany(f"DELETE FROM {table} WHERE face_id = ?", each)
