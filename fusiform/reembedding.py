"""Embedding a gallery's faces again with another model: from their crops, else the photos."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.crop import Crop
from fusiform.core.errors import PictureError
from fusiform.core.pictures import open_picture
from fusiform.detection.kept import kept_crops
from fusiform.gallery import Store
from fusiform.gallery.paths import shown_path
from fusiform.gallery.reembedding import add_vectors, without
from fusiform.pipeline import Models, embed_crops

_PART = 64  # faces a transaction


@dataclass(frozen=True)
class Embedded:
    """How many faces got a vector of the other model, and which have neither crop nor photo."""

    faces: int
    lost: tuple[int, ...]


def embed_again(
    store: Store, models: Models, progress: Callable[[int, int], None] | None = None
) -> Embedded:
    """Gives every face a vector of `models.embedder`, which must be registered; those that have one
    are passed over, so that it can be stopped and run again. `progress(done, of)`.
    """
    wanted = without(store, models.embedder.card.sha256)
    lost: list[int] = []
    for start in range(0, len(wanted), _PART):
        part = wanted[start : start + _PART]
        crops = _crops_of(store, part)
        lost += [face for face in part if face not in crops]
        add_vectors(
            store,
            models.embedder.card.sha256,
            list(crops),
            embed_crops(list(crops.values()), models),
        )
        if progress:
            progress(start + len(part), len(wanted))
    return Embedded(len(wanted) - len(lost), tuple(lost))


def _crops_of(store: Store, faces: Sequence[int]) -> dict[int, Crop]:
    crops = store.crops_of(faces)
    return crops | dict(_from_photos(store, [face for face in faces if face not in crops]))


def _from_photos(store: Store, faces: Sequence[int]) -> Iterator[tuple[int, Crop]]:
    """The crops of faces whose photo still lies as it was indexed, photo by photo."""
    sql = (
        "SELECT photo_id, path, faces.id, points, size, mtime_ns FROM faces "
        "JOIN files USING (photo_id) WHERE faces.id IN"
    )
    done: set[int] = set()
    opened: tuple[str, NDArray[np.uint8]] | None = None
    for _, kept, face, packed, *state in sorted(store.read_in(sql, faces)):
        path = shown_path(kept)
        if face in done:
            continue
        if opened is None or opened[0] != path:
            pixels = _pixels(path, state)
            if pixels is None:
                continue
            opened = (path, pixels)
        points = np.frombuffer(packed, "<f4").reshape(1, 5, 2)
        done.add(face)
        yield face, kept_crops(opened[1], points)[0]


def _pixels(path: str, state: list[int]) -> NDArray[np.uint8] | None:
    """The picture, None if it cannot be read or was changed."""
    try:
        status = os.stat(path)
        changed = [status.st_size, status.st_mtime_ns] != state
        return None if changed else open_picture(path).pixels
    except (OSError, PictureError):
        return None
