"""VGGFace2: A dataset for recognising faces across pose and age.

Cao, Shen, Xie, Parkhi, Zisserman, FG 2018. New: a set gathered so that each person is seen across
pose and age, its folders cleaned by a classifier of each; here by the likeness to the folder's
centre (`lab.train.cleaning.near_centre`). Left out: its three million pictures, the manual steps,
and templates of five faces: single faces are compared.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from torch import nn

from fusiform.core.seeds import rng
from fusiform.lab.papers._people import numbered, split
from fusiform.lab.papers._portraits import Sitting, portraits
from fusiform.lab.papers._recogniser import Budget, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.cleaning import near_centre
from fusiform.lab.train.faces import embed
from fusiform.lab.world.crowd import Crowd
from fusiform.lab.world.shot import PRESETS
from fusiform.measure.verification import tar_at_far

WORLD = 31  # the seed of the world these people live in
PEOPLE = {"tiny": (8, 4), "small": (120, 40), "full": (600, 300)}  # who train, who test
IMAGES, AGES = 12, 4  # of a person in each set; ages at which the wide set shows them
YOUNG, OLD = 22.0, 68.0  # years at which tests show everybody
FRONTAL = replace(PRESETS["recognition"], yaw=15.0, spread=np.inf)
STRAIGHT = replace(FRONTAL, yaw=5.0)  # tests turn people further
ANY = replace(PRESETS["recognition"], yaw=90.0, spread=np.inf)
BUDGETS = {"tiny": Budget(6, 32), "small": Budget(300, 64), "full": Budget(20_000, 512)}
# Of near_centre: six steps teach nothing; a small network knows few profiles from strangers, and
# with 3 it would lose two fifths of the right faces (seed 10).
LIMITS = {"tiny": -1.0, "small": 1.0, "full": 3.0}
NOISE = 0.2  # share of faces in wrong folders


class Taught(NamedTuple):
    """A network and the faces that taught it."""

    faces: Crowd
    net: nn.Module


class Crossed(NamedTuple):
    """TAR at FAR 1e-2 of unseen people: between frontal faces and profiles of one age, and between
    young and old faces in one pose."""

    pose: float
    age: float


@claim(metric="TAR at FAR 1e-2, frontal against profile", margin=0.08, minutes=4)
def wide_set_knows_profiles(seed: int, size: str) -> tuple[float, float]:
    """Of two sets of as many pictures of the same people, the one across pose and age teaches to
    verify profiles against frontal faces better than the frontal one of a single age."""
    return crossed(seed, size, "wide").pose, crossed(seed, size, "narrow").pose


@claim(metric="TAR at FAR 1e-2, young against old", margin=0.08, minutes=0)
def wide_set_knows_ages(seed: int, size: str) -> tuple[float, float]:
    """The same set teaches to verify people across 46 years better, both faces frontal or both in
    profile."""
    return crossed(seed, size, "wide").age, crossed(seed, size, "narrow").age


@claim(metric="mean of both TARs, against half way back", margin=0.0, minutes=2)
def cleaning_recovers(seed: int, size: str) -> tuple[float, float]:
    """With a fifth of the faces in wrong folders, removing what is far from its folder's centre
    brings back more than half of what the noise costs."""
    clean, noisy, cleaned = (
        float(np.mean(crossed(seed, size, kind))) for kind in ("wide", "noisy", "cleaned")
    )
    return cleaned, (clean + noisy) / 2


@lru_cache(maxsize=8)
def crossed(seed: int, size: str, kind: str) -> Crossed:
    """Scores after training on the narrow or the wide set, or the wide one with noise, as it is or
    cleaned by a network that knows other people."""
    if kind == "cleaned":
        faces, labels = taught(seed, size, "wide").faces, spoiled_labels(seed, size)
        others = split(seed, size, 300, 1, faces.size).train
        found = embed(trained(others, seed, size), faces.images)
        kept = near_centre(found, labels, LIMITS[size])
        labels = np.unique(labels[kept], return_inverse=True)[1]
        net = trained(faces[kept], seed, size, labels=labels, budget=BUDGETS[size])
    else:
        net = taught(seed, size, kind).net
    unseen = sat(size, "test").of(order_of(seed, size)[PEOPLE[size][0] :])
    return across(embed(net, unseen.images), unseen)


@lru_cache(maxsize=4)
def taught(seed: int, size: str, kind: str) -> Taught:
    """The network of the narrow or the wide set, or of the wide one with noise."""
    people = order_of(seed, size)[: PEOPLE[size][0]]
    faces = sat(size, "narrow" if kind == "narrow" else "wide").of(people)
    labels = spoiled_labels(seed, size) if kind == "noisy" else faces.person
    return Taught(faces, trained(faces, seed, size, labels=labels, budget=BUDGETS[size]))


def order_of(seed: int, size: str) -> np.ndarray:
    """Who sits, those who train before those who test."""
    return rng(seed, "sitters").permutation(sum(PEOPLE[size]))


def spoiled_labels(seed: int, size: str) -> np.ndarray:
    """The wide set's labels, a share of them drawn anew."""
    people = order_of(seed, size)[: PEOPLE[size][0]]
    person, random = sat(size, "wide").of(people).person, rng(seed, "noise")
    wrong = random.random(len(person)) < NOISE
    return np.where(wrong, random.integers(person.max() + 1, size=len(person)), person)


