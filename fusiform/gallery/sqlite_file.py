"""A gallery in one SQLite file: one writer at a time, any number of readers.

Where its folder may not be written, as on a read-only disk, it can be looked at all the same.
"""

from __future__ import annotations

import os
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

        `patience` is how many seconds a call waits for another process that is writing. A file
        that may not be written, or whose folder may not, can be read.
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
            try:
                self._db = self._opened(patience)
            except sqlite3.OperationalError as error:
                if not self._lies_fixed(error):
                    raise
                self._db = self._opened(patience, fixed=True)

    def _opened(self, patience: float, fixed: bool = False) -> sqlite3.Connection:
        """A connection; `fixed`: to a file that cannot change, beside which nothing is made."""
        # A log of changes (WAL) needs files of its own beside the gallery, even to read it:
        # https://www.sqlite.org/wal.html, section 5; `immutable`: https://www.sqlite.org/uri.html
        place = f"{self.file.as_uri()}?immutable=1" if fixed else self.file
        db = sqlite3.connect(
            place, uri=fixed, timeout=patience, isolation_level=None, check_same_thread=False
        )
        try:
            self._migrate(db, time.monotonic() + patience, fixed)
        except BaseException:
            db.close()
            raise
        return db

    def _lies_fixed(self, error: sqlite3.OperationalError) -> bool:
        """Whether it could not be opened because its folder may not be written.

        Raises GalleryUnwritable if it cannot be read alone: the last changes are still beside it.
        """
        code, folder = error.sqlite_errorcode, self.file.parent
        effective = os.access in os.supports_effective_ids
        closed = not os.access(folder, os.W_OK, effective_ids=effective)
        closed = closed and code & 0xFF == sqlite3.SQLITE_CANTOPEN
        if not (closed or code == sqlite3.SQLITE_READONLY_DIRECTORY) or not self.file.is_file():
            return False
        log = Path(f"{self.file}-wal")
        if log.is_file() and log.stat().st_size:
            raise GalleryUnwritable(
                f"{self.file} has changes in {log.name} that can be read only where its folder may "
                "be written; copy both files to such a folder."
            )
        return True

    def _migrate(self, db: sqlite3.Connection, deadline: float, fixed: bool) -> None:
        # While another process makes the file, or closes it last, SQLite says "busy" at once
        # instead of waiting (https://www.sqlite.org/wal.html, section 9).
        while True:
            try:
                return migrate(db, self.file, fixed)
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
