"""What commands share: options, printing, progress, and errors as exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fusiform import api
from fusiform.app import schema
from fusiform.indexing import Progress as Done

GalleryOption = Annotated[
    Path | None,
    typer.Option(
        "--gallery", "-g", metavar="FILE", help="The gallery file.", envvar="FUSIFORM_GALLERY"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")]
DetectorOption = Annotated[
    str, typer.Option(help="auto, yunet-s, yunet-n, dlib-hog, or the path of an ONNX file.")
]
EmbedderOption = Annotated[
    str, typer.Option(help="auto, dlib-resnet, or the path of an ONNX file.")
]
SmallFacesOption = Annotated[
    bool, typer.Option("--small-faces", help="Also look at full resolution, tile by tile: slower.")
]
Pictures = Annotated[list[Path], typer.Argument(metavar="PICTURE...", help="Files or folders.")]
Who = Annotated[str, typer.Argument(metavar="PERSON", help="A person's number or name.")]

NO = 3
"""Exit code of an answered question whose answer is no, with --exit-code."""


def say(message: str) -> None:
    """A line for the reader, on stderr, so that stdout stays data."""
    Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(message)


def show(message: str) -> None:
    """A line of the answer, on stdout, as it stands."""
    Console(highlight=False, soft_wrap=True, markup=False).print(message)


def show_json(value: object) -> None:
    """The answer as JSON on stdout."""
    sys.stdout.write(schema.text(value) + "\n")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A plain table; a column whose name ends with # is aligned right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column.rstrip("#"), justify="right" if column.endswith("#") else "left",
            overflow="fold",
        )  # fmt: skip
    for row in rows:
        table.add_row(*(str(cell).replace("[", "\\[") for cell in row))
    Console(highlight=False).print(table)


def open_gallery(
    path: Path | None, *, detector: str = "auto", embedder: str = "auto", create: bool = False
) -> api.Gallery:
    """The gallery at `path`, else the default one."""
    return api.Gallery(path, detector=detector, embedder=embedder, create=create)


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
