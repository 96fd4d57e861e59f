"""Commands that trade names with other photo programs: write-names, read-names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from fusiform import api
from fusiform.app.terminal import GalleryOption, JsonOption, open_gallery, say, show, show_json
from fusiform.app.world_output import bar
from fusiform.core.errors import FusiformError
from fusiform.gallery.exchange import Differing

app = typer.Typer()
SHOWN_ERRORS = 10


@app.command("write-names")
def write_names(
    people: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PERSON]...", help="By default everybody."),
    ] = None,
    gallery: GalleryOption = None,
    tags: Annotated[bool, typer.Option("--tags", help="Write names as tags, too.")] = False,
    embed: Annotated[
        bool,
        typer.Option(
            "--embed", help="Write INTO the photos (JPEG, PNG): the photo files are changed."
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Also over names that another program gave these faces."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write names beside the photos, as XMP sidecars that digiKam, Lightroom and exiftool read.

    Photos are not changed, unless you ask for --embed: then names go into the photo files, whose
    pixels stay as they are, and which stay known here. What other programs wrote of other faces
    stays; where one calls a face by another name than it ever had here, that is listed and left.
    Run it again after you changed a name: the old one goes. `forget` takes a person out again.

    Examples:

        fusiform write-names

        fusiform write-names "Ada Lovelace" --tags

        fusiform write-names --embed
    """
    with open_gallery(gallery) as g, bar("writing") as told:
        done = g.write_names(
            *people or (), tags=tags, embed=embed, overwrite=overwrite, progress=told
        )
    complain(done.failed)
    if as_json:
        failed = [str(error) for error in done.failed]
        answer = {"photos": done.photos, "regions": done.regions, "changed": done.changed}
        differing = [asdict(one) for one in done.differing]
        show_json(answer | {"differing": differing, "failed": failed})
    else:
        place, kind = ("in", "photo") if embed else ("beside", "sidecar")
        faces, files = api.count_of(done.regions, "face"), api.count_of(done.changed, kind)
        show(f"{faces} named {place} {api.count_of(done.photos, 'photo')}; {files} changed")
        _show_differing(done.differing)
    if done.failed and not done.photos:
        raise typer.Exit(1)


def _show_differing(differing: Sequence[Differing]) -> None:
    for one in differing[:SHOWN_ERRORS]:
        show(f"{one.name} (number {one.person}) is called {one.theirs} in {one.photo}: left so")
    if (more := len(differing) - SHOWN_ERRORS) > 0:
        show(f"... and {more:,} more (--json lists all)")
    if differing:
        say("`name` takes their name over, --overwrite writes yours")


@app.command("read-names")
def read_names(gallery: GalleryOption = None, as_json: JsonOption = False) -> None:
    """Take the names that other programs gave faces: from XMP beside or inside the photos.

    Whoever has no name here gets it, where all of it agrees; the rest is listed.

    Examples:

        fusiform read-names
    """
    with open_gallery(gallery) as g, bar("reading") as told:
        taken = g.read_names(told)
    complain(taken.failed)
    if as_json:
        named = [{"person": number, "name": name} for number, name in taken.named]
        unsure = [
            {"person": number, "names": [{"name": n, "faces": k} for n, k in names.items()]}
            for number, names in taken.open.items()
        ]
        failed = [str(error) for error in taken.failed]
        show_json({"photos": taken.photos, "named": named, "open": unsure, "failed": failed})
        return
    photos, people = api.count_of(taken.photos, "photo"), api.count_of(len(taken.named), "person")
    show(f"{photos} with named faces; {people} named")
    for number, name in taken.named:
        show(f"person {number}: {name}")
    for number, names in taken.open.items():
        told_names = ", ".join(f"{name} ({count})" for name, count in names.items())
        show(f"person {number} is called {told_names} elsewhere: `name`, `same` or `split`?")


def complain(failed: tuple[FusiformError, ...]) -> None:
    """Says what could not be read or written, the first few."""
    for error in failed[:SHOWN_ERRORS]:
        say(f"skipped: {error}")
    if (more := len(failed) - SHOWN_ERRORS) > 0:
        say(f"... and {more:,} more")
