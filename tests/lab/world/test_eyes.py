from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.posing import eye_turn
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world import iris
from fusiform.lab.world.eyes import (
    BULGE,
    RADIUS,
    eye_mesh,
    eye_surfaces,
    eyeball,
    lid_gaps,
    lid_openness,
    shaded,
    waterline,
)
from fusiform.lab.world.iris import EDGE, LIMBUS_UV, PUPIL_UV, Eyes, iris_texture, sample_eyes
from fusiform.lab.world.traits import Traits

STILL = np.eye(4, dtype=np.float32)[:3]


def test_eyeball_is_a_ball_with_a_small_cornea():
    mesh = eye_mesh(0.0117, 0.0035)
    far = np.linalg.norm(mesh.vertices, axis=1)
    assert far.min() >= RADIUS - 1e-6
    assert far.max() == pytest.approx(RADIUS + BULGE, abs=1e-6)
    assert np.argmax(far) == np.argmax(mesh.vertices[:, 2])


def test_eye_faces_outward_with_unit_normals_and_few_triangles():
    mesh = eye_mesh(0.0117, 0.0035)
    a, b, c = (mesh.vertices[mesh.triangles[:, k]].astype(np.float64) for k in range(3))
    n = np.cross(b - a, c - a)
    assert ((n * (a + b + c)).sum(1) > 0).all()
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)
    assert len(mesh.triangles) < 1700


@pytest.mark.parametrize("pupil", [0.002, 0.004, 0.006])
@pytest.mark.parametrize("diameter", [0.011, 0.0125])
def test_pupil_and_limbus_lie_where_the_texture_has_them(diameter, pupil):
    mesh = eye_mesh(diameter, pupil)
    rho = np.hypot(*(mesh.uv - 0.5).T)
    off = np.hypot(mesh.vertices[:, 0], mesh.vertices[:, 1])
    at_limbus = np.abs(rho - LIMBUS_UV) < 1e-5
    at_pupil = np.abs(rho - PUPIL_UV) < 1e-5
    assert np.allclose(off[at_limbus], diameter / 2, rtol=0.01)
    assert np.allclose(off[at_pupil], pupil / 2, rtol=0.03)


def test_texture_is_polar_beyond_the_limbus():
    mesh = eye_mesh(0.0117, 0.0035)
    angle = np.arccos(np.clip(mesh.vertices[:, 2] / np.linalg.norm(mesh.vertices, axis=1), -1, 1))
    rho = np.hypot(*(mesh.uv - 0.5).T)
    white = rho > LIMBUS_UV
    line = np.polyfit(angle[white], rho[white], 1)
    assert np.allclose(np.polyval(line, angle[white]), rho[white], atol=1e-5)
    assert angle.max() == pytest.approx(EDGE, abs=1e-4)
    # u grows to the subject's left, v downward
    assert (np.sign(mesh.uv[:, 0] - 0.5) == np.sign(mesh.vertices[:, 0]))[rho > 0.1].mean() > 0.9


@settings(max_examples=20, deadline=None)
@given(st.floats(-35, 35), st.floats(-25, 25))
def test_the_gaze_ray_leaves_through_the_pupils_middle(yaw, pitch):
    centre = np.array([0.0315, 0.001, 0.002], np.float32)
    turn = eye_turn(yaw, pitch)
    texture = iris_texture(Eyes(), 16, 0)
    surface = eyeball(Eyes(), centre, turn, 0, texture=texture)
    middle = np.hypot(*(surface.uv - 0.5).T) < 1e-6
    ray = surface.vertices[middle][0] - centre
    assert np.allclose(ray / np.linalg.norm(ray), turn @ np.float32([0, 0, 1]), atol=1e-5)
    rim = np.abs(np.hypot(*(surface.uv - 0.5).T) - LIMBUS_UV) < 1e-5
    spread = surface.vertices[rim][:-1].mean(0) - centre
    assert (
        np.degrees(
            np.arccos(np.clip(spread @ ray / np.linalg.norm(spread) / np.linalg.norm(ray), -1, 1))
        )
        < 1.0
    )


