"""Verification across two networks, and the harmonic objective."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fusiform.lab.blocks.triplets import Triplets
from fusiform.lab.papers.rec_loss.facenet import Bottleneck, Harmonic, between
from fusiform.measure.verification import tar_at_far


def test_pairs_across_networks_leave_out_a_face_and_itself() -> None:
    draw = np.random.default_rng(0)
    new, old = draw.normal(size=(2, 12, 5))
    person = np.repeat(np.arange(4), 3)
    genuine, impostor = [], []
    for i in range(12):
        for j in range(12):
            if i != j:
                (genuine if person[i] == person[j] else impostor).append(new[i] @ old[j])
    assert between(new, old, person) == tar_at_far(genuine, impostor, 1e-2)


def test_the_harmonic_objective_reads_the_old_features_of_its_rows() -> None:
    draw = torch.Generator().manual_seed(1)
    old, images = torch.randn(9, 4, generator=draw), torch.randn(4, 4, generator=draw)
    rows, labels = torch.tensor([8, 0, 3, 3]), torch.tensor([0, 0, 1, 1])
    made = Harmonic(old)
    loss, _ = made(nn.Identity(), {"image": images, "label": labels, "row": rows})
    torch.testing.assert_close(loss, Triplets()(images, labels, old[rows]))
    assert not made.state_dict()


def test_the_bottleneck_is_softmax_regression() -> None:
    made = Bottleneck(3)
    features, labels = torch.randn(5, 128), torch.tensor([0, 1, 2, 1, 0])
    logits = features @ made.last.weight.T + made.last.bias
    chosen = logits.log_softmax(1)[torch.arange(5), labels]
    assert made(features, labels).item() == pytest.approx(-chosen.mean().item(), rel=1e-5)
