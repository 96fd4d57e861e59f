"""Files of the store: their hashes, remembered, and writing them whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock


def home() -> Path:
    """Where fusiform keeps its files: FUSIFORM_HOME, else ~/.fusiform."""
    return Path(os.environ.get("FUSIFORM_HOME") or "~/.fusiform").expanduser()


def read_hash(path: Path) -> str:
    """SHA-256 of a file in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_hash(path: Path, *, fresh: bool = False) -> str:
    """SHA-256 of a file in hexadecimal.

    It is read once: the answer is remembered in the store by place, size and time of change.
    `fresh` reads the file again, whatever is remembered. Raises OSError.
    """
    state = path.stat()
    key, stamp = str(path.resolve()), [state.st_size, state.st_mtime_ns]
    known = _remembered()
    if not fresh and known.get(key, [])[:2] == stamp:
        return str(known[key][2])
    digest = read_hash(path)
    if known.get(key) != [*stamp, digest]:
        _remember(known | {key: [*stamp, digest]})
    return digest


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that no one ever sees half of it. Raises OSError."""
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        part.write_bytes(data)
        publish(part, path)
    finally:
        part.unlink(missing_ok=True)


def publish(part: Path, path: Path) -> None:
    """Puts a finished file in its place, safe against a loss of power. Raises OSError."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    with contextlib.suppress(OSError):  # Windows has no folders that can be opened
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other processes from writing `path`; makes its folder. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        yield


def _remembered() -> dict[str, list[int | str]]:
    """What is known of files; nothing if the note is missing or unreadable."""
    try:
        known = json.loads(_notes().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(known: dict[str, list[int | str]]) -> None:
    """Two processes may forget each other's note: the price is reading a file again."""
    with contextlib.suppress(OSError):  # a home that cannot be written only costs time
        _notes().parent.mkdir(parents=True, exist_ok=True)
        write_whole(_notes(), json.dumps(known, indent=1).encode())


def _notes() -> Path:
    return home() / "models" / "hashes.json"
