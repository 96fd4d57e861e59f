"""Controlled worlds: what is left out is gone, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.lab.world import controls, samples
from fusiform.lab.world.samples import Options, take
from fusiform.lab.world.sensor import Sensor

ALL = controls.CONTROLS


def options(*without, preset="recognition"):
    return Options(preset, 5, 48, (), "jpeg", without)


def person(*without, number=2, image=0):
    return samples.look(options(*without), number, image)


def shot(*without):
    return samples.shot_of(options(*without), 2, 0)


def test_unknown_controls_are_refused():
    with pytest.raises(ChoiceError, match="left out must be"):
        options("noses")


@pytest.mark.parametrize("name", ALL)
def test_a_control_changes_pictures(name):
    differ = []
    for number in range(4):  # not everybody wears things, or has hair
        plain, changed = (take(o, number, 6) for o in (options(), options(name)))
        differ.append(not np.array_equal(plain.image, changed.image))
        assert plain.facts["person"] == changed.facts["person"]
        assert plain.facts["age"] == changed.facts["age"]
    assert any(differ)


def test_everything_can_be_left_out():
    photo = take(options(*ALL), 4, 6)
    assert np.abs(list(photo.facts["pose"].values())).max() < 1e-3
    said = photo.facts["attributes"]
    assert (said["hair"], said["beard"], said["glasses"]) == ("bald", "none", "")
    assert photo.facts["light"] == "butterfly"
    assert photo.facts["sensor"]["jpeg"] == 0
    # Pictures of one person then differ by the camera's place alone.
    assert samples.look(options(*ALL), 4, 6) is samples.look(options(*ALL), 4, 11)


def test_plain_skin_has_one_tone():
    before, after = person().skin, person("skin").skin
    assert (after.melanin, after.blood) == (before.melanin, before.blood)
    assert len(after.marks.spots) == len(after.lines) == 0
    assert not after.blotches.any()


def test_bones_and_eyes_stay():
    before = person()
    for name in controls.PEOPLE:
        after = person(name)
        assert np.array_equal(after.bones.own, before.bones.own)
        assert after.eyes == before.eyes


def test_shots_keep_the_rest():
    before = shot()
    assert shot("pose").bearing == (0, 0, 0)
    assert shot("pose").fill == before.fill
    assert not shot("expression").expression.any()
    assert np.array_equal(shot("light").expression, before.expression)
    clean = shot("sensor").sensor
    assert clean.auto > 0
    assert controls.replace(clean, auto=0) == Sensor.clean()


def test_a_look_is_made_once():
    assert person("hair") is person("hair")
    assert person("hair", image=7) is not person("hair")
    assert person("hair", "days", image=7) is person("hair", "days")
