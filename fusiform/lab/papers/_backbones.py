"""Networks side by side: small ones on small crops, all else alike. The set-up of papers whose
idea is a network or a layer of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from fusiform.lab.blocks.margins import MarginSoftmax, cosface
from fusiform.lab.papers._people import split
from fusiform.lab.papers._recogniser import BUDGETS, DIM, Budget, Scores, fresh, judged, trained
from fusiform.lab.train.augment import FLIP, Augment

SIDE = 32  # pixels of a crop: depth-wise layers are slow on a CPU
TRAIN, TEST = 300, 200  # people
SMALL = Budget(250, 96)
MARGIN, SCALE = 0.3, 24.0  # CosFace's, of some hundred classes


def verified(
    seed: int,
    size: str,
    make: Callable[[], nn.Module],
    plan: Mapping[str, object] | None = None,
    augment: Augment = FLIP,
    change: Callable[[Tensor], Tensor] | None = None,
    small: Budget = SMALL,
) -> Scores:
    """Scores on unseen people of the net that `make` builds, trained with CosFace; `plan` changes
    fields of `loop.Plan`, `change` is done to the pictures of the test, `small` is the budget at
    that size."""
    faces = split(seed, size, TRAIN, TEST, SIDE)
    budget = small if size == "small" else BUDGETS[size]
    net = fresh(seed, make)
    head = fresh(seed, lambda: MarginSoftmax(DIM, faces.train.people, cosface(MARGIN), SCALE))
    net = trained(faces.train, seed, size, head, net, augment=augment, plan=plan, budget=budget)
    return judged(net, faces.test, change)


def parameters(net: nn.Module) -> int:
    """How many numbers a net learns."""
    return sum(p.numel() for p in net.parameters())


def multiplications(net: nn.Module, side: int = SIDE) -> int:
    """Of matrix products and convolutions for one picture, `side` pixels square."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        net.eval()(torch.zeros(1, 3, side, side))
    return int(counter.get_total_flops()) // 2
