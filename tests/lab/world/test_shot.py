"""Shots: poses, gazes, light and sizes as the plans say."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.camera import euler, matrix
from fusiform.lab.geometry.posing import eye_turn
from fusiform.lab.geometry.scene import Lighting
from fusiform.lab.world import light as lights
from fusiform.lab.world.expressions import ARKIT, named
from fusiform.lab.world.labels import photograph
from fusiform.lab.world.shot import (
    COMMON,
    LARGEST,
    NECK_REACH,
    PRESETS,
    SMALLEST,
    Plan,
    Shot,
    bell,
    common_light,
    drawn_expression,
    plan_of,
    resting,
    sample_shot,
    tempered,
    to_camera,
)
from fusiform.lab.world.world import World

COUNT = 40


@lru_cache(maxsize=16)
def shots(preset: str) -> list[Shot]:
    return [sample_shot(rng(1, preset, number), plan_of(preset)) for number in range(COUNT)]


def pose_of(shot: Shot) -> np.ndarray:
    return np.array(euler(matrix(*shot.bearing) @ matrix(*shot.head)))


@pytest.mark.parametrize("preset", PRESETS)
def test_shots_stay_within_their_plan(preset):
    plan = plan_of(preset)
    poses = np.abs([pose_of(shot) for shot in shots(preset)])
    assert (poses <= np.array([plan.yaw, plan.pitch, plan.roll]) + 1e-6).all()
    assert poses[:, 0].max() > 0.4 * plan.yaw
    for shot in shots(preset):
        assert shot.size == plan.size
        assert (np.abs(shot.head) <= NECK_REACH).all()
        assert (np.abs(shot.gaze) <= 28).all()
        assert plan.fill[0] <= shot.fill <= plan.fill[1]
        assert 0.4 <= shot.distance <= 3
        assert 0.0025 <= shot.pupil <= 0.005
        assert shot.expression.shape == (52,)
        assert shot.expression.dtype == np.float32
        assert 0 <= shot.expression.min() <= shot.expression.max() <= 1
        assert np.isfinite(shot.lighting.environment).all()
        assert all(np.isfinite(lamp.colour).all() for lamp in shot.lighting.lamps)
        assert shot.light in lights.KINDS
        assert np.abs(shot.offset).max() < 6 * plan.shift


def test_necks_take_a_share_of_every_turn():
    """40 to 90 % of the turn is the neck's, never more than it can."""
    for shot in shots("landmarks"):
        pose, neck = pose_of(shot), np.array(shot.head)
        assert (np.sign(pose) == np.sign(neck)).all()
        assert (np.abs(neck) <= 0.9 * np.abs(pose) + 1e-6).all()
        assert (np.abs(neck) >= np.minimum(0.4 * np.abs(pose), NECK_REACH) - 1e-6).all()


def test_half_the_people_look_at_the_camera():
    """Where eyes can reach it, within the noise of two degrees."""
    off = []
    for shot in [*shots("portrait"), *shots("video"), *shots("antispoof")]:
        turn = matrix(*shot.bearing) @ matrix(*shot.head)
        towards = turn @ eye_turn(*shot.gaze)[:, 2]
        off.append(np.degrees(np.arccos(towards[2])))
    assert 0.4 < np.mean(np.array(off) < 6) < 0.75


@given(st.floats(-80, 80), st.floats(-40, 40), st.floats(-40, 40))
def test_the_gaze_at_the_camera_undoes_the_turn(yaw, pitch, roll):
    turn = matrix(yaw, pitch, roll)
    assert np.allclose(turn @ eye_turn(*to_camera(turn))[:, 2], [0, 0, 1], atol=1e-9)


def test_gaze_at_the_camera_of_a_level_head_is_minus_its_turn():
    assert np.allclose(to_camera(matrix(20, 0, 0)), [-20, 0])
    assert np.allclose(to_camera(matrix(0, 15, 0)), [0, -15])
    assert np.allclose(to_camera(matrix(0, 0, 30)), [0, 0])


def test_shots_are_drawn_the_same_again():
    one, other = (sample_shot(rng(2, "again"), plan_of("wild"), 96) for _ in range(2))
    for item in fields(Shot):
        if item.name == "expression":
            assert np.array_equal(one.expression, other.expression)
        elif item.name == "lighting":
            assert np.array_equal(one.lighting.environment, other.lighting.environment)
        else:
            assert getattr(one, item.name) == getattr(other, item.name)
    assert one.size == 96
    assert len({shot.seed for shot in shots("wild")}) == COUNT


