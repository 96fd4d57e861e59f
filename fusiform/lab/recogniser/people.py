"""Faces to train on or to measure with: packs of the world, folders of people, .rec files.

What is no pack is cut to crops once; they are kept in an array on the disk, from which batches
are read, so that memory does not grow with the set.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fusiform.core.align import align, middle, nearest_middle
from fusiform.core.errors import ChoiceError, DataError, FusiformError, PictureError
from fusiform.core.pictures import read
from fusiform.detection.load import Detector
from fusiform.lab.world.crowd import Crowd, crowd
from fusiform.lab.world.pack import MANIFEST
from fusiform.pipeline import detect_one, load_detector, ordered_map
from fusiform.protocols import folders, recordio

TEMPLATE = "arcface112"
KINDS = ("auto", "crops", "photos")
Pixels = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Listed:
    """A set before its pictures are looked at: whose they are, `person (n,)`, and `digest`, which
    changes when the set does. `kind`: pack, folder or records; `files` by their places."""

    path: Path
    kind: str
    person: Numbers
    digest: str
    files: Callable[[int], Path | bytes]
    pack: Crowd | None = None

    @property
    def says(self) -> str:
        """What it is, in a few words."""
        names = {"pack": "the pack of synthetic people", "folder": "the folder"}
        return f"{names.get(self.kind, 'the set')} {self.path.name}"


@dataclass(frozen=True)
class Cut:
    """The faces of a set; `missed` pictures show none that was found, `unreadable` are damaged.
    `aligned`: they were crops already."""

    faces: Crowd
    missed: int = 0
    unreadable: int = 0
    aligned: bool = True


def listed(path: Path, size: int, progress: Progress | None = None) -> Listed:
    """The set at `path`: a finished pack, a folder with a .rec file, else folders of people.

    Raises FusiformError (DataError) if there is none.
    """
    if not path.is_dir():
        reason = "is no folder" if path.exists() else "does not exist"
        raise DataError(path, reason, "give a pack, or a folder that holds one folder a person")
    if (path / MANIFEST).is_file():
        faces = crowd(path, size, TEMPLATE, progress)
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
        return Listed(path, "pack", faces.person, str(manifest["digest"]), lambda _: b"", faces)
    records = sorted(path.glob("*.rec"))
    if records:
        return of_records(path, records[0].stem)
    found = folders.load(path)
    files = found.shots.files
    return Listed(path, "folder", found.person, digest_of(path, files), files.__getitem__)


def of_records(path: Path, name: str) -> Listed:
    """A set of InsightFace's format; see `protocols.recordio`."""
    found = recordio.load(path, name)
    first, end = recordio.identities(found)
    if len(first):
        place = np.searchsorted(first, found.pictures, "right") - 1
        person = np.where((place >= 0) & (found.pictures < end[place]), place, -1)
    else:
        person = np.array([found[i].person for i in range(len(found))], np.int64)
    if (person < 0).any():
        number = int(found.pictures[np.argmin(person)])
        raise DataError(found.path, f"has picture {number} of nobody", "download the set again")
    files = [path / f"{name}{ending}" for ending in (".rec", ".idx")]
    return Listed(path, "records", person, digest_of(path, files), lambda i: found[i].picture)


def digest_of(root: Path, files: Sequence[Any]) -> str:
    """SHA-256 over the sizes of files and their places in `root`, which itself may be anywhere."""
    hashed = hashlib.sha256()
    for file in files:
        name = Path(file).relative_to(root).as_posix()
        hashed.update(f"{name} {os.stat(file).st_size}\n".encode())
    return hashed.hexdigest()


def cut(
    known: Listed, size: int, cache: Path, how: str = "auto", progress: Progress | None = None
) -> Cut:
    """The faces of a set, `size` pixels a side, aligned to TEMPLATE; kept in the folder `cache`.

    `how`: "crops" are aligned already, in "photos" the face nearest the middle is found and
    aligned; "auto" takes pictures for crops if they are all squares of one size. Raises
    ChoiceError, FusiformError where there is no room.
    """
    if how not in KINDS:
        raise ChoiceError("kind of pictures", KINDS, how)
    if known.pack is not None:
        return Cut(known.pack)
    stored = cache / f"faces-{size}.npz"
    if (kept := _kept(stored, f"{known.digest} {how}")) is not None:
        return kept
    aligned = known.kind == "records" or how == "crops" or (how == "auto" and are_crops(known))
    made = _made(known, size, stored.with_suffix(".npy"), aligned, progress)
    told: dict[str, Any] = {"missed": made.missed, "unreadable": made.unreadable}
    told |= {"aligned": aligned, "person": made.faces.person, "digest": f"{known.digest} {how}"}
    with stored.open("wb") as file:
        np.savez(file, **told)
    return made


