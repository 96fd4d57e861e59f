"""SQLite's error codes as the gallery's named errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fusiform.core.errors import GalleryBusy, GalleryDamaged, GalleryError, GalleryUnwritable

FROM_COPY = "restore a copy of it, or delete it and index again; your photos are not touched"

# Primary result codes, https://www.sqlite.org/rescode.html
_FAULTS: dict[int, tuple[type[GalleryError], str]] = {
    sqlite3.SQLITE_BUSY: (GalleryBusy, "is in use by another process; try again when it is done"),
    sqlite3.SQLITE_LOCKED: (GalleryBusy, "is in use by another process; try again when it is done"),
    sqlite3.SQLITE_FULL: (GalleryUnwritable, "cannot grow: the disk is full; make room, run again"),
    sqlite3.SQLITE_READONLY: (
        GalleryUnwritable,
        "may not be written; change the permissions of the file and its folder, or copy it to "
        "where you may write",
    ),
    sqlite3.SQLITE_PERM: (GalleryUnwritable, "may not be written; change its permissions"),
    sqlite3.SQLITE_CANTOPEN: (
        GalleryUnwritable,
        "cannot be opened; check that its folder exists and may be written",
    ),
    sqlite3.SQLITE_IOERR: (
        GalleryUnwritable,
        "cannot be read or written; check the disk and the room on it",
    ),
    sqlite3.SQLITE_CORRUPT: (GalleryDamaged, f"is damaged; {FROM_COPY}"),
    sqlite3.SQLITE_NOTADB: (
        GalleryDamaged,
        "is no gallery (not an SQLite file); choose another file with --gallery",
    ),
}


@contextmanager
def named_faults(path: Path) -> Iterator[None]:
    """Turns SQLite's errors on `path` into GalleryBusy, GalleryDamaged or GalleryUnwritable."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in _FAULTS:
            raise
        kind, sentence = _FAULTS[code & 0xFF]
        raise kind(f"{path} {sentence}.") from error
