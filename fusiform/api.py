"""The library's verbs, under the same names as the command line's.

Pictures are paths, bytes of a file, Pillow images, or arrays in RGB order; a gallery is one file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fusiform import gallery as rooms
from fusiform.core.draw import contact_sheet, face_tile
from fusiform.core.errors import ChoiceError, FusiformError, GalleryBusy, ModelUnsupported
from fusiform.core.faces import Face
from fusiform.core.pictures import Source, open_picture, picture_paths
from fusiform.duties import Duties
from fusiform.gallery import (
    Changes,
    Entry,
    Erasure,
    Exported,
    Kept,
    Match,
    Person,
    PhotoRow,
    Question,
    Reason,
    Sealing,
    Secret,
    Span,
    Store,
    Tabled,
    Taken,
    Written,
)
from fusiform.gallery.consent import ask_consent
from fusiform.hub.card import Card
from fusiform.hub.files import home
from fusiform.indexing import KnownPhotos, Progress, Report, Run
from fusiform.measure.own_calibration import OwnCalibration
from fusiform.pipeline import Limits, Models, analyse, analyse_one
from fusiform.policy import ask
from fusiform.recognise.compare import DEFAULT_FMR, probability
from fusiform.reembedding import Embedded, embed_again
from fusiform.verbs import describe as describe
from fusiform.verbs import detect as detect
from fusiform.verbs import detector_name as detector_name
from fusiform.verbs import embed as embed
from fusiform.verbs import lasting
from fusiform.verbs import models as models
from fusiform.verbs import verify as verify

Steps = Callable[[int, int], None]


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
    def duties(self) -> Duties:
        """Consent, how long faces are kept, and where none is."""
        return Duties(self.store)

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
        progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Takes every new picture of files and folders in, then groups the people anew.

        Each photo is one transaction: stop it whenever you like and call it again to go on.
        Known content is never looked at twice; moved and copied files are recognised.
        `crops`: keep a small crop of every face (7 kB), so that another model can embed it again;
        remembered, at first True. `limit` replaces the card's average similarity for grouping;
        `wait` is how many seconds to wait for another process that is indexing, after which
        GalleryBusy is raised.
        First, faces that were kept long enough are erased (see `duties`). Raises PolicyForbids.
        """
        started = time.perf_counter()
        ask("index")
        self._grouping(limit)  # a senseless one is refused before hours of work
        erased = [self.duties.expire(wait), self.duties.clear_zones(wait)]
        roots = [Path(path).expanduser() for path in paths]
        with self.store.lock_for_indexing(wait):
            run = Run(self.store, progress)
            self._record_models()
            known = KnownPhotos(self.store)
            sources = run.new_files(picture_paths(roots, on_error=run.unreadable))
            limits = Limits(small_faces=small_faces, crops=self._keeps_crops(crops))
            found = analyse(sources, self.models, limits=limits, known=known, workers=workers)
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

    def _record_models(self) -> None:
        used, card = self.models, self.models.embedder.card
        detector = lasting(self._names[0], used.detector.name)
        embedder = lasting(self._names[1], card.name)
        eyes = used.detector.card.sha256
        self.store.use_models(detector, embedder, card.sha256, card.to_json(), eyes)

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

    def drop_vectors(self, embedder: str) -> int:
        """Deletes another model's vectors; returns how many. Raises GalleryError for its own."""
        return rooms.drop_vectors(self.store, models(embedder=embedder).embedder.card.sha256)

    def people(self, *, hidden: bool = False) -> list[Person]:
        """Everybody, most faces first; `hidden` people too where asked for."""
        return rooms.people(self.store, hidden)

    def person(self, who: str | int) -> Person:
        """One person by number or name. Raises UnknownPerson and, by name, PolicyForbids."""
        allowed = None if str(who).strip().isdecimal() else self._allowed("search_by_name")
        found = rooms.person(self.store, who)
        ask_consent(found.id, allowed)
        return found

    def name(self, who: str | int, name: str) -> Person:
        """Gives a person a name, for ever: the faces shown now are theirs from now on.

        Raises UnknownPerson, ChoiceError, PolicyForbids.
        """
        allowed = self._allowed("names")
        ask_consent(rooms.person(self.store, who).id, allowed)
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

    def forget(self, who: str | int, *, from_exports: bool = False) -> Erasure:
        """Erases a person's faces, vectors and name from the file, and proves it; `from_exports`:
        first from the archives and backups that it knows of."""
        return rooms.forget(self.store, who, from_exports)

    def export(self, path: str | Path, *, templates: bool = True, force: bool = False) -> Exported:
        """Writes everything into one archive, without `templates` no vectors and crops."""
        return rooms.export(self.store, path, templates=templates, force=force)

    @classmethod
    def from_archive(
        cls,
        archive: str | Path,
        path: str | Path | None = None,
        *,
        moves: Mapping[str, str] | None = None,
    ) -> Self:
        """A new gallery of an archive; `moves`: old folder -> new one. Raises GalleryDamaged."""
        rooms.import_archive(archive, path or default_gallery(), moves)
        return cls(path)

    def backup(self, path: str | Path, *, force: bool = False) -> int:
        """Copies the file while it is in use, and checks the copy; returns its bytes."""
        return rooms.backup(self.store, path, force=force)

    def table(self, path: str | Path, what: str = "faces", *, force: bool = False) -> Tabled:
        """Writes "faces", "people" or "photos" as CSV or Parquet, as `path` ends."""
        return rooms.write_table(self.store, path, what, force=force)

    def seal(self, secret: Secret) -> Sealing:
        """Encrypts all templates and crops, those to come too; only `secret` opens them."""
        return rooms.seal(self.store, secret)

    def unseal(self) -> Sealing:
        """Decrypts all."""
        return rooms.unseal(self.store)

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

    def photos(
        self, query: str, *, after: str | None = None, before: str | None = None
    ) -> list[PhotoRow]:
        """Photos by who is in them (`Ada AND Grace NOT Alan`, see `gallery.query`) and when.

        Raises ChoiceError, UnknownPerson, PolicyForbids.
        """
        allowed = self._allowed("search_by_name")
        return rooms.photos(self.store, query, Span.of(after, before), allowed)

    def write_names(
        self, *who: str | int, tags: bool = False, progress: Steps | None = None
    ) -> Written:
        """Writes names beside the photos of these people, by default of all, as XMP sidecars.

        Raises UnknownPerson, PolicyForbids.
        """
        allowed = self._allowed("write_names")
        return rooms.write_names(self.store, who, tags=tags, progress=progress, allowed=allowed)

    def read_names(self, progress: Steps | None = None) -> Taken:
        """Takes the names that other programs gave faces. Raises PolicyForbids."""
        return rooms.read_names(self.store, progress, self._allowed("names"))

    def _allowed(self, switch: str) -> frozenset[int] | None:
        """Who may be found, named or written; None: everybody. Raises PolicyForbids."""
        return rooms.consenting(self.store) if ask(switch).consent_required else None

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


def grouping_of(card: Card) -> float:
    """The mean similarity from which its faces are grouped. Raises ModelUnsupported without one."""
    if card.grouping is None:
        raise ModelUnsupported(
            f"{card.name}: its card states no similarity for grouping; "
            "give one (limit=0.5, or --limit 0.5)"
        )
    return card.grouping


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
