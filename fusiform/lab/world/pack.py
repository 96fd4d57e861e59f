"""Datasets on disk: numbered tar files of samples, with a manifest that says what is in them.

A sample is a key and some members, `KEY.jpg`, `KEY.npz`, `KEY.json` and so on, side by side in a
tar as WebDataset reads it. A key is letters, digits, `_` and `-`; what stands before its first
`_` names the person. Samples lie in the order of their keys (by code point), `per_shard` to a
tar, their members in the order of their endings, all dates and owners zero: the bytes are the
same whoever writes them.

A pack's digest is the SHA-256 of one line for each sample in the order of the keys,
`KEY SAMPLE\\n`, where SAMPLE is the SHA-256 of one line for each member in the order of the
endings, `ENDING MEMBER\\n`, and MEMBER the SHA-256 of its content, all in small hexadecimal
letters, in ASCII.

Writing may be cut off at any moment. A tar has its name only once it is whole and on the disk,
and counts once the manifest has its checksum; the next run goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from pathlib import Path
from tarfile import TarError
from typing import Any, cast

from fusiform.core.alone import alone
from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.world.shard import (
    Make,
    Shard,
    checked,
    clear_errors,
    damaged,
    samples,
    sync_folder,
    write_shard,
)

FORMAT = 1
MANIFEST = "manifest.json"
NAME = re.compile(r"shard-[0-9]{6,}\.tar")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pack:
    """What lies in `folder`: `people` and `images` in all; `seconds` this run took and the
    `images_per_second` it made (0 if there was nothing left to make)."""

    people: int
    images: int
    seconds: float
    images_per_second: float
    folder: Path
    digest: str


def write_pack(
    folder: str | Path,
    keys: Sequence[str],
    make: Make,
    options: Mapping[str, Any],
    per_shard: int = 1000,
    workers: int = 1,
    progress: Progress | None = None,
) -> Pack:
    """Writes a sample `make(key)`, a dict from ending ("jpg") to content, for each of `keys`.

    What is already there and whole is kept, so an interrupted pack is continued and a finished
    one only checked; damaged tars are written again. `options` (JSON values) say what `make`
    makes and go into the manifest. With several `workers`, processes share the tars out among
    them, and `make` must be picklable. `progress(done, all)` counts samples, after each tar.

    Raises ChoiceError for unfit keys or numbers, and FusiformError if the folder holds a pack
    made with other options, another run writes there, the disk is full or cannot be written, or a
    worker dies; whatever `make` raises goes through. In all cases a later call goes on.
    """
    started = time.monotonic()
    folder = Path(folder)
    if per_shard < 1 or workers < 1:
        raise ChoiceError("per_shard and workers", "at least 1", (per_shard, workers))
    plan = _plan(keys, per_shard)
    head = _head(plan, options, per_shard)
    with made_alone(folder):
        with clear_errors(folder):
            done = _resume(folder, head, plan)
            _save(folder, head, done)
        made = 0
        total = sum(len(part) for part in plan.values())
        if progress:
            progress(sum(len(shard.samples) for shard in done.values()), total)
        for shard in _made(folder, {n: p for n, p in plan.items() if n not in done}, make, workers):
            done[shard.name] = shard
            made += shard.images
            with clear_errors(folder):
                _save(folder, head, done)
            if progress:
                progress(sum(len(each.samples) for each in done.values()), total)
        digest = _digest(done[name] for name in plan)
        with clear_errors(folder):
            _save(folder, head, done, digest)
    return _summary(folder, [done[name] for name in plan], digest, started, made)


@contextmanager
def made_alone(folder: Path) -> Iterator[None]:
    """Makes the folder, and keeps other runs out of it until this one ends, however it ends."""
    if folder.exists() and not folder.is_dir():
        raise FusiformError(f"{folder} is a file. Give a folder, new or with a pack to go on with.")
    with ExitStack() as held:
        with clear_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(alone(folder))
        yield


def read_pack(folder: str | Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Each sample's key and members, in the order of the keys.

    Raises FusiformError if there is no finished pack or a tar of it cannot be read.
    """
    for name in _finished(Path(folder))["shards"]:
        path = Path(folder) / name
        try:
            with path.open("rb") as file:
                yield from samples(file)
        except (OSError, TarError) as error:
            raise damaged([path]) from error


def verify_pack(folder: str | Path) -> Pack:
    """Reads the whole pack and checks every sum. Raises FusiformError naming damaged tars."""
    started = time.monotonic()
    folder = Path(folder)
    manifest = _finished(folder)
    found = {n: checked(folder / n, entry["sha256"]) for n, entry in manifest["shards"].items()}
    bad = [folder / name for name, shard in found.items() if shard is None]
    shards = [shard for shard in found.values() if shard is not None]
    digest = _digest(shards)
    if bad or digest != manifest["digest"]:
        raise damaged(bad or [folder / MANIFEST])
    return _summary(folder, shards, digest, started, 0)


def _plan(keys: Sequence[str], per_shard: int) -> dict[str, list[str]]:
    """The keys of each tar, in order."""
    ordered = sorted(keys)
    for before, key in pairwise(["", *ordered]):
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", key) or key == before:
            raise ChoiceError("keys", "different words of letters, digits, _ and -", key)
    starts = range(0, len(ordered), per_shard)
    return {f"shard-{i // per_shard:06d}.tar": ordered[i : i + per_shard] for i in starts}


