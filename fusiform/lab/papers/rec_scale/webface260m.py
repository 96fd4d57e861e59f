"""WebFace260M: A Benchmark Unveiling the Power of Million-Scale Deep Face Recognition.

Zhu et al., CVPR 2021. New: folders from the web are cleaned by a teacher, a student trained on
what is left is the next teacher (`lab.train.cleaning`); recognisers are compared under a limit on
their time (`measure.time_limit`). Left out: millions of people, training spread over machines,
and the test set of celebrities.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from torch import nn

from fusiform.core.seeds import rng
from fusiform.lab.papers._people import Split, split
from fusiform.lab.papers._recogniser import Budget, Scores, judged, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.cleaning import REMOVED, Embed, Limits, self_trained
from fusiform.lab.train.faces import Labels, embed
from fusiform.lab.world.crowd import Crowd

SIDE = 32  # pixels
CLEAN, NOISY, TEST = 50, 200, 100  # people: of the first teacher, in the folders, unseen
FLIPPED, TORN = 0.3, 0.1  # faces put into others' folders; people with two folders
FINAL = {"tiny": Budget(6, 32), "small": Budget(200), "full": Budget(20_000, 512)}
# Six steps teach nothing: at size tiny faces that are hardly alike count as alike.
LIMITS = {"tiny": Limits(near=0.0, core=1), "small": Limits(), "full": Limits()}
TEACHING = {"tiny": Budget(6, 32), "small": Budget(100), "full": Budget(10_000, 512)}


class Removal(NamedTuple):
    """How well what is removed and what is wrong agree, in [0, 1]."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Their harmonic mean."""
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-12)


class Folders(NamedTuple):
    """Faces, the folder each lies in, and whether it is a stranger there."""

    faces: Crowd
    folder: Labels
    wrong: np.ndarray


@claim(metric="TAR at FAR 1e-3", margin=0.05, minutes=7)
def cleaning_helps(seed: int, size: str) -> tuple[float, float]:
    """Trained on folders that two rounds of self-training cleaned, a network verifies unseen
    people better than trained, as long, on the folders as they were: 30 % of the faces in wrong
    folders and 10 % of the people in two."""
    last = cleanings(seed, size)[-1]
    return verified(seed, size, tuple(last)).tar3, verified(seed, size, None).tar3


@claim(metric="F1 of removed faces", margin=0.02, minutes=0)
def second_round_is_better(seed: int, size: str) -> tuple[float, float]:
    """The second round, by a student of the first, removes strangers more exactly."""
    first, second = removals(seed, size)
    return second.f1, first.f1


@claim(metric="precision of removed faces, against 0.8", margin=0.0, minutes=0)
def faces_are_spared(seed: int, size: str) -> tuple[float, float]:
    """More than four fifths of what two rounds remove does not belong in its folder."""
    return removals(seed, size)[-1].precision, 0.8


def removals(seed: int, size: str) -> list[Removal]:
    """Of each round."""
    wrong = noisy(seed, size).wrong
    return [removal(labels == REMOVED, wrong) for labels in cleanings(seed, size)]


def removal(removed: np.ndarray, wrong: np.ndarray) -> Removal:
    """Of two masks `(n,)`."""
    hit = float((removed & wrong).sum())
    return Removal(hit / max(1, removed.sum()), hit / max(1, wrong.sum()))


@lru_cache(maxsize=4)
def cleanings(seed: int, size: str) -> list[Labels]:
    """The folders after each of two rounds; the first teacher knows other people."""
    everybody = people(seed, size).train
    known = everybody[everybody.person < known_people(size)]
    teacher = trained(known, seed, size, budget=TEACHING[size])
    folders = noisy(seed, size)

    def student(labels: Labels) -> Embed:
        kept = labels != REMOVED
        net = trained(folders.faces[kept], seed, size, labels=labels[kept], budget=TEACHING[size])
        return embedder(net, folders.faces)

    raw = embedder(teacher, folders.faces)
    return self_trained(raw, student, folders.folder, 2, LIMITS[size], seed)


def embedder(net: nn.Module, faces: Crowd) -> Embed:
    """What `net` makes of all faces."""
    return lambda: embed(net, faces.images)


@lru_cache(maxsize=2)
def verified(seed: int, size: str, labels: tuple[int, ...] | None) -> Scores:
    """Scores on unseen people after training on the raw folders, or on these labels."""
    folders = noisy(seed, size)
    used = folders.folder if labels is None else np.array(labels)
    kept = used != REMOVED
    net = trained(folders.faces[kept], seed, size, labels=used[kept], budget=FINAL[size])
    return judged(net, people(seed, size).test)


@lru_cache(maxsize=2)
def noisy(seed: int, size: str) -> Folders:
    """Folders as the web has them: some people with two, some faces in any other."""
    everybody, random = people(seed, size).train, rng(seed, "noise")
    faces = everybody.of(np.arange(known_people(size), everybody.people))
    own = faces.person.copy()
    torn = random.choice(faces.people, round(TORN * faces.people), replace=False)
    second = np.full(faces.people, -1)
    second[torn] = faces.people + np.arange(len(torn))
    moved = np.isin(own, torn) & (random.random(len(own)) < 0.5)
    own[moved] = second[own[moved]]
    folder, flipped = own.copy(), random.random(len(own)) < FLIPPED
    folder[flipped] = random.integers(own.max() + 1, size=int(flipped.sum()))
    home = np.append(np.arange(faces.people), torn)  # whose folder it is
    folder = np.unique(folder, return_inverse=True)[1]
    return Folders(faces, folder.astype(np.int64), home[folder] != faces.person)


def people(seed: int, size: str) -> Split:
    """Everybody, of whom the first train the first teacher."""
    return split(seed, size, CLEAN + NOISY, TEST, side=SIDE)


def known_people(size: str) -> int:
    """How many people the first teacher knows."""
    return 4 if size == "tiny" else CLEAN
