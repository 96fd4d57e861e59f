"""Search by similarity, through the gallery's index, with the gallery as the judge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.gallery.index import discard, open_index
from fusiform.gallery.records import Match
from fusiform.gallery.store import Store

_SPARE = 32  # faces looked for beyond what is wanted, as some may be gone
_EXACT = 1e-3  # of a similarity: more than rounding moves it
_NOBODY: tuple[None, None] = (None, None)


def find(
    store: Store,
    probe: NDArray[np.float32],
    k: int = 20,
    at_least: float = -1.0,
    allowed: frozenset[int] | None = None,
) -> list[Match]:
    """The `k` stored faces most similar to unit `probe (d,)` with similarity >= `at_least`, best
    first; see `index` for what is looked at. `allowed`: only faces of these people.

    Raises ChoiceError if the probe was not made by the gallery's embedder (other width) or k < 1.
    """
    wanted = np.asarray(probe, dtype=np.float32)
    if allowed is None:
        return _find(store, wanted, k, at_least)
    looked, found = k, _find(store, wanted, k, at_least)
    while len(found) == looked and sum(one.person in allowed for one in found) < k:
        looked *= 4
        found = _find(store, wanted, looked, at_least)
    return [one for one in found if one.person in allowed][:k]


def _find(store: Store, wanted: NDArray[np.float32], k: int, at_least: float) -> list[Match]:
    near = _near(store, wanted, k)
    faces = store.face_rows([i for i, s in near.items() if s >= at_least])[:k]
    people = _people_of(store, [face.id for face in faces])
    return [Match(face, *people.get(face.id, _NOBODY), near[face.id]) for face in faces]


def _near(store: Store, probe: NDArray[np.float32], k: int) -> dict[int, float]:
    """face -> similarity of the most similar, best first, as the gallery itself has them. An index
    that says otherwise is damaged: it is made anew and asked again."""
    told, true = _asked(store, probe, k)
    if any(abs(told[face] - true[face]) > _EXACT for face in true):
        discard(store)
        _, true = _asked(store, probe, k)
    return dict(sorted(true.items(), key=lambda pair: (-pair[1], pair[0])))


def _asked(
    store: Store, probe: NDArray[np.float32], k: int
) -> tuple[dict[int, float], dict[int, float]]:
    """What the index says of the nearest faces, and what the gallery says of those it has."""
    ids, told = open_index(store).search(probe, k + _SPARE if k > 0 else k)
    there, vectors, _ = store.vectors_of(ids.tolist())
    true = vectors @ probe if len(there) else np.zeros(0, np.float32)
    said = dict(zip(ids.tolist(), told.tolist(), strict=True))
    return said, dict(zip(there.tolist(), true.tolist(), strict=True))


def _people_of(store: Store, faces: list[int]) -> dict[int, tuple[int | None, str | None]]:
    sql = (
        "SELECT face_id, people.id, name FROM members JOIN people ON people.id = person_id "
        "WHERE face_id IN"
    )
    return {face: (person, name) for face, person, name in store.read_in(sql, faces)}
