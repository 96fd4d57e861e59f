"""Blendshapes, action units and named expressions, against FACS facts and SciPy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.world import expressions as faces
from fusiform.lab.world.expressions import ARKIT, BASIS, BASIS_SHAPES, EXPRESSIONS, INDEX

# Apple's documentation, grouped as there: eyes, jaw and mouth, brows, cheeks, nose, tongue.
APPLE = """
eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft
eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight
eyeWideRight jawForward jawLeft jawRight jawOpen mouthClose mouthFunnel mouthPucker mouthLeft
mouthRight mouthSmileLeft mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft
mouthDimpleRight mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper mouthShrugLower
mouthShrugUpper mouthPressLeft mouthPressRight mouthLowerDownLeft mouthLowerDownRight
mouthUpperUpLeft mouthUpperUpRight browDownLeft browDownRight browInnerUp browOuterUpLeft
browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight tongueOut
""".split()


def test_the_52_shapes_are_apples_in_alphabetical_order() -> None:
    assert len(APPLE) == 52
    assert list(ARKIT) == sorted(APPLE)


def test_mirror_is_its_own_undoing_and_swaps_sides() -> None:
    face = rng(0, "mirror").random((5, 52)).astype(np.float32)
    assert (faces.mirror(faces.mirror(face)) == face).all()
    assert faces.mirror(face)[0, INDEX["jawLeft"]] == face[0, INDEX["jawRight"]]
    assert faces.mirror(face)[0, INDEX["jawOpen"]] == face[0, INDEX["jawOpen"]]
    assert ARKIT[faces.MIRROR[INDEX["mouthSmileLeft"]]] == "mouthSmileRight"


def test_vector_takes_both_sides_or_one() -> None:
    both = faces.vector({"mouthSmile": 0.5, "jawOpen": 0.25})
    assert faces.weights(both) == {"jawOpen": 0.25, "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}
    assert faces.weights(faces.vector({"eyeBlinkLeft": 1.0})) == {"eyeBlinkLeft": 1.0}


def test_vector_refuses_nonsense() -> None:
    with pytest.raises(ChoiceError, match="blendshape must be"):
        faces.vector({"earWiggle": 0.5})
    with pytest.raises(ChoiceError, match="0 to 1"):
        faces.vector({"jawOpen": 1.5})


def test_action_units_come_back_from_their_shapes() -> None:
    for unit in BASIS:
        face = faces.from_action_units({unit: 0.6})
        back = faces.to_action_units(face)
        assert back.keys() == {unit}
        assert back[unit] == pytest.approx(0.6, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(BASIS), st.floats(0.05, 0.3), min_size=1, max_size=9))
def test_any_few_action_units_come_back(units: dict[str, float]) -> None:
    face = faces.from_action_units(units)
    if face.max() < 1:  # a weight that was cut cannot be undone
        assert faces.to_action_units(face) == pytest.approx(units, abs=1e-4)


def test_basis_is_independent_and_the_rest_is_made_of_it() -> None:
    assert np.linalg.matrix_rank(BASIS_SHAPES) == len(BASIS)
    assert np.linalg.cond(BASIS_SHAPES) < 20
    parted = faces.to_action_units(faces.from_action_units({"27": 1.0}))
    assert parted["26"] == pytest.approx(1.0, abs=1e-5)
    assert not faces.MADE_OF_OTHERS & parted.keys()


def test_sides_of_a_unit_add_up_to_the_whole() -> None:
    for unit in ("6", "9", "12", "25", "30L"):
        halves = {unit: 0.5} if unit[-1] == "L" else {unit + "L": 0.5, unit + "R": 0.5}
        assert faces.from_action_units(halves) == pytest.approx(
            faces.from_action_units({unit: 0.5}), abs=1e-6
        )


def test_left_units_move_the_left_only() -> None:
    face = faces.from_action_units({"12L": 1.0, "6L": 1.0, "4L": 1.0, "61": 0.0})
    assert not face[faces.SIDE < 0].any()
    assert face[INDEX["mouthSmileLeft"]] == 1


def test_action_units_refuse_nonsense() -> None:
    with pytest.raises(ChoiceError, match="action unit must be one of '1'"):
        faces.from_action_units({"99": 0.5})
    with pytest.raises(ChoiceError, match="intensity of AU 12"):
        faces.from_action_units({"12": 1.2})


# EMFACS prototypes: units that must be there, Friesen and Ekman 1983; Matsumoto and Ekman 2008.
PROTOTYPES = {
    "happy": ("6", "12"),
    "sad": ("1", "4", "15"),
    "surprised": ("1", "2", "5", "26"),
    "fearful": ("1", "2", "4", "5", "20"),
    "angry": ("4", "5", "7", "23"),
    "disgust": ("9", "10"),
}


@pytest.mark.parametrize(("name", "units"), PROTOTYPES.items())
def test_basic_expressions_show_their_action_units(name: str, units: tuple[str, ...]) -> None:
    found = faces.to_action_units(faces.named(name))
    for unit in units:
        halves = [unit] if unit in BASIS else [unit + "L", unit + "R"]
        assert all(found.get(half, 0) > 0.15 for half in halves), (name, unit, found)


def test_contempt_and_winks_are_one_sided() -> None:
    contempt = faces.to_action_units(faces.named("contempt"))
    assert contempt["14R"] > 0.5
    assert "14L" not in contempt
    wink = faces.named("wink left")
    assert wink[INDEX["eyeBlinkLeft"]] == 1
    assert wink[INDEX["eyeBlinkRight"]] < 0.2
    assert faces.named("wink right") == pytest.approx(faces.mirror(wink))


def test_there_are_many_expressions_and_all_are_possible() -> None:
    assert len(EXPRESSIONS) >= 24
    assert not EXPRESSIONS["neutral"]
    assert len({str(dict(face)) for face in EXPRESSIONS.values()}) == len(EXPRESSIONS)
    for name in EXPRESSIONS:
        face = faces.named(name)
        assert face.min() >= 0
        assert face.max() <= 1
        assert face[INDEX["mouthClose"]] <= face[INDEX["jawOpen"]]
    assert set(faces.CATEGORY) <= set(EXPRESSIONS)
    assert len(set(faces.CATEGORY.values())) == 8


def test_strength_scales_a_named_expression() -> None:
    assert faces.named("rage", 0.5) == pytest.approx(faces.named("rage") / 2)
    with pytest.raises(ChoiceError, match="expression must be one of"):
        faces.named("hungry")
    with pytest.raises(ChoiceError, match="strength"):
        faces.named("rage", 1.1)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 100_000), st.floats(0, 1))
def test_samples_are_possible_faces(seed: int, strength: float) -> None:
    face = faces.sample_expression(rng(seed), strength)
    assert face.dtype == np.float32
    assert face.shape == (52,)
    assert face.min() >= 0
    assert face.max() <= 1
    assert face[INDEX["mouthClose"]] <= face[INDEX["jawOpen"]]
    for a, b in faces._RIVALS:
        assert min(face[INDEX[a]], face[INDEX[b]]) <= 0.26
    if face[INDEX["tongueOut"]] > 0.05:
        assert face[INDEX["jawOpen"]] >= 0.25


def test_samples_differ_and_strength_matters() -> None:
    draws = np.array([faces.sample_expression(rng(i)) for i in range(300)])
    weak = np.array([faces.sample_expression(rng(i), 0.3) for i in range(300)])
    assert not faces.sample_expression(rng(0), 0.0).any()
    assert len(np.unique(draws, axis=0)) == 300
    assert weak.sum() < 0.5 * draws.sum()
    used = draws.max(axis=0) > 0.2
    assert used.sum() >= 40, [n for n, u in zip(ARKIT, used, strict=True) if not u]
    # neither side is favoured
    left, right = draws[:, faces.SIDE > 0].sum(), draws[:, faces.SIDE < 0].sum()
    assert left == pytest.approx(right, rel=0.1)
    with pytest.raises(ChoiceError, match="strength"):
        faces.sample_expression(rng(0), 2.0)


def test_samples_are_the_same_in_every_process() -> None:
    code = (
        "from fusiform.core.seeds import rng\n"
        "from fusiform.lab.world.expressions import sample_expression\n"
        "print(sample_expression(rng(7, 'x')).tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == faces.sample_expression(rng(7, "x")).tobytes().hex()


def test_uneven_favours_a_side_and_join_stays_below_one() -> None:
    smile = faces.vector({"mouthSmile": 0.6, "jawOpen": 0.4})
    left = faces.uneven(smile, 0.5)
    assert left[INDEX["mouthSmileLeft"]] == pytest.approx(0.9)
    assert left[INDEX["mouthSmileRight"]] == pytest.approx(0.3)
    assert left[INDEX["jawOpen"]] == pytest.approx(0.4)
    assert faces.join(smile, smile).max() < 1
    assert faces.join(smile, 0 * smile) == pytest.approx(smile)


@settings(max_examples=60, deadline=None)
@given(*[st.floats(-25, 25)] * 4, st.floats(-20, 20))
def test_gaze_in_the_head_is_the_rotated_direction(
    yaw: float, pitch: float, turn: float, nod: float, roll: float
) -> None:
    """Ry Rx Rz of SciPy, in the convention of the head pose."""
    out = faces.in_head(np.array([[yaw, pitch]]), np.array([[turn, nod, roll]]))[0]
    aim = Rotation.from_euler("YX", [yaw, pitch], degrees=True).apply([0, 0, 1])
    head = Rotation.from_euler("YXZ", [turn, nod, roll], degrees=True)
    again = head.apply(Rotation.from_euler("YX", out, degrees=True).apply([0, 0, 1]))
    assert again == pytest.approx(aim, abs=1e-9)


def test_lids_follow_the_gaze_and_close_in_a_blink() -> None:
    gaze = np.array([[0, 0], [0, 20], [0, -20], [20, 0], [-20, 0], [0, 20]], float)
    face = faces.follow(gaze, np.array([0, 0, 0, 0, 0, 1.0]))
    rest, down, up, left, right, blink = face
    assert not rest.any()
    assert 0.1 < down[INDEX["eyeBlinkLeft"]] < 0.4
    assert down[INDEX["eyeLookDownRight"]] > 0.6
    assert up[INDEX["eyeWideLeft"]] > 0.15
    assert up[INDEX["eyeBlinkLeft"]] == 0
    assert left[INDEX["eyeLookOutLeft"]] > 0.6 < left[INDEX["eyeLookInRight"]]
    assert right == pytest.approx(faces.mirror(left))
    assert blink[INDEX["eyeBlinkLeft"]] == blink[INDEX["eyeBlinkRight"]] == 1


def test_gaze_of_undoes_the_look_shapes() -> None:
    gaze = np.array([[15.0, 10.0], [-12.0, -20.0]])
    assert faces.gaze_of(faces.follow(gaze, np.zeros(2))) == pytest.approx(gaze, abs=1.0)
