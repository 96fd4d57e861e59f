"""A Lightweight Face Quality Assessment Framework to Improve Face Verification Performance in Real-Time Screening Applications.

Ibrahim, Alawar, Zehi and others, 2025. New: a random forest tells from normalised landmarks alone
how well a face will be verified, and the worst are not let through to the verifier. Landmarks come
from a small net trained on other people, with the errors it makes; alignment uses the same. The
forest learns the genuine similarity, and not hand-made labels of good and poor as in the paper,
whose pictures of a police force are not public.
"""  # noqa: E501

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fusiform.core.align import inverse, similarity, template, warp
from fusiform.core.seeds import rng
from fusiform.lab.nets.resnet import FaceResNet
from fusiform.lab.papers._mugshots import frontal, stranger_to
from fusiform.lab.papers._people import at
from fusiform.lab.papers._probes import DRAWN, Probes, drawn, spoiled
from fusiform.lab.papers._recogniser import BUDGETS, fresh, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import Augment
from fusiform.lab.train.faces import embed, features
from fusiform.lab.train.loop import Batch
from fusiform.lab.world.crowd import Crowd
from fusiform.measure.rejection import edc, pauc
from fusiform.measure.verification import threshold_at_fmr

SIDE, LOCATED, SHARP = 32, 48, 64  # pixels of crops: verified, located in, judged for sharpness
FACES = Augment(0.5, low=0.5, smallest=0.35)
MOST = 0.5  # discarded at most
Floats = NDArray[np.float64]
EYES = (slice(36, 42), slice(42, 48))  # of 68 points


class Areas(NamedTuple):
    """Area of the false rejections over what is discarded: by the forest, at random, by blur."""

    forest: float
    random: float
    laplacian: float


@claim(metric="area of FRR over discards, of that at random", margin=0.3, minutes=4, higher=False)
def beats_random(seed: int, size: str) -> tuple[float, float]:
    """Discarding up to half of the probes by the forest leaves at least 30 % fewer false
    rejections than discarding as many at random."""
    found = gated(seed, size)[0]
    return found.forest / found.random, 1.0


@claim(metric="area of FRR over discards, of the Laplacian's", margin=0.1, minutes=4, higher=False)
def beats_laplacian(seed: int, size: str) -> tuple[float, float]:
    """It leaves at least 10 % fewer than discarding by the variance of the Laplacian."""
    found = gated(seed, size)[0]
    return found.forest / found.laplacian, 1.0


@claim(metric="share of the Laplacian's area that is saved", margin=0.0, minutes=4)
def most_for_pose(seed: int, size: str) -> tuple[float, float]:
    """Where pose alone spoils the probes the forest saves more of them than where all does."""
    every, pose = gated(seed, size)
    return 1 - pose.forest / pose.laplacian, 1 - every.forest / every.laplacian


@lru_cache(maxsize=4)
def gated(seed: int, size: str) -> tuple[Areas, Areas]:
    """Areas on spoiled probes of unseen people, and on the same probes with their pose alone."""
    verifier = stranger_to(DRAWN[size][0], seed, size, SIDE, FACES)
    order = rng(seed, "gate").permutation(DRAWN[size][0])
    third = len(order) // 3
    sharp = drawn(size)
    soft = spoiled(sharp, seed)
    locator = landmarker(seed, size, soft.of(order[:third]))
    # Sharp ones too, so that the forest knows the poses that are judged alone.
    known = [probes.of(order[third : 2 * third]) for probes in (soft, sharp)]
    judge = forest([seen(locator, verifier, p, size, seed) for p in known], seed)
    test = [seen(locator, verifier, p.of(order[2 * third :]), size, seed) for p in (soft, sharp)]
    threshold = threshold_at_fmr(test[0].impostor, 1e-2)
    every, pose = (areas(judge, one, threshold) for one in test)
    return every, pose


class Seen(NamedTuple):
    """Of n probes: normalised landmarks, genuine similarity, sharpness; and impostor scores."""

    landmarks: Floats
    genuine: Floats
    laplacian: Floats
    impostor: Floats


def areas(judge: object, test: Seen, threshold: float) -> Areas:
    """Of gates by each quality, at the verifier's `threshold`."""
    wrong = test.genuine < threshold
    quality = judge.predict(test.landmarks)  # type: ignore[attr-defined]
    by = [pauc(edc(value, wrong), MOST) for value in (quality, test.laplacian)]
    return Areas(by[0], float(wrong.mean()) * MOST, by[1])


def forest(known: list[Seen], seed: int) -> object:
    """A random forest (Breiman 2001) that tells the genuine similarity from landmarks."""
    from sklearn.ensemble import RandomForestRegressor

    made = RandomForestRegressor(100, min_samples_leaf=5, max_features=1 / 3, random_state=seed)
    return made.fit(
        np.concatenate([k.landmarks for k in known]), np.concatenate([k.genuine for k in known])
    )


