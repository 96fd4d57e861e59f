"""The world and its packs as PyTorch data sets.

>>> from torch.utils.data import DataLoader
>>> from fusiform.lab.world import WorldDataset
>>> loader = DataLoader(WorldDataset("recognition", labels=("points",)), 64, num_workers=2)

`dataset[i]` is a pure function of i and the options: image `i // MIX % images` of one of MIX people
at a time, so that neighbours in a batch differ and hair, clothes and skin are grown once. Workers
share the people out among them: worker w of n has those whose number is w modulo n, in the same
pattern of MIX at a time. So any number of workers yields each picture once, the same ones; the
order is that of the indices with one worker or none, and the same each time with as many workers.

A data set without `people` never ends. For shuffling, hand a finite one to a `Subset`:
`DataLoader(Subset(dataset, range(len(dataset))), shuffle=True)` (persons' looks are then grown
more often than once).
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.world.labels import Photo
from fusiform.lab.world.pack import MANIFEST
from fusiform.lab.world.samples import GROUPS, Options, take

MIX = 16  # people whose pictures take turns
# Labels that are made of facts.
FACTS = ("identity", "image_number", "age", "male", "ancestry", "weight", "box", "pose", "live")
PICTURES = ("jpg", "png")


class WorldDataset(IterableDataset[dict[str, Tensor]]):
    """Pictures of the world, made as they are asked for: dicts of tensors.

    `image` (3, h, w) float32, 0..1, and the `labels`: names of FACTS, of `samples.GROUPS`
    ("points" gives `points5`, `points68_seen` and so on) or of arrays of `labels.Photo`.
    Whole numbers come as int64, others as float32, masks as bool.

    `people`: how many, None: endlessly many. `images`: pictures of each. `part`: (rank, of), the
    share of the people for one of several processes that train together; it bears on iterating.
    Raises ChoiceError for an unknown preset or label, or impossible numbers.
    """

    def __init__(
        self,
        preset: str = "recognition",
        seed: int = 0,
        size: int = 112,
        people: int | None = None,
        images: int = 20,
        labels: Sequence[str] = ("identity",),
        part: tuple[int, int] = (0, 1),
    ) -> None:
        if images < 1 or (people is not None and people < 1):
            raise ChoiceError("people and images", "at least 1", (people, images))
        if not 0 <= part[0] < part[1]:
            raise ChoiceError("part", "(rank, of) with 0 <= rank < of", part)
        if preset == "video":
            raise ChoiceError("preset", "one of pictures; write a pack for clips", preset)
        self.options = Options(preset, seed, size, grouped(labels))
        self.people, self.images, self.part = people, images, part
        self.names = named_arrays(labels)

    def __len__(self) -> int:
        if self.people is None:
            raise TypeError("This data set never ends. Give people=... to make it finite.")
        return len(self._own(0, 1)) * self.images

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        number, image = self.place(index)
        return self._made(number, image)

    def place(self, index: int) -> tuple[int, int]:
        """Person and image of an index. Raises IndexError outside the data set."""
        if index < 0 or (self.people is not None and index >= self.people * self.images):
            raise IndexError(f"index {index} lies outside the data set")
        first = index // (MIX * self.images) * MIX
        together = MIX if self.people is None else min(MIX, self.people - first)
        image, slot = divmod(index - first * self.images, together)
        return first + slot, image

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = get_worker_info()
        mine, of = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for number, image in self.order(mine, of):
            yield self._made(number, image)

    def order(self, worker: int = 0, of: int = 1) -> Iterator[tuple[int, int]]:
        """Person and image of all that worker `worker` of `of` yields."""
        people = iter(self._own(worker, of))
        while together := list(islice(people, MIX)):
            yield from ((number, image) for image in range(self.images) for number in together)

    def _own(self, worker: int, of: int) -> Any:
        """The numbers of the people of this part and worker."""
        start, step = self.part[0] + worker * self.part[1], self.part[1] * of
        return count(start, step) if self.people is None else range(start, self.people, step)

    def _made(self, number: int, image: int) -> dict[str, Tensor]:
        return tensors(take(self.options, number, image), self.names, image)


class PackDataset(Dataset[dict[str, Tensor]]):
    """A pack on the disk as a map-style data set, in the order of its keys.

    Items and `labels` are those of `WorldDataset`, as far as the pack holds them; of clips the
    first frame and the arrays over frames. Raises FusiformError if `folder` holds no finished
    pack, ChoiceError for a label that it does not hold.
    """

    def __init__(self, folder: str | Path, labels: Sequence[str] = ("identity",)) -> None:
        self.folder, self.names = Path(folder), named_arrays(labels)
        self.entries = list(entries(self.folder))
        self.keys = [entry.key for entry in self.entries]

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return tensors(self.photo(index), self.names, int(self.keys[index].partition("_")[2]))

    def photo(self, index: int) -> Photo:
        """Picture, arrays and facts of a sample."""
        entry = self.entries[index]
        with (self.folder / entry.shard).open("rb") as file:
            members = {ending: part(file, *span) for ending, span in entry.members.items()}
        return read_photo(members)


@dataclass(frozen=True)
class Entry:
    """Where a sample lies: the tar, and each member's first byte and length by its ending."""

    key: str
    shard: str
    members: dict[str, tuple[int, int]]


