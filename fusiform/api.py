"""The library's verbs, under the same names as the command line's.

Pictures are paths, bytes of a file, Pillow images, or arrays in RGB order; a gallery is one file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fusiform import gallery as rooms
from fusiform.core.draw import contact_sheet, face_tile
from fusiform.core.errors import ChoiceError, FusiformError, ModelUnsupported
from fusiform.core.faces import Face
from fusiform.core.pictures import Source, open_picture, picture_paths
from fusiform.gallery import (
    Entry,
    Erasure,
    Kept,
    Match,
    Person,
    PhotoRow,
    Question,
    Reason,
    Span,
    Store,
)
from fusiform.hub.files import home
from fusiform.indexing import KnownPhotos, Progress, Report, Run
from fusiform.measure.own_calibration import OwnCalibration
from fusiform.pipeline import Analysed, Limits, Models, analyse, analyse_one
from fusiform.recognise.compare import DEFAULT_FMR, probability
from fusiform.spreading import spread
from fusiform.verbs import describe as describe
from fusiform.verbs import detect as detect
from fusiform.verbs import detector_name as detector_name
from fusiform.verbs import embed as embed
from fusiform.verbs import lasting
from fusiform.verbs import models as models
from fusiform.verbs import verify as verify


@dataclass(frozen=True)
class Found:
    """A face of a searched picture and the gallery's most similar faces, best first."""

    face: Face
    matches: tuple[Match, ...]


def default_gallery() -> str | Path:
    """FUSIFORM_GALLERY, a path or URL, else gallery.db in FUSIFORM_HOME."""
    return os.environ.get("FUSIFORM_GALLERY") or home() / "gallery.db"


