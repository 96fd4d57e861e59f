"""Which database a gallery is in, by how its place is written."""

from __future__ import annotations

import re
from pathlib import Path

from fusiform.core.errors import GalleryError
from fusiform.gallery.database import Database
from fusiform.gallery.sqlite_file import SqliteFile


def open_database(place: str | Path, create: bool, patience: float) -> Database:
    """The database at a path or a `postgresql://` URL. Raises as `Store` does."""
    if is_url(place):
        from fusiform.gallery.postgres import PostgresSchema

        return PostgresSchema(str(place), create=create, patience=patience)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(place)):
        raise GalleryError(f"{place} is on no kind of server known here; postgresql:// is one.")
    return SqliteFile(place, create=create, patience=patience)


def is_url(place: str | Path) -> bool:
    """Whether a gallery is on a server."""
    return str(place).startswith(("postgresql:", "postgres:"))
