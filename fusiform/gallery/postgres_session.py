"""Statements as both databases understand them, sent to PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from fusiform.gallery.database import Cursor

if TYPE_CHECKING:
    import psycopg


class Session:
    """A connection that takes SQL with `?`."""

    def __init__(self, db: psycopg.Connection[Any]) -> None:
        self._db = db

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Cursor:
        return self._db.execute(theirs(sql), values, binary=True)

    def executemany(self, sql: str, rows: Iterable[Sequence[object]], /) -> Cursor:
        cursor = self._db.cursor()
        cursor.executemany(theirs(sql), rows)
        return cursor


@cache
def theirs(sql: str) -> bytes:
    """SQL with `?` as psycopg takes it."""
    return sql.replace("%", "%%").replace("?", "%s").encode()