def across(embeddings: np.ndarray, faces: Crowd) -> Crossed:
    """From unit vectors `(n, d)` of test sittings, whose quarters are young and old frontal faces,
    young and old profiles."""
    kind = numbered(faces) * 4 // IMAGES
    pose, age = (
        [pairs_of(embeddings, faces.person, kind, *two) for two in kinds]
        for kinds in (((0, 2), (1, 3)), ((0, 1), (2, 3)))
    )
    return Crossed(tar(pose), tar(age))


def tar(parts: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """TAR at FAR 1e-2 of genuine and impostor cosines, those of all parts together."""
    genuine, impostor = (np.concatenate(side) for side in zip(*parts, strict=True))
    return tar_at_far(genuine, impostor, 1e-2)


def pairs_of(
    embeddings: np.ndarray, person: np.ndarray, kind: np.ndarray, one: int, other: int
) -> tuple[np.ndarray, np.ndarray]:
    """Genuine and impostor cosines of all pairs of a face of one kind with one of another."""
    cosine = embeddings[kind == one] @ embeddings[kind == other].T
    same = person[kind == one][:, None] == person[kind == other]
    return cosine[same], cosine[~same]


@lru_cache(maxsize=4)
def sat(size: str, kind: str) -> Crowd:
    """Everybody's sittings of a set."""
    people = range(sum(PEOPLE[size]))
    orders = {"narrow": narrow, "wide": wide, "test": judging}
    sittings = [one for number in people for one in orders[kind](number)]
    return portraits(f"vggface2-{kind}", WORLD, sittings)


def narrow(number: int) -> list[Sitting]:
    """A person within 15 degrees of the camera, at one age of 20 to 70 years."""
    age = float(rng(WORLD, "age", number).uniform(20, 70))
    return [Sitting(number, number, k, k // 3, age, plan=FRONTAL) for k in range(IMAGES)]


def wide(number: int) -> list[Sitting]:
    """A person at any yaw to 90 degrees and several ages of 20 to 70 years."""
    ages = rng(WORLD, "ages", number).uniform(20, 70, AGES)
    days = [k * AGES // IMAGES for k in range(IMAGES)]
    return [Sitting(number, number, k, d, float(ages[d]), plan=ANY) for k, d in enumerate(days)]


def judging(number: int) -> list[Sitting]:
    """A person young and old, frontal and in profile, a quarter of the pictures each."""
    random = rng(WORLD, "profile", number)
    found: list[Sitting] = []
    for turned in (0, 1):
        for day, age in enumerate((YOUNG, OLD)):
            for _ in range(IMAGES // 4):
                turn = turned * float(random.choice([-1, 1]) * random.uniform(60, 85))
                shot = IMAGES + len(found)  # none of those that train
                found.append(Sitting(number, number, shot, day, age, None, turn, STRAIGHT))
    return found
