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

import numpy as np
import torch
from torch import nn

from fusiform.core.seeds import rng
from fusiform.lab.blocks.margins import MarginSoftmax, arcface
from fusiform.lab.blocks.symmetry import Symmetric, frontness
from fusiform.lab.geometry.scene import Lighting
from fusiform.lab.papers._people import WORLD, numbered, split
from fusiform.lab.papers._recogniser import DIM, fresh, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.faces import embed
from fusiform.lab.world.crowd import Crowd, gathered
from fusiform.lab.world.expressions import named, uneven
from fusiform.lab.world.labels import Photo, photograph
from fusiform.lab.world.light import expose, sample_light
from fusiform.lab.world.person import Person
from fusiform.lab.world.shot import PRESETS, sample_shot
from fusiform.lab.world.world import World
from fusiform.measure.verification import tar_at_far

SIDE = 32  # pixels
WEIGHT = 1.0  # of the symmetry
FILL = np.float32(0.4)  # of the light that comes from all around
STRANGERS = 20_000  # people from this number on are in no pool
FRONTAL = replace(PRESETS["recognition"], yaw=15.0, pitch=10.0, dressing=0.0, lively=0.0)


@claim(metric="TAR at FAR 1e-2", margin=0.01, minutes=5)
def symmetry_helps_one_sided_faces(seed: int, size: str) -> tuple[float, float]:
    """Frontal faces of unseen people lit from opposite sides, with one-sided smiles, are verified
    better after training with the symmetry loss beside ArcFace than with ArcFace alone."""
    return verified(seed, size, WEIGHT), verified(seed, size, 0.0)


@lru_cache(maxsize=4)
def net_of(seed: int, size: str, weight: float) -> nn.Module:
    faces = split(seed, size, 300, 100, SIDE).train
    head = fresh(seed, lambda: MarginSoftmax(DIM, faces.people, arcface(0.4), 24.0))
    front = frontness(torch.from_numpy(faces.facts["points"]))
    return trained(faces, seed, size, head, objective=Symmetric(head, front, weight))


def verified(seed: int, size: str, weight: float) -> float:
    """TAR at FAR 1e-2 of faces lit from the left against faces lit from the right."""
    faces = one_sided(seed, size)
    found, left = embed(net_of(seed, size, weight), faces.images), numbered(faces) % 2 == 0
    match = found[left] @ found[~left].T
    same = faces.person[left][:, None] == faces.person[~left]
    return tar_at_far(match[same], match[~same], 1e-2)


@lru_cache(maxsize=2)
def one_sided(seed: int, size: str) -> Crowd:
    """New people; their pictures are lit from their left and their right in turn."""
    people, pictures = (3, 2) if size == "tiny" else (60, 8)
    first = STRANGERS + 100 * seed
    photos = [
        portrait(World(WORLD).person(first + n), picture, seed)
        for n in range(people)
        for picture in range(pictures)
    ]
    return gathered(photos, SIDE)


def portrait(who: Person, picture: int, seed: int) -> Photo:
    """Frontal, lit from one side, smiling on one side."""
    stream = rng(seed, "one-sided", who.number, picture)
    shot = sample_shot(stream, FRONTAL, 96)
    lighting = from_side(stream, left=picture % 2 == 0)
    smile = uneven(named("happy", 0.8), float(stream.choice([-0.8, 0.8])))
    taken = replace(shot, expression=smile, light="split", lighting=lighting)
    return photograph(who, taken, maps=False)


def from_side(stream: np.random.Generator, left: bool) -> Lighting:
    """The main lamp of split light, at that side, with little else, exposed anew."""
    while True:
        _, light = sample_light(stream, "split")
        main = max(light.lamps, key=lambda lamp: float(lamp.colour.mean()))
        if (main.direction[0] > 0) == left:
            return expose(Lighting(light.environment * FILL, (main,)), 0.1)
