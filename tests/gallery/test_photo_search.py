"""Searches in words, against a literal reading of the tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError, UnknownPerson
from fusiform.gallery import Span, Store, name, no_faces, people, photos, regroup

NAMES = ("Ada", "Grace", "Emmy")


@pytest.fixture(scope="module")
def album(tmp_path_factory, crowd, photo, faces):
    """30 photos of 0 to 4 faces of 5 people, three of them named, half of the photos dated."""
    with Store(tmp_path_factory.mktemp("photos") / "album.db") as store:
        store.use_models("yunet-s", "dlib-resnet", "ab" * 32)
        vectors, _ = crowd(60, 5, noise=0.3)
        first = 0
        for i in range(30):
            taken = f"20{10 + i // 2}-06-0{1 + i % 9}T12:00:00+00:00" if i % 2 else None
            count = i % 5
            one = replace(photo(i), taken_at=taken)
            store.add_photo(one, faces(vectors[first : first + count]))
            first += count
        regroup(store, 0.5)
        for number, called in enumerate(NAMES, 1):
            name(store, number, called)
        no_faces(store, [people(store)[-1].faces[0].id])
        yield store


def literal(store: Store) -> dict[str, dict[str, object]]:
    """path -> its date, the names in it, how many faces, and how many of them have no name."""
    found: dict[str, dict[str, object]] = {}
    sql = "SELECT path, taken_at FROM photos JOIN files ON photo_id = id"
    for path, taken in store.read(sql):
        found[path] = {"taken": taken, "names": set(), "faces": 0, "unnamed": 0}
    for person in people(store, hidden=True):
        for face in person.faces:
            found[face.photo]["faces"] += 1  # type: ignore[operator]
            if person.name:
                found[face.photo]["names"].add(person.name)  # type: ignore[attr-defined]
            else:
                found[face.photo]["unnamed"] += 1  # type: ignore[operator]
    return found


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("Ada", lambda p: "Ada" in p["names"]),
        ("ada AND grace", lambda p: {"Ada", "Grace"} <= p["names"]),
        ("Ada NOT Grace", lambda p: "Ada" in p["names"] and "Grace" not in p["names"]),
        ("(Ada OR Emmy) -Grace", lambda p: p["names"] - {"Grace"} and "Grace" not in p["names"]),
        ("NOT #1", lambda p: "Ada" not in p["names"]),
        ("*m*", lambda p: "Emmy" in p["names"]),
        ("nobody", lambda p: p["faces"] == 0),
        ("unnamed", lambda p: p["unnamed"] > 0),
        ("alone", lambda p: p["faces"] == 1),
        ("3+ people", lambda p: p["faces"] >= 3),
        ("0 people OR 2-3 people", lambda p: p["faces"] in (0, 2, 3)),
    ],
)  # fmt: skip
def test_queries_are_answered_as_the_tables_say(album, query, fits):
    truth = literal(album)
    found = photos(album, query)
    assert {row.path for row in found} == {path for path, told in truth.items() if fits(told)}
    dates = [row.taken_at for row in found if row.taken_at]
    assert dates == sorted(dates)
    assert [row.taken_at is None for row in found] == sorted(row.taken_at is None for row in found)
    for row in found:
        assert {called for _, called in row.people if called} == truth[row.path]["names"]


@settings(deadline=None, max_examples=40)
@given(st.integers(2009, 2026), st.integers(2009, 2027))
def test_dates_bound_the_answer(album, first, last):
    if first >= last:
        with pytest.raises(ChoiceError, match="earlier"):
            Span.of(str(first), str(last))
        return
    found = photos(album, "0+ people", Span.of(str(first), str(last)))
    wanted = {
        path
        for path, told in literal(album).items()
        if told["taken"] and first <= int(str(told["taken"])[:4]) < last
    }
    assert {row.path for row in found} == wanted


def test_more_photos_than_one_question_holds(album, monkeypatch):
    monkeypatch.setattr("fusiform.gallery.store._PART", 7)
    assert len(photos(album, "0+ people")) == 30


def test_unknown_names_and_broken_queries_are_told(album):
    with pytest.raises(UnknownPerson, match="Grace"):
        photos(album, "Ada AND Grase")
    with pytest.raises(ChoiceError):
        photos(album, "Ada AND")
