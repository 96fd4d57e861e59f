"""Face Recognition in the age of CLIP & Billion image datasets.

Bhat and Jain, 2023 (arXiv:2301.07315). New: image encoders trained on pictures and captions, never
on identities, are put to recognising faces as they are, by size, and with a poisoned gallery. Here
a small contrastive model (`lab.blocks.image_text`) learns from captions made of what the world
knows of a picture (age, sex, ancestry, light, glasses, pose; no names). Left out: the published
weights and the search index of LAION; so this shows the direction, not their figures.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fusiform.core.seeds import rng
from fusiform.lab.blocks.image_text import Captions, ImageText
from fusiform.lab.nets.resnet import FaceResNet
from fusiform.lab.papers._people import Split, numbered, split
from fusiform.lab.papers._recogniser import BUDGETS, DIM, fresh, scores, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.batches import shuffled
from fusiform.lab.train.faces import as_input, embed
from fusiform.lab.train.loop import Batch, Plan, train
from fusiform.lab.world.crowd import Crowd

WIDTHS = {"narrow": 6, "wide": 16}  # channels: weights: 0.13 and 0.45 million
WRONG = 0.2  # share of names in a poisoned gallery
NEIGHBOURS = 5
AGES = ((14, "child"), (30, "young"), (55, "grown"), (200, "old"))
WORDS = 6


@claim(metric="ROC-AUC", margin=0.1, minutes=6)
def captions_teach_faces(seed: int, size: str) -> tuple[float, float]:
    """Features learned from captions verify unseen people far better than random weights."""
    return area(seed, size, "wide"), area(seed, size, "random")


@claim(metric="ROC-AUC", margin=0.02, minutes=6)
def recogniser_is_better(seed: int, size: str) -> tuple[float, float]:
    """A net trained on identities verifies better than one trained on captions."""
    return area(seed, size, "recogniser"), area(seed, size, "wide")


@claim(metric="ROC-AUC", margin=-0.02, minutes=6)
def larger_is_no_better(seed: int, size: str) -> tuple[float, float]:
    """An encoder with less than a third of the weights verifies as well, to 0.02, as the larger."""
    return area(seed, size, "narrow"), area(seed, size, "wide")


@claim(metric="right names, of those right in a clean gallery", margin=0.0, minutes=6)
def votes_outlast_poison(seed: int, size: str) -> tuple[float, float]:
    """With a fifth of a gallery's names wrong, a vote of five neighbours loses less than a fifth of
    the names that it gets right."""
    clean, poisoned = (named(seed, size, wrong) for wrong in (0.0, WRONG))
    return poisoned / max(clean, 1e-9), 1 - WRONG


@lru_cache(maxsize=1)
def people(seed: int, size: str) -> Split:
    """300 who train, 100 who test."""
    return split(seed, size, 300, 100)


def area(seed: int, size: str, kind: str) -> float:
    """Area under the ROC of all pairs of test pictures."""
    return scores(vectors(seed, size, kind), people(seed, size).test.person).auc


@lru_cache(maxsize=8)
def vectors(seed: int, size: str, kind: str) -> NDArray[np.float32]:
    """Unit vectors of the test pictures by one of the encoders."""
    faces = people(seed, size)
    if kind == "recogniser":
        net = trained(faces.train, seed, size)
    else:
        width = WIDTHS.get(kind, WIDTHS["wide"])
        net = fresh(seed, lambda: FaceResNet(faces.train.size, DIM, width))
        if kind != "random":
            net = captioned(net, faces.train, seed, size)
    return embed(net, faces.test.images)


def captioned(net: nn.Module, faces: Crowd, seed: int, size: str) -> nn.Module:
    """`net` after contrastive training on pictures and captions."""
    words = captions(faces)
    spend = BUDGETS[size]
    sampler = shuffled(len(faces), spend.batch, seed)

    def batch(step: int) -> dict[str, Tensor]:
        rows = sampler(step)
        # Laid out plainly: torch 2.13 crashes in the derivative of narrow convolutions otherwise.
        images = as_input(faces.images[rows]).contiguous()
        return {"image": images, "words": torch.from_numpy(words[rows])}

    objective = Pairing(Captions(int(words.max()) + 1, WORDS, DIM))
    plan = Plan(spend.steps, 2e-3, spend.steps // 20, optimiser="adamw", seed=seed)
    return train(net, objective, batch, plan)


class Pairing(nn.Module):
    """The objective: pictures and captions find each other."""

    def __init__(self, text: Captions) -> None:
        super().__init__()
        self.text, self.loss = text, ImageText()

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        return self.loss(net(batch["image"]), self.text(batch["words"])), {}


def captions(faces: Crowd) -> NDArray[np.int64]:
    """Captions `(n, 6)` as numbers of words from 1 on, in the order of a sentence; 0: no word."""
    known = list(zip(*(phrases(faces)), strict=True))
    numbers = {"": 0} | {
        w: i + 1 for i, w in enumerate(sorted({w for r in known for w in r} - {""}))
    }
    return np.array([[numbers[word] for word in row] for row in known], np.int64)


def phrases(faces: Crowd) -> list[list[str]]:
    """The words at each of the six places: "old european woman glasses sunny left"."""
    fact = faces.facts
    age = [next(word for end, word in AGES if years < end) for years in fact["age"]]
    sex = ["man" if male > 0.5 else "woman" for male in fact["male"]]
    glasses = ["glasses" if worn else "" for worn in fact["glasses"]]
    yaw = ["left" if y > 12 else "right" if y < -12 else "ahead" for y in fact["yaw"]]
    return [age, list(fact["ancestry"]), sex, glasses, list(fact["light"]), yaw]


def named(seed: int, size: str, wrong: float) -> float:
    """Share of pictures whose name the nearest of a gallery vote for. Half of each test person's
    pictures are the gallery; of its names a share `wrong` is another's."""
    test = people(seed, size).test
    found = vectors(seed, size, "wide")
    gallery = numbered(test) % 2 == 0
    names = poisoned(test.person[gallery], wrong, rng(seed, "poison"))
    near = np.argsort(-(found[~gallery] @ found[gallery].T), axis=1, kind="stable")[:, :NEIGHBOURS]
    return float(np.mean(voted(names[near]) == test.person[~gallery]))


def poisoned(
    names: NDArray[np.int64], wrong: float, draw: np.random.Generator
) -> NDArray[np.int64]:
    """`names (n,)` of which a share `wrong`, drawn at random, is moved to another name."""
    count = int(names.max()) + 1
    out = names.copy()
    chosen = draw.permutation(len(names))[: round(wrong * len(names))]
    out[chosen] = (out[chosen] + draw.integers(1, count, len(chosen))) % count
    return out


def voted(names: NDArray[np.int64]) -> NDArray[np.int64]:
    """The commonest of each row `(n, k)`, nearest first; of equals the nearer."""
    votes = (names[:, :, None] == names[:, None, :]).sum(2)
    return np.asarray(names[np.arange(len(names)), votes.argmax(1)])
