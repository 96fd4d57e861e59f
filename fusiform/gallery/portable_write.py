"""Writing a gallery into an archive."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from fusiform.core.errors import GalleryError
from fusiform.gallery.copies import copy_now, note_copy, place_for
from fusiform.gallery.database import Connection, now
from fusiform.gallery.portable import (
    CROPS,
    FORMAT,
    MANIFEST,
    TABLES,
    TEMPLATES,
    VECTORS,
    VERSION,
    belongs,
    key_of,
    last_numbers,
    told,
)
from fusiform.gallery.store import Store
from fusiform.gallery.values import POINTS
from fusiform.gallery.whole_file import whole_file

_PAGE = 1000  # rows in memory at once
_WRITTEN_ONCE = {VECTORS, CROPS}  # floats and pictures hardly get smaller


@dataclass(frozen=True)
class Exported:
    """The archive's `path` and size in `bytes`, and how many `rows` of which table it has."""

    path: str
    bytes: int
    rows: dict[str, int]


def export(
    store: Store, path: str | Path, *, templates: bool = True, force: bool = False
) -> Exported:
    """Writes everything of a gallery into an archive that only its user may read (mode 0600);
    without `templates` no vectors and no pictures of faces.

    It is one view of the gallery: nobody indexes or decides meanwhile. The file has its name only
    once it is whole, and the gallery knows of it from then on. `force` replaces a file.
    Raises GalleryError, GalleryBusy, GalleryUnwritable.
    """
    if templates and store.noted("lock"):
        raise GalleryError(
            f"{store.name} is sealed and an archive would not be; export with --no-templates."
        )
    target = place_for(store, path)
    alone = store.lock_for_indexing(alone=True)
    with alone, whole_file(target, force, store.db.file) as part:
        name = secrets.token_hex(16)
        rows = write(store, part, name, templates)
        size = part.stat().st_size
        with store.write() as db:
            note_copy(store, db, copy_now(os.fspath(target), name))
    return Exported(os.fspath(target), size, rows)


def write(store: Store, file: Path, name: str, templates: bool) -> dict[str, int]:
    """Fills `file` with the archive `name` of a gallery; returns the rows of every table."""
    with store.write() as db, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        parts = {part: _write_part(archive, part, chunks) for part, chunks in _parts(db, templates)}
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "id": name,
            "at": now(),
            "fusiform": sys.modules["fusiform"].__version__,  # what stands above us is imported
            "templates": templates,
            "last": last_numbers(store, db),
            "parts": parts,
        }
        archive.writestr(_entry(MANIFEST), json.dumps(manifest, indent=1))
    return {part.partition(".")[0]: told["rows"] for part, told in parts.items() if "rows" in told}


def _parts(db: Connection, templates: bool) -> Iterator[tuple[str, Iterable[bytes]]]:
    for table in TABLES:
        if table not in TEMPLATES:
            yield f"{table}.jsonl", (_line(table, row) for row in _rows(db, table))
    if templates:
        yield "embeddings.jsonl", (_line("embeddings", row) for row in _embeddings(db))
        yield VECTORS, (row[-1] for row in _paged(db, "embeddings", _EMBEDDING))
        yield "crops.jsonl", (_line("crops", row) for row in _crops(db))
        yield CROPS, (row[-1][POINTS:] for row in _paged(db, "crops", _CROP))


_EMBEDDING = "face_id, model_id, vector"
_CROP = "face_id, crop"


def _embeddings(db: Connection) -> Iterator[tuple[Any, ...]]:
    for face, model, vector in _paged(db, "embeddings", _EMBEDDING):
        yield face, model, len(vector) // 2


def _crops(db: Connection) -> Iterator[tuple[Any, ...]]:
    for face, crop in _paged(db, "crops", _CROP):
        yield face, len(crop) - POINTS, crop[:POINTS]


def _rows(db: Connection, table: str) -> Iterator[tuple[Any, ...]]:
    columns = ", ".join(field.name for field in TABLES[table])
    return (row for row in _paged(db, table, columns) if belongs(table, row))


def _paged(db: Connection, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a table, a page at a time."""
    key = key_of(table)
    keys, marks = ", ".join(key), ", ".join("?" * len(key))
    begin = f"SELECT {columns} FROM {table}"
    end = f"ORDER BY {keys} LIMIT {_PAGE}"
    rows = db.execute(f"{begin} {end}").fetchall()
    while rows:
        yield from rows
        # the key stands first in the columns
        last = rows[-1][: len(key)]
        rows = db.execute(f"{begin} WHERE ({keys}) > ({marks}) {end}", last).fetchall()


def _line(table: str, row: Iterable[Any]) -> bytes:
    fields = {f.name: told(f, value) for f, value in zip(TABLES[table], row, strict=True)}
    return f"{_JSON.encode(fields)}\n".encode()


_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _write_part(archive: zipfile.ZipFile, name: str, chunks: Iterable[bytes]) -> dict[str, Any]:
    """Puts a part into the archive; gives what the manifest says of it."""
    digest, size, count, left = hashlib.sha256(), 0, 0, iter(chunks)
    with archive.open(_entry(name), "w", force_zip64=True) as stream:
        while page := list(islice(left, _PAGE)):
            block = b"".join(page)
            stream.write(block)
            digest.update(block)
            size += len(block)
            count += len(page)
    rows = {} if name in _WRITTEN_ONCE else {"rows": count}
    return {"bytes": size, "sha256": digest.hexdigest(), **rows}


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_STORED if name in _WRITTEN_ONCE else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry
