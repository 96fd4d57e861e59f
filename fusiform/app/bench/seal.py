"""What encryption costs: the same gallery, plain and sealed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench.crowd import crowd
from fusiform.app.bench.run import Comparison, Result, environment
from fusiform.core.crop import Crop
from fusiform.core.faces import Faces
from fusiform.gallery import Photo, Store, find, seal
from fusiform.gallery.cipher import Secret, passphrase

CROP = 6_700  # bytes, as crops have on average
ADDED = 200  # photos
PROBES = 20
ROUNDS = 5


def bench_seal(*, faces: int = 20_000, seed: int = 0) -> Result:
    """Opening, adding, reading all templates, searching: plain and sealed, in turns."""
    vectors, _ = crowd(faces + ROUNDS * ADDED, faces // 20, seed)
    secret = passphrase("correct horse battery staple")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "plain.db", Path(folder) / "sealed.db"]
        for path in paths:
            with Store(path, secret=lambda: secret) as store:
                store.use_models("none", "none", "00" * 32)
                _add(store, vectors[:faces], 0)
        with Store(paths[1]) as store:
            sealing = _clocked(lambda: seal(store, secret))
        figures: dict[str, list[float]] = {}
        for round_ in range(ROUNDS):
            for path in paths:
                told = _measured(path, vectors[faces:], faces, round_, lambda: secret)
                for name, value in told.items():
                    figures.setdefault(f"{path.stem} {name}", []).append(value)
        sizes = [path.stat().st_size / 1e6 for path in paths]
    names = [name.removeprefix("plain ") for name in figures if name.startswith("plain ")]
    lines = [
        Comparison(name, min(figures[f"sealed {name}"]), "plain", min(figures[f"plain {name}"]))
        for name in names
    ]
    lines.append(Comparison("size of the gallery", sizes[1], "plain", sizes[0], "MB"))
    lines.append(Comparison(f"sealing {faces:,} faces", sealing, unit="ms"))
    return Result(
        "seal",
        f"minimum of {ROUNDS} rounds, plain and sealed in turns",
        tuple(lines),
        {},
        figures,
        (f"{faces:,} simulated faces with crops of {CROP} bytes; XAES-256-GCM, Argon2id",),
        environment(seed=seed),
    )


def _measured(
    path: Path,
    more: NDArray[np.float32],
    faces: int,
    round_: int,
    secret: Callable[[], Secret],
) -> dict[str, float]:
    """Milliseconds of each thing done."""
    took: dict[str, float] = {}
    started = time.perf_counter()
    with Store(path, secret=secret) as store:
        took["opening"] = 1e3 * (time.perf_counter() - started)
        part = more[round_ * ADDED : (round_ + 1) * ADDED]
        took[f"adding {ADDED} photos"] = _clocked(lambda: _add(store, part, faces + round_ * ADDED))
        took["reading all templates"] = _clocked(lambda: store.vectors())
        took["reading 100 crops"] = _clocked(lambda: store.crops_of(range(1, 101)))
        took["one search"] = _clocked(lambda: [find(store, v) for v in part[:PROBES]]) / PROBES
    return took


def _add(store: Store, vectors: NDArray[np.float32], first: int) -> None:
    picture = np.random.default_rng(0).bytes(CROP)
    one = np.ones((1, 10), np.float32)
    crop = Crop(picture, np.ones((5, 2), np.float32))
    for i, vector in enumerate(vectors, first):
        photo = Photo(f"{i:064x}", f"/photos/{i}.jpg", i, i, 9, 9)
        faces = Faces(one[:, :4], one[:, 0], one.reshape(1, 5, 2), vector[None])
        store.add_photo(photo, faces, crops=(crop,))


def _clocked(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - started)
