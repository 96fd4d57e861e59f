"""Another model: side by side, who would change, and nothing decided is lost."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.core.errors import GalleryError
from fusiform.gallery import (
    Move,
    Store,
    apart,
    compare,
    drop_vectors,
    find,
    merge,
    name,
    people,
    person,
    register,
    regroup,
    switch,
    undo,
)
from fusiform.gallery.reembedding import add_vectors, without

NEW, OLD = "cd" * 32, "ab" * 32


@pytest.fixture
def album(store, crowd, fill) -> Store:
    fill(store, crowd(40, 4, d=64, noise=0.4)[0], each=2)
    regroup(store, 0.5)
    register(store, "better", NEW, "{}")
    return store


def embed(store: Store, vectors: np.ndarray) -> None:
    faces = without(store, NEW)
    add_vectors(store, NEW, faces, vectors[np.array(faces) - 1])


def test_side_by_side(album, crowd):
    better, _ = crowd(40, 4, d=32, noise=0.3, seed=9)
    old = album.vectors()[1]
    embed(album, better)
    assert without(album, NEW) == []
    np.testing.assert_array_equal(album.vectors()[1], old)
    np.testing.assert_allclose(album.vectors(NEW)[1], better, atol=1e-3)
    changes = compare(album, NEW, 0.5)
    assert (changes.faces, changes.stay, changes.moves) == (40, 40, ())


def test_who_would_change_is_told_and_nothing_does(album, crowd):
    name(album, 1, "Ada")
    before = [len(p.faces) for p in people(album)]
    better, _ = crowd(40, 5, d=32, noise=0.3, seed=9)
    embed(album, better)
    changes = compare(album, NEW, 0.5)
    assert changes.stay + sum(move.faces for move in changes.moves) == 40
    ada = {face.id for face in person(album, "Ada").faces}
    assert not any(move.before == 1 for move in changes.moves)  # hers are decided
    grouped = {p.id: {face.id for face in p.faces} for p in people(album)}
    switch(album, NEW, 0.5)
    moved = [(old, face, now.id) for old, faces in grouped.items() for face in faces
             for now in people(album) if face in {f.id for f in now.faces}]  # fmt: skip
    told = sum(move.faces for move in changes.moves)
    assert told == sum(old != now for old, _, now in moved)
    assert {face.id for face in person(album, "Ada").faces} >= ada
    undo(album)  # naming Ada; then back
    switch(album, OLD, 0.5)
    assert [len(p.faces) for p in people(album)] == before


def test_moves_are_counted_by_where_from_and_to(album, crowd):
    flat = np.tile(np.eye(1, 32, dtype=np.float32), (40, 1))
    embed(album, flat)
    changes = compare(album, NEW, 0.5)
    assert changes.stay == 10
    assert [move.faces for move in changes.moves] == [10, 10, 10]
    assert changes.moves[0] == Move(2, 1, (None, None), 10)


def test_switching_needs_every_face_unless_some_are_left_out(album, crowd):
    better, _ = crowd(40, 4, d=32, noise=0.3, seed=9)
    add_vectors(album, NEW, list(range(1, 31)), better[:30])
    with pytest.raises(GalleryError, match="10 faces have no vectors"):
        switch(album, NEW, 0.5)
    assert album.models()[2] == OLD
    owner = {face.id: p.id for p in people(album) for face in p.faces}
    switch(album, NEW, 0.5, leave_out=True)
    after = {face.id: p.id for p in people(album) for face in p.faces}
    assert {face: after[face] for face in range(31, 41)} == {f: owner[f] for f in range(31, 41)}
    assert find(album, better[3], k=40)[0].face.id == 4
    assert len(find(album, better[3], k=40)) == 30


def test_decisions_hold_whatever_the_model_says(album, crowd):
    name(album, 1, "Ada")
    merge(album, 1, 2)
    apart(album, 3, 4)
    mine = {face.id for face in person(album, 1).faces}
    embed(album, np.tile(np.eye(1, 32, dtype=np.float32), (40, 1)))
    switch(album, NEW, 0.5)
    assert {face.id for face in person(album, "Ada").faces} == mine
    assert len(people(album)) == 3


def test_the_old_vectors_can_go_and_the_current_ones_not(album, crowd):
    embed(album, crowd(40, 4, d=32, noise=0.3, seed=9)[0])
    with pytest.raises(GalleryError, match="goes by that model"):
        drop_vectors(album, OLD)
    switch(album, NEW, 0.5)
    assert drop_vectors(album, OLD) == 40
    assert len(without(album, OLD)) == 40
    assert len(album.vectors()[0]) == 40
