"""Commands about models and the machine: models, pull, reembed, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusiform.api import count_of, default_gallery
from fusiform.app import schema
from fusiform.app.doctor import examine
from fusiform.app.terminal import (
    GalleryOption,
    JsonOption,
    open_gallery,
    say,
    show,
    show_json,
    show_table,
)
from fusiform.app.world_output import bar
from fusiform.core.errors import ChoiceError
from fusiform.gallery import Changes
from fusiform.hub.fetch import pull as fetch
from fusiform.hub.store import available
from fusiform.reembedding import Embedded

app = typer.Typer()
SHOWN = 20
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


@app.command()
def reembed(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, or the path of a model.")],
    gallery: GalleryOption = None,
    switch: Annotated[
        bool, typer.Option("--switch", help="The gallery goes by it from now on.")
    ] = False,
    leave_out: Annotated[
        bool,
        typer.Option("--leave-out", help="Switch though some faces have neither crop nor photo."),
    ] = False,
    limit: Annotated[
        float | None,
        typer.Option(
            metavar="COSINE", help="Average similarity for grouping, by default the card's."
        ),
    ] = None,
    drop: Annotated[
        bool,
        typer.Option("--drop", help="Delete its vectors; not those the gallery goes by."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Embed every face again with another model, beside what is there, and say who would change.

    Works from the crops that are kept, so the photos need not be at hand. Stop it and run it
    again to go on. With `--switch` the gallery goes by the new model: names and decisions stay,
    people are grouped anew; the old vectors stay as well, and you can switch back.

    Examples:

        fusiform reembed better.onnx

        fusiform reembed better.onnx --switch

        fusiform reembed dlib-resnet --drop
    """
    if drop and (switch or leave_out or limit):
        raise ChoiceError("--drop", "given without --switch, --leave-out and --limit", True)
    with open_gallery(gallery) as g:
        if drop:
            count = g.drop_vectors(model)
            show_json({"dropped": count}) if as_json else show(f"{count:,} vectors deleted")
            return
        with bar("embedding") as told:
            done, changes = g.reembed(model, limit=limit, progress=told)
        if switch:
            g.switch(model, leave_out=leave_out)
        in_use = g.goes_by(model)
    if as_json:
        show_json(schema.changes(done, changes, in_use))
    else:
        _show_changes(done, changes, in_use)


def _show_changes(done: Embedded, changes: Changes, in_use: bool) -> None:
    share = 100 * changes.stay / max(1, changes.faces)
    show(f"{count_of(done.faces, 'face')} embedded; {share:.1f} % of {changes.faces:,} stay")
    if done.lost:
        lost = count_of(len(done.lost), "face")
        say(f"{lost} left out, with neither crop nor photo, such as face {done.lost[0]}")
    if changes.moves:
        rows = [
            (move.faces, _called(move.before, move.names[0]), _called(move.now, move.names[1]))
            for move in changes.moves[:SHOWN]
        ]
        show_table(["faces#", "are", "are now" if in_use else "would be"], rows)
    if in_use:
        say("the gallery goes by this model")
    else:
        say("nothing has changed yet; --switch makes the gallery go by this model")


def _called(number: int | None, name: str | None) -> str:
    return name or ("somebody new" if number is None else f"Person {number}")
