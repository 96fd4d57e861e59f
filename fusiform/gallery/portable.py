"""The archive of a gallery: a zip file of tables as JSON lines, which any program can read.

The format is described in docs/gallery.md. Here is what both sides share: which tables have which
fields, how a value stands in JSON, and how the folders of photos are moved.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any

import numpy as np

from fusiform.gallery.database import Connection
from fusiform.gallery.paths import shown_path, stored_path
from fusiform.gallery.store import LOCK, Store

FORMAT = "fusiform gallery"
VERSION = 1
MANIFEST = "manifest.json"
VECTORS, CROPS = "vectors.bin", "crops.bin"
TEMPLATES = frozenset({"embeddings", "crops"})  # the tables left out without templates
EXPORTS, BACKUPS = "exports", "backups"  # notes: which copies of a gallery are known

# Every table, in an order in which references are there before what refers to them, with its fields
# as "name:kind", integers where no kind is told and "?" where there may be no value.
_TOLD = {
    "meta": "key:text value:text",
    "models": "id hash:text name:path card:text",
    "photos": "id sha256:text width height taken_at:text? added_at:text forgotten pixels:text?",
    "files": "path:path photo_id size mtime_ns",
    "skipped": "path:path size mtime_ns kind:text reason:text remedy:text at:text",
    "sidecars": "path:path embedded:integer?",
    "faces": "id photo_id x1:number y1:number x2:number y2:number score:number quality:number "
    "points:points no_face",
    "dropped": "id photo_id x1:number y1:number x2:number y2:number score:number reason:text",
    "embeddings": "face_id model_id width",
    "crops": "face_id size points:points",
    "people": "id name:text? created_at:text hidden",
    "members": "face_id person_id",
    "pins": "face_id person_id",
    "journal": "id at:text kind:text payload:text before:text?",
    "zones": "id folder:path x1:number y1:number x2:number y2:number",
}
NUMBERED = ("models", "photos", "faces", "dropped", "people", "journal", "zones")
_KEYS = {"embeddings": ("face_id", "model_id")}  # else the first field
# What is kept about this very gallery and its machine, not about its photos and people.
_OWN = {"schema", "indexer", LOCK, EXPORTS, BACKUPS}


@dataclass(frozen=True)
class Field:
    """A field of a table: its `kind` is integer, number, text, path or points."""

    name: str
    kind: str
    optional: bool


def _field(told: str) -> Field:
    name, _, kind = told.partition(":")
    return Field(name, kind.rstrip("?") or "integer", kind.endswith("?"))


TABLES = {table: tuple(map(_field, told.split())) for table, told in _TOLD.items()}


def key_of(table: str) -> tuple[str, ...]:
    """The fields by which the rows of a table are in order."""
    return _KEYS.get(table) or (TABLES[table][0].name,)


def belongs(table: str, row: tuple[Any, ...]) -> bool:
    """Whether a row goes into an archive."""
    return table != "meta" or not (row[0] in _OWN or row[0].startswith("near_"))


def told(field: Field, value: Any) -> Any:
    """A value of the database as it stands in JSON."""
    if field.kind == "points":
        return np.frombuffer(value, "<f4").reshape(-1, 2).tolist()
    return value


def kept(field: Field, value: Any, moves: Mapping[str, str]) -> Any:
    """The value of the database that stands so in JSON. Raises ValueError if it cannot be one."""
    if value is None and field.optional:
        return None
    return _KEPT[field.kind](field.name, value, moves)


def _integer(name: str, value: Any, moves: Mapping[str, str]) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"{name} is no integer of 64 bits")
    if value < 0 and name.endswith("id"):
        raise ValueError(f"{name} is negative")
    return value


def _number(name: str, value: Any, moves: Mapping[str, str]) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{name} is no number")
    return float(value)


def _text(name: str, value: Any, moves: Mapping[str, str]) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    value.encode()  # halves of characters are none: UnicodeEncodeError is a ValueError
    return value


def _path(name: str, value: Any, moves: Mapping[str, str]) -> str:
    return stored_path(moved(shown_path(_text(name, value, moves)), moves))


def _points(name: str, value: Any, moves: Mapping[str, str]) -> bytes:
    points = np.array(value, "<f4")
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise ValueError(f"{name} are no five points")
    return points.tobytes()


_KEPT = {"integer": _integer, "number": _number, "text": _text, "path": _path, "points": _points}


def moved(path: str, moves: Mapping[str, str]) -> str:
    """`path`, of a folder in `moves` (old folder -> new one), as it is in the new folder; of
    folders inside one another the inner one counts.

    A path of Windows that comes to another system, or the other way, gets its separators.
    """
    old = folder_of(path, moves)
    if old is None:
        return path
    ends, new = _ends(old), moves[old]
    rest = path[len(old.rstrip(ends)) :]
    if ends != _ends(new):
        rest = rest.replace("/", "\\") if len(ends) == 1 else rest.replace("\\", "/")
    return new.rstrip(_ends(new)) + rest or new


def folder_of(path: str, folders: Iterable[str]) -> str | None:
    """The innermost of `folders` that `path` lies in or is, None if there is none."""
    for folder in sorted(folders, key=len, reverse=True):
        ends = _ends(folder)
        base = folder.rstrip(ends)
        rest = path[len(base) :]
        if path.startswith(base) and (not rest or rest[0] in ends):
            return folder
    return None


def _ends(folder: str) -> str:
    """What may stand behind the name of a folder."""
    windows = PureWindowsPath(folder).drive and not folder.startswith("/")
    return "/\\" if windows else "/"


def last_numbers(store: Store, db: Connection) -> dict[str, int]:
    """The last number given to a row of every numbered table, of rows that are gone too: numbers
    are never given twice."""
    if store.db.file:
        given = dict(db.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        return {table: int(given.get(table, 0)) for table in NUMBERED}
    sql = "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('{}', 'id')::regclass), 0)"
    return {table: int(db.execute(sql.format(table)).fetchone()[0]) for table in NUMBERED}


def go_on_after(store: Store, db: Connection, last: Mapping[str, int]) -> None:
    """Numbers after `last`, and after the rows that are there, are given next."""
    for table in NUMBERED:
        highest = db.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]
        number = max(int(highest), last[table])
        if store.db.file:
            db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            db.execute("INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)", (table, number))
        elif number:
            sql = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), ?)"
            db.execute(sql, (number,))
