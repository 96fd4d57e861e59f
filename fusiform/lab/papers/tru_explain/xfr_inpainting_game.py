"""Explainable Face Recognition.

Williford, May and Byrne, ECCV 2020. New: the inpainting game (a non-mate that differs from the mate
in one known part of the face, so that the truth of an explanation is known), sub-tree excitation
backprop and density-based input sampling (`lab.blocks.saliency`). Here the non-mate is no inpainted
photo: the same person is drawn anew with another's nose, mouth, eyes or brows, so that the changed
pixels are known exactly. Left out: the five matchers of the paper, for one small recogniser.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fusiform.core.seeds import rng
from fusiform.lab.blocks import saliency
from fusiform.lab.geometry.render import render
from fusiform.lab.geometry.scene import WHOLE_FACE
from fusiform.lab.nets.resnet import FaceResNet, Residual
from fusiform.lab.papers._people import split
from fusiform.lab.papers._recogniser import trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.faces import as_input, embed
from fusiform.lab.world.compose import compose
from fusiform.lab.world.controls import shot_without
from fusiform.lab.world.crowd import aligned
from fusiform.lab.world.labels import developed
from fusiform.lab.world.parts import PARTS, with_part
from fusiform.lab.world.person import Person
from fusiform.lab.world.shot import PRESETS, Shot, sample_shot
from fusiform.lab.world.world import World
from fusiform.measure.verification import auc

WORLD = 22  # other people than those who train
COUNTS = {"tiny": (6, 4), "small": (220, 150), "full": (3600, 3600)}  # triplets drawn, kept
MASKS = {"tiny": 20, "small": 240, "full": 2000}
CHANGED = 12  # levels of 255 by which a pixel must differ
FALSE_ALARMS = 0.05
# All chosen by pixel AUC on seed 10, the plain methods' too.
NODES, CELLS, HIDDEN = 100, 12, 2  # roots of sub-trees; cells a side, hidden at once
WIDE, SOFT = 6.0, 1.5  # pixels by which gradients are blurred, and by which the other maps are
LAYERS = 5  # of the body, whose maps Grad-CAM weighs: those of 12 x 12
PLAIN = ("gradient", "blurred gradient", "grad_cam")
Pixels = NDArray[np.uint8]


@claim(metric="ROC-AUC of the changed pixels", margin=0.05, minutes=6)
def prior_masks_localise(seed: int, size: str) -> tuple[float, float]:
    """Hiding cells drawn by a prior finds the changed part better than gradients and Grad-CAM."""
    return localised(seed, size, "dise"), plain(localised, seed, size)


@claim(metric="ROC-AUC of the changed pixels", margin=0.02, minutes=6)
def subtrees_localise(seed: int, size: str) -> tuple[float, float]:
    """Sub-tree excitation finds the changed part better than gradients and Grad-CAM."""
    return localised(seed, size, "subtree"), plain(localised, seed, size)


@claim(metric="identities flipped at 5 % false alarms", margin=0.05, minutes=6)
def identity_flips(seed: int, size: str) -> tuple[float, float]:
    """Exchanging the most salient pixels flips more identities where a prior draws the cells that
    are hidden than where gradients or Grad-CAM choose."""
    return flipped(seed, size, "dise"), plain(flipped, seed, size)


@claim(metric="ROC-AUC of the changed pixels", margin=0.01, minutes=6)
def prior_pays(seed: int, size: str) -> tuple[float, float]:
    """With as many masks, cells drawn by a prior localise better than cells drawn evenly."""
    return localised(seed, size, "dise"), localised(seed, size, "even")


@dataclass(frozen=True)
class Game:
    """Crops `(n, 48, 48, 3)`: `probe` and `mate` are pictures of one person, `twin` and `other` the
    same two pictures of who differs in one part."""

    probe: Pixels
    twin: Pixels
    mate: Pixels
    other: Pixels

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Pixels of the probe `(n, 48, 48)` that the part changes."""
        gap = np.abs(self.probe.astype(int) - self.twin).max(-1)
        return np.asarray(gap > CHANGED)

    def __getitem__(self, rows: NDArray[np.intp]) -> Game:
        return Game(*(pictures[rows] for pictures in vars(self).values()))


def drawn(seed: int, count: int) -> Game:
    """`count` triplets, the parts in turn."""
    rows = [triplet(seed, i, PARTS[i % len(PARTS)]) for i in range(count)]
    return Game(*(np.stack(column) for column in zip(*rows, strict=True)))


def triplet(seed: int, number: int, part: str) -> list[Pixels]:
    """Probe, twin, mate and other."""
    world, first = World(WORLD), seed * 10_000 + 2 * number
    person = world.person(first)
    changed = with_part(person, world.person(first + 1), part)
    shots = [sample_shot(rng(seed, "xfr", number, k), PRESETS["recognition"]) for k in range(2)]
    return [crop for shot in shots for crop in pair(person, changed, shot)]


