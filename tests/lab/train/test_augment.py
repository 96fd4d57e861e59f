from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from fusiform.core.errors import ChoiceError
from fusiform.lab.train.augment import (
    FLIP,
    NONE,
    Augment,
    augmented,
    degraded,
    erased,
    flipped,
    lit,
    lowered,
    similar,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def faces(n: int = 6, side: int = 16) -> torch.Tensor:
    """Smooth pictures in (-1, 1)."""
    coarse = torch.rand(n, 3, 5, 5, generator=generator(9)) * 1.6 - 0.8
    return functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(-0.9, 0.9)


STRONG = Augment(0.5, 0.1, 0.2, 20, 0.3, 0.2, 0.5, 0.5, 0.3, 0.2, 0.5)


def test_nothing_asked_for_nothing_done():
    assert torch.equal(NONE(faces(), generator()), faces())


@pytest.mark.parametrize("how", [STRONG, Augment(), FLIP])
def test_it_follows_the_generator_alone(how):
    images = faces()
    before = images.clone()
    one, other = how(images, generator(3)), how(images, generator(3))
    assert torch.equal(one, other)
    assert not torch.equal(one, how(images, generator(4)))
    assert torch.equal(images, before)
    assert one.shape == images.shape
    assert one.abs().max() <= 1


@pytest.mark.parametrize("strong", ["shift", "scale", "turn", "light", "colour", "noise"])
def test_each_strength_does_something_of_its_own(strong):
    how = Augment(**(dict.fromkeys(vars(NONE), 0) | {"smallest": 1, strong: 0.3}))
    changed = augmented(faces(), how, generator(2))
    difference = (changed - faces()).abs().amax((1, 2, 3))
    assert (difference > 1e-3).all()
    assert difference.std() > 0  # each picture otherwise


def test_chances_are_shares():
    images = faces(400, 8)
    turned = (flipped(images, 0.3, generator()) == images.flip(3)).flatten(1).all(1)
    assert 0.2 < turned.float().mean() < 0.4
    same = (flipped(images, 0.3, generator()) == images).flatten(1).all(1)
    assert (turned ^ same).all()
    grey = lit(images, Augment(*[0] * 6, 0.25, 0, 1, 0, 0), generator())
    flat = (grey - grey[:, :1]).abs().amax((1, 2, 3)) < 1e-6
    assert 0.17 < flat.float().mean() < 0.33
    blurred = lowered(images, Augment(*[0] * 7, 0.4, 0.3, 0, 0), generator())
    changed = (blurred != images).flatten(1).any(1)
    assert 0.3 < changed.float().mean() < 0.5


def test_grey_is_the_luma_of_bt_601():
    how = Augment(*[0] * 6, 1, 0, 1, 0, 0)
    luma = 0.299 * faces()[:, 0] + 0.587 * faces()[:, 1] + 0.114 * faces()[:, 2]
    torch.testing.assert_close(lit(faces(), how, generator())[:, 2], luma)


@pytest.mark.parametrize(
    ("factor", "angle", "shift"),
    [
        (1.0, 0.0, (0.25, -0.125)),
        (1.25, 0.0, (0, 0)),
        (1.0, 30.0, (0, 0)),
        (0.8, -25.0, (0.2, 0.1)),
    ],
)
def test_similar_is_the_warp_it_says(factor, angle, shift):
    """Beside SciPy's affine transform: shifted, then turned clockwise and enlarged."""
    images, side = faces(1, 24), 24
    turn = math.radians(angle)
    # rows (down) first, as SciPy has them
    forth = factor * np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    back, middle = np.linalg.inv(forth), np.full(2, (side - 1) / 2)
    moved = np.array([shift[1], shift[0]]) * side / 2
    found = similar(images, *(torch.tensor([v]) for v in (factor, turn)), torch.tensor([shift]))
    for channel in range(3):
        plain = images[0, channel].numpy().astype(np.float64)
        offset = middle - back @ middle - moved
        wanted = ndimage.affine_transform(plain, back, offset, order=1, mode="nearest")
        np.testing.assert_allclose(found[0, channel], wanted, atol=2e-4)


def test_similar_turns_a_quarter_to_the_bit():
    image = faces(1)
    turned = similar(image, torch.ones(1), torch.tensor([math.pi / 2]), torch.zeros(1, 2))
    torch.testing.assert_close(turned, image.rot90(-1, (2, 3)), atol=1e-5, rtol=0)


def test_similar_is_differentiable():
    given = [torch.tensor([v], dtype=torch.float64) for v in (1.1, 0.2, [0.1, 0.05])]
    images = faces(1, 6).double()
    for value in given:
        value.requires_grad_()
    assert torch.autograd.gradcheck(lambda *g: similar(images, *g).sum((2, 3)), given, atol=1e-4)


def test_degraded_is_shrunk_by_areas():
    image = faces(2, 12)
    small = image.view(2, 3, 4, 3, 4, 3).mean((3, 5))
    wanted = functional.interpolate(small, size=(12, 12), mode="bilinear", align_corners=False)
    torch.testing.assert_close(degraded(image, 4), wanted)
    assert torch.equal(degraded(image, 12), image)
    detail = [degraded(image, side).diff(dim=3).abs().mean().item() for side in (12, 8, 4, 2)]
    assert detail == sorted(detail, reverse=True)


def test_erased_rectangles_are_grey_and_inside():
    images = torch.ones(300, 3, 30, 30)
    gone = erased(images, 0.5, generator()) == 0
    assert (gone[:, :1] == gone).all()
    hit = gone[:, 0].flatten(1).any(1)
    assert 0.4 < hit.float().mean() < 0.6
    for one in gone[hit, 0]:
        rows, columns = one.any(1), one.any(0)
        assert torch.equal(one, rows[:, None] & columns)
        assert 2 <= rows.sum() <= 11
        assert 2 <= columns.sum() <= 11


def test_chances_outside_are_refused():
    for name in ("flip", "grey", "low", "erase", "smallest"):
        with pytest.raises(ChoiceError, match=name):
            Augment(**{name: 1.5})
