"""The whole job: a folder of photos to people, against face_recognition and a plain chain."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from fusiform import api, indexing, pipeline
from fusiform.app.bench.peers import MISSING, Peer, peers
from fusiform.app.bench.photos import GENERATED, make_photos
from fusiform.app.bench.run import (
    LEAST,
    Comparison,
    Result,
    clocked,
    cores,
    environment,
    interleave,
    least,
    ready_detectors,
)
from fusiform.core.align import align
from fusiform.core.errors import ChoiceError
from fusiform.core.pictures import open_picture, picture_paths
from fusiform.gallery import group
from fusiform.hub.session import open_session
from fusiform.hub.store import locate
from fusiform.pipeline import Models, load_detector, load_embedder

CHAIN = "one by one, same networks"
SIZES = {"full size": None, "1080 px": 1080}
STAGES: dict[str, tuple[Any, str]] = {
    "decode": (pipeline, "open_picture"),
    "detect": (pipeline, "_detect"),
    "align": (pipeline, "align"),
    "quality": (pipeline, "assess"),
    "embed": (pipeline, "_embed"),
    "store": (indexing.Run, "keep"),
    "group": (api.Gallery, "regroup"),
}


def bench_job(
    photos: Path | None = None,
    *,
    count: int = 60,
    rounds: int = 3,
    seed: int = 0,
    pythons: Sequence[Path] = (),
) -> Result:
    """Milliseconds a photo of `index` with each detector that is here, and of the peers.

    `photos`: a folder; without one `count` photos are made from the album.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = photos or scratch / "photos"
        if photos is None:
            make_photos(folder, count, seed)
        paths = _paths(folder)
        names = ready_detectors()
        ours = {name: _index(folder, scratch, name, len(paths)) for name in names}
        theirs = _theirs(stack.enter_context(peers(pythons)), paths)
        theirs[CHAIN] = _chain(names[0], paths)
        _warm_up(names, scratch, paths)
        figures = interleave(ours | theirs, rounds)
        profiles = {f"profile, {n}: CPU ms a photo": profile(folder, scratch, n) for n in names}
    return Result(
        "job",
        LEAST.format(rounds=rounds),
        tuple(_lines(names, list(theirs), least(figures))),
        profiles,
        figures,
        () if photos else (GENERATED,),
        environment(seed=seed, photos=len(paths), generated=photos is None),
    )


def _lines(names: Sequence[str], theirs: Sequence[str], best: dict[str, float]) -> list[Comparison]:
    lines = [
        Comparison(f"index, {name}", best[name], peer, best[peer], "ms/photo")
        for name in names
        for peer in theirs
    ]
    if len(theirs) == 1:  # the chain of our own networks alone
        lines += [
            Comparison(f"index, {n}", best[n], "face_recognition", None, "ms/photo", note=MISSING)
            for n in names
        ]
    return lines


def _paths(folder: Path) -> list[str]:
    """Every picture of the folder, absolute. Raises PictureError, or ChoiceError if none is."""
    paths = [str(path.resolve()) for path in picture_paths([folder], on_error=_refuse)]
    if not paths:
        raise ChoiceError("photos", "a folder with pictures", str(folder))
    return paths


def _theirs(others: Sequence[Peer], paths: list[str]) -> dict[str, Callable[[], float]]:
    return {
        f"{peer.face_recognition}, {size}": _face_recognition(peer, paths, side)
        for peer in others
        if peer.face_recognition
        for size, side in SIZES.items()
    }


def _refuse(error: Exception) -> None:
    raise error


@contextmanager
def _gallery(scratch: Path, detector: str) -> Iterator[api.Gallery]:
    """A new gallery that is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(dir=scratch) as folder,
        api.Gallery(Path(folder) / "gallery.db", detector=detector) as gallery,
    ):
        yield gallery


def _index(folder: Path, scratch: Path, detector: str, count: int) -> Callable[[], float]:
    def work() -> None:
        with _gallery(scratch, detector) as gallery:
            gallery.index(folder)

    return clocked(work, count)


def _face_recognition(peer: Peer, paths: list[str], side: int | None) -> Callable[[], float]:
    return lambda: float(peer.ask("job", photos=paths, side=side)["ms"])


def _chain(detector: str, paths: list[str]) -> Callable[[], float]:
    """What a first script does with the same networks: read whole, find, embed, next photo."""
    session = open_session(locate("dlib-resnet").data or b"", threads=0)
    models = Models(load_detector(detector), replace(load_embedder(), session=session))
    return clocked(partial(_one_by_one, models, paths), len(paths))


def _one_by_one(models: Models, paths: list[str]) -> None:
    card, vectors = models.embedder.card, []
    for path in paths:
        pixels = open_picture(path).pixels
        faces = models.detector([pixels])[0]
        vectors.append(models.embedder(align(pixels, faces.points, card.template, card.size)))
    group(np.concatenate(vectors), card.grouping or 1.0)


def _warm_up(detectors: Sequence[str], scratch: Path, paths: list[str]) -> None:
    """Loads our models; the peer's load when it is imported."""
    for name in detectors:
        with _gallery(scratch, name) as gallery:
            gallery.index(paths[0])


def profile(folder: Path, scratch: Path, detector: str) -> list[dict[str, Any]]:
    """CPU milliseconds a photo of each stage of `index`, in one worker thread.

    Divided by the cores, their sum is what no overlap can go below.
    """
    spent: defaultdict[str, float] = defaultdict(float)

    def timed(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            start = time.thread_time()
            try:
                return work(*given, **named)
            finally:
                spent[stage] += time.thread_time() - start

        return run

    with ExitStack() as stack:
        for stage, (owner, name) in STAGES.items():
            stack.enter_context(patch.object(owner, name, timed(stage, getattr(owner, name))))
        gallery = stack.enter_context(_gallery(scratch, detector))
        start = time.process_time()
        photos = gallery.index(folder, workers=1).photos
        spent["other"] = time.process_time() - start - sum(spent.values())
    spent["sum"] = sum(spent.values())
    spent["sum / cores"] = spent["sum"] / cores()
    order = (*STAGES, "other", "sum", "sum / cores")
    return [{"stage": s, "ms/photo": round(spent[s] * 1e3 / max(photos, 1), 3)} for s in order]
