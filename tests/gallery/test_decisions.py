"""Acts one by one, and galleries of the first format."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fusiform.core.errors import ChoiceError, GalleryError, UnknownPerson
from fusiform.gallery import (
    Store,
    acts,
    apart,
    entries,
    find,
    forget,
    hide,
    merge,
    name,
    no_faces,
    people,
    person,
    regroup,
    same,
    schema,
    split,
    stale,
    undo,
)
from fusiform.gallery.acts import Merged, Named, Split

FIRST_FORMAT = Path(__file__).parent / "first_format.db"  # made by the first release's code


@pytest.fixture
def grouped(store, crowd, fill):
    fill(store, crowd(40, 4, noise=0.3)[0])
    regroup(store, 0.5)
    return store


def whole(store: Store) -> list[object]:
    tables = ("members", "people", "faces")
    return [store.read(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


def test_same_keeps_the_name_whichever_has_it(grouped):
    name(grouped, 2, "Ada")
    assert (same(grouped, 1, 2).id, len(person(grouped, "Ada").faces)) == (2, 20)
    assert same(grouped, 3, 4).id == 3
    with pytest.raises(ChoiceError, match="two different people"):
        same(grouped, 3, "3")


def test_not_same_holds_however_low_the_threshold(grouped):
    apart(grouped, 1, 2)
    regroup(grouped, -0.99)
    assert len(people(grouped)) == 2  # everybody else joined one of the two
    assert {p.id for p in people(grouped)} == {1, 2}
    undo(grouped)
    regroup(grouped, -0.99)
    assert len(people(grouped)) == 1


def test_no_face_is_nobody_and_is_not_found(grouped):
    gone = person(grouped, 1).faces[0].id
    probe = grouped.vectors()[1][grouped.vectors()[0].tolist().index(gone)]
    assert find(grouped, probe, 1)[0].face.id == gone
    assert no_faces(grouped, [gone, gone]) == 1
    assert find(grouped, probe, 1)[0].face.id != gone
    regroup(grouped, 0.5)
    assert gone not in {face.id for p in people(grouped) for face in p.faces}
    assert grouped.counts()["faces"] == 39
    assert stale(grouped).ungrouped == 0
    for wrong in ([], [gone], [999]):
        with pytest.raises(ChoiceError, match="numbers of faces"):
            no_faces(grouped, wrong)


def test_hidden_people_are_not_shown_and_come_back(grouped):
    hide(grouped, 2)
    assert {p.id for p in people(grouped)} == {1, 3, 4}
    regroup(grouped, 0.5, reset=True)
    assert {p.id for p in people(grouped, hidden=True)} >= {2}
    hide(grouped, 2, hidden=False)
    assert 2 in {p.id for p in people(grouped)}


def test_undo_goes_back_step_by_step(grouped):
    states = [whole(grouped)]
    for act in (
        lambda: name(grouped, 1, "Ada"),
        lambda: name(grouped, 1, "Augusta"),
        lambda: merge(grouped, 2, 1),
        lambda: split(grouped, 2, [1, 2]),
        lambda: no_faces(grouped, [3, 4]),
        lambda: hide(grouped, "Augusta"),
        lambda: apart(grouped, 3, 4),
    ):
        act()
        states.append(whole(grouped))
    assert [e.act.kind for e in undo(grouped, 2)] == ["not-same", "hide"]
    assert whole(grouped) == states[-3]
    for state in reversed(states[:-3]):
        undo(grouped)
        assert whole(grouped) == state
    assert acts(grouped) == []
    assert len(entries(grouped)) == 14
    with pytest.raises(GalleryError, match="nothing to undo"):
        undo(grouped)
    name(grouped, 1, "Ada")
    with pytest.raises(GalleryError, match="only 1 act"):
        undo(grouped, 2)
    for odd in ("#7", "bad\udcff", "a\x00b"):
        with pytest.raises(ChoiceError, match="name"):
            name(grouped, 2, odd)
    assert person(grouped, 1).name == "Ada"  # all or nothing
    with pytest.raises(ChoiceError, match="at least 1"):
        undo(grouped, 0)


def test_faces_that_came_since_stay_where_grouping_put_them(grouped, crowd, fill):
    other = split(grouped, 1, [1]).id
    fill(grouped, crowd(44, 4, noise=0.3)[0][40:], first=90)
    regroup(grouped, 0.5)
    late = {f.id for p in people(grouped) for f in p.faces if f.id > 40}
    undo(grouped)
    assert late == {f.id for p in people(grouped) for f in p.faces if f.id > 40}
    assert 1 in {f.id for f in person(grouped, 1).faces}
    if other in {p.id for p in people(grouped)}:  # it had won a new face: a person of its own
        assert {f.id for f in person(grouped, other).faces} <= late


def test_forgetting_is_not_undone_and_leaves_no_trace_in_the_past(grouped):
    name(grouped, 1, "Wilhelmina")
    merge(grouped, 2, 1)
    undo(grouped)
    split(grouped, 1, [1])
    no_faces(grouped, [5])
    assert forget(grouped, "Wilhelmina").proven
    with pytest.raises(GalleryError, match="cannot be undone"):
        undo(grouped)
    told = grouped.read("SELECT payload, before FROM journal")
    assert "Wilhelmina" not in str(told)
    if grouped.db.file:
        assert b"Wilhelmina" not in grouped.path.read_bytes()
    with pytest.raises(UnknownPerson):
        person(grouped, 1)


def test_who_was_merged_by_mistake_is_not_forgotten_too(grouped):
    name(grouped, 1, "Ada")
    name(grouped, 2, "Grace")
    merge(grouped, 1, 2)
    undo(grouped)
    forget(grouped, 1)
    assert [act.name for act in acts(grouped) if isinstance(act, Named)] == ["Grace"]
    regroup(grouped, 0.5)
    assert person(grouped, "Grace").id == 2


def test_a_gallery_of_the_first_format(tmp_path):
    path = tmp_path / "old.db"
    shutil.copy(FIRST_FORMAT, path)
    with Store(path) as store:
        assert store.read("PRAGMA user_version") == [(len(schema.MIGRATIONS),)]
        store.check()
        found = [(p.id, p.name, len(p.faces)) for p in people(store)]
        assert found == [(2, "Grace Hopper", 20), (1, "Ada Lovelace", 8), (5, None, 2)]
        assert [type(act) for act in acts(store)][:4] == [Named, Named, Merged, Split]
        assert len(store.skipped()) == 1
        regroup(store, 0.5)
        assert [(p.id, p.name, len(p.faces)) for p in people(store)] == found
        with pytest.raises(GalleryError, match="cannot be undone"):
            undo(store)
        name(store, 5, "Emmy Noether")
        undo(store)
        assert [(p.id, p.name, len(p.faces)) for p in people(store)] == found
