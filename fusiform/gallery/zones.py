"""Parts of the pictures of a folder where no face is kept, such as a poster in a camera's view."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.faces import Dropped, Faces
from fusiform.gallery.acts import Erased
from fusiform.gallery.erasure import Condemned, erase, nothing
from fusiform.gallery.paths import shown_path, stored_path
from fusiform.gallery.records import Box, Erasure
from fusiform.gallery.store import Store

REASON = "zone"


@dataclass(frozen=True)
class Zone:
    """Number, `folder` (absolute, all folders in it too), and `box` x1, y1, x2, y2 in shares of a
    picture's width and height, 0..1 from the upper left."""

    id: int
    folder: str
    box: Box

    def covers(self, path: str) -> bool:
        """Whether the file at that absolute path lies in the folder."""
        return path.startswith(os.path.join(self.folder, ""))


def all_zones(store: Store) -> list[Zone]:
    """All zones, by number."""
    rows = store.read("SELECT id, folder, x1, y1, x2, y2 FROM zones ORDER BY id")
    return [Zone(row[0], shown_path(row[1]), (row[2], row[3], row[4], row[5])) for row in rows]


def zone_of(folder: str | os.PathLike[str], box: Sequence[float]) -> Zone:
    """A zone that is not in a gallery yet, number 0.

    Raises ChoiceError for what is no folder, or no box inside the picture.
    """
    place = os.path.abspath(os.path.expanduser(folder))
    if not os.path.isdir(place):
        raise ChoiceError("folder", "a folder that exists", place)
    x1, y1, x2, y2 = box
    if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
        raise ChoiceError("zone", "X1 < X2 and Y1 < Y2 in shares from 0 to 1", tuple(box))
    return Zone(0, place, (x1, y1, x2, y2))


def add_zone(store: Store, zone: Zone) -> tuple[Zone, Erasure]:
    """Keeps no faces in `zone` from now on, and erases those that are kept there, as `forget`
    does. Returns it with its number. Raises GalleryBusy."""
    with store.lock_for_indexing(alone=True), store.write() as db:
        sql = "INSERT INTO zones(folder, x1, y1, x2, y2) VALUES (?, ?, ?, ?, ?) RETURNING id"
        values = (stored_path(zone.folder), *map(float, zone.box))
        number = int(db.execute(sql, values).fetchone()[0])
    return Zone(number, zone.folder, zone.box), clear_zones(store)


def remove_zone(store: Store, number: int) -> None:
    """Faces are kept again in what is indexed from now on. Raises ChoiceError for no such zone."""
    with store.write() as db:
        if not db.execute("DELETE FROM zones WHERE id = ?", (number,)).rowcount:
            known = ", ".join(str(zone.id) for zone in all_zones(store)) or "none yet"
            raise ChoiceError("zone", f"the number of a zone ({known})", number)


def clear_zones(store: Store, wait: float = 0.0) -> Erasure:
    """Erases all faces that lie in a zone, as `forget` does: where a photo that was known has come
    into the folder of one. Raises GalleryBusy if it is still being indexed after `wait` seconds."""

    def condemned() -> Condemned:
        faces = sorted({face for zone in all_zones(store) for face in faces_in(store, zone)})
        return Condemned(faces, [], [Erased(len(faces), REASON)] if faces else [])

    return erase(store, condemned, wait) if condemned().faces else nothing()


def faces_in(store: Store, zone: Zone) -> list[int]:
    """The faces whose centre lies in a zone, of photos any path of which is in its folder."""
    begins = _beginnings(zone.folder)
    x1, y1, x2, y2 = zone.box
    sql = (
        "SELECT DISTINCT faces.id FROM files JOIN photos ON photos.id = files.photo_id "
        "JOIN faces ON faces.photo_id = photos.id "
        f"WHERE ({' OR '.join(['substr(path, 1, ?) = ?'] * len(begins))}) "
        "AND (x1 + x2) / 2 BETWEEN ? * width AND ? * width "
        "AND (y1 + y2) / 2 BETWEEN ? * height AND ? * height ORDER BY faces.id"
    )
    folders = [value for begin in begins for value in (len(begin), begin)]
    return [row[0] for row in store.read(sql, (*folders, x1, x2, y1, y2))]


def _beginnings(folder: str) -> set[str]:
    """How kept paths in a folder begin, also those of names that are no valid UTF-8."""
    inside = os.path.join(folder, "")
    raw = stored_path(inside + "\udcff").removesuffix("\xff")
    return {stored_path(inside), raw}


def without_zones(
    known: Sequence[Zone], path: str, size: tuple[int, int], faces: Faces
) -> tuple[NDArray[np.bool_], tuple[Dropped, ...]]:
    """Which `faces` (n,) of the picture of `size` (width, height) at `path` may be kept, and those
    that may not."""
    boxes = faces.boxes.astype(np.float64)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = np.zeros(len(faces), bool)
    for zone in known:
        if zone.covers(path):
            low, high = np.array(zone.box[:2]) * size, np.array(zone.box[2:]) * size
            inside |= ((centres >= low) & (centres <= high)).all(axis=1)
    dropped = tuple(Dropped(face.corners, face.score, REASON) for face in faces[inside])
    return ~inside, dropped
