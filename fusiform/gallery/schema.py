"""The tables of a gallery file and how they came to be: numbered steps, each in a transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from fusiform.core.errors import GalleryDamaged
from fusiform.gallery.journal import replayed_pins
from fusiform.gallery.paths import stored_path

APPLICATION_ID = 0x46555346  # "FUSF": how `file` and we know a gallery from any other database

_FIRST = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE models(
    id INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, card TEXT NOT NULL);
CREATE TABLE photos(
    id INTEGER PRIMARY KEY AUTOINCREMENT, sha256 TEXT NOT NULL UNIQUE,
    width INTEGER NOT NULL, height INTEGER NOT NULL,
    taken_at TEXT, added_at TEXT NOT NULL, forgotten INTEGER NOT NULL DEFAULT 0);
CREATE TABLE files(
    path PRIMARY KEY, photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL);
CREATE INDEX files_photo ON files(photo_id);
CREATE TABLE skipped(
    path PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    kind TEXT NOT NULL, reason TEXT NOT NULL, remedy TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE faces(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
    x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
    score REAL NOT NULL, quality REAL NOT NULL, points BLOB NOT NULL);
CREATE INDEX faces_photo ON faces(photo_id);
CREATE TABLE dropped(
    photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
    x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
    score REAL NOT NULL, reason TEXT NOT NULL);
CREATE INDEX dropped_photo ON dropped(photo_id);
CREATE TABLE embeddings(
    face_id INTEGER NOT NULL REFERENCES faces(id) ON DELETE CASCADE,
    model_id INTEGER NOT NULL REFERENCES models(id),
    vector BLOB NOT NULL, PRIMARY KEY(face_id, model_id));
CREATE TABLE people(
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created_at TEXT NOT NULL);
CREATE TABLE members(
    face_id INTEGER PRIMARY KEY REFERENCES faces(id) ON DELETE CASCADE,
    person_id INTEGER NOT NULL REFERENCES people(id));
CREATE INDEX members_person ON members(person_id);
CREATE TABLE journal(
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL,
    kind TEXT NOT NULL, payload TEXT NOT NULL);
"""


def _first_tables(db: sqlite3.Connection) -> None:
    # not executescript: that would commit the transaction around it
    for statement in _FIRST.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")


# `ungrouped`: the faces that belong to nobody yet, so that they need not be looked for;
# `sidecars`: the photos beside which names were written.
_SECOND = (
    "ALTER TABLE journal ADD COLUMN before TEXT",
    "ALTER TABLE faces ADD COLUMN no_face INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE people ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0",
    "CREATE TABLE ungrouped(face_id INTEGER PRIMARY KEY REFERENCES faces(id) ON DELETE CASCADE)",
    "INSERT INTO ungrouped SELECT id FROM faces WHERE id NOT IN (SELECT face_id FROM members)",
    "CREATE TABLE sidecars(path PRIMARY KEY)",
    "CREATE TRIGGER face_came AFTER INSERT ON faces "
    "BEGIN INSERT OR IGNORE INTO ungrouped VALUES (new.id); END",
    "CREATE TRIGGER face_placed AFTER INSERT ON members "
    "BEGIN DELETE FROM ungrouped WHERE face_id = new.face_id; END",
    "CREATE TRIGGER face_freed AFTER DELETE ON members "
    "BEGIN INSERT OR IGNORE INTO ungrouped SELECT id FROM faces WHERE id = old.face_id; END",
)


def _decisions_undone(db: sqlite3.Connection) -> None:
    """What every act changed, so that it can be undone; finds that are no faces; hidden people;
    and which faces belong to nobody yet."""
    for statement in _SECOND:
        db.execute(statement)


