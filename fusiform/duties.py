"""What whoever keeps faces owes: consent, an end to keeping, places where nothing is kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from fusiform import gallery as rooms
from fusiform.core.errors import ChoiceError
from fusiform.core.periods import Period
from fusiform.gallery import Erasure, Person, Store, Zone
from fusiform.policy import read_policy


@dataclass(frozen=True)
class Duties:
    """The duties of one gallery, `Gallery.duties`."""

    store: Store

    def consent(
        self,
        who: str | int,
        *,
        given: str | None = None,
        withdrawn: str | None = None,
        until: str | None = None,
    ) -> Person:
        """Notes that a person agrees to be known here, through the day `until` (ISO 8601) if there
        is one, or has taken that back; either text says how that is known.

        Raises UnknownPerson, ChoiceError.
        """
        note = withdrawn if given is None else given
        if note is None or (given is not None and withdrawn is not None):
            raise ChoiceError("consent", "either given or withdrawn", (given, withdrawn))
        return rooms.note_consent(self.store, who, given is not None, note, until)

    def standing(self, who: str | int | None = None) -> list[Person]:
        """Everybody, hidden people too, with what is noted of their consent; or one person."""
        if who is not None:
            return [rooms.person(self.store, who)]
        return rooms.people(self.store, hidden=True)

    def lapsed(self) -> list[Person]:
        """Everybody who took consent back, or whose consent has expired."""
        return [rooms.person(self.store, number) for number in sorted(rooms.lapsed(self.store))]

    def forget_lapsed(self) -> Erasure:
        """Erases all of them, as `forget` does. Raises GalleryBusy."""
        return rooms.forget_lapsed(self.store)

    def keep_for(self, period: str | None) -> None:
        """From now on faces are kept that long ("90d", "6w", "18m", "2y"); None: without limit.
        Raises ChoiceError."""
        rooms.keep_for(self.store, None if period is None else Period.of(period))

    @property
    def kept_for(self) -> str | None:
        """How long this gallery keeps faces; None: without limit, but for the machine's policy."""
        told = rooms.kept_for(self.store)
        return None if told is None else str(told)

    @property
    def due(self) -> int:
        """How many faces have been kept longer than this gallery and the machine's policy say."""
        return len(rooms.due(self.store, self._periods()))

    def expire(self, wait: float = 0.0) -> Erasure:
        """Erases those, as `forget` does: all but those of people whose consent stands.

        Raises PolicyDamaged, and GalleryBusy if it is still being indexed after `wait` seconds.
        """
        return rooms.expire(self.store, self._periods(), wait=wait)

    def _periods(self) -> list[Period]:
        both = (rooms.kept_for(self.store), read_policy().retention)
        return [period for period in both if period is not None]

    def zones(self) -> list[Zone]:
        """Where no face is kept."""
        return rooms.all_zones(self.store)

    def faces_in(self, folder: str | os.PathLike[str], box: Sequence[float]) -> int:
        """How many faces are kept in a part of the pictures of a folder, see `add_zone`."""
        return len(rooms.faces_in(self.store, rooms.zone_of(folder, box)))

    def add_zone(
        self, folder: str | os.PathLike[str], box: Sequence[float]
    ) -> tuple[Zone, Erasure]:
        """Keeps no faces from now on whose centre lies in `box` (x1, y1, x2, y2 in shares of width
        and height) of pictures in `folder`, and erases those that are kept there.

        Raises ChoiceError for what is no folder or no box, GalleryBusy.
        """
        return rooms.add_zone(self.store, rooms.zone_of(folder, box))

    def remove_zone(self, number: int) -> None:
        """Keeps faces there again that are found from now on. Raises ChoiceError."""
        rooms.remove_zone(self.store, number)

    def clear_zones(self, wait: float = 0.0) -> Erasure:
        """Erases all faces in zones: where a known photo has come into the folder of one."""
        return rooms.clear_zones(self.store, wait)
