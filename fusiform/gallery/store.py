"""The gallery file: photos, faces and vectors in SQLite, one transaction a photo."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from fusiform.core.errors import (
    ChoiceError,
    GalleryBusy,
    GalleryDamaged,
    GalleryError,
    GalleryUnwritable,
    ModelsDiffer,
)
from fusiform.core.faces import Dropped, Faces
from fusiform.gallery.faults import FROM_COPY, named_faults
from fusiform.gallery.records import FaceRow, Photo, Skipped
from fusiform.gallery.schema import migrate

# A photo can lie under several paths; its faces are shown under the first in order. A face whose
# photo has no file any more (edited in place) keeps its vector and its person, and is not shown.
FACE_COLUMNS = """faces.id, (SELECT min(path) FROM files WHERE files.photo_id = faces.photo_id),
    x1, y1, x2, y2, score, quality"""
HAS_FILE = """no_face = 0 AND
    EXISTS (SELECT 1 FROM files WHERE files.photo_id = faces.photo_id)"""


def now() -> str:
    """The time as UTC ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def stored_path(path: str) -> str | bytes:
    """`path` as SQLite can hold it: file names that are no valid UTF-8 stay bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def face_row(row: Sequence[Any]) -> FaceRow:
    """A `FaceRow` from the values of FACE_COLUMNS."""
    x1, y1, x2, y2 = row[2:6]
    return FaceRow(row[0], os.fsdecode(row[1]), (x1, y1, x2, y2), *row[6:8])


class Store:
    """One gallery file, open. Use as a context manager or call `close`.

    It may be shared by threads: its calls wait for one another. To read in parallel, open one a
    thread; readers never wait for a writer.
    """

    def __init__(self, path: str | Path, *, create: bool = True, patience: float = 10.0) -> None:
        """Opens the gallery at `path`, making it and its folders if `create`.

        `patience` is how many seconds a call waits for another process that is writing.
        Raises GalleryError (no such file), GalleryDamaged, GalleryUnwritable, GalleryBusy.
        """
        self.path = Path(path).expanduser().absolute()
        self._turn = threading.RLock()
        if not create and not (self.path.exists() and self.path.stat().st_size):
            fault = "is empty" if self.path.exists() else "does not exist"
            raise GalleryError(f"{self.path} {fault}; make it with `fusiform index`.")
        self._make_folder()
        with named_faults(self.path):
            self._db = sqlite3.connect(
                self.path, timeout=patience, isolation_level=None, check_same_thread=False
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
                return migrate(self._db, self.path)
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GalleryUnwritable(
                f"{self.path.parent} cannot be made ({error.strerror}); choose another --gallery."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; a closed Store cannot be used again."""
        with self._turn:
            self._db.close()

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a SELECT. Raises GalleryBusy, GalleryDamaged."""
        with self._turn, named_faults(self.path):
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is done inside is kept, or on any exception none of it.

        Raises GalleryBusy, GalleryUnwritable, GalleryDamaged.
        """
        with self._turn, named_faults(self.path):
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
    def alone(self) -> Iterator[sqlite3.Connection]:
        """The connection outside any transaction, for VACUUM and checkpoints."""
        with self._turn, named_faults(self.path):
            yield self._db

    def check(self) -> None:
        """Reads the whole file. Raises GalleryDamaged if SQLite finds any fault in it."""
        faults = self.read("PRAGMA integrity_check(1)") + self.read("PRAGMA foreign_key_check")
        if faults != [("ok",)]:
            raise GalleryDamaged(f"{self.path} is damaged ({faults[0][0]}); {FROM_COPY}.")

    # Who may index

    @contextmanager
    def lock_for_indexing(self, wait: float = 0.0) -> Iterator[None]:
        """Keeps every other process from indexing this gallery; waits `wait` seconds for it.

        The lock ends with the process that holds it, however that dies. Raises GalleryBusy naming
        the process that holds it.
        """
        lock = FileLock(f"{self.path}.lock")
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise self._busy() from None
        except OSError as error:
            raise GalleryUnwritable(
                f"{lock.lock_file} cannot be written ({error.strerror}); "
                "change the permissions of its folder."
            ) from error
        try:
            self.note("indexer", str(os.getpid()))
            yield
        finally:
            lock.release()

    def _busy(self) -> GalleryBusy:
        holder = self.noted("indexer") or "unknown"
        return GalleryBusy(
            f"{self.path} is being indexed by process {holder}; wait until it is done."
        )

    def note(self, key: str, value: str) -> None:
        """Keeps a value under a key."""
        with self.write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def noted(self, key: str) -> str | None:
        """What is kept under a key."""
        rows = self.read("SELECT value FROM meta WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    # Models

    def use_models(
        self,
        detector: str,
        embedder: str,
        embedder_hash: str,
        card_json: str = "{}",
        detector_hash: str = "",
    ) -> None:
        """Records the models at the first call; later calls must bring the same.

        `detector` and `embedder` say how to find them again: a name, or the path of a file. What
        has a hash is the same model wherever it lies. Raises ModelsDiffer: faces of different
        models cannot be compared with one another.
        """
        recorded = self.models()
        if recorded is None:
            with self.write() as db:
                entry = (embedder_hash, embedder, card_json)
                db.execute("INSERT INTO models(hash, name, card) VALUES (?, ?, ?)", entry)
                pairs = [
                    ("detector", detector),
                    ("detector_hash", detector_hash or detector),
                    ("embedder", embedder_hash),
                ]
                db.executemany("INSERT INTO meta VALUES (?, ?)", pairs)
            return
        known = (self.noted("detector_hash"), recorded[2])
        if known != (detector_hash or detector, embedder_hash):
            raise ModelsDiffer(
                f"{self.path} was made with detector {recorded[0]} and embedder {recorded[1]} "
                f"({recorded[2][:12]}), not {detector} and {embedder} ({embedder_hash[:12]}); "
                f"use `--detector {recorded[0]} --embedder {recorded[1]}` or a new --gallery."
            )

    def models(self) -> tuple[str, str, str] | None:
        """(detector, embedder, hash of the embedder) of this gallery, None before the first."""
        embedder = self.noted("embedder")
        if embedder is None:
            return None
        name = self.read("SELECT name FROM models WHERE hash = ?", (embedder,))[0][0]
        return self.noted("detector") or "", name, embedder

    # Photos

    def seen(self, path: str, size: int, mtime_ns: int) -> bool:
        """Whether the file at `path` was indexed or skipped as it lies there now."""
        key = (stored_path(path), size, mtime_ns)
        return any(
            self.read(f"SELECT 1 FROM {t} WHERE (path, size, mtime_ns) = (?, ?, ?)", key)
            for t in ("files", "skipped")
        )

    def photo_id(self, sha256: str) -> int | None:
        """The number of the photo with this content, None if there is none."""
        rows = self.read("SELECT id FROM photos WHERE sha256 = ?", (sha256,))
        return rows[0][0] if rows else None

    def add_photo(self, photo: Photo, faces: Faces, dropped: Iterable[Dropped] = ()) -> int:
        """Stores a photo with all its faces in one transaction; returns its number.

        `faces.embeddings (n, d)` are kept under the gallery's embedder; a face without `quality`
        counts with its score. A content that is known already only gains the new path.
        Raises ChoiceError without embeddings, GalleryError before `use_models`.
        """
        if len(faces) and faces.embeddings is None:
            raise ChoiceError("faces.embeddings", "an array (n, d)", None)
        model = self._model_id()
        with self.write() as db:
            found = db.execute("SELECT id FROM photos WHERE sha256 = ?", (photo.sha256,)).fetchone()
            number: int = found[0] if found else _insert_photo(db, photo, faces, dropped, model)
            _insert_file(db, number, photo.path, photo.size, photo.mtime_ns)
        return number

    def _model_id(self) -> int:
        models = self.models()
        if models is None:
            raise GalleryError(f"{self.path} has no models yet; call use_models first.")
        return int(self.read("SELECT id FROM models WHERE hash = ?", (models[2],))[0][0])

    def add_file(self, photo: int, path: str, size: int, mtime_ns: int) -> None:
        """Notes that photo number `photo` also lies at `path` (moved or copied file)."""
        with self.write() as db:
            _insert_file(db, photo, path, size, mtime_ns)

    def add_skipped(self, skipped: Skipped) -> None:
        """Notes a file that cannot be read, so that it is tried again only when it changes."""
        path = stored_path(skipped.path)
        values = (path, skipped.size, skipped.mtime_ns, skipped.kind)
        with self.write() as db:
            db.execute("DELETE FROM files WHERE path = ?", (path,))
            db.execute(
                "INSERT OR REPLACE INTO skipped VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*values, skipped.reason, skipped.remedy, now()),
            )

    def skipped(self) -> list[Skipped]:
        """All files that could not be read, by path."""
        rows = self.read("SELECT * FROM skipped ORDER BY path")
        return [Skipped(os.fsdecode(row[0]), *row[1:6]) for row in rows]

    def dropped(self) -> list[tuple[str, Dropped]]:
        """All (photo path, box not kept), by path."""
        rows = self.read(
            "SELECT min(path), x1, y1, x2, y2, score, reason FROM dropped "
            "JOIN files USING (photo_id) GROUP BY dropped.rowid ORDER BY 1, dropped.rowid"
        )
        return [(os.fsdecode(p), Dropped((a, b, c, d), s, r)) for p, a, b, c, d, s, r in rows]

    def counts(self) -> dict[str, int]:
        """How many photos (with a file), files, faces (of those photos) and skipped files."""
        queries = {
            "photos": "SELECT count(DISTINCT photo_id) FROM files",
            "files": "SELECT count(*) FROM files",
            "faces": f"SELECT count(*) FROM faces WHERE {HAS_FILE}",
            "skipped": "SELECT count(*) FROM skipped",
        }
        return {name: self.read(query)[0][0] for name, query in queries.items()}

    # Faces and vectors

    def face_rows(self, ids: Sequence[int]) -> list[FaceRow]:
        """The faces with these numbers, in that order; those without a file are left out."""
        found: dict[int, FaceRow] = {}
        for start in range(0, len(ids), 500):
            part = [int(i) for i in ids[start : start + 500]]
            marks = ",".join("?" * len(part))
            rows = self.read(
                f"SELECT {FACE_COLUMNS} FROM faces WHERE id IN ({marks}) AND {HAS_FILE}", part
            )
            found.update((row[0], face_row(row)) for row in rows)
        return [found[int(i)] for i in ids if int(i) in found]

    def vectors(
        self, embedder_hash: str | None = None, after: int = 0
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """(face numbers (n,), unit vectors (n, d), quality (n,)) of one embedder, by number, of
        faces above `after`. Without a hash the gallery's own embedder's. n = 0 gives d = 0.
        """
        wanted = embedder_hash or (self.models() or ("", "", ""))[2]
        return _unpacked(self.read(f"{_VECTORS} AND face_id > ? ORDER BY face_id", (wanted, after)))

    def vectors_of(
        self, ids: Sequence[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """The same of these faces, by number; those that are not there are left out."""
        wanted, rows = (self.models() or ("", "", ""))[2], []
        for start in range(0, len(ids), 500):
            part = [int(i) for i in ids[start : start + 500]]
            marks = ",".join("?" * len(part))
            rows += self.read(f"{_VECTORS} AND face_id IN ({marks})", (wanted, *part))
        return _unpacked(sorted(rows))


_VECTORS = (
    "SELECT face_id, quality, vector FROM embeddings JOIN models ON model_id = models.id "
    "JOIN faces ON face_id = faces.id WHERE hash = ? AND no_face = 0"
)


def _unpacked(
    rows: list[tuple[int, float, bytes]],
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    quality = np.array([row[1] for row in rows], dtype=np.float32)
    packed = np.frombuffer(b"".join(row[2] for row in rows), dtype="<f2")
    matrix = packed.reshape(len(rows), -1 if rows else 0).astype(np.float32)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return ids, matrix / np.maximum(norms, 1e-12), quality


def _insert_file(db: sqlite3.Connection, photo: int, path: str, size: int, mtime_ns: int) -> None:
    kept = stored_path(path)
    db.execute("DELETE FROM skipped WHERE path = ?", (kept,))
    db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (kept, photo, size, mtime_ns))


def _insert_photo(
    db: sqlite3.Connection, photo: Photo, faces: Faces, dropped: Iterable[Dropped], model: int
) -> int:
    number = db.execute(
        "INSERT INTO photos(sha256, width, height, taken_at, added_at) VALUES (?, ?, ?, ?, ?)",
        (photo.sha256, photo.width, photo.height, photo.taken_at, now()),
    ).lastrowid
    assert number is not None
    for face in faces:
        box = [float(v) for v in face.box]
        quality = face.score if face.quality is None else face.quality
        cursor = db.execute(
            "INSERT INTO faces(photo_id, x1, y1, x2, y2, score, quality, points) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (number, *box, face.score, quality, face.points.astype("<f4").tobytes()),
        )
        assert face.embedding is not None
        vector = face.embedding.astype("<f2").tobytes()
        db.execute("INSERT INTO embeddings VALUES (?, ?, ?)", (cursor.lastrowid, model, vector))
    rows = [(number, *map(float, d.box), float(d.score), d.reason) for d in dropped]
    db.executemany("INSERT INTO dropped VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return number