@pytest.mark.parametrize("side", [0, 1])
def test_surfaces_are_labelled_and_wet(side):
    surface = eyeball(Eyes(), np.zeros(3), np.eye(3), side, texture=iris_texture(Eyes(), 16, side))
    assert surface.label == (Label.LEFT_EYE, Label.RIGHT_EYE)[side]
    assert surface.material is Material.EYE
    assert (surface.texture.labels == int(surface.label)).all()
    assert np.allclose(np.linalg.norm(surface.tangents, axis=1), 1, atol=1e-5)
    assert np.abs((surface.tangents * surface.normals).sum(1)).max() < 1e-4


@pytest.mark.parametrize("pupil", [0.0, 0.012])
def test_impossible_pupils_are_refused(pupil):
    with pytest.raises(ChoiceError, match="pupil"):
        eyeball(Eyes(), np.zeros(3), np.eye(3), pupil=pupil)


def test_impossible_eyes_are_refused():
    with pytest.raises(ChoiceError, match="melanin"):
        Eyes(melanin=(0.1, 1.2))
    with pytest.raises(ChoiceError, match="diameter"):
        Eyes(diameter=0.02)
    with pytest.raises(ChoiceError, match="texel"):
        iris_texture(Eyes(), 8)


def test_texture_has_a_dark_pupil_a_ring_and_a_light_sclera():
    channels = iris_texture(Eyes(melanin=(0.3, 0.3), ring=1.0, arcus=0.0), 128).channels
    grey = channels[..., :3].mean(-1)
    axis = (np.arange(128) + 0.5) / 128 - 0.5
    rho = np.hypot(*np.meshgrid(axis, axis))

    def mean(low, high):
        return grey[(rho > low) & (rho < high)].mean()

    assert mean(0, 0.04) < 0.01
    assert mean(0.1, 0.15) > 2 * mean(0.185, 0.2)
    assert mean(0.25, 0.35) > 0.35
    assert mean(0.25, 0.35) > 1.5 * mean(0.1, 0.17)
    assert channels.shape == (128, 128, 8)
    assert channels.dtype == np.float32
    assert channels[..., :3].min() > 0
    assert channels[..., :3].max() < 1


def test_darker_irises_have_more_melanin():
    axis = (np.arange(64) + 0.5) / 64 - 0.5
    rho = np.hypot(*np.meshgrid(axis, axis))
    body = (rho > 0.11) & (rho < 0.17)
    light = [
        iris_texture(Eyes(melanin=(m, m), flecks=0), 64).channels[body][:, :3].mean()
        for m in (0.0, 0.5, 0.8, 1.0)
    ]
    assert light == sorted(light, reverse=True)


def test_eyes_of_two_colours_differ_and_are_labelled():
    eyes = Eyes(melanin=(0.05, 0.9))
    left, right = iris_texture(eyes, 32, 0), iris_texture(eyes, 32, 1)
    assert np.abs(left.channels - right.channels).max() > 0.05


def test_textures_repeat_byte_for_byte():
    eyes = Eyes(seed=7)
    first = iris_texture(eyes, 48).channels.tobytes()
    iris_texture.cache_clear()
    assert iris_texture(eyes, 48).channels.tobytes() == first
    assert iris_texture(Eyes(seed=8), 48).channels.tobytes() != first


def test_sampling_is_sane_and_repeats():
    people = [sample_eyes(rng(3, i), Traits((0, 0, 1), 0.5, 30)) for i in range(200)]
    light = np.mean([e.melanin[0] < 0.5 for e in people])
    assert 0.25 < light < 0.75
    dark = [sample_eyes(rng(3, i), Traits((1, 0, 0), 0.5, 30)) for i in range(100)]
    assert min(e.melanin[0] for e in dark) > 0.5
    assert np.mean([e.diameter for e in people]) == pytest.approx(0.0117, abs=0.0001)
    assert people[5] == sample_eyes(rng(3, 5), Traits((0, 0, 1), 0.5, 30))
    for one in people:
        for field in fields(Eyes):
            if field.name not in ("melanin", "seed", "diameter", "hue"):
                assert 0 <= getattr(one, field.name) <= 1


def test_age_brings_arcus_and_yellow():
    young = [sample_eyes(rng(1, i), Traits((0, 0, 1), 0.5, 20)) for i in range(60)]
    old = [sample_eyes(rng(1, i), Traits((0, 0, 1), 0.5, 85)) for i in range(60)]
    assert max(e.arcus for e in young) == 0
    assert np.mean([e.arcus for e in old]) > 0.15
    assert np.mean([e.yellow for e in old]) > np.mean([e.yellow for e in young]) + 0.2


