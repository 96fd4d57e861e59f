"""Exact search by similarity: every stored face is looked at, in blocks of matrix products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.gallery.records import Match
from fusiform.gallery.store import Store

_BLOCK = 65536


def nearest(
    vectors: NDArray[np.float32], probe: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The `k` rows of `vectors (n, d)` most similar to `probe (d,)`, best first.

    Both of unit length, so that similarity is the cosine in [-1, 1]. Returns (indices int64,
    similarities float32), each (min(k, n),); equal similarities come in order of their index.
    Raises ChoiceError if the widths differ or k < 1.
    """
    if k < 1:
        raise ChoiceError("k", "at least 1", k)
    if not len(vectors):
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    if probe.shape != vectors.shape[1:]:
        raise ChoiceError("probe", f"of shape {vectors.shape[1:]}", probe.shape)
    parts = range(0, len(vectors), _BLOCK)
    similarity = np.concatenate([vectors[i : i + _BLOCK] @ probe for i in parts])
    # keep all that tie with the k-th, so that order decides among equals
    at_least = np.partition(similarity, -min(k, len(vectors)))[-min(k, len(vectors))]
    close = np.flatnonzero(similarity >= at_least)
    best = close[np.argsort(-similarity[close], kind="stable")][:k]
    return best, similarity[best]


def find(
    store: Store, probe: NDArray[np.float32], k: int = 20, at_least: float = -1.0
) -> list[Match]:
    """The `k` stored faces most similar to `probe (d,)` with similarity >= `at_least`, best first.

    Raises ChoiceError if the probe was not made by the gallery's embedder (other width).
    """
    ids, vectors, _ = store.vectors()
    best, similarity = nearest(vectors, np.asarray(probe, dtype=np.float32), k)
    near = dict(zip(ids[best].tolist(), similarity.tolist(), strict=True))
    faces = store.face_rows([i for i, s in near.items() if s >= at_least])
    people = _people_of(store)
    return [Match(face, *people.get(face.id, _NOBODY), near[face.id]) for face in faces]


_NOBODY: tuple[None, None] = (None, None)


def _people_of(store: Store) -> dict[int, tuple[int | None, str | None]]:
    sql = "SELECT face_id, people.id, name FROM members JOIN people ON people.id = person_id"
    return {face: (person, name) for face, person, name in store.read(sql)}
