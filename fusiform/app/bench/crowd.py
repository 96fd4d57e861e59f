"""Simulated identities with heavy-tailed numbers of faces, noise as networks have it, and junk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng
from fusiform.gallery import Store

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

JUNK = 0.02  # share of faces that are like nobody
TAIL = 1.2  # exponent of the Pareto distribution of faces a person
LARGEST = 0.02  # share of all faces that one person may have
COMMON, OWN, NOISE = 0.85, 0.11, 0.04  # shares of a vector's square, like dlib's
UNEVEN = 0.25  # log-deviation of the noise: some pictures are clear, some are not
FACES_EACH = 20  # a person, on average
LIMIT = 0.905  # mean similarity for grouping these
_BLOCK = 100_000


def crowd(count: int, people: int, seed: int = 0, width: int = 128) -> tuple[Floats, Ints]:
    """`count` unit vectors (n, width) in mixed order and their people (n,); junk is a person each.

    All share a direction, as dlib's do (strangers' cosine about .85)."""
    draw = rng(seed, "crowd")
    share = draw.pareto(TAIL, people) + 1
    share = np.minimum(share, share.sum() * LARGEST)
    junk = int(count * JUNK)
    seen = min(people, count - junk)
    more = draw.choice(people, count - junk - seen, p=share / share.sum())
    who = np.concatenate([np.arange(seen), more, people + np.arange(junk)]).astype(np.int64)
    draw.shuffle(who)
    common, own = _directions(draw, 1, width), _directions(draw, people + junk, width)
    out = np.empty((count, width), np.float32)
    for first in range(0, count, _BLOCK):
        some = who[first : first + _BLOCK]
        spread = np.sqrt(NOISE) * np.exp(draw.normal(0, UNEVEN, (len(some), 1)))
        noise = spread.astype(np.float32) * _directions(draw, len(some), width)
        made = np.float32(np.sqrt(COMMON)) * common + np.float32(np.sqrt(OWN)) * own[some] + noise
        out[first : first + _BLOCK] = made / np.linalg.norm(made, axis=1, keepdims=True)
    return out, who


def _directions(draw: np.random.Generator, count: int, width: int) -> Floats:
    rows = draw.standard_normal((count, width), np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def stored(store: Store, vectors: Floats) -> None:
    """Faces as `add_photo` stores them, in one transaction: a gallery to begin with."""
    count = len(vectors)
    photos = ((i + 1, f"{i:064x}", 9, 9, "2026-01-01") for i in range(count))
    files = ((f"/photos/{i}.jpg", i + 1, i, i) for i in range(count))
    points = bytes(40)
    faces = ((i + 1, i + 1, 0.0, 0.0, 9.0, 9.0, 0.9, 0.9, points) for i in range(count))
    packed = ((i + 1, 1, row.astype("<f2").tobytes()) for i, row in enumerate(vectors))
    with store.write() as db:
        sql = "INSERT INTO photos(id, sha256, width, height, added_at) VALUES (?, ?, ?, ?, ?)"
        db.executemany(sql, photos)
        db.executemany("INSERT INTO files VALUES (?, ?, ?, ?)", files)
        columns = "id, photo_id, x1, y1, x2, y2, score, quality, points"
        db.executemany(f"INSERT INTO faces({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", faces)
        db.executemany("INSERT INTO embeddings VALUES (?, ?, ?)", packed)
