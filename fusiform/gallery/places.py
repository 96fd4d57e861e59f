"""Where names were written for other programs: beside photos, or into them; and out again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

from fusiform.core.errors import GalleryError
from fusiform.core.pictures import read_bytes
from fusiform.gallery import sidecar
from fusiform.gallery.insertion import EDITED, insert_file
from fusiform.gallery.paths import shown_path
from fusiform.gallery.store import Store


def note_places(store: Store, paths: Iterable[str], embed: bool) -> None:
    """Notes the photos (paths as the gallery has them) beside which, or with `embed` into which,
    names are going to be written: `forget` must know of every name that lies somewhere."""
    sql = (
        "INSERT INTO sidecars(path, embedded) VALUES (?, ?) ON CONFLICT(path) "
        "DO UPDATE SET embedded = coalesce(excluded.embedded, sidecars.embedded)"
    )
    with store.write() as db:
        db.executemany(sql, [(path, 1 if embed else None) for path in paths])


@contextmanager
def same_photo(store: Store, path: str, must: bool = False) -> Iterator[None]:
    """Around a change of a file's metadata: it is the photo afterwards that it was before.

    Nothing is noted where the file was not as it was indexed; with `must` GalleryError is raised.
    """
    before = _state(path)
    known = before is not None and store.seen(path, *before)
    if must and before is not None and not known:
        raise GalleryError(
            f"{path}: it is not as it was indexed; run `fusiform index` on it and write again."
        )
    yield
    after, number = _state(path), store.photo_at(path)
    if known and after not in (None, before) and number is not None:
        sha256 = hashlib.sha256(read_bytes(path)).hexdigest()
        with store.write(shared=True) as db:
            db.execute(EDITED, (sha256, None, number, sha256))
            insert_file(db, number, path, *after)


def _state(path: str) -> tuple[int, int] | None:
    """Bytes and modification time (ns), None if there is no such file."""
    try:
        status = os.stat(path)
    except OSError:  # reading it will say why
        return None
    return status.st_size, status.st_mtime_ns


def erase_names(store: Store, names: Iterable[str]) -> int:
    """Takes people out of all sidecars that `write_names` ever wrote, and of the photos into which
    it did; returns how many entries went. Raises what `sidecar.remove` raises."""
    gone, wanted = 0, list(names)
    for kept, embedded in store.read("SELECT path, embedded FROM sidecars ORDER BY path"):
        path = shown_path(kept)
        inside = bool(embedded) and os.path.exists(path)
        with same_photo(store, path) if inside else nullcontext():
            gone += sidecar.remove(path, wanted, embed=inside)
    return gone