def test_heterochromia_is_rare():
    people = [sample_eyes(rng(9, i), Traits((0, 0, 1), 0.5, 30)) for i in range(1500)]
    assert np.mean([e.melanin[0] != e.melanin[1] for e in people]) < 0.012


def test_cornea_slopes_point_inward_and_end_at_the_limbus():
    rho = np.linspace(0, 0.49, 50)
    slope = iris.corneal_slope(rho)
    assert slope[0] == 0
    assert (slope <= 0).all()
    assert slope[(rho > 0.1) & (rho < 0.18)].max() < -0.2
    assert np.allclose(slope[rho > 1.29 * LIMBUS_UV], 0)


def almond(count=40):
    t = 2 * np.pi * np.arange(count) / count
    rim = np.stack([0.013 * np.cos(t), 0.004 * np.sin(t), 0 * t], 1)
    rim[:, 2] = np.sqrt(0.0125**2 - np.minimum(rim[:, 0] ** 2 + rim[:, 1] ** 2, 0.0124**2))
    return rim


def test_gaps_to_the_lids_are_measured_from_the_front():
    points = np.array([[0, 0, 0.012], [0, 0.003, 0.0116], [0, 0.006, 0.0104], [0, 0, -0.012]])
    below, above, inside = lid_gaps(points, almond(), np.zeros(3), np.array([1.0, 0, 0]))
    assert below[:3] == pytest.approx([0.004, 0.001, -0.002], abs=3e-4)
    assert above[0] == pytest.approx(0.004, abs=3e-4)
    assert inside[0] == pytest.approx(0.013, abs=3e-4)
    assert below[3] < 0


def test_lids_shade_the_eye_most_from_above():
    surface = eyeball(
        Eyes(), np.zeros(3), np.eye(3), 0, rim=almond(), texture=iris_texture(Eyes(), 16)
    )
    y, z = surface.vertices[:, 1], surface.vertices[:, 2]
    seen = (np.abs(surface.vertices[:, 0]) < 0.003) & (z > 0)
    under_upper = surface.openness[seen & (y > 0.0025) & (y < 0.004)].mean()
    over_lower = surface.openness[seen & (y < -0.0025) & (y > -0.004)].mean()
    middle = surface.openness[seen & (np.abs(y) < 0.001)].mean()
    assert under_upper < over_lower < middle + 0.05
    assert surface.openness[z < 0].max() < 0.2


def test_waterline_joins_rim_and_ball():
    rim = almond()
    edge = waterline(rim, np.zeros(3), np.array([-1.0, 0, 0]), 0)
    rows = edge.vertices.reshape(4, -1, 3)
    assert np.allclose(rows[0, :-1], rim, atol=1e-7)
    assert np.linalg.norm(rows[2], axis=-1).max() < RADIUS + 0.0003
    assert edge.label == Label.LEFT_EYE
    assert len(edge.triangles) < 400


def test_both_eyes_of_a_head(head):
    made = eye_surfaces(Eyes(), head, head.mean, head.eye_centres, STILL, size=32)
    assert [s.label for s in made] == [Label.LEFT_EYE] * 2 + [Label.RIGHT_EYE] * 2
    left, right = made[0], made[2]
    assert left.vertices[:, 0].mean() > 0 > right.vertices[:, 0].mean()
    for surface in made:
        assert np.isfinite(surface.vertices).all()
        assert 0 <= surface.openness.min() <= surface.openness.max() <= 1
    again = eye_surfaces(Eyes(), head, head.mean, head.eye_centres, STILL, size=32)
    assert again[0].openness.tobytes() == left.openness.tobytes()


def test_eyes_of_other_sizes_are_that_much_larger():
    one, two = (eye_mesh(0.0117, 0.0035, r, 0.0) for r in (0.012, 0.013))
    assert np.linalg.norm(one.vertices, axis=1) == pytest.approx(0.012, rel=1e-5)
    assert np.linalg.norm(two.vertices, axis=1) == pytest.approx(0.013, rel=1e-5)


