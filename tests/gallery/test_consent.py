"""What people said to being known: noted, undone, merged, expired, erased with them."""

from __future__ import annotations

from datetime import date

import pytest
from PIL import Image

from fusiform.core.errors import ChoiceError, GalleryError, PolicyForbids, UnknownPerson
from fusiform.gallery import (
    acts,
    apart,
    consenting,
    find,
    forget,
    forget_lapsed,
    lapsed,
    merge,
    name,
    note_consent,
    people,
    person,
    photos,
    read_names,
    regroup,
    replay,
    split,
    undo,
    write_names,
)
from fusiform.gallery.acts import Consented, Merged
from fusiform.gallery.records import Consent

DAY = date(2026, 6, 1)
NOTE = 'by e-mail of "Wilhelmina", 2024-05-01'


@pytest.fixture
def grouped(store, crowd, fill):
    """A gallery of four people with five faces each."""
    fill(store, crowd(20, 4, noise=0.4)[0])
    regroup(store, 0.5)
    return store


@pytest.mark.parametrize(
    ("said", "standing"),
    [
        (Consent(True, "x"), "given"),
        (Consent(True, "x", "2026-06-01"), "given"),
        (Consent(True, "x", "2026-05-31"), "expired"),
        (Consent(False, "x"), "withdrawn"),
    ],
)
def test_a_consent_holds_through_its_last_day(said, standing):
    assert said.standing(DAY) == standing


def test_the_last_word_counts(grouped):
    assert person(grouped, 1).consent is None
    one = note_consent(grouped, 1, True, "  by  letter ", "20301231")
    assert one.consent == Consent(True, "by letter", "2030-12-31")
    note_consent(grouped, 2, True, "by e-mail")
    note_consent(grouped, 1, False, "on the telephone")
    assert {who.id: who.consent for who in people(grouped)} == {
        1: Consent(False, "on the telephone"),
        2: Consent(True, "by e-mail"),
        3: None,
        4: None,
    }
    assert (consenting(grouped, DAY), lapsed(grouped, DAY)) == ({2}, {1})
    undo(grouped)
    assert person(grouped, 1).consent == Consent(True, "by letter", "2030-12-31")
    assert lapsed(grouped, date(2031, 1, 1)) == {1}
    undo(grouped, 2)
    assert (consenting(grouped), lapsed(grouped)) == (frozenset(), frozenset())


def test_the_faces_shown_then_are_the_persons_own(grouped):
    before = [face.id for face in person(grouped, 3).faces]
    note_consent(grouped, 3, True, "by letter")
    assert acts(grouped) == [Consented(3, True, "by letter", None, tuple(before))]
    regroup(grouped, 0.99)
    assert [face.id for face in person(grouped, 3).faces] == before


def test_merging_keeps_the_first_word_and_else_the_others(grouped):
    note_consent(grouped, 2, True, "by letter")
    assert merge(grouped, 1, 2).consent == Consent(True, "by letter")
    undo(grouped)
    assert [person(grouped, n).consent is None for n in (1, 2)] == [True, False]
    note_consent(grouped, 1, False, "by telephone")
    assert merge(grouped, 1, 2).consent == Consent(False, "by telephone")
    other = split(grouped, 1, [person(grouped, 1).faces[0].id])
    assert other.consent is None  # somebody else never said so
    assert replay(acts(grouped)).consents == {1: Consent(False, "by telephone")}


def test_nobody_twice(grouped):
    said = {1: Consent(True, "a")}
    assert replay([Consented(1, True, "a", None, ()), Merged(2, 1, ())]).consents == {
        2: said[1],
    }


@pytest.mark.parametrize(
    ("given", "note", "until"),
    [
        (True, " ", None),
        (True, "a\x1bb", None),
        (True, "a", "soon"),
        (True, "a", "2026-02-30"),
        (False, "a", "2030-01-01"),
    ],
)
def test_refusals_change_nothing(grouped, given, note, until):
    with pytest.raises(ChoiceError):
        note_consent(grouped, 1, given, note, until)
    with pytest.raises(UnknownPerson):
        note_consent(grouped, 77, True, "a")
    assert acts(grouped) == []


def raw(store) -> str:
    return str(store.read("SELECT kind, payload, before FROM journal"))


def test_a_note_leaves_with_its_person(grouped):
    note_consent(grouped, 1, True, NOTE)
    note_consent(grouped, 2, True, "of another kind")
    note_consent(grouped, 1, False, "withdrawn by letter")
    merge(grouped, 3, 1)
    undo(grouped)
    undo(grouped)  # the undoing of a note goes with it
    erased = forget(grouped, 1)
    assert (erased.removed["notes"], erased.removed["names"], erased.proven) == (2, 0, True)
    assert "Wilhelmina" not in raw(grouped)
    assert "withdrawn by" not in raw(grouped)
    assert "of another kind" in raw(grouped)
    assert consenting(grouped) == {2}
    if grouped.db.file:
        left = b"".join(p.read_bytes() for p in grouped.path.parent.glob("album.db*"))
        assert b"Wilhelmina" not in left


