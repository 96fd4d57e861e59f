"""Faces that somebody drew a box around: taken in, decided, taken back, forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.core.crop import Crop
from fusiform.core.errors import UnknownPerson
from fusiform.gallery import absorb, draw, find, forget, name, people, person, regroup, undo
from fusiform.gallery.persons import owner_of, pins_of

CROP = Crop(b"some picture", np.ones((5, 2), np.float32))


@pytest.fixture
def album(store, crowd, fill):
    fill(store, crowd(12, 3, noise=0.3)[0], each=2)
    regroup(store, 0.5)
    return store


@pytest.fixture
def missed(crowd, faces):
    """A face of the first person that was not found."""
    return faces(crowd(13, 3, noise=0.3)[0][12:])


def test_it_is_whose_it_was_said_to_be(album, missed):
    name(album, 2, "Ada")
    face = draw(album, 3, missed, (CROP,), "ada")
    assert owner_of(album, face).name == "Ada"
    regroup(album, 0.5)
    assert face in {row.id for row in person(album, "Ada").faces}
    assert pins_of(album)[face] == 2
    assert album.crops_of([face])[face].picture == CROP.picture
    assert find(album, missed.embeddings[0], k=1)[0].face.id == face


def test_without_a_person_it_joins_whom_it_is_like(album, missed):
    face = draw(album, 3, missed, ())
    assert owner_of(album, face) is None
    absorb(album, 0.5)
    assert owner_of(album, face).id == 1
    assert len(people(album)) == 3


def test_undo_takes_it_away_and_its_template_with_it(album, missed):
    before = [album.read(f"SELECT * FROM {table} ORDER BY 1") for table in ("faces", "members")]
    vectors = album.vectors()[1]
    face = draw(album, 3, missed, (CROP,), 1)
    undo(album)
    after = [album.read(f"SELECT * FROM {table} ORDER BY 1") for table in ("faces", "members")]
    assert after == before
    np.testing.assert_array_equal(album.vectors()[1], vectors)
    assert not album.crops_of([face])
    assert not pins_of(album)
    regroup(album, 0.5)


def test_it_is_forgotten_with_its_person(album, missed):
    face = draw(album, 3, missed, (CROP,), 1)
    erased = forget(album, 1)
    assert (erased.proven, erased.removed["faces"]) == (True, 5)
    assert not album.face_rows([face])


def test_nobody_of_that_name(album, missed):
    with pytest.raises(UnknownPerson):
        draw(album, 3, missed, (), "Grace")
    assert album.counts()["faces"] == 12


def test_nobody_is_left_of_a_face_like_nobody(album, crowd, faces):
    draw(album, 3, faces(crowd(1, 1, seed=77)[0]), ())
    absorb(album, 0.5)
    assert len(people(album)) == 4
    undo(album)
    assert album.read("SELECT count(*) FROM people") == [(3,)]
