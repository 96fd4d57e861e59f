"""dlib and face_recognition as their users call them, in a process and a Python of their own.

Run as a script by any Python: it imports nothing of ours. Requests come as lines of JSON on
stdin, {"task": NAME, ...}; each is answered by one line on stdout.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import time
import types
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TOLERANCE = 0.5  # of the distance, for grouping


def hello() -> dict[str, Any]:
    """Versions, and why face_recognition cannot be used if it cannot."""
    import dlib

    answer: dict[str, Any] = {"dlib": dlib.__version__, "blas": bool(dlib.DLIB_USE_BLAS)}
    try:
        library()
        # Its own __version__ was not raised with its last release.
        answer["face_recognition"] = metadata.version("face_recognition")
    except (ImportError, SystemExit) as error:
        answer |= {"face_recognition": None, "missing": str(error)}
    return answer


def library() -> Any:
    """face_recognition, whose models ask for a module that new setuptools no longer have."""
    # A stand-in with the one function they call; it finds the same files.
    stand_in = types.ModuleType("pkg_resources")
    stand_in.resource_filename = lambda package, name: str(folder_of(package) / name)  # type: ignore[attr-defined]
    sys.modules["pkg_resources"] = stand_in
    return importlib.import_module("face_recognition")


def folder_of(package: str) -> Path:
    """Where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"no package {package}")
    return Path(spec.submodule_search_locations[0])


def job(photos: list[str], side: int | None) -> dict[str, Any]:
    """The whole job over `photos`, each shrunk to `side` first if that is given."""
    import dlib

    face_recognition = library()
    start, found = time.perf_counter(), []
    for photo in photos:
        pixels = face_recognition.load_image_file(photo) if side is None else shrunk(photo, side)
        places = face_recognition.face_locations(pixels)
        found += face_recognition.face_encodings(pixels, places)
    vectors = [dlib.vector(v) for v in found]
    groups = dlib.chinese_whispers_clustering(vectors, TOLERANCE) if vectors else []
    seconds = time.perf_counter() - start
    return {"ms": seconds * 1e3 / len(photos), "faces": len(found), "people": len(set(groups))}


def shrunk(photo: str, side: int) -> Any:
    """The usual idiom; Pillow decodes at reduced scale where that suffices."""
    with Image.open(photo) as image:
        image.thumbnail((side, side))
        return np.array(image.convert("RGB"))


_network: list[Any] = []


def describe(chips: str, out: str | None) -> dict[str, Any]:
    """dlib's descriptors of the crops in one .npy file, into another."""
    import dlib

    if not _network:
        models = folder_of("face_recognition_models") / "models"
        weights = models / "dlib_face_recognition_resnet_model_v1.dat"
        _network.append(dlib.face_recognition_model_v1(str(weights)))
    batch = list(np.load(chips, allow_pickle=False))
    start = time.perf_counter()
    vectors = _network[0].compute_face_descriptor(batch)
    seconds = time.perf_counter() - start
    if out:
        np.save(out, np.array(vectors, np.float32))
    return {"ms": seconds * 1e3 / len(batch)}


TASKS = {"hello": hello, "job": job, "describe": describe}


def main() -> None:
    """Answers until stdin ends; what libraries print goes to stderr."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        task: Any = TASKS[request.pop("task")]
        try:
            answer = task(**request)
        except Exception as error:  # whatever it is, the asking side must hear of it
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
