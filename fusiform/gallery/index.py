"""Search among any number of faces: cells on the disk, and a tail of what came since.

The file beside the gallery, `GALLERY.index`, is a cache: the gallery is the truth, and a file that
is missing, damaged, of other templates or too old is made anew. Faces are in it in the order of
their cells (see `cells`). What was stored after it was made is read from the gallery and searched
beside it, until there is so much that the file is made again.

A search among many looks at all faces of the few nearest cells; then, by their codes, at those of
many more and of the tail (see `codes`); then, as long as a better face is to be expected in the
others (see `spread`), into those. A face that has others of its person is found by the first two.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.gallery.cells import Filed, blocks, count_for, learn
from fusiform.gallery.codes import Bytes, Coder, Words
from fusiform.gallery.database import Searchable
from fusiform.gallery.index_file import Contents, overwrite, read, write
from fusiform.gallery.spread import Spread
from fusiform.gallery.store import Store
from fusiform.gallery.traces import found_in, pieces_of

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
_Number = TypeVar("_Number", bound=np.generic)

SMALL = 5_000  # faces; fewer are searched without a file
SCANNED = 50_000  # faces up to which all are looked at
WHOLE = 8  # cells all of whose faces are looked at
PROBES = 256  # cells whose codes are looked at
MISSED = 0.01  # faces of each one wanted that may be expected elsewhere
MOST = 1_000_000  # faces that are looked at to find them
TAIL = 0.1  # share of new faces at which the file is made anew
_CELLS = 2  # times as many as grouping would take: only a few of many are looked into
_FEW = 1_000  # faces likely by their codes that are looked at before the others
_FEW_EACH = 10  # as many more for each one wanted
_PART = 1 << 16  # faces looked at together


class Tail:
    """Faces that came later, `count` of them, in arrays that have room for more."""

    def __init__(self, coder: Coder) -> None:
        width, bits = coder.axes.shape
        self._coder, self.count = coder, 0
        self._ids = np.empty(0, np.int64)
        self._vectors = np.empty((0, width), np.float32)
        self._codes = np.empty((0, bits // 64), np.uint64)
        self._norms = np.empty(0, np.uint8)

    def add(self, ids: Ints, vectors: Floats) -> None:
        """Takes faces in."""
        here = slice(self.count, self.count + len(ids))
        if here.stop > len(self._ids):
            room = 2 * here.stop
            self._ids, self._vectors = _wider(self._ids, room), _wider(self._vectors, room)
            self._codes, self._norms = _wider(self._codes, room), _wider(self._norms, room)
        self._ids[here], self._vectors[here] = ids, vectors
        self._codes[here], self._norms[here] = self._coder.codes(vectors)
        self.count = here.stop

    @property
    def ids(self) -> Ints:
        return self._ids[: self.count]

    @property
    def vectors(self) -> Floats:
        return self._vectors[: self.count]

    @property
    def codes(self) -> Words:
        return self._codes[: self.count]

    @property
    def norms(self) -> Bytes:
        return self._norms[: self.count]


def _wider(array: NDArray[_Number], room: int) -> NDArray[_Number]:
    wide = np.empty((room, *array.shape[1:]), array.dtype)
    wide[: len(array)] = array
    return wide


class _Best:
    """The `k` best faces seen so far, and those equal to the last of them."""

    def __init__(self, k: int) -> None:
        self.k, self.ids, self.sims = k, np.zeros(0, np.int64), np.zeros(0, np.float32)

    @property
    def cut(self) -> float:
        return float(self.sims.min()) if len(self.sims) >= self.k else -np.inf

    def take(self, ids: Ints, sims: Floats) -> None:
        there = ids >= 0  # a forgotten face's place is empty
        self.ids = np.concatenate([self.ids, ids[there]])
        self.sims = np.concatenate([self.sims, sims[there]])
        if len(self.sims) > self.k:
            close = self.sims >= np.partition(self.sims, -self.k)[-self.k]
            self.ids, self.sims = self.ids[close], self.sims[close]

    def in_order(self) -> tuple[Ints, Floats]:
        best = np.lexsort((self.ids, -self.sims))[: self.k]
        return self.ids[best], self.sims[best]


@dataclass(frozen=True)
class _Spans:
    """Rows `begins[i]` to `ends[i]`, one span after the other."""

    begins: Ints
    ends: Ints

    def __iter__(self) -> Iterator[slice]:
        return map(slice, self.begins.tolist(), self.ends.tolist())

    def rows(self, at: Ints) -> Ints:
        """The rows that come at these places."""
        lengths = self.ends - self.begins
        firsts = np.cumsum(lengths) - lengths
        span = np.searchsorted(firsts + lengths, at, side="right")
        return np.asarray(self.begins[span] + at - firsts[span])


class Index:
    """Templates ready to be searched: those of the file, by cell, and a tail."""

    def __init__(self, contents: Contents) -> None:
        self.filed = contents
        self._coder = Coder(contents.mean, contents.axes)
        self._spread = Spread(contents.widths, contents.shape)
        self._sizes = np.diff(contents.starts)
        self._half = 0.5 * np.einsum("cd,cd->c", contents.centres, contents.centres)
        self._gone = int((contents.ids < 0).sum())
        self.tail = Tail(self._coder)

    def __len__(self) -> int:
        return len(self.filed.ids) + self.tail.count

    def add(self, ids: Ints, vectors: Floats) -> None:
        """Takes unit `vectors (n, d)` in whose numbers are above all others."""
        if len(ids):
            self.tail.add(ids, vectors)

    def search(
        self, probe: Floats, k: int, probes: int = PROBES, thorough: bool = True
    ) -> tuple[Ints, Floats]:
        """Numbers and similarities (cosine) of the `k` faces most similar to unit `probe (d,)`,
        best first; of equal ones the older face first. Up to SCANNED faces all are looked at.

        Of more, the best of those in the `probes` nearest cells; if `thorough`, also of all other
        cells in which they are to be expected, which takes longer where the probe is like nobody,
        or `k` more than a person has faces. Raises ChoiceError if the widths differ or k < 1.
        """
        if k < 1:
            raise ChoiceError("k", "at least 1", k)
        best = _Best(k)
        if not len(self):
            return best.in_order()
        if probe.shape != self.filed.vectors.shape[1:]:
            raise ChoiceError("probe", f"of shape {self.filed.vectors.shape[1:]}", probe.shape)
        if len(self) <= SCANNED:
            self._all(probe, best)
        else:
            self._near(probe, best, probes, thorough)
        return best.in_order()

    def _all(self, probe: Floats, best: _Best) -> None:
        ids, vectors = self.filed.ids, self.filed.vectors
        for part in blocks(len(ids), _PART):
            best.take(ids[part], vectors[part] @ probe)
        best.take(self.tail.ids, self.tail.vectors @ probe)

    def _near(self, probe: Floats, best: _Best, probes: int, thorough: bool) -> None:
        near = self.filed.centres @ probe
        apart, probes = self._half - near, min(probes, len(near))
        cells = np.argpartition(apart, probes - 1)[:probes]
        cells = cells[np.argsort(apart[cells])]
        self._look_at_all(cells[:WHOLE], probe, best)
        self._look_by_code(cells[WHOLE:], probe, best, thorough)
        if thorough:
            sizes = self._sizes.copy()
            sizes[cells] = 0
            self._look_elsewhere(sizes, near, probe, best)

    def _spans(self, cells: Ints) -> _Spans:
        """In the order of the file, neighbours as one."""
        cells = np.sort(cells)
        gaps = np.diff(cells) > 1
        firsts = cells[np.append(True, gaps)[: len(cells)]]
        lasts = cells[np.append(gaps, True)[-len(cells) :]] if len(cells) else cells
        return _Spans(self.filed.starts[firsts], self.filed.starts[lasts + 1])

    def _look_at_all(self, cells: Ints, probe: Floats, best: _Best) -> None:
        spans = self._spans(cells)
        sims = np.concatenate([self.filed.vectors[span] @ probe for span in spans])
        cut, few = best.cut, best.k + self._gone
        if len(sims) > few:
            cut = max(cut, np.partition(sims, -few)[-few])
        at = np.flatnonzero(sims >= cut)
        best.take(self.filed.ids[spans.rows(at)], sims[at])

    def _look_by_code(self, cells: Ints, probe: Floats, best: _Best, thorough: bool) -> None:
        """All of the tail and of these cells that may be among the best."""
        spans, question = self._spans(cells), self._coder.ask(probe)
        apart = question.apart([*(self.filed.codes[span] for span in spans), self.tail.codes])
        end = len(self.filed.ids)  # rows from here on are the tail's
        spans = _Spans(np.append(spans.begins, end), np.append(spans.ends, len(self)))
        # of any length first: that asks for no lengths but those of the few that are left
        at = np.flatnonzero(apart <= question.limits(best.cut).max())
        rows, apart = spans.rows(at), apart[at]
        norms = self._norms(rows)
        spare, few = question.limits(best.cut)[norms] - apart, _FEW + _FEW_EACH * best.k
        if (spare >= 0).sum() > few:
            likely = np.argpartition(-spare, few)[:few]
            self._look_at_rows(rows[likely], probe, best)
            if not thorough:
                return
            spare = question.limits(best.cut)[norms] - apart
            spare[likely] = -1
        rows = rows[spare >= 0]
        for part in blocks(len(rows), _PART):
            self._look_at_rows(rows[part], probe, best)

    def _norms(self, rows: Ints) -> Bytes:
        end = len(self.filed.ids)
        norms = np.empty(len(rows), np.uint8)
        norms[rows < end] = self.filed.norms[rows[rows < end]]
        norms[rows >= end] = self.tail.norms[rows[rows >= end] - end]
        return norms

    def _look_at_rows(self, rows: Ints, probe: Floats, best: _Best) -> None:
        end = len(self.filed.ids)
        filed, late = rows[rows < end], rows[rows >= end] - end
        best.take(self.filed.ids[filed], self.filed.vectors[filed] @ probe)
        best.take(self.tail.ids[late], self.tail.vectors[late] @ probe)

    def _look_elsewhere(self, sizes: Ints, near: Floats, probe: Floats, best: _Best) -> None:
        """Cells, the most promising first; `sizes` is 0 for those looked into before."""
        seen = 0
        while seen < MOST:
            hoped = self._spread.above(best.cut, near, probe, sizes)
            if hoped.sum() <= MISSED * best.k:
                return
            order = np.argsort(-hoped)
            order = order[: int((hoped > 0).sum())]
            cells = order[: int(np.searchsorted(np.cumsum(sizes[order]), _PART)) + 1]
            self._look_at_all(cells, probe, best)
            seen += int(sizes[cells].sum())
            sizes[cells] = 0


def path_of(store: Store) -> Path:
    """Where the index of a gallery in a file lies."""
    return Path(f"{store.path}.index")


def discard(store: Store) -> None:
    """Takes the file away; the next search makes it anew."""
    if store.db.file:
        path_of(store).unlink(missing_ok=True)


@dataclass(frozen=True)
class OnServer:
    """The index of a database that has one of its own."""

    db: Searchable
    model: int

    def search(self, probe: Floats, k: int, *, thorough: bool = True) -> tuple[Ints, Floats]:
        """As `Index.search`."""
        if k < 1:
            raise ChoiceError("k", "at least 1", k)
        near = self.db.nearest(self.model, probe, k)
        ids = np.array([face for face, _ in near], np.int64)
        return ids, np.array([similarity for _, similarity in near], np.float32)


def open_index(store: Store) -> Index | OnServer:
    """The index of all faces of the gallery's own embedder, made or made anew where needed.

    What is sealed goes to no file: its index is made every time, and all faces are looked at.
    """
    if (searchable := store.db.searchable) is not None:
        return OnServer(searchable, store.model_id())
    if store.db.file is None or store.values.seal:
        return Index(file_by_cell(*store.vectors()[:2], scanned=2**62))
    model = (store.models() or ("", "", ""))[2]
    contents = read(path_of(store), model)
    if contents is not None:
        index = Index(contents)
        index.add(*store.vectors(after=int(contents.ids.max(initial=-1)))[:2])
        if index.tail.count <= max(SMALL, TAIL * len(index)):
            return index
    ids, vectors, _ = store.vectors()
    contents = file_by_cell(ids, vectors)
    if len(ids) >= SMALL:
        write(path_of(store), contents, model)
        contents = read(path_of(store), model) or contents  # mapped: the pages can go again
    return Index(contents)


def make_index(ids: Ints, vectors: Floats) -> Index:
    """An index of unit `vectors` (n, d) with the numbers `ids` (n,), in memory."""
    return Index(file_by_cell(ids, vectors))


def file_by_cell(ids: Ints, vectors: Floats, scanned: int | None = None) -> Contents:
    """What an index of unit `vectors` (n, d) with the numbers `ids` (n,) consists of; up to
    `scanned` (default SCANNED) faces are in one cell, all of which is looked at."""
    starts = np.array([0, len(ids)])
    if len(ids) > (SCANNED if scanned is None else scanned):
        cells = learn(vectors, _CELLS * count_for(len(ids)))
        filed = Filed.by(cells.nearest(vectors)[:, 0], len(cells.centres))
        starts = np.unique(filed.starts)  # without the empty cells
        ids, vectors = ids[filed.rows], vectors[filed.rows]
    sizes = np.diff(starts)[:, None]
    sums = np.add.reduceat(vectors, starts[:-1], axis=0) if len(ids) else vectors[:0].sum(0)[None]
    centres = np.asarray(sums / np.maximum(sizes, 1), np.float32)
    spread, coder = Spread.of(vectors, centres, starts), Coder.of(vectors)
    codes, norms = coder.codes(vectors)
    return Contents(
        centres,
        spread.widths,
        spread.shape,
        coder.mean,
        coder.axes,
        starts,
        ids,
        np.ascontiguousarray(vectors, np.float32),
        codes,
        norms,
    )


def traces(store: Store, vectors: Floats) -> bool:
    """Whether the file has one of these templates (n, d) anywhere."""
    if not store.db.file:
        return False
    return found_in(path_of(store), pieces_of(row.tobytes() for row in vectors), [])


def erase(store: Store, ids: Ints) -> None:
    """Overwrites faces in the file with nothing, at once and on the disk."""
    if not store.db.file:
        return
    path = path_of(store)
    for part in path.parent.glob(f"{glob.escape(path.name)}.part-*"):  # of a run that was killed
        part.unlink(missing_ok=True)
    contents = read(path, None)
    if contents is None:
        path.unlink(missing_ok=True)
        return
    overwrite(path, contents, ids)
