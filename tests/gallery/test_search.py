"""Exact search against a plain sort."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.gallery import find, name, nearest, people, regroup, search


@pytest.mark.parametrize("k", [1, 7, 300, 1000])
def test_equals_a_plain_sort(crowd, monkeypatch, k):
    monkeypatch.setattr(search, "_BLOCK", 64)
    vectors, _ = crowd(300, 20)
    probe = vectors[17]
    indices, similarities = nearest(vectors, probe, k)
    exact = vectors.astype(float) @ probe.astype(float)
    expected = np.argsort(-exact, kind="stable")[:k]
    assert indices.tolist() == expected.tolist()
    np.testing.assert_allclose(similarities, exact[expected], atol=1e-6)


def test_equals_come_in_order_of_index():
    vectors = np.tile(np.float32([[0, 1]]), (9, 1))
    assert nearest(vectors, vectors[0], 3)[0].tolist() == [0, 1, 2]


def test_refuses_another_width_and_no_answers(crowd):
    vectors, _ = crowd(5, 2)
    with pytest.raises(ChoiceError, match="probe"):
        nearest(vectors, vectors[0, :8], 1)
    with pytest.raises(ChoiceError, match="k must"):
        nearest(vectors, vectors[0], 0)


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
