"""Sittings: what is not asked for stays as it is, and what was drawn is not drawn again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from fusiform.lab.papers import _portraits
from fusiform.lab.papers._portraits import Sitting, portraits
from fusiform.lab.world.world import World

ONE = Sitting(5, 0, 0)


@pytest.fixture
def somewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIFORM_HOME", str(tmp_path))
    return tmp_path


def test_pictures_are_drawn_once(somewhere, monkeypatch):
    sittings = [ONE, Sitting(3, 1, 0), replace(ONE, shot=1)]
    first = portraits("test", 2, sittings)
    assert first.images.shape == (3, 32, 32, 3)
    assert first.person.tolist() == [5, 3, 5]
    monkeypatch.setattr(_portraits, "drawn", None)  # not called again
    again = portraits("test", 2, sittings)
    assert np.array_equal(again.images, first.images)
    assert {n: v.tolist() for n, v in again.facts.items()} == {
        n: v.tolist() for n, v in first.facts.items()
    }


def test_turning_a_person_turns_their_head_with_them():
    straight, turned = (_portraits.taken(2, replace(ONE, turn=t)) for t in (0.0, 40.0))
    yaw = [photo.facts["pose"]["yaw"] for photo in (straight, turned)]
    assert yaw[1] - yaw[0] == pytest.approx(40, abs=4)
    assert straight.facts["light"] == turned.facts["light"]


def test_age_and_traits_are_those_asked_for():
    own = World(2).person(0).traits
    assert _portraits.taken(2, ONE).facts["age"] == pytest.approx(own.age)
    assert _portraits.taken(2, replace(ONE, age=70.0)).facts["age"] == 70
    other = replace(own, ancestry=(0.0, 0.0, 1.0))
    assert _portraits.taken(2, replace(ONE, traits=other)).facts["main_ancestry"] == "european"
