from __future__ import annotations

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.glasses import (
    OUTLINES,
    RIMS,
    Glasses,
    bar,
    bridge_line,
    ear_of,
    fit_glasses,
    front_z,
    lens_mesh,
    outline,
    rim_mesh,
    sample_glasses,
    seat_of,
)
from fusiform.lab.world.wear_fit import landmarks, reach

FRONT = ("face", "nose", "eyelid_l", "eyelid_r", "brow_l", "brow_r")


@pytest.mark.parametrize("name", OUTLINES)
def test_outlines_are_as_wide_as_asked_and_counter_clockwise(name):
    ring = outline(Glasses(outline=name, width=0.05))
    assert np.ptp(ring[:, 0]) == pytest.approx(0.05, rel=0.12)
    assert 0.5 < np.ptp(ring[:, 1]) / np.ptp(ring[:, 0]) < 1.05
    after = np.roll(ring, -1, 0)
    assert (ring[:, 0] * after[:, 1] - ring[:, 1] * after[:, 0]).sum() > 0


@pytest.mark.parametrize("rim", RIMS)
@pytest.mark.parametrize("metal", [True, False])
def test_pieces_labels_and_counts(head, rim, metal):
    worn = Glasses(rim=rim, metal=metal, thickness=0.0014 if metal else 0.004)
    pieces = fit_glasses(worn, head, head.mean)
    assert [p.part for p in pieces] == ["glasses frame", "left lens", "right lens"]
    assert all(p.label is Label.GLASSES and p.material is Material.GLOSS for p in pieces)
    assert pieces[0].cover == 1
    assert pieces[1].cover == worn.cover < 1
    assert sum(len(p.mesh.triangles) for p in pieces) < 4200
    for p in pieces:
        assert np.allclose(np.linalg.norm(p.mesh.normals, axis=1), 1, atol=1e-4)
        assert np.isfinite(p.mesh.vertices).all()


def test_lenses_are_symmetric_and_before_the_eyes(head, people):
    for rest in people:
        _, left, right = fit_glasses(Glasses(), head, rest)
        assert np.allclose(
            left.mesh.vertices * [-1, 1, 1]
            + [left.mesh.vertices[0, 0] + right.mesh.vertices[0, 0], 0, 0],
            right.mesh.vertices,
            atol=1e-5,
        )
        eye = landmarks(head, rest)[42:48].mean(0)
        low, high = left.mesh.vertices.min(0), left.mesh.vertices.max(0)
        assert low[0] < eye[0] < high[0]
        assert low[1] < eye[1] < high[1]


@pytest.mark.parametrize("name", OUTLINES)
def test_rims_and_lenses_clear_the_skin(head, people, name):
    for rest in people:
        for piece in fit_glasses(Glasses(outline=name, thickness=0.004), head, rest):
            points = piece.mesh.vertices.astype(np.float64)
            ahead = points[points[:, 2] > points[:, 2].max() - 0.012]
            start = ahead - [0, 0, 0.08]
            skin = reach(head, rest, start, np.array([0, 0, 1.0]), FRONT, 0.3)
            gap = np.where(skin > 0, 0.08 - skin, 1.0)
            assert gap.min() > -0.004, piece.part


def test_arms_stay_outside_the_head(head, people):
    for rest in people:
        frame = fit_glasses(Glasses(), head, rest)[0].mesh.vertices.astype(np.float64)
        arm = frame[(frame[:, 0] > 0) & (frame[:, 2] < -0.01)]
        skin = reach(head, rest, arm * [0, 1, 1], np.array([1.0, 0, 0]), ("face", "scalp"))
        assert (arm[:, 0] - skin).min() > -0.002


def test_arms_reach_the_ears(head):
    frame = fit_glasses(Glasses(), head, head.mean)[0].mesh.vertices
    ears = head.mean[head.masks["ears"] > 0.5]
    assert frame[:, 2].min() < np.quantile(ears[:, 2], 0.6)
    assert frame[:, 0].max() < ears[:, 0].max() + 0.004


def test_sampling_gives_real_sizes_and_repeats():
    clear = [sample_glasses(rng(1, i)) for i in range(80)]
    dark = [sample_glasses(rng(1, i), dark=True) for i in range(80)]
    assert all(0.048 <= g.width <= 0.054 and 0.016 <= g.bridge <= 0.020 for g in clear)
    assert all(0.06 <= g.cover <= 0.12 for g in clear)
    assert all(0.75 <= g.cover <= 0.97 and max(g.tint) < 0.12 for g in dark)
    assert {g.rim for g in clear} == set(RIMS)
    assert sample_glasses(rng(1, 7)) == clear[7]


@pytest.mark.parametrize(
    "wrong", [{"outline": "star"}, {"rim": "some"}, {"width": 0.1}, {"cover": 0.0}]
)
def test_impossible_glasses_are_refused(wrong):
    with pytest.raises(ChoiceError, match="Glasses"):
        Glasses(**wrong)


