"""Practical Continual Forgetting for Pre-trained Vision Models.

Zhao, Ni, Fan, Wang, Chen, Meng, Zhang, CVPR 2024, extended in Zhao, Zhu, Ni, Zhu, Meng, Zhang,
2025. New: people leave a transformer that knows them, one request after another, by low-rank
adapters of its perceptrons alone, of which a group lasso lets few blocks change; a bounded loss
pushes the leaving away, and of those who stay some faces are seen again. The extended version also
pushes logits from the prototypes of those who leave and pulls to those who stay.

The classifier's own rows are frozen in all arms: who leaves must leave the features, for turning
one row away would hide them and erase nothing. Left out: detection and other pictures than faces.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from fusiform.lab.blocks.forgetting import leaving_loss, prototype_ties
from fusiform.lab.blocks.lora import adapt, group_norms, grouped, merge, silence
from fusiform.lab.blocks.margins import MarginSoftmax
from fusiform.lab.nets.vit import FaceViT
from fusiform.lab.papers._people import numbered, split
from fusiform.lab.papers._recogniser import Budget, trained
from fusiform.lab.papers._transformer import BUDGETS, PLAN, cosines, settled, small_vit
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import Augment
from fusiform.lab.train.batches import Rows, Sampler, shuffled
from fusiform.lab.train.faces import features
from fusiform.lab.train.loop import Batch
from fusiform.lab.world.crowd import Crowd

SEEN = 15  # faces of each person that are trained on; the others test
REPLAY = 2  # of each person who stays, seen again: about a tenth
BOUND = 15.0  # a cross-entropy, margin included, beyond which nothing is pushed any more
APART = 0.5  # the same for the squared distance of cosines from a prototype
QUIET = 0.05  # a group's norm, which begins near 4, below which it is none


@dataclass(frozen=True)
class Arm:
    """How people are made to leave. `rank` 0: all weights are trained. `sparse`: weight of the
    group lasso; `tied`: of the prototypes."""

    rank: int = 16
    rate: float = 2e-2
    sparse: float = 0.0
    tied: float = 0.0


FULL = Arm(0, 1e-3)
PLAIN = Arm()
SPARSE = Arm(sparse=0.3)
TIED = Arm(sparse=0.3, tied=1.0)


@dataclass(frozen=True)
class After:
    """Shares of right answers, before and after all requests; `changed`: share of the blocks
    that a request changes, on average."""

    forgotten_before: float
    kept_before: float
    forgotten: float
    kept: float
    changed: float

    @property
    def mean(self) -> float:
        """Harmonic mean of what is kept and of the fall in what is to be forgotten."""
        fall = max(self.forgotten_before - self.forgotten, 0.0)
        return 2 * self.kept * fall / max(self.kept + fall, 1e-9)


@claim(metric="harmonic mean of kept accuracy and forgetting", margin=0.03, minutes=6)
def forgets_at_less_cost(seed: int, size: str) -> tuple[float, float]:
    """After four requests of five people each, group-sparse adapters forget and keep better than
    training all weights with the same losses."""
    return forgetting(seed, size, SPARSE).mean, forgetting(seed, size, FULL).mean


@claim(metric="accuracy on those who stay", margin=-0.02, minutes=6)
def others_stay(seed: int, size: str) -> tuple[float, float]:
    """Group-sparse adapters cost those who stay at most two points, against before."""
    found = forgetting(seed, size, SPARSE)
    return found.kept, found.kept_before


@claim(metric="accuracy on those who left", margin=0.0, minutes=6, higher=False)
def they_are_gone(seed: int, size: str) -> tuple[float, float]:
    """Of the new faces of those who left fewer than three in a hundred are still known."""
    return forgetting(seed, size, SPARSE).forgotten, 0.03


@claim(metric="share of blocks that change", margin=0.2, minutes=6, higher=False)
def few_blocks_change(seed: int, size: str) -> tuple[float, float]:
    """The group lasso leaves more of the transformer's blocks as they were than plain adapters."""
    return forgetting(seed, size, SPARSE).changed, forgetting(seed, size, PLAIN).changed


@claim(metric="harmonic mean of kept accuracy and forgetting", margin=0.005, minutes=6)
def prototypes_help(seed: int, size: str) -> tuple[float, float]:
    """Ties to prototypes forget and keep better than group-sparse adapters alone."""
    return forgetting(seed, size, TIED).mean, forgetting(seed, size, SPARSE).mean


