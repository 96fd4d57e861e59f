"""Commands about the machine: models, pull, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusiform.api import count_of, default_gallery
from fusiform.app import schema
from fusiform.app.doctor import examine
from fusiform.app.terminal import GalleryOption, JsonOption, say, show, show_json, show_table
from fusiform.hub.fetch import pull as fetch
from fusiform.hub.store import available

app = typer.Typer()
MARKS = {"good": "✓", "note": "·", "bad": "✗"}


@app.command()
def models(as_json: JsonOption = False) -> None:
    """Which models there are, whether they are on this machine, and under what licence.

    Examples:

        fusiform models

        fusiform models --json
    """
    known = available()
    if as_json:
        show_json([schema.model(card, state) for card, state in known])
        return
    rows = [(c.name, c.kind, state, c.licence, c.title) for c, state in known]
    show_table(["model", "kind", "state", "licence", "what it is"], rows)


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="A model: see `fusiform models`.")],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Take this file, no network.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a model's weights to this machine, checked against the hash on its card.

    Examples:

        fusiform pull yunet-s

        fusiform pull yunet-s --from /media/stick/yunet_s_dynamic.onnx
    """
    path = fetch(name, source=source)
    if as_json:
        show_json({"model": name, "path": str(path)})
    else:
        show(f"{name}: {path}")


@app.command()
def doctor(gallery: GalleryOption = None, as_json: JsonOption = False) -> None:
    """Look for what could go wrong: models, hashes, permissions, the gallery, missing photos.

    Exits with 1 if something is wrong; every line says the remedy.

    Examples:

        fusiform doctor

        fusiform doctor --gallery family.db --json
    """
    findings = examine(gallery or default_gallery())
    bad = [f for f in findings if f.level == "bad"]
    if as_json:
        show_json([{"check": f.check, "level": f.level, "says": f.says} for f in findings])
    else:
        for finding in findings:
            show(f"{MARKS[finding.level]} {finding.check}: {finding.says}")
        say("all well" if not bad else f"{count_of(len(bad), 'problem')} found")
    raise typer.Exit(int(bool(bad)))
