"""Packing: figures that geometry knows, gradients, and what holds points where they are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from torch.nn import functional

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.packing import astray, crowding, nearest_angle, packed


def points(n, d, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(n, d, generator=draw, dtype=torch.float64))


@pytest.mark.parametrize(
    ("n", "d", "degrees"),
    [
        (3, 2, 120),
        (4, 3, math.degrees(math.acos(-1 / 3))),  # tetrahedron
        (6, 3, 90),  # octahedron
        (5, 4, math.degrees(math.acos(-1 / 4))),  # simplex
    ],
)
def test_the_best_packings_that_are_known_are_found(n, d, degrees):
    best = max(float(nearest_angle(packed(points(n, d, s), steps=800)).min()) for s in range(3))
    assert best == pytest.approx(degrees, abs=1.0)


def test_packing_parts_points_and_keeps_them_on_the_sphere():
    start = points(40, 8)
    after = packed(start, steps=300)
    assert torch.allclose(after.norm(dim=1), torch.ones(40, dtype=torch.float64))
    assert nearest_angle(after).min() > nearest_angle(start).min() + 10
    assert torch.equal(after, packed(start, steps=300))


def test_a_gallery_holds_points_near_itself():
    gallery = functional.normalize(points(60, 16, 1) + 3 * points(1, 16, 2))
    start = gallery[:20]
    free, held = packed(start, steps=200), packed(start, gallery, 5.0, steps=200)
    assert astray(held, gallery) < astray(free, gallery) - 0.1
    assert nearest_angle(held).mean() > nearest_angle(start).mean()


def test_no_steps_change_nothing():
    start = points(5, 4)
    assert torch.allclose(packed(3 * start, steps=0), start)


def test_losses_are_those_spelled_out():
    some, gallery = points(6, 5), points(9, 5, 1)
    near = [max(float(a @ b) for j, b in enumerate(some) if j != i) for i, a in enumerate(some)]
    assert float(crowding(some)) == pytest.approx(sum(near) / 6)
    far = [min(1 - float(a @ b) for b in gallery) for a in some]
    assert float(astray(some, gallery)) == pytest.approx(sum(far) / 6)
    angles = [math.degrees(math.acos(c)) for c in near]
    assert nearest_angle(some).tolist() == pytest.approx(angles)


def test_gradients_are_right():
    some, gallery = points(5, 4).requires_grad_(), points(7, 4, 1)
    assert torch.autograd.gradcheck(crowding, (some,))
    assert torch.autograd.gradcheck(lambda p: astray(p, gallery), (some,))


@given(st.integers(2, 12), st.integers(2, 6), st.integers(0, 99))
def test_the_order_of_points_does_not_matter(n, d, seed):
    some = points(n, d, seed)
    assert float(crowding(some)) == pytest.approx(float(crowding(some.flip(0))))
    assert astray(some, some) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("wrong", [{"pull": -1.0}, {"rate": 0.0}, {"steps": -1}])
def test_impossible_wishes_are_refused(wrong):
    with pytest.raises(ChoiceError, match="pull"):
        packed(points(3, 2), **wrong)
    with pytest.raises(ChoiceError, match="two points"):
        packed(points(1, 2))
