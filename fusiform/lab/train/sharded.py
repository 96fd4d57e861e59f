"""Margin softmax over more classes than one device holds, and over a sample of them.

Each process owns a contiguous shard of the class prototypes. Features and labels of all are
gathered, each computes the cosines to its own classes, and softmax is normalised by the largest
logit and the sum of exponentials of all. With a `rate` below 1 each step sees the classes that
occur in the batch and a random sample of the others: Partial FC (An et al., "Partial FC: Training
10 million identities on a single machine", ICCVW 2021; "Killing two birds with one stone", CVPR
2022, section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.blocks.margins import Margin
from fusiform.lab.train.parallel import Part, part


class ShardedMarginSoftmax(nn.Module):
    """A head like `MarginSoftmax`, with this process's shard of the prototypes: features `(n, dim)`
    and labels `(n,)` int64 -> the mean loss over the rows of all processes, the same in each.

    Every process must bring as many rows. Alone and at rate 1 it is `MarginSoftmax`. The gradient
    of a shard is that of the loss; the gradient of the features is that times the number of
    processes, as DistributedDataParallel divides by it.
    `rate`: share of the classes seen in a training step, in (0, 1]; which, is drawn from `seed`,
    the process and the number of the step, which is kept with the weights. A class that is not
    seen rests: its gradient is sparse, and `seen_rows` moves no other prototype.
    """

    sharded = ("weight",)
    step: Tensor

    def __init__(
        self,
        dim: int,
        classes: int,
        margin: Margin | None = None,
        scale: float = 32.0,
        centres: int = 1,
        rate: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        rank, of = part()
        if min(dim, centres) < 1 or scale <= 0:
            raise ChoiceError("dim, centres, scale", "positive", (dim, centres, scale))
        if classes < of:
            raise ChoiceError("classes", f"at least one for each of {of} processes", classes)
        if not 0 < rate <= 1:
            raise ChoiceError("rate", "in (0, 1]", rate)
        self.margin, self.scale, self.centres = margin, scale, centres
        self.classes, self.rate, self.seed = classes, rate, seed
        self.first, self.last = bounds(classes, (rank, of))
        draw = generator(seed, "prototypes", rank)
        rows = (self.last - self.first) * centres
        self.weight = nn.Parameter(torch.randn(rows, dim, generator=draw).mul_(0.01))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        features, labels = gathered(features.float(), labels)
        if bool(((labels < 0) | (labels >= self.classes)).any()):
            raise ChoiceError("labels", f"0 to {self.classes - 1}", labels.tolist())
        places, weight = self.seen(labels)
        # Margins are finer than half precision (`blocks.cosines`).
        with torch.autocast(features.device.type, enabled=False):
            cosine = cosines(features, weight, self.centres)
            if self.margin is not None:
                cosine = self.margin(cosine, places, features.norm(dim=1))
            loss: Tensor = CrossEntropy.apply(cosine, places, self.scale)  # type: ignore[no-untyped-call]
        return loss

    def seen(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Each label's place among the classes that are seen here, -1 if it is another process's;
        the prototypes of these classes, `centres` rows each."""
        here = (labels >= self.first) & (labels < self.last)
        local = torch.where(here, labels - self.first, -1)
        if self.rate == 1 or not self.training:
            return local, self.weight
        chosen = self.sample(torch.unique(local[here]))
        places = torch.where(here, torch.searchsorted(chosen, local), -1)
        rows = chosen[:, None] * self.centres + torch.arange(self.centres, device=chosen.device)
        return places, functional.embedding(rows.view(-1), self.weight, sparse=True)

    def sample(self, positives: Tensor) -> Tensor:
        """The classes of this shard that the next step sees, in order."""
        draw = generator(self.seed, "classes", part()[0], int(self.step), device=self.weight.device)
        self.step += 1
        return sampled(positives, self.last - self.first, self.rate, draw)


def bounds(classes: int, where: Part) -> tuple[int, int]:
    """First class of a shard and the one behind its last; shards differ by one at most."""
    rank, of = where
    return rank * classes // of, (rank + 1) * classes // of


def generator(seed: int, *names: str | int, device: Any = "cpu") -> torch.Generator:
    """Of torch, seeded as `core.seeds.rng` is."""
    return torch.Generator(device).manual_seed(int(rng(seed, *names).integers(2**62)))


def sampled(positives: Tensor, classes: int, rate: float, draw: torch.Generator) -> Tensor:
    """`rate` of `classes` in increasing order, int64: all `positives` (even if they are more) and
    others drawn at random."""
    count = max(1, round(rate * classes), len(positives))
    chance = torch.rand(classes, generator=draw, device=draw.device)
    chance[positives] = 2.0
    chosen: Tensor = chance.topk(count, sorted=False).indices.sort().values
    return chosen


