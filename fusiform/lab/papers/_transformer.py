"""A small vision transformer as a recogniser: the set-up of papers on transformers and adapters.
As `_recogniser`, with AdamW and a net that these learn quickly with."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from fusiform.lab.blocks.margins import MarginSoftmax, cosface
from fusiform.lab.nets.vit import FaceViT
from fusiform.lab.papers._recogniser import DIM, Budget, fresh

SCALE = 24.0  # of some hundred classes
PLAN = {"optimiser": "adamw", "decay": 0.05}
BUDGETS = {
    "tiny": Budget(3, 16, 3e-3),
    "small": Budget(300, 64, 3e-3),
    "full": Budget(20_000, 512, 5e-4),
}


def small_vit(seed: int, side: int = 48, depth: int = 4, patch: int = 8) -> FaceViT:
    """Its weights drawn from `seed`."""
    return fresh(seed, lambda: FaceViT(side, DIM, 64, depth, 2, patch))


def cosines(seed: int, people: int, margin: float = 0.35) -> MarginSoftmax:
    """CosFace's head over `people`."""
    return fresh(seed, lambda: MarginSoftmax(DIM, people, cosface(margin), SCALE))


def settled(net: FaceViT) -> FaceViT:
    """In place: the batch norm of a trained net's head becomes part of the layer before it, so that
    what is trained on from here on has no statistics of batches to lose."""
    linear, norm = net.head.eval()
    assert isinstance(linear, nn.Linear)
    assert isinstance(norm, nn.BatchNorm1d)
    net.head = nn.Sequential(fuse_linear_bn_eval(linear, norm).requires_grad_(True))
    return net


def spent(size: str, share: float, rate: float | None = None) -> Budget:
    """A share of the steps of a whole training, at least one; at another rate where given."""
    whole = BUDGETS[size]
    return Budget(max(1, round(whole.steps * share)), whole.batch, rate or whole.rate)
