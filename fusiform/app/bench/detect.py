"""Detecting: YuNet with all its steps, against OpenCV, the bare network and dlib's HOG."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fusiform.app.bench import realset
from fusiform.app.bench.peers import not_installed, optional
from fusiform.app.bench.photos import album
from fusiform.app.bench.run import (
    LEAST,
    Comparison,
    Result,
    clocked,
    cores,
    environment,
    interleave,
    least,
    real_photos,
)
from fusiform.core.pictures import open_picture
from fusiform.detection.load import Detector
from fusiform.hub.session import open_session
from fusiform.hub.store import available, locate
from fusiform.pipeline import detect_one, load_detector

SIZES = {"640 x 640": (640, 640), "640 x 480": (640, 480)}
CALLS = 10
OPENCV = "OpenCV FaceDetectorYN"
BARE = "the network alone in ONNX Runtime"
HOG = "dlib's HOG"
Pixels = NDArray[np.uint8]


def bench_detect(*, rounds: int = 7, real: Path | None = None) -> Result:
    """Milliseconds a picture on one thread and on all cores; recall on real photos if given."""
    names = [c.name for c, state in available() if c.family == "yunet" and state == "ready"]
    cv2 = optional("cv2")
    lines: list[Comparison] = []
    figures: dict[str, list[float]] = {}
    for size, shape in SIZES.items():
        picture = _picture(shape)
        for name in names:
            contestants = _contestants(name, picture, cv2)
            raw = interleave({k: clocked(w, CALLS) for k, w in contestants.items()}, rounds)
            figures |= {f"{size}, {name}, {who}": values for who, values in raw.items()}
            lines += _lines(f"{name}, {size}", least(raw), cv2 is None)
    tables = {}
    if real is not None:
        folder = real_photos(real)
        tables["faces found in the real photos"] = [
            recall(folder, load_detector(name)) for name in (*names, "dlib-hog")
        ]
    missing = () if names else ("no YuNet weights here: fusiform pull yunet-s",)
    return Result(
        "detect",
        LEAST.format(rounds=rounds) + f"; a round is {CALLS} calls",
        tuple(lines),
        tables,
        figures,
        missing,
        environment(peers=["opencv-python-headless"]),
    )


def _picture(shape: tuple[int, int]) -> Pixels:
    photo = next(path for path in album() if path.stem == "grace_hopper")
    return np.array(ImageOps.fit(Image.fromarray(open_picture(photo).pixels), shape))


def _contestants(
    name: str, picture: Pixels, cv2: ModuleType | None
) -> dict[str, Callable[[], object]]:
    """Each does `CALLS` detections; "1" in the key means on one thread, "all" on all cores."""
    ours = load_detector(name, provider="cpu")
    model = str(locate(name).data)
    batch = np.ascontiguousarray(picture.transpose(2, 0, 1)[None, ::-1], np.float32)
    single = open_session(model, provider="cpu", threads=1)
    bare = partial(single.run, {single.inputs[0].name: batch})
    work: dict[str, Callable[[], object]] = {
        "ours, 1": _repeated(lambda: ours([picture])),
        f"{BARE}, 1": _repeated(bare),
        f"{HOG}, 1": _repeated(_hog(picture)),
        "ours, all": _spread(lambda: ours([picture])),
        f"{BARE}, all": _spread(bare),
    }
    if cv2 is not None:
        work |= {
            f"{OPENCV}, 1": _repeated(_opencv(cv2, model, picture, 1)),
            f"{OPENCV}, all": _repeated(_opencv(cv2, model, picture, cores())),
        }
    for once in work.values():
        once()
    return work


def _repeated(call: Callable[[], object]) -> Callable[[], object]:
    return lambda: [call() for _ in range(CALLS)]


def _spread(call: Callable[[], object]) -> Callable[[], object]:
    """`CALLS` calls, as many at once as there are cores."""

    def run() -> None:
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(lambda _: call(), range(CALLS)))

    return run


def _hog(picture: Pixels) -> Callable[[], object]:
    import dlib

    return partial(dlib.get_frontal_face_detector(), picture, 0)


def _opencv(cv2: ModuleType, model: str, picture: Pixels, threads: int) -> Callable[[], object]:
    """Its own threads inside one call, which is how it uses several cores."""
    size = (picture.shape[1], picture.shape[0])
    detector = cv2.FaceDetectorYN.create(model, "", size, 0.7, 0.3, 5000)
    blue_first = np.ascontiguousarray(picture[..., ::-1])

    def run() -> Any:
        cv2.setNumThreads(threads)
        return detector.detect(blue_first)

    return run


def _lines(what: str, best: dict[str, float], no_opencv: bool) -> list[Comparison]:
    note = not_installed("opencv-python-headless") if no_opencv else ""
    where = {"1": "one thread, latency", "all": "all cores, time over pictures"}
    return [
        Comparison(
            f"{what}, {where[key]}",
            best[f"ours, {key}"],
            peer,
            best.get(f"{peer}, {key}"),
            "ms/picture",
            note=note if peer == OPENCV else "",
        )
        for key, peers in (("1", (OPENCV, BARE, HOG)), ("all", (OPENCV, BARE)))
        for peer in peers
    ]


def recall(real: Path, detector: Detector) -> dict[str, Any]:
    """How many of the marked faces are found, and how many boxes are no marked face."""
    counts = {"orl": 0, "officials": 0, "false": 0, "orl of": 0, "officials of": 0}
    for photo in realset.photos(real):
        kind = "officials" if photo.parent.name == "officials" else "orl"
        names = realset.truth(photo, detect_one(photo, detector).boxes)
        false = sum(name.startswith("false ") for name in names)
        counts[kind] += len(names) - false
        counts["false"] += false
        counts[f"{kind} of"] += len(realset.places(photo))
    return {
        "detector": detector.name,
        "ORL": f"{counts['orl']} of {counts['orl of']}",
        "officials": f"{counts['officials']} of {counts['officials of']}",
        "false boxes": counts["false"],
    }
