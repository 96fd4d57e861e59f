"""A copy of a gallery's file, made while it is in use."""

from __future__ import annotations

import os
from pathlib import Path

from fusiform.core.errors import GalleryError
from fusiform.gallery.copies import copy_now, note_copy, place_for
from fusiform.gallery.store import Store
from fusiform.gallery.whole_file import whole_file


def backup(store: Store, path: str | Path, *, force: bool = False) -> int:
    """Copies a gallery that is a file to `path`, as it is at this moment; returns its bytes.

    Others may read and write meanwhile. The copy is compacted, so that nothing of what was erased
    is in it, was opened and read through before it has its name, and only its user may read it
    (mode 0600). `force` replaces a file.
    Raises GalleryError on a server, GalleryBusy, GalleryUnwritable, GalleryDamaged.
    """
    if store.db.file is None:
        raise GalleryError(
            f"{store.name} is on a server: use `fusiform export`, or pg_dump for all of it."
        )
    target = place_for(store, path)
    with whole_file(target, force, store.path) as part:
        store.read("VACUUM INTO ?", (os.fspath(part),))  # one view, https://sqlite.org/lang_vacuum
        with Store(part, create=False) as copy:
            copy.check()
        size = part.stat().st_size
        with store.write() as db:
            note_copy(store, db, copy_now(os.fspath(target)))
    return size
