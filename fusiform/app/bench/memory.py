"""Memory of `index` over many photos. As a script: the process that is measured."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fusiform import api
from fusiform.app.bench.photos import make_photos
from fusiform.app.bench.run import Comparison, Result, environment, peak_mb
from fusiform.core.pictures import open_picture, picture_paths

SMALL, LARGE = (0.3, 0.5), (12.0, 12.0)  # megapixels
EVERY = 100
LIMIT_MB = 700.0


def bench_memory(photos: int = 10_000, *, seed: int = 0, detector: str = "auto") -> Result:
    """Peak memory at the first 1,000 photos and at all of them, in one process that indexes both.

    The peer is the first script one writes: all pictures of the first folder read into a list.
    """
    first = min(1_000, max(1, photos // 10))
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "photos"
        for start in range(0, photos, first):
            _fill(root / f"{start:06}", start, min(first, photos - start), seed)
        ours = _measured("index", str(root), str(Path(scratch) / "gallery.db"), detector)
        naive = _measured("load", str(root))
    lines = (
        Comparison("index, peak at all", ours["all"], f"a list of the first {first} pictures",
                   naive["first"], "MB"),
        Comparison("index, peak at all", ours["all"], f"at the first {first}", ours["first"], "MB"),
        Comparison("index, peak at all", ours["all"], "limit", LIMIT_MB, "MB"),
    )  # fmt: skip
    table = [
        {"photos": n, "peak MB": round(mb, 1), "faces": faces}
        for n, mb, faces in (
            (first, ours["first"], ours["faces first"]),
            (photos, ours["all"], ours["faces all"]),
        )
    ]
    note = (
        f"album variants of {SMALL[0]} to {SMALL[1]} megapixels, each {EVERY}th of {LARGE[0]:g}; "
        f"from {first} to {photos} photos the peak grew by {ours['all'] - ours['first']:.1f} MB; "
        "people: two, so grouping meets its largest groups"
    )
    return Result(
        "memory",
        "one run; peak resident memory of a fresh process",
        lines,
        {f"peak of index with {ours['detector']}": table},
        {},
        (note,),
        environment(seed=seed, photos=photos, detector=ours["detector"]),
    )


def _fill(folder: Path, start: int, count: int, seed: int) -> None:
    """Small photos and, for an honest peak, one from a camera in every hundred."""
    large = range(start, start + count, EVERY)
    make_photos(folder, count, seed, SMALL, start)
    for i in large:
        make_photos(folder, 1, seed, LARGE, i)


def _measured(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "fusiform.app.bench.memory", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def index(root: str, gallery: str, detector: str) -> dict[str, Any]:
    """Peak after the first folder, and after all."""
    with api.Gallery(gallery, detector=detector) as made:
        first = made.index(min(Path(root).iterdir()))
        peak = peak_mb()
        rest = made.index(root)
    return {
        "first": peak,
        "all": peak_mb(),
        "faces first": first.faces,
        "faces all": first.faces + rest.faces,
        "detector": rest.detector,
    }


def load(root: str) -> dict[str, Any]:
    """Peak of holding every picture of the first folder."""
    folder = min(Path(root).iterdir())
    held = [open_picture(path).pixels for path in picture_paths([folder], on_error=lambda _: None)]
    return {"first": peak_mb(), "pictures": len(held)}


def main(what: str, *words: str) -> None:
    """Prints one JSON object."""
    answer = index(*words) if what == "index" else load(*words)
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