def _kept(stored: Path, digest: str) -> Cut | None:
    """What an earlier run has cut, if it is of the same pictures."""
    try:
        with np.load(stored, allow_pickle=False) as told:
            if str(told["digest"]) != digest:
                return None
            faces = Crowd(np.load(stored.with_suffix(".npy"), mmap_mode="r"), told["person"])
            numbers = int(told["missed"]), int(told["unreadable"])
            return Cut(faces, *numbers, bool(told["aligned"]))
    except (OSError, ValueError, KeyError, EOFError):
        return None


def are_crops(known: Listed) -> bool:
    """Whether all pictures are squares of one size; their heads are read, not their pixels."""
    sizes: set[tuple[int, int]] = set()
    for i in range(len(known.person)):
        try:
            with Image.open(Path(str(known.files(i)))) as picture:
                sizes.add(picture.size)
        except OSError:
            continue
        if len(sizes) > 1 or any(width != height for width, height in sizes):
            return False
    return bool(sizes)


def _made(known: Listed, size: int, target: Path, aligned: bool, progress: Progress | None) -> Cut:
    """Cuts all pictures into the array `target` and keeps the rows that show a face."""
    n = len(known.person)
    check_room(target.parent, n * size * size * 3)
    part = target.with_name(f".{target.name}.part")
    array = np.lib.format.open_memmap(part, "w+", np.uint8, (n, size, size, 3))
    look = partial(resized, size=size) if aligned else partial(found, load_detector(), size=size)
    people: list[int] = []
    missed = unreadable = 0
    for i, crop in enumerate(_looked_at(known, look)):
        if isinstance(crop, PictureError):
            unreadable += 1
        elif crop is None:
            missed += 1
        else:
            array[len(people)] = crop
            people.append(int(known.person[i]))
        if progress:
            progress(i + 1, n)
    if not people:
        part.unlink()
        raise DataError(known.path, f"shows no face in {n} pictures", "look at some of them")
    array.flush()
    if len(people) < n:
        array = _shortened(array, len(people), part)
    os.replace(part, target)
    person = np.unique(np.array(people, np.int64), return_inverse=True)[1].astype(np.int64)
    faces = Crowd(np.load(target, mmap_mode="r"), person)
    return Cut(faces, missed, unreadable, aligned)


def _shortened(array: Any, rows: int, part: Path) -> Any:
    """The first rows alone, in a file of their own that takes the place of `part`."""
    shorter = part.with_name(f"{part.name}2")
    copy = np.lib.format.open_memmap(shorter, "w+", np.uint8, (rows, *array.shape[1:]))
    for start in range(0, rows, 1000):
        copy[start : start + 1000] = array[start : min(start + 1000, rows)]
    copy.flush()
    os.replace(shorter, part)
    return copy


def _looked_at(
    known: Listed, look: Callable[[Path | bytes], Pixels | None]
) -> Iterator[Pixels | PictureError | None]:
    """What `look` says of each picture, in order, by one thread a core."""

    def one(i: int) -> Pixels | PictureError | None:
        try:
            return look(known.files(i))
        except PictureError as error:
            return error

    workers = os.cpu_count() or 1
    numbers = iter(range(len(known.person)))
    with (
        ThreadPoolExecutor(workers) as pool,
        closing(ordered_map(pool, one, numbers, 4 * workers)) as done,
    ):
        yield from done


def resized(source: Path | bytes, size: int) -> Pixels:
    """An aligned crop at another size: its middle square. Raises PictureError."""
    return middle(read(source), size)


def found(detector: Detector, source: Path | bytes, size: int) -> Pixels | None:
    """The face nearest the middle of a photo, aligned; None where none is found.

    Raises PictureError.
    """
    pixels = read(source)
    faces = detect_one(pixels, detector)
    if not len(faces):
        return None
    crop: Pixels = align(pixels, nearest_middle(faces, pixels).points, TEMPLATE, size)[0]
    return crop


def check_room(folder: Path, wanted: int) -> None:
    """Raises FusiformError if the disk lacks room for that many bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise FusiformError(
            f"{folder}: the crops need {wanted / 1e9:.1f} GB and {free / 1e9:.1f} GB are free. "
            "Make room, or give a smaller --size."
        )
