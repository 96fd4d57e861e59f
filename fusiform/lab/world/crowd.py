"""Crowds: aligned faces of many people in one array, as recognisers are trained on them.

>>> from fusiform.lab.world.crowd import crowd
>>> faces = crowd("packs/people", size=64)  # a pack written with `fusiform world pack`
>>> faces.images.shape, faces.person.max()

The crops of a pack are cut once and kept in its folder (`aligned-NAME-SIZE.npy`), checked by the
pack's digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.align import inverse, similarity, template, warp
from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.world.dataset import PackDataset
from fusiform.lab.world.labels import Photo
from fusiform.lab.world.pack import MANIFEST

FORMAT = 1
QUALITY = ("blur", "noise", "seen", "hidden", "jpeg", "exposure", "face_pixels")


@dataclass(frozen=True)
class Crowd:
    """`images (n, S, S, 3)` uint8 RGB, `person (n,)` int64 from 0 on, `facts`: arrays `(n, ...)`.

    Raises ChoiceError if the lengths differ.
    """

    images: NDArray[np.uint8]
    person: NDArray[np.int64]
    facts: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[1] != self.images.shape[2]:
            raise ChoiceError("images", "of shape (n, S, S, 3)", self.images.shape)
        for name, values in {"person": self.person, **self.facts}.items():
            if len(values) != len(self.images):
                raise ChoiceError(name, f"one for each of {len(self.images)} images", len(values))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Pixels a side."""
        return int(self.images.shape[1])

    @property
    def people(self) -> int:
        """How many different people there are."""
        return len(np.unique(self.person))

    def __getitem__(self, rows: Any) -> Crowd:
        """The faces of `rows` (a slice, mask or numbers); people keep their numbers."""
        facts = {name: values[rows] for name, values in self.facts.items()}
        return Crowd(self.images[rows], self.person[rows], facts)

    def of(self, people: ArrayLike) -> Crowd:
        """The faces of these people, who are numbered anew from 0 on in the order given."""
        wanted = np.asarray(people, np.int64)
        place = np.full(max(int(self.person.max(initial=-1)), int(wanted.max(initial=-1))) + 1, -1)
        place[wanted] = np.arange(len(wanted))
        kept = self[place[self.person] >= 0]
        return replace(kept, person=place[kept.person])

    def resized(self, size: int) -> Crowd:
        """The same faces, `size` pixels a side, averaged over areas."""
        if size == self.size:
            return self
        from PIL import Image

        small = [
            np.asarray(
                Image.fromarray(i).resize((size, size), Image.Resampling.BOX, reducing_gap=1)
            )
            for i in self.images
        ]
        return replace(self, images=np.stack(small) if small else self.images[:, :size, :size])


def crowd(
    folder: str | Path,
    size: int = 64,
    name: str = "arcface112",
    progress: Callable[[int, int], None] | None = None,
) -> Crowd:
    """The faces of a pack aligned to template `name`, cut `size` pixels square.

    Facts: yaw, pitch, roll, age, male, ancestry (name of the main one), light, glasses, `points`
    (n, 5, 2) in the crop, and those of QUALITY. Read-only: the images are mapped from the disk.
    Raises FusiformError if the folder holds no finished pack or one without five points.
    """
    folder = Path(folder)
    images, facts = folder / f"aligned-{name}-{size}.npy", folder / f"aligned-{name}-{size}.npz"
    digest = _digest(folder)
    try:
        with np.load(facts, allow_pickle=False) as stored:
            if str(stored["digest"]) == digest and int(stored["format"]) == FORMAT:
                known = {n: stored[n] for n in stored.files if n not in ("digest", "format")}
                return Crowd(np.load(images, mmap_mode="r"), known.pop("person"), known)
    except (OSError, ValueError, KeyError, EOFError):
        pass
    made = _cut(PackDataset(folder), size, name, progress)
    _keep(images, lambda file: np.save(file, made.images))
    told: dict[str, Any] = {"person": made.person, **made.facts, "digest": digest, "format": FORMAT}
    _keep(facts, lambda file: np.savez(file, **told))
    return made


def aligned(photo: Photo, size: int, name: str = "arcface112") -> tuple[NDArray[np.uint8], Any]:
    """A photo's face `(size, size, 3)` at template `name`, and its five points there `(5, 2)`."""
    points = np.asarray(photo.facts["points5"], np.float32)
    matrix = similarity(points[None], template(name, size).points)[0]
    return warp(photo.image, inverse(matrix), size), points @ matrix[:, :2].T + matrix[:, 2]


def gathered(photos: Sequence[Photo], size: int, name: str = "arcface112") -> Crowd:
    """A crowd of `photos` (with the fact points5), as `crowd` makes it of a pack."""
    cut = [aligned(photo, size, name) for photo in photos]
    told = [
        _facts(photo.facts) | {"points": points}
        for photo, (_, points) in zip(photos, cut, strict=True)
    ]
    images = (
        np.stack([image for image, _ in cut]) if cut else np.zeros((0, size, size, 3), np.uint8)
    )
    names = told[0] if told else {}
    numbers = np.array([photo.facts["person"] for photo in photos], np.int64)
    person = np.unique(numbers, return_inverse=True)[1].astype(np.int64)
    return Crowd(images, person, {n: _column([row[n] for row in told]) for n in names})


def _cut(
    pack: PackDataset, size: int, name: str, progress: Callable[[int, int], None] | None
) -> Crowd:
    """The pack's faces, a thousand photos at a time, for photos are larger than crops."""
    parts, people = [], []
    for start in range(0, len(pack), 1000):
        rows = range(start, min(start + 1000, len(pack)))
        photos = [pack.photo(i) for i in rows]
        if "points5" not in photos[0].facts:
            raise FusiformError(f"{pack.folder}: its samples have no five points to align by.")
        people += [int(photo.facts["person"]) for photo in photos]
        parts.append(gathered(photos, size, name))
        if progress:
            progress(rows[-1] + 1, len(pack))
    facts = {n: np.concatenate([p.facts[n] for p in parts]) for n in parts[0].facts}
    person = np.unique(people, return_inverse=True)[1].astype(np.int64)
    return Crowd(np.concatenate([p.images for p in parts]), person, facts)


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    quality, pose = facts["quality"], facts.get("pose") or {}
    return {
        **{n: float(pose.get(n, 0)) for n in ("yaw", "pitch", "roll")},
        "age": float(facts["age"]),
        "male": float(facts["male"]),
        "ancestry": str(facts["main_ancestry"]),
        "light": str(facts["light"]),
        "glasses": bool(facts["attributes"]["glasses"]),
        **{n: float(quality[n]) for n in QUALITY},
    }


def _column(values: list[Any]) -> NDArray[Any]:
    column = np.array(values)
    return column.astype(np.float32) if column.dtype == np.float64 else column


def _digest(folder: Path) -> str:
    try:
        return str(json.loads((folder / MANIFEST).read_text("utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FusiformError(
            f"{folder} holds no finished pack. Write one: fusiform world pack {folder}"
        ) from error


def _keep(path: Path, write: Callable[[Any], None]) -> None:
    """A cache: where it cannot be written, it is made again next time."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            write(file)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
