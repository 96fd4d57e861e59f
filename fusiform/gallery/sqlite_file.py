"""A gallery in one SQLite file: one writer at a time, any number of readers."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fusiform.core.errors import GalleryDamaged, GalleryError, GalleryUnwritable
from fusiform.gallery.database import Connection
from fusiform.gallery.faults import FROM_COPY, named_faults
from fusiform.gallery.schema import migrate
from fusiform.gallery.traces import found_in


class SqliteFile:
    """The file, open. It may be shared by threads: its calls wait for one another."""

    def __init__(self, path: str | Path, *, create: bool = True, patience: float = 10.0) -> None:
        """Opens the file at `path`, making it and its folders if `create`.

        `patience` is how many seconds a call waits for another process that is writing.
        Raises GalleryError (no such file), GalleryDamaged, GalleryUnwritable, GalleryBusy.
        """
        self.file = Path(path).expanduser().absolute()
        self.name = str(self.file)
        self._turn = threading.RLock()
        if not create and not (self.file.exists() and self.file.stat().st_size):
            fault = "is empty" if self.file.exists() else "does not exist"
            raise GalleryError(f"{self.file} {fault}; make it with `fusiform index`.")
        self._make_folder()
        with named_faults(self.file):
            self._db = sqlite3.connect(
                self.file, timeout=patience, isolation_level=None, check_same_thread=False
            )
            try:
                self._migrate(time.monotonic() + patience)
            except BaseException:
                self._db.close()
                raise

    def _migrate(self, deadline: float) -> None:
        # While another process makes the file, or closes it last, SQLite says "busy" at once
        # instead of waiting (https://www.sqlite.org/wal.html, section 9).
        while True:
            try:
                return migrate(self._db, self.file)
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def _make_folder(self) -> None:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GalleryUnwritable(
                f"{self.file.parent} cannot be made ({error.strerror}); choose another --gallery."
            ) from error

    def close(self) -> None:
        """Closes the file."""
        with self._turn:
            self._db.close()

    def read(self, sql: str, values: Sequence[object] = (), /) -> list[Any]:
        """All rows of a SELECT. Raises GalleryBusy, GalleryDamaged."""
        with self._turn, named_faults(self.file):
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def write(self, shared: bool = False) -> Iterator[Connection]:
        """A transaction; SQLite has one at a time, shared or not.

        Raises GalleryBusy, GalleryUnwritable, GalleryDamaged.
        """
        with self._turn, named_faults(self.file):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # a full disk makes SQLite roll back by itself
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def indexing(self, wait: float, alone: bool) -> Iterator[None]:
        """A file lock, which ends with the process that holds it, however that dies.

        Raises TimeoutError, GalleryUnwritable.
        """
        lock = FileLock(f"{self.file}.lock")
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise TimeoutError from None
        except OSError as error:
            raise GalleryUnwritable(
                f"{lock.lock_file} cannot be written ({error.strerror}); "
                "change the permissions of its folder."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def vector(self, packed: bytes, /) -> bytes:
        """SQLite keeps vectors as bytes."""
        return packed

    def make_room(self, db: Connection, sealed: bool) -> None:
        """Nothing to do."""

    @property
    def software(self) -> str:
        """What it runs on, with its version."""
        return f"SQLite {sqlite3.sqlite_version}"

    @property
    def searchable(self) -> None:
        """SQLite has no index of vectors; see `index`."""
        return None

    def tidy(self, model: int) -> None:
        """Nothing to do."""

    def check(self) -> None:
        """Reads the whole file. Raises GalleryDamaged if SQLite finds any fault in it."""
        faults = self.read("PRAGMA integrity_check(1)") + self.read("PRAGMA foreign_key_check")
        if faults != [("ok",)]:
            raise GalleryDamaged(f"{self.file} is damaged ({faults[0][0]}); {FROM_COPY}.")

    def compact(self) -> bool:
        """Rewrites the file without its free space and empties the log of past changes.

        Returns False if another process that has the gallery open prevents it.
        """
        with self._turn, named_faults(self.file):
            try:
                self._db.execute("PRAGMA temp_store = MEMORY")  # no copy in a temporary file
                self._db.execute("VACUUM")
                busy: int = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.OperationalError as error:
                known = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if error.sqlite_errorcode & 0xFF not in known:
                    raise
                return False
        return busy == 0

    def holds(self, text: str) -> bool:
        """Whether a text in any row has these letters."""
        tables = self.read("SELECT name FROM sqlite_master WHERE type = 'table'")
        return any(
            self.read(f'SELECT 1 FROM "{table}" WHERE instr("{column[1]}", ?) LIMIT 1', (text,))
            for (table,) in tables
            for column in self.read(f'PRAGMA table_info("{table}")')
            if column[2] == "TEXT"
        )

    def traces(self, pieces: set[bytes], texts: Sequence[str]) -> bool:
        """Whether the file or SQLite's files beside it have one of these anywhere."""
        files = [self.file, Path(f"{self.file}-wal"), Path(f"{self.file}-shm")]
        return any(found_in(file, pieces, texts) for file in files)
