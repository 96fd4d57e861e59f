"""How long faces are kept: those of photos that came in longer ago are erased.

What counts is when a photo came into the gallery, not when it was taken: laws about biometric data
count from the collection (such as 740 ILCS 14/15 of Illinois, "initial purpose for collecting",
and Article 5(1)(e) GDPR). Who has given consent that stands is exempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from fusiform.core.periods import Period
from fusiform.gallery.acts import Erased
from fusiform.gallery.consent import consenting
from fusiform.gallery.database import today
from fusiform.gallery.erasure import Condemned, erase, nothing
from fusiform.gallery.records import Erasure
from fusiform.gallery.store import Store

_KEY = "retention"


def keep_for(store: Store, period: Period | None) -> None:
    """From now on faces are kept that long; None: without limit. Erases nothing, see `expire`."""
    store.note(_KEY, str(period or ""))


def kept_for(store: Store) -> Period | None:
    """How long faces are kept here; None: without limit."""
    told = store.noted(_KEY)
    return Period.of(told) if told else None


def due(store: Store, periods: Iterable[Period], day: date | None = None) -> list[int]:
    """The faces that `expire` would erase."""
    day, limits = day or today(), list(periods)
    if not limits:
        return []
    first = max(period.before(day) for period in limits)
    exempt = consenting(store, day)
    sql = (
        "SELECT faces.id, person_id FROM photos JOIN faces ON photos.id = photo_id "
        "LEFT JOIN members ON face_id = faces.id WHERE added_at < ? ORDER BY faces.id"
    )
    rows = store.read(sql, (first.isoformat(),))
    return [face for face, person in rows if person not in exempt]


def expire(
    store: Store, periods: Iterable[Period], day: date | None = None, wait: float = 0.0
) -> Erasure:
    """Erases faces that came in longer ago than the shortest of `periods`, as `forget` does: all
    but those of people whose consent stands on `day`, by default today (UTC).

    Names stay, and so do the photos, so that the faces do not come back. Raises GalleryBusy if the
    gallery is still being indexed after `wait` seconds.
    """
    limits = list(periods)

    def condemned() -> Condemned:
        faces = due(store, limits, day)
        return Condemned(faces, [], [Erased(len(faces), "retention")] if faces else [])

    return erase(store, condemned, wait) if due(store, limits, day) else nothing()
