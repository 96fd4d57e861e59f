"""An archive without templates: people and names come back when the photos are indexed again."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np
import pytest

from fusiform.gallery import (
    Store,
    absorb,
    export,
    find,
    forget,
    import_archive,
    lacks_vectors,
    name,
    no_faces,
    people,
    person,
    questions,
    refill,
    regroup,
)
from fusiform.gallery import incremental as growing

VECTORS = 60


@pytest.fixture
def bare(store, tmp_path, crowd, fill, place):
    """A gallery of an archive without templates."""
    fill(store, crowd(VECTORS, 4, d=128, noise=0.4)[0], each=3)
    regroup(store, 0.5)
    name(store, 2, "Ada Lovelace")
    forget(store, 4)
    no_faces(store, [1])
    path = tmp_path / "family.fusiform"
    export(store, path, templates=False)
    import_archive(path, tmp_path / "bare.db")
    with Store(tmp_path / "bare.db") as made:
        yield made


def test_there_is_no_vector_nor_crop_in_it(bare, store, tmp_path):
    with zipfile.ZipFile(tmp_path / "family.fusiform") as archive:
        data = b"".join(map(archive.read, archive.namelist()))
    known = [row[0] for row in store.read("SELECT vector FROM embeddings")]
    assert known
    assert not [vector for vector in known if vector[:16] in data]
    assert not [part for part in archive.namelist() if "bin" in part or "embed" in part]
    assert [(p.id, p.name, p.faces) for p in people(bare)] == [
        (p.id, p.name, p.faces) for p in people(store)
    ]


def test_everything_else_works_without(bare, crowd):
    before = people(bare)
    regroup(bare, 0.5)
    assert people(bare) == before
    assert find(bare, crowd(60, 4, d=128)[0][0]) == []
    assert questions(bare, 0.5, 5) == []
    name(bare, 3, "Grace Hopper")
    assert person(bare, "Grace Hopper").id == 3


def test_photos_get_their_vectors_back(bare, store, crowd, faces):
    numbers = {row[0]: int(row[1], 16) for row in bare.read("SELECT id, sha256 FROM photos")}
    assert not bare.seen("/photos/0.jpg", 100, 7)
    before = people(bare)
    for photo, number in numbers.items():
        assert lacks_vectors(bare, photo)
        again = crowd(VECTORS, 4, d=128, noise=0.4)[0][number : number + 3]
        stored = len(bare.read("SELECT 1 FROM faces WHERE photo_id = ? AND no_face = 0", (photo,)))
        assert refill(bare, photo, faces(again)) == stored
        assert not lacks_vectors(bare, photo)
    assert people(bare) == before
    for one, other in zip(bare.vectors(), store.vectors(), strict=True):
        assert np.array_equal(one, other)
    absorb(bare, 0.5)
    assert people(bare) == before
    best = find(bare, store.vectors_of([before[0].faces[0].id])[1][0])[0]
    assert best.face == before[0].faces[0]


def test_only_where_boxes_agree(bare, crowd, faces):
    photo = bare.read("SELECT photo_id FROM faces WHERE id = 5")[0][0]
    one = faces(crowd(3, 3, d=128)[0])  # their boxes overlap somewhat
    far = replace(one, boxes=one.boxes + 500.0)
    assert refill(bare, photo, far) == 0
    assert lacks_vectors(bare, photo)
    assert refill(bare, photo, one[[]]) == 0
    shifted = replace(one, boxes=one.boxes[::-1] + 0.5)
    sql = "FROM faces WHERE photo_id = ? AND no_face = 0 ORDER BY id"
    left = [row[0] for row in bare.read(f"SELECT x1 {sql}", (photo,))]
    assert refill(bare, photo, shifted) == len(left) == 2  # one is forgotten
    told = bare.read(f"SELECT vector FROM embeddings WHERE face_id IN (SELECT id {sql})", (photo,))
    assert [row[0] for row in told] == [
        one.embeddings[{0: 2, 4: 1, 8: 0}[int(x1)]].astype("<f2").tobytes() for x1 in left
    ]
    assert refill(bare, photo, one) == 0


def test_new_photos_before_the_old_ones_are_back(bare, crowd, faces, fill, monkeypatch):
    """A large gallery groups only near the new faces; some of a person's have no vector."""
    monkeypatch.setattr(growing, "FEW", 0)
    monkeypatch.setattr(growing, "LOOSE", 2)
    photos = [row[0] for row in bare.read("SELECT id FROM photos ORDER BY id")]
    for photo in photos[::2]:
        number = int(bare.read("SELECT sha256 FROM photos WHERE id = ?", (photo,))[0][0], 16)
        refill(bare, photo, faces(crowd(VECTORS, 4, d=128, noise=0.4)[0][number : number + 3]))
    ada = person(bare, "Ada Lovelace")
    fill(bare, crowd(VECTORS, 4, d=128, noise=0.4)[0][[1]], first=500)
    absorb(bare, 0.5)
    assert len(person(bare, "Ada Lovelace").faces) == len(ada.faces) + 1
