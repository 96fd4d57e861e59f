"""Who agreed to be known here, and what follows from that."""

from __future__ import annotations

from datetime import date

from fusiform.core.errors import PolicyForbids
from fusiform.gallery.database import today
from fusiform.gallery.journal import consents
from fusiform.gallery.store import Store


def consenting(store: Store, day: date | None = None) -> frozenset[int]:
    """The people whose consent stands on `day`, by default today (UTC)."""
    return _those(store, day, "given")


def lapsed(store: Store, day: date | None = None) -> frozenset[int]:
    """The people who took their consent back, or whose consent has expired by `day`."""
    return _those(store, day, "withdrawn", "expired")


def _those(store: Store, day: date | None, *standings: str) -> frozenset[int]:
    noted = consents(store).items()
    there = {row[0] for row in store.read("SELECT id FROM people")} if noted else set()
    day = day or today()
    return frozenset(n for n, one in noted if one.standing(day) in standings and n in there)


def ask_consent(number: int, allowed: frozenset[int] | None) -> None:
    """Raises PolicyForbids unless person `number` is among the `allowed`; None are all."""
    if allowed is not None and number not in allowed:
        raise PolicyForbids(
            f"no consent of person {number} stands, and the policy of this machine requires one "
            f'(see `fusiform policy`); `fusiform consent {number} --given "..."` notes it.'
        )