def _head(plan: dict[str, list[str]], options: Mapping[str, Any], per_shard: int) -> dict[str, Any]:
    """The part of the manifest that is known before anything is made."""
    keys = [key for part in plan.values() for key in part]
    try:
        plain = json.loads(json.dumps(dict(options), sort_keys=True, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ChoiceError("options", "values that JSON can hold", options) from error
    return {
        "format": FORMAT,
        "options": plain,
        "samples": len(keys),
        "per_shard": per_shard,
        "keys_sha256": hashlib.sha256("\n".join(keys).encode()).hexdigest(),
    }


def _resume(folder: Path, head: dict[str, Any], plan: dict[str, list[str]]) -> dict[str, Shard]:
    """The whole tars of an earlier run; its half-written files are removed."""
    before = _manifest(folder)
    if before is None:
        strange = sorted(p.name for p in folder.glob("shard-*.tar"))
        if strange:
            raise FusiformError(
                f"{folder} holds {strange[0]} but no readable {MANIFEST}. "
                "Give an empty folder, or delete this one to write the pack again."
            )
        before = head | {"shards": {}}
    differing = [name for name in head if before.get(name) != head[name]]
    if differing:
        raise FusiformError(f"{folder} holds a pack made otherwise: {_difference(before, head)}.")
    for part in folder.glob("*.part-*"):
        part.unlink(missing_ok=True)
    found = {}
    for name in sorted(set(before["shards"]) & set(plan)):
        shard = checked(folder / name, before["shards"][name]["sha256"])
        if shard is not None and [key for key, _ in shard.samples] == plan[name]:
            found[name] = shard
    return found


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    old, new = before.get("options", {}), now["options"]
    names = sorted(n for n in {*old, *new} if old.get(n) != new.get(n))
    said = [f"option {n} was {old.get(n)!r}, now {new.get(n)!r}" for n in names]
    others = [n for n in ("format", "samples", "per_shard") if before.get(n) != now[n]]
    said += [f"{n} was {before.get(n)!r}, now {now[n]!r}" for n in others]
    if not said:
        said = ["other samples were asked for"]
    return "; ".join(said) + ". Use the same ones to go on, or give another folder"


def _made(folder: Path, todo: dict[str, list[str]], make: Make, workers: int) -> Iterator[Shard]:
    """Writes the tars of `todo`, here or in `workers` processes, yielding each when it is done."""
    if workers == 1 or len(todo) < 2:
        for name, keys in todo.items():
            yield write_shard(folder, name, keys, make)
        return
    context = get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(min(workers, len(todo)), context, _end_when, (stop,))
    try:
        left = {pool.submit(write_shard, folder, name, todo[name], make) for name in todo}
        while left:
            ready, left = wait(left, return_when=FIRST_COMPLETED)
            # Failures last: what is whole is kept.
            for each in sorted(ready, key=lambda f: f.exception() is not None):
                yield each.result()
    except BrokenProcessPool as error:
        raise FusiformError(
            f"A process that wrote to {folder} was killed, perhaps for want of memory. "
            "Run the same again to go on, with fewer workers if it recurs."
        ) from error
    except KeyboardInterrupt:
        stop.set()  # who interrupts wants no half tar to be finished first
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_when(stop: Event) -> None:
    """Workers of a killed or interrupted run must not live on and write."""
    parent = parent_process()

    def watch(wait: Callable[[], object]) -> None:
        wait()
        os._exit(1)

    for wait_for in (stop.wait, *([parent.join] if parent is not None else [])):
        threading.Thread(target=watch, args=(wait_for,), daemon=True).start()


def _digest(shards: Iterable[Shard]) -> str:
    total = hashlib.sha256()
    for shard in shards:
        for key, sample in shard.samples:
            total.update(f"{key} {sample}\n".encode())
    return total.hexdigest()


def _summary(folder: Path, shards: Sequence[Shard], digest: str, started: float, made: int) -> Pack:
    people = {key.partition("_")[0] for shard in shards for key, _ in shard.samples}
    seconds = time.monotonic() - started
    images = sum(shard.images for shard in shards)
    return Pack(len(people), images, seconds, made / max(seconds, 1e-9), folder, digest)


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / MANIFEST).read_text("utf-8"))
        shards = found["shards"].items()
        sound = all(NAME.fullmatch(name) and len(entry["sha256"]) == 64 for name, entry in shards)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return cast(dict[str, Any], found) if sound else None


def _finished(folder: Path) -> dict[str, Any]:
    manifest = _manifest(folder)
    if manifest is None:
        raise FusiformError(f"{folder} is no pack: it has no readable {MANIFEST}. Write one there.")
    if "digest" not in manifest:
        raise FusiformError(f"The pack in {folder} is not finished. Write it again to go on.")
    return manifest


def _save(
    folder: Path, head: dict[str, Any], done: Mapping[str, Shard], digest: str | None = None
) -> None:
    """The manifest as it stands; `digest` only in that of a finished pack."""
    entries = {
        name: {
            "sha256": done[name].sha256,
            "samples": len(done[name].samples),
            "images": done[name].images,
        }
        for name in sorted(done)
    }
    whole = head | {"shards": entries} | ({"digest": digest} if digest else {})
    part = folder / f"{MANIFEST}.part-{os.getpid()}"
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(whole, indent=1, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, folder / MANIFEST)
        sync_folder(folder)
    finally:
        part.unlink(missing_ok=True)