def normalised(points: Floats, scale: Floats) -> Floats:
    """`points (n, k, 2)` about their middle over the root mean square distance from it, and the
    logarithm of that distance in pixels of the camera, `scale (n,)` for each of theirs:
    `(n, 2k + 1)`."""
    free = points - points.mean(1, keepdims=True)
    spread = np.sqrt((free**2).sum(2).mean(1))
    flat = (free / spread[:, None, None]).reshape(len(points), -1)
    return np.column_stack([flat, np.log(spread * scale)])


def laplacian(crops: NDArray[np.uint8]) -> Floats:
    """Variance of the Laplacian of `crops (n, S, S, 3)` in grey, `(n,)`."""
    grey = crops.mean(3)
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return np.asarray((around - 4 * grey[:, 1:-1, 1:-1]).var((1, 2)))


def seen(locator: nn.Module, verifier: nn.Module, probes: Probes, size: str, seed: int) -> Seen:
    """Probes located, aligned by that, and compared with the mugshots of all who are there."""
    crops, origin, reach = framed(probes, seed)
    found = features(locator, crops).reshape(-1, 68, 2).astype(np.float64)
    points = origin[:, None] + (found + 1) / 2 * reach[:, None, None]
    five = np.stack(
        [*(points[:, eye].mean(1) for eye in EYES), *(points[:, i] for i in (30, 48, 54))], 1
    )
    faces = aligned(probes.images, five)
    people = np.unique(probes.person)
    mugshots = at(size, SIDE).of(people)
    gallery = embed(verifier, mugshots.images[frontal(mugshots)])
    small = faces.reshape(len(faces), SIDE, 2, SIDE, 2, 3).mean((2, 4)).round().astype(np.uint8)
    scores = embed(verifier, small) @ gallery.T
    own = probes.person[:, None] == people
    return Seen(normalised(points, probes.scale), scores[own], laplacian(faces), scores[~own])


def aligned(images: NDArray[np.uint8], five: Floats) -> NDArray[np.uint8]:
    """Crops `(n, 64, 64, 3)` of `images` by their five points `(n, 5, 2)`."""
    target = template("arcface112")
    back = [
        inverse(m)
        for m in similarity(five.astype(np.float32), target.points * (SHARP / target.size))
    ]
    return np.stack([warp(i, b, SHARP) for i, b in zip(images, back, strict=True)])


def framed(probes: Probes, seed: int) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """Crops `(n, 48, 48, 3)` about boxes as inexact as a detector's, their corners and sides."""
    middle = (probes.boxes[:, :2] + probes.boxes[:, 2:]) / 2
    height = (probes.boxes[:, 2:] - probes.boxes[:, :2]).max(1)
    random = rng(seed, "boxes")
    reach = 1.3 * height * random.uniform(0.92, 1.08, len(height))
    middle = middle + random.normal(0, 0.04, middle.shape) * height[:, None]
    origin = middle - reach[:, None] / 2
    crops = [
        warp(image, np.array([[r / LOCATED, 0, o[0]], [0, r / LOCATED, o[1]]]), LOCATED)
        for image, o, r in zip(probes.images, origin, reach, strict=True)
    ]
    return np.stack(crops), origin, reach


class Places(nn.Module):
    """The objective of a net that says where points are: mean distance along x and y."""

    points: Tensor

    def __init__(self, points: Floats) -> None:
        super().__init__()
        self.register_buffer("points", torch.from_numpy(points).float().flatten(1))

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        return (net(batch["image"]) - self.points[batch["label"]]).abs().mean(), {}


def landmarker(seed: int, size: str, probes: Probes) -> nn.Module:
    """A net for 68 landmarks in [-1, 1] of a crop, trained on three crops of each of `probes`."""
    shown = [framed(probes, seed + 100 * (k + 1)) for k in range(3)]
    crops, origin, reach = (np.concatenate([s[i] for s in shown]) for i in range(3))
    truth = np.tile(probes.points, (3, 1, 1)).astype(np.float64)
    places = 2 * (truth - origin[:, None]) / reach[:, None, None] - 1
    net = fresh(seed, lambda: FaceResNet(LOCATED, 136, 16, (1, 1, 1)))
    faces = Crowd(crops, np.arange(len(crops)))
    how = Augment(0, 0, 0, 0, low=0, noise=0.05)
    plan = {"optimiser": "adamw", "rate": 3e-3}
    return trained(
        faces,
        seed,
        size,
        nn.Identity(),
        net,
        augment=how,
        objective=Places(places),
        plan=plan,
        budget=BUDGETS[size],
    )
