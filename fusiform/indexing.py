"""Filling a gallery: what is new, what is known, and what one run did."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fusiform.core.errors import DamagedPicture, NotAPicture, PictureError, PictureTooLarge
from fusiform.core.faces import Dropped
from fusiform.gallery import (
    Erasure,
    Photo,
    Skipped,
    Store,
    all_zones,
    gone_files,
    lacks_vectors,
    refill,
    take_off,
    ungrouped,
    without_zones,
)
from fusiform.pipeline import Analysed, Models

SETTLED = (NotAPicture, DamagedPicture, PictureTooLarge)
"""What is wrong with the content: looked at again only when the file changes, reported each time.

Anything else (permissions, a missing library, the disk) may be mended from outside.
"""

_KINDS = {kind.__name__: kind for kind in SETTLED}


@dataclass(frozen=True)
class Progress:
    """How far `index` is: files done, faces and unreadable files so far, the last file."""

    done: int
    faces: int
    skipped: int
    path: str


@dataclass(frozen=True)
class Report:
    """What one run of `index` did.

    `photos` new pictures, `faces` found in them, `dropped` finds not kept, `skipped` files that
    could not be read, `duplicates` new paths of known pictures, `unchanged` files known already,
    also where another program changed the metadata and not the picture, `gone` files that lie
    there no more, `refilled` known pictures that came without vectors and have them now. `drops`
    names every find not kept, with its photo. `erased` faces that were kept longer than is allowed
    or lie in a zone; `proven`: no trace of them is left.
    """

    photos: int
    faces: int
    dropped: int
    skipped: int
    duplicates: int
    unchanged: int
    gone: int
    people: int
    seconds: float
    detector: str
    embedder: str
    errors: tuple[PictureError, ...] = field(default=(), repr=False)
    drops: tuple[tuple[str, Dropped], ...] = field(default=(), repr=False)
    erased: int = 0
    proven: bool = True
    refilled: int = 0

    @property
    def drop_reasons(self) -> dict[str, int]:
        """How many finds were dropped as "too small", "blurred", for "low score" or a "zone"."""
        return dict(Counter(drop.reason.partition(":")[0] for _, drop in self.drops))


@dataclass(frozen=True)
class KnownPhotos:
    """Which contents and which pixels the gallery has with their vectors, asked one at a time so
    that memory stays flat."""

    store: Store

    def __contains__(self, hashed: object) -> bool:
        sql = "SELECT id FROM photos WHERE sha256 = ? OR pixels = ? ORDER BY id LIMIT 1"
        rows = self.store.read(sql, (hashed, hashed))
        return bool(rows) and not lacks_vectors(self.store, rows[0][0])


class Run:
    """One run of `index`: what it met, counted."""

    def __init__(self, store: Store, progress: Callable[[Progress], None] | None) -> None:
        self.store, self.progress = store, progress
        self.photos = self.faces = self.duplicates = self.unchanged = self.gone = 0
        self.refilled = 0
        self.errors: list[PictureError] = []
        self.drops: list[tuple[str, Dropped]] = []
        self.erasures: list[Erasure] = []
        self.zones = all_zones(store)
        self._state: dict[str, tuple[int, int]] = {}

    def new_files(self, paths: Iterable[Path]) -> Iterator[str]:
        """The files that are not known as they lie there now, absolute."""
        for path in paths:
            name = os.path.abspath(path)
            if name in self._state:  # named twice, and on its way already
                continue
            state = size_and_time(name)
            if self.store.seen(name, *state):
                self.unchanged += 1
                self._tell(name)
            elif old := self.store.unreadable(name, *state):
                self.errors.append(_KINDS.get(old.kind, PictureError)(name, old.reason, old.remedy))
                self._tell(name)
            else:
                self._state[name] = state
                yield name

    def same_size(self, paths: list[str]) -> dict[str, set[str]]:
        """The sha256 of photos the gallery has in files as large as these, by path: whoever is a
        copy is a copy of one of them, and whoever looks elsewhere need not ask for each content.
        """
        sizes = {path: self._state[path][0] for path in paths}
        sql = "SELECT DISTINCT size, sha256 FROM files JOIN photos ON photos.id = photo_id"
        contents = defaultdict(set)
        for size, sha256 in self.store.read_in(f"{sql} WHERE size IN", sizes.values()):
            contents[size].add(sha256)
        return {path: contents[size] for path, size in sizes.items() if size in contents}

    def unreadable(self, error: PictureError) -> None:
        """Notes a file or folder that could not even be listed."""
        self.errors.append(error)

    def keep(self, result: Analysed) -> None:
        """Stores what the pipeline says of one file, in one transaction."""
        size, mtime = self._state.pop(result.source)
        if isinstance(result.error, PictureError):
            self._skip(result.source, result.error, size, mtime)
        elif (number := self.store.photo_id(result.sha256)) is not None:
            self._known(number, result)
            self.store.add_file(number, result.source, size, mtime)
        elif (number := self.store.photo_showing(result.pixels)) is not None:
            self._known(number, result)
            self.store.add_edited(number, _photo(result, size, mtime))
        else:
            self._add(result, size, mtime)
        self._tell(result.source)

    def _skip(self, path: str, error: PictureError, size: int, mtime: int) -> None:
        self.errors.append(error)
        state = (size, mtime) if isinstance(error, SETTLED) else (-1, -1)
        kind = type(error).__name__
        self.store.add_skipped(Skipped(path, *state, kind, error.reason, error.remedy))

    def _known(self, number: int, result: Analysed) -> None:
        if not result.known and refill(self.store, number, result.faces):
            self.refilled += 1
        elif self.store.photo_at(result.source) == number:  # touched, or its metadata edited
            self.unchanged += 1
        else:
            self.duplicates += 1

    def _add(self, result: Analysed, size: int, mtime: int) -> None:
        size_of = (result.width, result.height)
        keep, barred = without_zones(self.zones, result.source, size_of, result.faces)
        faces, dropped = result.faces[keep], (*result.dropped, *barred)
        crops = [crop for crop, kept in zip(result.crops, keep, strict=False) if kept]
        self.store.add_photo(_photo(result, size, mtime), faces, dropped, crops)
        self.photos += 1
        self.faces += len(faces)
        self.drops += [(result.source, drop) for drop in dropped]

    def _tell(self, path: str) -> None:
        if self.progress:
            known = self.duplicates + self.refilled + self.unchanged
            done = self.photos + known + len(self.errors)
            self.progress(Progress(done, self.faces, len(self.errors), path))

    def clear_gone(self, roots: Iterable[str | Path]) -> None:
        """Takes files off the list that lie under `roots` no more; people and names stay.

        A root that is gone itself may be a drive that is not plugged in: nothing happens then.
        """
        there = [root for root in roots if os.path.isdir(root)]
        self.gone = take_off(self.store, gone_files(self.store, there))

    def to_group(self) -> bool:
        """Whether the gallery has faces that belong to nobody yet, of this run or a broken one."""
        return ungrouped(self.store) > 0

    def report(self, used: Models, people: int, seconds: float) -> Report:
        return Report(
            self.photos,
            self.faces,
            len(self.drops),
            len(self.errors),
            self.duplicates,
            self.unchanged,
            self.gone,
            people,
            seconds,
            used.detector.name,
            used.embedder.name,
            tuple(self.errors),
            tuple(self.drops),
            sum(one.removed["faces"] for one in self.erasures),
            all(one.proven for one in self.erasures),
            self.refilled,
        )


def _photo(result: Analysed, size: int, mtime: int) -> Photo:
    extent = (result.width, result.height)
    return Photo(
        result.sha256, result.source, size, mtime, *extent, result.taken_at, result.pixels or None
    )


def size_and_time(path: str) -> tuple[int, int]:
    """Bytes and modification time (ns) of a file, zeros if it is gone."""
    try:
        status = os.stat(path)
    except OSError:  # gone since it was listed; reading it will say so
        return 0, 0
    return status.st_size, status.st_mtime_ns
