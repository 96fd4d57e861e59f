"""What the experiment on very small faces does to them, and how it judges qualities."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from fusiform.lab.papers.rec_lowres import recognizability_index as paper


def drawn() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_sizes_go_round_in_turn(monkeypatch):
    monkeypatch.setattr(paper, "NOISE", 0.0)
    images = torch.rand(1, 3, 32, 32).repeat(17, 1, 1, 1) * 2 - 1
    small = paper.shrunk(images, (4, 31), drawn())
    assert torch.equal(small[0], small[8])
    assert torch.equal(small[3], small[11])
    assert not torch.equal(small[0], small[1])


def test_at_one_size_it_is_blur_area_and_enlarging(monkeypatch):
    monkeypatch.setattr(paper, "NOISE", 0.0)
    images = torch.rand(3, 3, 24, 24)
    soft = functional.conv2d(functional.pad(images, (1, 1, 1, 1)), torch.ones(3, 1, 3, 3), groups=3)
    count = functional.conv2d(
        functional.pad(torch.ones(1, 1, 24, 24), (1, 1, 1, 1)), torch.ones(1, 1, 3, 3)
    )
    blocks = (soft / count).unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    wanted = functional.interpolate(blocks, size=24, mode="bilinear")
    assert torch.allclose(paper.shrunk(images, (12, 12), drawn()), wanted, atol=1e-5)


def test_few_faces_keep_their_number_and_range():
    for n in (1, 5, 8, 30):
        small = paper.shrunk(torch.rand(n, 3, 32, 32) * 2 - 1, paper.PIXELS, drawn())
        assert small.shape == (n, 3, 32, 32)
        assert small.abs().max() <= 1


def test_a_quality_that_knows_leaves_fewer_errors():
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(12), 8)
    clear = random.random(96) < 0.9
    centres = random.normal(size=(12, 16))
    noise = random.normal(size=(96, 16))
    found = np.where(clear[:, None], centres[person] + 0.2 * noise, noise).astype(np.float32)
    knows, guesses = clear.astype(float), random.random(96)
    assert paper.errors(found, person, knows) < 0.8 * paper.errors(found, person, guesses)
