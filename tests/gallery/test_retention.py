"""Faces go when their time is over, all of them and nobody else's, and do not come back."""

from __future__ import annotations

from datetime import date

import pytest

from fusiform.core.errors import ChoiceError, GalleryBusy, GalleryError
from fusiform.core.periods import Period
from fusiform.gallery import (
    Store,
    acts,
    compact,
    entries,
    expire,
    forget,
    keep_for,
    kept_for,
    merge,
    name,
    no_faces,
    note_consent,
    people,
    person,
    regroup,
    replay,
    split,
    undo,
)
from fusiform.gallery.acts import Erased, Named
from fusiform.gallery.persons import pins_of

TODAY = date(2026, 6, 1)
YEAR = [Period.of("1y")]


def come(store: Store, first: int, last: int, day: str) -> None:
    """Photos `first` to `last` came into the gallery on that day."""
    with store.write() as db:
        sql = "UPDATE photos SET added_at = ? WHERE id BETWEEN ? AND ?"
        db.execute(sql, (f"{day}T12:00:00+00:00", first, last))


@pytest.fixture
def grouped(store, crowd, fill):
    """Four people with five faces each, face n in photo n; the first ten photos are old."""
    fill(store, crowd(20, 4, d=128, noise=0.4)[0])
    regroup(store, 0.5)
    come(store, 1, 10, "2025-05-31")
    come(store, 11, 20, "2025-06-01")
    return store


def ids(store: Store) -> set[int]:
    return {row[0] for row in store.read("SELECT id FROM faces")}


def test_a_rule_is_kept(store):
    assert kept_for(store) is None
    keep_for(store, Period.of("18m"))
    assert str(kept_for(store)) == "18m"
    keep_for(store, None)
    assert kept_for(store) is None


def test_what_came_before_the_day_goes(grouped, crowd, fill):
    sql = "SELECT vector FROM embeddings WHERE face_id <= 10"
    gone = [row[0] for row in grouped.read(sql)]
    before = grouped.counts()["photos"]
    erased = expire(grouped, YEAR, TODAY)
    assert (erased.people, erased.proven) == ((), True)
    assert erased.removed == {"faces": 10, "embeddings": 10, "names": 0}
    assert ids(grouped) == set(range(11, 21))
    assert acts(grouped) == [Erased(10, "retention")]
    assert grouped.read("SELECT sum(forgotten) FROM photos WHERE id <= 10") == [(10,)]
    if grouped.db.file:
        left = b"".join(p.read_bytes() for p in grouped.path.parent.glob("album.db*"))
        assert not [vector for vector in gone if vector in left]
    fill(grouped, crowd(20, 4, d=128, noise=0.4)[0])  # indexed again: known
    assert (grouped.counts()["photos"], ids(grouped)) == (before, set(range(11, 21)))
    again = expire(grouped, YEAR, TODAY)
    assert (again.removed["faces"], again.proven, len(acts(grouped))) == (0, True, 1)


def test_the_shortest_period_counts_and_none_keeps_all(grouped):
    assert expire(grouped, [], TODAY).removed["faces"] == 0
    assert expire(grouped, [Period.of("900d"), Period.of("2y")], TODAY).removed["faces"] == 0
    assert expire(grouped, [Period.of("2y"), Period.of("12m")], TODAY).removed["faces"] == 10
    assert expire(grouped, [Period.of("1d")], TODAY).removed["faces"] == 10


def test_consent_that_stands_exempts(grouped):
    note_consent(grouped, 1, True, "by letter", "2026-06-01")
    note_consent(grouped, 2, True, "by letter", "2026-05-31")
    note_consent(grouped, 3, False, "by letter")
    expire(grouped, YEAR, TODAY)
    assert ids(grouped) == {1, 5, 9, *range(11, 21)}
    assert expire(grouped, YEAR, date(2026, 6, 2)).removed["faces"] == 3 + 10


def test_finds_that_are_none_and_faces_of_nobody_go_as_well(grouped, crowd, fill):
    no_faces(grouped, [1, 20])
    fill(grouped, crowd(2, 2, d=128, seed=5)[0], first=30)
    come(grouped, 21, 22, "2024-01-01")
    assert expire(grouped, YEAR, TODAY).removed == {"faces": 12, "embeddings": 12, "names": 0}
    assert 20 in ids(grouped)


def test_names_stay_and_who_has_neither_name_nor_face_is_gone(grouped):
    come(grouped, 1, 20, "2025-01-01")
    name(grouped, 1, "Wilhelmina")
    note_consent(grouped, 1, False, "by telephone")
    note_consent(grouped, 2, False, "a note of Jonathan")
    note_consent(grouped, 3, True, "by letter")
    erased = expire(grouped, YEAR, TODAY)
    assert erased.removed == {"faces": 15, "embeddings": 15, "names": 0, "notes": 1}
    assert erased.proven
    assert [(who.id, who.name, len(who.faces)) for who in people(grouped)] == [
        (3, None, 5),
        (1, "Wilhelmina", 0),
    ]
    assert "Jonathan" not in str(grouped.read("SELECT payload FROM journal"))
    assert Named(1, "Wilhelmina", ()) in acts(grouped)
    assert pins_of(grouped) == dict.fromkeys((3, 7, 11, 15, 19), 3)
    assert replay(acts(grouped)).pins == pins_of(grouped)


def test_older_acts_can_still_be_undone(grouped):
    name(grouped, 1, "Ada")
    merge(grouped, 2, 3)
    other = split(grouped, 4, [4, 20])
    expire(grouped, YEAR, TODAY)
    assert [face.id for face in person(grouped, other.id).faces] == [20]
    undo(grouped, 2)
    owned = {who.id: [face.id for face in who.faces] for who in people(grouped)}
    assert owned == {1: [13, 17], 2: [14, 18], 3: [11, 15, 19], 4: [12, 16, 20]}
    undo(grouped)
    assert person(grouped, 1).name is None
    assert entries(grouped)[3].act == Erased(10, "retention")
    assert not entries(grouped)[3].undone
    with pytest.raises(GalleryError, match="nothing to undo"):
        undo(grouped)


def test_not_while_indexing(grouped, place):
    with Store(place) as other, other.lock_for_indexing():
        with pytest.raises(GalleryBusy):
            expire(grouped, YEAR, TODAY)
        assert expire(grouped, [Period.of("9y")], TODAY).proven  # no lock for nothing
    assert len(ids(grouped)) == 20


def test_forgetting_and_expiring_are_one(grouped):
    come(grouped, 1, 20, "2025-01-01")
    note_consent(grouped, 2, True, "by letter")
    forget(grouped, 2)
    assert expire(grouped, YEAR, TODAY).removed["faces"] == 15
    assert (ids(grouped), people(grouped)) == (set(), [])
    assert compact(grouped)
    grouped.check()


def test_a_damaged_rule_is_told(store):
    store.note("retention", "for ever")
    with pytest.raises(ChoiceError, match="such as 90d"):
        kept_for(store)
