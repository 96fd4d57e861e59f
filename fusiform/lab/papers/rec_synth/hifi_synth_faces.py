"""A high fidelity synthetic face framework for computer vision.

Baltrusaitis, Wood, Estellers, Hewitt, Dziadzio, Kowalski, Johnson, Cashman and Shotton, 2020
(arXiv:2007.08364). New: a parametric face dressed with hand-made assets (expressions, environment
light, textures, hair, clothes) and drawn with exact labels, on which vision models are trained.
`fusiform.lab.world` is such a framework; what is measured is what variety of assets is worth to a
landmark net. Left out: path tracing, and the test on real photos.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.align import warp
from fusiform.core.seeds import rng
from fusiform.lab.nets.resnet import FaceResNet
from fusiform.lab.papers._recogniser import fresh
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import Augment, around, augmented, similar
from fusiform.lab.train.batches import shuffled
from fusiform.lab.train.faces import as_input, features
from fusiform.lab.train.loop import Batch, Batches, Plan, train
from fusiform.lab.world.labels import Photo
from fusiform.lab.world.samples import Options, take
from fusiform.measure.landmarks import nme

SIDE, MARKS = 48, 68
TRAINING, TEST = 23, 24  # seeds of two worlds
# What each arm is drawn without; the sensor is the same for all.
ARMS = {
    "plain": ("skin", "light", "hair", "days", "expression", "things"),
    "expression": ("skin", "light", "hair", "days", "things"),
    "light": ("skin", "hair", "days", "things"),
    "full": (),
}
COUNTS = {"tiny": (8, 6), "small": (480, 220), "full": (100_000, 4000)}  # pictures of an arm, test
STEPS = {"tiny": 4, "small": 250, "full": 20_000}
WIDE = 1.3  # side of a crop over that of the face's box
JITTER = Augment(flip=0, shift=0.04, scale=0.1, turn=15, grey=0, low=0)  # alike in all arms


@claim(metric="NME over that of shape and pose alone", margin=0.2, minutes=8, higher=False)
def variety_pays(seed: int, size: str) -> tuple[float, float]:
    """A landmark net trained on faces with all assets errs less in a wilder world than one trained
    on as many faces of varied shape and pose alone."""
    return error(seed, size, "full") / error(seed, size, "plain"), 1.0


@claim(metric="NME over that without", margin=0.0, minutes=8, higher=False)
def expression_pays(seed: int, size: str) -> tuple[float, float]:
    """Expressions lower the error, added to shape and pose."""
    return error(seed, size, "expression") / error(seed, size, "plain"), 1.0


@claim(metric="NME over that without", margin=0.0, minutes=8, higher=False)
def light_pays(seed: int, size: str) -> tuple[float, float]:
    """Light lowers the error, added to shape, pose and expression."""
    return error(seed, size, "light") / error(seed, size, "expression"), 1.0


@claim(metric="NME over that without", margin=0.0, minutes=8, higher=False)
def hair_skin_and_things_pay(seed: int, size: str) -> tuple[float, float]:
    """Hair, skin and what is worn lower the error, added to shape, pose, expression and light."""
    return error(seed, size, "full") / error(seed, size, "light"), 1.0


class Marked(NamedTuple):
    """Crops `(n, 48, 48, 3)`, points `(n, 68, 2)` in half sides about the middle, and the root of
    the box's area `(n,)` in the same unit."""

    images: NDArray[np.uint8]
    points: NDArray[np.float32]
    norm: NDArray[np.float32]


@lru_cache(maxsize=8)
def error(seed: int, size: str, arm: str) -> float:
    """Mean NME (by the box) of a net of this arm, on the test world."""
    test = marked(seed, size, "test")
    net = regressor(marked(seed, size, arm), seed, STEPS[size])
    found = features(net, test.images).reshape(test.points.shape)
    return float(nme(found, test.points, test.norm).mean())


@lru_cache(maxsize=2)
def marked(seed: int, size: str, arm: str) -> Marked:
    """The pictures of an arm: of all arms the same people and shots, two of a person; of the test
    one of each, in a wilder world."""
    training, test = COUNTS[size]
    if arm == "test":
        options = Options("wild", TEST, 112, ("points",))
        who = [(seed * 10_000 + i, 0) for i in range(test)]
    else:
        options = Options("landmarks", TRAINING, 112, ("points",), without=ARMS[arm])
        who = [(seed * 100_000 + i // 2, i % 2) for i in range(training)]
    rows = [cut(take(options, *one), rng(seed, arm == "test", *one)) for one in who]
    return Marked(*(np.stack(column) for column in zip(*rows, strict=True)))


def cut(photo: Photo, draw: np.random.Generator) -> tuple[NDArray[np.uint8], ...]:
    """The face as a detector finds it: its box, somewhat off, and its points there."""
    box = np.asarray(photo.facts["box"], float)
    width, height = box[2:] - box[:2]
    side = WIDE * max(width, height) * float(draw.uniform(0.95, 1.05))
    corner = (box[:2] + box[2:]) / 2 - side / 2 + draw.uniform(-0.03, 0.03, 2) * side
    back = np.column_stack([np.eye(2) * side / SIDE, corner])
    points = (photo.arrays["points68"] - corner) / side * 2 - 1
    norm = 2 * np.sqrt(width * height) / side
    return warp(photo.image, back, SIDE), points.astype(np.float32), np.asarray(norm, np.float32)


def regressor(faces: Marked, seed: int, steps: int) -> nn.Module:
    """A small net that gives the points of a crop `(n, 136)`."""
    net = fresh(
        seed,
        lambda: nn.Sequential(FaceResNet(SIDE, 128), nn.PReLU(), nn.Linear(128, 2 * MARKS)),
    )
    plan = Plan(steps, 2e-3, steps // 20, optimiser="adamw", seed=seed)
    return train(net, Nearness(), batches(faces, seed), plan)


class Nearness(nn.Module):
    """The objective: mean absolute distance of coordinates."""

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        return functional.l1_loss(net(batch["image"]), batch["points"]), {}


def batches(faces: Marked, seed: int) -> Batches:
    """64 crops with their points, moved together, then lit."""
    sampler = shuffled(len(faces.images), 64, seed)

    def batch(step: int) -> dict[str, Tensor]:
        rows = sampler(step)
        draw = torch.Generator().manual_seed(seed * 7_919 + step)
        images, points = moved(as_input(faces.images[rows]), faces.points[rows], draw)
        lit = Augment(0, 0, 0, 0, JITTER.light, JITTER.colour, 0, 0, 1, JITTER.noise)
        return {"image": augmented(images, lit, draw), "points": points.flatten(1)}

    return batch


def moved(
    images: Tensor, points: NDArray[np.float32], draw: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Crops and points `(n, k, 2)` under the same random similarities."""
    n = len(images)
    angle, factor = around(n, np.radians(JITTER.turn), draw), 1 + around(n, JITTER.scale, draw)
    shift = torch.stack([around(n, 2 * JITTER.shift, draw) for _ in range(2)], 1)
    cosine, sine = angle.cos(), angle.sin()
    turn = torch.stack([cosine, -sine, sine, cosine], 1).view(n, 2, 2) * factor[:, None, None]
    places = (torch.from_numpy(points) + shift[:, None]) @ turn.mT
    return similar(images, factor, angle, shift), places