def cosines(features: Tensor, weight: Tensor, centres: int) -> Tensor:
    """To each class's nearest centre: features `(n, dim)`, weight `(k * centres, dim)` -> `(n, k)`.

    Products are scaled by the norms of the prototypes, which spares a copy of these.
    """
    product = functional.normalize(features) @ weight.T
    cosine: Tensor = product * weight.norm(dim=1).clamp_min(1e-12).reciprocal()
    return cosine if centres == 1 else cosine.view(len(cosine), -1, centres).amax(2)


def gathered(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Those of all processes, in the order of their ranks; differentiable in the features."""
    of = part()[1]
    if of == 1:
        return features, labels
    everyones = labels.new_empty(of * len(labels))
    dist.all_gather_single(everyones, labels.contiguous())
    return Gather.apply(features), everyones  # type: ignore[no-untyped-call]


class Gather(torch.autograd.Function):
    """Rows `(n, d)` of each process -> `(processes * n, d)` in all."""

    @staticmethod
    def forward(ctx: FunctionCtx, mine: Tensor) -> Tensor:
        found = mine.new_empty(part()[1] * len(mine), mine.shape[1])
        dist.all_gather_single(found, mine.contiguous())
        return found

    @staticmethod
    def backward(ctx: FunctionCtx, slope: Tensor) -> Tensor:
        of = part()[1]
        mine = slope.new_empty(len(slope) // of, slope.shape[1])
        dist.reduce_scatter_single(mine, slope.contiguous())
        return mine * of


class CrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of `scale` times cosines `(n, k)` of which each process has some columns;
    labels `(n,)` are columns here, or -1 where another process has the column."""

    @staticmethod
    def forward(ctx: Any, cosine: Tensor, labels: Tensor, scale: float) -> Tensor:
        largest = reduced(scale * cosine.amax(1), dist.ReduceOp.MAX)
        share = (scale * cosine).sub_(largest[:, None])
        true = share.gather(1, labels.clamp_min(0)[:, None])[:, 0].where(labels >= 0, 0.0)
        share.exp_()
        total, true = reduced(torch.stack([share.sum(1), true]), dist.ReduceOp.SUM)
        share.div_(total[:, None])
        ctx.save_for_backward(share, labels)
        ctx.scale = scale
        loss: Tensor = (total.log() - true).mean()
        return loss

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        share, labels = ctx.saved_tensors
        each = slope * ctx.scale / len(share)
        true = (-each).expand(len(labels)).where(labels >= 0, 0.0)
        found = (share * each).scatter_add_(1, labels.clamp_min(0)[:, None], true[:, None])
        return found, None, None


def reduced(values: Tensor, how: Any) -> Tensor:
    """`values` of all processes put together."""
    if part()[1] > 1:
        dist.all_reduce(values, how)
    return values


@contextmanager
def seen_rows(optimiser: torch.optim.Optimizer) -> Iterator[None]:
    """Inside, each parameter with a sparse gradient stands in the optimiser as the rows that have
    one, so that a step moves these rows and their moments alone, and decays no others."""
    swapped = [
        (group["params"], i, weight)
        for group in optimiser.param_groups
        for i, weight in enumerate(group["params"])
        if weight.grad is not None and weight.grad.is_sparse
    ]
    for group, i, weight in swapped:
        group[i] = taken(optimiser, weight)
    try:
        yield
    finally:
        for group, i, weight in swapped:
            put_back(optimiser, weight, group[i])
            group[i] = weight


@torch.no_grad()
def taken(optimiser: torch.optim.Optimizer, weight: Tensor) -> nn.Parameter:
    """The rows of `weight (n, d)` with a gradient, as a parameter with their state."""
    slope = weight.grad
    assert slope is not None
    rows = slope._indices()[0]
    some = nn.Parameter(weight.index_select(0, rows))  # quicker than weight[rows]
    some.grad = slope._values()
    state = optimiser.state.get(weight, {})
    optimiser.state[some] = {
        name: value.index_select(0, rows) if is_moment(value, weight) else value
        for name, value in state.items()
    }
    return some


@torch.no_grad()
def put_back(optimiser: torch.optim.Optimizer, weight: Tensor, some: Tensor) -> None:
    """`weight` and its state with the rows that `taken` gave."""
    slope = weight.grad
    assert slope is not None
    rows = slope._indices()[0]
    weight.index_copy_(0, rows, some)
    state = optimiser.state[weight]
    for name, value in optimiser.state.pop(some).items():
        if is_moment(value, some):
            if name not in state:
                state[name] = torch.zeros_like(weight)
            state[name].index_copy_(0, rows, value)
        else:
            state[name] = value


def is_moment(value: object, weight: Tensor) -> bool:
    """Whether an entry of the optimiser's state has a row for each of the weight's."""
    return isinstance(value, Tensor) and value.shape == weight.shape