@lru_cache(maxsize=8)
def forgetting(seed: int, size: str, arm: Arm) -> After:
    """A fifth of the people leave in four requests."""
    faces, net, head = classifier(seed, size)
    seen = numbered(faces) < faces_seen(size)
    leaving = np.arange(max(4, faces.people // 5))
    before = accuracies(net, head, faces[~seen], leaving)
    shares = []
    for number, request in enumerate(np.array_split(leaving, 4)):
        # Who left before is pushed on, or they come back as those who stay are learnt again.
        request, stay = np.split(np.arange(faces.people), [int(request[-1]) + 1])
        net, share = forgotten(net, head, faces[seen], request, stay, seed + number, size, arm)
        shares.append(share)
    return After(*before, *accuracies(net, head, faces[~seen], leaving), float(np.mean(shares)))


def faces_seen(size: str) -> int:
    """Of each person."""
    return SEEN if size != "tiny" else 6


@lru_cache(maxsize=1)
def classifier(seed: int, size: str) -> tuple[Crowd, FaceViT, MarginSoftmax]:
    """A transformer that knows a hundred people."""
    faces = split(seed, size, 100, 1).train
    head = cosines(seed, faces.people)
    net = small_vit(seed, faces.size, 6, 12)
    known = faces[numbered(faces) < faces_seen(size)]
    trained(known, seed, size, head, net, plan=PLAN, budget=BUDGETS[size])
    return faces, settled(net), head


def forgotten(
    net: FaceViT,
    head: MarginSoftmax,
    faces: Crowd,
    request: Rows,
    stay: Rows,
    seed: int,
    size: str,
    arm: Arm,
) -> tuple[FaceViT, float]:
    """A net without the people of `request`, and the share of its blocks that changed."""
    new = deepcopy(net)
    objective = Forget(
        deepcopy(head).requires_grad_(False), request, prototypes(net, head, faces), arm
    )
    if arm.rank:
        adapt(new, arm.rank, where=r"perceptron")
    sampler = both(faces.person, request, stay, seed, 8 if size == "tiny" else 16)
    spend = Budget(2 if size == "tiny" else 80, rate=arm.rate)
    trained(
        faces,
        seed,
        size,
        net=new,
        objective=objective,
        augment=Augment(),
        sampler=sampler,
        plan=PLAN,
        budget=spend,
    )
    if not arm.rank:
        return new, 1.0
    groups = grouped(new)
    silent = silence(groups, QUIET)
    return merge(new).requires_grad_(True), 1 - len(silent) / len(groups)  # type: ignore[return-value]


class Forget(nn.Module):
    """The objective: cross-entropy of those who stay, bounded negative cross-entropy of those who
    leave, group lasso of adapters, and ties to prototypes `(classes, classes)` of cosines."""

    def __init__(self, head: MarginSoftmax, leaving: Rows, mean: Tensor, arm: Arm) -> None:
        super().__init__()
        self.head, self.mean, self.arm = head, mean, arm
        self.leaving = torch.from_numpy(leaving)

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        label = batch["label"]
        found = net(batch["image"])
        loss = leaving_loss(self.head.logits(found, label), label, self.leaving, BOUND)
        if self.arm.tied:
            cosine = self.head.cosines(found)
            ties = prototype_ties(cosine, label, self.leaving, self.mean, APART)
            loss = loss + self.arm.tied * ties
        if self.arm.sparse:
            loss = loss + self.arm.sparse * group_norms(grouped(net)).sum()
        return loss, {}


def both(person: Rows, leaving: Rows, stay: Rows, seed: int, each: int) -> Sampler:
    """`each` faces of those who leave and twice as many of those who stay, of whom only REPLAY
    faces a person are left."""
    gone = np.flatnonzero(np.isin(person, leaving))
    left = np.concatenate([np.flatnonzero(person == p)[:REPLAY] for p in stay])
    first, second = shuffled(len(gone), each, seed), shuffled(len(left), 2 * each, seed)
    return lambda step: np.concatenate([gone[first(step)], left[second(step)]])


@torch.no_grad()
def prototypes(net: FaceViT, head: MarginSoftmax, faces: Crowd) -> Tensor:
    """Mean cosines of each person's faces to all people, `(people, people)`."""
    cosine = head.cosines(torch.from_numpy(features(net, faces.images)))
    return torch.stack([cosine[faces.person == p].mean(0) for p in range(faces.people)])


@torch.no_grad()
def accuracies(
    net: FaceViT, head: MarginSoftmax, faces: Crowd, leaving: Rows
) -> tuple[float, float]:
    """Shares of right answers for those who are to leave and for all others."""
    found = head.cosines(torch.from_numpy(features(net, faces.images))).argmax(1).numpy()
    right, gone = found == faces.person, np.isin(faces.person, leaving)
    return float(right[gone].mean()), float(right[~gone].mean())
