"""The world: a number is one person, whatever was drawn before and wherever."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.lab.world.labels import Photo, photograph
from fusiform.lab.world.shot import Shot
from fusiform.lab.world.traits import Traits
from fusiform.lab.world.world import World

ASKED = Shot(64, gaze=(5.0, -3.0), head=(20.0, 5.0, 3.0), bearing=(10.0, 0.0, 0.0), seed=9)
ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
from test_world import ASKED, digest
from fusiform.lab.world.labels import photograph
from fusiform.lab.world.world import World
print(digest(photograph(World(7).person(17), ASKED)))
"""


def digest(photo: Photo) -> str:
    """A fingerprint of the picture, all arrays and all facts."""
    state = hashlib.sha256(photo.image.tobytes())
    for name in sorted(photo.arrays):
        array = photo.arrays[name]
        state.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    state.update(repr(photo.facts).encode())
    return state.hexdigest()


def test_a_picture_is_the_same_in_another_process_and_whatever_was_drawn_before():
    for number in (3, 16, 18):
        photograph(World(7).person(number).at(60), ASKED)
        photograph(World(7).person(number), Shot(96, expression=np.full(52, 0.2, np.float32)))
    person = World(7).person(17)
    photograph(person.at(70).with_hair("bob"), ASKED)
    here = digest(photograph(person, ASKED))
    command = [sys.executable, "-c", ALONE, str(Path(__file__).parent)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert answer.stdout.strip() == here


def test_twice_is_the_same():
    one = photograph(World(7).person(17), ASKED)
    World(7).child(World(7).person(1), World(7).person(2), 0)
    assert digest(photograph(World(7).person(17), ASKED)) == digest(one)


def test_people_differ_by_number_and_seed():
    pictures = {
        digest(photograph(World(seed).person(number), ASKED))
        for seed in (7, 8)
        for number in (17, 18)
    }
    assert len(pictures) == 4


def test_a_person_made_anew_gives_the_same_picture():
    """Caches go by content or identity; neither shows."""
    first = World(5).person(2)
    anew = World(5).person(2, first.traits)
    assert anew is not first
    assert digest(photograph(anew, ASKED)) == digest(photograph(first, ASKED))


def test_a_world_is_its_seed():
    assert World() == World(0)
    assert World(3).person(4) is World(3).person(4)
    assert World(3).person(4).number == 4
    assert World(3).person(4).seed == 3


def test_traits_can_be_asked_for():
    wanted = Traits((0.0, 1.0, 0.0), 1.0, 44.0, 0.2)
    person = World(3).person(4, wanted)
    assert person.traits == wanted
    assert np.array_equal(person.bones.own, World(3).person(4).bones.own)


def test_there_is_no_person_below_zero():
    with pytest.raises(ChoiceError, match="number"):
        World(3).person(-1)


def test_children_of_a_pair_are_siblings():
    world = World(3)
    one, other = (world.child(world.person(1), world.person(2), n) for n in (0, 1))
    assert one.parents == other.parents == (world.person(1), world.person(2))
    assert not np.array_equal(one.bones.own, other.bones.own)
    wanted = Traits((0.5, 0.5, 0.0), 0.0, 9.0)
    kid = world.child(world.person(1), world.person(2), 0, wanted)
    assert kid.traits == wanted
    assert np.array_equal(kid.bones.own, one.bones.own)
