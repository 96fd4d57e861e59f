"""What commands share: options, printing, progress, and errors as exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from typer.core import TyperCommand, TyperGroup

from fusiform import api
from fusiform import gallery as rooms
from fusiform.app import schema
from fusiform.core import draw
from fusiform.core.decode import Pixels
from fusiform.core.errors import ChoiceError, FusiformError, GalleryError
from fusiform.gallery import Person
from fusiform.gallery.cipher import Secret, secret_from
from fusiform.indexing import Progress as Done

GalleryOption = Annotated[
    str | None,
    typer.Option(
        "--gallery",
        "-g",
        metavar="FILE",
        help="The gallery: a file, or postgresql://USER@HOST/DATABASE.",
        envvar="FUSIFORM_GALLERY",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")]
DrawOption = Annotated[
    Path | None, typer.Option("--draw", metavar="FILE", help="Draw the picture and what was found.")
]
DetectorOption = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="auto, yunet-s, yunet-n, dlib-hog, or the path of an ONNX file."
    ),
]
EmbedderOption = Annotated[
    str, typer.Option(metavar="NAME", help="auto, dlib-resnet, or the path of an ONNX file.")
]
SmallFacesOption = Annotated[
    bool, typer.Option("--small-faces", help="Also look at full resolution, tile by tile: slower.")
]
Pictures = Annotated[list[Path], typer.Argument(metavar="PICTURE", help="Files or folders.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Who = Annotated[str, typer.Argument(metavar="PERSON", help="A person's number or name.")]

MOST = 2**63 - 1
"""The largest number that a gallery can hold."""

NO = 3
"""Exit code of an answered question whose answer is no, with --exit-code."""

# File names and names may hold anything; a terminal would obey what stands in them.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


class Command(TyperCommand):
    """A command whose help leaves out that a flag is a <bool>."""

    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))


class Group(TyperGroup):
    """The same for the whole command line."""

    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))


def without_types(params: list[Any]) -> list[Any]:
    """`params`, told to show no type where they are flags."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


def say(message: str) -> None:
    """A line for the reader, on stderr, so that stdout stays data."""
    _print(Console(stderr=True, highlight=False), message)


def show(message: str, style: str = "") -> None:
    """A line of the answer, on stdout, as it stands but for control characters."""
    _print(Console(highlight=False), message, style)


def _print(console: Console, message: str, style: str = "") -> None:
    text = message.translate(_CONTROLS)
    console.print(text, soft_wrap=True, markup=False, emoji=False, style=style or None)


def show_json(value: object, *, indent: int | None = 2) -> None:
    """The answer as JSON on stdout; without `indent` in one line."""
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    sys.stdout.write(schema.text(value, indent=indent, ascii_only=plain) + "\n")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A plain table; a column whose name ends with # is aligned right.

    Lines are never folded, so that a path in the last column stays in one piece.
    """
    head = [column.rstrip("#") for column in columns]
    lines = [head, *([str(cell).translate(_CONTROLS) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        cells = [
            " " * (width - cell_len(cell)) + cell
            if name.endswith("#")
            else cell + " " * (width - cell_len(cell))
            for name, cell, width in zip(columns, line, widths, strict=True)
        ]
        show("  ".join(cells).rstrip(), style="" if number else "bold")


def summary_of(one: Person) -> str:
    """A person in a line: "Ada (number 7): 3 faces", without a name "Person 7: 3 faces"."""
    number = f" (number {one.id})" if one.name else ""
    return f"{api.title(one)}{number}: {api.count_of(len(one.faces), 'face')}"


def corners(box: Sequence[float]) -> str:
    """A box as it stands in a table: whole pixels."""
    return " ".join(f"{value:.0f}" for value in box)


def cosine(name: str, value: float | None) -> float | None:
    """A similarity as it was given. Raises ChoiceError outside -1 to 1."""
    if value is not None and not -1 <= value <= 1:
        raise ChoiceError(name, "a similarity from -1 to 1", value)
    return value


def percent(probability: float) -> str:
    """A probability as people read it; the calibration knows nothing beyond 0.1 and 99.9 %."""
    if not 0.001 <= probability <= 0.999:
        return "over 99.9 %" if probability > 0.5 else "under 0.1 %"
    return f"{100 * probability:.1f} %"


def open_gallery(
    path: str | None, *, detector: str = "auto", embedder: str = "auto", create: bool = False
) -> api.Gallery:
    """The gallery at `path`, else the default one. Raises ChoiceError for an empty path: perhaps a
    variable of a script that is not set."""
    if path == "":
        raise ChoiceError("--gallery", "a file or a URL", path)
    return api.Gallery(path, detector=detector, embedder=embedder, create=create, secret=key)


def key() -> Secret:
    """What opens a sealed gallery: named by the environment, or typed."""
    return secret_from(os.environ, _asked if sys.stdin.isatty() else None)


def _asked() -> str:
    return str(typer.prompt("Passphrase", hide_input=True, err=True))


def confirm(question: str, yes: bool, as_json: bool) -> None:
    """Asks on stderr, unless `yes`; ends the command with exit code 1 where the answer is no.

    Raises FusiformError with `as_json`, as then nobody is there to be asked.
    """
    if yes:
        return
    if as_json:
        raise FusiformError(f"{question} With --json nobody is asked: add --yes if you mean it.")
    sys.stderr.write(f"{question.translate(_CONTROLS)} [y/N]: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        say("nothing was changed")
        raise typer.Exit(1)


def confirm_one(g: api.Gallery, who: str, other: str, yes: bool, as_json: bool) -> None:
    """Asks before two people become one against what was decided before."""
    if told := "; ".join(rooms.overruled(g.store, who, other)):
        confirm(f"{told}. Make {who} and {other} one person all the same?", yes, as_json)


def refuse_photo(target: Path | None, inputs: Sequence[str | Path], path: str | None) -> None:
    """Refuses to draw over a picture that was named, or that the gallery at `path` knows.

    Raises ChoiceError. A gallery that cannot be opened knows none.
    """
    if target is None or not os.path.lexists(target):
        return
    known = any(os.path.exists(one) and os.path.samefile(one, target) for one in inputs)
    with suppress(GalleryError):
        known = known or _is_listed(target, path)
    if known:
        raise ChoiceError("the file to draw", "none of your photos, which stay", str(target))


def _is_listed(target: Path, path: str | None) -> bool:
    with open_gallery(path) as g:
        names = {os.path.abspath(target), os.path.realpath(target)}
        return any(g.store.listed(name) for name in names)


def save_drawing(path: Path, pixels: Pixels) -> None:
    """Writes a drawing and says where it is."""
    draw.save(path, pixels)
    say(f"drawn: {path}")


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[Done], None]]:
    """A bar on stderr, only where somebody can see it."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[faces]} faces"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total, faces=0)
        yield lambda p: bar.update(task, completed=p.done, faces=p.faces)


@contextmanager
def counting_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar a title on stderr, told (title, done, all), only where somebody can see it."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:

        def tell(title: str, done: int, count: int) -> None:
            if title not in tasks:
                tasks[title] = bar.add_task(title.translate(_CONTROLS), total=count)
            bar.update(tasks[title], completed=done)

        yield tell
