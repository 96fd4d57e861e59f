"""What a gallery can do without its models: decisions, people, copies, encryption."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from fusiform import gallery as rooms
from fusiform.duties import Duties
from fusiform.gallery import (
    Entry,
    Erasure,
    Exported,
    Kept,
    Person,
    PhotoRow,
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
from fusiform.policy import ask

Steps = Callable[[int, int], None]


class Bookkeeping:
    """A gallery's records: the part of `Gallery` that needs no model."""

    store: Store

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

    def people(self, *, hidden: bool = False) -> list[Person]:
        """Everybody, most faces first; `hidden` people too where asked for."""
        return rooms.people(self.store, hidden)

    def person(self, who: str | int) -> Person:
        """One person by number or name. Raises UnknownPerson and, by name, PolicyForbids."""
        allowed = None if str(who).strip().isdecimal() else self._allowed("search_by_name")
        found = rooms.person(self.store, who, allowed)
        ask_consent(found.id, allowed)
        return found

    def name(self, who: str | int, name: str) -> Person:
        """Gives a person a name, for ever: the faces shown now are theirs from now on.

        Raises UnknownPerson, ChoiceError, PolicyForbids.
        """
        allowed = self._allowed("names")
        ask_consent(rooms.person(self.store, who, allowed).id, allowed)
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

    def journal(self) -> list[Entry]:
        """Every act, oldest first, undone ones among them."""
        return rooms.entries(self.store)

    def why(self, face: int, who: str | int) -> Reason:
        """What speaks for a face being that person."""
        return rooms.why(self.store, face, who)

    @property
    def own(self) -> Kept | None:
        """Its own threshold and probabilities, None where it goes by the model's card."""
        return rooms.kept(self.store)

    def forget(self, who: str | int, *, from_exports: bool = False) -> Erasure:
        """Erases a person's faces, vectors and name from the file, and proves it; `from_exports`:
        first from the archives and backups that it knows of."""
        return rooms.forget(self.store, who, from_exports)

    def export(self, path: str | Path, *, templates: bool = True, force: bool = False) -> Exported:
        """Writes everything into one archive, without `templates` no vectors and crops.

        Raises PolicyForbids.
        """
        ask("export")
        return rooms.export(self.store, path, templates=templates, force=force)

    def backup(self, path: str | Path, *, force: bool = False) -> int:
        """Copies the file while it is in use, and checks the copy; returns its bytes."""
        return rooms.backup(self.store, path, force=force)

    def table(self, path: str | Path, what: str = "faces", *, force: bool = False) -> Tabled:
        """Writes "faces", "people" or "photos" as CSV or Parquet, as `path` ends.

        Raises PolicyForbids.
        """
        ask("export")
        return rooms.write_table(self.store, path, what, force=force)

    def photos(
        self, query: str, *, after: str | None = None, before: str | None = None
    ) -> list[PhotoRow]:
        """Photos by who is in them (`Ada AND Grace NOT Alan`, see `gallery.query`) and when.

        Raises ChoiceError, UnknownPerson, PolicyForbids.
        """
        allowed = self._allowed("search_by_name")
        return rooms.photos(self.store, query, Span.of(after, before), allowed)

    def write_names(
        self,
        *who: str | int,
        tags: bool = False,
        embed: bool = False,
        overwrite: bool = False,
        progress: Steps | None = None,
    ) -> Written:
        """Writes names beside the photos of these people, by default of all, as XMP sidecars, or
        with `embed` into the photos. Names that another program gave these faces since stay unless
        `overwrite`.

        Raises UnknownPerson, PolicyForbids.
        """
        return rooms.write_names(
            self.store,
            who,
            tags=tags,
            embed=embed,
            overwrite=overwrite,
            progress=progress,
            allowed=self._allowed("write_names"),
        )

    def read_names(self, progress: Steps | None = None) -> Taken:
        """Takes the names that other programs gave faces. Raises PolicyForbids."""
        return rooms.read_names(self.store, progress, self._allowed("names"))

    def _allowed(self, switch: str) -> frozenset[int] | None:
        """Who may be found, named or written; None: everybody. Raises PolicyForbids."""
        return rooms.consenting(self.store) if ask(switch).consent_required else None

    def seal(self, secret: Secret) -> Sealing:
        """Encrypts all templates and crops, those to come too; only `secret` opens them."""
        return rooms.seal(self.store, secret)

    def unseal(self) -> Sealing:
        """Decrypts all."""
        return rooms.unseal(self.store)
