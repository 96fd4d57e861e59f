"""Indexing by one and two workers of a Dask cluster on this machine, against as many threads; and
what a photo costs each part of the cluster and a gallery, for `bench scale`. As a script: one of
the writers that store at the same time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform import api
from fusiform.app.bench.cluster import cluster
from fusiform.app.bench.peers import optional
from fusiform.app.bench.photos import GENERATED, make_photos
from fusiform.app.bench.run import Comparison, Result, clocked, environment, interleave, least
from fusiform.core.errors import ClusterError
from fusiform.core.faces import Faces
from fusiform.core.seeds import rng
from fusiform.gallery import Photo, Store
from fusiform.pipeline import Limits, analyse
from fusiform.spreading import BATCH

WORKERS = (1, 2)
STORED = 500  # photos of one face that a writer stores
IDLE = 3.0  # seconds in which a cluster that does nothing is watched


def bench_spread(
    count: int = 300, *, rounds: int = 3, seed: int = 0, server: str | None = None
) -> Result:
    """Milliseconds a photo of `index` with 1 and 2 threads, and with 1 and 2 workers.

    `server`: a `postgresql://` URL with a `schema`, in which 1, 2 and 4 writers store too. Raises
    ClusterError if Dask is not installed.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = scratch / "photos"
        make_photos(folder, count, seed)
        addresses = [_clustered(stack, scratch, n) for n in WORKERS]
        ways: dict[str, Callable[[], object]] = {
            f"{n} threads": partial(_index, folder, workers=n) for n in WORKERS
        }
        for n, address in zip(WORKERS, addresses, strict=True):
            ways[f"{n} workers"] = partial(_index, folder, dask=address)
        for way in ways.values():
            way()  # loads the models
        figures = interleave({name: clocked(way, count) for name, way in ways.items()}, rounds)
        cost = costs(folder, addresses[-1], count)
        places = [(str(scratch / "stored.db"), 1)]
        places += [(server, n) for n in (1, 2, 4)] if server else []
        storing = [_fastest(place, n, rounds, seed) for place, n in places]
    best = least(figures)
    lines = [
        Comparison(f"{n} workers", best[f"{n} workers"], other, best[other], "ms/photo")
        for n in WORKERS
        for other in (f"{n} threads", "1 workers")
        if other != f"{n} workers"
    ]
    return Result(
        "spread",
        f"minimum of {rounds} rounds by turns, wall clock; costs: CPU time of one more run",
        tuple(lines),
        {"CPU, and what travels, a photo": cost, "storing photos of one face": storing},
        figures,
        (GENERATED, "workers, scheduler and client share the cores of one machine"),
        environment(seed=seed, peers=["distributed", "psycopg"], photos=count, batch=BATCH),
    )


def _clustered(stack: ExitStack, scratch: Path, count: int) -> str:
    if optional("distributed") is None:
        raise ClusterError('Dask is not installed; install it with `pip install "fusiform[dask]"`.')
    folder = scratch / f"cluster{count}"
    folder.mkdir()
    return stack.enter_context(cluster(count, folder))


def _index(folder: Path, **settings: Any) -> None:
    with tempfile.TemporaryDirectory() as place, api.Gallery(Path(place) / "gallery.db") as made:
        made.index(folder, **settings)


def costs(folder: Path, address: str, count: int) -> list[dict[str, Any]]:
    """CPU milliseconds a photo of workers, scheduler and client, and bytes of a result.

    What the cluster uses while it does nothing is taken off.
    """
    from distributed import Client

    with Client(address, set_as_default=False) as client:

        def spent() -> NDArray[np.float64]:
            workers = sum(client.run(time.process_time).values())
            scheduler = client.run_on_scheduler(time.process_time)
            return np.array([workers, scheduler, time.process_time(), time.monotonic()])

        start = spent()
        time.sleep(IDLE)
        before = spent()
        _index(folder, dask=address)
        used, idle = spent() - before, before - start
    net = used - idle * used[3] / idle[3]
    parts = ("workers", "scheduler", "client, storing and grouping included")
    rows: list[dict[str, Any]] = [
        {"what": part, "a photo": round(float(1e3 * ms / count), 3), "unit": "CPU ms"}
        for part, ms in zip(parts, net[:3], strict=True)
    ]
    return [*rows, {"what": "result", "a photo": _bytes(folder), "unit": "bytes"}]


def _bytes(folder: Path) -> int:
    """What Dask sends for a photo's result, of the first batches."""
    from distributed.protocol.serialize import serialize

    paths = [str(path) for path in sorted(folder.iterdir())[: 4 * BATCH]]
    results = list(analyse(paths, api.models(), limits=Limits()))
    batches = [tuple(results[i : i + BATCH]) for i in range(0, len(results), BATCH)]
    sizes = [sum(memoryview(f).nbytes for f in serialize(batch)[1]) for batch in batches]
    return round(sum(sizes) / len(paths))


def _fastest(place: str, writers: int, rounds: int, seed: int) -> dict[str, Any]:
    rows = [_storing(place, writers, seed) for _ in range(rounds)]
    return max(rows, key=lambda row: float(row["photos/s"]))


def _storing(place: str, writers: int, seed: int) -> dict[str, Any]:
    """Photos a second that some writers store together, and bytes of file a photo."""
    with Store(place) as store:
        store.use_models("detector", "embedder", "ab" * 32)
        before = store.counts()["photos"]
    command = [sys.executable, "-m", "fusiform.app.bench.spread", place, str(seed)]
    children = [
        subprocess.Popen([*command, f"{before}-{n}"], stdout=subprocess.PIPE, text=True)
        for n in range(writers)
    ]
    spans = [json.loads(child.communicate()[0]) for child in children]
    seconds = max(end for _, end, _ in spans) - min(start for start, _, _ in spans)
    cpu = 1e3 * sum(used for _, _, used in spans) / writers / STORED
    with Store(place) as store:
        file = store.db.file
        size = round(file.stat().st_size / (before + STORED)) if file else None
    told = {"gallery": "SQLite" if file else "PostgreSQL", "writers": writers}
    told |= {"photos/s": round(writers * STORED / seconds), "CPU ms of a writer": round(cpu, 3)}
    return told | {"bytes a photo": size}


def store_photos(place: str, seed: int, name: str) -> tuple[float, float, float]:
    """Stores STORED photos of one face, told apart by `name`; start, end, CPU time (s)."""
    vectors = rng(seed, "stored", name).standard_normal((STORED, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    points = np.ones((1, 5, 2), np.float32)
    with Store(place, create=False) as store:
        start, used = time.time(), time.process_time()
        for i, vector in enumerate(vectors):
            faces = Faces(points[:, :2].reshape(1, 4), points[:, 0, 0], points, vector[None])
            content = f"{name}-{i}".rjust(64, "0")
            store.photo_id(content)  # as `Run.keep` asks first
            store.add_photo(Photo(content, f"/photos/{content}.jpg", i, i, 9, 9), faces)
        return start, time.time(), time.process_time() - used


def main(place: str, seed: str, name: str) -> None:
    """Prints when it started and ended, and its CPU time."""
    sys.stdout.write(json.dumps(store_photos(place, int(seed), name)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
