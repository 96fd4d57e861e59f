"""Tests of hands and of what they hold before a face."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.hands import (
    FINGERS,
    HANDS,
    OCCLUDERS,
    POSTURES,
    Occluder,
    finger,
    fit_occluder,
    hand,
    nails,
    thumb,
)
from fusiform.lab.world.held import HELD, rounded_box, things
from fusiform.lab.world.wear_fit import landmarks

MOST = 8500
RED = (0.4, 0.05, 0.05)


def volume(mesh):
    """Signed volume of a closed mesh (divergence theorem), positive when wound outward."""
    a, b, c = (mesh.vertices[mesh.triangles[:, k]].astype(np.float64) for k in range(3))
    return np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6


def size(pieces):
    return np.ptp(np.concatenate([p.mesh.vertices for p in pieces]), axis=0)


@pytest.mark.parametrize("kind", OCCLUDERS)
def test_occluders_come_before_the_face(head, wear, kind):
    for left in (True, False):
        pieces = fit_occluder(Occluder(kind=kind, left=left), head, head.mean)
        wear.sound(pieces, MOST)
        assert all(p.label is Label.OCCLUDER for p in pieces)
        side = np.concatenate([p.mesh.vertices for p in pieces])
        assert np.abs(side).max() < 0.6
        assert min(wear.outward(p) for p in pieces) > 0.95
    if kind in HANDS:
        where = np.mean([p.mesh.vertices[:, 0].mean() for p in pieces])
        assert where < 0.02


@pytest.mark.parametrize(
    ("kind", "points"), [("mouth", [51, 57, 62]), ("phone", [30]), ("cup", [57])]
)
def test_some_occluders_cover_what_they_are_for(head, wear, kind, points):
    p = landmarks(head, head.mean)[points]
    pieces = fit_occluder(Occluder(kind=kind), head, head.mean)
    assert wear.covered(p, pieces).any()


def test_an_eye_can_be_covered_on_either_side(head, wear):
    p = landmarks(head, head.mean)
    left = fit_occluder(Occluder(kind="eye", left=True), head, head.mean)
    right = fit_occluder(Occluder(kind="eye", left=False), head, head.mean)
    assert wear.covered(p[42:48].mean(0)[None], left).all()
    assert not wear.covered(p[36:42].mean(0)[None], left).any()
    assert wear.covered(p[36:42].mean(0)[None], right).all()


def test_boxes_measure_what_was_asked():
    box = rounded_box(0.074, 0.152, 0.009, 0.09)
    assert np.ptp(box.vertices, axis=0) == pytest.approx([0.074, 0.152, 0.009], rel=0.05)
    assert 0.85 < volume(box) / (0.074 * 0.152 * 0.009) < 1
    assert np.abs(box.vertices.min(0) + box.vertices.max(0)).max() < 1e-6
    assert volume(rounded_box(1, 1, 1, 0.02)) > volume(rounded_box(1, 1, 1, 0.3))


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        ("phone", (0.074, 0.152, 0.009)),
        ("book", (0.154, 0.21, 0.02)),
        ("balloon", (0.15, 0.16, 0.15)),
        ("cup", (0.105, 0.095, 0.08)),
    ],
)
def test_things_are_as_large_as_they_are(head, kind, want):
    anchors = landmarks(head, head.mean)
    pieces, _ = things(kind, True, RED, 0.0, 1.0, anchors)
    assert size(pieces) == pytest.approx(want, rel=0.12, abs=0.003)
    smaller, _ = things(kind, True, RED, 0.0, 0.5, anchors)
    assert size(smaller) == pytest.approx(size(pieces) / 2, rel=1e-4)


@pytest.mark.parametrize("kind", HELD)
def test_things_turn_in_the_picture_and_mirror_with_the_hand(head, kind):
    anchors = landmarks(head, head.mean)
    upright, place = things(kind, True, RED, 0.0, 1.0, anchors)
    turned, again = things(kind, True, RED, 90.0, 1.0, anchors)
    assert np.array_equal(place, again)
    for a, b in zip(upright, turned, strict=True):
        x, y, z = a.mesh.vertices.T
        assert np.allclose(np.stack([-y, x, z], 1), b.mesh.vertices, atol=1e-6)
    _, other = things(kind, False, RED, 0.0, 1.0, anchors)
    assert place[1:] == pytest.approx(other[1:])
    middle = anchors[[48, 54], 0].mean() if kind in ("cup", "microphone") else anchors[30, 0]
    assert place[0] - middle == pytest.approx(middle - other[0], abs=1e-9)


def test_things_have_their_colours(head):
    anchors = landmarks(head, head.mean)
    cup, _ = things("cup", True, RED, 0.0, 1.0, anchors)
    assert np.allclose(cup[0].tint, RED, atol=1e-6)
    book, _ = things("book", True, RED, 0.0, 1.0, anchors)
    assert book[0].material is Material.CLOTH
    assert book[1].tint.mean() > book[0].tint.mean()  # pages
    phone, _ = things("phone", True, (0.0, 0.0, 0.0), 0.0, 1.0, anchors)
    assert phone[0].tint.min() > 0


@pytest.mark.parametrize("kind", ["phone", "cup", "book", "microphone", "stick"])
def test_things_are_held_off_every_face(head, people, wear, kind):
    for rest in people:
        for left in (True, False):
            pieces = fit_occluder(Occluder(kind, left), head, rest)
            near = 1 if kind == "microphone" else 0  # its grip may lean on the chest
            gap = wear.gaps(pieces[near].mesh.vertices[::2], head, rest)
            assert -0.004 < gap.min() < 0.15, (kind, left)


@pytest.mark.parametrize("kind", ["mouth", "eye", "cheek"])
def test_hands_touch_the_face(head, people, wear, kind):
    for rest in people:
        palm = fit_occluder(Occluder(kind), head, rest)[0].mesh.vertices
        above = palm[palm[:, 1] > landmarks(head, rest)[8, 1]]  # forearms come up past shoulders
        assert -0.04 < wear.gaps(above, head, rest).min() < 0.004


def test_fingers_are_as_long_as_their_table():
    for i, (x, y, length, radius) in enumerate(FINGERS):
        sticks = finger(i, 0.0, 0.0)
        assert sticks[0][0] == pytest.approx([x / 1000, y / 1000, 0])
        assert np.linalg.norm(sticks[-1][1] - sticks[0][0]) == pytest.approx(length / 1000)
        assert sticks[0][2] == pytest.approx(radius / 1000)
        bent = finger(i, 80.0, 0.0)
        steps = [np.linalg.norm(end - start) for start, end, _, _ in bent]
        assert sum(steps) == pytest.approx(length / 1000)
        assert bent[-1][1][2] < -0.01
        for before, after in pairwise(bent):
            assert np.array_equal(before[1], after[0])
            assert before[3] == after[2]


def test_the_thumb_is_on_its_side():
    sticks = thumb(10.0)
    assert len(sticks) == 3
    assert sticks[-1][1][0] > max(x for x, *_ in FINGERS) / 1000


@pytest.mark.parametrize("posture", POSTURES)
def test_hands_are_closed_bodies_of_a_hands_size(posture):
    mesh, red = hand(posture)
    edges = np.sort(mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    counts = np.unique(edges, axis=0, return_counts=True)[1]
    assert (counts % 2 == 0).all()  # no edge is open
    assert 4e-4 < volume(mesh) < 12e-4  # half a litre, with some of the forearm
    assert 0 <= red.min() <= red.max() <= 1
    assert len(red) == len(mesh.vertices)


def test_nails_lie_on_finger_tips():
    mesh, _ = hand("open")
    apart = np.linalg.norm(nails("open").vertices[:, None] - mesh.vertices[None], axis=2).min(1)
    assert apart.max() < 0.008


def test_right_hands_are_mirrored_left_ones(head):
    left = fit_occluder(Occluder("wave", True), head, head.mean)[0].mesh
    right = fit_occluder(Occluder("wave", False), head, head.mean)[0].mesh
    assert volume(left) == pytest.approx(volume(right), rel=1e-3)
    assert left.vertices[:, 0].mean() * right.vertices[:, 0].mean() < 0


def test_shifts_move_and_fitting_repeats(head, wear):
    thing = Occluder("wave")
    first = fit_occluder(thing, head, head.mean)
    aside = fit_occluder(replace(thing, shift=(0.01, -0.02)), head, head.mean)
    for a, b in zip(first, aside, strict=True):
        assert np.allclose(b.mesh.vertices - a.mesh.vertices, [0.01, -0.02, 0], atol=1e-6)
    assert fit_occluder(thing, head, head.mean) is first
    assert wear.same(first, fit_occluder.__wrapped__(thing, head, head.mean))
