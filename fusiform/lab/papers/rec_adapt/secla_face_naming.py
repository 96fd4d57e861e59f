"""Weakly Supervised Face Naming with Symmetry-Enhanced Contrastive Loss.

Qu, Tuytelaars and Moens, WACV 2024. News photos come with captions that name some of those seen
and others too; nobody says who is who. New: photos and captions are bags of faces and names that
are drawn together in both directions, with a term that makes the two directions agree; and
learning from simple photos first, whose faces then keep their names.

Left out: the text encoder. A name is a vector of its own that is learned, for in captions made up
by chance words say nothing more; the paper's reads the name's letters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.seeds import rng
from fusiform.lab.papers._people import split
from fusiform.lab.papers._recogniser import fresh, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.faces import embed

MOST = 6  # faces in a photo, names in a caption
DIM, TEMPERATURE = 64, 0.07


class News(NamedTuple):
    """`faces (n, 6)` rows of the embeddings and `names (n, 6)`, -1 where there are fewer;
    `who (n, 6)`: whose each face is."""

    faces: Tensor
    names: Tensor
    who: Tensor


@dataclass(frozen=True)
class Trial:
    """Share of faces given their own name in photos of three faces and more."""

    one_way: float
    both_ways: float
    agreeing: float
    bootstrapped: float
    frequency: float


@claim(metric="faces named rightly", margin=0.02, minutes=5)
def symmetry_helps(seed: int, size: str) -> tuple[float, float]:
    """Faces are named better by the loss in both directions that must agree than by that from
    faces to names alone."""
    found = trial(seed, size)
    return found.agreeing, found.one_way


@claim(metric="faces named rightly", margin=0.01, minutes=0)
def simple_photos_first(seed: int, size: str) -> tuple[float, float]:
    """Learning from photos of one or two faces first, which then keep their names, is better than
    learning from all at once."""
    found = trial(seed, size)
    return found.bootstrapped, found.agreeing


@claim(metric="faces named rightly", margin=0.02, minutes=0)
def better_than_counting(seed: int, size: str) -> tuple[float, float]:
    """Contrastive naming is better than giving faces and names that occur together to each other
    by expectation maximisation."""
    found = trial(seed, size)
    return found.agreeing, found.frequency


@lru_cache(maxsize=4)
def trial(seed: int, size: str) -> Trial:
    """All ways of naming on the same news."""
    people = split(seed, size, 300, 200, images=20)
    vectors = embed(trained(people.train, seed, size), people.test.images)
    items = 40 if size == "tiny" else 400
    told = news(people.test.person, items, seed)
    faces = torch.from_numpy(vectors)
    steps = 20 if size == "tiny" else 1500

    def named(ways: tuple[float, float], agree: float, begin: int = 0) -> float:
        model = fresh(seed, lambda: Naming(vectors.shape[1], int(people.test.person.max()) + 1))
        learn(model, faces, told, ways, agree, steps, begin, seed)
        return accuracy(model, faces, told)

    return Trial(
        named((1, 0), 0),
        named((1, 1), 0),
        named((1, 1), 1),
        named((1, 1), 1, steps // 3),
        counted(vectors, told),
    )


def news(person: NDArray[np.int64], items: int, seed: int) -> News:
    """Photos of one to six people, by 1 / rank as fame goes. Two fifths of the names are missing
    from the caption, and up to three of people who are not in the photo are in it."""
    draw = rng(seed, "news")
    people = int(person.max()) + 1
    rows = [np.flatnonzero(person == p) for p in range(people)]
    fame = 1 / (np.arange(people) + 3.0)
    fame /= fame.sum()
    out = np.full((3, items, MOST), -1)
    for item in range(items):
        count = int(draw.integers(1, min(MOST, people // 2) + 1))
        seen = draw.choice(people, count, replace=False, p=fame)
        out[0, item, :count] = [draw.choice(rows[p]) for p in seen]
        out[2, item, :count] = seen
        told = seen[draw.random(count) < 0.6]
        told = told if len(told) else seen[:1]
        others = draw.choice(people, min(int(draw.integers(0, 4)), MOST - len(told)), p=fame)
        names = np.unique(np.concatenate([told, others]))
        out[1, item, : len(names)] = draw.permutation(names)
    return News(*(torch.from_numpy(part) for part in out))


class Naming(nn.Module):
    """Faces `(n, d)` and names (numbers) in one space."""

    def __init__(self, dim: int, names: int) -> None:
        super().__init__()
        self.face = nn.Sequential(nn.Linear(dim, 128), nn.ReLU(), nn.Linear(128, DIM))
        self.name = nn.Embedding(names, DIM)

    def forward(self, faces: Tensor, names: Tensor) -> Tensor:
        """Faces `(b, m, d)` and names `(c, k)` -> cosines over temperature `(b, m, c, k)`."""
        f = functional.normalize(self.face(faces), dim=-1)
        n = functional.normalize(self.name(names.clamp_min(0)), dim=-1)
        return torch.einsum("bmd,ckd->bmck", f, n) / TEMPERATURE


def bags(similarity: Tensor, face: Tensor, name: Tensor) -> tuple[Tensor, Tensor]:
    """How well bags go together, `(b, c)`: the mean over faces of their best name, and over names
    of their best face. `face (b, m)` and `name (c, k)` say which are there."""
    there = face[:, :, None, None] & name[None, None]
    known = similarity.masked_fill(~there, -1e4)
    by_face = known.amax(3) * face[:, :, None]
    by_name = known.amax(1) * name[None]
    return by_face.sum(1) / face.sum(1)[:, None], by_name.sum(2) / name.sum(1)[None]


def disagreement(similarity: Tensor, face: Tensor, name: Tensor) -> Tensor:
    """Mean square distance of the softmax over names and that over faces, within each photo."""
    own = torch.diagonal(similarity, dim1=0, dim2=2).permute(2, 0, 1)
    there = face[:, :, None] & name[:, None]
    known = own.masked_fill(~there, -1e4)
    apart = (known.softmax(2) - known.softmax(1)).square() * there
    return apart.sum() / there.sum()


def learn(
    model: Naming,
    vectors: Tensor,
    told: News,
    ways: tuple[float, float],
    agree: float,
    steps: int,
    begin: int,
    seed: int,
) -> None:
    """Trains by the contrast of each photo with the captions of others, and each caption with the
    photos of others. `ways`: weights of faces to names and of names to faces. For the first `begin`
    steps only photos of at most two faces; these then keep the names they were given."""
    draw = rng(seed, "batches")
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-4)
    simple = torch.nonzero((told.faces >= 0).sum(1) <= 2)[:, 0]
    everything = torch.arange(len(told.faces))
    teacher = None
    for step in range(steps):
        pool = simple if step < begin else everything
        if begin and step == begin:
            teacher = best(model, vectors, told)
            teacher[(told.faces >= 0).sum(1) > 2] = -1
        rows = pool[torch.from_numpy(draw.integers(len(pool), size=64))]
        face, name = told.faces[rows] >= 0, told.names[rows] >= 0
        found = model(vectors[told.faces[rows].clamp_min(0)], told.names[rows])
        target = torch.arange(len(rows))
        loss = agree * 10 * disagreement(found, face, name)
        for weight, score in zip(ways, bags(found, face, name), strict=True):
            if weight:
                both = functional.cross_entropy(score, target) + functional.cross_entropy(
                    score.T, target
                )
                loss = loss + weight * both / 2
        if teacher is not None:
            loss = loss + 0.5 * naming_loss(found, name, teacher[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def naming_loss(similarity: Tensor, name: Tensor, given: Tensor) -> Tensor:
    """Cross entropy of each face over the names of its caption, `given (b, m)` the place of its
    name there, -1: none."""
    own = torch.diagonal(similarity, dim1=0, dim2=2).permute(2, 0, 1)
    known = own.masked_fill(~name[:, None], -1e4)
    return functional.cross_entropy(known.flatten(0, 1), given.flatten(), ignore_index=-1)


@torch.no_grad()
def best(model: Naming, vectors: Tensor, told: News, sure: float = 0.6) -> Tensor:
    """The place in its caption of each face's name, `(n, 6)`; -1 for a cosine below `sure`."""
    found = within(model, vectors, told)
    value, place = found.max(2)
    return torch.where((value * TEMPERATURE >= sure) & (told.faces >= 0), place, -1)


