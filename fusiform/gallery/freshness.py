"""Whether a gallery still says what lies on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fusiform.gallery.paths import shown_path
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
