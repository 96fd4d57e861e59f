from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.mouth import (
    LOWER,
    UPPER,
    FittedMouth,
    Mouth,
    arch,
    crown,
    fit_mouth,
    gum,
    mouth_surfaces,
    row_of_teeth,
    sample_mouth,
    tongue_mesh,
)
from fusiform.lab.world.traits import Traits
from fusiform.lab.world.wear_fit import reach

STILL = np.eye(4, dtype=np.float32)[:3]
LIPS = ("face", "upper_lip", "lower_lip", "nose", "neck")


def opened(degrees):
    a = np.deg2rad(degrees)
    c, s = np.cos(a), np.sin(a)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    pivot = np.array([0, -0.03, -0.06])
    return np.concatenate([turn, (pivot - turn @ pivot)[:, None]], 1).astype(np.float32)


def test_closed_lips_hide_everything(head, people):
    for rest in people:
        for mouth in (Mouth(), Mouth(size=1.1, crowding=1.0, seed=3)):
            for surface in mouth_surfaces(mouth, head, rest, STILL, STILL):
                points = surface.vertices[::7]
                skin = reach(head, rest, points, np.array([0, 0, 1.0]), LIPS)
                met = skin > 0  # a ray may slip through the line between the lips
                assert met.mean() > 0.93, surface.part
                assert met.all() or np.ptp(points[~met, 1]) < 0.003, surface.part
                assert skin[met].min() > 0.0003, surface.part


def test_labels_materials_and_counts(head):
    made = mouth_surfaces(Mouth(), head, head.mean, STILL, STILL)
    assert [s.part for s in made] == ["upper teeth", "lower teeth", "tongue"]
    for surface in made:
        assert surface.label is Label.MOUTH
        assert surface.material is Material.MOUTH
        assert np.allclose(np.linalg.norm(surface.normals, axis=1), 1, atol=1e-4)
    assert sum(len(s.triangles) for s in made) < 6500


def test_upper_teeth_follow_the_skull_and_lower_ones_the_jaw(head):
    shut = mouth_surfaces(Mouth(), head, head.mean, STILL, STILL)
    wide = mouth_surfaces(Mouth(), head, head.mean, STILL, opened(18))
    assert np.array_equal(shut[0].vertices, wide[0].vertices)
    assert wide[1].vertices[:, 1].max() < shut[1].vertices[:, 1].max() - 0.004
    move = STILL.copy()
    move[0, 3] = 0.1
    aside = mouth_surfaces(Mouth(), head, head.mean, move, move)
    for a, b in zip(shut, aside, strict=True):
        assert np.allclose(b.vertices - a.vertices, [0.1, 0, 0], atol=1e-6)


def test_the_back_is_darker_and_opening_lets_light_in(head):
    shut = mouth_surfaces(Mouth(), head, head.mean, STILL, STILL)[0]
    wide = mouth_surfaces(Mouth(), head, head.mean, STILL, opened(18))[0]
    smile = mouth_surfaces(Mouth(), head, head.mean, STILL, STILL, lips_apart=0.014)[0]
    z = shut.vertices[:, 2]
    assert (
        shut.openness[z > np.quantile(z, 0.9)].mean() > 2 * shut.openness[z < np.median(z)].mean()
    )
    assert wide.openness.mean() > 1.2 * shut.openness.mean()
    assert smile.openness.mean() > 1.2 * shut.openness.mean()


def test_the_tongue_comes_out_and_up(head):
    fitted = fit_mouth(Mouth(), head, head.mean)
    rest, out = tongue_mesh(fitted, 0, 0, 0)[0], tongue_mesh(fitted, 1, 0, 0)[0]
    up = tongue_mesh(fitted, 0, 1, 1)[0]
    assert out.vertices[:, 2].max() > rest.vertices[:, 2].max() + 0.03
    assert out.vertices[:, 2].max() > fitted.lips[2] + 0.015
    tip = rest.vertices[:, 2] > np.quantile(rest.vertices[:, 2], 0.9)
    assert up.vertices[tip, 1].mean() > rest.vertices[tip, 1].mean() + 0.006


@pytest.mark.parametrize("upper", [True, False])
def test_there_are_fourteen_teeth_a_row_symmetric_without_crowding(upper):
    sizes = UPPER if upper else LOWER
    mesh, tint, s = row_of_teeth(Mouth(crowding=0.0), sizes, 1.0, upper)
    assert len(s) == 14
    assert np.allclose(s, -s[::-1])
    assert len(mesh.vertices) == len(tint)
    assert len(mesh.vertices) % 14 == 0
    assert np.allclose(np.diff(s)[7:], (sizes[:-1, 0] + sizes[1:, 0]) / 2000)
    centre = mesh.vertices.reshape(14, -1, 3).mean(1)
    assert np.allclose(centre[:, 0], -centre[::-1, 0], atol=2e-3)


