"""Training a small recogniser on people of the world and judging it on others: the set-up of
most recognition papers. Both arms of a claim get the same faces, steps and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from fusiform.lab.blocks.margins import MarginSoftmax, cosface
from fusiform.lab.nets.resnet import FaceResNet
from fusiform.lab.train.augment import FLIP, Augment
from fusiform.lab.train.batches import Sampler, shuffled
from fusiform.lab.train.faces import Classify, embed, face_batches
from fusiform.lab.train.loop import Plan, train
from fusiform.lab.world.crowd import Crowd
from fusiform.measure.verification import auc, pairs, tar_at_far

T = TypeVar("T")
DIM = 128


@dataclass(frozen=True)
class Budget:
    """Steps and batch; the rate suits `FaceResNet` with SGD."""

    steps: int
    batch: int = 128
    rate: float = 0.1


BUDGETS = {"tiny": Budget(6, 32), "small": Budget(300), "full": Budget(20_000, 512)}


class Scores(NamedTuple):
    """All pairs of the test people: TAR at FAR 1e-2 and 1e-3, area under the ROC."""

    tar2: float
    tar3: float
    auc: float


def trained(
    faces: Crowd,
    seed: int,
    size: str,
    head: nn.Module | None = None,
    net: nn.Module | None = None,
    labels: np.ndarray | None = None,
    augment: Augment | Callable[[Tensor, torch.Generator], Tensor] = FLIP,
    sampler: Sampler | None = None,
    objective: nn.Module | None = None,
    plan: Mapping[str, object] | None = None,
    budget: Budget | None = None,
) -> nn.Module:
    """A net trained on `faces` (`labels` in place of their people, where given), in evaluation
    mode. Without `head` CosFace is used, without `net` `FaceResNet`; `objective` takes the place
    of classification by the head; `plan` changes fields of `loop.Plan`.

    Initial weights are drawn by the caller's torch generator: build nets after `fresh(seed)`.
    """
    spend = budget or BUDGETS[size]
    who = faces.person if labels is None else labels
    net = net or fresh(seed, lambda: FaceResNet(faces.size, DIM))
    head = head or MarginSoftmax(DIM, int(who.max()) + 1, cosface())
    sampler = sampler or shuffled(len(faces), spend.batch, seed)
    batches = face_batches(faces.images, who, sampler, augment, seed)  # type: ignore[arg-type]
    options = {"steps": spend.steps, "rate": spend.rate, "warmup": spend.steps // 20, "seed": seed}
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return train(net, objective or Classify(head), batches, Plan(**(options | dict(plan or {}))))  # type: ignore[arg-type]


def fresh(seed: int, make: Callable[[], T]) -> T:
    """What `make` gives, its weights drawn from `seed`."""
    torch.manual_seed(seed)
    return make()


def judged(net: nn.Module, test: Crowd, change: Callable[[Tensor], Tensor] | None = None) -> Scores:
    """How well `net` tells the people of `test` apart."""
    return scores(embed(net, test.images, change=change), test.person)


def scores(embeddings: np.ndarray, person: np.ndarray) -> Scores:
    """Of unit vectors `(n, d)` and whose they are."""
    genuine, impostor = pairs(embeddings, person)
    return Scores(
        tar_at_far(genuine, impostor, 1e-2),
        tar_at_far(genuine, impostor, 1e-3),
        auc(genuine, impostor),
    )
