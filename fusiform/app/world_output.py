"""What the commands of `fusiform world` share: files, progress, and what may not be installed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fusiform.app.terminal import say
from fusiform.core.errors import ChoiceError, FusiformError

if TYPE_CHECKING:
    from fusiform.core.decode import Pixels
    from fusiform.lab.world.labels import Photo

PICTURES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}


@contextmanager
def extras() -> Iterator[None]:
    """Says which extra brings a module that is not here."""
    try:
        yield
    except ModuleNotFoundError as error:
        from fusiform.lab.world import missing

        raise missing(error) from error


def need(module: str) -> None:
    """Raises the same error before anything is done."""
    from fusiform.lab.world import missing

    if find_spec(module) is None:
        raise missing(ModuleNotFoundError(name=module))


def tell_first_time() -> None:
    """Says why the first picture on a machine takes so long."""
    from fusiform.lab.geometry.kernel import on_disk
    from fusiform.lab.geometry.shade import shade

    if not on_disk(shade):
        say("compiling the inner loops, once: about a minute")


def within(name: str, value: float | None, least: float, most: float) -> None:
    """Raises ChoiceError for a number outside `least`..`most`, or none; None stays as it is."""
    if value is not None and not least <= value <= most:
        raise ChoiceError(name, f"{least:g} to {most:g}", value)


def picture_file(image: Pixels, path: Path, quality: int = 0) -> bytes:
    """The picture as PNG or JPEG, by the name's ending; as a camera of this JPEG `quality` gives
    it (0: none)."""
    from fusiform.lab.world.encode import picture

    return picture(image, PICTURES[path.suffix.lower()], quality)


def write_labels(path: Path, photo: Photo) -> None:
    """Facts and arrays: those per pixel by name in the JSON, in full in the npz beside it."""
    from fusiform.lab.world.encode import npz
    from fusiform.lab.world.labels import MAPS

    beside = path.with_suffix(".npz")
    lists = {name: array.tolist() for name, array in photo.arrays.items() if name not in MAPS}
    per_pixel = {name: beside.name for name in photo.arrays if name in MAPS}
    told = photo.facts | {"arrays": lists, "maps": per_pixel}
    write(path, json.dumps(plain(told), ensure_ascii=False, allow_nan=False).encode() + b"\n")
    write(beside, npz(photo.arrays))


def plain(value: Any) -> Any:
    """As JSON holds it, in short numbers."""
    from fusiform.lab.world.encode import shorter

    return shorter(value)


def write(path: Path, data: bytes) -> None:
    """A file, whole or not at all."""
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        reason = error.strerror or error
        raise FusiformError(f"{path} cannot be written: {reason}. Give another place.") from error


def check_pictures(path: Path) -> None:
    """Raises the error that writing a picture would meet, before it is drawn."""
    check("--out", path, tuple(PICTURES))


def check_labels(path: Path) -> None:
    """The same of labels."""
    check("--labels", path, (".json",))


def check_clip(path: Path) -> None:
    """The same of a clip."""
    check("--out", path, (".mp4",))


def check(option: str, path: Path, endings: tuple[str, ...]) -> None:
    """Raises ChoiceError for a wrong ending, FusiformError where there is no such folder."""
    if path.suffix.lower() not in endings:
        raise ChoiceError(f"the ending of {option}", endings, path.name)
    if path.parent.exists() and not path.parent.is_dir():
        raise FusiformError(f"{path} cannot be written: {path.parent} is a file, no folder.")
    if not path.parent.is_dir():
        raise FusiformError(f"{path} cannot be written: there is no folder {path.parent}. Make it.")


@contextmanager
def bar(title: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr for (done, all), only where somebody can see it, and not if `quiet`."""
    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    shown = console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not shown) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