def test_missing_tooth_and_gap():
    whole = row_of_teeth(Mouth(), UPPER, 1.0, True)[0]
    lost = row_of_teeth(Mouth(missing=4), UPPER, 1.0, True)[0]
    assert len(lost.vertices) * 14 == len(whole.vertices) * 13
    s0 = row_of_teeth(Mouth(), UPPER, 1.0, True)[2]
    s1 = row_of_teeth(Mouth(gap=0.002), UPPER, 1.0, True)[2]
    assert s1[7] - s1[6] == pytest.approx(s0[7] - s0[6] + 0.002)


def test_arch_lengths_are_arc_lengths():
    s = np.linspace(-0.04, 0.04, 401)
    place, normal = arch(0.03, 0.047, s)
    step = np.linalg.norm(np.diff(place, axis=0), axis=1)
    assert np.allclose(step, s[1] - s[0], rtol=0.02)
    assert np.allclose(np.linalg.norm(normal, axis=1), 1)
    along = np.gradient(place, axis=0)
    assert np.abs((along * normal).sum(1)).max() < 2e-6


def test_crowns_measure_what_was_asked():
    p = crown(0.0085, 0.0105, 0.007, 0.4, 0.0)
    assert np.ptp(p[..., 0]) == pytest.approx(0.0085, rel=0.1)
    assert np.ptp(p[..., 1]) == pytest.approx(0.0105 * 1.06, rel=0.01)
    assert np.ptp(p[..., 2]) == pytest.approx(0.007, rel=0.15)


def test_yellow_teeth_are_yellower(head):
    def yellow(tone):
        tint = row_of_teeth(Mouth(tone=tone), UPPER, 1.0, True)[1]
        return tint[:, 2].mean() / tint[:, 0].mean()

    assert yellow(1.0) < yellow(0.0)


def test_sampling_repeats_and_ages():
    young = [sample_mouth(rng(4, i), Traits((0, 1, 0), 0.5, 20)) for i in range(80)]
    old = [sample_mouth(rng(4, i), Traits((0, 1, 0), 0.5, 80)) for i in range(80)]
    assert young[3] == sample_mouth(rng(4, 3), Traits((0, 1, 0), 0.5, 20))
    assert np.mean([m.tone for m in old]) > np.mean([m.tone for m in young]) + 0.15
    assert max(m.wear for m in young) == 0 < min(m.wear for m in old)


@pytest.mark.parametrize("wrong", [{"size": 2.0}, {"missing": 20}])
def test_impossible_mouths_are_refused(wrong):
    with pytest.raises(ChoiceError, match="Mouth"):
        Mouth(**wrong)


def test_fitting_repeats_byte_for_byte(head):
    one = mouth_surfaces(Mouth(seed=5), head, head.mean, STILL, STILL)[0].vertices.tobytes()
    nudged = head.mean + np.float32(1e-3)
    assert mouth_surfaces(Mouth(seed=5), head, nudged, STILL, STILL)[0].vertices.tobytes() != one
    assert mouth_surfaces(Mouth(seed=5), head, head.mean, STILL, STILL)[0].vertices.tobytes() == one


def test_teeth_measure_what_the_textbook_says():
    """Wheeler's Dental Anatomy: upper central incisors 8.5 wide, canines 7.6, both 10.3 high."""
    mesh, _, s = row_of_teeth(Mouth(crowding=0.0, wear=0.0), UPPER, 1.0, True)
    teeth = mesh.vertices.reshape(14, -1, 3)
    for k in (6, 7):
        assert np.ptp(teeth[k, :, 0]) == pytest.approx(0.0085, rel=0.12)
        assert np.ptp(teeth[k, :, 1]) == pytest.approx(0.0105, rel=0.12)
    assert s[-1] - s[0] == pytest.approx((2 * UPPER[:, 0].sum() - UPPER[-1, 0]) / 1000)
    larger = row_of_teeth(Mouth(crowding=0.0, wear=0.0), UPPER, 1.1, True)[0]
    assert np.ptp(larger.vertices, axis=0) == pytest.approx(
        1.1 * np.ptp(mesh.vertices, axis=0), rel=1e-3
    )


