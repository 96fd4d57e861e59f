"""FANVID: A Benchmark for Face and License Plate Recognition in Low-Resolution Videos.

Viswanathan and others, 2025. New: faces and number plates in videos of which no single frame
can be read, strangers among those looked for, and average precision that asks for the right name.
Here clips show people of the world, 10 to 14 pixels high, to a camera that shakes by parts of a
pixel, with noise and JPEG; plates are strips of seven signs. Left out: detector and tracker. Boxes
and points are the true ones with errors as of found ones, the same for all arms.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from fusiform.core.faces import Faces
from fusiform.core.seeds import rng
from fusiform.lab.blocks.fusion import registered, super_resolved
from fusiform.lab.papers._clips import CLIPS, Clips, clips
from fusiform.lab.papers._landmarks import cut
from fusiform.lab.papers._mugshots import frontal, stranger_to
from fusiform.lab.papers._people import at
from fusiform.lab.papers._plates import read
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import Augment
from fusiform.lab.train.faces import embed, features, unit
from fusiform.measure.boxes import average_precision
from fusiform.measure.templates import pooled

SIDE = 32  # of an aligned crop
FACES = Augment(0.5, low=0.8, smallest=0.35)
FINE = 3  # times as many pixels a side after super-resolution
WRONG = 0.04  # standard deviation of found points and boxes, of the face's height
Floats = NDArray[np.float64]
T = TypeVar("T", bound=np.generic)


class Found(NamedTuple):
    """Average precision by name, and share of clips of listed people with the right name."""

    precision: float
    rank1: float


@claim(metric="mean average precision by name", margin=0.08, minutes=6)
def pooling_is_precise(seed: int, size: str) -> tuple[float, float]:
    """Naming a clip by its frames' embeddings, pooled by their norms, is more precise than naming
    each frame by itself."""
    found = recognised(seed, size)
    return found["pooled"].precision, found["frames"].precision


@claim(metric="rank-1 of clips", margin=0.08, minutes=6)
def pooling_finds(seed: int, size: str) -> tuple[float, float]:
    """It finds more people than the clip's best frame, that of the largest norm."""
    found = recognised(seed, size)
    return found["pooled"].rank1, found["best"].rank1


@claim(metric="rank-1 of clips", margin=0.03, minutes=6)
def resolving_finds(seed: int, size: str) -> tuple[float, float]:
    """One picture super-resolved from all frames finds more people than the best frame."""
    found = recognised(seed, size)
    return found["resolved"].rank1, found["best"].rank1


@claim(metric="share of signs read rightly", margin=0.1, minutes=6)
def plates_are_read(seed: int, size: str) -> tuple[float, float]:
    """More signs of a plate are read in a picture super-resolved from 16 frames than in one."""
    return read(seed, size, True), read(seed, size, False)


@lru_cache(maxsize=4)
def recognised(seed: int, size: str) -> dict[str, Found]:
    """Clips of listed people and of a quarter as many strangers, by all arms."""
    total = CLIPS[size][0]
    order = rng(seed, "listed").permutation(total)
    listed = np.sort(order[: total * 3 // 4])
    net = stranger_to(total, seed, size, SIDE, FACES)
    mugshots = at(size, SIDE).of(listed)
    gallery = embed(net, mugshots.images[frontal(mugshots)])
    seen = clips(size, seed)
    n, f = seen.frames.shape[:2]
    found = mistaken(seen, seed)
    raw = features(net, cut(flat(seen.frames), flat(found.points), SIDE))
    single = (unit(raw) @ gallery.T).reshape(n, f, -1)
    clip, norm = np.repeat(np.arange(n), f), np.linalg.norm(raw, axis=1)
    together = pooled(unit(raw), clip, clip, norm).vectors @ gallery.T
    best = single[np.arange(n), norm.reshape(n, f).argmax(1)]
    fine = embed(net, resolved(seen.frames, found.points)) @ gallery.T
    arms = {"frames": single, "best": best, "mean": single.mean(1), "pooled": together}
    return {
        name: judged(scores, listed, seen.boxes, found.boxes)
        for name, scores in (arms | {"resolved": fine}).items()
    }


def mistaken(seen: Clips, seed: int) -> Clips:
    """`seen` with boxes and points as inexact as if they had been found."""
    random = rng(seed, "found")
    error = WRONG * (seen.boxes[..., 3] - seen.boxes[..., 1])[..., None]
    points = seen.points + random.normal(0, 1, seen.points.shape) * error[..., None]
    return Clips(seen.frames, points, seen.boxes + random.normal(0, 1, seen.boxes.shape) * error)


def judged(scores: Floats, listed: NDArray[np.int64], truth: Floats, boxes: Floats) -> Found:
    """Of `scores (n, g)` of clips, or `(n, f, g)` of frames, to the g people `listed`."""
    n, f = truth.shape[:2]
    each = np.broadcast_to(scores if scores.ndim == 3 else scores[:, None], (n, f, len(listed)))
    named, sure = listed[each.argmax(2)], each.max(2)
    right = named == np.arange(n)[:, None]
    return Found(named_precision(named, sure, boxes, truth, listed), float(right[listed].mean()))


def named_precision(
    named: NDArray[np.int64],
    sure: Floats,
    boxes: Floats,
    truth: Floats,
    listed: NDArray[np.int64],
) -> float:
    """Mean over people `listed` of the average precision at IoU 0.5 of the boxes given their name.

    One face a frame: `named (n, f)` and `sure (n, f)`, its name and how sure that is, `boxes
    (n, f, 4)` found, `truth (n, f, 4)`; clip i shows person i.
    """
    each = []
    for person in listed:
        rows = np.argwhere((named == person) | (np.arange(len(named)) == person)[:, None])
        faces, true = [], []
        for i, k in rows:
            said = slice(0, int(named[i, k] == person))
            faces.append(only(boxes[i, k], sure[i, k])[said])
            true.append(truth[i, k][None][: int(i == person)])
        each.append(average_precision(faces, true))
    return float(np.mean(each))


def only(box: Floats, score: float) -> Faces:
    """The one face of a frame."""
    points = np.zeros((1, 5, 2), np.float32)
    return Faces(box[None].astype(np.float32), np.array([score], np.float32), points)


def flat(arrays: NDArray[T]) -> NDArray[T]:
    """`(n, f, ...)` as `(n * f, ...)`."""
    return arrays.reshape(-1, *arrays.shape[2:])


def resolved(frames: NDArray[np.uint8], points: Floats) -> NDArray[np.uint8]:
    """One aligned crop a clip, `(n, 32, 32, 3)`, super-resolved; registered to its middle frame,
    to where the points of the others are taken too."""
    pictures = torch.from_numpy(frames).permute(0, 1, 4, 2, 3).float()
    shift = registered(pictures, pictures[:, frames.shape[1] // 2])
    large = super_resolved(pictures, shift, FINE).clamp(0, 255).round()
    where = (points - shift.numpy()[:, :, None]).mean(1) * FINE
    return cut(large.permute(0, 2, 3, 1).to(torch.uint8).numpy(), where, SIDE)
