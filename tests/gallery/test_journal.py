"""The journal alone says what was decided: replaying it gives what the tables hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from fusiform.core.errors import ChoiceError
from fusiform.gallery import (
    Store,
    acts,
    forget,
    merge,
    name,
    people,
    regroup,
    replay,
    split,
)
from fusiform.gallery.journal import Forgotten, Merged, Named, Split

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


class Decisions(RuleBasedStateMachine):
    """Any sequence of acts, beside a plain record of who must be with whom and called what."""

    def __init__(self, store: Store, vectors: np.ndarray, fill) -> None:
        super().__init__()
        self.store, self.vectors, self.fill = store, vectors, fill
        self.added = 0
        self.pins: dict[int, int] = {}
        self.names: dict[int, str] = {}
        self.gone: set[int] = set()
        self.add(20)

    def teardown(self) -> None:
        self.store.close()

    def one(self, pick: int):
        everybody = people(self.store)
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

    @rule(pick=st.integers(0, 50), called=st.sampled_from(NAMES))
    def call(self, pick: int, called: str) -> None:
        if not (who := self.one(pick)):
            return
        if called in {taken for number, taken in self.names.items() if number != who.id}:
            with pytest.raises(ChoiceError, match="a name nobody has"):
                name(self.store, who.id, called.lower())
            return
        name(self.store, who.id, called)
        self.names[who.id] = called
        self.pins |= {face.id: who.id for face in who.faces}

    @rule(first=st.integers(0, 50), second=st.integers(0, 50))
    def join(self, first: int, second: int) -> None:
        a, b = self.one(first), self.one(second)
        if not a or a.id == b.id:
            return
        merge(self.store, a.id, b.id)
        called = self.names.get(a.id, self.names.pop(b.id, None))
        self.names.pop(b.id, None)
        if called:
            self.names[a.id] = called
        self.pins |= {face.id: a.id for face in a.faces + b.faces}

    @rule(pick=st.integers(0, 50), seed=st.integers(0, 99))
    def part(self, pick: int, seed: int) -> None:
        who = self.one(pick)
        if not who or len(who.faces) < 2:
            return
        ids = np.random.default_rng(seed).permutation([face.id for face in who.faces]).tolist()
        cut = 1 + seed % (len(ids) - 1)
        other = split(self.store, who.id, ids[:cut])
        self.pins |= dict.fromkeys(ids[:cut], other.id) | dict.fromkeys(ids[cut:], who.id)

    @rule(pick=st.integers(0, 50))
    def erase(self, pick: int) -> None:
        if not (who := self.one(pick)):
            return
        assert forget(self.store, who.id).proven
        self.names.pop(who.id, None)
        self.gone |= {face.id for face in who.faces}
        self.pins = {face: p for face, p in self.pins.items() if face not in self.gone}

    @invariant()
    def the_journal_says_it_all(self) -> None:
        decided = replay(acts(self.store))
        assert decided.pins == self.pins
        assert decided.names == self.names

    @invariant()
    def the_tables_follow(self) -> None:
        everybody = people(self.store)
        assert {p.id: p.name for p in everybody if p.name} == self.names
        member = {face.id: p.id for p in everybody for face in p.faces}
        assert self.pins.items() <= member.items()
        assert set(member) == set(range(1, self.added + 1)) - self.gone


def test_any_sequence_of_acts(tmp_path_factory, crowd, fill):
    vectors, _ = crowd(200, 9, d=8, noise=0.9)

    def machine() -> Decisions:
        store = Store(tmp_path_factory.mktemp("acts") / "album.db")
        store.use_models("detector", "embedder", "ab" * 32)
        return Decisions(store, vectors, fill)

    run_state_machine_as_test(
        machine, settings=settings(deadline=None, max_examples=40, stateful_step_count=20)
    )
