"""A gallery in a schema of a PostgreSQL server with pgvector: many writers at the same time.

Whoever changes people or names holds the schema's lock alone; those who add photos share it.
"""

from __future__ import annotations

import re
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import GalleryDamaged, GalleryError
from fusiform.gallery.database import Connection, Cursor
from fusiform.gallery.faults_postgres import named_faults, reached
from fusiform.gallery.schema_postgres import STEPS
from fusiform.gallery.traces import found_in

if TYPE_CHECKING:
    import psycopg

SCHEMA = "fusiform"
INDEXED = 20_000  # faces; fewer are all looked at
PROBED = 48  # lists that a search looks into
_WRITING, _INDEXING, _MAKING = 0x46555346, 0x46555347, 0x46555348  # classes of advisory locks


class PostgresSchema:
    """The schema, open. It may be shared by threads: its calls wait for one another."""

    file = None

    def __init__(self, url: str, *, create: bool = True, patience: float = 10.0) -> None:
        """Opens the gallery at `postgresql://USER@HOST/DB?schema=NAME`, making it if `create`.

        Without `schema` it is in the schema "fusiform". A password is better left to PGPASSWORD or
        a `.pgpass` file. `patience` is how many seconds a call waits for others who are writing.
        Raises GalleryError (no such gallery, no server, no pgvector), GalleryUnwritable,
        GalleryBusy, GalleryDamaged.
        """
        self._url, self.name, self.schema = _parts(url)
        self._patience, self._turn = patience, threading.RLock()
        self._key = zlib.crc32(self.schema.encode()) - (1 << 31)  # what int4 holds
        self._db = self._connect()
        try:
            with named_faults(self.name):
                self._open(create)
        except BaseException:
            self._db.close()
            raise

    def _connect(self) -> psycopg.Connection[Any]:
        return reached(self._url, self.name, max(2, int(self._patience)))

    def _open(self, create: bool) -> None:
        there = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
        if not self._db.execute(there, (self.schema,)).fetchone():
            if not create:
                raise GalleryError(f"{self.name} does not exist; make it with `fusiform index`.")
            self._make()
        self._look_here()
        version = self._version()
        if version < len(STEPS):
            self._make()
        if version > len(STEPS):
            raise GalleryDamaged(
                f"{self.name} was made by a newer fusiform (schema {version}, known here up to "
                f"{len(STEPS)}); upgrade fusiform."
            )
        self._db.execute("SET ivfflat.iterative_scan = relaxed_order")
        self._db.execute(f"SET ivfflat.probes = {PROBED}")

    def _make(self) -> None:
        with self._db.transaction():
            self._db.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_MAKING, self._key))
            self._db.execute(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
            self._db.execute("SELECT pg_advisory_xact_lock(%s, 0)", (_MAKING,))
            self._db.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            self._look_here()
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL)"
            )
            for step in STEPS[self._version() :]:
                self._db.execute(step.encode())
            sql = (
                "INSERT INTO meta VALUES ('schema', %s) "
                "ON CONFLICT(key) DO UPDATE SET value = excluded.value"
            )
            self._db.execute(sql, (str(len(STEPS)),))

    def _look_here(self) -> None:
        """Names mean this schema's tables, and pgvector's types wherever that was installed."""
        sql = (
            "SELECT nspname FROM pg_extension JOIN pg_namespace ON extnamespace = pg_namespace.oid "
            "WHERE extname = 'vector'"
        )
        row = self._db.execute(sql).fetchone()
        path = f'"{self.schema}", "{row[0] if row else "public"}"'
        self._db.execute("SELECT set_config('search_path', %s, false)", (path,))
        _teach_halves(self._db)

    def _version(self) -> int:
        if not self._db.execute("SELECT to_regclass('meta')").fetchone()[0]:  # type: ignore[index]
            return 0
        row = self._db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Closes the connection."""
        with self._turn:
            self._db.close()

    def read(self, sql: str, values: Sequence[object] = (), /) -> list[Any]:
        """All rows of a SELECT."""
        with self._turn, named_faults(self.name):
            return self._db.execute(_theirs(sql), values, binary=True).fetchall()

    @contextmanager
    def write(self, shared: bool = False) -> Iterator[Connection]:
        """A transaction, alone or beside other shared ones."""
        kind = "_shared" if shared else ""
        with self._turn, named_faults(self.name), self._db.transaction():
            self._db.execute(f"SET LOCAL lock_timeout = {int(1000 * self._patience)}")
            self._db.execute(f"SELECT pg_advisory_xact_lock{kind}(%s, %s)", (_WRITING, self._key))
            yield _Session(self._db)

    @contextmanager
    def indexing(self, wait: float, alone: bool) -> Iterator[None]:
        """An advisory lock of a connection of its own, which ends with the process."""
        from psycopg import Error

        sql = f"SELECT pg_try_advisory_lock{'' if alone else '_shared'}(%s, %s)"
        deadline = time.monotonic() + wait
        with self._connect() as own:
            while not own.execute(sql, (_INDEXING, self._key)).fetchone()[0]:  # type: ignore[index]
                if time.monotonic() > deadline:
                    raise TimeoutError
                time.sleep(0.02)
            try:
                yield
            finally:
                # the server notices only some time later that a connection was closed
                with suppress(Error):
                    own.execute("SELECT pg_advisory_unlock_all()")

    def vector(self, packed: bytes, /) -> object:
        """A halfvec, or bytes where the gallery is sealed."""
        return _half_type()(packed) if self.indexed else packed

    def make_room(self, db: Connection, sealed: bool) -> None:
        """halfvec, or bytea for what the server shall not read."""
        sql = "SELECT indexname FROM pg_indexes WHERE schemaname = ? AND indexname LIKE 'near_%'"
        for (index,) in db.execute(sql, (self.schema,)).fetchall():
            db.execute(f'DROP INDEX "{index}"')
        db.execute("DELETE FROM meta WHERE key LIKE 'near_%'")
        kind = "bytea USING NULL::bytea" if sealed else "halfvec USING NULL::halfvec"
        db.execute(f"ALTER TABLE embeddings ALTER COLUMN vector TYPE {kind}")

    @property
    def indexed(self) -> bool:
        """Whether the server can read the vectors: not in a sealed gallery."""
        sql = (
            "SELECT data_type FROM information_schema.columns WHERE table_schema = ? "
            "AND (table_name, column_name) = ('embeddings', 'vector')"
        )
        return bool(self.read(sql, (self.schema,))[0][0] != "bytea")

    def nearest(self, model: int, probe: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """(face, cosine) of the faces most similar to `probe`: of all, or from INDEXED faces on of
        those in the lists nearest to it (pgvector's IVFFlat)."""
        width = len(probe)
        close = f"vector::halfvec({width}) <#> ?::halfvec({width})"
        # the model's number stands in the text, so that the planner sees which index is meant
        sql = (
            f"SELECT face_id, -({close}) FROM embeddings WHERE model_id = {int(model)} AND NOT "
            "EXISTS (SELECT 1 FROM faces WHERE id = face_id AND no_face != 0) "
            f"ORDER BY {close} LIMIT ?"
        )
        half = self.vector(probe.astype("<f2").tobytes())
        rows = self.read(sql, (half, half, int(k)))
        return sorted(rows, key=lambda row: (-row[1], row[0]))

    def tidy(self, model: int) -> None:
        """Makes the index of an embedder's vectors, and anew when they are three times as many."""
        if not self.indexed or not model:
            return
        sql = "SELECT count(*), max(vector_dims(vector)) FROM embeddings WHERE model_id = ?"
        count, width = self.read(sql, (model,))[0]
        known = self.read("SELECT value FROM meta WHERE key = ?", (f"near_{model}",))
        if count < INDEXED or (known and count < 3 * int(known[0][0])):
            return
        with self.write() as db:
            db.execute(f"DROP INDEX IF EXISTS near_{int(model)}")
            db.execute("SET LOCAL maintenance_work_mem = '512MB'")
            db.execute(
                f"CREATE INDEX near_{int(model)} ON embeddings USING ivfflat "
                f"((vector::halfvec({int(width)})) halfvec_ip_ops) "
                f"WITH (lists = {int(2 * count**0.5)}) WHERE model_id = {int(model)}"
            )
            sql = (
                "INSERT INTO meta VALUES (?, ?) "
                "ON CONFLICT(key) DO UPDATE SET value = excluded.value"
            )
            db.execute(sql, (f"near_{model}", str(count)))

    def check(self) -> None:
        """Reads every row. Raises GalleryDamaged if the server finds one that is damaged."""
        for table in self._tables():
            self.read(f'SELECT count(length(t::text)) FROM "{table}" AS t')

    def _tables(self) -> list[str]:
        sql = "SELECT tablename FROM pg_tables WHERE schemaname = ? ORDER BY 1"
        return [row[0] for row in self.read(sql, (self.schema,))]

    def compact(self) -> bool:
        """Rewrites the tables and, where the user may, ends the server's log of past changes.

        Returns False if another session prevents it.
        """
        from psycopg import errors

        tables = ", ".join(f'"{table}"' for table in self._tables())
        with self._turn, named_faults(self.name):
            try:
                self._db.execute(f"SET lock_timeout = {int(1000 * self._patience)}")
                self._db.execute(f"VACUUM (FULL) {tables}")
                self._db.execute("SELECT pg_switch_wal()")
                self._db.execute("CHECKPOINT")
            except errors.LockNotAvailable:
                return False
            except errors.InsufficientPrivilege:
                pass
            finally:
                self._db.execute("RESET lock_timeout")
        return True

    def holds(self, text: str) -> bool:
        """Whether a text in any row has these letters."""
        sql = (
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = ? AND data_type = 'text'"
        )
        return any(
            self.read(f'SELECT 1 FROM "{table}" WHERE strpos("{column}", ?) > 0 LIMIT 1', (text,))
            for table, column in self.read(sql, (self.schema,))
        )

    def traces(self, pieces: set[bytes], texts: Sequence[str]) -> bool:
        """Whether the server's files have one of these; True if they cannot be read from here.

        The server keeps a log of changes (WAL) and reuses its files: until these are overwritten,
        or removed (`wal_recycle = off`), what was erased can be found there.
        """
        from psycopg import errors

        try:
            folder = Path(self.read("SELECT current_setting('data_directory')")[0][0])
            # halfvec keeps numbers in the machine's order, which is ours where we can read it
            files = [file for file in folder.rglob("*") if file.is_file()]
            return not files or any(found_in(file, pieces, texts) for file in files)
        except (errors.InsufficientPrivilege, OSError):
            return True


class _Session:
    """A connection that takes SQL with `?`."""

    def __init__(self, db: psycopg.Connection[Any]) -> None:
        self._db = db

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Cursor:
        return self._db.execute(_theirs(sql), values, binary=True)

    def executemany(self, sql: str, rows: Iterable[Sequence[object]], /) -> Cursor:
        cursor = self._db.cursor()
        cursor.executemany(_theirs(sql), rows)
        return cursor


@cache
def _theirs(sql: str) -> bytes:
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _parts(url: str) -> tuple[str, str, str]:
    """The URL for the server, the one for messages (no password), and the schema."""
    parts = urlsplit(url)
    told = dict(parse_qsl(parts.query))
    schema = told.pop("schema", SCHEMA)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", schema):
        raise GalleryError(f"{schema!r} is no name for a schema; use letters, digits and _.")
    server = urlunsplit(parts._replace(scheme="postgresql", query=urlencode(told)))
    shown = {key: value for key, value in told.items() if key != "password"}
    if schema != SCHEMA:
        shown["schema"] = schema
    who = f"{parts.username}@" if parts.username else ""
    where = who + parts.netloc.rpartition("@")[2]
    name = urlunsplit(("postgresql", where, parts.path, urlencode(shown, safe="/"), ""))
    return server, name, schema


@cache
def _half_type() -> type[bytes]:
    """The type of values that go to the server as halfvec."""
    return type("Half", (bytes,), {})


def _teach_halves(db: psycopg.Connection[Any]) -> None:
    """halfvec as bytes: float16, little-endian here; on the wire two numbers of 16 bits (width, 0)
    and the values, big-endian (pgvector, halfvec_send)."""
    from psycopg import pq
    from psycopg.adapt import Dumper, Loader

    row = db.execute("SELECT to_regtype('halfvec')::oid").fetchone()
    if not row or row[0] is None:
        return
    number: int = row[0]

    class HalfDumper(Dumper):
        format = pq.Format.BINARY
        oid = number

        def dump(self, obj: bytes) -> bytes:
            values = np.frombuffer(obj, "<f2").astype(">f2")
            return len(values).to_bytes(2, "big") + b"\0\0" + values.tobytes()

    class HalfLoader(Loader):
        format = pq.Format.BINARY

        def load(self, data: Any) -> bytes:
            return np.frombuffer(bytes(data)[4:], ">f2").astype("<f2").tobytes()

    db.adapters.register_dumper(_half_type(), HalfDumper)
    db.adapters.register_loader(number, HalfLoader)
