"""Search among any number of faces: cells on the disk, and a tail of what came since.

The file beside the gallery, `GALLERY.index`, is a cache: the gallery is the truth, and a file that
is missing, damaged, of other templates or too old is made anew. Faces are in it in the order of
their cells (see `cells`), so a search reads a few short stretches of the file and no more. A file
has its name only once it is whole and on the disk. What was stored after it was made is read from
the gallery and searched beside it, until there is so much that the file is made again.
"""

from __future__ import annotations

import glob
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.gallery.cells import Cells, Filed, blocks, count_for, learn
from fusiform.gallery.store import Store
from fusiform.gallery.traces import found_in, pieces_of

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

MAGIC = b"FUSINDEX1\n"
SMALL = 5_000  # faces; fewer are searched without a file
SCANNED = 50_000  # faces up to which all are looked at
PROBES = 64  # cells that a search looks into
TAIL = 0.1  # share of new faces at which the file is made anew
_ALIGNED = 64  # bytes


@dataclass
class Index:
    """Templates ready to be searched: `filed` those of the file, by cell; `tail` those since."""

    cells: Cells
    starts: Ints
    ids: Ints
    vectors: Floats
    tail_ids: Ints
    tail_vectors: Floats
    tail_home: Ints

    def __len__(self) -> int:
        return len(self.ids) + len(self.tail_ids)

    def search(self, probe: Floats, k: int, probes: int = PROBES) -> tuple[Ints, Floats]:
        """Numbers and similarities (cosine) of the `k` faces most similar to `probe` (d,), best
        first; of equal ones the older face first. Up to SCANNED faces all are looked at, of more
        those in the `probes` cells nearest to it.

        Raises ChoiceError if the widths differ or k < 1.
        """
        if k < 1:
            raise ChoiceError("k", "at least 1", k)
        if not len(self):
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        if probe.shape != self.vectors.shape[1:]:
            raise ChoiceError("probe", f"of shape {self.vectors.shape[1:]}", probe.shape)
        ids, sims = self._near(probe, probes)
        if len(sims) > k:
            close = np.flatnonzero(sims >= np.partition(sims, -k)[-k])
            ids, sims = ids[close], sims[close]
        best = np.lexsort((ids, -sims))[:k]
        return ids[best], sims[best]

    def _near(self, probe: Floats, probes: int) -> tuple[Ints, Floats]:
        if len(self) <= SCANNED:
            parts = [self.vectors[part] @ probe for part in blocks(len(self.ids), 1 << 16)]
            sims = np.concatenate([*parts, self.tail_vectors @ probe])
            ids = np.concatenate([self.ids, self.tail_ids])
        else:
            near = self.cells.nearest(probe[None], probes)[0]
            spans = [slice(self.starts[c], self.starts[c + 1]) for c in near]
            late = np.flatnonzero(np.isin(self.tail_home, near))
            sims = np.concatenate(
                [self.vectors[s] @ probe for s in spans] + [self.tail_vectors[late] @ probe]
            )
            ids = np.concatenate([self.ids[s] for s in spans] + [self.tail_ids[late]])
        there = ids >= 0  # a forgotten face's place is empty
        return ids[there], sims[there]

    def add(self, ids: Ints, vectors: Floats) -> None:
        """Takes faces in whose numbers are above all others."""
        if not len(ids):
            return
        home = self.cells.nearest(vectors)[:, 0] if len(self.cells.centres) else np.zeros(len(ids))
        self.tail_ids = np.concatenate([self.tail_ids, ids])
        self.tail_vectors = np.concatenate([self.tail_vectors, vectors])
        self.tail_home = np.concatenate([self.tail_home, home.astype(np.int64)])

    def rows_of(self, ids: Ints) -> Ints:
        """Where faces stand in the file's order, -1 for those that do not."""
        order = np.argsort(self.ids, kind="stable")
        at = np.minimum(np.searchsorted(self.ids, ids, sorter=order), max(0, len(order) - 1))
        rows = order[at] if len(order) else np.full(len(ids), -1)
        return np.where(self.ids[rows] == ids, rows, -1) if len(order) else rows


def path_of(store: Store) -> Path:
    """Where the index of a gallery lies."""
    return Path(f"{store.path}.index")


def discard(store: Store) -> None:
    """Takes the file away; the next search makes it anew."""
    if store.db.file:
        path_of(store).unlink(missing_ok=True)


@dataclass(frozen=True)
class OnServer:
    """The index of a database that has one of its own."""

    store: Store

    def search(self, probe: Floats, k: int) -> tuple[Ints, Floats]:
        """As `Index.search`."""
        if k < 1:
            raise ChoiceError("k", "at least 1", k)
        near = self.store.db.nearest(self.store.model_id(), probe, k)
        ids = np.array([face for face, _ in near], np.int64)
        return ids, np.array([similarity for _, similarity in near], np.float32)


def open_index(store: Store) -> Index | OnServer:
    """The index of all faces of the gallery's own embedder, made or made anew where needed."""
    if store.db.indexed:
        return OnServer(store)
    model = (store.models() or ("", "", ""))[2]
    filed = store.db.file and not store.values.seal  # what is sealed goes to no file
    index = _read(path_of(store), model) if filed else None
    if index is not None:
        last = int(index.ids.max(initial=-1))
        index.add(*store.vectors(after=last)[:2])
        if len(index.tail_ids) <= max(SMALL, TAIL * len(index)):
            return index
    ids, vectors, _ = store.vectors()
    index = make_index(ids, vectors) if filed else scanned(ids, vectors)
    if len(ids) >= SMALL and filed:
        _write(path_of(store), index, model)
    return index


