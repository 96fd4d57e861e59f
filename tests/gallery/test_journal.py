"""The journal alone says what was decided: replaying it gives what the tables hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from fusiform.core.errors import ChoiceError, GalleryError
from fusiform.core.periods import Period
from fusiform.gallery import (
    Store,
    acts,
    apart,
    expire,
    forget,
    hide,
    merge,
    name,
    no_faces,
    note_consent,
    people,
    regroup,
    replay,
    split,
    undo,
)
from fusiform.gallery.acts import Forgotten, Merged, Named, Split
from fusiform.gallery.persons import pins_of
from fusiform.gallery.records import Consent
from fusiform.gallery.reembedding import add_vectors, register, switch, without

NOTES = ("by e-mail of Ada", 'in the "blue" letter')
NAMES = ("Ada", "Grace", "Emmy", "Sophie")


def test_the_last_act_counts():
    told = [
        Named(1, "Ada", (10, 11, 12)),
        Named(2, "Grace", (20,)),
        Split(1, 3, (10,), (11, 12)),
        Merged(3, 2, (11, 12, 20)),
        Named(1, "Augusta", (10,)),
        Forgotten(4),
    ]
    state = replay(told)
    assert state.pins == {10: 1, 11: 3, 12: 3, 20: 3}
    assert state.names == {1: "Augusta", 3: "Grace"}
    assert replay(told[:2]).names == {1: "Ada", 2: "Grace"}
    assert replay([]).pins == {}


def test_a_merged_person_keeps_its_own_name_first():
    told = [Named(1, "Ada", (1,)), Named(2, "Grace", (2,)), Merged(1, 2, (1, 2))]
    assert replay(told).names == {1: "Ada"}


def test_acts_come_back_from_the_file(store, crowd, fill):
    fill(store, crowd(12, 3, noise=0.3)[0])
    regroup(store, 0.5)
    one, two, three = people(store)
    name(store, one.id, "Ada")
    merge(store, one.id, two.id)
    other = split(store, three.id, [three.faces[0].id])
    forget(store, other.id)
    mine, theirs = ([face.id for face in p.faces] for p in (one, two))
    assert acts(store) == [
        Named(one.id, "Ada", tuple(mine)),
        Merged(one.id, two.id, (*mine, *theirs)),
        Split(three.id, other.id, tuple(face.id for face in three.faces[1:]), ()),
        Forgotten(1),
    ]


def muted(consents: dict[int, Consent], faceless: set[int]) -> dict[int, Consent]:
    return {p: replace(said, note="") if p in faceless else said for p, said in consents.items()}


class Decisions(RuleBasedStateMachine):
    """Any sequence of acts, beside a plain record of who must be with whom and called what."""

    def __init__(self, store: Store, vectors: np.ndarray, fill) -> None:
        super().__init__()
        self.store, self.vectors, self.fill = store, vectors, fill
        self.added = 0
        self.pins: dict[int, int] = {}
        self.names: dict[int, str] = {}
        self.hidden: set[int] = set()
        self.consents: dict[int, Consent] = {}
        self.merged: list[tuple[int, int]] = []
        self.dismissed: set[int] = set()
        self.gone: set[int] = set()
        self.past: list[tuple[object, ...]] = []
        self.groupings = 0
        self.old: set[int] = set()
        self.add(20)

    def teardown(self) -> None:
        self.store.close()

    def tables(self) -> list[object]:
        """All that an act can change, but for the journal."""
        whole = ("SELECT * FROM members ORDER BY 1", "SELECT * FROM people ORDER BY 1")
        return [
            self.store.read(sql) for sql in (*whole, "SELECT id, no_face FROM faces ORDER BY 1")
        ]

    def about_to_act(self) -> None:
        told = (self.pins, self.names, self.hidden, self.dismissed, self.consents, self.merged)
        self.past.append((*(one.copy() for one in told), self.tables(), self.groupings))

    def one(self, pick: int):
        everybody = people(self.store, hidden=True)
        return everybody[pick % len(everybody)] if everybody else None

    @rule(count=st.integers(1, 12))
    def add(self, count: int) -> None:
        part = self.vectors[self.added : self.added + count]
        self.fill(self.store, part, first=self.added)
        self.added += len(part)
        self.group(0.5)

    @rule(threshold=st.floats(0.05, 0.95))
    def group(self, threshold: float) -> None:
        regroup(self.store, threshold)
        self.groupings += 1

    @rule()
    def begin_anew(self) -> None:
        regroup(self.store, 0.5, reset=True)
        self.groupings += 1

    @rule(seed=st.integers(0, 3), threshold=st.floats(0.3, 0.9))
    def change_the_model(self, seed: int, threshold: float) -> None:
        """Vectors of another embedder, other for every seed."""
        embedder = f"{seed:064x}"
        register(self.store, f"model {seed}", embedder, "{}")
        faces = without(self.store, embedder)
        rng = np.random.default_rng(seed)
        other = self.vectors @ np.linalg.qr(rng.normal(size=(8, 8)))[0].astype(np.float32)
        other += 0.2 * rng.normal(size=other.shape)
        unit = (other / np.linalg.norm(other, axis=1, keepdims=True)).astype(np.float32)
        add_vectors(self.store, embedder, faces, unit[np.array(faces, int) - 1])
        switch(self.store, embedder, threshold)
        self.groupings += 1

    @rule(pick=st.integers(0, 50), called=st.sampled_from(NAMES))
    def call(self, pick: int, called: str) -> None:
        if not (who := self.one(pick)):
            return
        if called in {taken for number, taken in self.names.items() if number != who.id}:
            with pytest.raises(ChoiceError, match="a name nobody has"):
                name(self.store, who.id, called.lower())
            return
        self.about_to_act()
        name(self.store, who.id, called)
        self.names[who.id] = called
        self.pins |= {face.id: who.id for face in who.faces}

    @rule(first=st.integers(0, 50), second=st.integers(0, 50))
    def join(self, first: int, second: int) -> None:
        a, b = self.one(first), self.one(second)
        if not a or a.id == b.id:
            return
        self.about_to_act()
        merge(self.store, a.id, b.id)
        called = self.names.get(a.id, self.names.pop(b.id, None))
        self.names.pop(b.id, None)
        if called:
            self.names[a.id] = called
        self.merged.append((a.id, b.id))
        said = self.consents.pop(b.id, None)
        if said:
            self.consents.setdefault(a.id, said)
        self.pins |= {face.id: a.id for face in a.faces + b.faces}

    @rule(pick=st.integers(0, 50), seed=st.integers(0, 99))
    def part(self, pick: int, seed: int) -> None:
        who = self.one(pick)
        if not who or len(who.faces) < 2:
            return
        ids = np.random.default_rng(seed).permutation([face.id for face in who.faces]).tolist()
        cut = 1 + seed % (len(ids) - 1)
        self.about_to_act()
        other = split(self.store, who.id, ids[:cut])
        self.pins |= dict.fromkeys(ids[:cut], other.id) | dict.fromkeys(ids[cut:], who.id)

    @rule(first=st.integers(0, 50), second=st.integers(0, 50))
    def keep_apart(self, first: int, second: int) -> None:
        a, b = self.one(first), self.one(second)
        if not a or a.id == b.id:
            return
        self.about_to_act()
        apart(self.store, a.id, b.id)
        self.pins |= {face.id: who.id for who in (a, b) for face in who.faces}

    @rule(pick=st.integers(0, 50), seed=st.integers(0, 99))
    def dismiss(self, pick: int, seed: int) -> None:
        who = self.one(pick)
        if not who or not who.faces:
            return
        few = [face.id for face in who.faces[seed % len(who.faces) :]][:2]
        self.about_to_act()
        assert no_faces(self.store, few) == len(few)
        self.dismissed |= set(few)
        self.pins = {face: p for face, p in self.pins.items() if face not in self.dismissed}

    @rule(pick=st.integers(0, 50), away=st.booleans())
    def put_away(self, pick: int, away: bool) -> None:
        if not (who := self.one(pick)):
            return
        self.about_to_act()
        hide(self.store, who.id, away)
        (self.hidden.add if away else self.hidden.discard)(who.id)
        self.pins |= {face.id: who.id for face in who.faces}

    @rule(pick=st.integers(0, 50), given=st.booleans(), note=st.sampled_from(NOTES))
    def agree(self, pick: int, given: bool, note: str) -> None:
        if not (who := self.one(pick)):
            return
        self.about_to_act()
        until = "2030-12-31" if given and note == NOTES[0] else None
        told = note_consent(self.store, who.id, given, note, until).consent
        assert told == Consent(given, note, until)
        self.consents[who.id] = told
        self.pins |= {face.id: who.id for face in who.faces}

    @rule(count=st.integers(1, 4))
    def grow_old(self, count: int) -> None:
        """The time of the oldest faces is over: they go, but for those of people who agreed."""
        old = sorted(set(range(1, self.added + 1)) - self.gone)[:count]
        with self.store.write() as db:
            sql = "UPDATE photos SET added_at = '2000-01-01' WHERE id = ?"
            db.executemany(sql, [(photo,) for photo in old])
        owner = {face.id: p.id for p in people(self.store, hidden=True) for face in p.faces}
        kept = {n for n, said in self.consents.items() if said.given}
        old = self.old | set(old)
        lost = {face for face in old - self.gone if owner.get(face) not in kept}
        before = {p.id for p in people(self.store, hidden=True) if p.faces and not p.name}
        expire(self.store, [Period.of("1y")])
        self.old, self.gone = old, self.gone | lost
        self.groupings += 1  # what an act changed is not all there any more
        faceless = before - self.everyone()
        for kept_as, gone in reversed(self.merged):
            faceless |= {gone} if kept_as in faceless else set()
        self.consents = muted(self.consents, faceless)
        self.pins = {face: p for face, p in self.pins.items() if face not in lost}
        self.dismissed -= lost
        self.past = [
            (
                {face: p for face, p in pins.items() if face not in lost},
                names,
                hidden,
                dismissed - lost,
                muted(consents, faceless),
                *rest,
            )
            for pins, names, hidden, dismissed, consents, *rest in self.past
        ]

    @rule(count=st.integers(1, 3))
    def take_back(self, count: int) -> None:
        if len(self.past) < count:
            before = self.tables()
            with pytest.raises(GalleryError, match="und"):
                undo(self.store, count)
            assert self.tables() == before
            return
        undo(self.store, count)
        for _ in range(count):
            state = self.past.pop()
        self.pins, self.names, self.hidden, self.dismissed, self.consents, *rest = state
        self.merged, tables, groupings = rest
        if groupings == self.groupings:
            assert self.tables() == tables
        else:  # faces whose person grouping had done away with are nobody's now
            self.group(0.5)

    @rule(pick=st.integers(0, 50))
    def erase(self, pick: int) -> None:
        if not (who := self.one(pick)):
            return
        assert forget(self.store, who.id).proven
        self.past.clear()
        self.names.pop(who.id, None)
        self.hidden.discard(who.id)
        self.consents.pop(who.id, None)
        self.gone |= {face.id for face in who.faces}
        self.pins = {face: p for face, p in self.pins.items() if face not in self.gone}

    @invariant()
    def the_journal_says_it_all(self) -> None:
        decided = replay(acts(self.store))
        assert decided.pins == self.pins
        assert decided.names == self.names
        assert decided.hidden & self.everyone() == self.hidden & self.everyone()
        assert decided.no_faces == self.dismissed
        assert decided.consents == self.consents
        standing = {p.id: p.consent for p in people(self.store, hidden=True) if p.consent}
        assert standing == {p: self.consents[p] for p in self.consents if p in self.everyone()}

    def everyone(self) -> set[int]:
        return {person.id for person in people(self.store, hidden=True)}

    @invariant()
    def the_tables_follow(self) -> None:
        everybody = people(self.store, hidden=True)
        assert {p.id for p in everybody} - {p.id for p in people(self.store)} <= self.hidden
        assert {p.id: p.name for p in everybody if p.name} == self.names
        member = {face.id: p.id for p in everybody for face in p.faces}
        assert pins_of(self.store) == self.pins
        assert self.pins.items() <= member.items()
        assert set(member) == set(range(1, self.added + 1)) - self.gone - self.dismissed


@pytest.fixture(params=["file", "server"])
def new_places(request, tmp_path_factory) -> Iterator[Callable[[], str | Path]]:
    """A new place for a gallery at every call."""
    if request.param == "file":
        yield lambda: tmp_path_factory.mktemp("acts") / "album.db"
        return
    import psycopg

    url = request.getfixturevalue("server").url
    with psycopg.connect(url, autocommit=True) as db:

        def place() -> str:
            # what another gallery of the server still has could not be proven to be gone
            db.execute("DROP SCHEMA IF EXISTS acts CASCADE")
            return f"{url}?schema=acts"

        yield place
        place()


def test_any_sequence_of_acts(new_places, crowd, fill):
    vectors, _ = crowd(200, 9, d=8, noise=0.9)

    def machine() -> Decisions:
        store = Store(new_places())
        store.use_models("detector", "embedder", "ab" * 32)
        return Decisions(store, vectors, fill)

    examples, steps = (40, 20) if isinstance(new_places(), Path) else (6, 12)
    run_state_machine_as_test(
        machine,
        settings=settings(deadline=None, max_examples=examples, stateful_step_count=steps),
    )
