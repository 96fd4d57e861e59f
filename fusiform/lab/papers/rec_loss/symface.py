"""SymFace: Additional Facial Symmetry Loss for Deep Face Recognition.

Prakash, Jerripothula, Sam, Singh, Umamaheswaran, arXiv 2409.11816, 2024. New: the embeddings of
a frontal face's two halves, one of them mirrored, are held together beside any recognition loss
(`lab.blocks.symmetry`). A half is made whole by its own mirror image for the network.
Left out: training at the paper's scale; it finds the frontal faces by detected landmarks, here by
the world's true ones.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch
from torch import nn

from fusiform.core.seeds import rng
from fusiform.lab.blocks.margins import MarginSoftmax, arcface
from fusiform.lab.blocks.symmetry import Symmetric, frontness
from fusiform.lab.papers._people import WORLD, split
from fusiform.lab.papers._recogniser import DIM, Scores, fresh, judged, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.world.crowd import Crowd, gathered
from fusiform.lab.world.expressions import named, uneven
from fusiform.lab.world.labels import Photo, photograph
from fusiform.lab.world.light import sample_light
from fusiform.lab.world.person import Person
from fusiform.lab.world.shot import PRESETS, sample_shot
from fusiform.lab.world.world import World

SIDE = 32  # pixels
WEIGHT = 1.0  # of the symmetry
STRANGERS = 20_000  # people from this number on are in no pool
FRONTAL = replace(PRESETS["recognition"], yaw=15.0, pitch=10.0, dressing=0.0, lively=0.0)


@claim(metric="TAR at FAR 1e-2", margin=0.01, minutes=5)
def symmetry_helps_one_sided_faces(seed: int, size: str) -> tuple[float, float]:
    """Frontal faces of unseen people lit from one side, with one-sided smiles, are verified
    better after training with the symmetry loss beside ArcFace than with ArcFace alone."""
    return verified(seed, size, WEIGHT).tar2, verified(seed, size, 0.0).tar2


@lru_cache(maxsize=4)
def net_of(seed: int, size: str, weight: float) -> nn.Module:
    faces = split(seed, size, 300, 100, SIDE).train
    head = fresh(seed, lambda: MarginSoftmax(DIM, faces.people, arcface(0.4), 24.0))
    front = frontness(torch.from_numpy(faces.facts["points"]))
    return trained(faces, seed, size, head, objective=Symmetric(head, front, weight))


def verified(seed: int, size: str, weight: float) -> Scores:
    return judged(net_of(seed, size, weight), one_sided(seed, size))


@lru_cache(maxsize=2)
def one_sided(seed: int, size: str) -> Crowd:
    """New people, half the pictures lit from their left and half from their right."""
    people, pictures = (3, 2) if size == "tiny" else (60, 8)
    first = STRANGERS + 100 * seed
    photos = [
        portrait(World(WORLD).person(first + n), picture, seed)
        for n in range(people)
        for picture in range(pictures)
    ]
    return gathered(photos, SIDE)


def portrait(who: Person, picture: int, seed: int) -> Photo:
    """Frontal, in split light, with a smile on one side."""
    stream = rng(seed, "one-sided", who.number, picture)
    shot = sample_shot(stream, FRONTAL, 96)
    light, lighting = sample_light(stream, "split")
    smile = uneven(named("happy", 0.8), float(stream.choice([-0.8, 0.8])))
    return photograph(
        who, replace(shot, expression=smile, light=light, lighting=lighting), maps=False
    )
