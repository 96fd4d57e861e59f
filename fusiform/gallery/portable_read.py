"""Reading an archive, and filling a new gallery from it. Nothing in it is trusted."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from fusiform.core.errors import ChoiceError, GalleryDamaged, GalleryError
from fusiform.gallery.copies import Copy, note_copy
from fusiform.gallery.database import Connection
from fusiform.gallery.journal import replayed_pins
from fusiform.gallery.opening import is_url
from fusiform.gallery.paths import shown_path
from fusiform.gallery.portable import (
    CROPS,
    FORMAT,
    MANIFEST,
    NUMBERED,
    TABLES,
    TEMPLATES,
    VECTORS,
    VERSION,
    Field,
    belongs,
    folder_of,
    go_on_after,
    kept,
    moved,
)
from fusiform.gallery.store import Store

_JSON = json.JSONDecoder()
_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 28  # bytes; an act of a million faces has a tenth of that
_LARGEST_MANIFEST = 1 << 20
# Bytes out of a byte in: deflate gives up to 1032, rows that are all alike but for a number 100.
_DENSEST = 300
_WIDEST = 16_000  # numbers in a vector, the most that halfvec takes
_PAGE = 1000  # rows written at once


@dataclass(frozen=True)
class Imported:
    """What an archive brought: `rows` of which table, whether it had vectors and crops, and the old
    folders of `moves` that nothing in it lay in."""

    rows: dict[str, int]
    templates: bool
    unmoved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Archive:
    """An archive, open for reading, and what its manifest says."""

    path: Path
    file: zipfile.ZipFile
    manifest: dict[str, Any]

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """What is told of every part: bytes, sha256, rows."""
        parts: dict[str, dict[str, Any]] = self.manifest["parts"]
        return parts

    def rows(self, table: str) -> Generator[dict[str, Any], None, None]:
        """The rows of a table as they stand there."""
        with self.stream(f"{table}.jsonl") as stream:
            while line := stream.readline(_LONGEST_LINE):
                row = _JSON.decode(line.decode())
                if not isinstance(row, dict):
                    raise ValueError(f"{table}.jsonl has a line that is no object")
                yield row

    def stream(self, part: str) -> IO[bytes]:
        """The bytes of a part."""
        return self.file.open(part)


@contextmanager
def opened(path: str | Path, *, whole: bool = True) -> Iterator[Archive]:
    """The archive at `path`; if `whole`, after every byte of it was compared with its manifest.

    Raises GalleryError if it cannot be read, GalleryDamaged if it is no archive, cut off, damaged,
    foreign, or of a newer format.
    """
    real = Path(path).expanduser().absolute()
    with ExitStack() as stack:
        with named_faults(real):
            file = stack.enter_context(zipfile.ZipFile(real))
            archive = Archive(real, file, _manifest(real, file))
            _compare(archive)
            if whole:
                for part in archive.parts:
                    _read_through(archive, part)
        yield archive


@contextmanager
def named_faults(path: Path) -> Iterator[None]:
    """Turns whatever reading a damaged or forged archive can raise into GalleryDamaged."""
    try:
        yield
    except OSError as error:
        raise GalleryError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    except _FAULTS as error:
        raise GalleryDamaged(
            f"{path} is no sound archive of a gallery ({error or type(error).__name__}); take "
            "another copy or export it again."
        ) from error


# RuntimeError is for passwords, and for lists in lists in lists.
_FAULTS = (
    *(ValueError, KeyError, TypeError, AttributeError, RuntimeError, NotImplementedError),
    *(EOFError, OverflowError, zlib.error, zipfile.BadZipFile),
)


def _manifest(path: Path, file: zipfile.ZipFile) -> dict[str, Any]:
    if MANIFEST not in file.namelist() or file.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
        raise ValueError("of another program")
    told = json.loads(file.read(MANIFEST))
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ValueError("of another program")
    version = told["version"]
    if type(version) is int and version > VERSION:
        raise GalleryDamaged(
            f"{path} was written by a newer fusiform (format {version}, known here up to "
            f"{VERSION}); upgrade fusiform."
        )
    if version != VERSION:
        raise ValueError(f"format {version!r}")
    return told


def _compare(archive: Archive) -> None:
    """Names and sizes are what the manifest says, and no more than a file of that size can hold."""
    parts, entries = archive.parts, archive.file.infolist()
    if not all(isinstance(archive.manifest[key], str) for key in ("id", "at")):
        raise ValueError("its manifest has no id")
    wanted = {f"{table}.jsonl" for table in TABLES if table not in TEMPLATES}
    if archive.manifest["templates"] is True:
        wanted |= {f"{table}.jsonl" for table in TEMPLATES} | {VECTORS, CROPS}
    names = [entry.filename for entry in entries]
    if set(parts) != wanted or sorted(names) != sorted({*wanted, MANIFEST}):
        odd = ", ".join(sorted(set(parts) ^ wanted | set(names) ^ {*wanted, MANIFEST}))
        raise ValueError(f"its parts are not those of its format: {odd or 'one is there twice'}")
    for entry in entries:
        part = parts.get(entry.filename)
        if part is not None and part["bytes"] != entry.file_size:
            raise ValueError(f"{entry.filename} has another size")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{entry.filename} is packed in a way that is not known")
    if sum(e.file_size for e in entries) > _DENSEST * archive.path.stat().st_size:
        raise ValueError("it would unpack to far more than it can honestly hold")


def _read_through(archive: Archive, part: str) -> None:
    digest, lines, end = hashlib.sha256(), 0, b"\n"
    with archive.stream(part) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            lines += block.count(b"\n")
            end = block[-1:]
    told = archive.parts[part]
    if digest.hexdigest() != told["sha256"]:
        raise ValueError(f"{part} was changed")
    if part.endswith(".jsonl") and (lines != told["rows"] or end != b"\n"):
        raise ValueError(f"{part} has {lines} rows, not {told['rows']}")


def import_archive(
    path: str | Path, place: str | Path, moves: Mapping[str, str] | None = None
) -> Imported:
    """Makes a gallery at `place`, a file or a `postgresql://` URL, of an archive, in one
    transaction; a gallery that is there must be empty. All numbers stay as they are.

    `moves`: old folder -> new one, for photos that lie elsewhere now. A file that is made for it
    vanishes again if anything fails. Raises ChoiceError, GalleryError, GalleryDamaged.
    """
    if moves and not all(moves):
        raise ChoiceError("moves", "folders that have a name", "")
    with opened(path) as archive:
        made = None if is_url(place) else Path(place).expanduser().absolute()
        made = made if made and not made.exists() else None
        try:
            with Store(place) as store:
                load(store, archive, moves or {})
        except BaseException:
            if made:
                for end in ("", "-wal", "-shm", ".lock"):
                    Path(f"{made}{end}").unlink(missing_ok=True)
            raise
        unmoved = _unmoved(archive, moves or {})
        return Imported(_counted(archive), archive.manifest["templates"], unmoved)


def _unmoved(archive: Archive, moves: Mapping[str, str]) -> tuple[str, ...]:
    """The folders that hold nothing an archive tells of, but for what is in inner ones."""
    left = set(moves)
    for path in _paths(archive) if left else ():
        left.discard(folder_of(path, moves) or "")
    return tuple(sorted(left))


def _paths(archive: Archive) -> Iterator[str]:
    """Every path that `moves` may change."""
    for table, fields in TABLES.items():
        names = [field.name for field in fields if field.kind == "path"]
        if (names or table == "meta") and f"{table}.jsonl" in archive.parts:
            with closing(archive.rows(table)) as rows:
                for row in rows:
                    yield from (shown_path(row[name]) for name in names)
                    if table == "meta" and row["key"] == "detector":
                        yield row["value"]


def _counted(archive: Archive) -> dict[str, int]:
    return {
        part.partition(".")[0]: told["rows"]
        for part, told in archive.parts.items()
        if part.endswith(".jsonl")
    }


def load(store: Store, archive: Archive, moves: Mapping[str, str]) -> None:
    """Fills an empty gallery, all or nothing. Raises GalleryError, GalleryDamaged."""
    told = archive.manifest
    with store.lock_for_indexing(alone=True), store.write() as db:
        _refuse_full(store, db)
        with named_faults(archive.path), _contradictions(bool(moves)):
            for table in TABLES:
                if f"{table}.jsonl" in archive.parts:
                    _fill(store, db, archive, table, moves)
            replayed_pins(db)  # a journal that cannot be read is none
            go_on_after(store, db, _last(archive))
        note_copy(store, db, Copy(str(archive.path), told["at"], told["id"]))
    store.db.tidy(store.model_id())


def _refuse_full(store: Store, db: Connection) -> None:
    for table in set(TABLES) - {"meta"}:
        if db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():
            raise GalleryError(
                f"{store.name} is not empty, and an archive goes into a new gallery only; "
                "name another with --gallery."
            )


def _last(archive: Archive) -> dict[str, int]:
    last = {table: archive.manifest["last"][table] for table in NUMBERED}
    if not all(type(number) is int and 0 <= number < 1 << 62 for number in last.values()):
        raise ValueError("its last numbers are none")
    return last


@contextmanager
def _contradictions(moving: bool) -> Iterator[None]:
    """What a database refuses: every driver calls these errors so (PEP 249)."""
    try:
        yield
    except Exception as error:
        if not {"IntegrityError", "DataError"} & {kind.__name__ for kind in type(error).__mro__}:
            raise
        hint = " or two files would have one path after --move" if moving else ""
        raise ValueError(f"its rows contradict one another{hint}: {error}") from error


def _fill(
    store: Store, db: Connection, archive: Archive, table: str, moves: Mapping[str, str]
) -> None:
    columns = ", ".join(field.name for field in TABLES[table])
    with closing(_records(archive, table, moves)) as told:
        rows: Iterator[tuple[Any, ...]] = told
        if table == "embeddings":
            columns, rows = "face_id, model_id, vector", _with_vectors(store, archive, told)
        elif table == "crops":
            columns, rows = "face_id, crop", _with_pictures(archive, told)
        marks = ", ".join("?" * (columns.count(",") + 1))
        sql = f"INSERT INTO {table}({columns}) VALUES ({marks})"
        if table == "meta":
            sql += " ON CONFLICT(key) DO UPDATE SET value = excluded.value"
        while page := list(islice(rows, _PAGE)):
            db.executemany(sql, page)


def _records(
    archive: Archive, table: str, moves: Mapping[str, str]
) -> Generator[tuple[Any, ...], None, None]:
    """The rows of a table as a database has them. Raises ValueError, KeyError."""
    with closing(archive.rows(table)) as rows:
        for row in rows:
            values = tuple(kept(field, _value(row, field), moves) for field in TABLES[table])
            if not belongs(table, values):
                raise ValueError(f"{table}.jsonl has a row that belongs to no archive")
            if table == "files" and not archive.manifest["templates"]:
                values = (*values[:2], -1, -1)  # to be looked at again: see `refill`
            if table == "meta" and values[0] == "detector":
                values = (values[0], moved(values[1], moves))  # a model may be told by its path
            yield values


def _value(row: dict[str, Any], field: Field) -> Any:
    """What a row has; fields that may be empty are not there in archives of before they came."""
    return row.get(field.name) if field.optional else row[field.name]


def _with_vectors(
    store: Store, archive: Archive, rows: Iterable[tuple[Any, ...]]
) -> Iterator[tuple[Any, ...]]:
    widths = dict[int, int]()
    with archive.stream(VECTORS) as stream:
        for face, model, width in rows:
            if not 0 < width <= _WIDEST or widths.setdefault(model, width) != width:
                raise ValueError(f"the vector of face {face} has {width} numbers")
            vector = _exactly(stream, 2 * width)
            if not np.isfinite(np.frombuffer(vector, "<f2")).all():
                raise ValueError(f"the vector of face {face} is none")
            yield face, model, store.db.vector(vector)
        _at_end(stream)


def _with_pictures(archive: Archive, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    with archive.stream(CROPS) as stream:
        for face, size, points in rows:
            if not 0 < size <= _LONGEST_LINE:
                raise ValueError(f"the crop of face {face} has {size} bytes")
            yield face, points + _exactly(stream, size)
        _at_end(stream)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise ValueError("vectors or crops are cut off")
    return data


def _at_end(stream: IO[bytes]) -> None:
    if stream.read(1):
        raise ValueError("there are more vectors or crops than faces that have them")
