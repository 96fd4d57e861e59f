"""The world: endless people, each always the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from fusiform.core.errors import ChoiceError
from fusiform.lab.world.person import Person, child, founder
from fusiform.lab.world.traits import Traits


@dataclass(frozen=True)
class World:
    """`World(7).person(17)` is the same person on every machine, in every version that keeps its
    head model. Seeds from 1,000,000 upward are kept for checks: never train or tune on them."""

    seed: int = 0

    def person(self, number: int, traits: Traits | None = None) -> Person:
        """Person `number` (>= 0), with given traits instead of their own.

        Raises ChoiceError for a negative number.
        """
        if number < 0:
            raise ChoiceError("number", "at least 0", number)
        return founder(self.seed, number, traits) if traits else cached(self.seed, number)

    def child(
        self, mother: Person, father: Person, number: int, traits: Traits | None = None
    ) -> Person:
        """Child `number` of two people; others of the same two are its siblings."""
        return child(mother, father, self.seed, number, traits)


@lru_cache(maxsize=64)
def cached(seed: int, number: int) -> Person:
    return founder(seed, number)
