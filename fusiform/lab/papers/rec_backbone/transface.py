"""TransFace: Calibrating Transformer Training for Face Recognition from a Data-Centric Perspective.

Dan, Liu, Xie, Deng, Xie, Xie, Sun, ICCV 2023. New: a squeeze-and-excitation gate says which patches
a transformer goes by; the amplitude spectra of these are mixed with those of patches of other
pictures, phases kept (`lab.blocks.amplitude`), so that faces vary and keep their structure; and a
face counts the more in the loss the less information its tokens hold.

Information is the entropy of a normal distribution with each gated token's deviation. All arms
have the same net with its gate, the faces of training have three kinds of soft light, those of
the test all others. Left out: masked tokens, which the authors' code trains with besides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.lab.blocks.amplitude import amplitude_mixed
from fusiform.lab.blocks.margins import MarginSoftmax, arcface
from fusiform.lab.nets.vit import FaceViT, GatedViT
from fusiform.lab.papers._people import numbered, split
from fusiform.lab.papers._recogniser import DIM, fresh, judged, trained
from fusiform.lab.papers._transformer import BUDGETS, PLAN, SCALE, small_vit
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import FLIP
from fusiform.lab.train.loop import Batch
from fusiform.lab.world.crowd import Crowd

LIGHTS = ("office", "overcast", "window")  # soft ones, in which the faces of training are
IMAGE_LEVEL = replace(FLIP, light=0.1)  # more of it, or erasing, is too much for so few steps
DOMINANT = 0.05  # share of the patches that are mixed
FACES = 8  # of each training person, before light is looked at: few, so that there is overfitting


@dataclass(frozen=True)
class Arm:
    """`mix`: which patches are mixed, `dominant`, `random` or none; `entropy`: whether samples are
    weighed by it; `image`: whether whole pictures are augmented instead."""

    mix: str = ""
    entropy: bool = False
    image: bool = False


class Scores(NamedTuple):
    """TAR at FAR 1e-3 of unseen people in unseen light, and of faces trained on."""

    unseen: float
    seen: float


PLAIN, IMAGE, OURS = Arm(), Arm(image=True), Arm("dominant", entropy=True)


@claim(metric="TAR at FAR 1e-3", margin=0.015, minutes=7)
def better_than_plain(seed: int, size: str) -> tuple[float, float]:
    """Mixed amplitudes of dominant patches with weights by entropy verify unseen people in unseen
    light better than training on faces as they are."""
    return verified(seed, size, OURS).unseen, verified(seed, size, PLAIN).unseen


@claim(metric="TAR at FAR 1e-3", margin=0.0, minutes=7)
def better_than_image_level(seed: int, size: str) -> tuple[float, float]:
    """They do so better than augmenting whole pictures."""
    return verified(seed, size, OURS).unseen, verified(seed, size, IMAGE).unseen


@claim(metric="TAR at FAR 1e-3", margin=0.0, minutes=7)
def dominant_patches_matter(seed: int, size: str) -> tuple[float, float]:
    """Mixing dominant patches is better than mixing as many at random."""
    random = verified(seed, size, Arm("random", entropy=True))
    return verified(seed, size, OURS).unseen, random.unseen


@claim(metric="TAR at FAR 1e-3, seen less unseen", margin=0.0, minutes=7, higher=False)
def overfits_less(seed: int, size: str) -> tuple[float, float]:
    """The gap between faces trained on and unseen ones is smaller than without."""
    ours, plain = verified(seed, size, OURS), verified(seed, size, PLAIN)
    return ours.seen - ours.unseen, plain.seen - plain.unseen


@lru_cache(maxsize=8)
def verified(seed: int, size: str, arm: Arm) -> Scores:
    """Scores after training on 300 people in few lights."""
    faces = split(seed, size, 300, 100)
    few = faces.train[numbered(faces.train) < FACES]
    train, test = lit(few, known=True), lit(faces.test, known=False)
    net = fresh(seed, lambda: GatedViT(small_vit(seed, train.size)))
    head = fresh(seed, lambda: MarginSoftmax(DIM, faces.train.people, arcface(0.4), SCALE))
    augment = IMAGE_LEVEL if arm.image else FLIP
    trained(
        train,
        seed,
        size,
        net=net,
        objective=Calibrated(head, arm),
        augment=augment,
        plan=PLAN,
        budget=BUDGETS[size],
    )
    return Scores(judged(net, test).tar3, judged(net, train).tar3)


class Calibrated(nn.Module):
    """The objective: patches mixed and samples weighed, as an arm says."""

    def __init__(self, head: MarginSoftmax, arm: Arm) -> None:
        super().__init__()
        self.head, self.arm = head, arm

    def forward(self, net: GatedViT, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        images, labels = batch["image"], batch["label"]
        if self.arm.mix:
            images = mixed(images, self.chosen(net, images), net.vit)
        tokens, _ = net.gated(images)
        logits = self.head.logits(net.head(tokens), labels)
        each = functional.cross_entropy(logits, labels, reduction="none")
        if self.arm.entropy:
            each = each * (1 + (-information(tokens)).exp()).detach()
        return each.mean(), {}

    @torch.no_grad()
    def chosen(self, net: GatedViT, images: Tensor) -> Tensor:
        """Which patches are mixed, `(n, t)`."""
        score = torch.rand(len(images), net.vit.side**2)
        if self.arm.mix == "dominant":
            score = net.gated(images)[1]
        count = max(1, round(DOMINANT * score.shape[1]))
        return score >= score.topk(count, 1).values[:, -1:]


def information(tokens: Tensor) -> Tensor:
    """Mean entropy of the tokens `(n, t, width)` in nats, each as if normal, `(n,)`."""
    deviation = tokens.std(2).clamp_min(1e-6)
    return (deviation.log() + 0.5 * math.log(2 * math.pi * math.e)).mean(1)


def mixed(images: Tensor, which: Tensor, vit: FaceViT) -> Tensor:
    """`images` in [-1, 1] with the amplitudes of patches `which (n, t)` mixed, by shares drawn
    evenly from 0..1, with those of patches drawn from the batch."""
    n, _, height, width = images.shape
    side = vit.patch
    pixels = (vit.patches(images) + 1) / 2
    patches = pixels.reshape(-1, 3, side, side)
    rows = which.flatten().nonzero()[:, 0]
    other = patches[torch.randint(len(patches), rows.shape)]
    share = torch.rand(len(rows), 1, 1, 1)
    new = amplitude_mixed(patches[rows], other, share).clamp(0, 1)
    columns = patches.index_copy(0, rows, new).view(n, -1, 3 * side * side).transpose(1, 2)
    return functional.fold(columns, (height, width), side, stride=side) * 2 - 1


def lit(faces: Crowd, known: bool) -> Crowd:
    """The faces in LIGHTS, or those in any other light."""
    return faces[np.isin(faces.facts["light"], LIGHTS) == known]