def test_crowding_moves_teeth_and_wear_shortens_them():
    even, wild = (row_of_teeth(Mouth(crowding=c), UPPER, 1.0, True)[0] for c in (0.0, 1.0))
    assert 1e-4 < np.abs(even.vertices - wild.vertices).mean() < 2e-3
    new, old = (
        row_of_teeth(Mouth(crowding=0.0, wear=w), UPPER, 1.0, True)[0].vertices.reshape(14, -1, 3)
        for w in (0.0, 1.0)
    )
    assert np.ptp(old[6, :, 1]) / np.ptp(new[6, :, 1]) == pytest.approx(0.82, abs=0.01)
    assert np.ptp(old[0, :, 1]) == pytest.approx(np.ptp(new[0, :, 1]))


@pytest.mark.parametrize("upper", [True, False])
def test_gums_hold_every_tooth(upper):
    sizes = UPPER if upper else LOWER
    teeth, _, s = row_of_teeth(Mouth(crowding=0.0), sizes, 1.0, upper)
    flesh, tint = gum(Mouth(), sizes, 1.0, upper, s)
    assert len(flesh.vertices) == len(tint)
    for tooth in teeth.vertices.reshape(14, -1, 3):
        root = tooth[tooth[:, 1] > np.quantile(tooth[:, 1], 0.8)]
        apart = np.linalg.norm(root[:, None] - flesh.vertices[None], axis=2).min(1)
        assert apart.min() < 0.003
    incisal = flesh.vertices[:, 1].min()
    assert incisal > 0.003  # crowns are bare


def test_dark_gums_are_darker():
    s = row_of_teeth(Mouth(), UPPER, 1.0, True)[2]
    pale, dark = (gum(Mouth(gums=g), UPPER, 1.0, True, s)[1].mean(0) for g in (0.0, 1.0))
    assert (dark < 0.62 * pale).all()


def test_rows_are_symmetric_and_the_upper_is_the_wider(head):
    fitted = fit_mouth(Mouth(crowding=0.0), head, head.mean)
    for mesh in (fitted.upper, fitted.lower):
        x = mesh.vertices[:, 0]
        assert x.max() + x.min() == pytest.approx(2 * fitted.lips[0], abs=5e-4)
    assert np.ptp(fitted.upper.vertices[:, 0]) > np.ptp(fitted.lower.vertices[:, 0])
    assert fitted.upper.vertices[:, 2].max() > fitted.lower.vertices[:, 2].max()  # an overbite


def test_teeth_are_wound_outward(head):
    fitted = fit_mouth(Mouth(), head, head.mean)
    for mesh in (fitted.upper, fitted.lower):
        a, b, c = (mesh.vertices[mesh.triangles[:, k]].astype(np.float64) for k in range(3))
        facing = (np.cross(b - a, c - a) * mesh.normals[mesh.triangles].mean(1)).sum(1)
        assert (facing > 0).mean() > 0.95


def test_wider_lips_get_larger_teeth(head, people):
    sizes = []
    for rest in people:
        wide = np.ptp(rest[head.lips][:, 0])
        sizes.append((wide, fit_mouth(Mouth(), head, rest).size))
    order = np.array([size for _, size in sorted(sizes)])
    assert (np.diff(order) >= 0).all()
    assert ((order >= 0.85) & (order <= 1.15)).all()


def test_the_tongue_rests_between_the_teeth(head, people):
    for rest in people:
        fitted = fit_mouth(Mouth(), head, rest)
        muscle, tint = tongue_mesh(fitted, 0, 0, 0)
        assert len(muscle.vertices) == len(tint)
        assert np.ptp(muscle.vertices[:, 0]) < np.ptp(fitted.lower.vertices[:, 0])
        assert muscle.vertices[:, 2].max() < fitted.upper.vertices[:, 2].max()
        assert muscle.vertices[:, 0].mean() == pytest.approx(fitted.floor[0], abs=0.002)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 1), st.floats(-1, 1), st.floats(0, 1))
def test_tongues_stay_whole_however_they_move(out, up, tip):
    still = FittedMouth(
        *(None, None, None, None, np.zeros(3), (np.zeros(3), np.zeros(3))),
        *(np.array([0.0, -0.01, -0.01]), 1.0, (None, None)),
    )
    mesh, tint = tongue_mesh(still, out, up, tip)
    assert np.isfinite(mesh.vertices).all()
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-4)
    assert np.ptp(mesh.vertices[:, 0]) == pytest.approx(0.041 * (1 - 0.12 * out), rel=0.03)
    assert 0.03 < np.ptp(mesh.vertices[:, 2]) < 0.12
    assert 0 < tint.min() <= tint.max() < 1