def pair(person: Person, changed: Person, shot: Shot) -> list[Pixels]:
    """One shot of both, by the same camera without faults, cut at the same place. What lies around
    the face is pasted from the first: hair that grows anew is no part of the game."""
    made = [compose(who, shot_without(shot, ("sensor",))) for who in (person, changed)]
    scenes = [replace(one.scene, camera=made[0].scene.camera) for one in made]
    frames = [render(scene) for scene in scenes]
    own, new = (
        developed(replace(one, scene=scene), frame, maps=False)
        for one, scene, frame in zip(made, scenes, frames, strict=True)
    )
    around = np.all([~np.isin(frame.label, WHOLE_FACE) for frame in frames], axis=0)
    mixed = np.where(around[..., None], own.image, new.image)
    return [aligned(replace(own, image=image), 48)[0] for image in (own.image, mixed)]


@dataclass(frozen=True)
class Explained:
    """Triplets that the matcher tells apart, which way its score points, and each method's map."""

    game: Game
    net: nn.Module
    mate: Tensor
    other: Tensor
    maps: dict[str, NDArray[np.float32]]


@lru_cache(maxsize=1)
def explained(seed: int, size: str) -> Explained:
    """The game of a seed, played by a recogniser of other people."""
    count, kept = COUNTS[size]
    net = trained(split(seed, size, 300, 100).train, seed, size)
    game = drawn(seed, count)
    vectors = {name: torch.from_numpy(embed(net, p)) for name, p in vars(game).items()}
    way = vectors["mate"] - vectors["other"]
    told = ((vectors["probe"] * way).sum(1) > 0) & ((vectors["twin"] * way).sum(1) < 0)
    told &= torch.from_numpy(game.changed.any((1, 2)))
    rows = np.flatnonzero(told.numpy() | (size == "tiny"))[:kept]
    game, mate, other = game[rows], vectors["mate"][rows], vectors["other"][rows]
    return Explained(game, net, mate, other, maps(net, game.probe, mate, other, seed, MASKS[size]))


def maps(
    net: nn.Module, probe: Pixels, mate: Tensor, other: Tensor, seed: int, masks: int
) -> dict[str, NDArray[np.float32]]:
    """Saliency `(n, 48, 48)` by each method, of the probes as compared to mate and other."""
    assert isinstance(net, FaceResNet)
    images, score = as_input(probe), saliency.triplet_score(net, mate, other)
    blocks = [m for m in net.modules() if isinstance(m, Residual)]
    sums = [(m.straight, m.body) for m in blocks]
    subtree = saliency.subtree_excitation(net, score, images, blocks, sums, NODES)
    low, high = net.body[:LAYERS], nn.Sequential(net.body[LAYERS:], net.head)
    slope = saliency.gradient(score, images)
    found = {
        "gradient": slope,
        "blurred gradient": smooth(slope, WIDE),
        "grad_cam": saliency.grad_cam(low, saliency.triplet_score(high, mate, other), images),
        "subtree": smooth(subtree, SOFT),
    }
    for name, prior in (("even", None), ("dise", found["subtree"])):
        rows = []
        for i, image in enumerate(images):
            own = saliency.triplet_score(net, mate[i : i + 1], other[i : i + 1])
            draw = torch.Generator().manual_seed(seed * 7_919 + i)
            density = None if prior is None else prior[i]
            rows.append(saliency.occlusion(own, image, draw, density, masks, CELLS, HIDDEN))
        found[name] = smooth(torch.stack(rows), SOFT)
    return {name: heat.detach().numpy() for name, heat in found.items()}


def smooth(heat: Tensor, sigma: float) -> Tensor:
    """Maps `(n, h, w)` blurred by `sigma` pixels."""
    return saliency.blurred(heat[:, None], sigma)[:, 0]


def localised(seed: int, size: str, method: str) -> float:
    """Mean area under the ROC by which a method's map finds the changed pixels."""
    told = explained(seed, size)
    pairs = zip(told.maps[method], told.game.changed, strict=True)
    return float(np.mean([auc(heat[true], heat[~true]) for heat, true in pairs]))


def flipped(seed: int, size: str, method: str) -> float:
    """Share of triplets in which the probe is taken for the other once the most salient pixels are
    exchanged for the twin's: as many as include FALSE_ALARMS of the pixels that do not differ."""
    told = explained(seed, size)
    truth = told.game.changed
    bars = [
        np.quantile(h[~t], 1 - FALSE_ALARMS) for h, t in zip(told.maps[method], truth, strict=True)
    ]
    chosen = told.maps[method] > np.array(bars)[:, None, None]
    mixed = np.where(chosen[..., None], told.game.twin, told.game.probe)
    with torch.no_grad():
        score = saliency.triplet_score(told.net, told.mate, told.other)(as_input(mixed))
    return float((score < 0).float().mean())


def plain(measure: Callable[[int, str, str], float], seed: int, size: str) -> float:
    """The best of the plain methods."""
    return max(measure(seed, size, method) for method in PLAIN)