def test_the_proof_looks_for_notes_as_the_journal_spells_them(grouped, monkeypatch):
    note_consent(grouped, 1, True, NOTE)
    seen: list[str] = []
    monkeypatch.setattr(grouped.db, "traces", lambda pieces, texts: seen.extend(texts))
    forget(grouped, 1)
    assert {NOTE, NOTE.replace('"', '\\"')} == set(seen)


def test_everybody_whose_consent_is_gone_is_erased_at_once(grouped):
    note_consent(grouped, 1, True, "by letter one", "2026-05-31")
    note_consent(grouped, 2, True, "by letter two", "2026-06-01")
    note_consent(grouped, 3, False, "by letter three")
    name(grouped, 3, "Wilhelmina")
    apart(grouped, 3, 4)
    erased = forget_lapsed(grouped, DAY)
    assert (erased.people, erased.proven) == ((1, 3), True)
    assert erased.removed == {"faces": 10, "embeddings": 10, "names": 1, "notes": 2}
    assert [who.id for who in people(grouped)] == [2, 4]
    assert [act.kind for act in acts(grouped)] == ["consent", "not-same", "forget", "forget"]
    with pytest.raises(GalleryError, match="cannot be undone"):
        undo(grouped)
    nothing = forget_lapsed(grouped, DAY)
    assert (nothing.people, nothing.removed["faces"], nothing.proven) == ((), 0, True)
    assert len(acts(grouped)) == 4


def test_only_those_who_are_allowed_are_found(grouped, crowd):
    probe = crowd(20, 4, noise=0.4)[0][0]
    name(grouped, 1, "Ada Lovelace")
    name(grouped, 2, "Grace Hopper")
    allowed = frozenset({2, 3})
    everyone = find(grouped, probe, 20)
    assert [m for m in everyone if m.person in allowed] == find(grouped, probe, 20, -1.0, allowed)
    assert len(find(grouped, probe, 3, -1.0, allowed)) == 3  # although five others are nearer
    assert find(grouped, probe, 3, -1.0, frozenset()) == []
    assert find(grouped, probe, 3, 1.1, allowed) == []
    for query in ("Ada Lovelace", "Grace Hopper NOT #1", "1 person AND ada lovelace"):
        with pytest.raises(PolicyForbids, match="no consent of person 1 stands"):
            photos(grouped, query, None, allowed)
    assert len(photos(grouped, "Grace*", None, allowed)) == 5
    with pytest.raises(UnknownPerson):
        photos(grouped, "Ada*", None, allowed)
    told = [row.people for row in photos(grouped, "1 person", None, allowed)]
    assert sorted(told).count(()) == 10


def test_did_you_mean_tells_only_names_that_may_be_found(grouped):
    for number, called in {1: "Ada Lovelace", 2: "Ada Loveless", 3: "Ada Lovell"}.items():
        name(grouped, number, called)
    note_consent(grouped, 2, False, "by telephone")
    note_consent(grouped, 3, True, "by letter", "2020-01-01")  # expired
    with pytest.raises(UnknownPerson, match=r"did you mean 'Ada Lovelace'\?$"):
        person(grouped, "Ada Lovelac")
    note_consent(grouped, 3, True, "by letter")
    allowed = frozenset({3})
    for search in (
        lambda: person(grouped, "Ada Lovelac", allowed),
        lambda: photos(grouped, "Ada Lovelac OR nobody", None, allowed),
        lambda: write_names(grouped, ["Ada Lovelac"], allowed=allowed),
    ):
        with pytest.raises(UnknownPerson, match=r"did you mean 'Ada Lovell'\?$"):
            search()
    with pytest.raises(UnknownPerson, match="lists all"):
        person(grouped, "Ada Lovelac", frozenset())


def test_only_those_who_are_allowed_are_written_and_named(grouped, tmp_path):
    names = {1: "Ada Lovelace", 2: "Grace Hopper"}
    moved = [(str(tmp_path / f"{n}.jpg"), f"/photos/{n}.jpg") for n in range(20)]
    for path, _ in moved:
        Image.new("RGB", (640, 480)).save(path)
    with grouped.write() as db:
        db.executemany("UPDATE files SET path = ? WHERE path = ?", moved)
    for number, called in names.items():
        name(grouped, number, called)
    written = write_names(grouped, allowed=frozenset({2}))
    assert (written.photos, written.regions, written.failed) == (5, 5, ())
    files = list(tmp_path.glob("*.xmp"))
    assert len(files) == 5
    assert all(b"Grace Hopper" in file.read_bytes() for file in files)
    with pytest.raises(PolicyForbids):
        write_names(grouped, [1], allowed=frozenset({2}))
    write_names(grouped)
    undo(grouped, 2)
    assert read_names(grouped, allowed=frozenset({1})).named == ((1, "Ada Lovelace"),)
    assert person(grouped, 2).name is None
