"""The truth about a picture is exact: maps, pose, gaze and facts against what was drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.seeds import rng
from fusiform.lab.geometry.camera import from_six, matrix, position, unproject
from fusiform.lab.geometry.head import load_head
from fusiform.lab.geometry.mesh import face_normals
from fusiform.lab.geometry.render import render
from fusiform.lab.geometry.scene import Frame, Label
from fusiform.lab.world.compose import Composed, compose
from fusiform.lab.world.expressions import ARKIT, vector
from fusiform.lab.world.hats import Hat
from fusiform.lab.world.labels import (
    IRIS_ROWS,
    MAPS,
    PROVENANCE,
    Photo,
    developed,
    kind_of,
    photograph,
    plain,
)
from fusiform.lab.world.masks import Mask
from fusiform.lab.world.person import Person, founder
from fusiform.lab.world.shot import PRESETS, Shot, plan_of, sample_shot
from fusiform.lab.world.skin import Lips
from fusiform.lab.world.traits import Traits

SETS = {"5": 5, "68": 68, "106": 106, "478": 478}
SIZE = 128
# name: (shape, dtype); h: the picture's side, k: the head's components
TABLE = {
    **{f"points{name}": ((count, 2), "float32") for name, count in SETS.items()},
    **{f"points{name}_3d": ((count, 3), "float32") for name, count in SETS.items()},
    **{f"points{name}_seen": ((count,), "bool") for name, count in SETS.items()},
    "parsing": (("h", "h"), "uint8"),
    "depth": (("h", "h"), "float32"),
    "normals": (("h", "h", 3), "float16"),
    "uv": (("h", "h", 2), "float32"),
    "albedo": (("h", "h", 3), "float16"),
    "triangle": (("h", "h"), "int32"),
    "barycentric": (("h", "h", 3), "float32"),
    "alpha": (("h", "h"), "float16"),
    "coefficients": (("k",), "float32"),
    "expression": ((52,), "float32"),
    "rotation": ((3, 3), "float32"),
    "rotation6d": ((6,), "float32"),
    "camera": ((3, 4), "float64"),
    "gaze": ((2, 3), "float32"),
}
YAWS = (-60, -30, 0, 20, 45, 60)


class Taken(NamedTuple):
    made: Composed
    frame: Frame
    photo: Photo


@cache
def sitter() -> Person:
    """Somebody whose face nothing hides."""
    person = founder(6, 1, Traits((0.1, 0.2, 0.7), 0.0, 33.0))
    return person.with_makeup(None).with_hair("buzz").wearing(glasses=None)


def take(person: Person, shot: Shot) -> Taken:
    made = compose(person, shot)
    frame = render(made.scene, 2)
    return Taken(made, frame, developed(made, frame))


@cache
def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Taken:
    shot = Shot(SIZE, bearing=(yaw, pitch, roll), expression=vector({"jawOpen": 0.2}))
    return take(sitter(), shot)


@cache
def wearing(**items: object) -> Taken:
    """The calm sitter from the front, with such things on."""
    return take(sitter().wearing(**items), Shot(SIZE))


def skin_points(taken) -> np.ndarray:
    """(h, w, 3): world point of the posed skin at each pixel, from triangle and barycentric; nan
    elsewhere."""
    arrays, head = taken.photo.arrays, load_head()
    corners = taken.made.posed.vertices.astype(float)[head.triangles[arrays["triangle"]]]
    points = (corners * arrays["barycentric"][..., None]).sum(axis=2)
    return np.where(arrays["triangle"][..., None] >= 0, points, np.nan)


# Shapes


def test_arrays_are_as_the_table_says():
    arrays = wearing().photo.arrays
    assert set(arrays) == set(TABLE)
    sizes = {"h": SIZE, "k": len(load_head().shape.rows)}
    for name, (shape, kind) in TABLE.items():
        assert arrays[name].shape == tuple(sizes.get(one, one) for one in shape), name
        assert str(arrays[name].dtype) == kind, name
    assert wearing().photo.image.shape == (SIZE, SIZE, 3)
    assert wearing().photo.image.dtype == np.uint8


def test_without_maps_the_picture_is_the_same():
    shot = Shot(64, bearing=(15.0, 0.0, 0.0), seed=3)
    whole, lean = (photograph(sitter(), shot, maps=maps) for maps in (True, False))
    assert whole.image.tobytes() == lean.image.tobytes()
    assert set(whole.arrays) - set(lean.arrays) == set(MAPS)
    assert whole.facts == lean.facts
    for name, array in lean.arrays.items():
        assert array.tobytes() == whole.arrays[name].tobytes(), name


# Maps


@pytest.mark.parametrize("yaw", YAWS)
def test_depth_leads_to_the_same_points_as_the_mesh(yaw):
    taken = turned(yaw, 10, -15)
    skin, depth = skin_points(taken), taken.photo.arrays["depth"]
    row, column = np.nonzero(np.isfinite(skin[..., 0]))
    pixels = np.stack([column, row], 1) + 0.5
    found = unproject(taken.made.scene.camera, pixels, depth[row, column])
    off = np.linalg.norm(found - skin[row, column], axis=1)
    assert len(off) > 1500
    assert np.quantile(off, 0.99) < 1e-4
    assert off.max() < 1e-3  # at corners seen on edge


def test_normals_are_those_of_the_mesh():
    head = load_head()
    for yaw in (0, 45):
        taken = turned(yaw)
        arrays = taken.photo.arrays
        skin = arrays["triangle"] >= 0
        flat = face_normals(taken.made.posed.vertices.astype(float), head.triangles)
        wanted = flat[arrays["triangle"][skin]] @ taken.made.scene.camera.rotation.T
        found = arrays["normals"][skin].astype(float)
        angle = np.degrees(np.arccos(np.clip((wanted * found).sum(axis=1), -1, 1)))
        assert np.mean(angle) < 6
        assert np.median(angle) < 4
        assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=2e-3)
        assert np.mean(found[:, 2] < 0.1) > 0.99  # towards the camera


def test_uv_is_that_of_the_mesh():
    head, arrays = load_head(), turned(30).photo.arrays
    skin = arrays["triangle"] >= 0
    corners = head.uv[head.uv_triangles[arrays["triangle"][skin]]]
    wanted = (corners * arrays["barycentric"][skin][..., None]).sum(axis=1)
    assert np.allclose(arrays["uv"][skin], wanted, atol=1e-5)
    assert np.isnan(arrays["uv"][~skin]).all()
    assert arrays["uv"][skin].min() >= 0
    assert arrays["uv"][skin].max() <= 1


def test_background_is_empty():
    arrays = turned(30).photo.arrays
    nothing = arrays["parsing"] == Label.BACKGROUND
    assert 0.1 < nothing.mean() < 0.9
    assert np.isinf(arrays["depth"][nothing]).all()
    assert np.isfinite(arrays["depth"][~nothing]).all()
    for name in ("normals", "albedo", "barycentric"):
        assert not arrays[name][nothing].any()
    assert (arrays["triangle"][nothing] == -1).all()


def test_alpha_is_a_share():
    arrays = turned(30).photo.arrays
    alpha = arrays["alpha"].astype(float)
    assert set(np.unique(alpha)) == {0, 0.25, 0.5, 0.75, 1}
    nothing = arrays["parsing"] == Label.BACKGROUND
    assert alpha[nothing].mean() < 0.1
    assert alpha[~nothing].mean() > 0.95


def test_parsing_agrees_with_landmarks():
    arrays = wearing().photo.arrays
    places = {
        30: {Label.NOSE},
        8: {Label.SKIN, Label.NECK},
        51: {Label.UPPER_LIP},
        57: {Label.LOWER_LIP, Label.SKIN},
    }
    for row, allowed in places.items():
        x, y = arrays["points68"][row].astype(int)
        assert arrays["parsing"][y, x] in allowed, row
    for side, first in IRIS_ROWS.items():
        x, y = arrays["points478"][first].astype(int)
        assert arrays["parsing"][y, x] == (Label.LEFT_EYE, Label.RIGHT_EYE)[side]
    columns = {
        one: np.nonzero(arrays["parsing"] == one)[1].mean()
        for one in Label
        if one in arrays["parsing"]
    }
    assert columns[Label.RIGHT_EYE] < columns[Label.LEFT_EYE]
    assert columns[Label.RIGHT_BROW] < columns[Label.LEFT_BROW]
    assert columns[Label.RIGHT_EAR] < columns[Label.LEFT_EAR]


def test_parsing_follows_surfaces():
    taken = wearing(hat=Hat("beanie"), mask=Mask("surgical"))
    arrays, surfaces = taken.photo.arrays, taken.made.scene.surfaces
    for index, one in enumerate(surfaces):
        here = taken.frame.surface == index
        if one.texture is None and one.cover == 1:
            assert (arrays["parsing"][here] == one.label).all(), one.part
    assert not np.isin(arrays["parsing"][arrays["triangle"] >= 0], [Label.HAT, Label.HAIR]).any()


def test_albedo_is_a_colour():
    albedo = turned(30).photo.arrays["albedo"].astype(float)
    assert albedo.min() >= 0
    assert albedo.max() <= 1
    skin = turned(30).photo.arrays["parsing"] == Label.SKIN
    red, green, blue = albedo[skin].mean(axis=0)
    assert red > green > blue > 0.02


# Pose


@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (33.0, -12.0, 8.0), (-80.0, 25.0, -20.0)])
def test_the_pose_of_a_still_neck_is_the_bearing(pose):
    photo = take(sitter(), Shot(32, bearing=pose)).photo
    assert list(photo.facts["pose"].values()) == pytest.approx(pose, abs=1e-4)
    assert list(photo.facts["pose"]) == ["yaw", "pitch", "roll"]
    assert np.allclose(photo.arrays["rotation"], matrix(*pose), atol=1e-6)


@given(st.integers(0, 10_000))
@settings(max_examples=12, deadline=None)
def test_rotations_are_told_alike_in_three_ways(seed):
    stream = rng(seed, "pose")
    head, bearing = (tuple(stream.uniform(-40, 40, 3).tolist()) for _ in range(2))
    photo = photograph(sitter(), Shot(16, head=head, bearing=bearing), 1, maps=False)
    rotation = photo.arrays["rotation"]
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
    assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-5)
    assert np.allclose(matrix(**photo.facts["pose"]), rotation, atol=1e-5)
    assert np.allclose(from_six(photo.arrays["rotation6d"]), rotation, atol=1e-5)
    assert np.allclose(rotation, matrix(*bearing) @ matrix(*head), atol=1e-5)


def test_a_turn_to_the_left_moves_the_nose_right_in_the_picture():
    left, right = (turned(yaw).photo.arrays["points68"] for yaw in (30, -30))
    middle = [one[[36, 45]].mean(axis=0) for one in (left, right)]
    assert left[30, 0] > middle[0][0] + 2
    assert right[30, 0] < middle[1][0] - 2


# Facts


@pytest.mark.parametrize("yaw", YAWS)
def test_the_box_holds_the_face(yaw):
    taken = turned(yaw)
    x1, y1, x2, y2 = taken.photo.facts["box"]
    points = taken.photo.arrays["points68"]
    assert (points >= [x1 - 0.5, y1 - 0.5]).all()
    assert (points <= [x2 + 0.5, y2 + 0.5]).all()
    width, height = np.ptp(points, axis=0)
    assert width <= x2 - x1 < 1.35 * width
    assert height <= y2 - y1 < 1.7 * height


def no_arrays(value) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and no_arrays(one) for key, one in value.items())
    if isinstance(value, list):
        return all(map(no_arrays, value))
    return type(value) in (str, int, float, bool, type(None))


@pytest.mark.parametrize("preset", PRESETS)
def test_facts_are_plain_and_finite(preset):
    stream = rng(3, preset)
    person = founder(9, 1).on_another_day(stream, 0.8)
    photo = photograph(person, sample_shot(stream, plan_of(preset), 48))
    assert no_arrays(photo.facts)
    assert json.loads(json.dumps(photo.facts, allow_nan=False)) == photo.facts
    for name, array in photo.arrays.items():
        if name not in ("depth", "uv"):
            assert np.isfinite(array.astype(float)).all(), name


def test_facts_say_who_and_what():
    facts = wearing().photo.facts
    traits = sitter().traits
    assert facts["provenance"] == PROVENANCE
    assert (facts["seed"], facts["person"]) == (6, 1)
    assert tuple(facts["ancestry"].values()) == traits.ancestry
    assert (facts["main_ancestry"], facts["male"]) == ("european", traits.male)
    assert (facts["age"], facts["weight"]) == (traits.age, traits.weight)
    assert facts["attributes"]["hair"] == "buzz"
    assert facts["attributes"]["makeup"] == []
    assert facts["light"] == Shot().light
    assert np.allclose(facts["points5"], wearing().photo.arrays["points5"], atol=1e-3)
    opened = turned(0).photo.facts
    assert opened["blendshapes"] == pytest.approx({"jawOpen": 0.2})
    assert "26" in opened["action_units"]
    assert set(facts["blendshapes"]) <= set(ARKIT)


def test_quality_knows_what_was_done():
    sensor = replace(Shot().sensor, defocus=0.3, motion=0.4, jpeg=70)
    bad = take(sitter(), Shot(64, sensor=sensor, expression=vector({"eyeBlink": 0.5}))).photo
    told, calm_told = bad.facts["quality"], wearing().photo.facts["quality"]
    assert (told["blur"], told["jpeg"]) == (pytest.approx(0.5), 70)
    assert told["eye_opening"] == pytest.approx(0.5 * calm_told["eye_opening"], rel=0.1)
    assert 0.004 < calm_told["eye_opening"] < 0.016
    assert told["expression"] == pytest.approx(np.sqrt(0.5))
    assert calm_told["face_pixels"] == pytest.approx(
        np.diff(wearing().photo.facts["box"][1::2])[0], abs=2e-3
    )


def test_records_become_plain():
    assert plain(Lips(*np.arange(7).astype(np.float32)))["gloss"] == 6.0
    assert plain((np.int64(3), [np.float32(0.5)])) == [3, [0.5]]
    assert kind_of(None) == ""
    assert kind_of(Hat("cap")) == "cap"
    assert kind_of(Mask("gaiter")) == "gaiter"


# People at the edges


@pytest.mark.parametrize("age", [5, 90])
@pytest.mark.parametrize("male", [0, 1])
def test_extremes_can_be_taken(age, male):
    """Every ancestry, thin and heavy, far turned and near; the camera stays clear of everything."""
    pure = np.eye(3)
    for number in range(3):
        stream = rng(20, age, male, number)
        weight = float(stream.choice([-1, 1]))
        person = founder(11, number, Traits(tuple(pure[number].tolist()), male, age, weight))
        shot = sample_shot(stream, replace(plan_of("landmarks"), spread=0.9, lively=1.0), 64)
        taken = take(person.on_another_day(stream, 1.0), replace(shot, distance=0.4))
        assert (taken.photo.arrays["points478_3d"][:, 2] > 0.2).all()
        eye = position(taken.made.scene.camera)
        for one in taken.made.scene.surfaces:
            assert np.linalg.norm(one.vertices - eye, axis=1).min() > 0.05
        box = np.array(taken.photo.facts["box"])
        assert (box[2:] > box[:2] + 10).all()
        assert taken.photo.facts["quality"]["inside"] > 0.6
        assert taken.photo.image.std() > 5
