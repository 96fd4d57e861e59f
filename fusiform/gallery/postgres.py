"""A gallery in a schema of a PostgreSQL server with pgvector: many writers at the same time.

Whoever changes people or names holds the schema's lock alone; those who add photos share it.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import GalleryBusy, GalleryDamaged, GalleryError, GalleryUnwritable
from fusiform.gallery.database import Connection, Searchable
from fusiform.gallery.faults_postgres import named_faults, reached
from fusiform.gallery.halfvec import half_type, teach_halves
from fusiform.gallery.postgres_session import Session, theirs
from fusiform.gallery.postgres_url import place_of
from fusiform.gallery.schema_postgres import STEPS
from fusiform.gallery.traces import found_in

if TYPE_CHECKING:
    import psycopg

INDEXED = 20_000  # faces; fewer are all looked at
LISTS = 1_500  # most lists of an index; the server needs 200 bytes times their square to make it
PROBED = 56  # lists that a search looks into, at least
SHARE = 7  # of how many lists it looks into one: a smaller share misses more of the nearest
LASTING = 60  # how much longer one waits who indexes: another may be grouping a large gallery
# classes of advisory locks
_WRITING, _INDEXING, _MAKING, _TIDYING = range(0x46555346, 0x4655534A)
_NOTE = "INSERT INTO meta VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value"


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
        self._url, self.name, self.schema = place_of(url)
        self._patience, self._turn = patience, threading.RLock()
        self._key = zlib.crc32(self.schema.encode()) - (1 << 31)  # what int4 holds
        self._indexed: bool | None = None
        self._db = self._connect()
        try:
            with named_faults(self.name):
                self._wait(patience)
                self._open(create)
        except BaseException:
            self._db.close()
            raise

    def _connect(self) -> psycopg.Connection[Any]:
        return reached(self._url, self.name, self._patience)

    def _open(self, create: bool) -> None:
        version = self._version()
        if not version and not create:
            raise GalleryError(f"{self.name} does not exist; make it with `fusiform index`.")
        if version < len(STEPS):
            self._make()
        if version > len(STEPS):
            raise GalleryDamaged(
                f"{self.name} was made by a newer fusiform (schema {version}, known here up to "
                f"{len(STEPS)}); upgrade fusiform."
            )
        self._look_here()
        self._db.execute("SET ivfflat.iterative_scan = relaxed_order")
        sql = "SELECT max(value::bigint) FROM meta WHERE starts_with(key, 'near_')"
        self._look_into(_told(self._db, self.name, sql, ()) or 0)

    def _make(self) -> None:
        with self._db.transaction():
            self._db.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_MAKING, self._key))
            version = self._version()  # another process may have been faster
            self._db.execute(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
            self._db.execute("SELECT pg_advisory_xact_lock(%s, 0)", (_MAKING,))
            self._db.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            self._look_here()
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL)"
            )
            for step in STEPS[version:]:
                self._db.execute(step.encode())
            self._db.execute(theirs(_NOTE), ("schema", str(len(STEPS))))

    def _look_here(self) -> None:
        """Names mean this schema's tables, and pgvector's types wherever that was installed."""
        sql = (
            "SELECT nspname FROM pg_extension JOIN pg_namespace ON extnamespace = pg_namespace.oid "
            "WHERE extname = 'vector'"
        )
        row = self._db.execute(sql).fetchone()
        path = f'"{self.schema}", "{row[0] if row else "public"}"'
        self._db.execute("SELECT set_config('search_path', %s, false)", (path,))
        teach_halves(self._db)

    def _version(self) -> int:
        """The schema's step, 0 if there is nothing in it. Raises GalleryDamaged if it is another
        program's."""
        # with the schema's name: others on the search path may have tables of the same names
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
        there = {row[0] for row in self._db.execute(tables, (self.schema,))}
        if not there:
            return 0
        if {"meta", "photos", "faces", "members"} <= there:
            sql = f"SELECT value FROM \"{self.schema}\".meta WHERE key = 'schema'"
            row = self._db.execute(sql.encode()).fetchone()
            if row:
                return int(row[0])
        raise GalleryDamaged(
            f"{self.name} is no gallery (a schema with tables of another program); "
            "choose another one with ?schema=NAME."
        )

    def close(self) -> None:
        """Closes the connection."""
        with self._turn:
            self._db.close()

    def read(self, sql: str, values: Sequence[object] = (), /) -> list[Any]:
        """All rows of a SELECT."""
        with self._turn, named_faults(self.name):
            return self._db.execute(theirs(sql), values, binary=True).fetchall()

    @contextmanager
    def write(self, shared: bool = False) -> Iterator[Connection]:
        """A transaction, alone or beside other shared ones."""
        kind = "_shared" if shared else ""
        with self._turn, named_faults(self.name), self._db.transaction():
            self._db.execute(f"SELECT pg_advisory_xact_lock{kind}(%s, %s)", (_WRITING, self._key))
            try:
                yield Session(self._db)
            except BaseException:
                self._indexed = None  # `make_room` may have been undone
                raise

    @contextmanager
    def indexing(self, wait: float, alone: bool) -> Iterator[None]:
        """An advisory lock of a connection of its own, which ends with the process."""
        from psycopg import Error

        sql = f"SELECT pg_try_advisory_lock{'' if alone else '_shared'}(%s, %s)"
        deadline = time.monotonic() + wait
        with self._connect() as own:
            while not _told(own, self.name, sql, (_INDEXING, self._key)):
                if time.monotonic() > deadline:
                    raise TimeoutError
                time.sleep(0.02)
            self._wait(LASTING * self._patience)
            try:
                yield
            finally:
                # the server notices only some time later that a connection was closed
                with suppress(Error):
                    own.execute("SELECT pg_advisory_unlock_all()")
                if not self._db.closed:
                    self._wait(self._patience)

    def _wait(self, seconds: float) -> None:
        """How long a statement waits for locks from now on; without end it would be with 0."""
        with self._turn, named_faults(self.name):
            self._db.execute(f"SET lock_timeout = {max(1, int(1000 * seconds))}")

    def vector(self, packed: bytes, /) -> object:
        """A halfvec, or bytes where the gallery is sealed."""
        return half_type()(packed) if self.indexed else packed

    def make_room(self, db: Connection, sealed: bool) -> None:
        """halfvec, or bytea for what the server shall not read."""
        sql = "SELECT indexname FROM pg_indexes WHERE schemaname = ? AND indexname LIKE 'near_%'"
        for (index,) in db.execute(sql, (self.schema,)).fetchall():
            db.execute(f'DROP INDEX "{index}"')
        db.execute("DELETE FROM meta WHERE key LIKE 'near_%'")
        kind = "bytea USING NULL::bytea" if sealed else "halfvec USING NULL::halfvec"
        db.execute(f"ALTER TABLE embeddings ALTER COLUMN vector TYPE {kind}")
        self._indexed = not sealed

    @property
    def indexed(self) -> bool:
        """Whether the server can read the vectors: not in a sealed gallery."""
        if self._indexed is None:
            sql = (
                "SELECT data_type FROM information_schema.columns WHERE table_schema = ? "
                "AND (table_name, column_name) = ('embeddings', 'vector')"
            )
            # should it change meanwhile, the server refuses vectors of the other type
            self._indexed = self.read(sql, (self.schema,))[0][0] != "bytea"
        return self._indexed

    @property
    def searchable(self) -> Searchable | None:
        """The server searches what it can read."""
        return self if self.indexed else None

    def nearest(self, model: int, probe: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """(face, cosine) of the faces most similar to `probe`: of all, or from INDEXED faces on of
        those in the lists nearest to it (pgvector's IVFFlat)."""
        width = len(probe)
        close = f"vector::halfvec({width}) <#> ?::halfvec({width})"
        # the numbers stand in the text, so that the planner sees which index is meant, and how few
        # faces are wanted
        sql = (
            f"SELECT face_id, -({close}) FROM embeddings WHERE model_id = {int(model)} AND NOT "
            "EXISTS (SELECT 1 FROM faces WHERE id = face_id AND no_face != 0) "
            f"ORDER BY {close} LIMIT {int(k)}"
        )
        half = self.vector(probe.astype("<f2").tobytes())
        rows = self.read(sql, (half, half))
        return sorted(rows, key=lambda row: (-row[1], row[0]))

    def tidy(self, model: int) -> None:
        """Makes the index of an embedder's vectors, and anew when they are three times as many."""
        if not self.indexed or not model:
            return
        sql = "SELECT count(*), max(vector_dims(vector)) FROM embeddings WHERE model_id = ?"
        count, width = self.read(sql, (model,))[0]
        known = self.read("SELECT value FROM meta WHERE key = ?", (f"near_{model}",))
        if count >= INDEXED and not (known and count < 3 * int(known[0][0])):
            self._file(int(model), int(width), int(count))
        elif known:
            self._look_into(int(known[0][0]))  # as another process may have left it

    def _file(self, model: int, width: int, count: int) -> None:
        """Makes the index while others read and write; left undone where that cannot be now."""
        from psycopg import errors

        index, new = f"near_{model}", f"near_{model}_new"
        with self._turn, self._only_tidying() as free:
            if not free:
                return
            try:
                # without counts the planner believes that most faces are none
                self._db.execute("ANALYZE faces, embeddings")
                # one of a process that was killed is not whole
                self._db.execute(f'DROP INDEX IF EXISTS "{self.schema}".{new}')
                self._db.execute(
                    f"CREATE INDEX CONCURRENTLY {new} ON embeddings USING ivfflat "
                    f"((vector::halfvec({width})) halfvec_ip_ops) "
                    f"WITH (lists = {_lists(count)}) WHERE model_id = {model}"
                )
                with self.write() as db:
                    db.execute(f'DROP INDEX IF EXISTS "{self.schema}".{index}')
                    db.execute(f'ALTER INDEX "{self.schema}".{new} RENAME TO {index}')
                    db.execute(_NOTE, (index, str(count)))
                self._look_into(count)
            except (errors.LockNotAvailable, errors.DeadlockDetected, GalleryBusy):
                pass  # somebody is reading for long; without the index a search takes longer

    def _look_into(self, filed: int) -> None:
        """How many lists of an index of `filed` faces a search looks into."""
        with self._turn, named_faults(self.name):
            self._db.execute(f"SET ivfflat.probes = {max(PROBED, _lists(filed) // SHARE)}")

    @contextmanager
    def _only_tidying(self) -> Iterator[bool]:
        with named_faults(self.name):
            lock = (_TIDYING, self._key)
            free = bool(_told(self._db, self.name, "SELECT pg_try_advisory_lock(%s, %s)", lock))
            self._db.execute("SET maintenance_work_mem = '512MB'")
            try:
                yield free
            finally:
                self._db.execute("RESET maintenance_work_mem")
                if free:
                    self._db.execute("SELECT pg_advisory_unlock(%s, %s)", lock)

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
                self._db.execute(f"VACUUM (FULL) {tables}")
                self._db.execute("SELECT pg_switch_wal()")
                self._db.execute("CHECKPOINT")
            except errors.LockNotAvailable:
                return False
            except errors.InsufficientPrivilege:
                pass
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
        try:
            folder = Path(self.read("SELECT current_setting('data_directory')")[0][0])
            if not self._lies_in(folder):
                return True
            return any(_has(file, pieces, texts) for file in _files(folder))
        except (GalleryUnwritable, OSError):
            return True

    def _lies_in(self, folder: Path) -> bool:
        """Whether the folder on this machine is the server's, not one of the same name."""
        word = secrets.token_hex(16)
        with self.write() as db:
            db.execute(_NOTE, ("word", word))
        try:
            with self._turn, named_faults(self.name):
                self._db.execute("CHECKPOINT")
            file = self.read("SELECT pg_relation_filepath('meta')")[0][0]
            return found_in(folder / file, set(), [word])
        finally:
            with self.write() as db:
                db.execute("DELETE FROM meta WHERE key = 'word'")

    @property
    def software(self) -> str:
        """What it runs on, with versions."""
        sql = (
            "SELECT current_setting('server_version'), "
            "(SELECT extversion FROM pg_extension WHERE extname = 'vector')"
        )
        server, vector = self.read(sql)[0]
        return f"PostgreSQL {server.split()[0]}, pgvector {vector}"


def _lists(count: int) -> int:
    return max(1, min(LISTS, int(count**0.5)))


def _told(db: psycopg.Connection[Any], name: str, sql: str, values: Sequence[object]) -> Any:
    """The only value that a SELECT answers with."""
    with named_faults(name):
        row = db.execute(sql.encode(), values).fetchone()
        assert row is not None
        return row[0]


def _files(folder: Path) -> Iterator[Path]:
    # tables and the log may lie on other disks, behind links
    for where, _, names in os.walk(folder, onerror=_raised, followlinks=True):
        yield from (Path(where, name) for name in names)


def _raised(error: OSError) -> None:
    raise error


def _has(file: Path, pieces: set[bytes], texts: Sequence[str]) -> bool:
    try:
        # halfvec keeps numbers in the machine's order, which is ours where we can read it
        return found_in(file, pieces, texts)
    except FileNotFoundError:  # the server has taken it away meanwhile
        return False
