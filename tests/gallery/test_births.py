"""Nobody is in a photo taken before their birth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fusiform.core.errors import ChoiceError
from fusiform.gallery import (
    absorb,
    born,
    forget,
    incremental,
    merge,
    name,
    people,
    person,
    regroup,
    undo,
)
from fusiform.gallery import split as part
from fusiform.gallery.births import first_day
from fusiform.gallery.journal import births


@pytest.fixture
def album(store, crowd, photo, faces):
    """A mother and a child who is just like her: one face of each in every other year."""
    vectors, _ = crowd(12, 1, noise=0.3)
    for i, year in enumerate(range(1990, 2014, 2)):
        taken = replace(photo(i), taken_at=f"{year}-06-01T12:00:00")
        store.add_photo(taken, faces(vectors[i : i + 1]))
    regroup(store, 0.5)
    assert len(people(store)) == 1
    return store


@pytest.mark.parametrize("told", ["2001", "2001-01", "2001-01-01"])
def test_a_first_day(told):
    assert first_day(told) == "2001-01-01"


@pytest.mark.parametrize("told", ["", "201", "20010101", "2001-13", "soon", "2001-1-1"])
def test_what_is_no_day(told):
    with pytest.raises(ChoiceError, match="day of birth"):
        first_day(told)


@pytest.mark.parametrize("few", [5_000, 3])
def test_earlier_photos_are_somebody_elses(album, monkeypatch, few, crowd, photo, faces):
    monkeypatch.setattr(incremental, "FEW", few)
    name(album, 1, "Mother")
    undo(album)
    child = born(album, 1, "2001-02")
    assert len(child.faces) == 6
    absorb(album, 0.5)
    assert sorted(len(one.faces) for one in people(album)) == [6, 6]
    more, _ = crowd(14, 1, noise=0.3)
    for i, year in ((12, 1995), (13, 2010)):
        taken = replace(photo(i), taken_at=f"{year}-06-01T12:00:00")
        album.add_photo(taken, faces(more[i : i + 1]))
    absorb(album, 0.5)
    owner = {face.id: one.id for one in people(album) for face in one.faces}
    assert owner[14] == child.id
    assert owner[13] != child.id
    regroup(album, 0.5)
    assert {face.id for face in person(album, child.id).faces} == {7, 8, 9, 10, 11, 12, 14}


def test_what_was_decided_stays_and_undo_brings_back(album):
    name(album, 1, "Ada")
    assert len(born(album, 1, "2001").faces) == 12
    undo(album)
    undo(album)
    before = album.read("SELECT * FROM members ORDER BY 1")
    assert len(born(album, 1, "2001").faces) == 6
    undo(album)
    assert album.read("SELECT * FROM members ORDER BY 1") == before
    assert births(album) == {}


def test_merging_and_forgetting_the_day(album):
    other = part(album, 1, [12]).id
    born(album, other, "2011")
    merge(album, 1, other)
    assert births(album) == {1: "2011-01-01"}
    born(album, 1, None)
    assert births(album) == {}
    born(album, 1, "1980-05")
    assert forget(album, 1).proven
    assert births(album) == {}
    assert not album.read("SELECT 1 FROM journal WHERE kind = 'born'")
