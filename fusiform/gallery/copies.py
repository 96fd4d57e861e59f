"""The copies of a gallery that it knows of: archives and backups, where they were written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fusiform.core.errors import GalleryError
from fusiform.gallery.database import Connection, now
from fusiform.gallery.paths import shown_path, stored_path
from fusiform.gallery.portable import BACKUPS, EXPORTS
from fusiform.gallery.store import Store


@dataclass(frozen=True)
class Copy:
    """A copy at `path`, made `at` (UTC ISO 8601); `id` of an archive, empty for a backup."""

    path: str
    at: str
    id: str = ""


def place_for(store: Store, path: str | Path) -> Path:
    """Where a copy is to be written, absolute. Raises GalleryError for a photo or a folder."""
    target = Path(path).expanduser().absolute()
    if target.is_dir():
        raise GalleryError(f"{target} is a folder; give the file in it a name.")
    if store.listed(os.fspath(target)) or store.listed(os.path.realpath(target)):
        raise GalleryError(f"{target} is a photo of this gallery and stays; choose another file.")
    return target


def note_copy(store: Store, db: Connection, copy: Copy) -> None:
    """Notes a copy, in place of one that lay there before, inside the caller's transaction."""
    key = EXPORTS if copy.id else BACKUPS
    others = [asdict(_kept(old)) for old in _known(store, key) if old.path != copy.path]
    value = json.dumps([*others, asdict(_kept(copy))])
    sql = "INSERT INTO meta VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
    db.execute(sql, (key, value))


def exports(store: Store) -> list[Copy]:
    """The archives that were made of a gallery, and the one that it was made of."""
    return list(_known(store, EXPORTS))


def backups(store: Store) -> list[Copy]:
    """The backups that were made of a gallery, oldest first."""
    return list(_known(store, BACKUPS))


def copy_now(path: str, name: str = "") -> Copy:
    """A copy made at this moment."""
    return Copy(path, now(), name)


def _known(store: Store, key: str) -> Iterator[Copy]:
    for entry in json.loads(store.noted(key) or "[]"):
        yield Copy(shown_path(entry["path"]), entry["at"], entry["id"])


def _kept(copy: Copy) -> Copy:
    return replace(copy, path=stored_path(copy.path))
