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
from numpy.typing import NDArray
from torch import nn

from fusiform.core.seeds import rng
from fusiform.lab.papers._landmarks import cut, framed, landmarker
from fusiform.lab.papers._mugshots import frontal, stranger_to
from fusiform.lab.papers._people import at
from fusiform.lab.papers._probes import DRAWN, Probes, drawn, spoiled
from fusiform.lab.papers._recogniser import Budget
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import Augment
from fusiform.lab.train.faces import embed, features
from fusiform.measure.rejection import edc, pauc
from fusiform.measure.verification import threshold_at_fmr

SIDE, SHARP = 48, 96  # pixels of crops: verified, judged for sharpness
FACES = Augment(0.5, low=0.5, smallest=0.2, erase=0.1)
BUDGETS = {"tiny": Budget(6, 32), "small": Budget(500), "full": Budget(20_000, 512)}
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
    verifier = stranger_to(DRAWN[size][0], seed, size, SIDE, FACES, BUDGETS[size])
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
    faces = cut(probes.images, five, SHARP)
    people = np.unique(probes.person)
    mugshots = at(size, SIDE).of(people)
    gallery = embed(verifier, mugshots.images[frontal(mugshots)])
    small = faces.reshape(len(faces), SIDE, 2, SIDE, 2, 3).mean((2, 4)).round().astype(np.uint8)
    scores = embed(verifier, small) @ gallery.T
    own = probes.person[:, None] == people
    return Seen(normalised(points, probes.scale), scores[own], laplacian(faces), scores[~own])
