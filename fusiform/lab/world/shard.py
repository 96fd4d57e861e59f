"""One tar of a pack: written whole or not at all, and checked when read. See `pack`."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from fusiform.core.errors import ChoiceError, FusiformError

PICTURES = ("jpg", "jpeg", "png")

Make = Callable[[str], dict[str, bytes]]


@dataclass(frozen=True)
class Shard:
    """A tar on the disk: its checksum, how many pictures it holds, and each sample's digest."""

    name: str
    sha256: str
    images: int
    samples: tuple[tuple[str, str], ...]


def write_shard(folder: Path, name: str, keys: Sequence[str], make: Make) -> Shard:
    """Makes the samples of one tar and writes it: under another name until it is on the disk."""
    part = folder / f"{name}.part-{os.getpid()}"
    images = 0
    done = []
    try:
        with clear_errors(folder):
            file = part.open("wb", buffering=0)
        with file:
            out = _Sum(file)
            tar = tarfile.TarFile(
                fileobj=cast(BinaryIO, out), mode="w", format=tarfile.USTAR_FORMAT
            )
            for key in keys:
                members = _fit(key, make(key))
                with clear_errors(folder):
                    _add(tar, key, members)
                done.append((key, sample_digest(members)))
                images += sum(ending in PICTURES for ending in members)
            with clear_errors(folder):
                tar.close()
                os.fsync(file.fileno())
        with clear_errors(folder):
            os.replace(part, folder / name)
            sync_folder(folder)
    finally:
        part.unlink(missing_ok=True)
    return Shard(name, out.sum.hexdigest(), images, tuple(done))


def sample_digest(members: Mapping[str, bytes]) -> str:
    """A sample's SHA-256, as described at the top of `pack`."""
    lines = (f"{e} {hashlib.sha256(members[e]).hexdigest()}\n" for e in sorted(members))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class _Sum:
    """A file being written (unbuffered, so that closing it cannot fail) and its checksum."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sum, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.sum.update(data)
        self.size += len(data)
        left = memoryview(data)
        while left:
            left = left[self.file.write(left) :]
        return len(data)

    def tell(self) -> int:
        return self.size


def _fit(key: str, members: dict[str, bytes]) -> dict[str, bytes]:
    for ending in members:
        if not re.fullmatch(r"[a-z0-9]+(\.[a-z0-9]+)*", ending):
            raise ChoiceError(f"an ending of sample {key}", "small letters, digits, dots", ending)
    if not members:
        raise ChoiceError(f"sample {key}", "at least one member", members)
    return members


def _add(tar: tarfile.TarFile, key: str, members: dict[str, bytes]) -> None:
    for ending in sorted(members):
        info = tarfile.TarInfo(f"{key}.{ending}")  # Date, owner and rights: always the same.
        info.size = len(members[ending])
        tar.addfile(info, BytesIO(members[ending]))


def samples(file: BinaryIO) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and members of each sample of a tar."""
    key = ""
    members: dict[str, bytes] = {}
    with tarfile.open(fileobj=file, mode="r|") as tar:
        for info in tar:
            name, _, ending = info.name.partition(".")
            if name != key and members:
                yield key, members
                members = {}
            content = tar.extractfile(info)
            key = name
            members[ending] = content.read() if content else b""
    if members:
        yield key, members


def checked(path: Path, sha256: str) -> Shard | None:
    """The tar at `path` if its checksum is `sha256`, else None."""
    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                return None
            file.seek(0)
            images, found = 0, []
            for key, members in samples(file):
                found.append((key, sample_digest(members)))
                images += sum(ending in PICTURES for ending in members)
    except (OSError, tarfile.TarError):
        return None
    return Shard(path.name, sha256, images, tuple(found))


def sync_folder(folder: Path) -> None:
    """Puts new names on the disk too, where the system allows it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def damaged(paths: Sequence[Path]) -> FusiformError:
    names = ", ".join(map(str, paths))
    return FusiformError(f"Damaged or missing: {names}. Write the pack again to mend it.")


@contextmanager
def clear_errors(folder: Path) -> Iterator[None]:
    """One plain message for what a disk refuses."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
            raise FusiformError(
                f"The disk is full: {folder}. Make room and run the same again to go on."
            ) from error
        raise FusiformError(
            f"Cannot write to {folder}: {error.strerror or error}. Check the folder and its "
            "rights, then run the same again to go on."
        ) from error
