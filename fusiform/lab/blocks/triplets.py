"""Triplets: an anchor nearer to faces of its own person than to those of others.

Schroff, Kalenichenko, Philbin, "FaceNet", CVPR 2015. Distances are squared, between features
scaled to unit length, so that they lie in [0, 4].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.cosines import cosines

# Distances (k, m) from k anchors, who of the m is another person, distance (k,) to the positive
# -> column of the negative (k,).
Mining = Callable[[Tensor, Tensor, Tensor], Tensor]


class Triplets(nn.Module):
    """A head without weights: features `(n, dim)` and labels `(n,)` -> the mean loss.

    Every pair of two faces of one person is anchor and positive; `mining`, one of MININGS, finds
    the negative. A triplet costs max(0, d(a, p) - d(a, n) + margin) (eq. 2); the mean is over
    those that cost anything, 0 where none does. Batches should hold several faces a person
    (`lab.train.batches.balanced`).

    With `old (n, dim)`, features of the same faces by an earlier network, triplets are harmonic
    (their section 5.5): positives and negatives are drawn from both, so that features of the two
    networks can be compared. No gradient flows to `old`.
    """

    def __init__(self, mining: str = "semi-hard", margin: float = 0.2) -> None:
        super().__init__()
        if mining not in MININGS:
            raise ChoiceError("mining", MININGS, mining)
        if margin <= 0:
            raise ChoiceError("margin", "above 0", margin)
        self.mine, self.margin = MININGS[mining], margin

    def forward(self, features: Tensor, labels: Tensor, old: Tensor | None = None) -> Tensor:
        both = features if old is None else torch.cat([features, old.detach()])
        whose = labels if old is None else torch.cat([labels, labels])
        same = labels[:, None] == whose
        positive = same.clone()
        positive[:, : len(labels)].fill_diagonal_(False)
        costs = self.costs(squared_distances(features, both), positive, ~same)
        return costs.sum() / (costs > 0).sum().clamp_min(1)

    def costs(self, distances: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """What each pair of anchor and positive costs, `(k,)`; 0 where it has no negative.

        `distances (n, m)`; `positive` and `negative` `(n, m)` bool say what a column is to a row.
        """
        anchor, column = positive.nonzero(as_tuple=True)
        near = distances[anchor, column]
        rows, strangers = distances[anchor], negative[anchor]
        if not len(near) or not strangers.any():
            return near * 0
        found = self.mine(rows.detach(), strangers, near.detach())
        there = strangers.gather(1, found[:, None])[:, 0]
        far = rows.gather(1, found[:, None])[:, 0]
        return torch.where(there, (near - far + self.margin).relu(), 0)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Between `a (n, dim)` and `b (m, dim)` scaled to unit length: `(n, m)`, 0..4."""
    return 2 - 2 * cosines(a, b).clamp(-1, 1)


def semi_hard(distances: Tensor, strangers: Tensor, near: Tensor) -> Tensor:
    """The nearest of the negatives farther than the positive; where none is, the farthest: it is
    nearer than the positive by the least."""
    beyond = distances.masked_fill(~(strangers & (distances > near[:, None])), torch.inf)
    farthest = distances.masked_fill(~strangers, -torch.inf).argmax(1)
    return torch.where(beyond.isfinite().any(1), beyond.argmin(1), farthest)


def hardest(distances: Tensor, strangers: Tensor, near: Tensor) -> Tensor:
    """The nearest of all negatives."""
    return distances.masked_fill(~strangers, torch.inf).argmin(1)


def at_random(distances: Tensor, strangers: Tensor, near: Tensor) -> Tensor:
    """Any negative, by torch's generator."""
    return torch.rand_like(distances).masked_fill(~strangers, -1).argmax(1)


MININGS: dict[str, Mining] = {"semi-hard": semi_hard, "hardest": hardest, "random": at_random}


def eight_bits(unit: Tensor) -> Tensor:
    """Unit vectors `(n, dim)` as int8 of the same shape, a byte a number: 128 bytes at dim 128.

    Each row is scaled so that its largest number becomes 127; the scale is not kept, for cosines
    do not need it.
    """
    top = unit.abs().amax(1, keepdim=True).clamp_min(torch.finfo(unit.dtype).tiny)
    return (unit / top * 127).round().to(torch.int8)
