"""What one of two processes does.

`two.py check FOLDER` compares with one process, trains a run in FOLDER/straight, and one in
FOLDER/lost in which process 1 kills itself; `two.py train FOLDER` goes on with that.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fusiform.core.errors import FusiformError
from fusiform.lab.blocks.margins import AdaFace, MarginSoftmax, arcface, cosface
from fusiform.lab.train import parallel
from fusiform.lab.train.augment import Augment
from fusiform.lab.train.batches import shuffled
from fusiform.lab.train.faces import Classify, face_batches
from fusiform.lab.train.loop import Plan, train
from fusiform.lab.train.runs import begin
from fusiform.lab.train.sharded import ShardedMarginSoftmax, generator, sampled

CLASSES, DIM, ROWS = 11, 5, 6
HEADS = ((lambda: None, 1), (cosface, 1), (arcface, 1), (AdaFace, 1), (arcface, 2))
PLAN = Plan(3, 0.1, momentum=0.9, decay=0.01, clip=0.5, seed=3)
RUN = Plan(8, 0.01, optimiser="adamw", average=3, save=2, every=1, seed=3)


def seeded(seed: int, make):
    torch.manual_seed(seed)
    return make()


def small(norm: bool = False) -> nn.Module:
    """Pictures of 8 x 8 pixels -> features (n, DIM)."""
    layers = [nn.BatchNorm1d(12), nn.Dropout(0.3)] if norm else []
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 12), *layers, nn.PReLU(), nn.Linear(12, DIM))


def pictures(part=(0, 1), batch: int = ROWS, augment: Augment = Augment(*[0] * 8, 1, 0, 0)):  # noqa: B008
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (40, 8, 8, 3), np.uint8)
    labels = draw.integers(0, CLASSES, 40)
    return face_batches(images, labels, shuffled(40, batch, 1, part), augment, part=part)


def table(centres: int = 1) -> torch.Tensor:
    return torch.randn(CLASSES * centres, DIM, generator=generator(0, "table"))


def rows_of(head: ShardedMarginSoftmax) -> slice:
    return slice(head.first * head.centres, head.last * head.centres)


def placed(head: ShardedMarginSoftmax) -> ShardedMarginSoftmax:
    """With its shard of `table`."""
    head.weight.data.copy_(table(head.centres)[rows_of(head)])
    return head


def batch_of_all() -> tuple[torch.Tensor, torch.Tensor]:
    draw = generator(1, "features")
    features = torch.randn(2 * ROWS, DIM, generator=draw) * 8
    return features, torch.randint(0, CLASSES, (2 * ROWS,), generator=draw)


def compare_head(make, centres: int) -> None:
    """A sharded head beside the whole one, on the rows of both processes."""
    rank, _ = parallel.part()
    features, labels = batch_of_all()
    whole = MarginSoftmax(DIM, CLASSES, make(), centres=centres)
    whole.weight.data.copy_(table(centres))
    all_features = features.clone().requires_grad_()
    wanted = whole(all_features, labels)
    wanted.backward()
    head = placed(ShardedMarginSoftmax(DIM, CLASSES, make(), centres=centres))
    here = slice(rank * ROWS, (rank + 1) * ROWS)
    mine = features[here].clone().requires_grad_()
    loss = head(mine, labels[here])
    loss.backward()
    near(loss, wanted)
    near(mine.grad / 2, all_features.grad[here])
    near(head.weight.grad, whole.weight.grad[rows_of(head)])
    if isinstance(head.margin, AdaFace):
        near(head.margin.mean, whole.margin.mean)


def compare_sample() -> None:
    """A sample of classes, written out: softmax over the classes that either process drew."""
    rank, of = parallel.part()
    features, labels = batch_of_all()
    head = placed(ShardedMarginSoftmax(DIM, CLASSES, arcface(), rate=0.6, seed=4))
    here = slice(rank * ROWS, (rank + 1) * ROWS)
    for step in range(3):
        drawn = []
        for r in range(of):
            first, last = r * CLASSES // of, (r + 1) * CLASSES // of
            inside = labels[(labels >= first) & (labels < last)].unique() - first
            draw = generator(4, "classes", r, step)
            drawn.append(sampled(inside, last - first, 0.6, draw) + first)
        classes = torch.cat(drawn)
        literal = MarginSoftmax(DIM, len(classes), arcface())
        literal.weight.data.copy_(table()[classes])
        all_features = features.clone().requires_grad_()
        wanted = literal(all_features, torch.searchsorted(classes, labels))
        wanted.backward()
        mine = features[here].clone().requires_grad_()
        head.weight.grad = None
        loss = head(mine, labels[here])
        loss.backward()
        near(loss, wanted)
        near(mine.grad / 2, all_features.grad[here])
        slope = torch.zeros(CLASSES, DIM)
        slope[classes] = literal.weight.grad
        near(head.weight.grad.to_dense(), slope[rows_of(head)])
        assert head.weight.grad._values().shape[0] == len(drawn[rank])


def compare_training(net: nn.Module, head: nn.Module) -> None:
    """The loop by two processes beside one with batches of both."""
    part = parallel.part()
    both = seeded(7 + part[0], small)  # other weights in process 1: those of process 0 count
    own = MarginSoftmax(DIM, CLASSES, cosface())
    own.weight.data.copy_(table())
    train(both, Classify(own), pictures(part), PLAN)
    near(own.weight, head.weight)
    shard = placed(ShardedMarginSoftmax(DIM, CLASSES, cosface()))
    other = seeded(7 + part[0], small)
    train(other, Classify(shard), pictures(part), PLAN)
    near(shard.weight, head.weight[rows_of(shard)])
    for name, wanted in net.state_dict().items():
        near(both.state_dict()[name], wanted)
        near(other.state_dict()[name], wanted)


def near(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found.detach(), wanted.detach(), atol=1e-5, rtol=0)


def alone() -> tuple[nn.Module, nn.Module]:
    net, head = seeded(7, small), MarginSoftmax(DIM, CLASSES, cosface())
    head.weight.data.copy_(table())
    train(net, Classify(head), pictures(batch=2 * ROWS), PLAN)
    return net, head


def compare_float16() -> None:
    """An overflow in one process's shard leaves the step out in both."""
    rank, _ = parallel.part()
    net, head = seeded(0, small), placed(ShardedMarginSoftmax(DIM, CLASSES))
    head.weight.register_hook(lambda slope: slope * float("inf") if rank else slope)
    before = head.weight.detach().clone()
    plan = Plan(1, precision="float16")
    train(net, Classify(head), pictures(parallel.part()), plan)
    assert torch.equal(head.weight, before)
    assert torch.equal(net[1].weight, seeded(0, small)[1].weight)


