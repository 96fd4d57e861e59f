"""TransFace's mixing of patches, weights and choice of patches."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from fusiform.lab.blocks.margins import MarginSoftmax
from fusiform.lab.nets.vit import FaceViT, GatedViT
from fusiform.lab.papers.rec_backbone import transface
from fusiform.lab.papers.rec_backbone.transface import Arm, Calibrated, information, mixed


@pytest.fixture
def net() -> GatedViT:
    torch.manual_seed(0)
    return GatedViT(FaceViT(16, 6, 8, 1, 2, 4)).eval()


def pictures() -> Tensor:
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_only_chosen_patches_change_and_stay_in_range(net: GatedViT) -> None:
    x, which = pictures(), torch.zeros(5, 16, dtype=torch.bool)
    which[0, 5] = which[3, 0] = True
    torch.manual_seed(2)
    changed = net.vit.patches(mixed(x, which, net.vit)) - net.vit.patches(x)
    assert torch.equal(changed.abs().amax(2) > 1e-3, which)
    assert mixed(x, which, net.vit).abs().max() <= 1 + 1e-6


def test_information_is_the_entropy_of_a_normal_distribution() -> None:
    tokens = torch.randn(3, 4, 9, generator=torch.Generator().manual_seed(3)).double()
    want = [norm(scale=tokens[0, t].std().item()).entropy() for t in range(4)]
    assert math.isclose(float(information(tokens)[0]), sum(want) / 4, rel_tol=1e-6)
    assert torch.isfinite(information(torch.zeros(1, 2, 3))).all()


def test_dominant_patches_have_the_highest_gates(
    net: GatedViT, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transface, "DOMINANT", 0.2)
    chosen = Calibrated(MarginSoftmax(6, 3), Arm("dominant")).chosen(net, pictures())
    gates = net.gated(pictures())[1]
    assert (chosen.sum(1) == 3).all()
    for i in range(5):
        assert gates[i][chosen[i]].min() > gates[i][~chosen[i]].max()
    at_random = Calibrated(MarginSoftmax(6, 3), Arm("random")).chosen(net, pictures())
    assert (at_random.sum(1) == 3).all()


def test_without_mixing_and_weights_it_is_the_head(net: GatedViT) -> None:
    head = MarginSoftmax(6, 3)
    batch = {"image": pictures(), "label": torch.tensor([0, 1, 2, 0, 1])}
    loss, _ = Calibrated(head, Arm())(net, batch)
    assert torch.allclose(loss, head(net(batch["image"]), batch["label"]))
    heavier, _ = Calibrated(head, Arm(entropy=True))(net, batch)
    assert heavier > loss
