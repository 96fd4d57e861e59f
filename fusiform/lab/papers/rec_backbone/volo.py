"""VOLO: Vision Outlooker for Visual Recognition.

Yuan, Hou, Jiang, Feng and Yan, IEEE TPAMI 2023. New: attention whose weights each place says by
itself for its window, in the first stage of a transformer; `lab.blocks.outlook`, `lab.nets.volo`.
Against it stand self-attention and a depth-wise convolution in its place, at equal parameters.
Two tasks ask for fine detail, learned together: who it is, among look-alikes (same sex and main
ancestry, at most ten years apart), and which action units are at work in the face.
Left out: token labelling, which wants another network's labels of each patch; ImageNet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.seeds import rng
from fusiform.lab.blocks.margins import MarginSoftmax, cosface
from fusiform.lab.blocks.outlook import OutlookAttention
from fusiform.lab.nets.volo import Near, SelfAttention, Volo
from fusiform.lab.papers._backbones import MARGIN, SCALE, SIDE, TEST, TRAIN
from fusiform.lab.papers._people import POOLS, WORLD, at
from fusiform.lab.papers._recogniser import BUDGETS, DIM, Budget, fresh, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.faces import features, unit
from fusiform.lab.train.loop import Batch
from fusiform.lab.world.crowd import Crowd
from fusiform.lab.world.expressions import INDEX
from fusiform.lab.world.samples import Options, shot_of
from fusiform.measure.verification import tar_at_far

# Action units by the shape that is theirs: brows up and down, cheeks, corners of the mouth, jaw
# and lids; at work from PRESENT on.
UNITS = {
    "1": "browInnerUp",
    "4": "browDownLeft",
    "6": "cheekSquintLeft",
    "12": "mouthSmileLeft",
    "26": "jawOpen",
    "43": "eyeBlinkLeft",
}
PRESENT, WEIGHT = 0.15, 3.0  # of the units' loss beside that of people
YEARS = 10.0  # look-alikes are nearer than this
ADAMW = {"optimiser": "adamw", "rate": 4e-3, "decay": 0.05}
SMALL = Budget(400, 96)
# The first stage's layer, and the width inside that makes nets of equal size.
LOOKS: dict[str, tuple[Callable[[int, int], nn.Module], float]] = {
    "outlook": (OutlookAttention, 2.0),
    "self": (SelfAttention, 2.72),
    "near": (Near, 3.6),
}


class Detail(NamedTuple):
    """TAR at FAR 1e-2 among look-alikes; mean average precision of action units."""

    alike: float
    units: float


@claim(metric="TAR at FAR 1e-2 among look-alikes", margin=0.01, minutes=4)
def outlook_tells_alike_apart(seed: int, size: str) -> tuple[float, float]:
    """Outlook attention in the first stage tells look-alikes apart better than self-attention."""
    return detail(seed, size, "outlook").alike, detail(seed, size, "self").alike


@claim(metric="mean average precision of action units", margin=0.01, minutes=1)
def outlook_sees_action_units(seed: int, size: str) -> tuple[float, float]:
    """Outlook attention in the first stage finds action units better than self-attention."""
    return detail(seed, size, "outlook").units, detail(seed, size, "self").units


@claim(metric="TAR at FAR 1e-2 among look-alikes", margin=0.0, minutes=1)
def outlook_beats_convolution(seed: int, size: str) -> tuple[float, float]:
    """It does so better than a depth-wise convolution, too."""
    return detail(seed, size, "outlook").alike, detail(seed, size, "near").alike


class Both(nn.Module):
    """The objective of both tasks: the first features are a face's, the last its units' logits.

    `units (n, k)`: 1 where a unit is at work, of each row of the training set.
    """

    def __init__(self, head: nn.Module, units: Tensor) -> None:
        super().__init__()
        self.head, self.units = head, units

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        said = net(batch["image"]).float()
        seen = functional.binary_cross_entropy_with_logits(said[:, DIM:], self.units[batch["row"]])
        return self.head(said[:, :DIM], batch["label"]) + WEIGHT * seen, {}


@lru_cache(maxsize=8)
def detail(seed: int, size: str, name: str) -> Detail:
    """Of a net whose first stage has that layer."""
    train, test = faces(seed, size)
    look, times = LOOKS[name]
    built = fresh(seed, lambda: Volo(SIDE, DIM + len(UNITS), look=look, times=times))
    head = fresh(seed, lambda: MarginSoftmax(DIM, train.people, cosface(MARGIN), SCALE))
    both = Both(head, torch.from_numpy(train.facts["units"]).float())
    budget = SMALL if size == "small" else BUDGETS[size]
    net = trained(train, seed, size, head, built, objective=both, plan=ADAMW, budget=budget)
    said = features(net, test.images)
    found = zip(said.T[DIM:], test.facts["units"].T, strict=True)
    precise = [average_precision(scores, there) for scores, there in found if there.any()]
    return Detail(among_alike(unit(said[:, :DIM]), test), float(np.mean(precise)))


def faces(seed: int, size: str) -> tuple[Crowd, Crowd]:
    """People to train on and others to test, with the fact `units (n, 6)`."""
    everybody = at(size, SIDE)
    everybody = replace(everybody, facts={**everybody.facts, "units": at_work(size)})
    order = rng(seed, "people").permutation(everybody.people)
    train, test = (TRAIN, TEST) if size != "tiny" else (16, 8)
    return everybody.of(order[:train]), everybody.of(order[-test:])


@lru_cache(maxsize=2)
def at_work(size: str) -> NDArray[np.bool_]:
    """Which UNITS each face of the pool shows, `(n, 6)`: as its shot was drawn."""
    people, images, _ = POOLS[size]
    options = Options("recognition", WORLD, 64 if size == "tiny" else 112, ())
    shapes = [INDEX[shape] for shape in UNITS.values()]
    shots = [shot_of(options, i // images, i % images) for i in range(people * images)]
    return np.array([shot.expression[shapes] >= PRESENT for shot in shots])


def among_alike(embeddings: NDArray[np.float32], test: Crowd) -> float:
    """TAR at FAR 1e-2 where impostors are look-alikes of the claimed person."""
    facts, rows = test.facts, np.arange(len(test))
    alike = facts["ancestry"][:, None] == facts["ancestry"]
    alike &= (facts["male"][:, None] > 0.5) == (facts["male"] > 0.5)
    alike &= abs(facts["age"][:, None] - facts["age"]) <= YEARS
    same = test.person[:, None] == test.person
    once = rows[:, None] < rows
    scores = embeddings @ embeddings.T
    return tar_at_far(scores[same & once], scores[alike & ~same & once], 1e-2)


def average_precision(scores: NDArray[np.float32], there: NDArray[np.bool_]) -> float:
    """Mean of the precision at each of those that are `there`, best score first."""
    hits = there[np.argsort(-scores, kind="stable")]
    ranks = np.arange(1, len(hits) + 1)
    return float((np.cumsum(hits) / ranks)[hits].mean())
