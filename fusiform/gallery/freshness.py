"""Whether a gallery still says what lies on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fusiform.gallery.paths import shown_path, stored_path
from fusiform.gallery.store import Store


@dataclass(frozen=True)
class Staleness:
    """`ungrouped` faces that no person holds; files `changed` or `gone` since indexing."""

    ungrouped: int
    changed: tuple[str, ...]
    gone: tuple[str, ...]


def ungrouped(store: Store) -> int:
    """How many faces belong to nobody yet."""
    sql = "SELECT count(*) FROM ungrouped JOIN faces ON id = face_id WHERE no_face = 0"
    return int(store.read(sql)[0][0])


def gone_files(store: Store, folders: Iterable[str | Path] | None = None) -> list[str]:
    """The listed files, readable or not, that lie there no more, by path; with `folders` only
    those at or below them."""
    inside = None if folders is None else tuple(os.path.abspath(folder) for folder in folders)
    listed = store.read("SELECT path FROM files UNION SELECT path FROM skipped ORDER BY 1")
    names = [shown_path(path) for (path,) in listed]
    return [name for name in names if (inside is None or _below(name, inside)) and _is_gone(name)]


def _below(path: str, folders: tuple[str, ...]) -> bool:
    return path in folders or path.startswith(tuple(os.path.join(f, "") for f in folders))


def _is_gone(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # a folder that may not be looked into, a drive that fails
        return False
    return False


def take_off(store: Store, paths: Iterable[str]) -> int:
    """Takes files off the list; faces, people and names stay. Returns how many pictures these
    were, those that could not be read not counted."""
    rows = [(stored_path(path),) for path in paths]
    if not rows:
        return 0
    with store.write() as db:
        db.executemany("DELETE FROM skipped WHERE path = ?", rows)
        return db.executemany("DELETE FROM files WHERE path = ?", rows).rowcount


def stale(store: Store) -> Staleness:
    """Looks at every indexed file's size and time, and at every face's person."""
    changed, gone = [], []
    for path, size, mtime_ns in store.read("SELECT path, size, mtime_ns FROM files ORDER BY path"):
        name = shown_path(path)
        try:
            status = os.stat(name)
        except OSError:
            gone.append(name)
            continue
        if (status.st_size, status.st_mtime_ns) != (size, mtime_ns):
            changed.append(name)
    return Staleness(ungrouped(store), tuple(changed), tuple(gone))
