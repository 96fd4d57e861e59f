"""Posing: rotations against SciPy, skinning against the slow way, lids and lips on many people."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fusiform.lab.geometry.head import JOINTS, Head, load_head
from fusiform.lab.geometry.making.trials import (
    draw_people,
    gaps,
    lid_clearance,
    weights,
)
from fusiform.lab.geometry.posing import (
    LID_THICKNESS,
    TURN_SHARE,
    Pose,
    Rest,
    about,
    express,
    eye_turn,
    gap,
    joint_transforms,
    moved,
    pose,
    rest,
    rotation,
    rotation_vector,
)

BOTH = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
angles = st.floats(-2.5, 2.5, allow_nan=False)
vectors = st.tuples(angles, angles, angles).map(np.array)


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


@pytest.fixture(scope="module")
def people(head: Head) -> list[Rest]:
    return [rest(head, row) for row in draw_people(head, 5, 60)[0]]


def turned(degrees: tuple[float, float, float]) -> np.ndarray:
    return Rotation.from_euler("YXZ", degrees, degrees=True).as_matrix().astype(np.float32)


@given(vectors)
def test_rotation_is_scipys(vector: np.ndarray) -> None:
    assert np.abs(rotation(vector) - Rotation.from_rotvec(vector).as_matrix()).max() < 1e-9


@given(vectors)
def test_rotation_vector_undoes_rotation(vector: np.ndarray) -> None:
    angle = np.linalg.norm(vector)
    if angle > 3:
        vector = vector * 3 / angle
    assert np.abs(rotation_vector(rotation(vector)) - vector).max() < 1e-7


@given(st.floats(-60, 60), st.floats(-40, 40))
def test_eye_turn_looks_where_it_says(yaw: float, pitch: float) -> None:
    x, y, z = eye_turn(yaw, pitch) @ [0, 0, 1]
    assert np.degrees(np.arctan2(x, z)) == pytest.approx(yaw, abs=1e-6)
    assert np.degrees(np.arcsin(-y)) == pytest.approx(pitch, abs=1e-6)


@given(vectors, vectors)
def test_about_leaves_the_centre(vector: np.ndarray, centre: np.ndarray) -> None:
    placed = about(rotation(vector), centre)
    assert np.abs(placed @ [*centre, 1] - [*centre, 1]).max() < 1e-9
    assert np.abs(placed[:3, :3] @ placed[:3, :3].T - np.eye(3)).max() < 1e-9


def test_rest_is_the_mean_without_coefficients(head: Head) -> None:
    person = rest(head, np.zeros(0, np.float32))
    assert np.abs(person.vertices - head.mean).max() < 1e-5
    assert np.abs(person.eyes - head.eye_centres).max() < 1e-6


def test_eyes_are_seated_behind_the_lids(head: Head, people: list[Rest]) -> None:
    for person in people:
        for side in range(2):
            rim = person.vertices[head.rims[side]]
            away = np.linalg.norm(rim - person.eyes[side], axis=1)
            middle = np.abs(rim[:, 0] - person.eyes[side, 0]) < 0.005
            assert away[middle].mean() == pytest.approx(head.eye_radius + 0.0011, abs=4e-4)
            assert rim[:, 0].min() < person.eyes[side, 0] < rim[:, 0].max()


def test_without_expression_only_the_lids_are_cleared(head: Head, people: list[Rest]) -> None:
    lids = np.concatenate([head.extra["lids_l"], head.extra["lids_r"]])
    lips = head.seams["lips"].vertices
    others = np.setdiff1d(np.arange(len(head.mean)), np.concatenate([lids, lips]))
    for person in people[:5]:
        skin = express(head, person, weights(head, {}))
        assert np.array_equal(skin[others], person.vertices[others])


def test_expression_is_linear_away_from_seams(head: Head, people: list[Rest]) -> None:
    wanted = weights(head, {"browInnerUp": 0.7, "mouthSmileLeft": 0.4, "jawOpen": 0.2})
    near = [one.vertices for one in head.seams.values()]
    near += [head.extra["lids_l"], head.extra["lids_r"]]
    far = np.setdiff1d(np.arange(len(head.mean)), np.concatenate(near))
    by_hand = sum(w * head.expressions[i][far].astype(np.float64) for i, w in enumerate(wanted))
    now = express(head, people[0], wanted)[far] - people[0].vertices[far]
    assert np.abs(now - by_hand).max() < 1e-6


def test_blink_shuts_every_eye(head: Head, people: list[Rest]) -> None:
    """Gaps between -0.3 and 0.2 mm at the stations of 99 % of heads."""
    found = np.stack(
        [
            gaps(head, express(head, one, weights(head, BOTH)), ("left_lids", "right_lids"))
            for one in people
        ]
    )
    shut = ((found > -0.3) & (found < 0.2)).all(axis=1)
    assert shut.mean() > 0.96, np.percentile(found, [0, 1, 99, 100])
    assert np.median(np.abs(found)) < 0.05


def test_half_a_blink_halves_the_gap(head: Head, people: list[Rest]) -> None:
    half = dict.fromkeys(BOTH, 0.5)
    for person in people[:10]:
        open_ = gap(head.seams["left_lids"], person.vertices)
        now = gap(head.seams["left_lids"], express(head, person, weights(head, half)))
        middle = slice(len(open_) // 4, -len(open_) // 4)
        assert np.abs(now[middle, 1] - 0.5 * open_[middle, 1]).max() < 3e-4


def test_one_eye_winks_alone(head: Head, people: list[Rest]) -> None:
    skin = express(head, people[0], weights(head, {"eyeBlinkLeft": 1.0}))
    quiet = express(head, people[0], weights(head, {}))
    right = head.mean[:, 0] < -0.01
    assert np.abs(skin - quiet)[right].max() < 1e-3
    assert np.abs(gaps(head, skin, ("left_lids",))).mean() < 0.1
    assert gaps(head, skin, ("right_lids",)).mean() > 2


def test_lips_touch_at_rest(head: Head, people: list[Rest]) -> None:
    """However a shape has moved them, and what is done for it stays near the mouth."""
    assert np.abs(gaps(head, head.mean, ("lips",))).max() < 0.05
    for row in draw_people(head, 8, 20)[0]:
        raw, person = head.shape(row), rest(head, row)
        assert np.abs(gaps(head, raw, ("lips",))).max() > 0.1
        assert np.abs(gaps(head, person.vertices, ("lips",))).max() < 0.05
        others = np.setdiff1d(np.arange(len(raw)), head.seams["lips"].vertices)
        assert np.array_equal(raw[others], person.vertices[others])
        assert np.abs(raw - person.vertices).max() < 0.006


def test_lips_meet_where_the_mouth_closes(head: Head, people: list[Rest]) -> None:
    sealed = weights(head, {"jawOpen": 0.5, "mouthClose": 0.5})
    apart = weights(head, {"jawOpen": 0.5})
    for person in people[:20]:
        assert np.abs(gaps(head, express(head, person, sealed), ("lips",))).max() < 0.05
        assert gaps(head, express(head, person, apart), ("lips",)).max() > 3


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_lips_never_cross(seed: int) -> None:
    head = load_head()
    rng = np.random.default_rng(seed)
    person = rest(head, rng.normal(size=len(head.shape.rows)).astype(np.float32))
    wanted = np.where(rng.random(52) < 0.15, rng.random(52), 0).astype(np.float32)
    assert gaps(head, express(head, person, wanted), ("lips",)).min() > -0.05


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_nothing_of_the_lids_is_inside_the_eyeball(seed: int) -> None:
    head = load_head()
    rng = np.random.default_rng(seed)
    person = rest(head, rng.normal(size=len(head.shape.rows)).astype(np.float32))
    wanted = np.where(rng.random(52) < 0.3, rng.random(52), 0).astype(np.float32)
    for expression in (wanted, weights(head, BOTH)):
        clear = lid_clearance(head, person, express(head, person, expression))
        assert clear > LID_THICKNESS * 1e3 - 1e-3


def test_turning_is_shared_by_the_neck(head: Head, people: list[Rest]) -> None:
    assert sum(TURN_SHARE.values()) == pytest.approx(1)
    whole = turned((35.0, -12.0, 8.0))
    state = Pose(weights(head, {}), whole)
    transforms = joint_transforms(people[0], state)
    assert np.abs(transforms[JOINTS.index("skull")][:, :3] - whole).max() < 1e-6
    assert np.array_equal(transforms[0], np.eye(4, dtype=np.float32)[:3])
    one = Rotation.from_matrix(whole).as_rotvec() * TURN_SHARE["neck_low"]
    low = Rotation.from_rotvec(one).as_matrix()
    assert np.abs(transforms[JOINTS.index("neck_low")][:, :3] - low).max() < 1e-6
    # the lowest joint stays where it is
    joint = people[0].joints[1]
    assert np.abs(moved(transforms[1], joint[None]) - joint).max() < 1e-6


def test_pose_is_linear_blend_skinning(head: Head, people: list[Rest]) -> None:
    person = people[1]
    state = Pose(
        weights(head, {"mouthSmileLeft": 0.5}),
        turned((20.0, 10.0, -5.0)),
        jaw=np.float32([0.1, 0.02, 0]),
        torso=turned((3.0, 2.0, 1.0)),
    )
    local = express(head, person, state.expression).astype(np.float64)
    transforms = joint_transforms(person, state).astype(np.float64)
    by_hand = np.zeros_like(local)
    for joint in range(len(JOINTS)):
        placed = local @ transforms[joint][:, :3].T + transforms[joint][:, 3]
        by_hand += head.skinning[:, [joint]] * placed
    assert np.abs(pose(head, person, state).vertices - by_hand).max() < 1e-6


def test_eyes_go_with_the_skull_and_the_gaze(head: Head, people: list[Rest]) -> None:
    gaze = np.float32([[10, -5], [-15, 8]])
    posed = pose(head, people[2], Pose(weights(head, {}), turned((40.0, 0.0, 0.0)), gaze))
    assert np.abs(moved(posed.skull, people[2].eyes) - posed.eyes).max() < 1e-6
    for side in range(2):
        local = posed.skull[:, :3].T @ posed.eye_turns[side] @ [0, 0, 1]
        assert np.degrees(np.arctan2(local[0], local[2])) == pytest.approx(gaze[side, 0], abs=1e-3)


def test_jaw_bone_carries_teeth(head: Head, people: list[Rest]) -> None:
    """The bone turns about its joint by what the expression and the pose say, then as the skull."""
    person = people[3]
    extra = np.float32([0.05, 0.0, 0.02])
    whole = turned((0.0, 20.0, 0.0))
    posed = pose(head, person, Pose(weights(head, {"jawOpen": 0.6}), whole, jaw=extra))
    opening = 0.6 * head.jaw_turn[head.expression_names.index("jawOpen")] + extra
    wanted = whole @ Rotation.from_rotvec(opening).as_matrix()
    assert np.abs(posed.jaw[:, :3] - wanted).max() < 1e-5
    joint = person.joints[JOINTS.index("jaw")]
    both = moved(posed.jaw, joint[None]) - moved(posed.skull, joint[None])
    assert np.abs(both).max() < 1e-6
    teeth = np.float32([[0, -0.06, 0.03]])
    shut = pose(head, person, Pose(weights(head, {}), whole))
    assert np.abs(shut.jaw - shut.skull).max() < 1e-6
    down = moved(posed.jaw, teeth) - moved(shut.jaw, teeth)
    assert (whole.T @ down[0])[1] < -0.005


def test_torso_turns_everything_alike(head: Head, people: list[Rest]) -> None:
    lean = turned((5.0, 10.0, -4.0))
    plain = pose(head, people[4], Pose(weights(head, {})))
    leant = pose(head, people[4], Pose(weights(head, {}), torso=lean))
    centre = people[4].joints[1]
    by_hand = (plain.vertices - centre) @ lean.T + centre
    assert np.abs(leant.vertices - by_hand).max() < 1e-6
    assert np.abs((plain.eyes - centre) @ lean.T + centre - leant.eyes).max() < 1e-6


def test_openness_follows_the_expression(head: Head, people: list[Rest]) -> None:
    shut = pose(head, people[0], Pose(weights(head, {})))
    wide = pose(head, people[0], Pose(weights(head, {"jawOpen": 1.0})))
    inside = head.region == 4
    mouth = np.unique(head.triangles[inside])
    assert wide.openness[mouth].mean() > shut.openness[mouth].mean()
    assert wide.openness.min() >= 0.02
    assert wide.openness.max() <= 1


def test_posing_changes_no_argument(head: Head, people: list[Rest]) -> None:
    before = people[0].vertices.copy()
    wanted = weights(head, {**BOTH, "jawOpen": 0.4, "mouthClose": 0.4})
    kept = wanted.copy()
    first = pose(head, people[0], Pose(wanted)).vertices
    second = pose(head, people[0], Pose(wanted)).vertices
    assert np.array_equal(people[0].vertices, before)
    assert np.array_equal(wanted, kept)
    assert np.array_equal(first, second)
