"""Filling a gallery: what is new, what is known, and what one run did."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fusiform.core.errors import PictureError
from fusiform.gallery import Photo, Skipped, Store
from fusiform.pipeline import Analysed, Models


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
    could not be read, `duplicates` new paths of known pictures, `unchanged` files known already.
    """

    photos: int
    faces: int
    dropped: int
    skipped: int
    duplicates: int
    unchanged: int
    people: int
    seconds: float
    detector: str
    embedder: str
    errors: tuple[PictureError, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class KnownPhotos:
    """Which contents the gallery has, asked one at a time so that memory stays flat."""

    store: Store

    def __contains__(self, sha256: object) -> bool:
        return self.store.photo_id(str(sha256)) is not None


class Run:
    """One run of `index`: what it met, counted."""

    def __init__(self, store: Store, progress: Callable[[Progress], None] | None) -> None:
        self.store, self.progress = store, progress
        self.photos = self.faces = self.dropped = self.duplicates = self.unchanged = 0
        self.errors: list[PictureError] = []
        self._state: dict[str, tuple[int, int]] = {}

    def new_files(self, paths: Iterable[Path]) -> Iterator[str]:
        """The files that are not known as they lie there now, absolute."""
        for path in paths:
            name = os.path.abspath(path)
            size, mtime = _size_and_time(name)
            if self.store.seen(name, size, mtime):
                self.unchanged += 1
                continue
            self._state[name] = (size, mtime)
            yield name

    def unreadable(self, error: PictureError) -> None:
        self.errors.append(error)

    def keep(self, result: Analysed) -> None:
        """Stores what the pipeline says of one file, in one transaction."""
        size, mtime = self._state.pop(result.source)
        if isinstance(error := result.error, PictureError):
            self.errors.append(error)
            kind = type(error).__name__
            row = Skipped(result.source, size, mtime, kind, error.reason, error.remedy)
            self.store.add_skipped(row)
        elif (number := self.store.photo_id(result.sha256)) is not None:
            self.duplicates += 1
            self.store.add_file(number, result.source, size, mtime)
        else:
            self._add(result, size, mtime)
        self._tell(result.source)

    def _add(self, result: Analysed, size: int, mtime: int) -> None:
        photo = Photo(
            result.sha256, result.source, size, mtime, result.width, result.height, result.taken_at
        )
        self.store.add_photo(photo, result.faces, result.dropped)
        self.photos += 1
        self.faces += len(result.faces)
        self.dropped += len(result.dropped)

    def _tell(self, path: str) -> None:
        if self.progress:
            done = self.photos + self.duplicates + len(self.errors)
            self.progress(Progress(done, self.faces, len(self.errors), path))

    def report(self, used: Models, people: int, seconds: float) -> Report:
        return Report(
            self.photos,
            self.faces,
            self.dropped,
            len(self.errors),
            self.duplicates,
            self.unchanged,
            people,
            seconds,
            used.detector.name,
            used.embedder.name,
            tuple(self.errors),
        )


def _size_and_time(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:  # gone since it was listed; reading it will say so
        return 0, 0
    return status.st_size, status.st_mtime_ns
