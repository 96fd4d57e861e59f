"""Nobody is in a photo taken before their birth: what keeps children apart from look-alikes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.gallery.grouping import group
from fusiform.gallery.journal import births
from fusiform.gallery.store import Store


def first_day(text: str) -> str:
    """A year, a month or a day (ISO 8601: 2015, 2015-03, 2015-03-01) as its first day.

    Raises ChoiceError for anything else.
    """
    wrong = ChoiceError("day of birth", "such as 2015, 2015-03 or 2015-03-01", text)
    parts = re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", text.strip())
    if parts is None:
        raise wrong
    try:
        return date(*(int(part or 1) for part in parts.groups())).isoformat()
    except ValueError:
        raise wrong from None


def before_birth(
    store: Store, person_of: Mapping[int, int], pins: Mapping[int, int], born: Mapping[int, str]
) -> dict[int, int]:
    """Of faces and whose they would be, those in photos taken before that person was `born`; what
    somebody decided (`pins`) stays."""
    asked = [face for face, who in person_of.items() if who in born and pins.get(face) != who]
    if not asked:
        return {}
    sql = (
        "SELECT faces.id, taken_at FROM faces JOIN photos ON photos.id = photo_id "
        "WHERE taken_at IS NOT NULL AND faces.id IN"
    )
    taken = store.read_in(sql, asked)
    return {face: person_of[face] for face, at in taken if at[:10] < born[person_of[face]]}


def set_apart(
    store: Store,
    label_of: dict[int, int],
    person_of: Mapping[int, int],
    pins: Mapping[int, int],
    vectors: NDArray[np.float32],
    threshold: float,
) -> dict[int, int]:
    """`label_of` (face -> group, in the order of `vectors (n, d)`), where faces of somebody who was
    not born yet are groups of their own; `person_of` group -> person."""
    owner = {face: person_of[g] for face, g in label_of.items() if g in person_of}
    early = before_birth(store, owner, pins, births(store))
    if not early:
        return label_of
    faces = list(label_of)
    rows = [i for i, face in enumerate(faces) if face in early]
    fresh = group(vectors[rows], threshold) + max(label_of.values()) + 1
    return label_of | {faces[i]: int(label) for i, label in zip(rows, fresh, strict=True)}
