"""What a gallery knows as tables for other programs: CSV and Parquet. Templates are never in them.

A text in CSV that a spreadsheet would take for a formula (CWE-1236) gets an apostrophe before it,
and so does one that begins with an apostrophe: who reads it takes the first one away.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from fusiform.core.errors import ChoiceError, GalleryError
from fusiform.gallery.copies import place_for
from fusiform.gallery.paths import shown_path
from fusiform.gallery.store import FACE_COLUMNS, HAS_FILE, Store, face_row
from fusiform.gallery.whole_file import whole_file

Row = tuple[Any, ...]

# Every column of every table: what it is called, and its type in Parquet ("text?" may be missing).
COLUMNS = {
    "faces": {
        "face": "int64", "photo": "text", "person": "int64", "name": "text",
        "x1": "float64", "y1": "float64", "x2": "float64", "y2": "float64",
        "score": "float64", "quality": "float64", "taken_at": "text", "decided": "bool",
    },
    "people": {
        "person": "int64", "name": "text", "faces": "int64", "photos": "int64",
        "first": "text", "last": "text", "hidden": "bool",
    },
    "photos": {
        "photo": "text", "sha256": "text", "width": "int64", "height": "int64",
        "taken_at": "text", "faces": "int64", "people": "text",
    },
}  # fmt: skip
ENDINGS = (".csv", ".parquet")
_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "＝",
    "＋",
    "－",
    "＠",
    "'",
)  # OWASP, CSV injection
_PAGE = 1000  # rows in memory at once


@dataclass(frozen=True)
class Tabled:
    """A table that was written: how many `rows`, and its `columns`."""

    rows: int
    columns: tuple[str, ...]


def write_table(
    store: Store, path: str | Path, what: str = "faces", *, force: bool = False
) -> Tabled:
    """Writes faces, people or photos as CSV or, where `path` ends so, Parquet. Only its user may
    read the file (mode 0600); `force` replaces one. Others may write to the gallery meanwhile.

    Raises ChoiceError; GalleryError without pyarrow, which Parquet needs, or if the file is there;
    GalleryUnwritable.
    """
    target = place_for(store, path)
    if what not in COLUMNS:
        raise ChoiceError("what", COLUMNS, what)
    if target.suffix.lower() not in ENDINGS:
        raise ChoiceError("file", "one that ends in .csv or .parquet", str(path))
    parquet = target.suffix.lower() == ".parquet"
    if parquet:
        _arrow()
    with whole_file(target, force, store.db.file) as part:
        rows = _ROWS[what](store)
        count = _to_parquet(part, what, rows) if parquet else _to_csv(part, what, rows)
    return Tabled(count, tuple(COLUMNS[what]))


def _to_csv(file: Path, what: str, rows: Iterator[Row]) -> int:
    count = 0
    # bytes of a file name that are no UTF-8 become the escapes that docs/json.md has
    with file.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        table = csv.writer(stream)
        table.writerow(COLUMNS[what])
        for row in rows:
            table.writerow(map(_cell, row))
            count += 1
    return count


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _to_parquet(file: Path, what: str, rows: Iterator[Row]) -> int:
    arrow, parquet = _arrow()
    kinds = {
        "int64": arrow.int64(), "float64": arrow.float64(),
        "text": arrow.string(), "bool": arrow.bool_(),
    }  # fmt: skip
    schema = arrow.schema([(name, kinds[kind]) for name, kind in COLUMNS[what].items()])
    count = 0
    with parquet.ParquetWriter(file, schema) as table:
        while page := list(islice(rows, _PAGE)):
            columns = [[_unicode(value) for value in column] for column in zip(*page, strict=True)]
            table.write_batch(arrow.record_batch(columns, schema=schema))
            count += len(page)
    return count


def _unicode(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise GalleryError(
            "Parquet needs the package pyarrow; install it (pip install "
            '"fusiform[tables]"), or write a .csv file.'
        ) from error
    return pyarrow, pyarrow.parquet


def _faces(store: Store) -> Iterator[Row]:
    sql = (
        f"SELECT {FACE_COLUMNS}, people.id, name, taken_at, pins.face_id FROM faces "
        "JOIN photos ON photos.id = faces.photo_id "
        "LEFT JOIN members ON members.face_id = faces.id "
        "LEFT JOIN people ON people.id = members.person_id "
        "LEFT JOIN pins ON pins.face_id = faces.id "
        f"WHERE {HAS_FILE} AND faces.id > ? ORDER BY faces.id LIMIT {_PAGE}"
    )
    for row in _paged(store, sql):
        face, person, name, taken_at, pinned = face_row(row), *row[8:]
        who = (face.id, face.photo, person, name)
        yield *who, *face.box, face.score, face.quality, taken_at, pinned is not None


def _people(store: Store) -> Iterator[Row]:
    sql = (
        "SELECT people.id, name, count(faces.id), count(DISTINCT photos.id), min(taken_at), "
        "max(taken_at), hidden FROM people LEFT JOIN members ON person_id = people.id "
        "LEFT JOIN faces ON faces.id = face_id "
        f"AND {HAS_FILE} "
        "LEFT JOIN photos ON photos.id = photo_id WHERE people.id > ? "
        f"GROUP BY people.id, name, hidden ORDER BY people.id LIMIT {_PAGE}"
    )
    for row in _paged(store, sql):
        if row[1] is not None or row[2]:  # as `people` shows them
            yield *row[:6], bool(row[6])


def _photos(store: Store) -> Iterator[Row]:
    sql = (
        "SELECT photos.id, (SELECT min(path) FROM files WHERE files.photo_id = photos.id), "
        "sha256, width, height, taken_at, "
        "(SELECT count(*) FROM faces WHERE faces.photo_id = photos.id AND no_face = 0) "
        "FROM photos WHERE EXISTS (SELECT 1 FROM files WHERE files.photo_id = photos.id) "
        f"AND photos.id > ? ORDER BY photos.id LIMIT {_PAGE}"
    )
    names = _names(store)
    for row in _paged(store, sql):
        yield shown_path(row[1]), *row[2:7], names.get(row[0])


def _names(store: Store) -> dict[int, str]:
    """photo -> the names of the people in it."""
    rows = store.read(
        "SELECT faces.photo_id, name FROM faces JOIN members ON face_id = faces.id "
        "JOIN people ON people.id = person_id WHERE name IS NOT NULL AND no_face = 0 "
        "ORDER BY faces.photo_id, faces.id"
    )
    return {
        photo: "; ".join(dict.fromkeys(name for _, name in some))
        for photo, some in groupby(rows, key=lambda row: row[0])
    }


def _paged(store: Store, sql: str) -> Iterator[Row]:
    """Rows by their number, which stands first, a page at a time."""
    rows = store.read(sql, (0,))
    while rows:
        yield from rows
        rows = store.read(sql, (rows[-1][0],))


_ROWS = {"faces": _faces, "people": _people, "photos": _photos}
