"""What the gallery takes and gives: plain records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Photo:
    """One picture as it lies on disk.

    `path` absolute; `size` in bytes; `mtime_ns` in nanoseconds; `width`, `height` in pixels of
    the upright picture; `taken_at` UTC ISO 8601 or None; `pixels` hash of the upright picture as it
    was looked at, None where that is not known.
    """

    sha256: str
    path: str
    size: int
    mtime_ns: int
    width: int
    height: int
    taken_at: str | None = None
    pixels: str | None = None


@dataclass(frozen=True)
class Skipped:
    """A file that could not be read: `kind` of error, `reason` and `remedy` as short phrases."""

    path: str
    size: int
    mtime_ns: int
    kind: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class FaceRow:
    """One stored face: `photo` absolute path, `box` in pixels, `score` and `quality` in [0, 1]."""

    id: int
    photo: str
    box: Box
    score: float
    quality: float


@dataclass(frozen=True)
class Consent:
    """What a person said to being known here: `given` or taken back, the `note` of how that is
    known, and the last day it holds (`until`, ISO 8601) or None."""

    given: bool
    note: str
    until: str | None = None

    def standing(self, today: date) -> str:
        """ "given", "withdrawn" or "expired"."""
        if not self.given:
            return "withdrawn"
        return "expired" if self.until and today.isoformat() > self.until else "given"


@dataclass(frozen=True)
class Person:
    """A group of faces under its number; `name` is None until somebody gives one, `consent` until
    something is noted."""

    id: int
    name: str | None
    faces: tuple[FaceRow, ...]
    consent: Consent | None = None


@dataclass(frozen=True)
class PhotoRow:
    """One photo found in words: `path` absolute, `taken_at` UTC ISO 8601 or None, and who is in it
    as (number, name)."""

    path: str
    taken_at: str | None
    people: tuple[tuple[int, str | None], ...]


@dataclass(frozen=True)
class Match:
    """A face found by search, whom it was grouped with (None before grouping), its cosine."""

    face: FaceRow
    person: int | None
    name: str | None
    similarity: float


@dataclass(frozen=True)
class Erasure:
    """What `forget` or another erasure removed: `people` that are no more (their numbers), counts,
    whether a search of the gallery's bytes found no trace, and the archives and backups known to it
    that still hold what was erased."""

    people: tuple[int, ...]
    removed: dict[str, int]
    proven: bool
    exports: tuple[str, ...] = ()
