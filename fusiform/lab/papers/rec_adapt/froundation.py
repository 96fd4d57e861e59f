"""FRoundation: Are Foundation Models Ready for Face Recognition?

Chettaoui, Damer, Boutros, Image and Vision Computing 2025. A study and a recipe: an encoder that
was trained without labels is tried as a face recogniser, then adapted by low-rank adapters and a
margin softmax, for few and for many people, against the same net trained from scratch.

The encoder is a small transformer trained here on unlabelled faces by SimCLR, for DINOv2's and
CLIP's weights and pictures of all kinds are too large to be made anew. Left out for that: what an
encoder of other things than faces knows; and the paper's study of bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache

import torch
from torch import Tensor, nn

from fusiform.lab.blocks.contrastive import nt_xent
from fusiform.lab.blocks.lora import adapt, merge
from fusiform.lab.papers._people import Split, numbered, split
from fusiform.lab.papers._recogniser import judged, trained
from fusiform.lab.papers._transformer import PLAN, cosines, settled, small_vit, spent
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import FLIP, Augment
from fusiform.lab.train.loop import Batch

UNLABELLED, FEW, MANY = 350, 30, 300  # people: of the encoder, and of the two sets with labels
FACES = 10  # of each person with labels
VIEWS = Augment(0.5, 0.06, 0.12, 8, 0.35, 0.2, 0.3, 0.3, 0.3, 0.08, 0.5)
ARMS = ("frozen", "scratch", "adapted")
RANK, RATE = 8, 3e-3


@claim(metric="TAR at FAR 1e-2", margin=0.05, minutes=7)
def adapters_win_with_few_people(seed: int, size: str) -> tuple[float, float]:
    """With 30 people to learn from, an adapted encoder verifies unseen people better than the same
    net trained from scratch."""
    return verified(seed, size, "adapted", FEW), verified(seed, size, "scratch", FEW)


@claim(metric="lead of adapters over scratch, TAR at FAR 1e-2", margin=0.03, minutes=7)
def the_gap_closes(seed: int, size: str) -> tuple[float, float]:
    """The lead of the adapted encoder over training from scratch is larger with 30 people than
    with 300."""
    few, many = (
        verified(seed, size, "adapted", n) - verified(seed, size, "scratch", n) for n in (FEW, MANY)
    )
    return few, many


@claim(metric="TAR at FAR 1e-2", margin=0.0, minutes=7)
def frozen_features_are_not_enough(seed: int, size: str) -> tuple[float, float]:
    """With 300 people the worse of adapting and training from scratch is still better than the
    encoder as it is."""
    learnt = min(verified(seed, size, arm, MANY) for arm in ("adapted", "scratch"))
    return learnt, verified(seed, size, "frozen", 0)


@lru_cache(maxsize=8)
def verified(seed: int, size: str, arm: str, people: int) -> float:
    """TAR at FAR 1e-2 on 100 unseen people."""
    faces, encoder = foundation(seed, size)
    if arm == "frozen":
        return judged(encoder, faces.test).tar2
    net: nn.Module = small_vit(seed, faces.test.size)
    if arm == "adapted":
        net = deepcopy(encoder)
        adapt(net, RANK)
    first = faces.train.people // 2 if size == "tiny" else UNLABELLED
    known = faces.train.of(range(first, min(first + people, faces.train.people)))
    known = known[numbered(known) < FACES]
    # Few faces are learnt in fewer steps.
    budget = spent(size, 1.0 if people == MANY else 0.5, RATE)
    head = cosines(seed, known.people)
    trained(known, seed, size, head, net, augment=FLIP, plan=PLAN, budget=budget)
    return judged(merge(net), faces.test).tar2


@lru_cache(maxsize=1)
def foundation(seed: int, size: str) -> tuple[Split, nn.Module]:
    """An encoder trained on faces without their names."""
    faces = split(seed, size, UNLABELLED + MANY, 100)
    count = faces.train.people // 2 if size == "tiny" else UNLABELLED
    net = small_vit(seed, faces.test.size)
    trained(
        faces.train.of(range(count)),
        seed,
        size,
        net=net,
        objective=TwoViews(),
        augment=lambda images, draw: torch.cat([VIEWS(images, draw), VIEWS(images, draw)], 1),
        plan=PLAN,
        budget=spent(size, 1.0),
    )
    return faces, settled(net)


class TwoViews(nn.Module):
    """The objective: two views of a picture `(n, 6, S, S)` find one another."""

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        one, other = net(torch.cat(batch["image"].chunk(2, 1))).chunk(2)
        return nt_xent(one, other), {}
