"""Adding faces a few at a time comes to the same as grouping all at once."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.gallery import (
    Store,
    absorb,
    apart,
    group,
    incremental,
    merge,
    name,
    no_faces,
    people,
    person,
    regroup,
    stale,
)
from fusiform.measure.clusters import bcubed


@pytest.fixture
def large(monkeypatch):
    """Every gallery counts as large, and every person of more than 6 faces."""
    monkeypatch.setattr(incremental, "FEW", 0)
    monkeypatch.setattr(incremental, "LOOSE", 6)


def labels_of(store: Store, n: int) -> np.ndarray:
    found = dict(store.read("SELECT face_id, person_id FROM members"))
    return np.array([found[i] for i in range(1, n + 1)])


@pytest.mark.parametrize(("noise", "batch"), [(0.5, 60), (0.7, 13), (0.8, 60)])
def test_any_order_comes_close_to_all_at_once(store, crowd, fill, large, noise, batch):
    vectors, who = crowd(600, 40, noise=noise, seed=4)
    order = np.random.default_rng(batch).permutation(600)
    vectors, who = vectors[order], who[order]
    for first in range(0, 600, batch):
        fill(store, vectors[first : first + batch], first=first)
        absorb(store, 0.5)
        assert stale(store).ungrouped == 0
    whole = group(store.vectors()[1], 0.5)
    ours = labels_of(store, 600)
    assert bcubed(whole, ours).f > 0.98
    assert bcubed(who, ours).f > bcubed(who, whole).f - 0.005


def test_only_what_is_near_is_touched(store, crowd, fill, large, monkeypatch):
    vectors, _ = crowd(300, 20, noise=0.4)
    fill(store, vectors[:280])
    regroup(store, 0.5)
    seen = []
    true = incremental.group

    def noted(rows, *args, **more):
        seen.append(len(rows))
        return true(rows, *args, **more)

    monkeypatch.setattr(incremental, "group", noted)
    before = labels_of(store, 280)
    fill(store, vectors[280:282], first=280)
    absorb(store, 0.5)
    assert seen == [2 + 14 + 14]  # two people, looked at whole
    assert (labels_of(store, 280) == before).all()
    absorb(store, 0.5)
    assert len(seen) == 1  # nothing new, nothing done


def test_a_large_person_is_looked_at_in_part(store, crowd, fill, large, monkeypatch):
    monkeypatch.setattr(incremental, "SAMPLE", 10)
    vectors, _ = crowd(90, 1, noise=0.4)
    fill(store, vectors[:80])
    regroup(store, 0.5)
    fill(store, vectors[80:], first=80)
    absorb(store, 0.5)
    assert [len(p.faces) for p in people(store)] == [90]


def test_two_halves_of_a_person_meet_in_a_new_face(store, large, fill):
    """Each half is a person until a face comes that is like both."""
    a, b = np.eye(8, dtype=np.float32)[:2]
    left = np.repeat([0.85 * a + 0.53 * b], 4, axis=0)
    right = np.repeat([0.53 * a + 0.85 * b], 4, axis=0)
    fill(store, np.concatenate([left, right]).astype(np.float32))
    regroup(store, 0.93)
    assert len(people(store)) == 2
    middle = np.repeat([(a + b) / np.sqrt(2)], 30, axis=0).astype(np.float32)
    fill(store, middle, first=8)
    absorb(store, 0.93)
    assert len(people(store)) == 1


def test_what_was_decided_holds(store, crowd, fill, large):
    vectors, _ = crowd(200, 8, noise=0.6, seed=2)
    fill(store, vectors[:120])
    absorb(store, 0.5)
    one, two, three, four = (p.id for p in people(store)[:4])
    name(store, one, "Ada")
    merge(store, one, two)
    apart(store, three, four)
    gone = person(store, four).faces[0].id
    no_faces(store, [gone])
    pinned = {f.id: who for who in (one, three, four) for f in person(store, who).faces}
    for first in range(120, 200, 16):
        fill(store, vectors[first : first + 16], first=first)
        absorb(store, 0.5)
        member = dict(store.read("SELECT face_id, person_id FROM members"))
        assert pinned.items() <= member.items()
        assert gone not in member
    assert person(store, "Ada").id == one
    assert len(person(store, "Ada").faces) > 40
    low = -0.9  # everything would be one, were it not for the decisions
    fill(store, crowd(2, 2, seed=8)[0], first=900)
    absorb(store, low)
    assert {one, three, four} <= {p.id for p in people(store)}


def test_small_and_fast_growing_galleries_are_grouped_as_a_whole(store, crowd, fill, monkeypatch):
    calls = []
    monkeypatch.setattr(incremental, "regroup", lambda *args: calls.append(args))
    fill(store, crowd(30, 5)[0])
    absorb(store, 0.5)
    monkeypatch.setattr(incremental, "FEW", 0)
    absorb(store, 0.5)
    assert len(calls) == 2
