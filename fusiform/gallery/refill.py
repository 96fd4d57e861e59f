"""Vectors for faces that came without: those of an archive that was made without templates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fusiform.core.faces import Faces
from fusiform.gallery.index import discard
from fusiform.gallery.store import Store
from fusiform.measure.boxes import iou

SAME_FACE = 0.5  # overlap (IoU) from which a find is a stored face: one detector found both


def lacks_vectors(store: Store, photo: int) -> bool:
    """Whether photo number `photo` has faces, and none of them a vector of the gallery's model."""
    sql = (
        "SELECT count(*), count(model_id) FROM faces LEFT JOIN embeddings "
        "ON face_id = faces.id AND model_id = ? WHERE photo_id = ? AND no_face = 0"
    )
    faces, vectors = store.read(sql, (store.model_id(), photo))[0]
    return bool(faces and not vectors)


def refill(store: Store, photo: int, found: Faces) -> int:
    """Gives the stored faces of a photo that have no vector those of the faces found in it anew,
    where boxes overlap; returns how many got one. Who they are stays, and nobody comes to them: not
    those who were forgotten either. `found.embeddings (n, d)`.
    """
    model = store.model_id()
    sql = (
        "SELECT id, x1, y1, x2, y2 FROM faces WHERE photo_id = ? AND no_face = 0 "
        "AND id NOT IN (SELECT face_id FROM embeddings WHERE model_id = ?)"
    )
    rows = store.read(sql, (photo, model))
    if not rows or found.embeddings is None or not len(found):
        return 0
    cover = iou(np.array([row[1:] for row in rows]), found.boxes)
    pairs = list(_best(cover))
    faces = [rows[i][0] for i, _ in pairs]
    vectors = store.values.vectors(faces, model, found.embeddings[[j for _, j in pairs]])
    values = [(face, model, vector) for face, vector in zip(faces, vectors, strict=True)]
    with store.write(shared=True) as db:
        db.executemany("INSERT INTO embeddings VALUES (?, ?, ?) ON CONFLICT DO NOTHING", values)
    discard(store)  # it goes by numbers, and these are old ones
    return len(values)


def _best(cover: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Pairs (stored, found), best first, each once."""
    free = cover.copy()
    while free.size and free.max() >= SAME_FACE:
        i, j = divmod(int(free.argmax()), free.shape[1])
        yield i, j
        free[i], free[:, j] = -1, -1