def test_glasses_can_slide_down(head):
    up = fit_glasses(Glasses(), head, head.mean)[1].mesh.vertices[:, 1].mean()
    down = fit_glasses(Glasses(down=0.008), head, head.mean)[1].mesh.vertices[:, 1].mean()
    assert up - down == pytest.approx(0.008, abs=1e-4)


def test_the_lens_surface_is_a_tilted_wrapped_plane(head):
    seat = seat_of(Glasses(), head, head.mean)
    y = seat.middle[1]
    assert front_z(seat, 0, y) == pytest.approx(seat.middle[2])
    assert front_z(seat, 0, y + 0.01) - front_z(seat, 0, y) == pytest.approx(0.01 * seat.tilt)
    assert front_z(seat, 0.05, y) == pytest.approx(seat.middle[2] - seat.wrap * 0.0025)
    assert front_z(seat, 0.05, y) == pytest.approx(front_z(seat, -0.05, y))


def test_lenses_are_as_far_from_the_eyes_as_opticians_put_them(head, people):
    """Vertex distance: 10 to 20 mm from cornea to lens, more where noses push."""
    for rest in people:
        seat = seat_of(Glasses(), head, rest)
        p = landmarks(head, rest)
        lid = p[42:48].mean(0)
        apart = front_z(seat, seat.lens[0], lid[1]) - lid[2]
        assert 0.007 < apart < 0.030
        assert 0.85 <= seat.size <= 1.15


def test_ears_are_found_on_their_side(head, people):
    for rest in people:
        ear = ear_of(head, rest)
        mine = rest[head.masks["pinna"] > 0.5]
        mine = mine[mine[:, 0] > 0]
        assert np.linalg.norm(mine - ear, axis=1).min() < 0.012
        assert ear[1] > np.median(mine[:, 1])
        assert 0.05 < ear[0] < mine[:, 0].max()


def test_bridges_arch_over_the_nose_from_lens_to_lens(head):
    worn = Glasses(bridge=0.02)
    seat = seat_of(worn, head, head.mean)
    line = bridge_line(worn, seat)
    assert np.allclose(line, line[::-1] * [-1, 1])
    assert line[:, 1].argmax() == len(line) // 2
    assert line[-1, 0] == pytest.approx(1.03 * (seat.lens[0] - worn.width / 2 * seat.size))


def test_bars_are_rounded_rectangles():
    section = bar(0.004, 0.002)
    assert np.ptp(section, axis=0) == pytest.approx([0.004, 0.002], rel=0.03)
    x, y = section.T
    area = 0.5 * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
    assert 0.85 < area / (0.004 * 0.002) < 1


@pytest.mark.parametrize("name", OUTLINES)
def test_lenses_fill_their_rims(head, name):
    worn = Glasses(outline=name)
    seat = seat_of(worn, head, head.mean)
    lens, rim = lens_mesh(worn, seat).vertices, rim_mesh(worn, seat).vertices
    assert (lens[:, :2].min(0) >= rim[:, :2].min(0)).all()
    assert (lens[:, :2].max(0) <= rim[:, :2].max(0)).all()
    edge = lens.reshape(5, -1, 3)[-1]
    apart = np.linalg.norm(edge[:, None] - rim[None], axis=2).min(1)
    assert apart.max() < 1.2 * worn.thickness


def test_half_rims_run_over_the_top(head):
    whole, half = Glasses(), Glasses(rim="half")
    seat = seat_of(whole, head, head.mean)
    full, upper = (rim_mesh(g, seat).vertices for g in (whole, half))
    assert upper[:, 1].max() == pytest.approx(full[:, 1].max(), abs=0.002)
    assert upper[:, 1].min() > full[:, 1].min() + 0.004


def test_frames_are_symmetric(head):
    frame = fit_glasses(Glasses(metal=True, thickness=0.0014), head, head.mean)[0].mesh.vertices
    middle = (frame[:, 0].min() + frame[:, 0].max()) / 2
    assert abs(middle) < 0.001
    left, right = frame[frame[:, 0] > middle], frame[frame[:, 0] < middle]
    assert left[:, 1:].mean(0) == pytest.approx(right[:, 1:].mean(0), abs=5e-4)


def test_tinted_lenses_fade_downwards(head):
    dark = Glasses(tint=(0.05, 0.03, 0.02), cover=0.9, fade=1.0)
    lens = fit_glasses(dark, head, head.mean)[1]
    y = lens.mesh.vertices[:, 1]
    assert np.corrcoef(y, lens.tint[:, 0])[0, 1] < -0.9
    even = fit_glasses(Glasses(tint=(0.05, 0.03, 0.02), cover=0.9), head, head.mean)[1]
    assert np.ptp(even.tint[:, 0]) == 0


def test_fitting_repeats_byte_for_byte(head, people, wear):
    first = fit_glasses(Glasses(), head, head.mean)
    assert fit_glasses(Glasses(), head, head.mean) is first
    assert wear.same(first, fit_glasses.__wrapped__(Glasses(), head, head.mean))
    assert not wear.same(first, fit_glasses(Glasses(), head, people[2]))