def make_index(ids: Ints, vectors: Floats) -> Index:
    """An index of unit `vectors` (n, d) with the numbers `ids` (n,), in memory."""
    if len(ids) <= SCANNED:
        return scanned(ids, vectors)
    none = (np.zeros(0, np.int64), vectors[:0], np.zeros(0, np.int64))
    cells = learn(vectors, count_for(len(ids)))
    filed = Filed.by(cells.nearest(vectors)[:, 0], len(cells.centres))
    return Index(cells, filed.starts, ids[filed.rows], vectors[filed.rows], *none)


def scanned(ids: Ints, vectors: Floats) -> Index:
    """An index of one cell: all are looked at."""
    none = (np.zeros(0, np.int64), vectors[:0], np.zeros(0, np.int64))
    cells = Cells(vectors.mean(axis=0, keepdims=True) if len(ids) else vectors[:0])
    return Index(cells, np.array([0, len(ids)]), ids, vectors, *none)


def erase(store: Store, ids: Ints) -> None:
    """Overwrites faces in the file with nothing, at once and on the disk."""
    if not store.db.file:
        return
    path = path_of(store)
    for part in path.parent.glob(f"{glob.escape(path.name)}.part-*"):  # of a run that was killed
        part.unlink(missing_ok=True)
    index = _read(path, None)
    if index is None:
        path.unlink(missing_ok=True)
        return
    rows = index.rows_of(ids)
    rows = rows[rows >= 0]
    head = _head(path)
    assert head is not None
    spots = _spots(head)
    with path.open("r+b") as file:
        for row in rows.tolist():
            file.seek(spots["ids"] + 8 * row)
            file.write(np.int64(-1).tobytes())
            file.seek(spots["vectors"] + 4 * head["width"] * row)
            file.write(bytes(4 * head["width"]))
        file.flush()
        os.fsync(file.fileno())


def traces(store: Store, vectors: Floats) -> bool:
    """Whether the file has one of these templates (n, d) anywhere."""
    return bool(store.db.file) and found_in(
        path_of(store), pieces_of(row.tobytes() for row in vectors), []
    )


def _write(path: Path, index: Index, model: str) -> None:
    head = {
        "model": model,
        "faces": len(index.ids),
        "width": int(index.vectors.shape[1]),
        "cells": len(index.cells.centres),
        "check": _check(index.cells.centres, index.starts),
    }
    spots = _spots(head)
    part = path.with_name(f"{path.name}.part-{os.getpid()}")
    try:
        with part.open("wb") as file:
            file.write(_told(head))
            for name, array in (
                ("centres", index.cells.centres.astype("<f4")),
                ("starts", index.starts.astype("<i8")),
                ("ids", index.ids.astype("<i8")),
                ("vectors", np.ascontiguousarray(index.vectors, "<f4")),
            ):
                file.seek(spots[name])
                file.write(array.data)
            file.truncate(spots["end"])
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        pass  # a cache: without it a search takes longer, that is all
    finally:
        part.unlink(missing_ok=True)


def _read(path: Path, model: str | None) -> Index | None:
    """The index in the file; None if there is none, it is damaged, or of another model."""
    head = _head(path)
    if head is None or (model is not None and head["model"] != model):
        return None
    n, d, c, spots = head["faces"], head["width"], head["cells"], _spots(head)
    if path.stat().st_size != spots["end"]:
        return None
    raw = np.memmap(path, mode="r")

    def array(name: str, kind: str, *shape: int) -> NDArray[Any]:
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        return raw[spots[name] : spots[name] + size].view(kind).reshape(shape)

    centres, starts = (
        np.array(array("centres", "<f4", c, d)),
        np.array(array("starts", "<i8", c + 1)),
    )
    if _check(centres, starts) != head["check"] or starts[-1] != n:
        return None
    none = (np.zeros(0, np.int64), np.zeros((0, d), np.float32), np.zeros(0, np.int64))
    ids, vectors = np.array(array("ids", "<i8", n)), array("vectors", "<f4", n, d)
    return Index(Cells(centres), starts, ids, vectors, *none)


def _head(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return None
            size = int.from_bytes(file.read(4), "little")
            told: dict[str, Any] = json.loads(file.read(min(size, 1 << 16)))
        return told if {"model", "faces", "width", "cells", "check"} <= told.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _told(head: dict[str, Any]) -> bytes:
    text = json.dumps(head).encode()
    return MAGIC + len(text).to_bytes(4, "little") + text


def _spots(head: dict[str, Any]) -> dict[str, int]:
    """Where each array begins, in bytes."""
    n, d, c = head["faces"], head["width"], head["cells"]
    spot, found = len(_told(head)), {}
    for name, size in (
        ("centres", 4 * c * d),
        ("starts", 8 * (c + 1)),
        ("ids", 8 * n),
        ("vectors", 4 * n * d),
    ):
        spot = -(-spot // _ALIGNED) * _ALIGNED
        found[name] = spot
        spot += size
    return found | {"end": spot}


def _check(centres: Floats, starts: Ints) -> int:
    return zlib.crc32(starts.astype("<i8").tobytes(), zlib.crc32(centres.astype("<f4").tobytes()))