def within(model: Naming, vectors: Tensor, told: News) -> Tensor:
    """Similarity of each photo's faces to its own caption's names, `(n, 6, 6)`."""
    f = functional.normalize(model.face(vectors[told.faces.clamp_min(0)]), dim=-1)
    n = functional.normalize(model.name(told.names.clamp_min(0)), dim=-1)
    return (f @ n.transpose(1, 2) / TEMPERATURE).masked_fill(told.names[:, None] < 0, -1e4)


@torch.no_grad()
def accuracy(model: Naming, vectors: Tensor, told: News) -> float:
    """Share of named faces in photos of at least three that get their own name."""
    place = within(model, vectors, told).argmax(2)
    return rightly(told.names.gather(1, place), told)


def rightly(given: Tensor, told: News) -> float:
    """Share of the faces that are named in their caption, in photos of three and more, for whom
    `given (n, 6)` is right."""
    named = (told.who[:, :, None] == told.names[:, None]).any(2) & (told.who >= 0)
    counted = named & ((told.faces >= 0).sum(1) >= 3)[:, None]
    return float((given == told.who)[counted].float().mean())


def counted(vectors: NDArray[np.float32], told: News, rounds: int = 20) -> float:
    """Expectation maximisation: each name has a mean face; faces go to the names of their caption
    in proportion to exp(20 cosine), and means are made anew."""
    faces, names = told.faces, told.names
    there = (faces >= 0)[:, :, None] & (names >= 0)[:, None]
    share = there.float() / there.float().sum(2, keepdim=True).clamp_min(1)
    table = torch.from_numpy(vectors)[faces.clamp_min(0)]
    for _ in range(rounds):
        means = torch.zeros(int(names.max()) + 1, table.shape[2])
        weighted = torch.einsum("imk,imd->ikd", share * there, table)
        means.index_add_(
            0, names.clamp_min(0).flatten(), (weighted * (names >= 0)[:, :, None]).flatten(0, 1)
        )
        means = functional.normalize(means, dim=1)
        cosine = torch.einsum("imd,ikd->imk", table, means[names.clamp_min(0)])
        share = (20 * cosine).masked_fill(~there, -1e4).softmax(2)
    return rightly(names.gather(1, share.argmax(2)), told)