def a_run(folder: Path, dies: bool = False) -> None:
    """Batch norm, dropout, augmentation, AdamW, an average, sampled shards."""
    part = parallel.part()
    batches = pictures(part, augment=Augment())

    def until(step: int):
        if dies and step == 5 and part[0] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return batches(step)

    net = seeded(5, lambda: small(norm=True))
    head = ShardedMarginSoftmax(DIM, CLASSES, AdaFace(), rate=0.5)
    run = parallel.in_turn(lambda: begin(folder, {"steps": RUN.steps}))
    train(net, Classify(head), until, RUN, run)


def check(folder: Path, net: nn.Module, head: nn.Module) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun sends it at once; the rest is short
    for make, centres in HEADS:
        compare_head(make, centres)
    compare_sample()
    compare_training(net, head)
    compare_float16()
    a_run(folder / "straight")
    try:
        a_run(folder / "lost", dies=True)
    except FusiformError as error:
        print(f"all compared; {error}")


def main(what: str, folder: str) -> None:
    torch.set_num_threads(1)
    reference = alone() if what == "check" else None
    with parallel.joined(timeout=60):
        if reference:
            check(Path(folder), *reference)
        else:
            a_run(Path(folder) / "lost")


if __name__ == "__main__":
    main(*sys.argv[1:])
