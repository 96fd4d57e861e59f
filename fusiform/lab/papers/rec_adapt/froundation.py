"""FRoundation: Are Foundation Models Ready for Face Recognition?

Chettaoui, Damer, Boutros, Image and Vision Computing 2025. A study and a recipe: an encoder that
was trained for other ends is tried as a face recogniser, then adapted by low-rank adapters and a
margin softmax, for few and for many people, against the same net trained from scratch.

The encoder is a small transformer trained here on faces nobody names, from what a caption could
say of them (age, sex, ancestry, glasses, light, pose), as CLIP was from captions. Left out: what an
encoder of other things than faces knows, DINOv2's way without any text, and the study of bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.lab.blocks.lora import adapt, merge
from fusiform.lab.nets.vit import FaceViT
from fusiform.lab.papers._people import Split, numbered, split
from fusiform.lab.papers._recogniser import DIM, fresh, judged, trained
from fusiform.lab.papers._transformer import PLAN, cosines, small_vit, spent
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import FLIP, Augment
from fusiform.lab.train.loop import Batch
from fusiform.lab.world.crowd import Crowd

UNLABELLED, FEW, MANY = 350, 10, 300  # people: of the encoder, and of the two sets with labels
FACES = 10  # of each person with labels
NUMBERS = ("yaw", "pitch", "roll", "age", "male", "glasses", "exposure", "points")
KINDS = ("ancestry", "light")
STILL = replace(Augment(), flip=0.0, shift=0.0, scale=0.0, turn=0.0)  # what facts are true of
ARMS = ("frozen", "scratch", "adapted")
RANK, RATE = 16, 1e-2


@claim(metric="TAR at FAR 1e-2", margin=0.05, minutes=7)
def adapters_win_with_few_people(seed: int, size: str) -> tuple[float, float]:
    """With ten people to learn from, an adapted encoder verifies unseen people better than the same
    net trained from scratch."""
    return verified(seed, size, "adapted", FEW), verified(seed, size, "scratch", FEW)


@claim(metric="lead of adapters over scratch, TAR at FAR 1e-2", margin=0.03, minutes=7)
def the_gap_closes(seed: int, size: str) -> tuple[float, float]:
    """The lead of the adapted encoder over training from scratch is larger with ten people
    than with 300."""
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
    net = small_vit(seed, faces.test.size)
    if arm == "adapted":
        net = deepcopy(encoder)
        adapt(net, RANK)
        # The norm of the head is new, as the margin's is: without one it learns far worse.
        net.head[1] = nn.BatchNorm1d(DIM)
    first = faces.train.people // 2 if size == "tiny" else UNLABELLED
    known = faces.train.of(range(first, min(first + people, faces.train.people)))
    known = known[numbered(known) < FACES]
    # Few faces are learnt in fewer steps.
    share = 1.0 if people == MANY else 0.5
    budget = spent(size, share, RATE if arm == "adapted" else None)
    head = cosines(seed, known.people)
    trained(known, seed, size, head, net, augment=FLIP, plan=PLAN, budget=budget)
    return judged(merge(net), faces.test).tar2


@lru_cache(maxsize=1)
def foundation(seed: int, size: str) -> tuple[Split, FaceViT]:
    """An encoder trained on faces without names, by their captions."""
    faces = split(seed, size, UNLABELLED + MANY, 100)
    count = faces.train.people // 2 if size == "tiny" else UNLABELLED
    known = faces.train.of(range(count))
    net = small_vit(seed, faces.test.size)
    trained(
        known,
        seed,
        size,
        net=net,
        objective=fresh(seed, lambda: Captions(known)),
        augment=STILL,
        plan=PLAN,
        budget=spent(size, 2.0),
    )
    return faces, net


class Captions(nn.Module):
    """The objective: features tell, linearly, the facts of a picture: numbers as deviations from
    their mean, and kinds."""

    def __init__(self, faces: Crowd) -> None:
        super().__init__()
        columns = [faces.facts[name].reshape(len(faces), -1) for name in NUMBERS]
        numbers = np.concatenate(columns, 1).astype(np.float32)
        self.numbers = torch.from_numpy((numbers - numbers.mean(0)) / (numbers.std(0) + 1e-6))
        kinds = [np.unique(faces.facts[name], return_inverse=True)[1] for name in KINDS]
        self.kinds = [torch.from_numpy(kind) for kind in kinds]
        self.tell = nn.Linear(DIM, self.numbers.shape[1])
        self.name = nn.ModuleList(nn.Linear(DIM, int(kind.max()) + 1) for kind in kinds)

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        found, rows = net(batch["image"]), batch["row"]
        loss = functional.mse_loss(self.tell(found), self.numbers[rows])
        for name, kind in zip(self.name, self.kinds, strict=True):
            loss = loss + functional.cross_entropy(name(found), kind[rows])
        return loss, {}
