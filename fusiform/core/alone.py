"""One run at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fusiform.core.errors import FusiformError

LOCK = ".lock"  # held while a run writes


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps other runs out of `folder`, which exists, until this one ends, however it ends.

    Raises FusiformError where another is in it, OSError where it cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FusiformError(
            f"Another run is writing to {folder}. Wait for it, or give another folder."
        ) from None
    try:
        yield
    finally:
        lock.release()
