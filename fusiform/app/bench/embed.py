"""Embedding crops: dlib's network in ONNX Runtime against dlib."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench.peers import Peer, peers
from fusiform.app.bench.photos import chips
from fusiform.app.bench.run import (
    LEAST,
    Comparison,
    Result,
    clocked,
    cores,
    environment,
    interleave,
    least,
)
from fusiform.core.errors import ModelMissing
from fusiform.hub.session import open_session
from fusiform.hub.store import locate
from fusiform.recognise.embedder import Embedder

BATCH = 32
PARALLEL = "a batch a core, as in index"
ALONE = "one batch on all cores"


def bench_embed(
    *, crops: int = 200, rounds: int = 5, seed: int = 0, pythons: Sequence[Path] = ()
) -> Result:
    """Milliseconds a face of batches of 32, and how far our vectors are from dlib's."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        faces = chips(max(crops, BATCH), seed)
        batch = faces[:BATCH]
        np.save(scratch / "all.npy", faces)
        np.save(scratch / "batch.npy", batch)
        theirs = {peer.dlib: peer for peer in stack.enter_context(peers(pythons))}
        expected = {name: _described(peer, scratch) for name, peer in theirs.items()}
        asked = {name: _dlib(peer, scratch / "batch.npy") for name, peer in theirs.items()}
        figures = interleave({PARALLEL: _parallel(batch), ALONE: _alone(batch)} | asked, rounds)
    best = least(figures)
    lines = [
        Comparison(f"embed, {way}", best[way], name, best[name], "ms/face")
        for way in (PARALLEL, ALONE)
        for name in theirs
    ]
    ours = embedder(1).descriptors(faces)
    gaps = [
        {"peer": name, "crops": len(faces), "largest difference": float(np.abs(ours - v).max())}
        for name, v in expected.items()
    ]
    return Result(
        "embed",
        LEAST.format(rounds=rounds),
        tuple(lines),
        {"vectors of 128 numbers, equal to (1e-5 wanted)": gaps},
        figures,
        ("crops: the album's faces, each shaken otherwise",),
        environment(seed=seed, batch=BATCH),
    )


def embedder(threads: int) -> Embedder:
    """dlib's network on the CPU, each run in that many threads."""
    model = locate("dlib-resnet")
    if model.data is None:
        raise ModelMissing(f"{model.card.name}: no weights")
    return Embedder(model.card, open_session(model.data, provider="cpu", threads=threads))


def _alone(batch: NDArray[np.uint8]) -> Callable[[], float]:
    network = embedder(cores())
    network(batch)
    return clocked(lambda: network(batch), len(batch))


def _parallel(batch: NDArray[np.uint8], each: int = 4) -> Callable[[], float]:
    """Every core embeds `each` batches on its own."""
    network, many = embedder(1), cores() * each
    network(batch)

    def work() -> None:
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(network, [batch] * many))

    return clocked(work, len(batch) * many)


def _dlib(peer: Peer, path: Path) -> Callable[[], float]:
    return lambda: float(peer.ask("describe", chips=str(path), out=None)["ms"])


def _described(peer: Peer, scratch: Path) -> NDArray[np.float32]:
    out = scratch / "vectors.npy"
    peer.ask("describe", chips=str(scratch / "all.npy"), out=str(out))
    vectors: NDArray[np.float32] = np.load(out, allow_pickle=False)
    return vectors
