"""Files that have their name only once they are whole and on the disk."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fusiform.core.errors import GalleryError, GalleryUnwritable

_PART = ".part"


@contextmanager
def whole_file(path: str | Path, force: bool = False, never: Path | None = None) -> Iterator[Path]:
    """Gives an empty file beside `path`, which only its user may read (mode 0600) and which
    becomes `path` when the block ends well, else vanishes. What a killed process left is removed.

    `force` replaces a file that is there, but never the file `never`.
    Raises GalleryError if there is one, GalleryUnwritable.
    """
    real = Path(os.path.realpath(os.path.expanduser(path)))  # a link stays a link
    _refuse(real, force, never)
    try:
        sweep(real)
        number, name = tempfile.mkstemp(_PART, f".{real.name}.", real.parent)
        os.close(number)
        part = Path(name)
        try:
            yield part
            _refuse(real, force, never)  # somebody may have been faster
            _settle(part)
            os.replace(part, real)
            with suppress(OSError):  # Windows has no folders that can be opened
                _settle(real.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise GalleryUnwritable(
            f"{path} cannot be written ({error.strerror}); make room on the disk, change the "
            "permissions of its folder, or choose another place."
        ) from error


@contextmanager
def work_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` that only its user may enter and that vanishes after the block; if the
    process is killed, with the next `sweep`."""
    made = tempfile.mkdtemp(_PART, f".{path.name}.", path.parent)
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sweep(path: Path) -> None:
    """Removes what killed processes left beside `path`; it may hold templates."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*{_PART}"):
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def _refuse(real: Path, force: bool, never: Path | None) -> None:
    if never is not None and real == Path(os.path.realpath(never)):
        raise GalleryError(f"{real} is the gallery itself; choose another file.")
    if real.exists() and not force:
        raise GalleryError(f"{real} is there already; --force replaces it.")


def _settle(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
