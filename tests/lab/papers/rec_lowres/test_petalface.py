"""PETALface's quality of a picture and the mixture made by it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from fusiform.lab.blocks.lora import adapt
from fusiform.lab.nets.vit import FaceViT
from fusiform.lab.papers.rec_lowres.petalface import ByQuality, half_poor, poor, quality, sharpness
from fusiform.lab.train.augment import degraded


def pictures(n: int = 6) -> Tensor:
    """Noise at two scales, half as strong where finer."""
    draw = torch.Generator().manual_seed(1)
    coarse = degraded(torch.randn(n, 3, 48, 48, generator=draw), 8)
    return (coarse + 0.1 * torch.randn(n, 3, 48, 48, generator=draw)).clamp(-1, 1)


def test_sharpness_falls_with_size_and_ignores_light() -> None:
    x = pictures()
    found = [sharpness(degraded(x, side)) for side in (48, 24, 12, 6)]
    assert all((a > b).all() for a, b in pairwise(found))
    assert torch.allclose(sharpness(0.5 * x + 0.2), sharpness(x), atol=1e-5)
    assert (sharpness(torch.zeros(2, 3, 48, 48)) == 0).all()
    assert ((quality(x) >= 0) & (quality(x) <= 1)).all()
    assert (quality(degraded(x, 4)) == 0).all()


def test_poor_faces_and_halves() -> None:
    x, draw = pictures(40), torch.Generator().manual_seed(2)
    assert (sharpness(poor(x, draw)) < sharpness(x)).all()
    out = half_poor(x, draw)
    same = [
        bool(torch.equal(a, b) or torch.equal(a, b.flip(2))) for a, b in zip(out, x, strict=True)
    ]
    assert 10 < sum(same) < 30


def test_good_and_poor_pictures_meet_their_own_adapters() -> None:
    torch.manual_seed(0)
    net = FaceViT(48, 6, 8, 1, 2, 8).eval()
    poorly, sharp = degraded(pictures(), 4), torch.rand(3, 3, 48, 48) * 2 - 1
    assert (quality(sharp) == 1).all()
    before = net(poorly), net(sharp)
    both = ByQuality(net)
    for adapter in adapt(net, 2, sets=2).values():
        nn.init.normal_(adapter.up[1])
    # Set 1, the one for poor pictures, is all that was changed.
    assert torch.allclose(both(sharp), before[1], atol=1e-5)
    assert not torch.allclose(both(poorly), before[0], atol=1e-2)
    mixed = both(torch.cat([sharp, poorly]))
    assert torch.allclose(mixed, torch.cat([both(sharp), both(poorly)]), atol=1e-5)