# Paths become text that every database can hold. `crops`: what a new model can embed again, with
# the five points in it. `pins`: face -> person as the journal has them, so that it need not be
# replayed. `zones`: parts of the pictures of a folder, as shares of width and height, where no face
# is kept.
_THIRD = """
CREATE TABLE new_files(
    path TEXT PRIMARY KEY, photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL);
INSERT INTO new_files SELECT kept_path(path), photo_id, size, mtime_ns FROM files;
DROP TABLE files;
ALTER TABLE new_files RENAME TO files;
CREATE INDEX files_photo ON files(photo_id);
CREATE TABLE new_skipped(
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    kind TEXT NOT NULL, reason TEXT NOT NULL, remedy TEXT NOT NULL, at TEXT NOT NULL);
INSERT INTO new_skipped
    SELECT kept_path(path), size, mtime_ns, kind, reason, remedy, at FROM skipped;
DROP TABLE skipped;
ALTER TABLE new_skipped RENAME TO skipped;
CREATE TABLE new_sidecars(path TEXT PRIMARY KEY);
INSERT INTO new_sidecars SELECT kept_path(path) FROM sidecars;
DROP TABLE sidecars;
ALTER TABLE new_sidecars RENAME TO sidecars;
CREATE TABLE new_dropped(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
    x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
    score REAL NOT NULL, reason TEXT NOT NULL);
INSERT INTO new_dropped(photo_id, x1, y1, x2, y2, score, reason)
    SELECT photo_id, x1, y1, x2, y2, score, reason FROM dropped ORDER BY rowid;
DROP TABLE dropped;
ALTER TABLE new_dropped RENAME TO dropped;
CREATE INDEX dropped_photo ON dropped(photo_id);
CREATE TABLE crops(
    face_id INTEGER PRIMARY KEY REFERENCES faces(id) ON DELETE CASCADE,
    crop BLOB NOT NULL);
CREATE TABLE pins(
    face_id INTEGER PRIMARY KEY REFERENCES faces(id) ON DELETE CASCADE,
    person_id INTEGER NOT NULL);
CREATE TABLE zones(
    id INTEGER PRIMARY KEY AUTOINCREMENT, folder TEXT NOT NULL,
    x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL);
"""


def _portable(db: sqlite3.Connection) -> None:
    """Text that PostgreSQL can hold as well; crops, pins and zones."""
    db.create_function("kept_path", 1, lambda path: stored_path(os.fsdecode(path)))
    for statement in _THIRD.split(";"):
        db.execute(statement)
    there = "INSERT INTO pins SELECT id, ? FROM faces WHERE id = ?"
    db.executemany(there, [(person, face) for face, person in replayed_pins(db).items()])


# `pixels`: SHA-256 of the upright picture as it was looked at, by which a photo is known again
# after another program changed its metadata; NULL for photos of before this step.
_FOURTH = (
    "ALTER TABLE photos ADD COLUMN pixels TEXT",
    "CREATE INDEX photos_pixels ON photos(pixels)",
)


def _known_by_pixels(db: sqlite3.Connection) -> None:
    """Photos are known by what they show, too."""
    for statement in _FOURTH:
        db.execute(statement)


def _names_inside(db: sqlite3.Connection) -> None:
    """Into which photos names were written (1), not only beside them."""
    db.execute("ALTER TABLE sidecars ADD COLUMN embedded INTEGER")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    *(_first_tables, _decisions_undone, _portable, _known_by_pixels, _names_inside),
)


def migrate(db: sqlite3.Connection, path: Path, fixed: bool = False) -> None:
    """Brings the open database up to the newest schema; a new or empty file becomes a gallery.

    `db` must be in autocommit mode; `fixed`: it was opened as one that cannot change. Raises
    GalleryDamaged if the file is another program's database or was made by a newer fusiform; such
    a file is not changed.
    """
    version = _version(db, path)
    _settings(db, fixed)
    for number in range(version, len(MIGRATIONS)):
        _step(db, number)


def _version(db: sqlite3.Connection, path: Path) -> int:
    db.execute("BEGIN")  # one view of all three, while another process may be making the file
    try:
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    finally:
        db.execute("ROLLBACK")
    if application != APPLICATION_ID and (application or version or tables):
        raise GalleryDamaged(
            f"{path} is no gallery (a database of another program); "
            "choose another file with --gallery."
        )
    if version > len(MIGRATIONS):
        raise GalleryDamaged(
            f"{path} was made by a newer fusiform (schema {version}, known here up to "
            f"{len(MIGRATIONS)}); upgrade fusiform."
        )
    return version


def _settings(db: sqlite3.Connection, fixed: bool) -> None:
    if not fixed and db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA secure_delete = ON")


def _step(db: sqlite3.Connection, number: int) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        # another process may have done this step while we waited for the lock
        if db.execute("PRAGMA user_version").fetchone()[0] == number:
            MIGRATIONS[number](db)
            db.execute(f"PRAGMA user_version = {number + 1}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
