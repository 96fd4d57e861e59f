"""What a step of a sharded head costs: simulated features forth, back, and the update."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from fusiform.lab.blocks.margins import arcface
from fusiform.lab.train.sharded import ShardedMarginSoftmax, generator, seen_rows


def step_seconds(
    classes: int, dim: int, rate: float, batch: int, momentum: float, steps: int = 3, seed: int = 0
) -> float:
    """The least seconds a step of SGD takes, features `(batch, dim)` and labels drawn anew each.

    The first step, in which momentum is set up, does not count.
    """
    head = ShardedMarginSoftmax(dim, classes, arcface(), 64.0, rate=rate, seed=seed)
    optimiser = torch.optim.SGD(head.parameters(), 0.1, momentum=momentum)
    return min([one_step(head, optimiser, batch, seed, k) for k in range(steps + 1)][1:])


def one_step(
    head: ShardedMarginSoftmax, optimiser: torch.optim.Optimizer, batch: int, seed: int, step: int
) -> float:
    """Its seconds."""
    draw = generator(seed, "features", step)
    features = nn.Parameter(torch.randn(batch, head.weight.shape[1], generator=draw))
    labels = torch.randint(0, head.classes, (batch,), generator=draw)
    started = time.perf_counter()
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(head(features, labels))
    with seen_rows(optimiser):
        optimiser.step()
    return time.perf_counter() - started


def multiplications(rows: int = 128, columns: int = 50_000, dim: int = 512) -> float:
    """Floating point operations a second of the product of features and prototypes."""
    one, other = torch.randn(rows, dim), torch.randn(columns, dim)
    return 2.0 * rows * columns * dim / least(lambda: one @ other.T)


def bandwidth(numbers: int = 50_000_000) -> float:
    """Bytes a second, read and written, of adding one large float32 array to another."""
    one, other = torch.ones(numbers), torch.ones(numbers)
    return 3 * 4.0 * numbers / least(lambda: one.add_(other))


def least(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of the quickest of some rounds."""
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return min(took)
