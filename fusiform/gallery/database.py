"""What the gallery asks of a database: rows, transactions, locks; SQL that both kinds understand.

SQL is written with `?` for values and in words that SQLite and PostgreSQL share (`ON CONFLICT`,
`RETURNING`). Vectors go in and come out as bytes, float16 little-endian.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


def now() -> str:
    """The time as UTC ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def today() -> date:
    """The day it is, in UTC."""
    return datetime.now(UTC).date()


class Readable(Protocol):
    """What answers a SELECT with all its rows: a `Store`."""

    def read(self, sql: str, values: Sequence[object] = ...) -> list[Any]: ...


class Cursor(Protocol):
    """The answer to a statement."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What statements are sent to inside a transaction."""

    def execute(self, sql: str, values: Sequence[object] = ..., /) -> Cursor: ...
    def executemany(self, sql: str, rows: Iterable[Sequence[object]], /) -> Cursor: ...


class Searchable(Protocol):
    """A database with an index of vectors."""

    def nearest(self, model: int, probe: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """(face, similarity) of the faces most similar to `probe` (d,), best first."""


class Database(Protocol):
    """`SqliteFile` and `PostgresSchema`. Faults are GalleryBusy, GalleryUnwritable, GalleryDamaged
    or GalleryError."""

    @property
    def name(self) -> str:
        """How messages call it."""

    @property
    def file(self) -> Path | None:
        """Where it lies, None on a server."""

    @property
    def software(self) -> str:
        """What it runs on, with versions."""

    @property
    def searchable(self) -> Searchable | None:
        """What searches its vectors by an index of its own, None if it has none."""

    def close(self) -> None: ...

    def read(self, sql: str, values: Sequence[object] = (), /) -> list[Any]: ...

    def write(self, shared: bool = False) -> AbstractContextManager[Connection]:
        """A transaction, alone or, if `shared` and the database can, beside other shared ones."""

    def indexing(self, wait: float, alone: bool) -> AbstractContextManager[None]:
        """While it is held nobody forgets; if `alone`, or the database takes one writer only,
        nobody else indexes. Raises TimeoutError after `wait` seconds."""

    def vector(self, packed: bytes, /) -> object:
        """A vector as a value for a statement."""

    def make_room(self, db: Connection, sealed: bool) -> None:
        """Makes the empty column of vectors fit for plain or sealed ones, inside a transaction."""

    def tidy(self, model: int) -> None:
        """Keeps its own index fit, after much was added."""

    def check(self) -> None: ...

    def compact(self) -> bool:
        """Gives back the space of what was deleted; False if another process prevents it."""

    def holds(self, text: str) -> bool:
        """Whether a text in any row has these letters."""

    def traces(self, pieces: set[bytes], texts: Sequence[str]) -> bool:
        """Whether its files have one of these anywhere; True if they cannot be searched."""
