"""The library's verbs, under the same names as the command line's.

Pictures are paths, bytes of a file, Pillow images, or arrays in RGB order; a gallery is one file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fusiform import gallery as rooms
from fusiform.bookkeeping import Bookkeeping
from fusiform.core.errors import ChoiceError, GalleryBusy, ModelUnsupported
from fusiform.core.faces import Face
from fusiform.core.pictures import Source, picture_paths
from fusiform.gallery import (
    Changes,
    Entry,
    FaceRow,
    Imported,
    Match,
    Person,
    Question,
    Secret,
    Store,
)
from fusiform.hub.card import Card
from fusiform.hub.files import home
from fusiform.indexing import KnownPhotos, Progress, Report, Run, size_and_time
from fusiform.measure.boxes import iou
from fusiform.measure.own_calibration import OwnCalibration
from fusiform.pipeline import Analysed, Limits, Models, analyse, analyse_one
from fusiform.pointing import face_at
from fusiform.policy import ask
from fusiform.recognise.compare import DEFAULT_FMR, probability
from fusiform.reembedding import Embedded, embed_again
from fusiform.showing import count_of as count_of
from fusiform.showing import sheet as sheet
from fusiform.showing import title as title
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


SAME_FACE = 0.6  # overlap (IoU) from which a drawn box is that of a known face


def default_gallery() -> str | Path:
    """FUSIFORM_GALLERY, a path or URL, else gallery.db in FUSIFORM_HOME."""
    return os.environ.get("FUSIFORM_GALLERY") or home() / "gallery.db"


def import_archive(
    archive: str | Path, path: str | Path | None = None, moves: Mapping[str, str] | None = None
) -> Imported:
    """Makes a new gallery at `path` of an archive; `moves`: old folder -> new one.

    Raises GalleryDamaged, GalleryError where there is a gallery already, PolicyForbids.
    """
    ask("index")
    return rooms.import_archive(archive, default_gallery() if path is None else path, moves)


class Gallery(Bookkeeping):
    """A gallery: photos, their faces, and the people they were grouped into.

    Opens or makes `path`, a file or a `postgresql://` URL (default: `default_gallery()`). "auto"
    takes the models the gallery was made with, else the best ones here; other models than recorded
    raise ModelsDiffer at `index`.
    `secret` gives the key of a sealed gallery, by default from the environment (see `seal`).
    Raises GalleryDamaged, GalleryUnwritable, GalleryBusy, WrongKey. Use as a context manager or
    `close`.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        detector: str = "auto",
        embedder: str = "auto",
        create: bool = True,
        secret: Callable[[], Secret] | None = None,
    ) -> None:
        self.store = Store(path or default_gallery(), create=create, secret=secret)
        recorded = self.store.models()
        if recorded:
            detector = recorded[0] if detector == "auto" else detector
            embedder = recorded[1] if embedder == "auto" else embedder
        self._names = (detector, embedder)

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
        crops: bool | None = None,
        dask: str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Takes every new picture of files and folders in, then groups the people anew.

        Each photo is one transaction: stop it whenever you like and call it again to go on.
        Known content is never looked at twice; moved and copied files are recognised.
        `crops`: keep a small crop of every face (7 kB), so that another model can embed it again;
        remembered, at first True. `limit` replaces the card's average similarity for grouping;
        `wait` is how many seconds to wait for another process that is indexing, after which
        GalleryBusy is raised. `workers`: threads, by default one a core. `dask`: the address of a
        Dask scheduler, whose workers then look at the pictures (see `spreading`); they must see the
        same paths. First, faces that were kept long enough are erased (see `duties`).
        Raises PolicyForbids, ClusterError.
        """
        if dask is not None and workers is not None:
            raise ChoiceError("workers", "left out where Dask's workers do the work", workers)
        started = time.perf_counter()
        ask("index")
        self._grouping(limit)  # a senseless one is refused before hours of work
        erased = [self.duties.expire(wait), self.duties.clear_zones(wait)]
        roots = [Path(path).expanduser() for path in paths]
        with self.store.lock_for_indexing(wait):
            run = Run(self.store, progress)
            self._record_models()
            sources = run.new_files(picture_paths(roots, on_error=run.unreadable))
            limits = Limits(small_faces=small_faces, crops=self._keeps_crops(crops))
            found = self._looked_at(sources, run, limits, workers, dask)
            with closing(found):
                for result in found:
                    run.keep(result)
            run.clear_gone(roots)
            if limit is not None:
                self.regroup(limit)
            elif run.to_group():
                rooms.absorb(self.store, self._grouping(limit))
        if run.duplicates:
            with suppress(GalleryBusy):  # then the next run clears them, before all else
                erased.append(self.duties.clear_zones(wait))
        run.erasures += erased
        return run.report(self.models, len(self.people()), time.perf_counter() - started)

    def _keeps_crops(self, wanted: bool | None) -> bool:
        if wanted is not None:
            self.store.note("crops", "on" if wanted else "off")
        return self.store.noted("crops") != "off"

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

    def _grouping(self, limit: float | None, card: Card | None = None) -> float:
        """The mean similarity from which faces are grouped: `limit`, else the card's. Where the
        card states none, the limit given last is remembered."""
        card = card or self.models.embedder.card
        key = f"limit {card.sha256}"
        if limit is None:
            kept = self.store.noted(key) if card.grouping is None else None
            limit = float(kept) if kept else grouping_of(card)
        elif not -1 < limit <= 1:
            raise ChoiceError("limit", "a similarity in (-1, 1]", limit)
        elif card.grouping is None:
            self.store.note(key, str(limit))
        return limit

    def born(self, who: str | int, day: str | None) -> Person:
        """A person was born on `day` (2015, 2015-03, 2015-03-01; None: nobody knows): in photos
        taken before, it is somebody else, unless you decided so."""
        one = rooms.born(self.store, who, day)
        if rooms.ungrouped(self.store):
            rooms.absorb(self.store, self.limit)
        return rooms.person(self.store, one.id)

    def undo(self, count: int = 1) -> list[Entry]:
        """Takes the last acts back, the last one first; returns them."""
        taken = rooms.undo(self.store, count)
        if rooms.ungrouped(self.store):
            rooms.absorb(self.store, self.limit)
        return taken

    def reembed(
        self,
        embedder: str,
        *,
        limit: float | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[Embedded, Changes]:
        """Embeds every face with another model, beside what is there, and says who would change.

        Stop it whenever you like and call it again to go on. Nothing else changes until `switch`.
        `limit`: the mean similarity from which its faces are grouped, by default the card's.
        Raises ModelMissing, ModelUnsupported if there is no such limit.
        """
        other = models(self._names[0], embedder)
        card = other.embedder.card
        limit = self._grouping(limit, card)
        rooms.register(self.store, lasting(embedder, card.name), card.sha256, card.to_json())
        done = embed_again(self.store, other, progress)
        return done, rooms.compare(self.store, card.sha256, limit)

    def switch(self, embedder: str, *, leave_out: bool = False) -> None:
        """The gallery goes by another model from now on, once every face has its vector (`reembed`)
        or with `leave_out` without the others; names and decisions stay. It can be switched back.
        """
        card = models(self._names[0], embedder).embedder.card
        rooms.switch(self.store, card.sha256, self._grouping(None, card), leave_out=leave_out)
        self._names = (self._names[0], lasting(embedder, card.name))

    def goes_by(self, embedder: str) -> bool:
        """Whether that is the model the gallery goes by."""
        card = models(self._names[0], embedder).embedder.card
        return card.sha256 == self.store.noted("embedder")

    def drop_vectors(self, embedder: str) -> int:
        """Deletes another model's vectors; returns how many. Raises GalleryError for its own."""
        return rooms.drop_vectors(self.store, models(embedder=embedder).embedder.card.sha256)

    @property
    def limit(self) -> float:
        """The mean similarity from which grouping joins: the card's."""
        return self._grouping(None)

    def questions(self, count: int = 20) -> list[Question]:
        """Pairs of people who may be one, the most useful first."""
        return rooms.questions(self.store, self.limit, count)

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

    @classmethod
    def from_archive(
        cls,
        archive: str | Path,
        path: str | Path | None = None,
        *,
        moves: Mapping[str, str] | None = None,
    ) -> Self:
        """A new gallery of an archive: see `import_archive`."""
        import_archive(archive, path, moves)
        return cls(path)

    def box(
        self,
        photo: str | Path,
        box: tuple[float, float, float, float],
        who: str | int | None = None,
    ) -> FaceRow:
        """The face in a box (x1, y1, x2, y2 in pixels of the upright picture) that had not been
        found is one, for ever: that of `who`, or else of whom grouping takes it for.

        Raises ChoiceError for a photo that is not in the gallery as it lies there, or a box outside
        it; UnknownPerson, PictureError, PolicyForbids.
        """
        ask("index")
        path = os.path.abspath(Path(photo).expanduser())
        number = self.store.photo_at(path)
        if number is None or not self.store.seen(path, *size_and_time(path)):
            raise ChoiceError("photo", "in the gallery as it lies there (`fusiform index`)", path)
        for face in self.store.face_rows(rooms.faces_of(self.store, number)):
            if iou([face.box], [box])[0, 0] >= SAME_FACE:
                raise ChoiceError(
                    "box", f"where no face is known yet: face {face.id} is there", box
                )
        self._record_models()
        found = face_at(path, box, self.models)
        crops = found.crops if self._keeps_crops(None) else ()
        with self.store.lock_for_indexing(10.0):
            drawn = rooms.draw(self.store, number, found.faces, crops, who)
            rooms.absorb(self.store, self._grouping(None))
        return self.store.face_rows([drawn])[0]

    def sheet(self, *, most: int = 24, tile: int = 96, smallest: int = 1) -> NDArray[np.uint8]:
        """A contact sheet of everybody with at least `smallest` faces: see `showing.sheet`."""
        shown = [person for person in self.people() if len(person.faces) >= smallest]
        return sheet(shown, most=most, tile=tile)

    def find(self, source: Source, *, count: int = 20, at_least: float = -1.0) -> list[Found]:
        """For every face of a picture, the `count` most similar faces of the gallery.

        Raises PictureError, PolicyForbids, and ModelsDiffer if the gallery was made with other
        models.
        """
        allowed = self._allowed("search_by_picture")
        if self.store.models():
            self._record_models()
        faces = analyse_one(source, self.models).faces
        return [
            Found(face, tuple(rooms.find(self.store, face.embedding, count, at_least, allowed)))
            for face in faces
            if face.embedding is not None
        ]


def grouping_of(card: Card) -> float:
    """The mean similarity from which its faces are grouped. Raises ModelUnsupported without one."""
    if card.grouping is None:
        raise ModelUnsupported(
            f"{card.name}: its card states no similarity for grouping; "
            "give one (limit=0.5, or --limit 0.5)"
        )
    return card.grouping
