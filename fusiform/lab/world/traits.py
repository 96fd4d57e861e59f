"""What a person is, before any shape or colour is drawn."""

from __future__ import annotations

from dataclasses import dataclass

from fusiform.core.errors import ChoiceError

ANCESTRIES = ("african", "asian", "european")
YOUNGEST, OLDEST = 5.0, 90.0


@dataclass(frozen=True)
class Traits:
    """`ancestry`: shares of ANCESTRIES, sum 1. `male`: 0..1. `age`: years, 5..90.

    `weight`: -1 (thin) .. 1 (heavy), 0 average. These are sliders of a generator and say nothing
    of real populations. Raises ChoiceError for a value out of range.
    """

    ancestry: tuple[float, float, float]
    male: float
    age: float
    weight: float = 0.0

    def __post_init__(self) -> None:
        if min(self.ancestry) < 0 or abs(sum(self.ancestry) - 1) > 1e-6:
            raise ChoiceError("Traits.ancestry", "three shares that sum to 1", self.ancestry)
        if not 0 <= self.male <= 1:
            raise ChoiceError("Traits.male", "0 to 1", self.male)
        if not YOUNGEST <= self.age <= OLDEST:
            raise ChoiceError("Traits.age", f"{YOUNGEST:g} to {OLDEST:g} years", self.age)
        if not -1 <= self.weight <= 1:
            raise ChoiceError("Traits.weight", "-1 to 1", self.weight)
