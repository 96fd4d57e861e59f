"""People as they are shown: by name, in words, on a sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fusiform.core.draw import contact_sheet, face_tile
from fusiform.core.errors import FusiformError
from fusiform.core.pictures import open_picture
from fusiform.gallery import Person


def sheet(people: Sequence[Person], *, most: int = 24, tile: int = 96) -> NDArray[np.uint8]:
    """A contact sheet, one row a person: RGB uint8.

    At most `most` faces a person, best quality first. A face whose photo cannot be read any more is
    left out.
    """
    rows = []
    for person in people:
        best = sorted(person.faces, key=lambda face: -face.quality)[:most]
        tiles = [t for face in best if (t := _tile(face.photo, face.box, tile)) is not None]
        rows.append((f"{title(person)}\n{count_of(len(person.faces), 'face')}", tiles))
    return contact_sheet(rows, tile=tile)


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
