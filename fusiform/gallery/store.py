"""The gallery: photos, faces and vectors, one transaction a photo."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fusiform.core.crop import Crop
from fusiform.core.errors import ChoiceError, GalleryBusy, GalleryError, ModelsDiffer
from fusiform.core.faces import Dropped, Faces
from fusiform.gallery.cipher import Seal, Secret, secret_from, unlock
from fusiform.gallery.database import Connection, now
from fusiform.gallery.insertion import (
    EDITED,
    NEW_DROPPED,
    NEW_SKIPPED,
    insert_faces,
    insert_file,
    insert_photo,
)
from fusiform.gallery.opening import open_database
from fusiform.gallery.paths import shown_path, stored_path
from fusiform.gallery.records import FaceRow, Photo, Skipped
from fusiform.gallery.values import Values

# A photo can lie under several paths; its faces are shown under the first in order. A face whose
# photo has no file any more (edited in place) keeps its vector and its person, and is not shown.
FACE_COLUMNS = """faces.id, (SELECT min(path) FROM files WHERE files.photo_id = faces.photo_id),
    x1, y1, x2, y2, score, quality"""
HAS_FILE = """no_face = 0 AND
    EXISTS (SELECT 1 FROM files WHERE files.photo_id = faces.photo_id)"""


def face_row(row: Sequence[Any]) -> FaceRow:
    """A `FaceRow` from the values of FACE_COLUMNS."""
    x1, y1, x2, y2 = row[2:6]
    return FaceRow(row[0], shown_path(row[1]), (x1, y1, x2, y2), *row[6:8])


class Store:
    """One gallery, open: a file, or a schema on a PostgreSQL server. Use as a context manager or
    call `close`.

    It may be shared by threads: its calls wait for one another. To read in parallel, open one a
    thread; readers never wait for a writer.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        create: bool = True,
        patience: float = 10.0,
        secret: Callable[[], Secret] | None = None,
    ) -> None:
        """Opens the gallery at `place`, a path or a `postgresql://` URL, making it if `create`.

        `patience` is how many seconds a call waits for another process that is writing; `secret`
        gives the key of a sealed gallery, by default as `secret_from` finds it in the environment.
        Raises GalleryError (no such gallery, no key), WrongKey, GalleryDamaged, GalleryUnwritable,
        GalleryBusy.
        """
        self.db = open_database(place, create, patience)
        try:
            self._record = self.noted(LOCK) or ""
            self.values = Values(self.db, self._unlocked(secret))
        except BaseException:
            self.db.close()
            raise

    def _unlocked(self, secret: Callable[[], Secret] | None) -> Seal | None:
        if not self._record:
            return None
        told = secret() if secret else secret_from(os.environ)
        return unlock(json.loads(self._record), told, self.name)

    @property
    def name(self) -> str:
        """What messages call it: its path, or its URL without a password."""
        return self.db.name

    @property
    def path(self) -> Path:
        """Where its file lies. Raises GalleryError on a server."""
        if self.db.file is None:
            raise GalleryError(f"{self.name} is no file.")
        return self.db.file

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
        """Closes it; a closed Store cannot be used again."""
        self.db.close()

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a SELECT. Raises GalleryBusy, GalleryDamaged."""
        return self.db.read(sql, values)

    def read_in(self, sql: str, numbers: Iterable[int]) -> list[Any]:
        """All rows of a SELECT whose last word IN is followed by these numbers, each once."""
        wanted, rows = sorted({int(number) for number in numbers}), []
        for start in range(0, len(wanted), _PART):
            part = wanted[start : start + _PART]
            rows += self.read(f"{sql} ({','.join('?' * len(part))})", part)
        return rows

    @contextmanager
    def write(self, shared: bool = False) -> Iterator[Connection]:
        """A transaction: all that is done inside is kept, or on any exception none of it.

        `shared`: other shared ones may run at the same time, where the database can.
        Raises GalleryBusy, GalleryUnwritable, GalleryDamaged, and GalleryError if somebody else
        sealed or unsealed it since it was opened: nothing goes in unsealed then.
        """
        with self.db.write(shared) as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (LOCK,)).fetchone()
            if (row[0] if row else "") != self._record:
                raise GalleryError(f"{self.name} has another lock since it was opened; try again.")
            yield db

    def go_by(self, values: Values, record: str) -> None:
        """From now on values are packed by `values`, as the lock `record` ("": none) stands."""
        self.values, self._record = values, record

    def check(self) -> None:
        """Reads everything. Raises GalleryDamaged if the database finds any fault in it."""
        self.db.check()

    # Who may index

    @contextmanager
    def lock_for_indexing(self, wait: float = 0.0, alone: bool = False) -> Iterator[None]:
        """Keeps other processes from forgetting, and with a file or `alone` from indexing; waits
        `wait` seconds for it.

        The lock ends with the process that holds it, however that dies. Raises GalleryBusy naming
        the process that holds it.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self.db.indexing(wait, alone))
            except TimeoutError:
                raise self._busy() from None
            self.note("indexer", str(os.getpid()))
            yield

    def _busy(self) -> GalleryBusy:
        holder = self.noted("indexer") or "unknown"
        return GalleryBusy(
            f"{self.name} is being indexed by process {holder}; wait until it is done."
        )

    def note(self, key: str, value: str) -> None:
        """Keeps a value under a key."""
        with self.write(shared=True) as db:
            sql = "INSERT INTO meta VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = ?"
            db.execute(sql, (key, value, value))

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
                db.execute(_NEW_MODEL, entry)
                pairs = [
                    ("detector", detector),
                    ("detector_hash", detector_hash or detector),
                    ("embedder", embedder_hash),
                ]
                db.executemany("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", pairs)
            recorded = self.models()
            assert recorded is not None  # perhaps by another process, which was faster
        known = (self.noted("detector_hash"), recorded[2])
        if known != (detector_hash or detector, embedder_hash):
            raise ModelsDiffer(
                f"{self.name} was made with detector {recorded[0]} and embedder {recorded[1]} "
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
        """Whether the file at `path` was indexed as it lies there now."""
        key = (stored_path(path), size, mtime_ns)
        sql = "SELECT 1 FROM files WHERE (path, size, mtime_ns) = (?, ?, ?)"
        return bool(self.read(sql, key))

    def unreadable(self, path: str, size: int, mtime_ns: int) -> Skipped | None:
        """What was wrong with the file at `path`, if it was skipped as it lies there now."""
        key = (stored_path(path), size, mtime_ns)
        sql = "SELECT * FROM skipped WHERE (path, size, mtime_ns) = (?, ?, ?)"
        rows = self.read(sql, key)
        return Skipped(path, *rows[0][1:6]) if rows else None

    def photo_id(self, sha256: str) -> int | None:
        """The number of the photo with this content, None if there is none."""
        rows = self.read("SELECT id FROM photos WHERE sha256 = ?", (sha256,))
        return rows[0][0] if rows else None

    def photo_showing(self, pixels: str) -> int | None:
        """The number of the first photo with this hash of its pixels, None if there is none."""
        rows = self.read("SELECT min(id) FROM photos WHERE pixels = ?", (pixels,))
        number: int | None = rows[0][0]
        return number

    def listed(self, path: str) -> bool:
        """Whether the gallery knows a file at `path`, readable or not."""
        sql = "SELECT path FROM files WHERE path = ? UNION SELECT path FROM skipped WHERE path = ?"
        return bool(self.read(sql, (stored_path(path),) * 2))

    def photo_at(self, path: str) -> int | None:
        """The number of the photo that lay at `path` when it was indexed, None if there is none."""
        rows = self.read("SELECT photo_id FROM files WHERE path = ?", (stored_path(path),))
        return rows[0][0] if rows else None

    def add_photo(
        self,
        photo: Photo,
        faces: Faces,
        dropped: Iterable[Dropped] = (),
        crops: Sequence[Crop] = (),
    ) -> int:
        """Stores a photo with all its faces in one transaction; returns its number.

        `faces.embeddings (n, d)` are kept under the gallery's embedder; a face without `quality`
        counts with its score; `crops` are none or one a face. A content that is known already
        only gains the new path.
        Raises ChoiceError without embeddings, GalleryError before `use_models`.
        """
        if len(faces) and faces.embeddings is None:
            raise ChoiceError("faces.embeddings", "an array (n, d)", None)
        model = self.model_id()
        if not model:
            raise GalleryError(f"{self.name} has no models yet; call use_models first.")
        with self.write(shared=True) as db:
            number = insert_photo(db, photo)
            if number is None:
                sql = "SELECT id FROM photos WHERE sha256 = ?"
                number = int(db.execute(sql, (photo.sha256,)).fetchone()[0])
            else:
                insert_faces(db, self.values, number, faces, crops, model)
                rows = [(number, *map(float, d.box), float(d.score), d.reason) for d in dropped]
                db.executemany(NEW_DROPPED, rows)
            insert_file(db, number, photo.path, photo.size, photo.mtime_ns)
        return number

    def add_file(self, photo: int, path: str, size: int, mtime_ns: int) -> None:
        """Notes that photo number `photo` also lies at `path` (moved or copied file)."""
        with self.write(shared=True) as db:
            insert_file(db, photo, path, size, mtime_ns)

    def add_edited(self, number: int, photo: Photo) -> None:
        """Notes that photo `number`, whose pixels are the same, lies at `photo.path` with other
        bytes: another program changed its metadata. Faces and what was decided stay."""
        with self.write(shared=True) as db:
            db.execute(EDITED, (photo.sha256, photo.taken_at, number, photo.sha256))
            insert_file(db, number, photo.path, photo.size, photo.mtime_ns)

    def add_skipped(self, skipped: Skipped) -> None:
        """Notes a file that cannot be read, so that it is tried again only when it changes."""
        path = stored_path(skipped.path)
        values = (path, skipped.size, skipped.mtime_ns, skipped.kind)
        with self.write(shared=True) as db:
            # in the order of `_insert_file`: two who do both at once must not wait for each other
            db.execute(NEW_SKIPPED, (*values, skipped.reason, skipped.remedy, now()))
            db.execute("DELETE FROM files WHERE path = ?", (path,))

    def skipped(self) -> list[Skipped]:
        """All files that could not be read, by path."""
        rows = self.read("SELECT * FROM skipped ORDER BY path")
        return [Skipped(shown_path(row[0]), *row[1:6]) for row in rows]

    def dropped(self) -> list[tuple[str, Dropped]]:
        """All (photo path, box not kept), by path."""
        rows = self.read(
            "SELECT min(path), x1, y1, x2, y2, score, reason FROM dropped "
            "JOIN files USING (photo_id) GROUP BY dropped.id ORDER BY 1, dropped.id"
        )
        return [(shown_path(p), Dropped((a, b, c, d), s, r)) for p, a, b, c, d, s, r in rows]

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
        sql = f"SELECT {FACE_COLUMNS} FROM faces WHERE {HAS_FILE} AND id IN"
        found = {row[0]: face_row(row) for row in self.read_in(sql, ids)}
        return [found[int(i)] for i in ids if int(i) in found]

    def vectors(
        self, embedder_hash: str | None = None, after: int = 0
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """(face numbers (n,), unit vectors (n, d), quality (n,)) of one embedder, by number, of
        faces above `after`. Without a hash the gallery's own embedder's. n = 0 gives d = 0.
        """
        sql, model = f"{_VECTORS} AND face_id > ? ORDER BY face_id", self.model_id(embedder_hash)
        return self._unpacked(model, self.read(sql, (model, after)))

    def vectors_of(
        self, ids: Sequence[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """The same of these faces, by number; those that are not there are left out."""
        model = self.model_id()
        sql = _VECTORS.replace("?", str(model))
        return self._unpacked(model, sorted(self.read_in(f"{sql} AND face_id IN", ids)))

    def model_id(self, embedder_hash: str | None = None) -> int:
        """The number of an embedder, by default the gallery's own; 0 if there is none."""
        own = "(SELECT value FROM meta WHERE key = 'embedder')"
        where, values = ("?", (embedder_hash,)) if embedder_hash else (own, ())
        rows = self.read(f"SELECT id FROM models WHERE hash = {where}", values)
        return rows[0][0] if rows else 0

    def crops_of(self, ids: Sequence[int]) -> dict[int, Crop]:
        """face -> its kept crop, of those that have one."""
        rows = self.read_in("SELECT face_id, crop FROM crops WHERE face_id IN", ids)
        faces = [row[0] for row in rows]
        crops = self.values.pictures(faces, [row[1] for row in rows])
        return dict(zip(faces, crops, strict=True))

    def _unpacked(
        self, model: int, rows: list[tuple[int, float, bytes]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        ids = np.array([row[0] for row in rows], dtype=np.int64)
        quality = np.array([row[1] for row in rows], dtype=np.float32)
        return ids, self.values.matrix(ids.tolist(), model, [row[2] for row in rows]), quality


_PART = 500  # numbers in one question
LOCK = "lock"  # the key under which a sealed gallery keeps its lock

_VECTORS = (
    "SELECT face_id, quality, vector FROM embeddings JOIN faces ON face_id = faces.id "
    "WHERE model_id = ? AND no_face = 0"
)
_NEW_MODEL = "INSERT INTO models(hash, name, card) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