def test_unknown_presets_and_sizes_are_refused():
    with pytest.raises(ChoiceError, match="recognition"):
        plan_of("selfie")
    for size in (SMALLEST - 1, LARGEST + 1):
        with pytest.raises(ChoiceError, match="size"):
            Shot(size)
        with pytest.raises(ChoiceError, match="size"):
            sample_shot(rng(1), Plan(), size)


def test_a_shot_as_it_comes_can_be_taken():
    """Its light and background fit together."""
    photo = photograph(World(1).person(1), Shot(48), maps=False)
    assert photo.image.shape == (48, 48, 3)
    assert 40 < photo.image.mean() < 220


@pytest.mark.parametrize("size", [SMALLEST, 17, 200])
def test_any_size_can_be_taken(size):
    shot = replace(sample_shot(rng(3, size), plan_of("portrait"), size), seed=1)
    photo = photograph(World(1).person(1), shot)
    assert photo.image.shape == (size, size, 3)
    assert photo.arrays["depth"].shape == (size, size)
    assert np.isfinite(photo.arrays["points68"]).all()


# Light


@pytest.mark.parametrize("kind", lights.KINDS)
def test_tempered_light_is_neither_flat_nor_harsh(kind):
    front = np.array([[0.0, 0.0, 1.0]])
    for number in range(5):
        stream = rng(6, kind, number)
        _, before = lights.sample_light(stream, kind)
        after = tempered(before, stream)
        whole = lights.facing(after, front)[0].mean()
        sky = lights.facing(Lighting(after.environment), front)[0].mean()
        assert 0.349 < 1 - sky / whole < 0.601
        assert whole == pytest.approx(lights.facing(before, front)[0].mean(), rel=0.01)
        assert after.environment.dtype == np.float32
        for lamp in after.lamps:
            assert np.linalg.norm(lamp.direction) == pytest.approx(1, abs=1e-5)
            assert lamp.colour.dtype == lamp.direction.dtype == np.float32
            assert lamp.colour.min() >= 0


def test_flat_light_gets_a_lamp_from_above():
    flat = Lighting(lights.sample_light(rng(2), "overcast")[1].environment)
    (lamp,) = tempered(flat, rng(3)).lamps
    assert lamp.direction[1] > 0.5
    assert lamp.direction[2] > 0.3


def test_most_light_is_common():
    kinds = [common_light(rng(5, number)) for number in range(400)]
    assert 0.8 < np.mean([kind is not None for kind in kinds]) < 0.97
    assert {kind for kind in kinds if kind} == set(COMMON)


# Draws


@given(st.integers(0, 500), st.floats(1, 90), st.sampled_from([0.2, 0.45, 2.0, np.inf]))
@settings(max_examples=60)
def test_bells_stay_in_reach(seed, reach, spread):
    assert abs(bell(rng(seed), reach, spread)) <= reach


def test_bells_are_as_wide_as_told():
    narrow, wide = (
        np.std([bell(rng(number), 10.0, spread) for number in range(800)])
        for spread in (0.2, np.inf)
    )
    assert narrow == pytest.approx(2, abs=0.2)
    assert wide == pytest.approx(10 / np.sqrt(3), abs=0.4)  # of an even draw


def test_faces_are_as_lively_as_planned():
    plans = [Plan(lively=lively) for lively in (0.0, 0.5, 1.0)]
    moved = [
        np.mean([drawn_expression(rng(4, n), plan).any() for n in range(120)]) for plan in plans
    ]
    assert moved[0] == 0
    assert 0.35 < moved[1] < 0.6
    assert moved[2] > 0.9


def test_a_face_at_rest_is_at_ease():
    rest = np.stack([resting(rng(5, n), named("neutral")) for n in range(60)])
    blinks = rest[:, [name.startswith("eyeBlink") for name in ARKIT]]
    smiles = rest[:, [name.startswith("mouthSmile") for name in ARKIT]]
    assert 0.02 < blinks.mean() < 0.12
    assert (blinks[:, 0] == blinks[:, 1]).all()
    assert 0 <= smiles.mean() < 0.25
    assert rest.min() >= 0
    assert rest.max() < 0.6
    start = named("happy")
    again = start.copy()
    resting(rng(5), start)
    assert np.array_equal(start, again)
    full = np.ones(52, np.float32)
    assert resting(rng(5), full).max() == 1