def entries(folder: Path) -> Iterator[Entry]:
    """All samples of a finished pack, in the order of their keys."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        shards = sorted(manifest["shards"]) if "digest" in manifest else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FusiformError(f"{folder} is no pack: it has no readable {MANIFEST}.") from error
    if shards is None:
        raise FusiformError(f"The pack in {folder} is not finished. Write it again to go on.")
    for shard in shards:
        found: dict[str, dict[str, tuple[int, int]]] = {}
        try:
            with tarfile.open(folder / shard) as tar:
                for info in tar:
                    key, _, ending = info.name.partition(".")
                    found.setdefault(key, {})[ending] = (info.offset_data, info.size)
        except (OSError, tarfile.TarError) as error:
            raise FusiformError(
                f"{folder / shard} cannot be read: {error}. Write the pack again to mend it."
            ) from error
        yield from (Entry(key, shard, members) for key, members in found.items())


def part(file: Any, start: int, size: int) -> bytes:
    """`size` bytes of an open file from `start` on."""
    file.seek(start)
    return cast(bytes, file.read(size))


def read_photo(members: Mapping[str, bytes]) -> Photo:
    """A sample's picture, arrays and facts from its members."""
    ending = next(ending for ending in PICTURES if ending in members)
    arrays: dict[str, NDArray[Any]] = {}
    for name in ("parsing", "alpha"):
        if f"{name}.png" in members:
            arrays[name] = pixels(members[f"{name}.png"])
    if "alpha" in arrays:
        arrays["alpha"] = (arrays["alpha"] / np.float32(255)).astype(np.float32)
    if "npz" in members:
        with np.load(io.BytesIO(members["npz"]), allow_pickle=False) as stored:
            arrays |= {name: stored[name] for name in stored.files}
    return Photo(pixels(members[ending], "RGB"), arrays, json.loads(members["json"]))


def pixels(data: bytes, mode: str | None = None) -> NDArray[np.uint8]:
    """A picture file's pixels; those of a palette picture are its numbers."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.array(picture.convert(mode) if mode else picture)


def named_arrays(labels: Sequence[str]) -> tuple[str, ...]:
    """`labels` with each group's arrays in its place."""
    return tuple(name for label in labels for name in GROUPS.get(label, (label,)))


def grouped(labels: Sequence[str]) -> tuple[str, ...]:
    """The groups that hold the arrays among `labels`. Raises ChoiceError for an unknown label."""
    home = {array: group for group, arrays in GROUPS.items() for array in arrays}
    out = []
    for name in named_arrays(labels):
        if name not in FACTS and name not in home:
            raise ChoiceError("label", (*FACTS, *GROUPS, *sorted(set(home) - set(GROUPS))), name)
        if name in home:
            out.append(home[name])
    return tuple(dict.fromkeys(out))


def tensors(photo: Photo, names: Sequence[str], image: int = 0) -> dict[str, Tensor]:
    """A photo as a dict of tensors: `image` and what `names` says."""
    colours = np.ascontiguousarray(photo.image.transpose(2, 0, 1), np.float32) / np.float32(255)
    return {"image": torch.from_numpy(colours)} | {n: label(photo, n, image) for n in names}


def label(photo: Photo, name: str, image: int) -> Tensor:
    """One label as a tensor."""
    if name in photo.arrays:
        return from_array(photo.arrays[name])
    if name not in FACTS:
        raise ChoiceError("label", (*FACTS, *sorted(photo.arrays)), name)
    facts = photo.facts
    if name in ("identity", "image_number", "live"):
        whole = {"identity": facts["person"], "image_number": image, "live": facts.get("live", 1)}
        return torch.tensor(int(whole[name]))
    value = facts.get("source", facts).get("pose") if name == "pose" else facts[name]
    plain = list(value.values()) if isinstance(value, dict) else value
    return torch.tensor(plain, dtype=torch.float32)


def from_array(array: NDArray[Any]) -> Tensor:
    """An array as a tensor of int64, float32 or bool."""
    kinds: dict[str, type[np.generic]] = {"f": np.float32, "u": np.int64, "i": np.int64}
    kind = kinds.get(array.dtype.kind, np.bool_)
    return torch.from_numpy(np.array(array, kind, copy=True))
