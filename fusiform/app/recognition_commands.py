"""`fusiform bench recognition`: public test sets by their published protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusiform.app.bench_commands import SaveOption, bench, tell
from fusiform.app.terminal import (
    Command,
    DetectorOption,
    EmbedderOption,
    JsonOption,
    counting_bar,
)

app = typer.Typer()  # of its own it has nothing: the command joins the group of benchmarks


@bench.command(cls=Command)
def recognition(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Where a public test set lies.")
    ],
    model: EmbedderOption = "auto",
    detector: DetectorOption = "auto",
    kind: Annotated[
        str | None, typer.Option(help="Its format (docs/recognition.md); else all found there.")
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Add the mirrored crop's vector.")] = False,
    keep: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """LFW, CFP, AgeDB, CALFW, CPLFW, RFW, IJB, TinyFace, .bin packs, by their own protocols.

    Example:

        fusiform bench recognition --data faces_emore --flip
    """
    from fusiform.app.bench.recognition import bench_recognition

    with counting_bar() as progress:
        result = bench_recognition(
            data, model=model, detector=detector, kind=kind, flip=flip, progress=progress
        )
    tell(result, keep, as_json)
