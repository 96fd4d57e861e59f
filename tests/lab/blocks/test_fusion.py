"""Registration and super-resolution of shifted frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.fusion import registered, slopes, super_resolved, translated


def smooth(n: int, side: int, seed: int = 0, width: float = 2.0) -> torch.Tensor:
    noise = np.random.default_rng(seed).normal(size=(n, 1, side, side))
    return torch.from_numpy(ndimage.gaussian_filter(noise, (0, 0, width, width)) * 5)


def test_translation_agrees_with_scipy():
    images = smooth(2, 12)
    shift = torch.tensor([[0.3, -0.6], [-1.25, 0.5]], dtype=torch.float64)
    ours = translated(images, shift).numpy()
    for image, (x, y), found in zip(images.numpy(), shift.numpy(), ours, strict=True):
        theirs = ndimage.shift(image[0], (-y, -x), order=1, mode="nearest")
        assert np.allclose(found[0], theirs, atol=1e-12)


def test_no_shift_changes_nothing():
    images = smooth(3, 9)
    assert torch.allclose(translated(images, torch.zeros(3, 2)), images)


def test_translation_passes_gradcheck():
    images = smooth(1, 5).requires_grad_(True)
    shift = torch.tensor([[0.31, -0.27]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(translated, (images, shift))


def test_slopes_of_a_plane():
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(7.0), indexing="ij")
    across, down = slopes((2 * x - 3 * y)[None, None])
    assert torch.allclose(across[..., 1:-1], torch.tensor(2.0))
    assert torch.allclose(down[..., 1:-1, :], torch.tensor(-3.0))
    assert not across[..., 0].any()


def test_shifts_are_found():
    scene = smooth(2, 24, width=2.5)
    true = torch.tensor(np.random.default_rng(1).uniform(-1.2, 1.2, (2, 6, 2)))
    frames = translated(scene.repeat_interleave(6, 0), -true.view(-1, 2)).unflatten(0, (2, 6))
    found = registered(frames, scene)
    assert (found - true).abs().max() < 0.12


def test_the_reference_itself_does_not_move():
    scene = smooth(1, 16)
    assert registered(scene[:, None], scene).abs().max() < 1e-6


def test_a_flat_reference_gives_no_shift():
    frames = torch.ones(1, 3, 1, 8, 8)
    assert not registered(frames, frames[:, 0]).any()


def test_many_shifted_frames_show_more_than_one():
    scene = smooth(1, 48, width=1.2)
    shift = torch.tensor(np.random.default_rng(2).uniform(-0.7, 0.7, (1, 24, 2)))
    moved = translated(scene.repeat_interleave(24, 0), -3 * shift[0])
    frames = functional.avg_pool2d(moved, 3)[None]
    inner = (..., slice(6, -6), slice(6, -6))
    one = functional.interpolate(functional.avg_pool2d(scene, 3), scale_factor=3.0, mode="bilinear")
    many = super_resolved(frames, shift, 3, rounds=10)
    errors = [(p - scene)[inner].square().mean() for p in (one, many)]
    assert errors[1] < 0.6 * errors[0]


def test_one_frame_at_factor_one_is_itself():
    frames = smooth(2, 8)[:, None]
    assert torch.allclose(super_resolved(frames, torch.zeros(2, 1, 2), 1), frames[:, 0])


def test_each_round_brings_the_likeness_nearer():
    frames = functional.avg_pool2d(smooth(1, 24, width=1.0), 3)[None]
    still = torch.zeros(1, 1, 2)
    off = [
        (functional.avg_pool2d(super_resolved(frames, still, 3, k), 3) - frames[:, 0]).abs().mean()
        for k in (0, 3, 6)
    ]
    assert off[0] > off[1] > off[2]


def test_a_factor_below_one_is_refused():
    with pytest.raises(ChoiceError, match="factor must be at least 1"):
        super_resolved(torch.zeros(1, 1, 1, 4, 4), torch.zeros(1, 1, 2), 0)
