"""What a search tells of the faces it finds."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.gallery import find, name, people, regroup


def test_an_empty_gallery_finds_nobody(store):
    assert find(store, np.ones(32, np.float32)) == []


def test_finds_faces_with_their_people(store, crowd, fill):
    vectors, who = crowd(40, 4)
    fill(store, vectors, each=2)
    assert find(store, vectors[0])[0].person is None  # not grouped yet
    regroup(store, 0.5)
    owner = next(p for p in people(store) if 1 in [face.id for face in p.faces])
    name(store, owner.id, "Ada")
    found = find(store, vectors[0], k=10)
    assert found[0].face.id == 1
    assert found[0].face.photo == "/photos/0.jpg"
    assert found[0].similarity == pytest.approx(1, abs=1e-3)
    assert {match.name for match in found} == {"Ada"}
    assert {who[match.face.id - 1] for match in found} == {0}
    assert all(match.similarity >= 0.9 for match in find(store, vectors[0], at_least=0.9))