def test_an_eyeball_is_its_mesh_turned_and_placed():
    centre, turn = np.array([0.03, 0.01, -0.02]), eye_turn(15, -8)
    texture = iris_texture(Eyes(), 16)
    still = eyeball(Eyes(), np.zeros(3), np.eye(3), texture=texture)
    moved = eyeball(Eyes(), centre, turn, texture=texture)
    assert np.allclose(moved.vertices, still.vertices @ turn.T + centre, atol=1e-7)
    assert np.allclose(moved.normals, still.normals @ turn.T, atol=1e-6)
    assert np.allclose(moved.tangents, still.tangents @ turn.T, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02))
def test_gaps_are_mirror_images(x, y):
    points = np.array([[x, y, 0.011], [-x, y, 0.011]])
    below, above, inside = lid_gaps(points, almond(), np.zeros(3), np.array([1.0, 0, 0]))
    for gap in (below, above, inside):
        assert gap[0] == pytest.approx(gap[1], abs=2e-4)
    assert (
        below[0] + above[0] == pytest.approx(np.interp(abs(x), *lid_heights()), abs=5e-4)
        or abs(x) > 0.0125
    )


def lid_heights():
    """Opening between the lids of `almond` over the distance from its middle."""
    rim = almond()
    upper, lower = rim[rim[:, 1] >= -1e-9], rim[rim[:, 1] <= 1e-9]
    x = np.linspace(0, 0.0125, 40)
    tops, floors = (np.interp(x, *side[np.argsort(side[:, 0]), :2].T) for side in (upper, lower))
    return x, tops - floors


def test_the_middle_of_the_eye_sees_most():
    points = np.array([[0, 0, 0.012], [0, 0.0035, 0.0115], [0, 0.02, 0.0], [0, 0, -0.012]])
    share = lid_openness(points, almond(), np.zeros(3), np.array([1.0, 0, 0]))
    assert share[0] > share[1] > share[2]
    assert share[2] == share[3] == pytest.approx(0.12)
    assert share.dtype == np.float32


def test_shade_dims_lamps_less_than_the_sky():
    openness = np.linspace(0, 1, 11).astype(np.float32)
    lit = shaded(openness)
    assert lit[0] == pytest.approx(0.3)
    assert lit[-1] == pytest.approx(1.0)
    assert (np.diff(lit) > 0).all()
    assert (lit >= openness).all()


def test_waterlines_lie_between_lid_and_ball():
    rim = almond()
    for side, nasal in ((0, -1.0), (1, 1.0)):
        edge = waterline(rim, np.zeros(3), np.array([nasal, 0, 0]), side)
        far = np.linalg.norm(edge.vertices.reshape(4, -1, 3), axis=-1)
        assert (far[3] < RADIUS + 1e-4).all()  # its last row is sunk in the ball
        assert np.allclose(np.linalg.norm(edge.normals, axis=1), 1, atol=1e-5)
        assert (edge.normals * edge.vertices).sum() > 0
        # the caruncle is red
        red = edge.tint[:, 0] / edge.tint[:, 1:].mean(1)
        towards = nasal * edge.vertices[:, 0]
        assert red[towards > 0.009].mean() > red[towards < -0.009].mean()


def test_everybodys_eyes_look_where_they_are_told(head, people):
    gaze = np.array([[10.0, -5.0], [-12.0, 8.0]])
    for rest in people[:3]:
        made = eye_surfaces(Eyes(), head, rest, head.eye_centres, STILL, gaze, size=16)
        for side in (0, 1):
            ball = made[2 * side]
            pupil = np.hypot(*(ball.uv - 0.5).T) < 1e-6
            ray = ball.vertices[pupil][0] - head.eye_centres[side]
            want = eye_turn(*gaze[side]) @ [0, 0, 1]
            assert ray @ want / np.linalg.norm(ray) > 0.99999


def test_eyes_of_a_symmetric_head_are_mirror_images(head):
    left, wet, right, other = eye_surfaces(
        Eyes(), head, head.mean, head.eye_centres, STILL, size=16
    )
    assert left.openness.mean() == pytest.approx(right.openness.mean(), abs=0.01)
    assert wet.vertices.mean(0) * [-1, 1, 1] == pytest.approx(other.vertices.mean(0), abs=5e-4)


def test_closed_lids_leave_nothing_to_see():
    shut = almond() * [1, 0.02, 1]
    texture = iris_texture(Eyes(), 16)
    surface = eyeball(Eyes(), np.zeros(3), np.eye(3), rim=shut, texture=texture)
    assert surface.openness.max() < 0.3
    assert np.mean(surface.openness > 0.13) < 0.02
