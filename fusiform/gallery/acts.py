"""What a user can decide, as records: what each means for pins, names, and what is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from fusiform.gallery.records import Consent

Ids = tuple[int, ...]
Pins = dict[int, int]
Names = dict[int, str | None]
Consents = dict[int, Consent | None]
Births = dict[int, str | None]


class _Act:
    """What an act means unless it says otherwise: nothing.

    `pins()` face -> person; `names(before)` person -> new name, None for no longer; `no_faces()`;
    `hides()` person -> whether hidden; `consents(before)` person -> what is noted now, and
    `births(before)` person -> day of birth, None for nothing.
    """

    kind: ClassVar[str]

    def pins(self) -> Pins:
        return {}

    def names(self, before: Mapping[int, str]) -> Names:
        return {}

    def no_faces(self) -> Ids:
        return ()

    def hides(self) -> dict[int, bool]:
        return {}

    def consents(self, before: Mapping[int, Consent]) -> Consents:
        return {}

    def births(self, before: Mapping[int, str]) -> Births:
        return {}


@dataclass(frozen=True)
class Named(_Act):
    """`person` is called `name`; its `faces` are its own from now on."""

    person: int
    name: str
    faces: Ids
    kind: ClassVar[str] = "name"

    def pins(self) -> Pins:
        return dict.fromkeys(self.faces, self.person)

    def names(self, before: Mapping[int, str]) -> Names:
        return {self.person: self.name}


@dataclass(frozen=True)
class Merged(_Act):
    """`gone` was `person` all along: all `faces` of both are `person`'s; `gone` is no more."""

    person: int
    gone: int
    faces: Ids
    kind: ClassVar[str] = "merge"

    def pins(self) -> Pins:
        return dict.fromkeys(self.faces, self.person)

    def names(self, before: Mapping[int, str]) -> Names:
        return {self.person: before.get(self.person, before.get(self.gone)), self.gone: None}

    def consents(self, before: Mapping[int, Consent]) -> Consents:
        return {self.person: before.get(self.person, before.get(self.gone)), self.gone: None}

    def births(self, before: Mapping[int, str]) -> Births:
        return {self.person: before.get(self.person, before.get(self.gone)), self.gone: None}


@dataclass(frozen=True)
class Split(_Act):
    """`taken` are the new person `other`; `faces` are what stays with `person`."""

    person: int
    other: int
    faces: Ids
    taken: Ids
    kind: ClassVar[str] = "split"

    def pins(self) -> Pins:
        return dict.fromkeys(self.faces, self.person) | dict.fromkeys(self.taken, self.other)


@dataclass(frozen=True)
class Apart(_Act):
    """`person` and `other` are two people, whatever grouping may think of them later."""

    person: int
    other: int
    faces: Ids
    others: Ids
    kind: ClassVar[str] = "not-same"

    def pins(self) -> Pins:
        return dict.fromkeys(self.faces, self.person) | dict.fromkeys(self.others, self.other)


@dataclass(frozen=True)
class NoFaces(_Act):
    """These finds are no faces: they belong to nobody and are not looked at again."""

    faces: Ids
    kind: ClassVar[str] = "not-a-face"

    def no_faces(self) -> Ids:
        return self.faces


@dataclass(frozen=True)
class Hidden(_Act):
    """`person` is not to be shown, or (`hidden` false) is again; its `faces` are its own."""

    person: int
    hidden: bool
    faces: Ids
    kind: ClassVar[str] = "hide"

    def pins(self) -> Pins:
        return dict.fromkeys(self.faces, self.person)

    def hides(self) -> dict[int, bool]:
        return {self.person: self.hidden}


@dataclass(frozen=True)
class Consented(_Act):
    """`person` agrees to be known here (`given`, through the day `until` if there is one) or takes
    it back; `note` says how that is known. Its `faces` are its own."""

    person: int
    given: bool
    note: str
    until: str | None
    faces: Ids
    kind: ClassVar[str] = "consent"

    def pins(self) -> Pins:
        return dict.fromkeys(self.faces, self.person)

    def consents(self, before: Mapping[int, Consent]) -> Consents:
        return {self.person: Consent(self.given, self.note, self.until)}


@dataclass(frozen=True)
class Born(_Act):
    """`person` was born on `day` (ISO 8601; None: nobody knows), so is in no photo taken before;
    its other `faces` are its own."""

    person: int
    day: str | None
    faces: Ids
    kind: ClassVar[str] = "born"

    def pins(self) -> Pins:
        return dict.fromkeys(self.faces, self.person)

    def births(self, before: Mapping[int, str]) -> Births:
        return {self.person: self.day}


@dataclass(frozen=True)
class Drawn(_Act):
    """Somebody drew a box around a face that had not been found: `faces` is its number, `person`
    whose it is (None: grouping decides), `photo` the number of the photo (None: not noted then)."""

    faces: Ids
    person: int | None
    photo: int | None = None
    kind: ClassVar[str] = "box"

    def pins(self) -> Pins:
        return {} if self.person is None else dict.fromkeys(self.faces, self.person)


@dataclass(frozen=True)
class Undone(_Act):
    """The act that stands at `entry` is undone."""

    entry: int
    kind: ClassVar[str] = "undo"


@dataclass(frozen=True)
class Forgotten(_Act):
    """A person with `count` faces was erased. Who it was is not kept."""

    count: int
    kind: ClassVar[str] = "forget"


@dataclass(frozen=True)
class Erased(_Act):
    """`count` faces were erased, whoever's they were: their time was over (`why` "retention") or
    they lay where none is kept ("zone")."""

    count: int
    why: str
    kind: ClassVar[str] = "erase"


_Decided = Named | Merged | Split | Apart | NoFaces | Hidden | Consented | Born | Drawn
Act = _Decided | Undone | Forgotten | Erased
_ALL: tuple[Callable[..., Act], ...] = (
    *(Named, Merged, Split, Apart, NoFaces, Hidden, Consented, Born, Drawn),
    *(Undone, Forgotten, Erased),
)
KINDS: dict[str, Callable[..., Act]] = {made.kind: made for made in _ALL}  # type: ignore[attr-defined]