class Gallery:
    """A gallery: photos, their faces, and the people they were grouped into.

    Opens or makes `path`, a file or a `postgresql://` URL (default: `default_gallery()`). "auto"
    takes the models the gallery was made with, else the best ones here; other models than recorded
    raise ModelsDiffer at `index`.
    Raises GalleryDamaged, GalleryUnwritable, GalleryBusy. Use as a context manager or `close`.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        detector: str = "auto",
        embedder: str = "auto",
        create: bool = True,
    ) -> None:
        self.store = Store(path or default_gallery(), create=create)
        recorded = self.store.models()
        if recorded:
            detector = recorded[0] if detector == "auto" else detector
            embedder = recorded[1] if embedder == "auto" else embedder
        self._names = (detector, embedder)

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
        """Closes the file."""
        self.store.close()

    @property
    def models(self) -> Models:
        """The models this gallery's faces are found and embedded with."""
        return models(*self._names)

    def index(
        self,
        *paths: str | Path,
        small_faces: bool = False,
        limit: float | None = None,
        wait: float = 0.0,
        workers: int | None = None,
        dask: str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Takes every new picture of files and folders in, then groups the people anew.

        Each photo is one transaction: stop it whenever you like and call it again to go on.
        Known content is never looked at twice; moved and copied files are recognised.
        `limit` replaces the card's average similarity for grouping; `wait` is how many seconds to
        wait for another process that is indexing, after which GalleryBusy is raised.
        `workers`: threads, by default one a core. `dask`: the address of a Dask scheduler, whose
        workers then look at the pictures (see `spreading`); they must see the same paths. Raises
        ClusterError.
        """
        if dask is not None and workers is not None:
            raise ChoiceError("workers", "left out where Dask's workers do the work", workers)
        started = time.perf_counter()
        run = Run(self.store, progress)
        self._grouping(limit)  # a senseless one is refused before hours of work
        roots = [Path(path).expanduser() for path in paths]
        with self.store.lock_for_indexing(wait):
            self._record_models()
            sources = run.new_files(picture_paths(roots, on_error=run.unreadable))
            found = self._looked_at(sources, run, Limits(small_faces=small_faces), workers, dask)
            with closing(found):
                for result in found:
                    run.keep(result)
            run.clear_gone(roots)
            if limit is not None:
                self.regroup(limit)
            elif run.to_group():
                rooms.absorb(self.store, self._grouping(limit))
        return run.report(self.models, len(self.people()), time.perf_counter() - started)

    def _looked_at(
        self,
        sources: Iterator[str],
        run: Run,
        limits: Limits,
        workers: int | None,
        dask: str | None,
    ) -> Generator[Analysed, None, None]:
        if dask is None:
            known = KnownPhotos(self.store)
            return analyse(sources, self.models, limits=limits, known=known, workers=workers)
        names, known_of = self._lasting_names(), run.same_size
        return spread(
            sources, self.models, address=dask, names=names, limits=limits, known=known_of
        )

    def _record_models(self) -> None:
        card, eyes = self.models.embedder.card, self.models.detector.card.sha256
        self.store.use_models(*self._lasting_names(), card.sha256, card.to_json(), eyes)

    def _lasting_names(self) -> tuple[str, str]:
        used = self.models
        shown = (used.detector.name, used.embedder.name)
        return lasting(self._names[0], shown[0]), lasting(self._names[1], shown[1])

    def regroup(self, limit: float | None = None, *, reset: bool = False) -> None:
        """Groups all faces anew, with `reset` under new numbers too; what was decided stays."""
        rooms.regroup(self.store, self._grouping(limit), reset=reset)

    def _grouping(self, limit: float | None) -> float:
        card = self.models.embedder.card
        limit = card.grouping if limit is None else limit
        if limit is None:
            raise ModelUnsupported(
                f"{card.name}: its card states no similarity for grouping; "
                "give one (limit=0.5, or --limit 0.5)"
            )
        if not -1 < limit <= 1:
            raise ChoiceError("limit", "a similarity in (-1, 1]", limit)
        return limit

    def people(self, *, hidden: bool = False) -> list[Person]:
        """Everybody, most faces first; `hidden` people too where asked for."""
        return rooms.people(self.store, hidden)

    def person(self, who: str | int) -> Person:
        """One person by number or name. Raises UnknownPerson."""
        return rooms.person(self.store, who)

    def name(self, who: str | int, name: str) -> Person:
        """Gives a person a name, for ever: the faces shown now are theirs from now on."""
        return rooms.name(self.store, who, name)

    def merge(self, who: str | int, other: str | int) -> Person:
        """`other` was `who` all along. Returns the one person they are now."""
        return rooms.merge(self.store, who, other)

    def split(self, who: str | int, faces: Iterable[int]) -> Person:
        """Those faces (by number) are not `who` but one other person, who is returned."""
        return rooms.split(self.store, who, tuple(faces))

    def same(self, who: str | int, other: str | int) -> Person:
        """Both are one person, who keeps the name of one of them, else the first's number."""
        return rooms.same(self.store, who, other)

    def not_same(self, who: str | int, other: str | int) -> tuple[Person, Person]:
        """Both are two people, for ever, however alike."""
        return rooms.apart(self.store, who, other)

    def not_a_face(self, *faces: int) -> int:
        """Those finds (by number) are no faces and belong to nobody. Returns how many."""
        return rooms.no_faces(self.store, faces)

    def hide(self, who: str | int, hidden: bool = True) -> Person:
        """Leaves a person out of `people`, or brings it back."""
        return rooms.hide(self.store, who, hidden)

    def undo(self, count: int = 1) -> list[Entry]:
        """Takes the last acts back, the last one first; returns them."""
        taken = rooms.undo(self.store, count)
        if rooms.ungrouped(self.store):
            rooms.absorb(self.store, self.limit)
        return taken

    def journal(self) -> list[Entry]:
        """Every act, oldest first, undone ones among them."""
        return rooms.entries(self.store)

    @property
    def limit(self) -> float:
        """The mean similarity from which grouping joins: the card's."""
        return self._grouping(None)

    def questions(self, count: int = 20) -> list[Question]:
        """Pairs of people who may be one, the most useful first."""
        return rooms.questions(self.store, self.limit, count)

    def why(self, face: int, who: str | int) -> Reason:
        """What speaks for a face being that person."""
        return rooms.why(self.store, face, who)

    @property
    def own(self) -> Kept | None:
        """Its own threshold and probabilities, None where it goes by the model's card."""
        return rooms.kept(self.store)

    def calibrate(self, *, fmr: float = DEFAULT_FMR, keep: bool = False) -> OwnCalibration:
        """Threshold and probabilities from the faces named here; `keep`: `find` goes by them.

        Raises GalleryError where too few people are named, saying what they are enough for.
        """
        card = self.models.embedder.card
        known = None if card.calibration is None else np.vectorize(partial(probability, card))
        result = rooms.calibrate(self.store, fmr, known)
        if keep:
            rooms.keep(self.store, result)
        return result

    def forget(self, who: str | int) -> Erasure:
        """Erases a person's faces, vectors and name from the file, and proves it."""
        return rooms.forget(self.store, who)

    def find(self, source: Source, *, count: int = 20, at_least: float = -1.0) -> list[Found]:
        """For every face of a picture, the `count` most similar faces of the gallery.

        Raises PictureError, and ModelsDiffer if the gallery was made with other models.
        """
        if self.store.models():
            self._record_models()
        faces = analyse_one(source, self.models).faces
        return [
            Found(face, tuple(rooms.find(self.store, face.embedding, count, at_least)))
            for face in faces
            if face.embedding is not None
        ]

    def photos(
        self, query: str, *, after: str | None = None, before: str | None = None
    ) -> list[PhotoRow]:
        """Photos by who is in them (`Ada AND Grace NOT Alan`, see `gallery.query`) and when."""
        return rooms.photos(self.store, query, Span.of(after, before))

    def sheet(self, *, most: int = 24, tile: int = 96, smallest: int = 1) -> NDArray[np.uint8]:
        """A contact sheet, one row a person: RGB uint8.

        At most `most` faces a person, best quality first; people with fewer than `smallest`
        faces are left out. A face whose photo cannot be read any more is left out.
        """
        rows = []
        for person in self.people():
            if len(person.faces) >= smallest:
                best = sorted(person.faces, key=lambda face: -face.quality)[:most]
                tiles = [t for face in best if (t := _tile(face.photo, face.box, tile)) is not None]
                rows.append((f"{title(person)}\n{count_of(len(person.faces), 'face')}", tiles))
        return contact_sheet(rows, tile=tile)


def title(person: Person) -> str:
    """How a person is called: the name, else "Person 7"."""
    return person.name or f"Person {person.id}"


def count_of(n: int, noun: str) -> str:
    """ "1 face", "2 faces", "3 people"."""
    plural = {"person": "people"}.get(noun, noun + "s")
    return f"{n:,} {noun if n == 1 else plural}"


def _tile(photo: str, box: tuple[float, ...], side: int) -> NDArray[np.uint8] | None:
    width = max(box[2] - box[0], 1)
    try:
        picture = open_picture(photo)
    except FusiformError:
        return None
    return face_tile(picture.pixels, box, max(side, min(2 * side, int(width))))
