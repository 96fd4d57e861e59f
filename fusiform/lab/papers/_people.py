"""The people of the papers' experiments: faces of the world, drawn once and kept on the disk.

All papers share one pack of the preset `recognition`, made at the first use (800 people with 20
pictures each at size small: about five minutes on two cores). A seed chooses who trains and who
tests, never the same; people of two seeds overlap.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from fusiform.core.errors import FusiformError
from fusiform.core.seeds import rng
from fusiform.hub.files import home
from fusiform.lab.world.crowd import Crowd, crowd
from fusiform.lab.world.pack import write_pack
from fusiform.lab.world.samples import Options, keys, sample, shard_size

WORLD = 21  # the seed of the world these people live in
# People, pictures of each, pixels of a crop's side.
POOLS = {"tiny": (24, 8, 48), "small": (800, 20, 64), "full": (8000, 40, 112)}


@dataclass(frozen=True)
class Split:
    """Disjoint people: `train` and `test`, each numbered from 0 on."""

    train: Crowd
    test: Crowd


def pool(size: str) -> Crowd:
    """Everybody, as aligned crops."""
    return _pool(size, str(home()))


@lru_cache(maxsize=4)
def _pool(size: str, home_folder: str) -> Crowd:
    people, images, side = POOLS[size]
    folder = Path(home_folder) / "lab" / f"people-{people}x{images}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        try:
            return crowd(folder, side)
        except FusiformError:
            made(folder, people, images)
        return crowd(folder, side)


def made(folder: Path, people: int, images: int) -> None:
    """Writes the pack, or goes on with it."""
    size = 64 if people < 100 else 112
    options = Options("recognition", WORLD, size, ())
    named = {"preset": "recognition", "seed": WORLD, "size": size, "labels": []}
    if people >= 100:
        print(f"drawing {people} people for the papers, once: {folder}", file=sys.stderr)
    write_pack(
        folder,
        keys(people, images),
        partial(sample, options),
        named,
        shard_size(people, images),
        1 if people < 100 else os.cpu_count() or 1,
    )


def split(seed: int, size: str, train: int, test: int, side: int = 48, images: int = 20) -> Split:
    """`train` and `test` people drawn by `seed`, with at most `images` faces each, `side` pixels
    square. At size tiny there are at most 16 and 8 people."""
    everybody = at(size, side)
    if size == "tiny":
        train, test, images = min(train, 16), min(test, 8), min(images, 8)
    order = rng(seed, "people").permutation(everybody.people)
    parts = [everybody.of(order[:train]), everybody.of(order[-test:])]
    return Split(*(part[numbered(part) < images] for part in parts))


@lru_cache(maxsize=4)
def at(size: str, side: int) -> Crowd:
    """The pool at a crop size, in memory."""
    return pool(size).resized(side)


def numbered(faces: Crowd) -> NDArray[np.int64]:
    """The how-manieth face of their person each is."""
    order = np.argsort(faces.person, kind="stable")
    _, first, count = np.unique(faces.person[order], return_index=True, return_counts=True)
    number = np.empty(len(faces), np.int64)
    number[order] = np.arange(len(faces)) - np.repeat(first, count)
    return number
