"""Who sits how, and which pairs of sittings are compared."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from fusiform.lab.papers.rec_scale import vggface2
from fusiform.lab.world.crowd import Crowd


def test_both_sets_have_as_many_pictures_of_a_person():
    narrow, wide, judging = (f(3) for f in (vggface2.narrow, vggface2.wide, vggface2.judging))
    assert len(narrow) == len(wide) == len(judging) == vggface2.IMAGES
    assert len({one.age for one in narrow}) == 1
    assert len({one.age for one in wide}) == vggface2.AGES
    assert all(20 <= one.age <= 70 for one in narrow + wide)
    assert not {one.shot for one in judging} & {one.shot for one in narrow + wide}


def test_a_quarter_of_the_tests_is_young_and_in_profile():
    judging = vggface2.judging(0)
    kinds = [(one.age, abs(one.turn) >= 60) for one in judging]
    young, old = vggface2.YOUNG, vggface2.OLD
    order = [(young, False), (old, False), (young, True), (old, True)]
    assert kinds == [kind for kind in order for _ in range(3)]


def test_only_faces_of_two_kinds_are_compared():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(24, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    person, kind = np.repeat([0, 1], 12), np.tile(np.repeat(range(4), 3), 2)
    genuine, impostor = vggface2.pairs_of(vectors, person, kind, 0, 2)
    slow: dict[bool, list[float]] = {True: [], False: []}
    for i in np.flatnonzero(kind == 0):
        for j in np.flatnonzero(kind == 2):
            slow[bool(person[i] == person[j])].append(float(vectors[i] @ vectors[j]))
    assert sorted(genuine) == pytest.approx(sorted(slow[True]))
    assert sorted(impostor) == pytest.approx(sorted(slow[False]))


def test_who_is_known_in_any_pose_and_at_any_age_scores_one():
    person = np.repeat([0, 1, 2], vggface2.IMAGES)
    faces = Crowd(np.zeros((36, 1, 1, 3), np.uint8), person)
    assert vggface2.across(np.eye(3)[person], faces) == (1.0, 1.0)
    ages = np.tile(np.repeat([0, 1, 0, 1], 3), 3)  # one vector a person and age
    found = vggface2.across(np.eye(6)[2 * person + ages], faces)
    assert found == (1.0, 0.0)
